"""Finds commands of a contract that reach outside: network, deletions, credentials, installs.

A rehearsal runs what somebody, perhaps an agent, wrote down. What reaches beyond the checkout is
asked about first. This reads text: it tells an honest author what a human should see, it does not
stop one who hides; the sandbox is for that.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from autoresearch.core.contract import Contract, commands_of
from autoresearch.core.errors import GateFailed
from autoresearch.core.formatting import clean_line

MAX_SHOWN = 3

_LOOPBACK = r"(?:localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0)"
_ELSEWHERE = rf"https?://(?!{_LOOPBACK}(?:[:/\s'\"]|$))[\w.-]"
_START = r"(?:^|[;&|(`\n]|\b(?:then|do|else|exec|env|time|nohup|xargs)\s)\s*(?:\w+=\S*\s+)*"
_HOMES = r"/root|/(?:home|Users)/[^/\s'\"]+"
_PRIVATE_FOLDERS = "ssh|aws|netrc|gnupg|npmrc|pypirc|docker|kube|config"
_PROGRAMS = (
    ("network", r"(?:ssh|scp|sftp|ftp|telnet|rsync\s[^\n;|&]*[\w.-]+:)\b"),
    ("network", r"git\s+(?:push|fetch|pull|clone|ls-remote|submodule\s+update)\b"),
    ("network", r"(?:aws|gcloud|az|kubectl|helm|terraform\s+(?:apply|destroy)|gh)(?:\s|$)"),
    ("network", r"(?:docker|podman)\s+(?:push|pull|login)\b"),
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
    """What the commands, and the tracked scripts that they name, do outside; each once."""
    found: list[Reach] = []
    for key, command in commands_of(contract):
        found += _in_text(key, command, installs=key == "setup")
    for path, text in scripts.items():
        found += _in_text(path, text, installs=False)
    found += [
        Reach("env.pass", "credentials", name)
        for name in contract.pass_through
        if _SECRET_NAME.search(name)
    ]
    return tuple(dict.fromkeys(found))


def _in_text(where: str, text: str, *, installs: bool) -> Iterator[Reach]:
    code = re.sub(r"(?m)(^|\s)#[^\n]*", r"\1", text)
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
    words = (
        word.strip("'\"();&|<>").removeprefix("./")
        for key, command in commands_of(contract)
        if keys is None or key in keys
        for word in command.split()
    )
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
