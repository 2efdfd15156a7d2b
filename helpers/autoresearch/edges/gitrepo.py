"""Git as the helper needs it: plumbing with pinned settings, and nothing inherited.

Objects are read here; `gitrefs` reads and writes refs, `gitwrite` all else, `gitdiff` compares
commits.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.core.formatting import clean_line
from autoresearch.core.inscope import is_git_folder
from autoresearch.core.snapshot import Entry
from autoresearch.edges.processes import MARK, our_mark
from autoresearch.edges.whereabouts import find_repository

if TYPE_CHECKING:
    from typing_extensions import Self


_NEEDED = ("HEAD", "config", "objects", "refs")
"""Parts without which git takes a folder for no repository."""


def why_not_open(path: Path) -> GitError | None:
    """The error that names what stands in the way; None where nothing that can be seen does."""
    here = path.resolve()
    for folder in (here, *here.parents):
        with suppress(OSError):  # not here, or not ours to see: look further up
            found = os.lstat(folder / ".git")
            if os.lstat(folder).st_uid != os.geteuid() or found.st_uid != os.geteuid():
                return GitError(
                    f"{folder} belongs to another user, so git refuses to work in it",
                    code="unsafe_owner",
                    hint=f"If you trust it: git config --global --add safe.directory {folder}",
                )
            if stat.S_ISDIR(found.st_mode) and here.is_relative_to(folder / ".git"):
                break
            return _unreadable(folder / ".git")
    return GitError(
        f"not a git repository: {path}",
        code="no_repository",
        hint="Run the command in the working tree of a repository; `git init` makes one.",
    )


def _unreadable(git_folder: Path) -> GitError | None:
    """The error about the first part of a repository that may not be read; None for none."""
    for part in (git_folder, *(git_folder / name for name in _NEEDED)):
        if part.exists() and not os.access(part, os.R_OK | (os.X_OK if part.is_dir() else 0)):
            return GitError(
                f"git cannot read {part}",
                code="no_permission",
                hint="Check its owner and permissions.",
            )
    return None


_HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) ([0-9]+)\n")
_REQUESTS = 500  # ids sent ahead of reading; they fit into a pipe of 64 KiB, so nobody blocks


class GitObject(NamedTuple):
    """An object as it is stored."""

    oid: str
    type: str
    content: bytes


def object_id(object_format: str, content: bytes, kind: str = "blob") -> str:
    """The id git gives to an object of that content; a blob's is of its bytes, unfiltered."""
    digest = hashlib.new(object_format, usedforsecurity=False)
    digest.update(b"%s %d\0" % (kind.encode("ascii"), len(content)))
    digest.update(content)
    return digest.hexdigest()


class ObjectReader:
    """Reads objects by name; starts its process at the first read, and again after a failure."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._owed = 0  # answers that it was or will be asked for, and nobody has taken

    def read(self, names: Iterable[str]) -> Iterator[GitObject | None]:
        """The object of each name, in order; None where there is none.

        A read that was not taken to its end is over when the next one begins.
        """
        asked = [name.encode("utf-8", "surrogateescape") for name in names]
        if any(b"\n" in name for name in asked):
            raise GitError(
                "a revision contains a newline", code="no_revision", hint="Check the name."
            )
        if self._owed:
            self.close()  # an error may hold on to a read, whose answers would pass for ours
        if self._process is None:
            self._process = self._start()
        process, self._owed = self._process, len(asked)
        try:
            for start in range(0, len(asked), _REQUESTS):
                part = asked[start : start + _REQUESTS]
                if process.stdin is not None and process is self._process:
                    with suppress(BrokenPipeError):  # it ended: taking the answer reports that
                        process.stdin.write(b"".join(name + b"\n" for name in part))
                        process.stdin.flush()
                for name in part:
                    found = self._take(process, name)
                    self._owed -= 1
                    yield found
        finally:
            if self._owed and process is self._process:
                self.close()  # answers not taken would be read as those of the next question

    def close(self) -> None:
        """End the process."""
        process, self._process, self._owed = self._process, None, 0
        if process is None:
            return
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):  # it ended before us
                    stream.close()
        process.wait()

    def _take(self, process: subprocess.Popen[bytes], name: bytes) -> GitObject | None:
        stream = process.stdout if process is self._process else None
        line = b"" if stream is None else stream.readline()
        if stream is not None and line.endswith(b"\n"):
            header = _HEADER.fullmatch(line)
            if header is None:
                return None  # "<name> missing" or "<name> ambiguous"
            oid, kind, size = header.groups()
            content = stream.read(int(size) + 1)
            if len(content) == int(size) + 1:
                return GitObject(oid.decode(), kind.decode(), content[:-1])
        if process is self._process:
            self.close()
        shown = name.decode("utf-8", "replace")
        raise GitError(f"git cat-file ended while reading {shown}", hint="Run `git fsck`.")


_PINNED = (
    # No program of the repository's configuration takes part.
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    # What is written is on the disk (git >= 2.36; earlier ones ignore the names).
    "core.fsync=objects,reference",
    "core.fsyncMethod=fsync",
    # No background work, and a message is what we said it is.
    "gc.auto=0",
    "maintenance.auto=false",
    "i18n.commitEncoding=UTF-8",
)

_ENVIRONMENT = {
    "LC_ALL": "C",
    "LANGUAGE": "C",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
}

_KEPT = re.compile(r"GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)|GIT_CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)")
"""Inherited names that stay: who commits."""

_USAGE = 129
"""The highest status that git ends with of its own will: it was called wrongly."""

_NOT_REMOVED = "unable to unlink"
"""What git warns of, and then ends well, when it leaves a lock file of its own."""

_QUESTIONS = (
    "--is-bare-repository",
    "--show-object-format",
    "--show-toplevel",
    "--absolute-git-dir",
    "--git-common-dir",
)

_SUSPECT = re.compile(rb"[\t/](?:\.\.?|\.git)?[/\0]", re.IGNORECASE)
"""What a line of `ls-tree -z` that holds an unsafe path matches, and hardly any other."""

_FULL = ("No space left on device", "Disk quota exceeded")
_HELD = re.compile(r"Unable to create '([^']*\.lock)': File exists")
"""Of git's words, in the C locale, only what the system told it."""


class Completed(NamedTuple):
    """A git process that ended: its own status, raw output, and its words on stderr."""

    code: int
    out: bytes
    err: str


def to_text(raw: bytes) -> str:
    """A name or message of git's as str; what is no UTF-8 becomes surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The inverse of `to_text`."""
    return text.encode("utf-8", "surrogateescape")


class GitRepo:
    """One working tree and its repository. Use as a context manager: it keeps a process open.

    Attributes:
        toplevel: root of the working tree.
        git_dir: of this working tree (`.git`, or `.git/worktrees/<name>` of a linked one).
        common_dir: what all working trees share: objects, refs, `info/exclude`.
        object_format: "sha1" or "sha256".
        processes: how many git processes were started so far.
        lost_one: whether one of them may have left its lock files: it was killed, or the disk did
            not let it remove them.
    """

    def __init__(
        self, *, toplevel: Path, git_dir: Path, common_dir: Path, object_format: str
    ) -> None:
        self.toplevel = toplevel
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.object_format = object_format
        self.processes = 1  # the one that found the place
        self.lost_one = False
        self._reader = ObjectReader(self._start_reader)
        # Named, so that nothing an experiment leaves in the tree can lead git elsewhere.
        self._place = [f"--git-dir={git_dir}", f"--work-tree={toplevel}"]

    @classmethod
    def open(cls, path: Path) -> GitRepo:
        """The repository whose working tree holds `path`.

        Raises GitError: `git_missing`, `git_too_old`, `no_repository`, `bare`, `unsafe_owner`,
        `git`.
        """
        bare, object_format, toplevel, git_dir, common_dir = _facts(path)
        if bare == "true":
            raise GitError(
                f"{path} is a bare repository",
                code="bare",
                hint="Run it in a working tree; `git worktree add` makes one.",
            )
        if object_format not in {"sha1", "sha256"}:
            raise GitError(
                f"git does not say which object format it uses (it said {object_format!r})",
                code="git_too_old",
                hint="Install git 2.25 or newer.",
            )
        lies = find_repository(os.fspath(path))
        if lies is not None and os.path.realpath(toplevel) != lies.toplevel:
            raise GitError(
                f"git's setting core.worktree sends the files of {clean_line(lies.toplevel)} to "
                f"{clean_line(toplevel)}, another folder",
                code="git_redirected",
                hint="`git config --unset core.worktree` (or `--worktree --unset`) ends that.",
            )
        return cls(
            toplevel=Path(toplevel),
            git_dir=Path(git_dir),
            common_dir=(path / common_dir).resolve(),
            object_format=object_format,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that reads objects; the next read starts another."""
        self._reader.close()

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        settings: Sequence[str] = (),
    ) -> Completed:
        """What `git args` answered; a status that is not 0 raises, unless `check` is off.

        The arguments are never an agent's text. `env` and `settings` (`name=value`) come on top of
        the pinned ones.
        """
        self.processes += 1
        done = _execute(self.toplevel, [*_flags(settings), *self._place, *args], stdin, env)
        self.lost_one |= was_killed(done) or _NOT_REMOVED in done.err
        if check and done.code != 0:
            raise failure(args[0], done)
        return done

    # --- objects ---------------------------------------------------------------------------

    def objects(self, names: Iterable[str]) -> Iterator[GitObject | None]:
        """The object of each name, in order; None where there is none. All reads share a process.

        A name is an id or any expression of git's for a revision; one with a newline raises
        GitError `no_revision`.
        """
        return self._reader.read(names)

    def object_at(self, name: str) -> GitObject | None:
        """The object of that name, or None."""
        (found,) = self._reader.read([name])
        return found

    def resolve(self, rev: str) -> str | None:
        """The commit that `rev` names, or None."""
        found = self.object_at(f"{rev}^{{commit}}")
        return None if found is None else found.oid

    def tree_of(self, commit: str) -> str:
        """Id of the commit's tree. Raises GitError `no_revision` when there is none."""
        found = self.object_at(f"{commit}^{{tree}}")
        if found is None:
            raise _no_revision(commit)
        return found.oid

    def tree(self, commit: str) -> dict[str, Entry]:
        """Every file of a commit or tree, submodules as their commit's id; in git's order.

        Raises GitError `no_revision`, or `unsafe_path` for a name that leaves the tree.
        """
        done = self.run("ls-tree", "-r", "-z", "--full-tree", commit, check=False)
        if done.code != 0:
            raise _no_revision(commit)
        # The constructor of a tuple itself: 30,000 calls of that of a NamedTuple take 10 ms.
        entry = partial(tuple.__new__, Entry)
        entries: dict[str, Entry] = {}
        for line in to_text(done.out).split("\0")[:-1]:
            facts, path = line.split("\t", 1)
            entries[path] = entry((facts[:6], facts.rpartition(" ")[2]))
        if _SUSPECT.search(done.out) is not None:
            for path in entries:
                if not is_safe_path(path):
                    raise GitError(
                        f"the commit {commit} contains the path {path!r}",
                        code="unsafe_path",
                        hint="`git add` does not make such a tree; do not use this commit.",
                    )
        return entries

    def blob(self, oid: str) -> bytes:
        """The content of a blob. Raises GitError `missing_object`."""
        ((_, content),) = self.blobs([oid])
        return content

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(id, content) of each blob, in order, by one process.

        Raises GitError `missing_object` for one that is absent or no blob, `corrupt_object` where
        bytes do not match their id, which git itself does not check on reading.
        """
        wanted = list(oids)
        for oid, found in zip(wanted, self.objects(wanted), strict=True):
            if found is None or found.type != "blob":
                raise GitError(
                    f"the object {oid} is missing from the repository",
                    code="missing_object",
                    hint="Run `git fsck`, and fetch or restore the objects that it names.",
                )
            require_sound(self.object_format, found, oid)
            yield oid, found.content

    def flag(self, name: str, *, default: bool) -> bool:
        """A yes-or-no setting of git's."""
        done = self.run("config", "--type=bool", "--get", name, check=False)
        return default if done.code != 0 else done.out.strip() == b"true"

    def has(self, oid: str) -> bool:
        """Whether an object is there, whatever its type."""
        return self.run("cat-file", "-e", oid, check=False).code == 0

    def _start_reader(self) -> subprocess.Popen[bytes]:
        self.processes += 1
        return _started(self.toplevel, [*_flags(()), *self._place, "cat-file", "--batch"])


def require_sound(object_format: str, found: GitObject, oid: str) -> None:
    """Raise GitError `corrupt_object` for what is not the content that its name says."""
    if object_id(object_format, found.content, found.type) != oid:
        raise GitError(
            f"the object {oid} does not have the content that its name says",
            code="corrupt_object",
            hint="Somebody changed .git/objects: run `git fsck`.",
        )


def is_safe_path(path: str) -> bool:
    """Whether every component is a plain name that stays in the tree and outside `.git`."""
    parts = path.split("/")
    return not any(part in {"", ".", ".."} or is_git_folder(part) for part in parts)


def is_repository(folder: str) -> bool:
    """Whether git takes a folder for a working tree of its own."""
    inside = Path(folder, ".git")
    if inside.is_dir():
        return all((inside / name).exists() for name in ("HEAD", "objects", "refs"))
    return inside.is_file() and inside.read_bytes().startswith(b"gitdir: ")


def was_killed(done: Completed) -> bool:
    """Whether a signal ended git, told as by the system or as by a shell that ran it."""
    return done.code < 0 or done.code > _USAGE


def failure(command: str, done: Completed) -> GitError:
    """The error for a git process that failed, in git's own words."""
    words = " ".join(done.err.split()) or "no message"
    code, hint = "git", "Run `git fsck` and `git status`, and repair what they name."
    held = _HELD.search(words)
    if any(full in words for full in _FULL):
        code, hint = "no_space", "Free some space and repeat the command."
    elif held is not None:
        hint = (
            f"Wait for the git that holds {clean_line(held[1])}, then repeat the command. If it "
            "died, `autoresearch recover` sets the lock aside."
        )
    return GitError(f"git {command} failed with status {done.code}: {words}", code=code, hint=hint)


def _flags(settings: Sequence[str]) -> list[str]:
    return [part for setting in (*_PINNED, *settings) for part in ("-c", setting)]


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    """What git gets: all that is inherited but git's own variables, and ours."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _KEPT.fullmatch(name)
    }
    return {**inherited, **_ENVIRONMENT, MARK: our_mark(), **(env or {})}


def _started(
    folder: Path,
    args: Sequence[str],
    env: Mapping[str, str] | None = None,
    *,
    stdin: int = subprocess.PIPE,
    stderr: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """A git at work in `folder`; where that is gone, in ours, so that git says what is missing."""
    try:
        return subprocess.Popen(
            ["git", *args],
            cwd=folder if os.access(folder, os.X_OK) else None,
            env=_environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    except OSError as error:
        raise GitError(
            "git cannot be started", code="git_missing", hint="Install git 2.25 or newer, on PATH."
        ) from error


def _execute(
    folder: Path, args: Sequence[str], stdin: bytes | None, env: Mapping[str, str] | None
) -> Completed:
    source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    # No `subprocess.run`: interrupted, it kills git, which leaves its lock files then.
    with _started(folder, args, env, stdin=source, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(stdin)
    code = process.returncode
    # A negative status is a signal; reported as a shell would.
    return Completed(128 - code if code < 0 else code, out, to_text(err))


def _facts(path: Path) -> list[str]:
    """The answers to `_QUESTIONS`: by one process, or one each where a path holds a newline."""
    # Named, for where there is no such folder git would be started in the current one.
    flags = [*_flags(()), "-C", os.fspath(path)]
    done = _execute(path, [*flags, "rev-parse", *_QUESTIONS], None, None)
    answers = to_text(done.out).split("\n")[:-1]
    if done.code != 0 and answers[:1] != ["true"]:
        raise why_not_open(path) or failure("rev-parse", done)
    if done.code != 0:
        return [*answers, *_QUESTIONS][: len(_QUESTIONS)]
    if len(answers) != len(_QUESTIONS):
        each = [
            _execute(path, [*flags, "rev-parse", question], None, None) for question in _QUESTIONS
        ]
        answers = [to_text(one.out).removesuffix("\n") for one in each]
    return answers


OLDEST = (2, 25)


def version() -> tuple[int, ...]:
    """The version of the git on PATH."""
    from git import Git  # noqa: PLC0415 - GitPython starts in half the time of a `try`

    return Git().version_info


def _no_revision(rev: str) -> GitError:
    return GitError(f"there is no commit {rev} here", code="no_revision", hint="Check the name.")


UNDER_WAY = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply/applying": "patch",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisection",
}
"""What git leaves in its folder while an operation waits for its user."""


def under_way(repo: GitRepo) -> str | None:
    """The operation that waits for its user, in a word; None where there is none."""
    return next((what for name, what in UNDER_WAY.items() if (repo.git_dir / name).exists()), None)


def ended_by(what: str) -> str:
    """How an operation that is under way is ended without a commit, in a sentence."""
    if what == "bisection":
        return "`git bisect reset` ends it."
    undo = f"`git {'am' if what == 'patch' else what} --abort` undoes it"
    stays = (
        "" if what in {"rebase", "patch"} else f"; `git {what} --quit` ends it and leaves the files"
    )
    return f"{undo}{stays}."


def unmerged(repo: GitRepo) -> list[str]:
    """The paths that the user's index holds in conflict, sorted."""
    listed = to_text(repo.run("ls-files", "-u", "-z").out).split("\0")[:-1]
    return sorted({line.split("\t", 1)[1] for line in listed})
