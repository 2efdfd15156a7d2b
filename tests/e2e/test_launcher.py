"""bin/autoresearch: the first call prepares an environment, every later one only starts Python.

One test installs for real, through pip's own configuration. The others put a scripted `python3`
on PATH, whose pip can be held in the middle of its work by a named pipe.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.launcher import FAKE_PYTHON, ROOT, TOOLS, Place, copy_checkout, held, write_program

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

REAL_HOME = Path(os.environ.get("HOME", "/"))  # before the isolating fixture replaces it
REAL_CONFIG = Path(os.environ.get("XDG_CONFIG_HOME", REAL_HOME / ".config"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A checkout below a path with spaces, and a PATH that holds nothing but what is needed."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in [*TOOLS, "chmod"]:
        found = shutil.which(name)
        assert found is not None, name
        write_program(tools / name, f'#!/bin/sh\nexec "{found}" "$@"\n')
    write_program(tools / "python3", FAKE_PYTHON)
    launcher = copy_checkout(tmp_path / "a checkout")
    return Place(launcher, tools, tmp_path / "some data", tmp_path / "calls")


def first_line_with(process: subprocess.Popen[str], words: str) -> str:
    """Reads the process's stderr up to the line that holds `words`."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    pytest.fail(f"{words!r} was not said")


def test_first_call_prepares_and_the_second_only_starts(place: Place) -> None:
    """Breaks if the environment is made again, chatter reaches stdout or arguments are split."""
    first = place.call("try", "-m", "two words")
    second = place.call("--version")
    assert first.stdout == "ran <try> <-m> <two words>\n"
    assert "preparing an environment, once" in first.stderr
    assert (second.stdout, second.stderr) == ("ran <--version>\n", "")
    assert place.installs() == 1


def test_start_needs_no_program_but_cksum_and_python(place: Place) -> None:
    """Breaks if a later call runs more than `cat`, `cksum` and Python: each costs milliseconds."""
    place.call()
    for name in (*TOOLS, "python3"):
        if name not in {"cat", "cksum"}:
            (place.tools / name).unlink()
    assert place.call("status").stdout == "ran <status>\n"


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh", "ksh", "zsh --emulate sh"])
def test_every_posix_shell_runs_it(place: Place, shell: str) -> None:
    """Breaks on a construct that only some shells know."""
    command = shell.split()
    found = shutil.which(command[0])
    if found is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [found, *command[1:], str(place.launcher), "a b"],
        env=place.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ran <a b>\n"


def test_two_first_calls_at_once_install_once(place: Place) -> None:
    """Breaks if the second call of two starts its own installation or does not say it waits."""
    gate = place.data.with_name("gate")
    os.mkfifo(gate)
    first = place.start(FAKE_GATE=str(gate))
    with held(gate):
        second = place.start()
        assert f"process {first.pid}" in first_line_with(second, "waiting")
        assert place.installs() == 1
    first.communicate()
    second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert place.installs() == 1


def test_killed_first_call_is_done_again(place: Place) -> None:
    """Breaks if half an environment is taken for a whole one, or a dead owner's lock is final."""
    gate = place.data.with_name("gate")
    os.mkfifo(gate)
    with place.start(FAKE_GATE=str(gate)) as first, held(gate):
        first.send_signal(signal.SIGKILL)
        first.wait()
        # the orphaned pip is still at work in the dead call's folder, and must not matter
        again = place.call("status")
        assert again.stdout == "ran <status>\n"
        assert "ended early" in again.stderr
    assert place.installs() == 2
    assert len(place.builds()) == 1
    assert place.call("log").stderr == ""


def test_terminated_first_call_leaves_nothing_behind(place: Place) -> None:
    """Breaks if an interrupted call keeps its lock, which would make the next one wait."""
    gate = place.data.with_name("gate")
    os.mkfifo(gate)
    with place.start(FAKE_GATE=str(gate)) as first:
        with held(gate):
            first.send_signal(signal.SIGTERM)
        first.wait()
    assert first.returncode != 0
    assert place.builds() == []
    assert list(place.data.glob("env-*/.lock")) == []


def test_lock_without_owner_is_taken_over(place: Place) -> None:
    """Breaks if a call killed between making its lock and signing it blocks everyone for ever."""
    place.call()
    (home,) = place.data.glob("env-*")
    (home / ".ready").unlink()
    (home / ".lock").mkdir()
    write_program(place.tools / "sleep", "#!/bin/sh\n")  # the launcher's own pause
    assert "ended early" in place.call().stderr


def test_lock_of_a_reused_process_number_is_not_waited_for_for_ever(place: Place) -> None:
    """Breaks if, after a restart, an unrelated process with the owner's number blocks everyone."""
    place.call()
    (home,) = place.data.glob("env-*")
    (home / ".ready").unlink()
    (home / ".lock").mkdir()
    (home / ".lock" / "pid").write_text(f"{os.getpid()}\n")
    write_program(place.tools / "sleep", "#!/bin/sh\n")  # the launcher's own pause
    done = place.call()
    assert f"process {os.getpid()}" in done.stderr
    assert "starting over" in done.stderr


def test_upgraded_python_prepares_anew(place: Place) -> None:
    """Breaks if a dangling interpreter is started: the system's Python was replaced."""
    place.call()
    (build,) = place.builds()
    (build / "bin" / "python").unlink()
    assert place.call("brief").stdout == "ran <brief>\n"
    assert place.installs() == 2
    assert [path for path in place.builds() if path == build] == []


def test_changed_requirements_prepare_anew(place: Place) -> None:
    """Breaks if a new version of autoresearch runs with the packages of the old one."""
    place.call()
    project = place.launcher.parents[1] / "pyproject.toml"
    project.write_text(project.read_text() + "# newer\n")
    place.call()
    assert place.installs() == 2
    assert len(list(place.data.glob("env-*"))) == 2


def test_installs_what_pyproject_lists(place: Place) -> None:
    """Breaks if the launcher's reading of `dependencies` and TOML's part ways."""
    place.call()
    (listed,) = place.data.glob("env-*/requirements.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert listed.read_text().splitlines() == project["dependencies"]


def test_code_comes_from_the_checkout(place: Place) -> None:
    """Breaks if the environment does not lead back to the checkout it was made for."""
    place.call()
    (build,) = place.builds()
    helpers = place.launcher.parents[1] / "helpers"
    assert (build / "site" / "autoresearch.pth").read_text() == f"{helpers}\n"


def test_links_lead_to_the_checkout(place: Place, tmp_path: Path) -> None:
    """Breaks if a link in a bin folder, relative or chained, is taken for the checkout itself."""
    place.call()
    bin_folder = tmp_path / "home bin"
    bin_folder.mkdir()
    (bin_folder / "relative").symlink_to(os.path.relpath(place.launcher, bin_folder))
    (bin_folder / "autoresearch").symlink_to("relative")
    linked = place._replace(launcher=bin_folder / "autoresearch")
    assert linked.call("status").stdout == "ran <status>\n"
    assert place.installs() == 1


def test_copied_launcher_names_what_is_missing(place: Place, tmp_path: Path) -> None:
    """Breaks if a launcher copied out of its checkout ends in a message about something else."""
    alone = tmp_path / "alone" / "bin" / "autoresearch"
    alone.parent.mkdir(parents=True)
    shutil.copy(place.launcher, alone)
    done = place._replace(launcher=alone).call(expected_exit_code=1)
    assert "holds no pyproject.toml" in done.stderr
    assert "link to it" in done.stderr


def test_relative_and_default_places(place: Place, tmp_path: Path) -> None:
    """Breaks if data lands in the current folder by a relative XDG path, or HOME is ignored."""
    home = tmp_path / "the home"
    place.call(AUTORESEARCH_DATA="", XDG_DATA_HOME="relative", HOME=str(home))
    assert len(list((home / ".local/share/autoresearch").glob("env-*/.ready"))) == 1
    place.call(AUTORESEARCH_DATA="", XDG_DATA_HOME=str(tmp_path / "xdg"), HOME=str(home))
    assert len(list((tmp_path / "xdg/autoresearch").glob("env-*/.ready"))) == 1


def test_no_home_names_the_variable(place: Place) -> None:
    """Breaks if a call without HOME writes somewhere surprising."""
    done = place.call(AUTORESEARCH_DATA="", XDG_DATA_HOME="", HOME="", expected_exit_code=1)
    assert "HOME is not set" in done.stderr
    assert "set AUTORESEARCH_DATA" in done.stderr


def test_unwritable_data_folder_names_the_variable(place: Place) -> None:
    """Breaks if a home that cannot be written ends in the shell's own complaint."""
    place.data.write_text("a file where the folder should be")
    done = place.call(expected_exit_code=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: the environment cannot be written to {place.data}\n")
    assert "AUTORESEARCH_DATA" in done.stderr.splitlines()[1]
    assert len(done.stderr.splitlines()) == 2


def test_old_python_is_named(place: Place) -> None:
    """Breaks if a too old Python is used, or refused without saying which one was found."""
    done = place.call(FAKE_VERSION="3.8.1 False", expected_exit_code=1)
    assert f"3.10 or newer is needed, found 3.8.1 ({place.tools}/python3)" in done.stderr
    assert "next: install one" in done.stderr
    assert place.installs() == 0


def test_newer_python_beside_an_old_one_is_found(place: Place) -> None:
    """Breaks if the search ends at the first python3, as on systems that keep an old one."""
    write_program(place.tools / "python3", "#!/bin/sh\necho 3.8.1 False /old/python3\n")
    write_program(place.tools / "python3.12", FAKE_PYTHON)
    assert place.call("status").stdout == "ran <status>\n"


def test_no_python_at_all(place: Place) -> None:
    """Breaks if a machine without Python gets a `not found` of the shell."""
    (place.tools / "python3").unlink()
    done = place.call(expected_exit_code=1)
    assert "found no python3 on PATH" in done.stderr


def test_missing_ensurepip_names_the_package(place: Place) -> None:
    """Breaks if Debian's Python without python3-venv ends in a traceback."""
    done = place.call(FAKE_ENSUREPIP="1", expected_exit_code=1)
    assert "venv or ensurepip is missing" in done.stderr
    assert "apt install python3-venv" in done.stderr


def test_no_network_shows_pip_and_the_way_on(place: Place) -> None:
    """Breaks if pip's reason is swallowed or a failed installation counts as done."""
    done = place.call(FAKE_PIP="1", expected_exit_code=1)
    assert "  | pip: no index answers\n" in done.stderr
    assert (
        "error: pip could not install click cvss GitPython jsonlines msgspec PyYAML rich\n"
        in done.stderr
    )
    assert "PIP_INDEX_URL" in done.stderr
    assert place.builds() == []
    assert place.call("status").stdout == "ran <status>\n"


def test_uv_is_preferred(place: Place) -> None:
    """Breaks if uv, which is many times faster, is not used where it is present."""
    write_program(place.tools / "uv", '#!/bin/sh\n[ "$1" = pip ] || exec python3 -m venv "$5"\n')
    assert place.call("status").stdout == "ran <status>\n"
    assert place.installs() == 0


def test_failing_uv_falls_back_to_pip(place: Place) -> None:
    """Breaks where only pip knows the package index, since uv does not read pip.conf."""
    write_program(place.tools / "uv", "#!/bin/sh\nexit 2\n")
    done = place.call("status")
    assert done.stdout == "ran <status>\n"
    assert "trying pip" in done.stderr
    assert place.installs() == 1


def test_installers_do_not_run_in_the_callers_folder(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks if the project we are called from configures pip or uv (uv.toml, pip.py)."""
    project = tmp_path / "project"
    project.mkdir()
    seen = tmp_path / "seen"
    monkeypatch.chdir(project)
    write_program(place.tools / "uv", f'#!/bin/sh\npwd >>"{seen}"\nexit 2\n')
    place.call()
    assert str(project) not in seen.read_text()


@pytest.fixture
def installed(tmp_path: Path, isolated: Path) -> Place:
    """A checkout whose environment two calls at once installed for real, by this machine's pip."""
    for settings in (REAL_CONFIG / "pip" / "pip.conf", REAL_HOME / ".pip" / "pip.conf"):
        if settings.is_file():  # conftest replaces HOME, and with it where pip looks
            (isolated / "config" / "pip").mkdir(parents=True, exist_ok=True)
            shutil.copy(settings, isolated / "config" / "pip")
            break
    tools = tmp_path / "tools"
    tools.mkdir()
    write_program(tools / "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher = copy_checkout(tmp_path / "a checkout")
    return Place(launcher, tools, tmp_path / "some data", tmp_path / "calls")


def test_real_installation(installed: Place, tmp_path: Path) -> None:
    """Breaks if two real first calls disturb each other, or the caller's files are imported."""
    path = f"{installed.tools}{os.pathsep}{os.environ['PATH']}"
    callers = tmp_path / "callers"
    callers.mkdir()
    for name in ("click", "json", "runpy", "autoresearch"):
        (callers / f"{name}.py").write_text(
            "raise SystemExit('imported from the current folder')\n"
        )
    command = [str(installed.launcher), "status"]
    environment = installed.environment(PATH=path, PYTHONPATH=str(callers))
    calls = [
        subprocess.Popen(
            command,
            cwd=callers,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for call in calls:
        stdout, stderr = call.communicate()
        assert call.returncode == 0, stderr
        click, json, arguments = stdout.splitlines()
        assert click.startswith(f"click {installed.data}")
        assert str(callers) not in json
        assert arguments == "arguments ['status']"
    assert len(installed.builds()) == 1


def test_report_installs_what_it_needs_once_with_a_word(place: Place) -> None:
    """Breaks if a page fails for want of its libraries, or if every call installs them again."""
    place.call()
    assert place.installs() == 1
    first = place.call("report")
    assert first.stdout == "ran <report>\n"
    assert "installing what charts and pages need" in first.stderr
    assert place.call("report", "-o", "x.html").stderr == ""
    assert place.installs() == 2


@pytest.mark.parametrize("words", ["report --format md", "report --format=csv", "report --help"])
def test_report_without_pictures_installs_nothing(place: Place, words: str) -> None:
    """Breaks if plain text waits for a download of 40 MB."""
    place.call()
    assert place.call(*words.split()).stderr == ""
    assert place.installs() == 1


def test_report_that_cannot_install_is_run_all_the_same(place: Place) -> None:
    """Breaks if an offline machine gets no answer, or half an installation is taken for a whole."""
    place.call()
    failed = place.call("report", FAKE_PIP="1")
    assert failed.stdout == "ran <report>\n"
    assert "--format md` works without them" in failed.stderr
    assert [
        path.name for (home,) in [place.data.glob("env-*")] for path in home.glob("report*")
    ] == []
    assert "installing" in place.call("report").stderr
