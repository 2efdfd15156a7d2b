"""Where an attacker would look first, and what a change reaches."""

from __future__ import annotations

import pytest
from autoresearch.core.security.inventory import (
    Site,
    draft_boundaries,
    draft_elements,
    imports,
    is_source,
    module_names,
    reaching,
    sites_in,
    weights,
)
from autoresearch.core.security.ledger import ElementKind, PlaceKind, Stride

CASES = [
    ("app/web.py", '@app.route("/orders")', PlaceKind.ROUTE),
    ("app/web.py", "    def do_POST(self):", PlaceKind.ROUTE),
    ("web/server.js", 'router.get("/x", handler)', PlaceKind.ROUTE),
    ("src/A.java", "@GetMapping", PlaceKind.ROUTE),
    ("main.go", 'http.HandleFunc("/", f)', PlaceKind.ROUTE),
    ("cli.py", 'if __name__ == "__main__":', PlaceKind.ENTRY),
    ("run.sh", "#!/bin/sh", PlaceKind.ENTRY),
    ("web/a.ts", "const x = JSON.parse(body)", PlaceKind.PARSER),
    ("app/run.py", "subprocess.run(command, shell=True)", PlaceKind.PROCESS),
    ("web/run.js", "execSync(command)", PlaceKind.PROCESS),
    ("app/calc.py", "value = eval(text)", PlaceKind.EVAL),
    ("app/db.py", 'con.execute("SELECT 1")', PlaceKind.SQL),
    ("app/load.py", "state = pickle.loads(data)", PlaceKind.DESERIALISE),
    ("app/files.py", "with open(path) as file:", PlaceKind.FILES),
    ("app/out.py", "urlopen(url)", PlaceKind.NETWORK),
    ("app/auth.py", "def login(name):", PlaceKind.AUTH),
    ("app/conf.py", 'SECRET_KEY = "abcdef"', PlaceKind.SECRET),
    ("deploy/app.env", "TOKEN=abcdef123456", PlaceKind.SECRET),
    ("app/hash.py", "hashlib.md5(data)", PlaceKind.CRYPTO),
    ("web/view.js", "node.innerHTML = text", PlaceKind.TEMPLATE),
    ("app/log.py", 'logger.info("x")', PlaceKind.LOGGING),
    ("app/llm.py", "client = anthropic.Client()", PlaceKind.LLM),
]


@pytest.mark.parametrize(("path", "line", "kind"), CASES)
def test_place_is_seen(path, line, kind):
    """A kind of place that no sweep would start from."""
    found = sites_in(path, f"x = 1\n{line}\n".encode())
    assert Site(kind, path, 2) in found or Site(kind, path, 0) in found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("requirements.txt", PlaceKind.DEPENDENCY),
        ("web/package-lock.json", PlaceKind.DEPENDENCY),
        (".github/workflows/ci.yml", PlaceKind.CI),
        ("docker/Dockerfile", PlaceKind.CI),
        ("docker-compose.yml", PlaceKind.CI),
        (".env", PlaceKind.SECRET),
        ("keys/server.pem", PlaceKind.SECRET),
    ],
)
def test_file_is_known_by_its_name(path, kind):
    """Dependencies, CI or keys that are left out because they hold no code."""
    assert sites_in(path, b"\0binary")[0] == Site(kind, path, 0)


def test_what_nobody_reads_is_not_looked_at():
    """Minutes spent on bundles and images, or prose taken for code."""
    assert sites_in("a.js", b"eval(" + b"x" * 3_000 + b")") == ()
    assert sites_in("a.js", b"eval(x)\n" * 200_000) == ()
    assert sites_in("a.py", b"\0eval(x)") == ()
    assert sites_in("README.md", b"call eval(x) and subprocess") == ()
    assert [s.kind for s in sites_in("a.js", b"retrieval(x); model.evaluate(y)")] == []


SITES = [
    Site(PlaceKind.ROUTE, "app/web/routes.py", 3),
    Site(PlaceKind.SQL, "app/db/rows[1].py", 6),
    Site(PlaceKind.LOGGING, "app/web/routes.py", 9),
    Site(PlaceKind.FILES, "Setup.py", 1),
    Site(PlaceKind.DEPENDENCY, "requirements.txt", 0),
    Site(PlaceKind.CI, ".github/workflows/ci.yml", 0),
]


def test_draft_has_an_element_for_everything_seen():
    """A draft without a store, without callers, or with an element that has no file."""
    found = {element.name: element for element in draft_elements(SITES)}
    assert {name: element.kind.value for name, element in found.items()} == {
        "root": "process",
        "app/db": "process",
        "app/web": "process",
        "callers": "external",
        "database": "store",
        "files": "store",
        "records": "log",
        "supply": "process",
        "requests": "flow",
        "queries": "flow",
    }
    assert found["supply"].files == ("requirements.txt", ".github/workflows/ci.yml")
    assert found["database"].files == ("app/db/rows[[]1[]].py",)
    assert (found["queries"].source, found["queries"].target) == ("root", "database")
    assert all(element.files for element in found.values())


def test_draft_draws_the_line_between_ours_and_callers():
    """A model that trusts everybody, or a boundary around nothing."""
    (boundary,) = draft_boundaries(draft_elements(SITES))
    assert boundary.inside == (
        "root",
        "app/db",
        "app/web",
        "database",
        "files",
        "records",
        "supply",
    )
    assert draft_boundaries(()) == ()


def test_draft_of_little_is_little():
    """Flows from nowhere in a repository of dependencies only."""
    assert draft_elements([]) == ()
    assert [e.name for e in draft_elements(SITES[4:])] == ["supply"]
    few = draft_elements([Site(PlaceKind.FILES, "a/b.py", 1)])
    assert [(e.name, e.kind) for e in few] == [
        ("a", ElementKind.PROCESS),
        ("files", ElementKind.STORE),
    ]


def test_weight_counts_places_that_look_like_the_threat():
    """A sweep that starts where there is nothing to see."""
    found = weights(SITES, ["app/web/routes.py"])
    assert found[Stride.REPUDIATION] == 2
    assert found[Stride.TAMPERING] == 1
    assert weights(SITES, [])[Stride.TAMPERING] == 0


FILES = {
    "src/app/__init__.py": "",
    "src/app/db.py": "import os, json as j\n",
    "src/app/web.py": "from app import db\nfrom .util import (\n    clean,\n    trim as t,\n)\n",
    "src/app/util.py": "from . import db as rows  # the rows\nimport app.web\n",
    "src/app/sub/deep.py": "from ..util import clean\nfrom ... import nothing\n",
    "web/a.js": "import x from './b.js'\nconst y = require(\"../web/c\")\nimport('react')\n",
    "web/b.ts": "export * from './lib'\n",
    "web/c.js": "",
    "web/lib/index.ts": "import './c.json'\n",
    "web/lib/c.json": "{}",
    "README.md": "import app",
}


def graph():
    known = module_names(FILES)
    return {path: imports(path, text, known) for path, text in FILES.items() if is_source(path)}


def test_imports_lead_to_files_of_the_repository():
    """A change that is audited without what it calls."""
    found = graph()
    assert found["src/app/db.py"] == frozenset()
    assert found["src/app/web.py"] == {
        "src/app/__init__.py",
        "src/app/db.py",
        "src/app/util.py",
    }
    assert found["src/app/util.py"] == {
        "src/app/__init__.py",
        "src/app/db.py",
        "src/app/web.py",
    }
    assert found["src/app/sub/deep.py"] == {"src/app/util.py"}
    assert found["web/a.js"] == {"web/b.ts", "web/c.js"}
    assert found["web/b.ts"] == {"web/lib/index.ts"}
    assert found["web/lib/index.ts"] == {"web/lib/c.json"}
    assert "README.md" not in found


def test_change_reaches_its_importers_through_others_and_around_cycles():
    """A flaw in a library that no audit of its users sees; a cycle that never ends."""
    assert reaching(["src/app/db.py"], graph()) == {
        "src/app/db.py",
        "src/app/util.py",
        "src/app/web.py",
        "src/app/sub/deep.py",
    }
    assert reaching(["web/lib/c.json"], graph()) == {
        "web/lib/c.json",
        "web/lib/index.ts",
        "web/b.ts",
        "web/a.js",
    }
    assert reaching([], graph()) == frozenset()


def test_shorter_path_owns_a_name():
    """An import that leads to a vendored copy of the same name."""
    known = module_names(["lib/vendor/db.py", "db.py", "pkg/__init__.py"])
    assert known["db"] == "db.py"
    assert known["vendor.db"] == "lib/vendor/db.py"
    assert known["pkg"] == "pkg/__init__.py"
