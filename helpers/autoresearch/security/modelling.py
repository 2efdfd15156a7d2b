"""`security init` and `security model`: the inventory from the code, and the model on top of it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.forms import ModelForm, read_model
from autoresearch.core.security.inventory import (
    Site,
    draft_boundaries,
    draft_elements,
    sites_in,
)
from autoresearch.core.security.ledger import Model
from autoresearch.core.security.overview import files_of
from autoresearch.core.security.stride import PlaceKind
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autoresearch.core.security.ledger import Element
    from autoresearch.security.books import Books

CACHE_VERSION = 1
"""Of the table of places; another version is made anew."""

SCANNERS = {
    "bandit": "bandit -r . -f json -o bandit.json",
    "semgrep": "semgrep scan --config RULES.yaml --json --output semgrep.json --metrics off",
    "pip-audit": "pip-audit -f json -o pip-audit.json",
    "npm": "npm audit --json > npm-audit.json",
    "detect-secrets": "detect-secrets scan > secrets.json",
}
"""Program -> how its report is made; pip-audit and npm ask their registries."""


class Begun(NamedTuple):
    """What `init` found.

    Attributes:
        kept: True when there was a model before, which stays.
        draft: the model as a file to complete, in the state folder.
        counts: places by kind, the most frequent first.
        scanners: installed scanners -> how their report is made.
    """

    model: Model
    kept: bool
    draft: str
    counts: Mapping[str, int]
    scanners: Mapping[str, str]


def begin(books: Books) -> Begun:
    """Look at the code and write a first model, unless there is one already.

    Raises:
        AutoresearchError: `no_code` where nothing in the code looks like a place to attack.
    """
    sites = inventory(books)
    elements = draft_elements(sites)
    if not elements:
        raise AutoresearchError(
            "no file of this commit looks like code that can be attacked",
            code="no_code",
            hint="Write a model by hand: `autoresearch security model --help`.",
        )
    kept = books.ledger.model is not None
    model = books.ledger.model or _model(
        books, ModelForm(elements, draft_boundaries(elements), ()), drafted=True
    )
    if not kept:
        books.write(model)
    draft = books.state / "model.yaml"
    atomic_write(draft, _as_form(model).encode("utf-8"), mode=0o600, sync=False)
    counted = {kind.value: sum(site.kind is kind for site in sites) for kind in PlaceKind}
    return Begun(
        model=model,
        kept=kept,
        draft=str(draft),
        counts=dict(sorted(((k, n) for k, n in counted.items() if n), key=lambda item: -item[1])),
        scanners={name: call for name, call in SCANNERS.items() if shutil.which(name)},
    )


def complete(books: Books, text: str) -> Model:
    """Take a completed model for the model from here on."""
    form = read_model(text)
    for element in form.elements:
        if not files_of(element, books.tree.entries):
            raise AutoresearchError(
                f"the element '{element.name}' has no file at commit {books.tree.commit[:12]}",
                code="no_files",
                hint="Name files that implement it, or that meet it where it is external.",
            )
    model = _model(books, form, drafted=False)
    books.write(model)
    return model


def require_model(books: Books) -> Model:
    """The model in force; raises AutoresearchError `no_model` before `init`."""
    if books.ledger.model is None:
        raise AutoresearchError(
            "there is no model yet", code="no_model", hint="Run `autoresearch security init`."
        )
    return books.ledger.model


def element_of(model: Model, name: str) -> Element:
    """The element of a name; raises AutoresearchError `no_element`."""
    for element in model.elements:
        if element.name == name:
            return element
    names = ", ".join(element.name for element in model.elements)
    raise AutoresearchError(
        f"the model has no element '{clean_line(name, 60)}'",
        code="no_element",
        hint=f"It has: {clean_line(names, 300)}.",
    )


def inventory(books: Books) -> tuple[Site, ...]:
    """The places of every file of the commit; files that were read before are not read again."""
    cache = books.state / "sites.json"
    known = _cached(cache)
    entries = books.tree.entries
    fresh = {
        entry.oid: path for path, entry in entries.items() if _key(path, entry.oid) not in known
    }
    for oid, content in books.repo.blobs(fresh):
        path = fresh[oid]
        known[_key(path, oid)] = [(site.kind.value, site.line) for site in sites_in(path, content)]
    wanted = {_key(path, entry.oid): path for path, entry in entries.items()}
    table = {key: known.get(key, []) for key in wanted}
    if fresh:
        text = json.dumps({"version": CACHE_VERSION, "sites": table})
        atomic_write(cache, text.encode("ascii"), mode=0o600, sync=False)
    return tuple(
        Site(PlaceKind(kind), path, line)
        for key, path in wanted.items()
        for kind, line in table[key]
    )


def _key(path: str, oid: str) -> str:
    return f"{oid} {path}"


def _cached(path: Path) -> dict[str, list[tuple[str, int]]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return dict(found["sites"]) if found.get("version") == CACHE_VERSION else {}


def _model(books: Books, form: ModelForm, *, drafted: bool) -> Model:
    return Model(
        schema=SCHEMA,
        at=now_utc(),
        commit=books.tree.commit,
        drafted=drafted,
        elements=form.elements,
        boundaries=form.boundaries,
        assets=form.assets,
    )


def _as_form(model: Model) -> str:
    """The model as the file that `security model` reads: JSON, which is YAML."""
    elements = [
        {
            "name": element.name,
            "kind": element.kind.value,
            "files": list(element.files),
            "description": element.description,
            **({"from": element.source, "to": element.target} if element.source else {}),
        }
        for element in model.elements
    ]
    listed = {
        "elements": elements,
        "boundaries": [_plain(boundary) for boundary in model.boundaries],
        "assets": [_plain(asset) for asset in model.assets],
    }
    return json.dumps(listed, indent=1) + "\n"


def _plain(record: object) -> dict[str, object]:
    return dict(wire.to_object(record))
