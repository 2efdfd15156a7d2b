"""Projects that are installed or compiled: `setup`, `build`, `cache`, `link` in real checkouts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.harness import Git
from support.project import BENCH, PYTHON, make_project, set_cost, write_draft
from support.session import UNCONFINED, Helper, open_session
from support.untouched import untouched

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

MAIN_C = (
    '#include <stdio.h>\nint cost(void);\nint main(void) { printf("%d\\n", cost()); return 0; }\n'
)
MAKEFILE = """\
build/bench: build/main.o build/work.o
\tcc -o $@ build/main.o build/work.o
build/%.o: %.c
\t@mkdir -p build
\t@echo $< >> build/compiled.log
\tcc -c -o $@ $<
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Helper:
    """A C program whose outputs git ignores."""
    repo = Git.create(tmp_path / "r")
    repo.write("main.c", MAIN_C)
    repo.write("work.c", "int cost(void) { return 100; }\n")
    repo.write("Makefile", MAKEFILE)
    repo.write(".gitignore", "/build/\n")
    repo.commit()
    return Helper(repo)


def terms(**more: str) -> dict[str, str]:
    """The contract of the C program."""
    return {
        "verify": "build/bench", "build": "make -s build/bench", "guard": "test -x build/bench",
        "scope": '["work.c"]', **more,
    }  # fmt: skip


@needs_cc
@pytest.mark.parametrize("cache", ["", "[build]"])
def test_a_compiled_project(compiled: Helper, tmp_path: Path, cache: str) -> None:
    """Each candidate is built in its own checkout, never timed, and never stale."""
    compiled("init", str(write_draft(tmp_path, **terms(cache=cache))))
    for cost, verdict in ((90, "keep"), (95, "discard"), (80, "keep")):
        compiled.repo.write("work.c", f"int cost(void) {{ return {cost}; }}\n")
        assert compiled.verdict()[0] == verdict, cost
    assert not (compiled.root / "build").exists()


@needs_cc
def test_outputs_of_the_epochs_own_code_are_not_built_again(
    compiled: Helper, tmp_path: Path
) -> None:
    """A cache that starts empty for each candidate, or with what another candidate left."""
    compiled("init", str(write_draft(tmp_path, **terms(cache="[build]"))))
    for cost in (110, 120):
        compiled.repo.write("work.c", f"int cost(void) {{ return {cost}; }}\n")
        assert compiled.verdict() == ("discard", "worse")
    logs = Path(os.environ["XDG_CACHE_HOME"]).glob("*/*/cheaper/**/build/compiled.log")
    made = [sorted(path.read_text().split()) for path in logs]
    assert ["main.c", "work.c", "work.c"] in made, "a candidate's, on top of the epoch's"
    assert max(map(len, made)) == 3


LEAVES = """\
import os
def cost():
    if os.path.exists("made/answer"):
        return 80
    open("made/answer", "w").close()
    return 110
"""


@pytest.mark.parametrize("build", ["build: mkdir -p made\n", ""])
def test_answers_of_one_candidate_never_meet_another(tmp_path: Path, build: str) -> None:
    """A result that is stored while one candidate is measured, and read by the next."""
    helper = open_session(tmp_path, extra=f"{UNCONFINED}cache: [made]\n{build}", prepare=_made)
    text = (helper.root / "src" / "work.py").read_text()
    for number in range(3):
        helper.repo.write("src/work.py", f"{text}{LEAVES}number = {number}\n")
        assert helper.verdict("near")[0] == "discard", number


def _made(repo: Git) -> None:
    """Verify makes its own outputs."""
    repo.write("bench.py", "import os\nos.makedirs('made', exist_ok=True)\n" + BENCH)


@needs_cc
def test_a_candidate_that_does_not_compile(compiled: Helper, tmp_path: Path) -> None:
    """A build failure is a crash of the candidate, with the compiler's last words."""
    compiled("init", str(write_draft(tmp_path, **terms())))
    compiled.repo.write("work.c", "int cost(void) { return }\n")
    record = compiled.attempt()
    assert (record["verdict"], record["reason"]) == ("crash", "build")
    assert "`make -s build/bench` failed with exit code 2" in record["detail"]


@needs_cc
def test_what_was_built_of_broken_files_does_not_survive_in_the_cache(
    compiled: Helper, tmp_path: Path
) -> None:
    """The proof breaks the sources of one checkout; its objects must not be taken for good ones."""
    more = {
        "build": "mkdir -p build && cp work.c build/copy.c",
        "verify": "grep -o '[0-9][0-9]*' build/copy.c",
        "guard": "",
        "cache": "[build]",
    }
    compiled("init", str(write_draft(tmp_path, **terms(**more))))
    copies = list(Path(os.environ["XDG_CACHE_HOME"]).glob("*/*/cheaper/*/build/copy.c"))
    assert copies
    assert all("return 100" in path.read_text() for path in copies)


@needs_cc
def test_a_cache_that_is_never_rebuilt(compiled: Helper, tmp_path: Path) -> None:
    """A build that takes a stale output for a new one would race the same program twice."""
    more = {
        "build": "mkdir -p build && test -f build/copy.c || cp work.c build/copy.c",
        "verify": "grep -o '[0-9][0-9]*' build/copy.c",
        "guard": "",
        "cache": "[build]",
    }
    refused(compiled, write_draft(tmp_path, **terms(**more)), "not_measured")


def refused(helper: Helper, draft: Path, code: str) -> str:
    """`check` refuses; message and hint."""
    with untouched(helper.repo):
        answer = helper.json("check", str(draft), code=4)
    assert answer["error"]["code"] == code
    return f"{answer['error']['message']} {answer['error']['hint']}"


@pytest.mark.parametrize("key", ["build", "setup"])
def test_a_step_that_fails(tmp_path: Path, key: str) -> None:
    """Named with the command, its status and its last words, before anything is opened."""
    helper = Helper(make_project(tmp_path / "r"))
    text = refused(
        helper, write_draft(tmp_path, **{key: "echo no luck >&2; exit 9"}), "build_failed"
    )
    assert '`echo no luck >&2; exit 9` failed with exit code 9, its last words: "no luck"' in text


def test_a_build_into_tracked_files(tmp_path: Path) -> None:
    """They are put back before each sample, so what was measured would not be what was built."""
    helper = Helper(make_project(tmp_path / "r"))
    helper.repo.write("src/bundle.txt", "old")
    helper.repo.commit()
    text = refused(helper, write_draft(tmp_path, build="echo new > src/bundle.txt"), "build_failed")
    assert "changed tracked files: src/bundle.txt" in text
    assert "must not be tracked" in text
    refused(helper, write_draft(tmp_path, build="echo '#' >> check.py"), "touched")


def test_setup_runs_once_a_checkout_and_again_for_a_new_lock_file(tmp_path: Path) -> None:
    """Installing before every sample would cost hours; never again would measure old libraries."""
    repo = make_project(tmp_path / "r")
    repo.write("src/requirements.txt", "one\n")
    repo.write(".gitignore", "__pycache__/\n/installed/\n")
    repo.commit()
    helper = Helper(repo)
    runs = tmp_path / "runs"
    setup = (
        f"echo $(basename $PWD) >> {runs}; mkdir -p installed; cp src/requirements.txt installed"
    )
    draft = write_draft(
        tmp_path,
        setup=setup,
        verify=f"cmp installed/requirements.txt src/requirements.txt && {PYTHON} bench.py",
        sandbox="off",
    )
    helper("init", str(draft))
    assert sorted(runs.read_text().split()) == ["checkout"] * 3
    set_cost(repo, 90)
    assert helper.verdict()[0] == "keep"
    assert len(runs.read_text().split()) == 3
    repo.write("src/requirements.txt", "two\n")
    set_cost(repo, 80)
    assert helper.verdict()[0] == "keep"
    assert len(runs.read_text().split()) == 5  # the candidate's checkout and the guard's


def test_setup_may_write_absolute_paths(tmp_path: Path) -> None:
    """A virtual environment holds the path it was made at: the bench must not move afterwards."""
    helper = Helper(make_project(tmp_path / "r"))
    helper.repo.write(".gitignore", "__pycache__/\n/env/\n")
    helper.repo.commit()
    setup = (
        'mkdir env; printf \'#!/bin/sh\\ncd %s && exec "$@"\\n\' "$PWD" > env/run; chmod +x env/run'
    )
    draft = write_draft(tmp_path, setup=setup, verify=f"env/run {PYTHON} bench.py")
    helper("init", str(draft))
    set_cost(helper.repo, 90)
    assert helper.verdict()[0] == "keep"
