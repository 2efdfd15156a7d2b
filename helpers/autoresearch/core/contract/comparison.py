"""Two contracts against each other: what an amendment changes, and whether it changes measuring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from msgspec import Struct

from autoresearch.core.contract.keys import Contract, Secondary, terms_of
from autoresearch.core.contract.scalars import percentage


def measures_differently(old: Contract, new: Contract) -> bool:
    """Whether values measured under the two contracts must not be compared: a new epoch starts."""
    return bool(_evaluator(old) != _evaluator(new))


def differences(old: Contract, new: Contract) -> tuple[tuple[str, str, str], ...]:
    """(dotted key, old text, new text) of each term that differs, in the contract's notation.

    A missing term is "". Empty exactly when the contracts are equal.
    """
    before, after = dict(_texts(old, "")), dict(_texts(new, ""))
    keys = dict.fromkeys(chain(before, after))
    pairs = ((key, before.get(key, ""), after.get(key, "")) for key in keys)
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _evaluator(held: Any) -> Any:  # noqa: ANN401  (of any key)
    """What of a value measures, without all that only decides, ends or describes."""
    if isinstance(held, tuple):
        return tuple(_evaluator(one) for one in held)
    if not isinstance(held, Struct):
        return held
    terms = terms_of(type(held)).values()
    return tuple(_evaluator(getattr(held, term.field)) for term in terms if term.key.starts_epoch)


def _texts(section: Struct, before: str) -> Iterator[tuple[str, str]]:
    """Each term that is set, as one would write it."""
    for name, term in terms_of(type(section)).items():
        held, key = getattr(section, term.field), before + name
        if isinstance(held, Struct):
            yield from _texts(held, f"{key}.")
        elif name in {"env", "transfer"}:
            yield from ((f"{name}.{one}", json.dumps(value)) for one, value in held)
        elif isinstance(held, tuple) and held:
            named = [one.name if isinstance(one, Secondary) else one for one in held]
            yield key, json.dumps(named, ensure_ascii=False)
            for one in held:
                if isinstance(one, Secondary):
                    yield from _texts(one, f"{key}.{one.name}.")
        elif held not in (None, "", ()):
            is_share = getattr(section, f"{term.field}_relative", False)
            yield key, percentage(held) if is_share else term.kind.show(held)
