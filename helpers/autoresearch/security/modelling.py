"""`security init` and `security model`: the inventory from the code, and the model on top of it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, structs

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.forms import read_model
from autoresearch.core.security.inventory import Site, draft_boundaries, draft_elements, sites_in
from autoresearch.core.security.ledger import Asset, Boundary, Element, Model
from autoresearch.core.security.overview import files_of
from autoresearch.core.security.stride import PlaceKind
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write
from autoresearch.edges.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class KnownSites(Struct, frozen=True, kw_only=True):
    """The places of files that were read: by blob and path, kind and line."""

    version: int
    sites: dict[str, list[tuple[PlaceKind, int]]]


class Drafted(NamedTuple):
    """What `init` found: the model, in a file to complete too, places by kind, scanners."""

    model: Model
    kept: bool
    draft: str
    counts: Mapping[str, int]
    scanners: Mapping[str, str]


def begin(books: Books) -> Drafted:
    """Look at the code and write a first model, unless there is one already."""
    sites = inventory(books)
    elements = draft_elements(sites)
    if not elements:
        raise AutoresearchError(
            "no file of this commit looks like code that can be attacked",
            code="no_code",
            hint="Write a model by hand: `autoresearch security model --help`.",
        )
    kept = books.ledger.model is not None
    if not kept:
        _record(books, elements, draft_boundaries(elements), (), drafted=True)
    draft = books.state / "model.yaml"
    kinds = [kind.value for kind in PlaceKind for site in sites if site.kind is kind]
    atomic_write(draft, _as_form(books.require_model()).encode("utf-8"), mode=0o600, sync=False)
    return Drafted(
        model=books.require_model(),
        kept=kept,
        draft=str(draft),
        counts=dict(Counter(kinds).most_common()),
        scanners={name: call for name, call in SCANNERS.items() if shutil.which(name)},
    )


def complete(books: Books, text: str) -> Model:
    """Take a completed model for the model from here on."""
    form = read_model(text)
    elements = tuple(Element(**structs.asdict(one)) for one in form.elements)
    for element in elements:
        if not files_of(element, books.tree.entries):
            raise AutoresearchError(
                f"the element '{element.name}' has no file at commit {books.tree.commit[:12]}",
                code="no_files",
                hint="Name files that implement it, or that meet it where it is external.",
            )
    boundaries = tuple(Boundary(**structs.asdict(one)) for one in form.boundaries)
    assets = tuple(Asset(**structs.asdict(one)) for one in form.assets)
    return _record(books, elements, boundaries, assets, drafted=False)


def _record(
    books: Books,
    elements: tuple[Element, ...],
    boundaries: tuple[Boundary, ...],
    assets: tuple[Asset, ...],
    *,
    drafted: bool,
) -> Model:
    model = Model(
        schema=SCHEMA,
        at=now_utc(),
        commit=books.tree.commit,
        drafted=drafted,
        elements=elements,
        boundaries=boundaries,
        assets=assets,
    )
    books.write(model)
    return model


def inventory(books: Books) -> tuple[Site, ...]:
    """The places of every file of the commit; files that were read before are not read again."""
    stored = Stored(books.state / "sites.json", KnownSites, sync=False)
    known = stored.load()
    table = known.sites if known is not None and known.version == CACHE_VERSION else {}
    keys = {f"{entry.oid} {path}": path for path, entry in books.tree.entries.items()}
    fresh: dict[str, list[str]] = {}  # two files may hold the same
    for key in keys.keys() - table.keys():
        fresh.setdefault(key.partition(" ")[0], []).append(key)
    for oid, content in books.repo.blobs(fresh):
        table.update((key, _found(keys[key], content)) for key in fresh[oid])
    if fresh:
        sites = {key: table.get(key, []) for key in keys}
        stored.save(KnownSites(version=CACHE_VERSION, sites=sites))
    return tuple(
        Site(kind, path, line) for key, path in keys.items() for kind, line in table.get(key, ())
    )


def _found(path: str, content: bytes) -> list[tuple[PlaceKind, int]]:
    return [(site.kind, site.line) for site in sites_in(path, content)]


def _as_form(model: Model) -> str:
    """The model as the file that `security model` reads: JSON, which is YAML."""
    elements = [
        {
            "name": element.name,
            "kind": element.kind.value,
            "files": element.files,
            "description": element.description,
            **({"from": element.source, "to": element.target} if element.source else {}),
        }
        for element in model.elements
    ]
    listed = {
        "elements": elements,
        "boundaries": [wire.to_object(one) for one in model.boundaries],
        "assets": [wire.to_object(one) for one in model.assets],
    }
    return json.dumps(listed, indent=1) + "\n"
