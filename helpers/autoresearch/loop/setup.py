"""What `setup` depends on: when it has to run again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoresearch.core.contract import Contract
    from autoresearch.core.scope import Scope
    from autoresearch.core.snapshot import TreeMap

SETUP_INPUTS = frozenset(
    {
        "Cargo.lock", "Cargo.toml", "Gemfile", "Gemfile.lock", "build.gradle", "go.mod", "go.sum",
        "package-lock.json", "package.json", "pnpm-lock.yaml", "poetry.lock", "pom.xml",
        "pyproject.toml", "requirements.txt", "setup.cfg", "setup.py", "uv.lock", "yarn.lock",
    }
)  # fmt: skip
"""Files that say what is installed: a change of one runs `setup` again."""


def setup_key(contract: Contract, scope: Scope, tree: TreeMap) -> str:
    """A hash of command, environment, and the files that say what is installed."""
    digest = hashlib.sha256(repr((contract.setup, contract.env)).encode())
    for path, entry in sorted(tree.items()):
        if path.rsplit("/", 1)[-1] in SETUP_INPUTS or not scope.covers(path):
            digest.update(repr((path, entry)).encode())
    return digest.hexdigest()
