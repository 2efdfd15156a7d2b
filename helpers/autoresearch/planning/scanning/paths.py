"""What a path alone says: language, test, benchmark, vendored, generated."""

from __future__ import annotations

import re

LANGUAGES = {
    "Python": "py pyi pyx",
    "JavaScript": "js mjs cjs jsx",
    "TypeScript": "ts tsx mts cts",
    "Go": "go",
    "Rust": "rs",
    "Java": "java",
    "Kotlin": "kt kts",
    "Ruby": "rb rake gemspec",
    "C": "c h",
    "C++": "cc cpp cxx c++ hh hpp hxx ipp",
    "C#": "cs",
    "Swift": "swift",
    "PHP": "php",
    "Scala": "scala",
    "Shell": "sh bash",
    "SQL": "sql",
    "Terraform": "tf",
    "HTML": "html htm",
    "CSS": "css scss sass less",
    "Markdown": "md markdown rst",
}
_LANGUAGE_OF = {ending: name for name, endings in LANGUAGES.items() for ending in endings.split()}
PROSE = frozenset({"Markdown", "HTML", "CSS"})

_TEST = re.compile(
    r"(^|/)(tests?|testing|specs?|__tests__|testdata|fixtures|e2e)/"
    r"|(^|/)test_[^/]*\.[a-z]+$|(^|/)conftest\.py$|_test\.(py|go|cc|cpp|rb|c|exs)$|_spec\.rb$"
    r"|\.(test|spec)\.[cm]?[jt]sx?$|(^|/)src/(test|androidTest)/|Tests?\.java$"
)
_BENCH = re.compile(r"(^|/)[^/]*bench[^/]*(/|$)|(^|/)perf/", re.IGNORECASE)
_VENDORED = re.compile(
    r"(^|/)(vendor|vendored|third[_-]?party|3rdparty|node_modules|bower_components|external"
    r"|\.venv|venv|site-packages|Godeps|Pods|extern|deps)/"
)
_GENERATED = re.compile(
    r"\.min\.(js|css)$|_pb2(_grpc)?\.pyi?$|\.pb\.(go|cc|h)$|\.g\.dart$|_generated\.[a-z]+$"
    r"|(^|/)(generated|__generated__|dist|\.next)/|\.(js|css)\.map$"
    r"|(^|/)(package-lock\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|poetry\.lock|uv\.lock|go\.sum)$"
)
_ASIDE = re.compile(
    r"(^|/)(docs?|examples?|samples?|scripts?|tools?|ci|\.github|contrib|misc|benchlog|ossfuzz"
    r"|fuzz|website|site|\.[^/]+)/"
)


def name_of(path: str) -> str:
    """The last segment."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """The last segment without its ending."""
    return name_of(path).rpartition(".")[0] or name_of(path)


def depth_of(path: str) -> int:
    """How many folders lie above it."""
    return path.count("/")


def language_of(path: str) -> str:
    """By the ending; empty when it is none that we know."""
    name = name_of(path)
    return _LANGUAGE_OF.get(name.rpartition(".")[2].lower() if "." in name else "", "")


def is_test(path: str) -> bool:
    """Whether it belongs to the tests."""
    return _TEST.search(path) is not None


def is_bench(path: str) -> bool:
    """Whether it measures something, by its name."""
    return _BENCH.search(path) is not None


def is_vendored(path: str) -> bool:
    """Whether it was taken over from elsewhere."""
    return _VENDORED.search(path) is not None


def is_generated(path: str) -> bool:
    """Whether a program wrote it."""
    return _GENERATED.search(path) is not None


def is_foreign(path: str) -> bool:
    """Whether nobody of this project writes it by hand."""
    return is_vendored(path) or is_generated(path)


def is_source(path: str) -> bool:
    """Whether it is code of the product: no test, benchmark, documentation or foreign file."""
    return (
        language_of(path) not in {"", *PROSE}
        and not path.endswith((".d.ts", ".pyi"))
        and not is_foreign(path)
        and not is_test(path)
        and not is_bench(path)
        and _ASIDE.search(path) is None
    )
