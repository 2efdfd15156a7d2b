"""A real git repository in a temporary folder, with every input pinned."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def isolated_environment(home: Path) -> dict[str, str]:
    """Variables that make git and the helper deterministic and keep them out of the real home."""
    return {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TEMPLATE_DIR": "",
        "GIT_AUTHOR_NAME": "Test Author",
        "GIT_AUTHOR_EMAIL": "author@example.org",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
        "GIT_COMMITTER_NAME": "Test Author",
        "GIT_COMMITTER_EMAIL": "author@example.org",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    }


class Git:
    """A repository driven through the real git."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path, *, object_format: str = "sha1") -> Git:
        """An empty repository on branch main."""
        root.mkdir(parents=True, exist_ok=True)
        repo = cls(root)
        repo("init", "-q", "-b", "main", f"--object-format={object_format}")
        repo("config", "user.name", "Test Author")
        repo("config", "user.email", "author@example.org")
        return repo

    def __call__(self, *args: str, expected_exit_code: int = 0, stdin: bytes | None = None) -> str:
        """Run git; fail the test when the exit code is another; stdout, stripped."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.root,
            env=dict(os.environ),
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == expected_exit_code, (args, done.returncode, done.stderr.decode())
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: str | bytes, *, mode: int = 0o644) -> Path:
        """Create or overwrite a file of the working tree."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        target.chmod(mode)
        return target

    def commit(self, message: str = "change") -> str:
        """Commit everything; the commit's id."""
        self("add", "-A")
        self("commit", "-qm", message)
        return self("rev-parse", "HEAD")

    def state(self) -> dict[str, bytes]:
        """Every file of the working tree by path (links as `-> target`), `.git` left out."""
        found = {}
        for folder, names, files in os.walk(self.root):
            for name in (*files, *names):
                full = Path(folder) / name
                path = str(full.relative_to(self.root))
                if full.is_symlink():
                    found[path] = b"-> " + os.readlink(os.fsencode(full))  # noqa: PTH115  # bytes
                elif full.is_file() and name != ".git":
                    found[path] = full.read_bytes()
            if ".git" in names:
                names.remove(".git")
        return found
