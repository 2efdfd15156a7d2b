"""Finds commands of a contract that reach outside: network, deletions, credentials, installs.

A rehearsal runs what somebody, perhaps an agent, wrote down. What reaches beyond the checkout is
asked about first. This reads text: it tells an honest author what a human should see, it does not
stop one who hides; the sandbox is for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from autoresearch.core.contract import Contract, commands_of
from autoresearch.core.errors import GateFailed
from autoresearch.core.formatting import clean_line

MAX_SHOWN = 3

_LOOPBACK = r"(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0)"
_ELSEWHERE = rf"https?://(?!{_LOOPBACK}(?:[:/\s'\"]|$))[\w.-]"
_START = (
    r"(?:^|[;&|(`\n{]|\b(?:then|do|else|exec|env|time|nohup|xargs|command|nice)\s|\s-c\s)"
    r"[\s'\"@-]*(?:\w+=\S*\s+)*(?:/usr)?(?:/local)?(?:/s?bin/)?"
)
_HOMES = r"/root|/(?:home|Users)/[^/\s'\"]+"
_PRIVATE_FOLDERS = "ssh|aws|netrc|gnupg|npmrc|pypirc|docker|kube|config"
_PROGRAMS = (
    ("network", r"(?:ssh|scp|sftp|ftp|telnet|rsync\s[^\n;|&]*[\w.-]+:)\b"),
    ("network", r"git\s+(?:push|fetch|pull|clone|ls-remote|submodule\s+update)\b"),
    (
        "network",
        r"(?:aws|gcloud|az|kubectl|helm|terraform\s+(?:apply|destroy)|gh)(?:[ \t]+[\w-]|$)",
    ),
    ("network", r"(?:docker|podman)\s+(?:push|pull|login)\b"),
    (
        "ends others",
        r"(?:pkill|killall5?|fuser\s+-\w*k|(?:docker|podman)\s+(?:container\s+)?(?:rm|stop|kill)"
        r"|(?:docker|podman)(?:-compose|\s+compose)\s+(?:-\S+\s+\S+\s+)*(?:down|rm|stop|kill)"
        r"|(?:docker|podman)\s+system\s+prune)\b",
    ),
    (
        "shared",
        r"(?:(?:docker|podman)\s+run\b[^\n;|&]*--name\b|(?:create|drop)(?:db|user)\b"
        r"|mysqladmin\b[^\n;|&]*\b(?:create|drop)\b|npm\s+link\b|pip3?\s+install\b[^\n;|&]*--user\b"
        r"|(?:npm|pnpm)\s+(?:install|i|add)\b[^\n;|&]*\s(?:-g|--global)\b|cargo\s+install\b)",
    ),
    ("publishes", r"(?:npm|yarn|pnpm|cargo|twine|gem|poetry|uv)\s+(?:publish|upload|push)\b"),
    ("privileges", r"(?:sudo|doas|su)\s"),
    ("installs", r"(?:apt|apt-get|dnf|yum|brew|apk)\s+(?:-\S+\s+)*(?:install|upgrade)\b"),
    ("changes git", r"git\s+(?:config|commit|reset|clean|checkout|rebase|tag|branch\s+-[dD])\b"),
    ("machine", r"(?:shutdown|reboot|mkfs\S*|dd\s[^\n]*of=/dev|systemctl|crontab)\b"),
)
_NETWORK_INSTALL = (
    r"(?:pip3?|npm|yarn|pnpm|bundle|gem|cargo|go|uv)\s+(?:install|ci|add|get|download|sync)\b"
)
_OUTSIDE = r"(?:/(?!dev/null|dev/shm|tmp/)|~|\$\{?HOME|\.\./|\*(?:\s|$))"
_ANYWHERE = (
    ("network", rf"\b(?:curl|wget)\b(?![^\n;|&]*{_LOOPBACK})"),
    ("network", rf"\b(?:urlopen|fetch|(?:requests|httpx|http)\.\w+)\s*\(\s*['\"]{_ELSEWHERE}"),
    ("deletes outside", rf"\brm\s+(?:-\S+\s+)+(?:[^\n;|&]*\s)?['\"]?{_OUTSIDE}"),
    ("deletes outside", rf"\b(?:shutil\.rmtree|rmSync|rimraf)\W+{_OUTSIDE}"),
    ("credentials", rf"(?:~|\$\{{?HOME\}}?|{_HOMES})/\.(?:{_PRIVATE_FOLDERS})\b"),
    ("credentials", r"\b[A-Z_]*(?:_TOKEN|_SECRET|PASSWORD|API_KEY|PRIVATE_KEY|ACCESS_KEY)\b"),
)  # fmt: skip
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|PRIVATE|CREDENTIAL", re.IGNORECASE)


class Reach(NamedTuple):
    """Something that reaches outside the checkout.

    Attributes:
        where: key of the contract, or the script that it calls.
        kind: `network`, `deletes outside`, `credentials`, …
        words: the text that says so.
    """

    where: str
    kind: str
    words: str


def find_reaches(contract: Contract, scripts: Mapping[str, str]) -> tuple[Reach, ...]:
    """What the commands do outside, and what they lead to in tracked files; each once.

    Args:
        contract: whose commands are read.
        scripts: text of the tracked files that may be read, by path.
    """
    found: list[Reach] = []
    for key, command in commands_of(contract):
        found += _in_text(key, command, installs=key == "setup")
        for where, text in _followed(command, scripts):
            found += _in_text(where, text, installs=key == "setup" and where not in scripts)
    found += [
        Reach("env.pass", "credentials", name)
        for name in contract.pass_through
        if _SECRET_NAME.search(name)
    ]
    return tuple(dict.fromkeys(found))


_MAKE = re.compile(r"\b(make|gmake|just)\b((?:[ \t]+[^\s;&|()<>]+)*)")
_NPM = re.compile(
    r"\b(?:npm|pnpm|yarn|bun)(?:[ \t]+-\S+)*[ \t]+(?:run(?:-script)?[ \t]+)?"
    r"(?:-\S+[ \t]+)*([\w:.-]+)"
)
_SHELLS = re.compile(r"^#!.*\b(?:ba|da|k|z)?sh\b|^#!.*\bfish\b")
_STARTS = re.compile(
    r"(?:system|popen|Popen|run|call|check_call|check_output|getoutput|exec|execSync|spawn|spawnSync"
    r"|execFile|execFileSync|sh|shell)(?:\s{0,9}\(|[ \t]+(?=[\"'`]))\s{0,9}([^()]{0,400})"
)
_QUOTED = re.compile(r"""(["'`])((?:(?!\1)[^\\\n]){1,200})\1""")
MOST_FOLLOWED = 60
"""Files and targets that are read: who needs more is not understood by anybody."""


def _followed(command: str, scripts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(where, shell text) of all that a command leads to: scripts, make targets, npm scripts."""
    waiting, seen = [("", command)], set[str]()
    while waiting and len(seen) < MOST_FOLLOWED:
        for where, text in _named_in(*waiting.pop(0), scripts):
            if where not in seen:
                seen.add(where)
                waiting.append((where, text))
                yield where, text


def _named_in(where: str, command: str, scripts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What one text names: shell scripts whole, of other programs the commands that they start."""
    code = _COMMENT.sub(r"\1", command)
    beside = "".join(where.split(":", maxsplit=1)[0].rpartition("/")[:2])
    folders = ["", beside, *(f"{found.strip('/')}/" for found in _FOLDER.findall(code))]
    for word in (word for said in words_of(code) for word in _spelled(said)):
        for path in (folder + word for folder in folders):
            if path in scripts:
                text = scripts[path]
                yield path, text if _is_shell(path, text) else _commands_in(text)
    for found in _MAKE.finditer(code):
        for folder in folders:
            yield from _targets(found[1], found[2].split(), scripts, folder)
    for found in _NPM.finditer(code):
        yield from _npm_scripts(found[1], scripts)


def _spelled(word: str) -> Iterator[str]:
    """The paths that a word may stand for: `"$here"/x.sh` is x.sh, `bench.run` a Python module."""
    yield word
    if "$" in word:
        yield word.rpartition("}/" if "}/" in word else ")/" if ")/" in word else "/")[2]
    if word.replace(".", "").isidentifier():
        yield from (f"{word.replace('.', '/')}{ending}" for ending in (".py", "/__main__.py"))


_FOLDER = re.compile(r"(?:\bcd|[ \t]-C|--prefix|--dir|--cwd)[ =]+\"?(?:\./)?([\w./-]+)")
_COMMENT = re.compile(r"(?m)(^|\s)#[^\n]*")


def _is_shell(path: str, text: str) -> bool:
    named = path.endswith((".sh", ".bash", ".zsh", ".fish", ".envrc"))
    return named or bool(_SHELLS.match(text)) or "." not in path.rpartition("/")[2]


def _commands_in(text: str) -> str:
    """The shell commands that a program of another language starts, as far as they are literal."""
    found = []
    for start in _STARTS.finditer(text):
        parts = [quoted[2] for quoted in _QUOTED.finditer(start[1].split("\n\n")[0])]
        found.append(" ".join(parts))
    urls = [said[0] for _, pattern in _ANYWHERE[1:] for said in re.finditer(pattern, text)]
    return "\n".join((*found, *urls))


def _targets(
    program: str, words: list[str], scripts: Mapping[str, str], folder: str
) -> Iterator[tuple[str, str]]:
    """The recipes of make targets, and of those that they need."""
    files = ("justfile", "Justfile", ".justfile")
    for plain in files if program == "just" else ("Makefile", "makefile", "GNUmakefile"):
        name = folder + plain
        rules = _rules(scripts[name]) if name in scripts else {}
        ours = [rule for rule in rules if not rule.startswith(".")]
        waiting = [word for word in words if word in rules] or ours[:1]
        for word in waiting:
            needs, recipe = rules[word]
            waiting += [need for need in needs if need in rules and need not in waiting]
            yield f"{name}: {word}", recipe


def _rules(text: str) -> dict[str, tuple[list[str], str]]:
    """Each target of a makefile: what it needs, and its recipe as shell text."""
    rules: dict[str, tuple[list[str], str]] = {}
    targets: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        head, colon, needs = line.partition(":")
        if line[:1].isspace():
            command = line.strip().lstrip("@+-").replace("$(MAKE)", "make")
            for target in targets:
                rules[target] = rules[target][0], f"{rules[target][1]}{command}\n"
        elif colon and not needs.startswith("=") and "=" not in head:
            targets = head.lstrip("@").split()[:20]
            rules |= {one: (needs.split(";")[0].split(), "") for one in targets}
    return rules


def _npm_scripts(name: str, scripts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A script of package.json, with those before and after it."""
    for path in scripts:
        if path.rpartition("/")[2] != "package.json" or "node_modules/" in path:
            continue
        try:
            known = json.loads(scripts[path]).get("scripts", {})
        except (ValueError, AttributeError):
            continue
        for one in (f"pre{name}", name, f"post{name}"):
            if isinstance(known, dict) and isinstance(known.get(one), str):
                yield f"{path}: {one}", known[one]


def _in_text(where: str, text: str, *, installs: bool) -> Iterator[Reach]:
    code = _COMMENT.sub(r"\1", text).replace("\\\n", " ")
    patterns = [(kind, _START + pattern) for kind, pattern in _PROGRAMS]
    if not installs:
        patterns.append(("network", _START + _NETWORK_INSTALL))
    for kind, pattern in (*patterns, *_ANYWHERE):
        for said in re.finditer(pattern, code):
            rest = code[said.start() :].lstrip(";&|(`\n\t ")
            yield Reach(where, kind, clean_line(re.split(r"[;\n]", rest)[0].strip(), 80))


def scripts_named(
    contract: Contract, tracked: Container[str], keys: Container[str] | None = None
) -> tuple[str, ...]:
    """The tracked files that the commands of these keys, or of all, name, in order."""
    return tuple(word for word in words_named(contract, keys) if word in tracked)


def words_named(contract: Contract, keys: Container[str] | None = None) -> tuple[str, ...]:
    """The words of the commands of these keys, or of all, in order."""
    commands = [command for key, command in commands_of(contract) if keys is None or key in keys]
    return words_of(" ".join(commands))


def words_of(text: str) -> tuple[str, ...]:
    """The words of some shell text that may name files, each once, in order."""
    words = (word.strip("'\"();&|<>@").removeprefix("./") for word in text.split())
    return tuple(dict.fromkeys(words))


def require_asked(reaches: tuple[Reach, ...], command: str) -> None:
    """Stop before anything runs, so that a human is asked.

    Raises:
        GateFailed: `reaches_outside`, for each kind with its words.
    """
    if not reaches:
        return
    shown = "; ".join(f"{one.where} ({one.kind}): {one.words}" for one in reaches[:MAX_SHOWN])
    more = f"; {len(reaches) - MAX_SHOWN} more" if len(reaches) > MAX_SHOWN else ""
    raise GateFailed(
        f"commands of the contract reach outside the checkout: {shown}{more}",
        code="reaches_outside",
        hint=f"Nothing was run. Show this to the human; on a yes, run `autoresearch {command} "
        "--allow-outside …`, otherwise remove it.",
    )
