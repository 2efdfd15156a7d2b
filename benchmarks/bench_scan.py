"""Whether `scan` names what a person would: twelve real projects, fetched by their package clients.

`--full` fetches the sources of benchmarks/projects.yaml and of benchmarks/projects-unseen.yaml
(PyPI, npm, Debian) and writes the table to
benchmarks/results/scan.md; `--quick` only measures a scan of 100,000 files. A project that cannot
be fetched is marked so and counts as a miss.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).resolve().parent
METRICS_LOOKED_AT = 3
DEBIAN_SUITE = "deb-src"


class Judged(NamedTuple):
    """One project's row."""

    name: str
    language: str
    guard: str
    metric: str
    is_right: bool
    remark: str


def main() -> None:
    """Print the table, and write it with --full."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the scan of 100,000 files")
    parser.add_argument("--full", action="store_true", help="fetch the projects too (default)")
    quick = parser.parse_args().quick
    lines = [many_files()]
    if not quick:
        known, unseen = judged_all("projects.yaml"), judged_all("projects-unseen.yaml")
        lines = [*table(known), "", *UNSEEN, *table(unseen), "", *lines]
        (HERE / "results" / "scan.md").write_text("\n".join([*HEAD, *lines, ""]))
    print("\n".join(lines))


HEAD = (
    "# Scan against twelve real projects",
    "",
    "Made by `python benchmarks/bench_scan.py --full` on "
    f"{dt.datetime.now(dt.timezone.utc):%Y-%m-%d}. What is right was written down in",
    "`benchmarks/projects.yaml` before scan existed: its first guard must be the project's test",
    "command, and one of its first three metrics a number that a person would optimise.",
    "The projects were known while scan was written, so this says what it can read, not how it",
    "does on others.",
    "",
)
UNSEEN = (
    "## Six projects that scan had not seen",
    "",
    "`benchmarks/projects-unseen.yaml`, and what is right for each, was committed before scan was",
    "run on any of them. Right means no more than above: jansson's second guard lacked",
    "`autoreconf` (mended since); jose's `npm run build` is only a part of its CI's `build-all`;",
    "of nlohmann-json it puts the generated `single_include/` before `include/`.",
    "",
)


def table(rows: list[Judged]) -> list[str]:
    """The rows as Markdown."""
    right = sum(row.is_right for row in rows)
    lines = [
        "| project | language | first guard | metric | right | remark |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        state = "yes" if row.is_right else "NO"
        lines.append(
            f"| {row.name} | {row.language} | {code(row.guard)} | {code(row.metric)} | {state} "
            f"| {row.remark} |"
        )
    return [*lines, "", f"{right} of {len(rows)} right."]


def code(text: str) -> str:
    """A command as a table cell."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def judged_all(listed: str) -> list[Judged]:
    """Every project of a list, fetched and scanned."""
    projects = yaml.safe_load((HERE / listed).read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="scan-") as folder:
        return [judged(project, Path(folder)) for project in projects]


def judged(project: dict[str, Any], folder: Path) -> Judged:
    """One project."""
    place = folder / project["name"]
    place.mkdir()
    try:
        root = fetch(project["get"], place)
    except subprocess.CalledProcessError as error:
        remark = f"could not be fetched: {error.cmd[0]} exit {error.returncode}"
        return Judged(project["name"], project["language"], "", "", is_right=False, remark=remark)
    answer = scan(root)
    guards = [one["command"] for one in answer["candidates"]["guard"]]
    metrics = [one["command"] for one in answer["candidates"]["metric"]][:METRICS_LOOKED_AT]
    guard = guards[0] if guards else ""
    fits = plain(guard) in {plain(command) for command in project["test"]} or any(
        re.fullmatch(how, guard) for how in project.get("test_like", [])
    )
    metric = next(
        (one for one in metrics if any(re.search(how, one) for how in project["metric"])), ""
    )
    remark = (
        "" if fits else f"expected {code([*project['test'], *project.get('test_like', [])][0])}"
    )
    if not metric:
        remark = (
            f"{remark} no usable metric among {', '.join(map(code, metrics)) or 'none'}".strip()
        )
    is_right = fits and bool(metric)
    return Judged(project["name"], project["language"], guard, metric, is_right, remark)


def plain(command: str) -> str:
    """A command without what only makes it quieter."""
    return re.sub(r"\s+(-q|-B|--quiet)\b", "", command)


def scan(root: Path) -> dict[str, Any]:
    """The answer of `scan --json`."""
    command = [sys.executable, "-m", "autoresearch", "scan", str(root), "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True)
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def fetch(get: dict[str, str], place: Path) -> Path:
    """The unpacked source of a package; its root."""
    clients = {"pypi": from_pypi, "npm": from_npm, "debian": from_debian}
    archive = clients[get["from"]](get["package"], str(get["version"]), place)
    source = place / "source"
    source.mkdir()
    run(["tar", "-xf", str(archive), "-C", str(source)], place)
    (root,) = source.iterdir()
    return root


def from_pypi(package: str, version: str, place: Path) -> Path:
    """An sdist."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    run([*pip, "-d", str(place), f"{package}=={version}"], place)
    return next(place.glob("*.tar.gz"))


def from_npm(package: str, version: str, place: Path) -> Path:
    """A tarball."""
    run(["npm", "pack", "--silent", f"{package}@{version}"], place)
    return next(place.glob("*.tgz"))


def from_debian(package: str, version: str, place: Path) -> Path:
    """The upstream part of a source package, by an apt that knows of sources.

    The system's own configuration is left alone: its archives are read, their sources asked for.
    """
    del version  # the archive holds one; the listed one says which was read
    apt = place / "apt"
    for folder in ("parts", "lists/partial"):
        (apt / folder).mkdir(parents=True)
    stanzas = [
        re.sub(r"(?m)^Types:.*$", f"Types: {DEBIAN_SUITE}", stanza)
        for file in Path("/etc/apt/sources.list.d").glob("*.sources")
        for stanza in file.read_text().split("\n\n")
        if re.search(r"(?m)^Components:.*\bmain\b", stanza) and "debian" in stanza
    ]
    (apt / "parts" / "sources.sources").write_text("\n\n".join(stanzas) + "\n")
    options = [
        "-o", "Dir::Etc::sourcelist=/dev/null",
        "-o", f"Dir::Etc::sourceparts={apt / 'parts'}",
        "-o", f"Dir::State::lists={apt / 'lists'}",
        "-o", "APT::Sandbox::User=root",
    ]  # fmt: skip
    run(["apt-get", *options, "-qq", "update"], place)
    # Packaging that an archive no longer holds does not matter: the upstream part is what is read.
    source = ["apt-get", *options, "-qq", "source", "--download-only", package]
    done = subprocess.run(source, cwd=place, capture_output=True, check=False)
    found = sorted(place.glob("*.orig.tar.[gx]z"))
    if not found:
        raise subprocess.CalledProcessError(done.returncode or 1, source)
    return found[0]


def run(command: list[str], cwd: Path) -> None:
    """A command that must succeed."""
    subprocess.run(command, cwd=cwd, capture_output=True, check=True)


def many_files(files: int = 100_000) -> str:
    """Seconds that a scan of so many tracked files takes."""
    with tempfile.TemporaryDirectory(prefix="scan-") as name:
        folder = Path(name)
        for number in range(files // 100):
            place = folder / "src" / f"p{number:04d}"
            place.mkdir(parents=True)
            for other in range(100):
                kind = "test_" if other > 90 else ""
                (place / f"{kind}f{other}.py").write_text("X = 1\n")
        (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        run(["git", "init", "-q"], folder)
        run(["git", "add", "."], folder)
        took = []
        for _ in range(3):
            start = time.perf_counter()
            scan(folder)
            took.append(time.perf_counter() - start)
    return f"A scan of {files:,} tracked files takes {statistics.median(took):.1f} s."


if __name__ == "__main__":
    main()
