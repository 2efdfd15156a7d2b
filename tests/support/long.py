"""Long forms of tests: `make test` runs a smoke case of each, `make test-all` the rest too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def mostly_long(cases: Iterable[Any], is_smoke: Callable[[Any], bool]) -> list[Any]:
    """The cases for `parametrize`, all but the smoke cases marked `long`."""
    found = list(cases)
    smoke = [case for case in found if is_smoke(case)]
    if not smoke:
        raise ValueError(f"no case of {found} is a smoke case, so `make test` would try none")
    return [case if case in smoke else pytest.param(case, marks=pytest.mark.long) for case in found]
