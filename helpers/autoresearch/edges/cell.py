"""What one command in a sandbox may see and change, whatever confines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoresearch.edges.view import NOTHING_HIDDEN, View

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.edges.overlay import Overlay


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one command may see and change; absolute paths without links.

    Attributes:
        slot: the checkout, its working directory; writable but for `locked`.
        pinned: folders of it that cannot be renamed.
        locked: files and folders of it that are read-only.
        kept: folders of it that are writable whatever they lie in.
        writable: folders beside it that are its own: home and temporary folder.
        view: what of the machine is hidden.
        network: whether it may use the network; the loopback it always has.
        scratch: folders beside it that it may write to, of which nothing stays; takes overlays.
        overlay: where what it writes into the checkout goes instead; None for the checkout itself.
    """

    slot: Path
    pinned: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    view: View = NOTHING_HIDDEN
    network: bool = False
    scratch: tuple[str, ...] = ()
    overlay: Overlay | None = None
