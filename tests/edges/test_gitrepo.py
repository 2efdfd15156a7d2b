"""Git through our own calls: discovery, objects, refs, commits, the user's index."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from autoresearch.core.errors import AutoresearchError, GitError
from autoresearch.core.snapshot import Entry
from autoresearch.edges import gitdiff, gitrefs, gitrepo, gitwrite, worktree
from autoresearch.edges.gitrepo import GitRepo, is_safe_path, object_id
from autoresearch.edges.gitwrite import IndexChange
from support.harness import Git

HELLO = "ce013625030ba8dba906f756967f9e9ca394464a"  # `hello\n` as a sha1 blob
BRANCH = "refs/heads/autoresearch/s"


@pytest.fixture
def user(tmp_path):
    repo = Git.create(tmp_path / "project")
    repo.write("src/a.py", "a = 1\n")
    repo.write("hello", "hello\n")
    repo.commit()
    return repo


@pytest.fixture
def repo(user):
    with GitRepo.open(user.root) as opened:
        yield opened


def commit_of(repo, changes, message="try\n", parent="HEAD"):
    commit = repo.resolve(parent)
    base = repo.tree_of(commit)
    return gitwrite.commit_changes(
        repo, parents=[commit], base=base, changes=changes, message=message
    )


def patch_id(repo, parent, commit):
    return gitdiff.id_of_patch(gitdiff.difference(repo, parent, commit).patch)


def test_open_finds_the_toplevel_from_below(user):
    """A command run in a subfolder works on the whole repository."""
    with GitRepo.open(user.root / "src") as repo:
        assert repo.toplevel == user.root
        assert repo.git_dir == repo.common_dir == user.root / ".git"
        assert repo.object_format == "sha1"
        assert repo.processes == 1


def test_open_outside_a_repository(tmp_path):
    """No repository is an expected failure with a name of its own."""
    with pytest.raises(GitError) as caught:
        GitRepo.open(tmp_path)
    assert caught.value.code == "no_repository"


def test_open_a_folder_that_is_not_there(user, monkeypatch):
    """A path that does not exist must not open the repository we happen to stand in."""
    monkeypatch.chdir(user.root)
    with pytest.raises(GitError):
        GitRepo.open(user.root.parent / "none")


@pytest.mark.parametrize("below", ["", "refs"])
def test_open_bare(tmp_path, below):
    """A bare repository has no tree to improve, and is told apart from none at all."""
    Git(tmp_path)("init", "-q", "--bare", "bare.git")
    with pytest.raises(GitError) as caught:
        GitRepo.open(tmp_path / "bare.git" / below)
    assert caught.value.code == "bare"


def test_open_inside_the_git_folder(user):
    """Standing in `.git` is no working tree."""
    with pytest.raises(GitError) as caught:
        GitRepo.open(user.root / ".git")
    assert caught.value.code == "no_repository"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_open_refuses_another_users_repository(user):
    """Dubious ownership is reported with git's remedy; safe.directory is never set for all."""
    os.chown(user.root, 12345, 12345)
    with pytest.raises(GitError) as caught:
        GitRepo.open(user.root)
    assert caught.value.code == "unsafe_owner"
    assert str(user.root) in caught.value.hint
    assert "*" not in caught.value.hint


def test_git_missing(user, monkeypatch, tmp_path):
    """Without git on PATH the failure says so, with and without variables to be dropped."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    with pytest.raises(GitError) as caught:
        GitRepo.open(user.root)
    assert caught.value.code == "git_missing"
    (tmp_path / "env").symlink_to(shutil.which("env", path="/usr/bin:/bin"))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    with pytest.raises(GitError) as caught:
        GitRepo.open(user.root)
    assert caught.value.code == "git_missing"


def test_inherited_variables_lead_nowhere(user, tmp_path, monkeypatch):
    """GIT_DIR and friends of a hook or a host must not make us work on another repository."""
    other = Git.create(tmp_path / "other")
    other.write("hello", "other\n")
    other.commit()
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.root / ".git/objects"))
    with GitRepo.open(user.root) as repo:
        assert repo.toplevel == user.root
        assert repo.tree("HEAD")["hello"].oid == HELLO
        assert repo.blob(HELLO) == b"hello\n"
        assert commit_of(repo, {"hello": None}).oid
    assert not (tmp_path / "index").exists()


def test_newline_in_the_path_of_the_repository(tmp_path):
    """A folder name with a newline must not cut git's answers in two."""
    user = Git.create(tmp_path / "a\nb")
    user.write("x", "1")
    commit = user.commit()
    with GitRepo.open(user.root) as repo:
        assert repo.toplevel == user.root
        assert gitrefs.head(repo) == ("refs/heads/main", commit)
        assert gitrefs.refs(repo, "refs/heads")["refs/heads/main"].worktree == str(user.root)


def test_sha256_repository(tmp_path):
    """Ids of 64 digits pass through every layer."""
    user = Git.create(tmp_path / "new", object_format="sha256")
    user.write("hello", "hello\n")
    commit = user.commit()
    with GitRepo.open(user.root) as repo:
        oid = repo.tree(commit)["hello"].oid
        assert (repo.object_format, len(oid)) == ("sha256", 64)
        assert object_id("sha256", b"hello\n") == oid
        assert repo.blob(oid) == b"hello\n"
        (made,) = gitwrite.write_blobs(repo, [b"new\n"])
        new = commit_of(repo, {"hello": Entry("100644", made), "gone": None})
        gitrefs.update_ref(repo, BRANCH, new.oid, None)
        assert user("show", f"{BRANCH}:hello") == "new"


def test_tree_holds_odd_names_modes_and_submodules(user):
    """Newlines, tabs, bytes that are no UTF-8, links, executables and gitlinks are all read."""
    user.write("new\nline", "1")
    user.write("ta\tb", "1")
    user.write(os.fsdecode(b"caf\xe9"), "1")
    user.write("run.sh", "1", mode=0o755)
    (user.root / "link").symlink_to("hello")
    sub = Git.create(user.root / "sub")
    sub.write("f", "1")
    inner = sub.commit()
    user.commit()
    with GitRepo.open(user.root) as repo:
        tree = repo.tree("HEAD")
    one = "56a6051ca2b02b04ef92d5150c9ef600403cb1de"
    assert {path: tree[path] for path in tree if path not in {"hello", "src/a.py"}} == {
        "new\nline": ("100644", one),
        "ta\tb": ("100644", one),
        "caf\udce9": ("100644", one),
        "run.sh": ("100755", one),
        "link": ("120000", "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"),
        "sub": ("160000", inner),
    }


@pytest.mark.parametrize("name", ["..", ".git", ".GIT", "."])
def test_tree_that_leaves_its_folder(repo, user, name):
    """A tree made by hand must not lead a checkout out of its slot."""
    blob = repo.tree("HEAD")["hello"].oid
    raw = b"100644 " + name.encode() + b"\0" + bytes.fromhex(blob)
    tree = user("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    with pytest.raises(GitError) as caught:
        repo.tree(tree)
    assert caught.value.code == "unsafe_path"


def test_safe_paths():
    """Names that only look like the forbidden ones are allowed."""
    assert all(is_safe_path(path) for path in ["a", "a/...", ".gitignore", "a/.github/x", "..a"])
    assert not any(is_safe_path(path) for path in ["", "a//b", "a/", "/a", "a/../b", ".Git/x"])


def test_replace_refs_are_not_obeyed(repo, user):
    """`git replace` must not slip other bytes into a frozen commit."""
    fake = user("hash-object", "-w", "--stdin", stdin=b"fake\n")
    user("replace", HELLO, fake)
    assert user("show", "HEAD:hello") == "fake"
    assert repo.blob(HELLO) == b"hello\n"


def test_changed_object_is_noticed(repo, user):
    """A loose object overwritten with another one's bytes is refused, though git reads it."""
    fake = user("hash-object", "-w", "--stdin", stdin=b"fake\n")
    target = user.root / ".git/objects" / HELLO[:2] / HELLO[2:]
    target.chmod(0o600)
    target.write_bytes((user.root / ".git/objects" / fake[:2] / fake[2:]).read_bytes())
    with pytest.raises(GitError) as caught:
        repo.blob(HELLO)
    assert caught.value.code == "corrupt_object"


def test_missing_objects_and_revisions(repo):
    """What is not there is None or a named failure, never empty content."""
    assert repo.resolve("refs/heads/none") is None
    assert repo.resolve(HELLO) is None
    assert repo.has(HELLO)
    assert not repo.has("1" * 40)
    for action in (
        lambda: repo.blob("1" * 40),
        lambda: repo.blob(repo.tree_of("HEAD")),
        lambda: repo.tree("none"),
        lambda: repo.tree_of("none"),
        lambda: repo.resolve("a\nb"),
    ):
        with pytest.raises(GitError):
            action()
    assert repo.blob(HELLO) == b"hello\n"


def test_many_blobs_by_one_process(repo):
    """More requests than fit into a pipe neither block nor mix up the answers."""
    contents = [b"%d\n" % number * 50 for number in range(1100)]
    before = repo.processes
    oids = gitwrite.write_blobs(repo, contents)
    assert [content for _, content in repo.blobs(oids)] == contents
    assert repo.processes == before + 2


def test_abandoned_reading_does_not_spoil_the_next(repo):
    """Answers nobody took must not be read as those of a later question."""
    oids = gitwrite.write_blobs(repo, [b"one", b"two", b"three"])
    for _, content in repo.blobs(oids):
        assert content == b"one"
        break
    assert repo.blob(oids[2]) == b"three"


def test_reading_that_an_error_holds_on_to_does_not_spoil_the_next(repo):
    """A failed checkout whose traceback keeps its answers, which pass for those asked meanwhile."""
    oids = gitwrite.write_blobs(repo, [b"%d" % number for number in range(600)])
    held = repo.objects(oids)
    assert next(held).content == b"0"
    assert repo.blob(oids[2]) == b"2"
    with pytest.raises(GitError, match="cat-file ended"):
        list(held)
    before = repo.processes
    held = repo.objects(oids)
    next(held)
    assert repo.blob(oids[3]) == b"3"
    held.close()
    assert repo.blob(oids[4]) == b"4"
    assert repo.processes == before + 1


def test_killed_reader_is_reported_and_replaced(repo):
    """A cat-file that died is an error once, and the next read works again."""
    repo.blob(HELLO)
    process = repo._reader._process
    process.kill()
    process.wait()
    with pytest.raises(GitError, match="cat-file ended"):
        repo.blob(HELLO)
    assert repo.blob(HELLO) == b"hello\n"


def test_head_on_a_branch_detached_and_unborn(tmp_path, user, repo):
    """All three states of HEAD are told apart."""
    commit = user("rev-parse", "HEAD")
    assert gitrefs.head(repo) == ("refs/heads/main", commit)
    user("checkout", "-q", "--detach")
    assert gitrefs.head(repo) == (None, commit)
    with GitRepo.open(Git.create(tmp_path / "empty").root) as empty:
        assert gitrefs.head(empty) == ("refs/heads/main", None)


def test_branch_that_names_another_one_is_followed(repo, user):
    """A session's branch that became a name for somebody else's, which HEAD's own file hides."""
    user("branch", "other")
    user("symbolic-ref", "refs/heads/main", "refs/heads/other")
    assert gitrefs.head(repo).branch == "refs/heads/other"


def test_folder_of_an_old_tree_is_one(repo, user):
    """Git once wrote the mode of folders as 040000: a change in one lost its siblings."""
    blob = bytes.fromhex(HELLO)
    inner = b"100644 one\0" + blob + b"100644 two\0" + blob
    inside = object_id(repo.object_format, inner, "tree")
    outer = b"040000 src\0" + bytes.fromhex(inside)
    gitwrite.store(repo, [("tree", inner), ("tree", outer)])
    changed = gitwrite.commit_changes(
        repo,
        parents=(),
        base=object_id(repo.object_format, outer, "tree"),
        changes={"src/one": None},
        message="x",
    )
    assert list(repo.tree(changed.tree)) == ["src/two"]


def test_set_head_leaves_index_and_files(user, repo):
    """Moving HEAD to the session's branch touches nothing the user has staged."""
    user.write("hello", "staged\n")
    user("add", "hello")
    index = (user.root / ".git/index").read_bytes()
    gitrefs.update_ref(repo, BRANCH, repo.resolve("HEAD"), None)
    gitrefs.set_head(repo, BRANCH, "autoresearch: open")
    assert gitrefs.head(repo).branch == BRANCH
    assert (user.root / ".git/index").read_bytes() == index
    assert user("diff", "--cached", "--name-only") == "hello"


def test_update_ref_compares_before_it_swaps(repo, user):
    """A ref that somebody else moved is never overwritten, created twice or deleted."""
    first = repo.resolve("HEAD")
    second = commit_of(repo, {"hello": None}).oid
    gitrefs.update_ref(repo, BRANCH, first, None)
    for new, old in ((second, None), (second, second), (None, second)):
        with pytest.raises(GitError) as caught:
            gitrefs.update_refs(repo, [gitrefs.RefUpdate(BRANCH, new, old)], "test")
        assert caught.value.code == "ref_moved"
    assert user("rev-parse", BRANCH) == first
    gitrefs.update_ref(repo, BRANCH, second, first)
    assert user("rev-parse", BRANCH) == second
    gitrefs.delete_ref(repo, BRANCH, second)
    assert gitrefs.refs(repo, BRANCH) == {}


def test_update_refs_all_or_none(repo):
    """When one of several refs cannot move, none does."""
    commit = repo.resolve("HEAD")
    updates = [
        gitrefs.RefUpdate("refs/autoresearch/s/exp/0001", commit, None),
        gitrefs.RefUpdate(BRANCH, commit, commit),
    ]
    with pytest.raises(GitError):
        gitrefs.update_refs(repo, updates, "test")
    assert gitrefs.refs(repo, "refs/autoresearch") == {}


def test_symbolic_ref_in_our_place_is_not_followed(repo, user):
    """A branch of ours replaced by a link to main must not let us move main."""
    first = repo.resolve("HEAD")
    second = commit_of(repo, {"hello": None}).oid
    user("symbolic-ref", BRANCH, "refs/heads/main")
    gitrefs.update_ref(repo, BRANCH, second, first)
    assert user("rev-parse", "main") == first
    assert user("rev-parse", BRANCH) == second


def test_locked_ref_is_no_moved_ref(repo, user):
    """A lock left by a killed git is reported in git's words and not removed."""
    lock = user.root / ".git/refs/heads/autoresearch/s.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(GitError) as caught:
        gitrefs.update_ref(repo, BRANCH, repo.resolve("HEAD"), None)
    assert caught.value.code == "git"
    assert f"holds {lock}, then" in caught.value.hint
    assert "`autoresearch recover` sets the lock aside" in caught.value.hint
    assert lock.exists()


def test_refs_tell_where_they_are_checked_out(repo, user, tmp_path):
    """Packed or loose, a ref's holder is known, so that no branch is moved under another tree."""
    user("branch", "other")
    user("worktree", "add", "-q", str(tmp_path / "linked"), "other")
    user("branch", "free")
    user("pack-refs", "--all")
    found = gitrefs.refs(repo, "refs/heads")
    assert {name: ref.worktree for name, ref in found.items()} == {
        "refs/heads/main": str(user.root),
        "refs/heads/other": str(tmp_path / "linked"),
        "refs/heads/free": None,
    }


def test_linked_worktree(user, tmp_path):
    """In a linked working tree HEAD is its own while objects and refs are shared."""
    user("branch", "work")
    with GitRepo.open(user.root) as repo:
        gitwrite.add_worktree(repo, tmp_path / "linked", "work")
        with pytest.raises(GitError):
            gitwrite.add_worktree(repo, tmp_path / "twice", "work")
    with GitRepo.open(tmp_path / "linked") as linked:
        assert linked.common_dir == user.root / ".git"
        assert linked.git_dir == user.root / ".git/worktrees/linked"
        assert gitrefs.head(linked).branch == "refs/heads/work"
        change = IndexChange("hello", frozenset({HELLO}), None)
        assert gitwrite.sync_index(linked, [change]).updated == ("hello",)
        assert gitwrite.exclude(linked, ["/autoresearch.md"])
    assert user("diff", "--cached", "--name-only") == ""
    assert "/autoresearch.md" in (user.root / ".git/info/exclude").read_text()


def test_shallow_clone(user, tmp_path):
    """A clone of depth 1 is enough: nothing asks for the commits it lacks."""
    user.write("hello", "second\n")
    user.commit()
    Git(tmp_path)("clone", "-q", "--depth", "1", f"file://{user.root}", "shallow")
    with GitRepo.open(tmp_path / "shallow") as repo:
        made = commit_of(repo, {"hello": None})
        assert gitdiff.difference(repo, repo.resolve("HEAD"), made.oid).lines == (0, 1)


def test_commit_is_built_beside_the_users_index(repo, user):
    """Staged changes neither enter a candidate nor are lost, and its hash is reproducible."""
    user.write("hello", "staged\n")
    user("add", "hello")
    index = (user.root / ".git/index").read_bytes()
    (oid,) = gitwrite.write_blobs(repo, [b"b = 2\n"])
    made = commit_of(
        repo, {"src/b.py": Entry("100755", oid), "src/a.py": None}, "why: 100 %\n\nAb\0c: é\n"
    )
    assert user("ls-tree", "-r", made.oid).split("\n") == [
        f"100644 blob {HELLO}\thello",
        f"100755 blob {oid}\tsrc/b.py",
    ]
    assert made.tree == user("rev-parse", f"{made.oid}^{{tree}}")
    assert user("log", "-1", "--format=%B%an %cd", made.oid) == (
        "why: 100 %\n\nAbc: é\nTest Author Fri Jan 2 03:04:05 2026 +0000"
    )
    assert (user.root / ".git/index").read_bytes() == index
    again = commit_of(
        repo, {"src/b.py": Entry("100755", oid), "src/a.py": None}, "why: 100 %\n\nAb\0c: é\n"
    )
    assert again == made


def test_commit_turns_a_file_into_a_folder_and_back(repo, user):
    """Deletions come first, so that a path may change between file and folder."""
    (oid,) = gitwrite.write_blobs(repo, [b"x"])
    entry = Entry("100644", oid)
    folder = commit_of(repo, {"hello": None, "hello/inner": entry})
    assert "hello/inner" in repo.tree(folder.oid)
    back = commit_of(repo, {"hello/inner": None, "hello": entry}, parent=folder.oid)
    assert set(repo.tree(back.oid)) == {"hello", "src/a.py"}


def test_commit_without_an_identity(repo, user, monkeypatch):
    """On a machine where nobody told git a name, the helper commits in its own."""
    user("config", "--unset", "user.name")
    user("config", "--unset", "user.email")
    user("config", "user.useConfigOnly", "true")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    made = commit_of(repo, {"hello": None})
    assert user("log", "-1", "--format=%an <%ae> %cn", made.oid) == (
        "autoresearch <autoresearch@localhost> autoresearch"
    )


def test_no_program_of_the_repository_runs(user, tmp_path):
    """Hooks, fsmonitor, filters, external diffs of a hostile configuration stay idle."""
    spy = tmp_path / "spy"
    spy.write_text(f"#!/bin/sh\n(ps -o args= $PPID; echo $0) >>{tmp_path}/ran-it\ncat\n")
    spy.chmod(0o755)
    for name in ("reference-transaction", "post-index-change", "pre-commit", "post-checkout"):
        hook = user.root / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        shutil.copy(spy, hook)
    (user.root / ".git/info").mkdir(exist_ok=True)
    (user.root / ".git/info/attributes").write_text("* filter=spy diff=spy\n")
    for key in ("core.fsmonitor", "diff.external", "diff.spy.textconv", "diff.spy.command"):
        user("config", key, str(spy))
    user("config", "filter.spy.clean", str(spy))
    user("config", "filter.spy.smudge", str(spy))
    user("config", "core.pager", str(spy))
    for ran in tmp_path.glob("ran-*"):
        ran.unlink()
    with GitRepo.open(user.root) as repo:
        first = repo.resolve("HEAD")
        (oid,) = gitwrite.write_blobs(repo, [b"new\n"])
        made = commit_of(repo, {"hello": Entry("100644", oid)})
        gitrefs.update_ref(repo, BRANCH, made.oid, None)
        gitrefs.set_head(repo, BRANCH, "test")
        gitdiff.diff(repo, first, made.oid)
        patch_id(repo, first, made.oid)
        gitdiff.difference(repo, first, made.oid)
        gitwrite.sync_index(repo, [IndexChange("hello", frozenset({HELLO}), Entry("100644", oid))])
        worktree.untracked(repo, repo.tree(made.tree))
        assert repo.blob(oid) == b"new\n"
    assert list(tmp_path.glob("ran-*")) == []


def test_sync_index_moves_only_expected_entries(repo, user):
    """After a keep the user's index follows for the kept paths; what they staged stays staged."""
    user.write("mine", "staged by the user\n")
    user.write("src/a.py", "staged too\n")
    user("add", "mine", "src/a.py")
    (oid,) = gitwrite.write_blobs(repo, [b"kept\n"])
    kept = Entry("100644", oid)
    sync = gitwrite.sync_index(
        repo,
        [
            IndexChange("hello", frozenset({HELLO}), kept),
            IndexChange("brand/new", frozenset(), kept),
            IndexChange("src/a.py", frozenset({HELLO}), kept),
            IndexChange("absent", frozenset({HELLO}), None),
        ],
    )
    assert sync == (("brand/new", "hello"), ("src/a.py",), None)
    staged = user("ls-files", "-s").split("\n")
    assert f"100644 {oid} 0\thello" in staged
    assert f"100644 {oid} 0\tbrand/new" in staged
    assert user("show", ":mine") == "staged by the user"
    assert user("show", ":src/a.py") == "staged too"
    again = gitwrite.sync_index(repo, [IndexChange("hello", frozenset({HELLO}), kept)])
    assert again == ((), ("hello",), None)


def test_sync_index_follows_a_mode(repo, user):
    """A kept change of a file's mode alone that git then shows as staged the other way."""
    executable = Entry("100755", HELLO)
    sync = gitwrite.sync_index(repo, [IndexChange("hello", frozenset({HELLO}), executable)])
    assert sync == (("hello",), (), None)
    assert f"100755 {HELLO} 0\thello" in user("ls-files", "-s").split("\n")
    again = gitwrite.sync_index(repo, [IndexChange("hello", frozenset({HELLO}), executable)])
    assert again == ((), (), None)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_sync_index_leaves_marked_entries(repo, user, flag):
    """Bits that the user set on an entry are not lost."""
    user("update-index", flag, "hello")
    sync = gitwrite.sync_index(repo, [IndexChange("hello", frozenset({HELLO}), None)])
    assert sync == ((), ("hello",), None)
    assert user("ls-files", "-v", "hello")[0] in "hS"


def test_sync_index_with_a_stale_lock(repo, user):
    """A lock left by a killed git makes a warning, and stays where it is."""
    lock = user.root / ".git/index.lock"
    lock.write_text("")
    before = (user.root / ".git/index").read_bytes()
    sync = gitwrite.sync_index(repo, [IndexChange("hello", frozenset({HELLO}), None)])
    assert sync.updated == ()
    assert str(lock) in (sync.warning or "")
    assert lock.exists()
    assert (user.root / ".git/index").read_bytes() == before


def test_sync_index_with_very_many_paths(repo):
    """More paths than fit on a command line are compared all the same."""
    entry = Entry("100644", HELLO)
    changes = [IndexChange(f"{'long' * 40}/{n}", frozenset(), entry) for n in range(2000)]
    assert len(gitwrite.sync_index(repo, changes).updated) == 2000


def test_exclude_is_added_once_and_keeps_the_rest(repo, user):
    """The user's own excludes survive; a second call adds nothing."""
    path = user.root / ".git/info/exclude"
    path.parent.mkdir(exist_ok=True)
    path.write_text("*.log")
    assert gitwrite.exclude(repo, ["/autoresearch.md", "/autoresearch.jsonl"])
    assert path.read_text() == "*.log\n/autoresearch.md\n/autoresearch.jsonl\n"
    assert not gitwrite.exclude(repo, ["/autoresearch.md", "/autoresearch.jsonl"])


def test_exclude_behind_a_link(repo, user, tmp_path):
    """An exclude file kept elsewhere stays there, and the link stays a link."""
    elsewhere = tmp_path / "exclude"
    elsewhere.write_text("*.log\n")
    path = user.root / ".git/info/exclude"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(elsewhere)
    gitwrite.exclude(repo, ["/x"])
    assert path.is_symlink()
    assert elsewhere.read_text() == "*.log\n/x\n"


def test_untracked_obeys_ignores_and_no_index(repo, user):
    """Ignored files are the user's; staged or removed entries of their index change nothing."""
    user.write(".gitignore", "*.log\n")
    user.write("a.log", "1")
    user.write("new\nname", "1")
    user.write(os.fsdecode(b"src/\xff"), "1")
    user.write("staged", "1")
    user("add", "staged")
    user("rm", "-q", "--cached", "hello")
    inner = Git.create(user.root / "nested")
    inner.write("f", "1")
    inner.commit()
    user.write("build/out/o.txt", "1")
    user.write("build/.gitignore", "out/\n")
    found = [
        ".gitignore",
        "build/.gitignore",
        "nested/",
        "new\nname",
        "src/\udcff",
        "staged",
    ]
    tree = repo.tree("HEAD")
    assert worktree.untracked(repo, tree) == found
    among = [".gitignore", "a.log", "build", "nested", "new\nname", "src/\udcff", "staged"]
    assert worktree.untracked(repo, tree, among) == found
    assert worktree.untracked(repo, tree, ["a.log", "build/out"]) == []


def test_commits_are_those_that_git_would_build(repo, user):
    """Trees in another order than git's, or an empty folder in one, break every other tool."""
    names = ["a", "a.b", "a/x", "a0", "b/c/d", "b-", "src/deep/er/f"]
    oids = gitwrite.write_blobs(repo, [name.encode() for name in names])
    wanted = dict(zip(names, (Entry("100644", oid) for oid in oids), strict=True))
    del wanted["a"]
    made = commit_of(repo, {**wanted, "hello": None})
    for name, entry in wanted.items():
        user("update-index", "--add", "--cacheinfo", f"{entry.mode},{entry.oid},{name}")
    user("update-index", "--force-remove", "hello")
    assert made.tree == user("write-tree")
    user("fsck", "--strict", "--no-dangling")
    back = commit_of(
        repo, {**dict.fromkeys(wanted), "hello": Entry("100644", HELLO)}, parent=made.oid
    )
    assert back.tree == repo.tree_of("HEAD")
    assert commit_of(repo, {"none/there": None, "src": None}).tree == back.tree
    emptied = commit_of(repo, dict.fromkeys(repo.tree("HEAD")))
    assert (repo.tree(emptied.tree), emptied.tree) == ({}, user("mktree", stdin=""))


@pytest.mark.parametrize(
    "name", [".git/config", "a/../b", "/a", "a//b", "a/.git:x", "a/git~1/x", "a/.git /x"]
)
def test_commit_of_an_unsafe_path_is_refused(repo, name):
    """A tree that git itself would not check out."""
    with pytest.raises(GitError) as caught:
        commit_of(repo, {name: Entry("100644", HELLO)})
    assert caught.value.code == "unsafe_path"


def test_patch_id_is_the_change_not_its_place(repo, user):
    """The same edit on another base is a duplicate; white space and binary bytes count."""
    lines = [b"%d\n" % number for number in range(40)]
    base, moved = b"".join(lines), b"".join([b"new\n", b"top\n", *lines])

    def id_of(before, after):
        oids = gitwrite.write_blobs(repo, [before, after])
        first = commit_of(repo, {"f": Entry("100644", oids[0])})
        second = commit_of(repo, {"f": Entry("100644", oids[1])}, parent=first.oid)
        return patch_id(repo, first.oid, second.oid)

    plain = id_of(base, base.replace(b"20\n", b"x\n"))
    assert len(plain) == 40
    assert id_of(moved, moved.replace(b"20\n", b"x\n")) == plain
    assert id_of(base, base.replace(b"20\n", b" x\n")) != plain
    assert id_of(b"\0a", b"\0b") != id_of(b"\0a", b"\0c")


def test_patch_id_ignores_settings(repo, user):
    """Settings and attributes of the user's, which change what a diff looks like, change no id."""
    (oid,) = gitwrite.write_blobs(repo, [b"hello\nworld\n"])
    made = commit_of(repo, {"hello": Entry("100644", oid)}).oid
    first = repo.resolve("HEAD")
    before = patch_id(repo, first, made)
    user("config", "diff.noprefix", "true")
    user("config", "diff.context", "0")
    user("config", "diff.algorithm", "histogram")
    user("config", "color.ui", "always")
    user.write(".gitattributes", "* -diff\n")
    assert patch_id(repo, first, made) == before
    assert gitdiff.diff(repo, first, made).startswith(b"diff --git a/hello b/hello\n")


def test_numstat_and_changed_paths(repo, user):
    """Lines are counted for text only, and renames count as what they are: gone and new."""
    oids = gitwrite.write_blobs(repo, [b"\0\1\2", b"a = 1\n"])
    (link,) = gitwrite.write_blobs(repo, [b"src"])
    made = commit_of(
        repo,
        {
            "bin\nary": Entry("100644", oids[0]),
            "src/a.py": None,
            "src/moved.py": Entry("100644", oids[1]),
            "hello": Entry("120000", link),
        },
    )
    first = repo.resolve("HEAD")
    assert gitdiff.difference(repo, first, made.oid).lines == (2, 2)
    assert gitdiff.changed_paths(repo, first, made.oid) == [
        ("A", "bin\nary"),
        ("T", "hello"),
        ("D", "src/a.py"),
        ("A", "src/moved.py"),
    ]


def test_edited_lists_staged_and_unstaged(repo, user):
    """Before a session, whatever git takes for edited is found, in conflict or renamed too."""
    user.write("src/a.py", "edited\n")
    user("mv", "hello", "new\nname")
    user.write("untracked", "1")
    assert gitdiff.edited(repo) == ["hello", "new\nname", "src/a.py"]


def test_require_writable(repo, user, monkeypatch):
    """A `.git` that a host's sandbox made read-only is named by the first command."""
    gitwrite.require_writable(repo)
    shutil.rmtree(user.root / ".git/objects")
    with pytest.raises(AutoresearchError) as caught:
        gitwrite.require_writable(repo)
    assert str(user.root / ".git/objects") in caught.value.message


def test_fileless_flags(repo, user):
    """A yes-or-no setting is read as git reads it."""
    user("config", "core.fileMode", "no")
    assert repo.flag("core.fileMode", default=True) is False
    assert repo.flag("autoresearch.none", default=True) is True


def test_failure_carries_git_words(repo):
    """An unexpected refusal of git's reaches the user with status and reason."""
    with pytest.raises(GitError, match="git read-tree failed with status 128: fatal"):
        repo.run("read-tree", "none")
    assert repo.run("read-tree", "none", check=False).code == 128


@pytest.mark.parametrize("said", ["No space left on device", "Disk quota exceeded"])
def test_full_disk_under_git_is_called_one(said):
    """`git fsck` named as the remedy where space is missing, also where it was for a lock."""
    words = f"fatal: Unable to create '/r/.git/x.lock': {said}"
    error = gitrepo.failure("update-ref", gitrepo.Completed(128, b"", words))
    assert (error.code, error.hint) == ("no_space", "Free some space and repeat the command.")


def test_nothing_to_write(repo):
    """No content, no process."""
    before = repo.processes
    assert gitwrite.write_blobs(repo, []) == []
    assert gitwrite.sync_index(repo, []) == ((), (), None)
    assert repo.processes <= before + 1


def test_worktree_of_a_path_with_a_link(tmp_path, user):
    """A repository reached through a link is opened where it really lies."""
    (tmp_path / "alias").symlink_to(user.root)
    with GitRepo.open(tmp_path / "alias") as repo:
        assert Path(os.path.realpath(repo.toplevel)) == user.root


def test_sizes_of_blobs_are_told_without_reading_them(repo):
    """A data file of gigabytes that is read whole to look for a literal."""
    oids = gitwrite.write_blobs(repo, [b"", b"four", b"x" * 70_000])
    assert gitdiff.blob_sizes(repo, oids) == [0, 4, 70_000]
    assert gitdiff.blob_sizes(repo, []) == []
    with pytest.raises(GitError, match="missing"):
        gitdiff.blob_sizes(repo, ["0" * 40])
