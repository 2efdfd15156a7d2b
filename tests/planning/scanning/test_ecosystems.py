"""What a scan makes of small projects, each of another kind."""

from __future__ import annotations

import json

import pytest
from autoresearch.planning.scanning.candidates import ProjectSurvey, Role, Suggestion, Topic
from autoresearch.planning.scanning.outline import Project
from autoresearch.planning.scanning.survey import READS, survey


def project(texts: dict[str, str], *, present: tuple[str, ...] = (), sizes: int = 100) -> Project:
    """These files; only the content that a scan asks for is there."""
    return Project(
        sizes={path: len(texts[path]) or sizes for path in sorted(texts)},
        texts={path: text for path, text in texts.items() if READS.search(path)},
        present=frozenset(present),
    )


def surveyed(texts: dict[str, str], *, present: tuple[str, ...] = ()) -> ProjectSurvey:
    """The survey of these files."""
    return survey(project(texts, present=present))


def values(found: ProjectSurvey, role: Role) -> list[str]:
    """The values of a role, best first."""
    return [one.value for one in found.of(role)]


def named(found: ProjectSurvey, topic: Topic) -> list[str]:
    """The names of the facts of a topic."""
    return [fact.name for fact in found.facts if fact.topic is topic]


def places(one: Suggestion) -> list[str]:
    """Where a candidate was seen."""
    return [str(evidence) for evidence in one.evidence]


SRC = "def f():\n    return 1\n"


def test_python_with_pytest_benchmark_and_src_layout() -> None:
    """The test command, a benchmark and PYTHONPATH of the commonest layout."""
    found = surveyed(
        {
            "pyproject.toml": '[project.scripts]\ntool = "pkg.cli:main"\n'
            "[tool.pytest.ini_options]\n[tool.ruff]\n[tool.coverage.run]\n",
            "src/pkg/cli.py": SRC,
            "tests/test_a.py": "import pytest\n",
            "benchmarks/test_speed.py": "def test_x(benchmark):\n    benchmark(f)\n",
            "benchmarks/conftest.py": "",
        },
        present=(".venv",),
    )
    guard = found.of(Role.GUARD)[0]
    assert (guard.value, places(guard)) == ("python3 -m pytest -q tests", ["pyproject.toml:3"])
    metric = found.of(Role.METRIC)[0]
    assert metric.value == "python3 -m pytest -q benchmarks/test_speed.py"
    assert places(metric) == ["benchmarks/test_speed.py:1"]
    assert metric.unknown
    assert values(found, Role.ENV) == ["PYTHONPATH=src"]
    assert values(found, Role.SCOPE) == ["src/pkg/**/*.py"]
    assert values(found, Role.LINK) == [".venv"]
    assert named(found, Topic.ENTRY) == ["tool"]
    assert named(found, Topic.CHECKER) == ["ruff"]
    assert named(found, Topic.COVERAGE) == ["coverage.py"]


def test_python_of_the_standard_library_alone() -> None:
    """A project without pytest must not be told to run it."""
    found = surveyed({"setup.py": "", "pkg/a.py": SRC, "tests/test_a.py": "import unittest\n"})
    assert values(found, Role.GUARD) == ["python3 -m unittest discover -s tests"]


def test_python_without_any_manifest() -> None:
    """Scripts in a folder are a project too; a Makefile for other code says nothing of them."""
    found = surveyed({"bench.py": "print(1)\n", "src/words.py": SRC})
    assert values(found, Role.METRIC) == ["python3 bench.py"]
    assert values(found, Role.ENV) == ["PYTHONPATH=src"]


def test_testpaths_are_left_to_pytest() -> None:
    """A folder of ours on top of the project's own choice would run other tests."""
    found = surveyed(
        {
            "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['spec']\n",
            "tests/test_a.py": "",
        }
    )
    assert values(found, Role.GUARD) == ["python3 -m pytest -q"]


def test_npm_scripts_bundler_and_bench() -> None:
    """Scripts by their names, the bundle's size, and what is linked instead of installed."""
    package = {
        "scripts": {"test": "jest", "bench": "node b.js", "build": "vite build", "lint": "eslint"},
        "devDependencies": {"vite": "1", "jest": "1"},
        "bin": {"tool": "cli.js"},
    }
    found = surveyed(
        {
            "package.json": json.dumps(package, indent=1),
            "package-lock.json": "{}",
            "src/a.ts": "x",
            "tsconfig.json": "{}",
            "src/a.bench.ts": "",
        },
        present=("node_modules",),
    )
    assert values(found, Role.GUARD)[:2] == ["npm test", "npm run lint"]
    assert values(found, Role.METRIC)[:2] == [
        "npm run bench",
        "npx vitest bench --run src/a.bench.ts",
    ]
    sizes = [c for c in found.of(Role.METRIC) if c.measure and c.measure.name == "bundle_bytes"]
    assert len(sizes) == 1
    assert values(found, Role.SETUP) == ["npm ci"]
    assert values(found, Role.LINK) == ["node_modules"]
    assert values(found, Role.BUILD) == ["npm run build"]
    assert "vitest bench" in named(found, Topic.BENCHMARK)


def test_npm_init_leaves_no_test() -> None:
    """The script that `npm init` writes fails on purpose; it is no guard."""
    text = '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'
    assert values(surveyed({"package.json": text, "a.js": "1"}), Role.GUARD) == []


def test_a_package_json_that_is_none() -> None:
    """A torn manifest is named, not passed over."""
    assert named(surveyed({"package.json": "{", "a.js": "1"}), Topic.TROUBLE) == [
        "package.json is no JSON object"
    ]


def test_go_benchmarks_by_package_with_a_pattern() -> None:
    """A benchmark in a module of its own runs there, and its number is found in its output."""
    bench = "package a\nfunc BenchmarkX(b *testing.B) {}\n"
    found = surveyed(
        {
            "go.mod": "module m\n",
            "a.go": "package a",
            "a_test.go": bench,
            "benchmark/go.mod": "module b\n",
            "benchmark/b_test.go": bench + "func BenchmarkY(b *testing.B) {}\n",
            "cmd/t/main.go": "package main\n",
        }
    )
    assert values(found, Role.METRIC)[:2] == [
        "cd benchmark && go test -run '^$' -bench '^BenchmarkX$' -benchtime 1s .",
        "go test -run '^$' -bench '^BenchmarkX$' -benchtime 1s .",
    ]
    measure = found.of(Role.METRIC)[0].measure
    assert measure is not None
    import re  # noqa: PLC0415 - one use

    said = re.search(
        measure.pattern, "goos: linux\nBenchmarkX-8   \t  100\t  41.5 ns/op\t 0 B/op\n"
    )
    assert said is not None
    assert said[1] == "41.5"
    assert values(found, Role.GUARD)[0] == "go test ./..."
    assert "**/*_test.go" in values(found, Role.PROTECT)
    assert "go run ./cmd/t" in named(found, Topic.ENTRY)


def test_cargo_workspace_bench_and_binary() -> None:
    """Criterion benches, the workspace flag, the size of what is built."""
    text = (
        '[package]\nname = "p"\n[workspace]\n[[bench]]\nname = "speed"\n[dev-dependencies]\n'
        'criterion = "1"\n'
    )
    found = surveyed({"Cargo.toml": text, "src/main.rs": "fn main() {}", "benches/speed.rs": "x"})
    assert values(found, Role.GUARD)[0] == "cargo test --workspace"
    assert values(found, Role.METRIC)[0] == "cargo bench --bench speed"
    assert "wc -c < target/release/p" in values(found, Role.METRIC)
    assert named(found, Topic.BENCHMARK) == ["criterion speed"]
    assert values(found, Role.CACHE) == ["target"]


@pytest.mark.parametrize(
    ("name", "text", "guard", "metric"),
    [
        (
            "pom.xml",
            "<profile><id>fast</id></profile><profile><id>perf</id>jmh-core</profile>",
            "mvn -q test",
            "mvn -q test -Pperf",
        ),
        ("build.gradle", 'id "me.champeau.jmh"\n', "gradle test", "gradle jmh"),
    ],
)
def test_jmh_in_maven_and_gradle(name: str, text: str, guard: str, metric: str) -> None:
    """The profile that holds JMH, not the first one."""
    found = surveyed({name: text, "src/main/java/A.java": "class A {}"})
    assert values(found, Role.GUARD)[0] == guard
    assert values(found, Role.METRIC)[0] == metric


def test_ruby_with_rake_and_with_rspec() -> None:
    """A rake task found in rakelib, and specs without any."""
    rake = surveyed(
        {"Gemfile": "", "rakelib/t.rake": "Minitest::TestTask.create\n", "lib/a.rb": "1"}
    )
    assert values(rake, Role.GUARD) == ["bundle exec rake test"]
    spec = surveyed({"Gemfile": "gem 'benchmark-ips'", "spec/a_spec.rb": "", "bench/a.rb": "1"})
    assert values(spec, Role.GUARD) == ["bundle exec rspec"]
    assert values(spec, Role.METRIC)[0] == "bundle exec ruby -Ilib bench/a.rb"


def test_c_with_make_and_a_benchmark_in_a_folder() -> None:
    """The benchmark is built by the target of its name; a target without recipe names its need."""
    found = surveyed(
        {
            "Makefile": "test:\n\t./t\n",
            "lib/a.c": "int x;",
            "tests/Makefile": "fullbench: a.o\n\tcc\n",
            "tests/fullbench.c": "int main;",
        }
    )
    assert values(found, Role.GUARD) == ["make test"]
    assert values(found, Role.METRIC)[0] == "make -C tests fullbench && tests/fullbench"
    other = surveyed(
        {"Makefile": "benchmark: obj/bench_x\nobj/bench_x: a.cc\n\tcc\n", "util/benchmark.cc": "x"}
    )
    assert values(other, Role.METRIC) == ["make benchmark && obj/bench_x"]


def test_cmake_meson_and_autotools() -> None:
    """Other builds than make."""
    cmake = surveyed({"CMakeLists.txt": "enable_testing()\n", "a.cc": "x"})
    assert "ctest" in values(cmake, Role.GUARD)[0]
    meson = surveyed({"meson.build": "test('a', b)\n", "a.c": "x"})
    assert values(meson, Role.GUARD) == ["meson setup build && meson test -C build"]
    auto = surveyed({"configure.ac": "", "a.c": "x"})
    assert values(auto, Role.GUARD) == ["autoreconf -fi && ./configure && make check"]
    made = surveyed({"configure.ac": "", "configure": "", "a.c": "x"})
    assert values(made, Role.GUARD) == ["./configure && make check"]


def test_ci_says_which_guard_is_trusted() -> None:
    """Of two test commands the one that CI runs comes first, with CI's line as evidence."""
    texts = {
        "go.mod": "module m\n",
        "a.go": "x",
        "Makefile": "test:\n\tgo test ./...\n",
        ".github/workflows/ci.yml": "steps:\n  - run: go test -race ./...\n",
    }
    guard = surveyed(texts).of(Role.GUARD)[0]
    assert (guard.value, places(guard)) == (
        "go test ./...",
        ["go.mod:1", ".github/workflows/ci.yml:2"],
    )


def test_cargo_is_not_go() -> None:
    """`cargo test` holds the letters of `go test`."""
    texts = {
        "Cargo.toml": "[package]\n",
        "src/lib.rs": "x",
        ".github/workflows/ci.yml": "steps:\n  - run: cargo test --all\n",
    }
    assert len(surveyed(texts).of(Role.GUARD)[0].evidence) == 2


def test_foreign_trees_are_named_and_not_in_scope() -> None:
    """Vendored code as scope would let an experiment change what it does not own."""
    found = surveyed(
        {
            "go.mod": "module m\n",
            "a.go": "x" * 10,
            "vendor/x/b.go": "y" * 1000,
            "api.pb.go": "z" * 1000,
            ".gitattributes": "gen/* linguist-generated\n",
        }
    )
    assert values(found, Role.SCOPE) == ["*.go"]
    assert [one.files for one in found.languages] == [1]
    assert named(found, Topic.FOREIGN) == [
        "generated ./ (1 files)",
        "vendored vendor/ (1 files)",
        "gen/*",
    ]


def test_hyperfine_scripts_and_bare_bench_programs() -> None:
    """Benchmarks that belong to no language."""
    found = surveyed(
        {
            "bench.sh": "# x\nhyperfine 'a' 'b'\n",
            "benchsuite/benchsuite": "#!/usr/bin/env python3\n",
            "a.c": "x",
            "Dockerfile": "",
        }
    )
    assert values(found, Role.METRIC)[:2] == ["sh bench.sh", "./bench.sh"]
    assert "./benchsuite/benchsuite" in values(found, Role.METRIC)
    assert named(found, Topic.CONTAINER) == ["Dockerfile"]


def test_a_project_of_many_parts_gets_one_scope() -> None:
    """Of a thousand folders none is a fiftieth of the source; the scope would be empty."""
    texts = {f"src/p{number}/a.py": SRC for number in range(60)}
    assert values(surveyed(texts), Role.SCOPE) == ["src/**/*.py"]


def test_a_monorepo_without_a_root_manifest() -> None:
    """The nearest packages are found, and their commands run from the root."""
    found = surveyed({"a/go.mod": "module a\n", "a/x.go": "x", "b/deep/go.mod": "module b\n"})
    assert values(found, Role.GUARD)[0] == "cd a && go test ./..."


def test_nothing_at_all() -> None:
    """An empty folder has no candidates, and that is an answer."""
    found = survey(Project(sizes={}, texts={}))
    assert (found.languages, found.candidates, found.facts) == ((), (), ())


def test_each_candidate_has_evidence() -> None:
    """A claim without the place it rests on cannot be checked by the reader."""
    texts = {
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "package.json": '{"scripts": {"test": "x", "build": "vite"}}',
        "go.mod": "module m\n",
        "Cargo.toml": "[package]\nname='x'\n",
        "pom.xml": "jmh",
        "Gemfile": "",
        "Makefile": "test:\n\tx\nbench:\n\ty\n",
        "a.c": "x",
        "src/main.rs": "x",
        "asv.conf.json": "{}",
    }
    found = surveyed(texts)
    assert len(found.candidates) > 25
    assert all(one.evidence and one.evidence[0].path for one in found.candidates)
