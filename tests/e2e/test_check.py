"""`check`: every contract that cannot work is refused with cause and remedy, and nothing stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.harness import Git
from support.project import PYTHON, make_project, set_cost, write_draft
from support.session import Helper
from support.untouched import left_behind, untouched


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project, without a session."""
    return Helper(make_project(tmp_path / "r"))


def refused(helper: Helper, draft: Path, code: str, *, exit_code: int = 4) -> tuple[str, str]:
    """`check` refuses with this code, the repository is as before; message and hint."""
    with untouched(helper.repo):
        answer = helper.json("check", str(draft), code=exit_code)
    assert answer["error"]["code"] == code
    return answer["error"]["message"], answer["error"]["hint"]


def test_a_sound_contract_is_confirmed_and_leaves_nothing(helper: Helper, tmp_path: Path) -> None:
    """`check` that changes the repository, or keeps a bench or output, is no dry run."""
    draft = write_draft(tmp_path)
    with untouched(helper.repo):
        done = helper("check", str(draft))
    assert done.err == ""
    assert done.out.splitlines()[0] == "the contract holds"
    assert "baseline: cost 100" in done.out
    assert "each bench checkout measures itself" in done.out
    assert done.out.splitlines()[-1].startswith("next: `autoresearch init ")
    assert left_behind() == []


def test_json_holds_what_was_measured(helper: Helper, tmp_path: Path) -> None:
    """A program that plans from `--json` needs values, noise and forecast as numbers."""
    answer = helper.json("check", str(write_draft(tmp_path)))
    assert answer["files_in_scope"] == 1
    assert answer["values"] == [100.0]
    assert answer["deterministic"] is True
    assert answer["pairs"] == 4
    assert answer["obstacles"] == []
    assert answer["toplevel"] == str(helper.root)


@pytest.mark.parametrize(
    ("verify", "code", "words"),
    [
        ("true", "no_metric", "neither a METRIC line nor a single number"),
        ("printf '1\\n2\\n'", "no_metric", "neither a METRIC line nor a single number"),
        ("printf 'METRIC cost=1\\nMETRIC cost=2\\n'", "no_metric", "2 times"),
        ("echo METRIC cost=nan", "no_metric", "nan"),
        ("echo broken pipe >&2; exit 3", "verify_failed", 'exit code 3, its last words: "broken'),
        ("kill -9 $$", "verify_failed", "exit code 137"),
        ("trap '' TERM; sleep 60 & wait", "verify_timeout", "was ended after 0.3"),
    ],
)
def test_a_verify_without_a_number(
    helper: Helper, tmp_path: Path, verify: str, code: str, words: str
) -> None:
    """A verify that yields no single finite number must never become a baseline."""
    draft = write_draft(tmp_path, verify="|\n  " + verify, timeout="300ms")
    message, hint = refused(helper, draft, code)
    assert words in message
    assert hint


def test_what_a_failing_command_printed_can_be_read_afterwards(
    helper: Helper, tmp_path: Path
) -> None:
    """An error that names a file which is gone sends its reader nowhere."""
    draft = write_draft(tmp_path, guard="sh -c 'echo first; echo second >&2; exit 1'")
    message, hint = refused(helper, draft, "guard_failed")
    assert message == (
        'the guard fails on the unchanged code (exit code 1, its last words: "second")'
    )
    path = Path(hint.rpartition(" ")[2])
    assert path.is_absolute()
    assert "first" in path.read_text()


def test_a_final_guard_that_fails_from_the_start(helper: Helper, tmp_path: Path) -> None:
    """A night whose last commit is blamed for what was broken before."""
    draft = write_draft(tmp_path, final_guard="exit 3")
    message, _ = refused(helper, draft, "final_guard_failed")
    assert message == "the final guard fails on the unchanged code (exit code 3)"


def test_a_guard_that_hangs(helper: Helper, tmp_path: Path) -> None:
    """A guard without end would end every experiment in a timeout."""
    draft = write_draft(tmp_path, guard="sleep 60", guard_timeout="300ms")
    assert "timed out" in refused(helper, draft, "guard_failed")[0]


def test_the_checks_script_is_the_guard_where_none_is_named(helper: Helper, tmp_path: Path) -> None:
    """A committed autoresearch.checks.sh that is not run would let everything pass."""
    helper.repo.write("autoresearch.checks.sh", "echo from the script >&2\nexit 7\n")
    helper.repo.commit()
    message, _ = refused(helper, write_draft(tmp_path, guard=""), "guard_failed")
    assert 'exit code 7, its last words: "from the script"' in message
    helper.repo.write("autoresearch.checks.sh", f"{PYTHON} check.py\n")
    helper.repo.commit()
    assert helper.json("check", str(write_draft(tmp_path, guard="")))["guard_s"] is not None


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ('["lib/**"]', "scope_empty"),
        ('["**"]', "scope_all"),
        ('["src/**", "*", ".gitignore"]', "scope_all"),
    ],
)
def test_a_scope_of_nothing_or_everything(
    helper: Helper, tmp_path: Path, scope: str, code: str
) -> None:
    """Nothing in scope leaves no experiment; everything in scope leaves no evaluator."""
    message, _ = refused(helper, write_draft(tmp_path, scope=scope), code)
    assert "tracked files" in message


def test_a_scope_relative_to_the_callers_folder(tmp_path: Path) -> None:
    """Called below the root, the helper must say what paths are relative to."""
    repo = make_project(tmp_path / "r")
    repo.write("pkg/core/a.py", "A = 1\n")
    repo.commit()
    answer = Helper(Git(repo.root / "pkg")).json(
        "check", str(write_draft(tmp_path, scope='["core/**"]')), code=4
    )
    assert answer["error"]["code"] == "scope_empty"
    assert "not to pkg: pkg/core/**" in answer["error"]["hint"]


def test_called_below_the_root(helper: Helper, tmp_path: Path) -> None:
    """Commands and patterns hold from the root, and the answer says which that is."""
    done = helper("check", str(write_draft(tmp_path)), cwd=helper.root / "src")
    assert f"paths in the contract are relative to {helper.root}" in done.out


def test_outside_any_repository(tmp_path: Path) -> None:
    """Without git there is nothing to build on."""
    place = tmp_path / "plain"
    place.mkdir()
    assert Helper(Git(place)).error("check", str(write_draft(tmp_path))) == "no_repository"


def test_without_a_commit(tmp_path: Path) -> None:
    """A branch that was not born has no code to start from."""
    repo = Git.create(tmp_path / "r")
    helper = Helper(repo)
    answer = helper.json("check", str(write_draft(tmp_path)), code=1)
    assert answer["error"]["code"] == "no_commit"
    assert "git commit" in answer["error"]["hint"]


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_contract_that_is_no_file(helper: Helper, name: str) -> None:
    """A mistyped name must not end in a crash."""
    assert helper.error("check", name) in {"no_file", "not_a_file", "file"}


def test_a_malformed_contract_names_its_line(helper: Helper, tmp_path: Path) -> None:
    """An unknown key is an error with its line, before anything runs."""
    message, hint = refused(
        helper, write_draft(tmp_path, extra="gaurd: 1\n"), "contract", exit_code=1
    )
    assert message.startswith("line 8: ")
    assert "Did you mean" in hint


def test_edits_are_named_but_do_not_stop_a_dry_run(helper: Helper, tmp_path: Path) -> None:
    """`check` measures the commit, so it can run, but must say that `init` will not."""
    set_cost(helper.repo, 50)
    helper.repo.write("src/new.py", "")
    helper.repo.write("staged.txt", "x")
    helper.repo("add", "staged.txt")
    with untouched(helper.repo):
        answer = helper.json("check", str(write_draft(tmp_path)))
    assert answer["values"] == [100.0]
    assert answer["obstacles"] == [
        "2 files differ from the commit (edited, staged or deleted): src/work.py, staged.txt",
        "1 untracked file is in scope: src/new.py",
    ]


def test_a_verify_that_changes_a_protected_file(helper: Helper, tmp_path: Path) -> None:
    """An evaluator that rewrites itself cannot be frozen."""
    verify = f"echo '#' >> check.py; {PYTHON} bench.py"
    draft = write_draft(tmp_path, verify=verify, sandbox="off")
    message, _ = refused(helper, draft, "touched")
    assert "check.py" in message


@pytest.mark.parametrize(
    ("same", "code", "words"),
    [
        ("date +%N", "same_varies", "something different each time"),
        ("echo why >&2; exit 2", "same_failed", 'exit code 2, its last words: "why"'),
        ("head -c 9000000 /dev/zero", "same_too_long", "prints 9000000 bytes; at most 8388608"),
    ],
)
def test_a_same_that_cannot_be_compared(
    helper: Helper, tmp_path: Path, same: str, code: str, words: str
) -> None:
    """Output that varies by itself would discard every candidate."""
    assert words in refused(helper, write_draft(tmp_path, same=same), code)[0]


def test_a_long_same_is_compared_whole(helper: Helper, tmp_path: Path) -> None:
    """A dump of 900 kB is what the contract's documentation invites."""
    draft = write_draft(tmp_path, same="head -c 900000 /dev/zero")
    assert helper.json("check", str(draft))["files_in_scope"] == 1


def test_a_metric_declared_deterministic_that_varies(helper: Helper, tmp_path: Path) -> None:
    """Believing the declaration would keep noise on the exact path."""
    draft = write_draft(tmp_path, verify=f"NOISE=0.1 {PYTHON} bench.py")
    assert "declared deterministic" in refused(helper, draft, "not_deterministic")[0]


def test_a_metric_that_depends_on_the_seed_is_not_deterministic(
    helper: Helper, tmp_path: Path
) -> None:
    """Calibrated under one seed it would look exact, and race one seed against another."""
    helper.repo.write(
        "bench.py",
        "import os\nprint(100 + int(os.environ['AUTORESEARCH_SEED']) % 97)\n"
        "import sys\nsys.path.insert(0, 'src')\nimport work\n",
    )
    helper.repo.commit()
    draft = write_draft(tmp_path, metric="{name: cost, direction: lower}")
    answer = helper.json("check", str(draft))
    assert answer["deterministic"] is False
    assert len(answer["values"]) == 8


@pytest.mark.parametrize("source", ["cpu", "wall"])
def test_a_time_that_the_helper_measures(helper: Helper, tmp_path: Path, source: str) -> None:
    """`source` needs no output; the value is in seconds."""
    draft = write_draft(
        tmp_path,
        metric=f"{{name: t, unit: s, direction: lower, source: {source}}}",
        verify=f"{PYTHON} check.py",
    )
    answer = helper.json("check", str(draft))
    assert len(answer["values"]) == 8
    assert all(0.001 < value < 10 for value in answer["values"])
    assert answer["noise_metric"] == answer[f"noise_{source}"]


def test_a_pattern_finds_the_number(helper: Helper, tmp_path: Path) -> None:
    """Other people's output is read through the contract's pattern."""
    metric = "{name: cost, direction: lower, deterministic: true, pattern: 'total ([0-9.]+) s'}"
    text = f"echo total 2.5 s of 9 s; {PYTHON} check.py"
    assert helper.json("check", str(write_draft(tmp_path, metric=metric, verify=text)))[
        "values"
    ] == [2.5]
    twice = f"echo total 1 s; {text}"
    refused(helper, write_draft(tmp_path, metric=metric, verify=twice), "no_metric")


def test_a_secondary_metric_that_is_not_printed(helper: Helper, tmp_path: Path) -> None:
    """A limit on a number that nobody prints would never hold."""
    draft = write_draft(tmp_path, extra="secondary: [{name: peak_mb, direction: lower}]\n")
    assert "METRIC peak_mb" in refused(helper, draft, "no_metric")[0]


def test_variables_are_set_let_through_and_scrubbed(helper: Helper, tmp_path: Path) -> None:
    """A credential that reaches verify, or a named variable that does not, is a fault."""
    helper.repo.write(
        "bench.py",
        "import os, sys\nsys.path.insert(0, 'src')\nimport work\n"
        "print(''.join(os.environ.get(n, '7') for n in ('GIVEN', 'PASSED', 'SECRET')))\n",
    )
    helper.repo.commit()
    draft = write_draft(tmp_path, env="{GIVEN: '1', pass: [PASSED]}")
    os.environ.update(PASSED="2", SECRET="3")
    try:
        assert helper.json("check", str(draft))["values"] == [127.0]
    finally:
        del os.environ["PASSED"], os.environ["SECRET"]


def test_a_link_that_is_not_there(helper: Helper, tmp_path: Path) -> None:
    """A link into nothing fails later, in words that do not name it."""
    message, _ = refused(helper, write_draft(tmp_path, link="[.venv]"), "link_missing", exit_code=1)
    assert "`link` names .venv" in message


def test_a_link_is_readable_in_the_bench(helper: Helper, tmp_path: Path) -> None:
    """Ignored folders named in `link` are there for verify and guard."""
    helper.repo.write(".gitignore", "__pycache__/\ndeps/\n")
    helper.repo.commit()
    helper.repo.write("deps/factor", "1")
    draft = write_draft(tmp_path, verify=f"test -f deps/factor && {PYTHON} bench.py", link="[deps]")
    assert helper.json("check", str(draft))["values"] == [100.0]


@pytest.mark.parametrize("name", ["autoresearch.md", "autoresearch.jsonl"])
def test_a_tracked_file_in_place_of_a_copy(helper: Helper, tmp_path: Path, name: str) -> None:
    """The helper would write over a file that git tracks."""
    helper.repo.write(name, "mine\n")
    helper.repo.commit()
    _, hint = refused(helper, write_draft(tmp_path), "tracked_copy", exit_code=1)
    assert f"git rm --cached {name}" in hint


def test_output_that_is_not_utf8_and_very_long(helper: Helper, tmp_path: Path) -> None:
    """Bytes of no encoding must not crash the helper; too much output is no metric."""
    verify = f"printf '\\377\\376' >&2; {PYTHON} bench.py"
    assert helper.json("check", str(write_draft(tmp_path, verify=verify)))["values"] == [100.0]
    verify = f"head -c 3000000 /dev/zero; {PYTHON} bench.py"
    assert "more than" in refused(helper, write_draft(tmp_path, verify=verify), "no_metric")[0]


def test_warnings_are_sentences_with_a_reason(helper: Helper, tmp_path: Path) -> None:
    """Without guard and `same` a wrong program could be kept; the human must know."""
    answer = helper.json("check", str(write_draft(tmp_path, guard="")))
    first, second = answer["warnings"]
    assert first == (
        "there is neither a guard nor `same`: a faster program with wrong answers would be kept"
    )
    assert second.startswith("verify imports src/work.py into its own process, where a candidate")


def test_where_the_state_cannot_be_written(helper: Helper, tmp_path: Path) -> None:
    """A host's sandbox shows as a read-only state folder; the first command says so."""
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file" / "below"), "/proc/nowhere"):
        with untouched(helper.repo):
            answer = helper.json(
                "check", str(write_draft(tmp_path)), code=1, env={"XDG_STATE_HOME": place}
            )
        assert answer["error"]["code"] == "state_not_writable"
        assert "XDG_STATE_HOME" in answer["error"]["hint"]


def test_two_at_once(helper: Helper, tmp_path: Path) -> None:
    """Two rehearsals in one folder would measure each other's checkout."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    draft = write_draft(tmp_path, verify=f"cat {fifo}; {PYTHON} bench.py")
    first = helper.start("check", str(draft))
    with fifo.open("wb"):  # opens once verify reads: the first one is at work
        assert helper.error("check", str(draft)) == "locked"
    first.terminate()
    first.communicate()
    assert first.returncode == 130
    assert left_behind() == []
