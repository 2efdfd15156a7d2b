"""Why a command fails in a bench checkout though it works outside: a table of causes.

Each row looks at what the command printed and at what lies around it, and says what leads out.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from autoresearch.core.contract import Contract
from autoresearch.core.formatting import clean_line
from autoresearch.edges.places import CHECKOUT
from autoresearch.planning.screening import words_named


class Failure(NamedTuple):
    """A command that failed in a checkout.

    Attributes:
        stdout, stderr: what it printed.
        root: of the checkout.
        own: the private HOME and temporary folder that it had.
        toplevel: of the user's working tree.
        environ: the caller's variables.
        frozen: those that every command gets.
        confined: whether a sandbox was in force.
        ignored: whether git ignores a path of the working tree.
    """

    contract: Contract
    stdout: str
    stderr: str
    root: Path
    own: Path
    toplevel: Path
    environ: Mapping[str, str]
    frozen: Mapping[str, str]
    confined: bool
    ignored: Callable[[Path], bool]

    @property
    def said(self) -> str:
        """All that it printed."""
        return f"{self.stdout}\n{self.stderr}"

    def missing(self) -> list[str]:
        """The files that it looked for in vain, as it spelled them."""
        found = re.finditer(_NO_FILE, self.said, re.MULTILINE)
        return [next(name for name in one.groups() if name) for one in found]

    def relative(self, path: str) -> str:
        """A path as seen from the root, where it lies below; else as it is."""
        stage = self.own.with_name(CHECKOUT)
        for root in (stage, stage.resolve(), self.root, self.toplevel):
            path = path.removeprefix(f"{root}/")
        return path.removeprefix("./")

    def scripts(self) -> Iterator[tuple[str, bytes]]:
        """The beginnings of the files that the contract's commands name."""
        for word in words_named(self.contract):
            if word and (path := self.root / word).is_file():
                with suppress(OSError), path.open("rb") as file:  # as below /proc
                    yield word, file.read(64 * 1024)


_NO_FILE = (
    r"No such file or directory: '([^'\n]+)'"
    r"|ENOENT: no such file or directory, [a-z]+ '([^'\n]+)'"
    r"|(?:cannot open|can't open|cannot access|cannot stat|can't read) '?([^\s':]+)"
    r"|^(?:[^\s:]+: )?(?:line )?(?:\d+: )?(?:\w+: )?([\w./~-]+): No such file or directory"
    r"|^(?:[^\s:]+: )?(?:line )?(?:\d+: )?(?:\.: )?([\w./~-]+): not found$"
)


def _private_home(it: Failure) -> str:
    for path in re.findall(rf"{re.escape(str(it.own))}/home/([^\s'\":]+)", it.said):
        home = Path(it.environ.get("HOME", "/"))
        real = home / path
        if not real.exists():
            return f"It looks for ~/{path}, which is not in your HOME either: make it first."
        return (
            f"It looks for ~/{path}, but each command has a HOME of its own, which is empty. Name "
            "the real path in `env`, if the program reads a variable; or give it your HOME, and "
            f"name what it reads there: `verify: export HOME={home} DATA={real}; "
            f"{it.contract.verify}`."
        )
    return ""


def _no_git(it: Failure) -> str:
    if "not a git repository" not in it.said:
        return ""
    return (
        "A bench checkout has no .git, so git answers nothing there. Let the script do without "
        "(`rev=$(git rev-parse HEAD 2>/dev/null || echo unknown)`), or commit what it needs as a "
        "file; for setuptools-scm `env: {SETUPTOOLS_SCM_PRETEND_VERSION: '0'}`."
    )


def _carriage_return(it: Failure) -> str:
    for name, content in it.scripts():
        first = content.split(b"\n", 1)[0]
        if first.startswith(b"#!") and first.endswith(b"\r"):
            return (
                f"The lines of {name} end in CR LF, so that its `#!` line names a program whose "
                f"name ends in CR: `sed -i 's/\\r$//' {name}`, and commit it."
            )
    return ""


def _login_shell(it: Failure) -> str:
    texts = [*it.contract.commands, *(c.decode("utf-8", "replace") for _, c in it.scripts())]
    login = re.search(r"\b(?:ba|z|k|da)?sh\s+(?:-\w*l\w*|--login)\b", "\n".join(texts))
    for name in re.findall(r"(?:^|: )([\w.+-]+): (?:command )?not found$", it.said, re.MULTILINE):
        place = shutil.which(name, path=it.frozen.get("PATH", ""))
        if place and login:
            return (
                f"{name} is {place}, on PATH, but `{login[0]}` starts a login shell, which sets "
                "PATH anew: leave that option out."
            )
        if place:
            return f"{name} is {place}, on PATH, but the command sets PATH anew: add to it instead."
        home = Path(it.environ.get("HOME", "/"))
        for folder in (".local/bin", ".cargo/bin", "go/bin", ".bun/bin", ".deno/bin"):
            if (home / folder / name).is_file():
                return (
                    f"{home / folder / name} is not on PATH where this was called: call it by that "
                    f"path, or repeat this after `export PATH={home / folder}:$PATH`."
                )
    return ""


def _ignored_file(it: Failure) -> str:
    for named in it.missing():
        path = it.relative(named)
        real = it.toplevel / path
        if path.startswith(("/", "~")) or ".." in path.split("/") or not real.is_file():
            continue
        if it.ignored(real):
            setup = f"{it.contract.setup} && " if it.contract.setup else ""
            made = f"mkdir -p {path.rpartition('/')[0]} && " if "/" in path else ""
            return (
                f"{path} is ignored by git, so no checkout holds it: "
                f"`setup: {setup}{made}cp {real} {path}`."
            )
    return ""


def _installs_outside(it: Failure) -> str:
    """Set-up that may not write where the user's own packages lie."""
    signs = ("Read-only file system", "Permission denied", "EROFS", "EACCES")
    lines = it.said.splitlines() if it.contract.setup else []
    for word in (word for line in lines if any(map(line.count, signs)) for word in line.split()):
        path = word.strip("'\":,")
        is_outside = path.startswith("/") and not path.startswith(str(it.own.parent))
        if is_outside and re.search(r"(?:site|dist)-packages|lib/node_modules|/gems", path):
            return f"Set-up installs outside its checkout. {own_place(path)}"
    return ""


WAYS = (
    ("-packages", "python3 -m venv .venv && .venv/bin/pip install -e .` and `.venv/bin/python"),
    ("node_modules", "npm ci` without `-g"),
    ("gem", "bundle config set --local path vendor/bundle && bundle install"),
    ("cargo", "cargo install --root .cargo-root --path ."),
)
"""What of a path tells who installed it, and how to install into the checkout instead."""


def own_place(path: str) -> str:
    """How to install into the checkout what was installed at a path outside."""
    way = next((way for sign, way in WAYS if sign in path), WAYS[0][1])
    return f"Let each checkout have its own: `setup: {way}` in the commands."


def _hidden(it: Failure) -> str:
    if not it.confined:
        return ""
    for path in it.missing():
        real = Path(path)
        if real.is_absolute() and not path.startswith(str(it.own)) and real.exists():
            return (
                f"{path} exists, but the sandbox hides it (HOME, /tmp and the repository are "
                f"hidden): `env: {{DATA: {path}}}` shows it, read-only."
            )
    return ""


def _node_modules(it: Failure) -> str:
    for name in re.findall(r"Cannot find (?:module|package) '([^'./][^']*)'", it.said):
        top = "/".join(name.split("/")[: 2 if name.startswith("@") else 1])
        askers = re.findall(r"(?:imported from |^- )(\S+)", it.said, re.MULTILINE)
        folders = [Path(it.relative(asker)).parents for asker in askers]
        for folder in (one for parents in folders for one in parents):
            place = (folder / "node_modules").as_posix()
            if place not in it.contract.link and (it.toplevel / place / top).exists():
                return f"{name} is in {place}: `link: [{', '.join((*it.contract.link, place))}]`."
    return ""


def _port(it: Failure) -> str:
    found = re.search(r"(?i)EADDRINUSE.*|address already in use.*", it.said)
    if found is None:
        return ""
    port = re.search(r":(\d{2,5})\b", found[0])
    return (
        f"Port {port[1] if port else 'of the server'} is held by another program of this machine: "
        "let verify take a free one (port 0), or end that program."
    )


_NETWORK_FAILS = re.compile(
    r"(?i)certificate.verify.failed|issuer certificate|self.signed certificate|could not resolve"
    r"|name resolution|getaddrinfo|\bENOTFOUND\b|EAI_AGAIN|connection (?:refused|timed out|reset)"
    r"|network is unreachable|proxy"
)
_NETWORK_VARIABLES = re.compile(
    r"(?i)(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|NODE_EXTRA_CA_CERTS|PIP_(?:INDEX_URL|EXTRA_INDEX_URL|CERT|TRUSTED_HOST)|npm_config_registry"
    r"|GOPROXY|UV_(?:INDEX_URL|DEFAULT_INDEX)|CARGO_HTTP_CAINFO"
)


def _proxy(it: Failure) -> str:
    lost = [name for name in it.environ if _NETWORK_VARIABLES.fullmatch(name)]
    lost = [name for name in sorted(lost) if name not in {*it.contract.pass_through, *it.frozen}]
    if not lost or not _NETWORK_FAILS.search(it.said):
        return ""
    return (
        "Commands do not get your variables for proxies, certificates and package indexes: "
        f"`env: {{pass: [{', '.join((*it.contract.pass_through, *lost))}]}}`."
    )


def _metric_on_stderr(it: Failure) -> str:
    name = re.escape(it.contract.metric.name)
    line = rf"(?m)^METRIC {name}="
    if re.search(line, it.stderr) and not re.search(line, it.stdout):
        return f"The METRIC line is on stderr: `verify: {it.contract.verify} 2>&1`."
    return ""


def _json(it: Failure) -> str:
    try:
        value = json.loads(it.stdout)
    except ValueError:
        return ""
    keys = dict.fromkeys(_numbers_in(value))
    own = it.contract.metric.name
    for key in sorted(keys, key=lambda key: key.lower() not in own.lower()):
        pattern = rf'"{re.escape(key)}"\s*:\s*(-?[\d.]+(?:[eE][+-]?\d+)?)'
        if len(re.findall(pattern, it.stdout)) == 1:
            quoted = pattern.replace("'", "''")
            return f"It prints JSON, which `metric: {{…, pattern: '{quoted}'}}` reads."
    return ""


def _numbers_in(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON may hold anything
    """The keys whose values are numbers."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for key, held in value.items() if isinstance(value, dict) else ():
        if isinstance(held, (int, float)) and not isinstance(held, bool):
            yield str(key)
    for held in inside:
        yield from _numbers_in(held)


CAUSES: tuple[Callable[[Failure], str], ...] = (
    _metric_on_stderr,
    _json,
    _carriage_return,
    _no_git,
    _private_home,
    _login_shell,
    _ignored_file,
    _node_modules,
    _installs_outside,
    _hidden,
    _port,
    _proxy,
)
"""The rows, those that are surest first."""


def cause_of(failure: Failure) -> str:
    """What leads out of a failure, by the first row that fits; empty where none does."""
    return next((clean_line(found, 600) for row in CAUSES if (found := row(failure))), "")


LOCKS = {
    "package-lock.json": "npm ci",
    "npm-shrinkwrap.json": "npm ci",
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "yarn.lock": "yarn install --immutable",
    "bun.lock": "bun install --frozen-lockfile",
    "Cargo.lock": "cargo build --locked",
    "uv.lock": "uv sync --locked",
    "poetry.lock": "poetry install",
    "Pipfile.lock": "pipenv sync",
    "Gemfile.lock": "bundle install --frozen",
    "composer.lock": "composer install",
    "go.sum": "go mod download",
}
"""File -> the command that installs what it says and leaves it alone."""


def touched_hint(paths: tuple[str, ...]) -> str:
    """What to do where a command of the contract rewrites lock files; empty for other files."""
    names = [path.rpartition("/")[2] for path in paths]
    if not names or not set(names) <= set(LOCKS):
        return ""
    frozen = " and ".join(f"`{LOCKS[name]}`" for name in dict.fromkeys(names))
    return (
        f"Install without rewriting the lock file: {frozen}. Or bring {', '.join(paths[:3])} up to "
        "date in your own tree and commit that."
    )
