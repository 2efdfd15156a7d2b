"""One module per way of building software; `ALL` is the list that a scan goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.planning.scanning.ecosystems import (
    go,
    java,
    javascript,
    native,
    python,
    ruby,
    rust,
)

if TYPE_CHECKING:
    from autoresearch.planning.scanning.ecosystems.interface import Ecosystem

ALL: tuple[Ecosystem, ...] = (
    python.ECOSYSTEM,
    javascript.ECOSYSTEM,
    go.ECOSYSTEM,
    rust.ECOSYSTEM,
    java.ECOSYSTEM,
    ruby.ECOSYSTEM,
    native.ECOSYSTEM,
)
