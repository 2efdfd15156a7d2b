"""JavaScript and TypeScript: package.json, its scripts, bundlers and benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoresearch.core.model import Source
from autoresearch.planning.scanning.ecosystems.interface import (
    ONE_NUMBER,
    Ecosystem,
    candidate,
    fact,
    test_suite,
)
from autoresearch.planning.scanning.findings import Evidence, Found, Measure, Role, Topic
from autoresearch.planning.scanning.outline import first_line, json_object, table_of
from autoresearch.planning.scanning.paths import is_bench, is_vendored, name_of

if TYPE_CHECKING:
    from autoresearch.planning.scanning.project import Home, Project

MANIFEST = "package.json"
READS = (
    r"(^|/)(package\.json|tsconfig\.json|[^/]*eslint[^/]*)$"
    r"|(^|/)(vite|vitest|webpack|rollup|jest)\.config\.[cm]?[jt]s$|(^|/)[^/]*bench[^/]*(/.*)?\.[cm]?[jt]s$"
)
RUNNERS = ("vitest", "jest", "mocha", "ava", "tape", "tap", "jasmine", "uvu", "node --test")
BUNDLERS = ("esbuild", "vite", "webpack", "rollup", "parcel", "tsup", "@rspack/core")
CHECKERS = ("eslint", "standard", "xo", "@biomejs/biome", "oxlint", "prettier", "typescript")
BENCHES = ("benchmark", "tinybench", "mitata", "vitest")
INSTALLS = {
    "package-lock.json": "npm ci",
    "npm-shrinkwrap.json": "npm ci",
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "yarn.lock": "yarn install --frozen-lockfile",
    "bun.lockb": "bun install --frozen-lockfile",
}
NO_TEST = "no test specified"
CHECK_SCRIPT = re.compile(r"^(lint|eslint|typecheck|type-check|types?|check|typescript|tsc)$")


def find(project: Project) -> Iterator[Found]:
    """What packages of npm say of themselves."""
    for home in project.homes(MANIFEST):
        text = home.text(MANIFEST)
        held = json_object(text)
        if held is None:
            yield fact(Topic.TROUBLE, "package.json is no JSON object", home.at(MANIFEST))
            continue
        package = _Package(home, text, held)
        yield from package.scripts_found()
        yield from package.tools_found()
        yield from package.benchmarks_found()
        yield from package.entries_found()
        yield from package.surroundings_found()


class _Package:
    """One package.json."""

    def __init__(self, home: Home, text: str, held: dict[str, object]) -> None:
        self.home = home
        self.text = text
        self.held = held
        self.scripts = table_of(held, "scripts")
        self.needs = {
            **table_of(held, "dependencies"),
            **table_of(held, "devDependencies"),
            **table_of(held, "peerDependencies"),
        }
        self.score = 60 - home.penalty

    def at(self, key: str) -> Evidence:
        """The line of a key."""
        return self.home.at(MANIFEST, first_line(self.text, rf'"{re.escape(key)}"\s*:'))

    def run(self, script: str) -> str:
        """The command that runs a script."""
        return self.home.command("npm test" if script == "test" else f"npm run {script}")

    def scripts_found(self) -> Iterator[Found]:
        """Tests, checks and builds by the names of scripts."""
        test = self.scripts.get("test", "")
        if test and NO_TEST not in test:
            yield from test_suite(self.run("test"), self.at("test"), self.score + 5)
        elif any(re.search(r"\.test\.[cm]?[jt]s$", path) for path in self.home.files()):
            command = self.home.command("node --test")
            yield from test_suite(command, self.home.at(MANIFEST), self.score - 20)
        for name, text in self.scripts.items():
            if CHECK_SCRIPT.match(name):
                yield fact(Topic.CHECKER, f"{name}: {text}", self.at(name))
                yield candidate(Role.GUARD, self.run(name), self.at(name), self.score - 25)
        if "build" in self.scripts:
            yield fact(Topic.BUILD, f"build: {self.scripts['build']}", self.at("build"))
            yield candidate(Role.BUILD, self.run("build"), self.at("build"), self.score)
            yield from self._bundle()

    def _bundle(self) -> Iterator[Found]:
        bundler = next((name for name in BUNDLERS if name in self.needs), "")
        if not bundler and not any(name in self.scripts["build"] for name in BUNDLERS):
            return
        measure = Measure("bundle_bytes", "B", recipe="bundle-size")
        place = self.at(bundler or "build")
        yield fact(Topic.OUTPUT, bundler or "bundle", place)
        command = self.home.command("cat dist/*.js | gzip -9n | wc -c")
        unknown = ("the folder that the build writes to",)
        yield candidate(Role.METRIC, command, place, self.score - 5, *unknown, measure=measure)

    def tools_found(self) -> Iterator[Found]:
        """What the dependencies are there for."""
        for topic, names in ((Topic.RUNNER, RUNNERS), (Topic.CHECKER, CHECKERS)):
            for name in names:
                if name in self.needs:
                    yield fact(topic, name, self.at(name))
        for name in ("nyc", "c8", "@vitest/coverage-v8"):
            if name in self.needs:
                yield fact(Topic.COVERAGE, name, self.at(name))
        if self.home.has("tsconfig.json"):
            place = self.home.at("tsconfig.json")
            command = self.home.command("npx tsc --noEmit")
            yield candidate(Role.GUARD, command, place, self.score - 28)
            measure = Measure("type_errors", "", recipe="lint-errors")
            yield candidate(
                Role.METRIC, command, place, self.score - 48,
                "how many errors there are today", measure=measure,
            )  # fmt: skip

    def benchmarks_found(self) -> Iterator[Found]:
        """Scripts, vitest benches and files that measure."""
        for name, text in self.scripts.items():
            if re.search(r"bench|perf", name):
                yield fact(Topic.BENCHMARK, f"{name}: {text}", self.at(name))
                yield self._metric(self.run(name), self.at(name), 25)
        files = [path for path in self.home.files() if is_bench(path) and not is_vendored(path)]
        if any(re.search(r"\.bench\.[cm]?[jt]sx?$", path) for path in files):
            path = next(path for path in files if ".bench." in path)
            yield fact(Topic.BENCHMARK, "vitest bench", self.home.at(path))
            command = self.home.command(f"npx vitest bench --run {path}")
            yield self._metric(command, self.home.at(path), 24)
        scripts = [path for path in files if re.search(r"(?<!\.bench)(?<!\.d)\.[cm]?js$", path)]
        for path in sorted(scripts, key=lambda path: (name_of(path) != "index.js", path))[:3]:
            yield fact(Topic.BENCHMARK, "script", self.home.at(path))
            yield self._metric(self.home.command(f"node {path}"), self.home.at(path), 15)
            command = self.home.command(f"node --cpu-prof {path}")
            yield candidate(Role.PROFILE, command, self.home.at(path), self.score)
        for name in BENCHES:
            if name in self.needs and name != "vitest":
                yield fact(Topic.BENCHMARK, name, self.at(name))

    def _metric(self, command: str, place: Evidence, more: int) -> Found:
        measure = Measure("bench_s", "s", source=Source.WALL, recipe="function-latency")
        return candidate(
            Role.METRIC, command, place, self.score + more, ONE_NUMBER, measure=measure
        )

    def entries_found(self) -> Iterator[Found]:
        """Programs and modules that others start or import."""
        programs = self.held.get("bin")
        named = {"bin": programs} if isinstance(programs, str) else table_of(self.held, "bin")
        for name, path in named.items():
            place = self.at(name)
            yield fact(Topic.ENTRY, f"{name}: {path}", place)
            measure = Measure("start_s", "s", source=Source.WALL, recipe="start-up-time")
            command = self.home.command(f"node {path} --help >/dev/null")
            yield candidate(
                Role.METRIC, command, place, self.score - 15, "a typical call", measure=measure
            )
        main = self.held.get("main")
        if isinstance(main, str):
            yield fact(Topic.ENTRY, f"main: {main}", self.at("main"))

    def surroundings_found(self) -> Iterator[Found]:
        """Installation and the folder it fills."""
        install = next((name for name in INSTALLS if self.home.has(name)), "")
        if install:
            place = self.home.at(install)
            yield fact(Topic.BUILD, INSTALLS[install].split()[0], place)
            command = self.home.command(INSTALLS[install])
            yield candidate(Role.SETUP, command, place, self.score, "needs the network")
        elif self.needs:
            yield fact(Topic.BUILD, "npm", self.home.at(MANIFEST))
            command = self.home.command("npm install --no-audit --no-fund")
            yield candidate(
                Role.SETUP, command, self.home.at(MANIFEST), self.score - 10,
                "needs the network; no lock file pins what it installs",
            )  # fmt: skip
        if "node_modules" in self.home.project.present:
            yield candidate(Role.LINK, "node_modules", Evidence("node_modules"), self.score)


ECOSYSTEM = Ecosystem("npm", ("JavaScript", "TypeScript"), READS, find)
