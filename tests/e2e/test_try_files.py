"""`try` and the user's files: odd names, conversions, links, and what is none of its business."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from support.project import WORK, make_project, set_cost
from support.session import open_session

NEWLINE = "src/new\nline.txt"
NOT_UTF8 = os.fsdecode(b"src/caf\xe9.txt")


def without_copies(state):
    """The files of a working tree but for the copies that the helper renders."""
    return {
        path: content for path, content in state.items() if not path.startswith("autoresearch.")
    }


def test_odd_names_are_added_changed_and_deleted(tmp_path):
    """A name with a newline or of no encoding that is cut, doubled or left behind."""
    helper = open_session(tmp_path)
    helper.repo.write(NEWLINE, "one\n")
    helper.repo.write(NOT_UTF8, "one\n")
    set_cost(helper.repo, 95)
    assert helper.verdict("add") == ("keep", None)
    assert helper.repo("ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0").count(NEWLINE) == 1
    before = without_copies(helper.repo.state())
    helper.repo.write(NEWLINE, "two\n")
    (helper.root / NOT_UTF8).unlink()
    set_cost(helper.repo, 99)
    done = helper("try", "-m", "change and delete, for nothing")
    assert done.out.startswith("experiment 2: discard (worse)")
    assert without_copies(helper.repo.state()) == before
    (helper.root / NEWLINE).unlink()
    helper.repo.write(NOT_UTF8, "two\n")
    set_cost(helper.repo, 90)
    assert helper.verdict("delete and change") == ("keep", None)
    assert helper.repo("status", "--porcelain") == ""
    assert "caf" in helper("show", "3").out
    assert helper.json("doctor")["ok"]


def test_modes_links_and_folders(tmp_path):
    """An executable bit or a link that a keep loses or a discard leaves."""
    helper = open_session(tmp_path)
    path = helper.root / "src/work.py"
    set_cost(helper.repo, 90)
    path.chmod(0o755)
    (helper.root / "src/alias.py").symlink_to("work.py")
    assert helper.verdict("executable, and a link") == ("keep", None)
    assert helper.repo("ls-tree", "-r", "HEAD", "src").split()[0::4][:2] == ["120000", "100755"]
    set_cost(helper.repo, 99)  # writes it with 0644 again
    (helper.root / "src/alias.py").unlink()
    (helper.root / "src/alias.py").mkdir()
    helper.repo.write("src/alias.py/deep.py", "X = 1\n")
    assert helper.verdict("a folder for the link") == ("discard", "worse")
    assert path.stat().st_mode & stat.S_IXUSR
    assert (helper.root / "src/alias.py").readlink() == Path("work.py")
    (helper.root / "src/alias.py").unlink()
    (helper.root / "src/alias.py").symlink_to("/etc/hostname")
    refused = helper.json("try", "-m", "a link to elsewhere", code=1)
    assert "leaves the scope" in refused["record"]["detail"]


def test_case_clash_is_refused(tmp_path):
    """Two names that are one on the next machine's disk."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    helper.repo.write("src/WORK.py", "X = 1\n")
    refused = helper.json("try", "-m", "a second spelling", code=1)["record"]
    assert (refused["reason"], refused["paths"]) == ("outside", ["src/WORK.py"])
    assert "case" in refused["detail"]


def test_line_endings_of_the_working_tree_survive(tmp_path):
    """CR LF that reaches a kept commit, or a discard that leaves LF behind."""
    repo = make_project(tmp_path / "r")
    repo("config", "core.autocrlf", "true")
    path = repo.root / "src/work.py"
    path.unlink()
    repo("checkout", "src/work.py")
    crlf = WORK.replace("\n", "\r\n").encode()
    assert path.read_bytes() == crlf
    helper = open_session(tmp_path, repo=repo)
    path.write_bytes(crlf.replace(b"return 100", b"return 90"))
    assert helper.verdict("with CR LF") == ("keep", None)
    assert helper.repo("show", "HEAD:src/work.py") == WORK.replace(
        "return 100", "return 90"
    ).rstrip("\n")
    assert helper.repo("status", "--porcelain") == ""
    kept = path.read_bytes()
    assert kept == crlf.replace(b"return 100", b"return 90")
    path.write_bytes(kept.replace(b"return 90", b"return 95"))
    assert helper.verdict("worse, with CR LF") == ("discard", "worse")
    assert path.read_bytes() == kept
    # An editor that writes LF, or both, changes the same lines and no more.
    path.write_bytes(kept.replace(b"\r\n", b"\n").replace(b"return 90", b"return 96"))
    assert helper.verdict("worse, with LF") == ("discard", "worse")
    assert path.read_bytes() == kept
    path.write_bytes(kept.replace(b"return 90\r\n", b"return 80\n"))
    assert helper.verdict("better, with both") == ("keep", None)
    assert path.read_bytes() == kept.replace(b"return 90", b"return 80")
    assert helper.attempt("nothing more", code=1)["reason"] == "unchanged"
    assert helper.repo("diff", "--stat", "HEAD~1", "HEAD").endswith("1 insertion(+), 1 deletion(-)")
    path.write_bytes(kept.replace(b"return 90", b"return 70").replace(b"\r\n", b"\n"))
    assert helper.verdict("better, with LF") == ("keep", None)
    assert helper.attempt("nothing more", code=1)["reason"] == "unchanged"
    assert helper.json("doctor")["ok"]


def test_filtered_files_and_submodules_are_left_alone(tmp_path):
    """A pointer file replaced by its content, or a submodule that becomes part of a candidate."""
    repo = make_project(tmp_path / "r")
    repo.write(".gitattributes", "*.big filter=lfs\n")
    repo("config", "filter.lfs.clean", "echo pointer; cat >/dev/null")
    repo("config", "filter.lfs.smudge", "cat >/dev/null; echo content")
    repo.write("src/data.big", "content\n")
    other = make_project(tmp_path / "other")
    repo("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "sub")
    repo.commit("filtered and a submodule")
    assert repo("show", "HEAD:src/data.big") == "pointer"
    helper = open_session(tmp_path, extra="protect: ['**/*.big']\n", repo=repo)
    set_cost(helper.repo, 90)
    helper.repo.write("sub/work.py", "edited inside the submodule\n")
    assert helper.verdict("beside them") == ("keep", None)
    assert (helper.root / "src/data.big").read_text() == "content\n"
    assert (helper.root / "sub/work.py").read_text() == "edited inside the submodule\n"
    helper.repo.write("src/data.big", "other content\n")
    refused = helper.json("try", "-m", "the large file", code=1)["record"]
    assert refused["paths"] == ["src/data.big"]
    assert helper.error("drop", "--outside") == "cannot_save"
    assert (helper.root / "src/data.big").read_text() == "other content\n"


def test_what_belongs_to_the_user_stays_as_it_is(tmp_path):
    """Staged, untracked and ignored files, and hooks, after a keep and after a discard."""
    helper = open_session(tmp_path)
    repo = helper.repo
    repo.write("notes.txt", "untracked\n")
    repo.write("staged.txt", "staged\n")
    repo("add", "staged.txt")
    repo.write("staged.txt", "staged, then edited\n")
    repo.write("__pycache__/x.pyc", b"\0ignored")
    repo.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n", mode=0o755)
    repo.write(".git/hooks/reference-transaction", "#!/bin/sh\nexit 1\n", mode=0o755)
    before = without_copies(repo.state())
    index = repo("ls-files", "-s", "staged.txt")
    for cost, verdict in ((90, "keep"), (95, "discard"), (80, "keep")):
        set_cost(repo, cost)
        done = helper("try", "-m", f"to {cost}")
        assert f": {verdict}" in done.out
        assert "ignored (untracked, outside the scope): notes.txt, staged.txt" in done.out
        after = without_copies(repo.state())
        assert {p: c for p, c in after.items() if p != "src/work.py"} == {
            p: c for p, c in before.items() if p != "src/work.py"
        }
        assert repo("ls-files", "-s", "staged.txt") == index
    assert repo("diff", "--cached", "--name-only") == "staged.txt"


def test_candidate_staged_by_the_agent(tmp_path):
    """`git add` before `try`: a keep that leaves a staged difference, a discard that hides one."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    helper.repo("add", "-A")
    assert helper.verdict("staged") == ("keep", None)
    assert helper.repo("status", "--porcelain") == ""
    set_cost(helper.repo, 95)
    helper.repo.write("src/new.py", "X = 1\n")
    helper.repo("add", "-A")
    assert helper.verdict("staged and worse") == ("discard", "worse")
    assert helper.repo("status", "--porcelain") == ""
