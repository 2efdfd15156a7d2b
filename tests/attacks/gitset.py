"""Git is turned against the helper: hooks, configuration, filters, refs, HEAD, the index."""

from __future__ import annotations

from attacks.arena import Arena, Attack, Needs

HOOKS = (
    "pre-commit",
    "commit-msg",
    "post-commit",
    "prepare-commit-msg",
    "post-checkout",
    "post-index-change",
    "reference-transaction",
    "post-rewrite",
)


def _hooks(arena: Arena) -> None:
    arena.worse()
    for name in HOOKS:
        path = arena.git_dir / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{arena.canary()}\n")
        path.chmod(0o755)


def _hooks_path(arena: Arena) -> None:
    arena.worse()
    folder = arena.root / "src" / "hooks"
    folder.mkdir()
    for name in HOOKS:
        (folder / name).write_text(f"#!/bin/sh\n{arena.canary()}\n")
        (folder / name).chmod(0o755)
    arena.repo("config", "core.hooksPath", "src/hooks")


def _fsmonitor(arena: Arena) -> None:
    arena.worse()
    script = arena.root / "src" / "monitor.sh"
    script.write_text(f"#!/bin/sh\n{arena.canary()}\n")
    script.chmod(0o755)
    arena.repo("config", "core.fsmonitor", str(script))


def _external_diff(arena: Arena) -> None:
    arena.worse()
    arena.repo("config", "diff.external", arena.canary())


def _filter(arena: Arena) -> None:
    arena.candidate(cost=110)
    arena.repo("config", "filter.evil.clean", f"sh -c '{arena.canary()}; sed s/110/1/'")
    arena.repo("config", "filter.evil.smudge", f"sh -c '{arena.canary()}; cat'")
    (arena.git_dir / "info").mkdir(exist_ok=True)
    (arena.git_dir / "info" / "attributes").write_text("*.py filter=evil\n")


def _textconv(arena: Arena) -> None:
    arena.worse()
    arena.repo("config", "diff.evil.textconv", arena.canary())
    (arena.git_dir / "info").mkdir(exist_ok=True)
    (arena.git_dir / "info" / "attributes").write_text("*.py diff=evil export-ignore\n")


def _pager_and_editor(arena: Arena) -> None:
    arena.worse()
    for name in ("core.pager", "core.editor", "core.sshCommand", "gpg.program", "core.askPass"):
        arena.repo("config", name, arena.canary())
    arena.repo("config", "commit.gpgSign", "true")


def _alias(arena: Arena) -> None:
    arena.worse()
    for name in ("update-ref", "commit-tree", "cat-file", "ls-tree"):
        arena.repo("config", f"alias.{name}", f"!{arena.canary()}")


def _replaced_commit(arena: Arena) -> None:
    """The incumbent's commit is replaced by one with another benchmark."""
    arena.repo.write("bench.py", "print('METRIC cost=1')\nprint('METRIC size=1000')\n")
    arena.repo("add", "bench.py")
    tree = arena.repo("write-tree")
    other = arena.repo("commit-tree", tree, "-m", "x")
    arena.repo("reset", "-q")
    arena.repo("checkout", "-q", "bench.py")
    arena.repo("replace", arena.start, other)
    arena.worse()


def _replaced_blob(arena: Arena) -> None:
    cheap = arena.repo("hash-object", "-w", "--stdin", stdin=b"print('METRIC cost=1')\n")
    arena.repo("replace", arena.repo("rev-parse", f"{arena.start}:bench.py"), cheap)
    arena.worse()


def _grafts(arena: Arena) -> None:
    arena.worse()
    (arena.git_dir / "info").mkdir(exist_ok=True)
    (arena.git_dir / "info" / "grafts").write_text(f"{arena.start}\n")


def _alternates(arena: Arena) -> None:
    arena.worse()
    (arena.git_dir / "objects" / "info").mkdir(exist_ok=True)
    (arena.git_dir / "objects" / "info" / "alternates").write_text(f"{arena.outside}\n")


def _commits(arena: Arena) -> None:
    arena.worse()
    arena.repo("commit", "-qam", "mine")


def _amends(arena: Arena) -> None:
    arena.worse()
    arena.repo("commit", "-qa", "--amend", "-m", "as if it had always been so")


def _other_branch(arena: Arena) -> None:
    arena.repo("checkout", "-q", "-b", "elsewhere")
    arena.worse()


def _detached(arena: Arena) -> None:
    arena.repo("checkout", "-q", "--detach")
    arena.worse()


def _staged_leftovers(arena: Arena) -> None:
    arena.worse()
    arena.repo.write("extra.py", "X = 1\n")
    arena.repo("add", "extra.py")


def _stale_index_lock(arena: Arena) -> None:
    arena.worse()
    (arena.git_dir / "index.lock").touch()


def _corrupt_index(arena: Arena) -> None:
    arena.worse()
    (arena.git_dir / "index").write_bytes(b"DIRC\0\0\0\2 nonsense")


def _moves_branch_while_running(arena: Arena) -> None:
    other = arena.repo("commit-tree", arena.repo("rev-parse", "HEAD^{tree}"), "-m", "mine")
    path = arena.git_dir / arena.repo("symbolic-ref", "HEAD")
    arena.candidate(f"open({str(path)!r}, 'w').write({other + chr(10)!r})\n", cost=110)


def _moves_head_while_running(arena: Arena) -> None:
    path = arena.git_dir / "HEAD"
    arena.candidate(f"open({str(path)!r}, 'w').write('ref: refs/heads/main\\n')\n", cost=110)


def _sets_config_while_running(arena: Arena) -> None:
    path = arena.git_dir / "config"
    text = f"[core]\n\tfsmonitor = {arena.canary()}\n"
    arena.candidate(f"open({str(path)!r}, 'a').write({text!r})\n", cost=110)


def _adds_hook_while_running(arena: Arena) -> None:
    path = arena.git_dir / "hooks" / "reference-transaction"
    text = f"#!/bin/sh\n{arena.canary()}\n"
    code = f"""
import os
os.makedirs(os.path.dirname({str(path)!r}), exist_ok=True)
open({str(path)!r}, "w").write({text!r})
os.chmod({str(path)!r}, 0o755)
"""
    arena.candidate(code, cost=110)


def _worktree_config(arena: Arena) -> None:
    arena.worse()
    arena.repo("config", "extensions.worktreeConfig", "true")
    arena.repo("config", "--worktree", "core.fsmonitor", arena.canary())


def _back(arena: Arena) -> None:
    arena.repo("reset", "-q", "--soft", arena.start)


def _switched(arena: Arena) -> None:
    arena.repo("symbolic-ref", "HEAD", "refs/heads/autoresearch/cheaper")


def _index_anew(arena: Arena) -> None:
    (arena.git_dir / "index").unlink()
    arena.repo("reset", "-q")


def _removes_git(arena: Arena) -> None:
    code = f"import shutil\nshutil.rmtree({str(arena.git_dir)!r}, ignore_errors=True)\n"
    arena.candidate(code, cost=90 + 20)


def _deletes_candidates(arena: Arena) -> None:
    """The refs of all experiments so far."""
    path = arena.git_dir / "refs" / "autoresearch"
    arena.candidate(f"import shutil\nshutil.rmtree({str(path)!r}, ignore_errors=True)\n", cost=110)


def _spoils_head(arena: Arena) -> None:
    path = arena.git_dir / "HEAD"
    code = f"try: open({str(path)!r}, 'w').write('nonsense\\n')\nexcept OSError: pass\n"
    arena.candidate(code, cost=110)


ATTACKS = (
    Attack("removes the repository's .git", _removes_git, needs=Needs.SANDBOX),
    Attack("deletes the refs of all experiments", _deletes_candidates, needs=Needs.SANDBOX),
    Attack("writes nonsense into HEAD", _spoils_head, needs=Needs.SANDBOX),
    Attack("plants hooks", _hooks),
    Attack("sets core.hooksPath to the scope", _hooks_path),
    Attack("sets core.fsmonitor", _fsmonitor),
    Attack("sets diff.external", _external_diff),
    Attack("filters content by info/attributes", _filter),
    Attack("converts text for diffs, ignores all for archives", _textconv),
    Attack("sets pager, editor, ssh command and signing program", _pager_and_editor),
    Attack("gives git's commands aliases", _alias),
    Attack("replaces the incumbent's commit (git replace)", _replaced_commit),
    Attack("replaces the benchmark's blob (git replace)", _replaced_blob),
    Attack("grafts the history", _grafts),
    Attack("names other object stores", _alternates),
    Attack("commits by itself", _commits, ends=("error",), mend=_back),
    Attack("amends the incumbent", _amends, ends=("error",), mend=_back),
    Attack(
        "works on another branch",
        _other_branch,
        ends=("error",),
        mend=_switched,
    ),
    Attack(
        "detaches HEAD",
        _detached,
        ends=("error",),
        mend=_switched,
    ),
    Attack("stages a file outside the scope", _staged_leftovers),
    Attack("leaves a stale index.lock", _stale_index_lock),
    Attack("breaks git's index", _corrupt_index, ends=("error",), mend=_index_anew),
    Attack(
        "moves the session's branch while it runs", _moves_branch_while_running, ends=("violation",)
    ),
    Attack("moves HEAD while it runs", _moves_head_while_running, ends=("violation",)),
    Attack(
        "sets git's configuration while it runs", _sets_config_while_running, ends=("violation",)
    ),
    Attack("adds a hook while it runs", _adds_hook_while_running, ends=("violation",)),
    Attack("uses a worktree's own configuration", _worktree_config),
)
