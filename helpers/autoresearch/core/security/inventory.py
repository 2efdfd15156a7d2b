"""What in the code an attacker would look at first: a starting point, found by patterns.

Patterns miss things and see things that are none: the agent completes the model. Nothing found
here is a finding.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.security.records import Boundary, Element
from autoresearch.core.security.redact import holds_secret
from autoresearch.core.security.stride import ElementKind, Stride

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_FILE_BYTES = 1 << 20
MAX_LINE = 2_000
"""Longer lines are generated or minified; nobody reads them."""
MAX_ELEMENTS = 40


class Kind(str, Enum):
    """What a place in the code does."""

    ROUTE = "route"
    ENTRY = "entry point"
    PARSER = "parser"
    PROCESS = "subprocess"
    EVAL = "code evaluation"
    SQL = "SQL"
    DESERIALISE = "deserialisation"
    FILES = "file access"
    NETWORK = "outgoing request"
    AUTH = "authentication"
    SECRET = "secret handling"  # noqa: S105 - a name, no secret
    CRYPTO = "cryptography"
    TEMPLATE = "HTML output"
    LOGGING = "logging"
    LLM = "language model"
    DEPENDENCY = "dependencies"
    CI = "CI and containers"


class Site(NamedTuple):
    """A place: line 0 stands for the whole file."""

    kind: Kind
    path: str
    line: int


_PYTHON = ("py",)
_SCRIPT = ("js", "mjs", "cjs", "ts", "jsx", "tsx", "mts", "cts", "vue", "svelte")
_CODE = (*_PYTHON, *_SCRIPT, "go", "rb", "php", "java", "kt", "rs", "cs", "sh", "bash", "scala")

_RULES: tuple[tuple[Kind, tuple[str, ...], str], ...] = (
    (Kind.ROUTE, _PYTHON, r"@\w+(?:\.\w+)*\.(?:route|get|post|put|delete|patch|websocket)\("
                          r"|\bpath\(\s*r?[\"']|\bdef do_(?:GET|POST|PUT|DELETE|PATCH)\b"
                          r"|\badd_(?:url_rule|route|get|post)\("),
    (Kind.ROUTE, _SCRIPT, r"\b(?:app|router|server|api)\.(?:get|post|put|delete|patch|use|all)\("
                          r"|createServer\(|\b(?:req|request)\.url\b"),
    (Kind.ROUTE, ("java", "kt"), r"@(?:Get|Post|Put|Delete|Request)Mapping\b"),
    (Kind.ROUTE, ("go",), r"\bHandleFunc\(|\.(?:GET|POST|PUT|DELETE)\("),
    (Kind.ENTRY, _PYTHON, r"__name__ == [\"']__main__[\"']|ArgumentParser\("
                          r"|@click\.(?:command|group)|\bsys\.argv\b|\bsys\.stdin\b"),
    (Kind.ENTRY, _SCRIPT, r"process\.argv|process\.stdin|addEventListener\([\"']message"),
    (Kind.ENTRY, ("sh", "bash"), r"^#!"),
    (Kind.PARSER, _CODE, r"json\.loads?\(|JSON\.parse\(|etree|minidom|sax\b|csv\.reader"
                         r"|ElementTree|parse_qs|urlparse\(|new URL\(|DOMParser|xml2js"
                         r"|re\.compile\(|new RegExp\("),
    (Kind.PROCESS, _CODE, r"\bsubprocess\b|os\.(?:system|popen|exec\w*|spawn\w*)\(|child_process"
                          r"|\bexecSync\(|\bspawn(?:Sync)?\(|\bexec\.Command\(|Runtime\.getRuntime"),
    (Kind.EVAL, _CODE, r"(?<![.\w])(?:eval|exec)\(|new Function\(|\bvm\.run|__import__\("
                       r"|importlib\.import_module\("),
    (Kind.SQL, _CODE, r"\.execute(?:many|script)?\(|\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM)\s"
                      r"|\.(?:raw|query)\(|createConnection\("),
    (Kind.DESERIALISE, _CODE, r"\bpickle\b|\bmarshal\.load|\bshelve\b|yaml\.(?:unsafe_)?load\("
                              r"|node-serialize|unserialize\(|ObjectInputStream|jsonpickle"),
    (Kind.FILES, _CODE, r"(?<![.\w])open\(|\.(?:read|write)_(?:text|bytes)\(|readFile|writeFile"
                        r"|createReadStream|sendFile|send_file|shutil\.|extractall\(|\bunlink\("),
    (Kind.NETWORK, _CODE, r"\brequests\.\w+\(|urlopen\(|\bfetch\(|\baxios\b"
                          r"|https?\.(?:get|request)\(|\bhttpx\b|\bsocket\.socket\("),
    (Kind.AUTH, _CODE, r"(?i)\b\w*(?:login|authenti|authoriz|is_?admin|password|session|cookie|jwt"
                       r"|bearer)\w*"),
    (Kind.CRYPTO, _CODE, r"\bhashlib\b|\bhmac\b|createH(?:ash|mac)\(|\bcrypto\b|\brandom\.\w+\("
                         r"|Math\.random\(|\bsecrets\.|verify\s*=\s*False|rejectUnauthorized"),
    (Kind.TEMPLATE, _CODE, r"innerHTML|render_template|dangerouslySetInnerHTML|\.render\(|<html"
                           r"|text/html|Markup\(|mark_safe"),
    (Kind.LOGGING, _CODE, r"\blogg(?:er|ing)\.\w+\(|console\.(?:log|warn|error)\("
                          r"|\baudit\w*(?:\.\w+)?\("),
    (Kind.LLM, _CODE, r"(?i)\b(?:openai|anthropic|langchain|llama|chat\.completions"
                      r"|messages\.create)\b"),
)  # fmt: skip
_COMPILED = tuple((kind, frozenset(ends), re.compile(rule)) for kind, ends, rule in _RULES)

_NAMES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.DEPENDENCY,
        re.compile(
            r"(?:.*/)?(?:requirements[\w.-]*\.txt|pyproject\.toml|setup\.(?:py|cfg)|Pipfile(?:\.lock)?"
            r"|poetry\.lock|uv\.lock|package(?:-lock)?\.json|yarn\.lock|pnpm-lock\.yaml|go\.(?:mod|sum)"
            r"|Cargo\.(?:toml|lock)|Gemfile(?:\.lock)?|composer\.(?:json|lock)|pom\.xml"
            r"|build\.gradle(?:\.kts)?)"
        ),
    ),
    (
        Kind.CI,
        re.compile(
            r"\.github/workflows/.+|\.gitlab-ci\.yml|\.circleci/.+|Jenkinsfile|\.travis\.yml"
            r"|azure-pipelines\.yml|(?:.*/)?(?:Dockerfile[\w.-]*|Containerfile|[\w-]*compose[\w.-]*\.ya?ml)"
            r"|(?:.*/)?Makefile|(?:.*/)?[\w-]+\.tf"
        ),
    ),
    (Kind.SECRET, re.compile(r"(?:.*/)?\.env[\w.-]*|.*\.(?:pem|key|p12|pfx)")),
)

LOOKS_LIKE: Mapping[Stride, frozenset[Kind]] = {
    Stride.SPOOFING: frozenset({Kind.AUTH, Kind.ROUTE, Kind.CRYPTO, Kind.SECRET}),
    Stride.TAMPERING: frozenset(
        {Kind.SQL, Kind.FILES, Kind.PARSER, Kind.TEMPLATE, Kind.ROUTE, Kind.DEPENDENCY, Kind.LLM}
    ),
    Stride.REPUDIATION: frozenset({Kind.LOGGING, Kind.AUTH, Kind.ROUTE}),
    Stride.DISCLOSURE: frozenset(
        {Kind.SECRET, Kind.FILES, Kind.LOGGING, Kind.NETWORK, Kind.TEMPLATE, Kind.CRYPTO, Kind.SQL}
    ),
    Stride.DENIAL: frozenset({Kind.PARSER, Kind.FILES, Kind.ROUTE, Kind.NETWORK, Kind.SQL}),
    Stride.ELEVATION: frozenset(
        {Kind.PROCESS, Kind.EVAL, Kind.DESERIALISE, Kind.AUTH, Kind.CI, Kind.DEPENDENCY, Kind.ROUTE}
    ),
}
"""Threat -> the places where it usually shows."""


def sites_in(path: str, content: bytes) -> tuple[Site, ...]:
    """The places of one file, by line; one of each kind a line."""
    named = tuple(Site(kind, path, 0) for kind, rule in _NAMES if rule.fullmatch(path))
    if len(content) > MAX_FILE_BYTES or b"\0" in content[:8_000]:
        return named
    ending = path.rpartition(".")[2].lower()
    rules = [(kind, rule) for kind, ends, rule in _COMPILED if ending in ends]
    secrets = ending in _CODE or ending in {"yml", "yaml", "json", "toml", "ini", "cfg", "env"}
    found = list(named)
    for number, line in enumerate(content.decode("utf-8", "replace").split("\n"), 1):
        if len(line) > MAX_LINE:
            continue
        found += [Site(kind, path, number) for kind, rule in rules if rule.search(line)]
        if secrets and holds_secret(line):
            found.append(Site(Kind.SECRET, path, number))
    return tuple(found)


def draft_elements(sites: Sequence[Site]) -> tuple[Element, ...]:
    """Elements as a first guess: one process a folder with code, the callers, stores, flows."""
    folders: dict[str, list[str]] = {}
    for site in sites:
        if site.kind not in {Kind.DEPENDENCY, Kind.CI}:
            folders.setdefault(_folder(site.path), []).append(site.path)
    paths = {kind: tuple(dict.fromkeys(s.path for s in sites if s.kind is kind)) for kind in Kind}
    doors = tuple(dict.fromkeys((*paths[Kind.ROUTE], *paths[Kind.ENTRY])))
    found = [
        _element(_named(folder), ElementKind.PROCESS, used, f"code in {folder or 'the root'}")
        for folder, used in sorted(folders.items())
    ][:MAX_ELEMENTS]
    inside = found[0].name if found else ""
    found += _guessed("callers", ElementKind.EXTERNAL, doors, "whoever calls from outside")
    found += _guessed("database", ElementKind.STORE, paths[Kind.SQL], "what SQL reads and writes")
    found += _guessed("files", ElementKind.STORE, paths[Kind.FILES], "files that are read, written")
    found += _guessed("records", ElementKind.LOG, paths[Kind.LOGGING], "who did what")
    supply = (*paths[Kind.DEPENDENCY], *paths[Kind.CI])
    found += _guessed("supply", ElementKind.PROCESS, supply, "dependencies, build, CI, containers")
    if doors and inside:
        found.append(_flow("requests", "callers", inside, doors))
    if paths[Kind.SQL] and inside:
        found.append(_flow("queries", inside, "database", paths[Kind.SQL]))
    return tuple(found)


def draft_boundaries(elements: Sequence[Element]) -> tuple[Boundary, ...]:
    """The one line that every system has: what is ours, against whoever calls."""
    inside = tuple(
        e.name for e in elements if e.kind not in {ElementKind.EXTERNAL, ElementKind.FLOW}
    )
    text = "ours, against whoever calls (complete it: accounts, hosts, networks, suppliers)"
    return (Boundary(name="system", inside=inside, description=text),) if inside else ()


def weights(sites: Iterable[Site], paths: Iterable[str]) -> Mapping[Stride, float]:
    """How much there is to see of each threat in some files: the places that look like it."""
    own = set(paths)
    kinds = [site.kind for site in sites if site.path in own]
    return {threat: float(sum(kind in LOOKS_LIKE[threat] for kind in kinds)) for threat in Stride}


def _guessed(name: str, kind: ElementKind, paths: Sequence[str], text: str) -> list[Element]:
    return [_element(name, kind, paths, text)] if paths else []


def _element(name: str, kind: ElementKind, paths: Iterable[str], text: str) -> Element:
    return Element(
        name=name,
        kind=kind,
        files=tuple(_literal(path) for path in dict.fromkeys(paths)),
        description=f"{text} (found by patterns; complete it)",
        source="",
        target="",
    )


def _flow(name: str, source: str, target: str, paths: Sequence[str]) -> Element:
    return Element(
        name=name,
        kind=ElementKind.FLOW,
        files=tuple(_literal(path) for path in paths),
        description=f"from {source} to {target} (found by patterns; complete it)",
        source=source,
        target=target,
    )


def _literal(path: str) -> str:
    """A pattern that covers exactly this path."""
    return re.sub(r"[*?\[\]\\{}]", lambda found: f"[{found[0]}]", path)


def _folder(path: str) -> str:
    """The folder that stands for a file: its first two levels."""
    return "/".join(path.split("/")[:-1][:2])


def _named(folder: str) -> str:
    return re.sub(r"[^a-z0-9 ._/-]+", "-", folder.lower()).strip("./- ") or "root"
