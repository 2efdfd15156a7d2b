"""Published flaws of dependencies, matched offline against what lock files pin."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.loop.session import environment
from autoresearch.security import advisories, scanners, sweeping
from autoresearch.security.publishing import writing
from support.vulnerable import SMALL_MODEL, make_small

ORDERED = [
    "0", "0.9", "1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.2", "1.10",
    "2.0.0-beta.2", "2.0.0", "10.0",
]  # fmt: skip
RANGE = [{"type": "ECOSYSTEM", "events": [{"introduced": "1.2"}, {"fixed": "1.4.1"}]}]
# ruff: noqa: E501 - lock files, a line each
LOCKS = {
    "requirements.txt": "flask[async]==1.3  # web\nDjango_Rest==1.3\nother>=1.3\n",
    "api/poetry.lock": '[[package]]\nname = "flask"\nversion = "1.3"\ndescription = "x"\n',
    "uv.lock": '[[package]]\nname = "flask"\nversion = "1.4.1"\n',
    "Pipfile.lock": '{"default": {"flask": {"hashes": ["x"], "version": "==1.3"}}}\n',
    "web/package-lock.json": (
        '{"packages": {"": {"name": "web"}, "node_modules/@a/b": {\n "version": "1.3"\n},'
        ' "node_modules/x/node_modules/lodash": {"version": "1.3"}}}\n'
    ),
    "yarn.lock": '"@a/b@^1.0.0":\n  version "1.3"\n\nlodash@^1:\n  version "1.3"\n',
    "pnpm-lock.yaml": "packages:\n\n  '@a/b@1.3':\n    resolution: {}\n  lodash@1.3(x@1):\n    x: 1\n",
    "Cargo.lock": '[[package]]\nname = "serde"\nversion = "1.3"\n',
    "go.mod": "module x\n\nrequire (\n\tgithub.com/a/b v1.3\n)\n",
    "Gemfile.lock": "GEM\n  specs:\n    rack (1.3)\n      other (~> 1)\n",
    "composer.lock": '{"packages": [{"name": "a/b", "version": "v1.3", "x": 1}]}\n',
}


def write(repo):
    return writing(repo.root, environment(), "test", begin=True)


def advisory(ecosystem, name, **more):
    package = {"ecosystem": ecosystem, "name": name}
    return {
        "id": f"GHSA-{name}",
        "aliases": ["CVE-2099-1"],
        "summary": "something bad",
        "affected": [{"package": package, "ranges": RANGE, **more}],
        "database_specific": {"severity": "HIGH", "cwe_ids": ["CWE-79"]},
    }


@pytest.fixture
def repo(tmp_path):
    found = make_small(tmp_path / "small", **LOCKS)
    with write(found) as books:
        sweeping.complete(books, json.dumps(SMALL_MODEL))
    return found


def test_versions_are_ordered_as_their_ecosystems_do():
    """1.10 before 1.2, or a release candidate that counts as the release."""
    keys = [advisories.order(version) for version in ORDERED]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert advisories.order("1.0") == advisories.order("v1.0.0") == advisories.order("1+local")


@pytest.mark.parametrize(
    ("version", "affected"),
    [("1.1", False), ("1.2", True), ("1.4", True), ("1.4.1rc1", True), ("1.4.1", False)],
)
def test_range_is_from_introduced_to_fixed(version, affected):
    """A fixed version reported, or the last flawed one missed."""
    assert advisories.is_affected(version, {"ranges": RANGE}) is affected


def test_other_ways_to_name_versions():
    """An advisory that lists versions, ends with the last flawed one, or knows commits only."""
    assert advisories.is_affected("7", {"versions": ["7"]})
    last = [{"type": "SEMVER", "events": [{"introduced": "0"}, {"last_affected": "1.3"}]}]
    assert advisories.is_affected("1.3", {"ranges": last})
    assert not advisories.is_affected("1.3.1", {"ranges": last})
    twice = [{"type": "SEMVER", "events": [
        {"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0"}, {"fixed": "2.1"},
    ]}]  # fmt: skip
    assert [advisories.is_affected(v, {"ranges": twice}) for v in ("0.5", "1.5", "2.0", "2.1")] == [
        True, False, True, False,
    ]  # fmt: skip
    assert not advisories.is_affected("1", {"ranges": [{"type": "GIT", "events": []}]})


@pytest.mark.parametrize(
    ("ecosystem", "name", "paths"),
    [
        ("PyPI", "Flask", {"requirements.txt", "api/poetry.lock", "Pipfile.lock"}),
        ("PyPI", "django-rest", {"requirements.txt"}),
        ("npm", "@a/b", {"web/package-lock.json", "yarn.lock", "pnpm-lock.yaml"}),
        ("npm", "lodash", {"web/package-lock.json", "yarn.lock", "pnpm-lock.yaml"}),
        ("crates.io", "serde", {"Cargo.lock"}),
        ("Go", "github.com/a/b", {"go.mod"}),
        ("RubyGems", "rack", {"Gemfile.lock"}),
        ("Packagist", "a/b", {"composer.lock"}),
        ("npm", "flask", set()),
        ("PyPI", "other", set()),
    ],
)
def test_lock_files_are_read(repo, tmp_path, ecosystem, name, paths):
    """A dependency with a published flaw that no lead names, or one of another ecosystem."""
    folder = tmp_path / "osv" / ecosystem
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(advisory(ecosystem, name)), "utf-8")
    with write(repo) as books:
        found = scanners.take_in(books, tmp_path / "osv").fresh
        assert {lead.path for lead in found} == paths
        assert all(lead.cwe == (79,) and "fixed in 1.4.1" in lead.message for lead in found)
        assert scanners.take_in(books, tmp_path / "osv").known == len(paths)


def test_line_and_withdrawn_shapes(repo, tmp_path):
    """A lead that points nowhere, a folder without advisories that is taken for one."""
    file = tmp_path / "one.json"
    file.write_text(json.dumps([advisory("PyPI", "flask")]), "utf-8")
    with write(repo) as books:
        lines = {lead.path: lead.line for lead in scanners.take_in(books, file).fresh}
        assert lines == {"requirements.txt": 1, "api/poetry.lock": 2, "Pipfile.lock": 1}
        (tmp_path / "empty").mkdir()
        for other in ("empty", "empty/x.json"):
            if other.endswith("json"):
                (tmp_path / other).write_text('{"some": "thing"}', "utf-8")
            with pytest.raises(AutoresearchError):
                scanners.take_in(books, tmp_path / "empty")


def test_report_of_osv_scanner_is_read(repo, tmp_path):
    """The report of the tool that `init` suggests, refused."""
    package = {"name": "flask", "version": "1.3", "ecosystem": "PyPI"}
    flaws = [advisory("PyPI", "flask")]
    source = {"path": str(repo.root / "requirements.txt"), "type": "lockfile"}
    report = {
        "results": [
            {"source": source, "packages": [{"package": package, "vulnerabilities": flaws}]}
        ]
    }
    file = tmp_path / "osv.json"
    file.write_text(json.dumps(report), "utf-8")
    with write(repo) as books:
        (lead,) = scanners.take_in(books, file).fresh
    assert (lead.path, lead.tool, lead.rule) == (
        "requirements.txt",
        "osv-scanner",
        "GHSA-flask, CVE-2099-1",
    )
