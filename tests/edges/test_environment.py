"""The environment of samples: found once, nothing inherited, toolchains still at work."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest
from autoresearch.edges.command import Limits, run_command
from autoresearch.edges.environment import find_environment, find_passed, sample_environment

REAL_HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)


def found(parent: dict[str, str], home: Path) -> dict[str, str]:
    return dict(find_environment(parent, home))


def sample(frozen=(), contract=(), passed=(), *, seed=None, time_budget_s=None) -> dict[str, str]:
    return sample_environment(
        frozen,
        contract,
        passed,
        home=Path("/run/home"),
        tmp=Path("/run/tmp"),
        seed=seed,
        time_budget_s=time_budget_s,
    )


def test_nothing_is_there_but_what_is_known(tmp_path):
    """A variable of the user's shell decides what a sample measures."""
    assert find_environment(
        {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": "/evil",
            "PYTHONHASHSEED": "0",
            "PYTHONSTARTUP": "/evil",
            "GIT_DIR": "/evil",
            "LD_PRELOAD": "/evil.so",
            "BASH_ENV": "/evil",
            "ENV": "/evil",
            "BASH_FUNC_ls%%": "() { evil; }",
            "NODE_OPTIONS": "--require /evil",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "LANG": "de_DE",
            "LC_ALL": "de_DE",
            "XDG_CACHE_HOME": str(tmp_path),
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "AUTORESEARCH_SEED": "7",
            "TZ": "",
        },
        tmp_path,
    ) == (
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("PATH", "/usr/bin:/bin"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONNOUSERSITE", "1"),
    )


def test_path_keeps_absolute_folders_that_exist(tmp_path):
    """A relative or empty entry finds programs in the candidate's folder."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "file").touch()
    path = f":.:bin:{tools}:/usr/bin:{tmp_path / 'gone'}:{tmp_path / 'file'}:{tools}:"
    assert found({"PATH": path}, tmp_path)["PATH"] == f"{tools}:/usr/bin"


@pytest.mark.parametrize("parent", [{}, {"PATH": ""}, {"PATH": "relative:"}])
def test_path_is_never_empty(parent, tmp_path):
    """With an empty PATH a shell looks into the working folder."""
    assert found(parent, tmp_path)["PATH"] == "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def test_folder_that_cannot_be_looked_at_is_left_out(tmp_path):
    """A PATH or a toolchain of another user, or a name too long to exist, that ends in a bug."""
    odd = f"/{'x' * 5000}"
    assert found({"PATH": f"{odd}:/usr/bin", "PYENV_ROOT": odd}, tmp_path)["PATH"] == "/usr/bin"


def test_time_zone_is_kept(tmp_path):
    """Tests that depend on the user's time zone fail in the bench."""
    assert found({"TZ": "Europe/Vienna"}, tmp_path)["TZ"] == "Europe/Vienna"


def test_toolchains_are_found_in_the_real_home(tmp_path):
    """Cargo, pyenv or npm lose their installation when the home is replaced."""
    for folder in (".cargo", ".pyenv", "go/pkg/mod", ".cache/go-build"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".npm").touch()
    env = found({}, tmp_path)
    assert {name: env[name] for name in env if name.endswith(("_HOME", "_ROOT"))} == {
        "CARGO_HOME": f"{tmp_path}/.cargo",
        "PYENV_ROOT": f"{tmp_path}/.pyenv",
    }
    assert env["GOPATH"] == f"{tmp_path}/go"
    assert env["GOMODCACHE"] == f"{tmp_path}/go/pkg/mod"
    assert env["GOCACHE"] == f"{tmp_path}/.cache/go-build"
    assert "npm_config_cache" not in env


def test_folders_the_user_set_win_where_they_exist(tmp_path):
    """A toolchain outside the home is ignored, or a variable points to nothing."""
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".rustup").mkdir()
    (tmp_path / "elsewhere").mkdir()
    env = found(
        {
            "CARGO_HOME": f"{tmp_path}/elsewhere",
            "RUSTUP_HOME": f"{tmp_path}/gone",
            "VIRTUAL_ENV": f"{tmp_path}/elsewhere",
            "JAVA_HOME": f"{tmp_path}/gone",
            "GOROOT": "relative",
        },
        tmp_path,
    )
    assert env["CARGO_HOME"] == f"{tmp_path}/elsewhere"
    assert env["RUSTUP_HOME"] == f"{tmp_path}/.rustup"
    assert env["VIRTUAL_ENV"] == f"{tmp_path}/elsewhere"
    assert "JAVA_HOME" not in env
    assert "GOROOT" not in env


def test_sample_gets_home_tmp_and_the_marks():
    """A sample writes into the user's home, or misses its seed or budget."""
    assert sample((("PATH", "/bin"),), seed=7, time_budget_s=300.0) == {
        "PATH": "/bin",
        "HOME": "/run/home",
        "TMPDIR": "/run/tmp",
        "AUTORESEARCH": "1",
        "AUTORESEARCH_SEED": "7",
        "AUTORESEARCH_TIME_BUDGET_S": "300",
    }


def test_a_fraction_of_a_second_stays_a_decimal():
    """A budget is rounded, or written with an exponent."""
    assert sample(time_budget_s=2.5)["AUTORESEARCH_TIME_BUDGET_S"] == "2.5"
    assert sample(time_budget_s=1e7)["AUTORESEARCH_TIME_BUDGET_S"] == "10000000"


def test_the_contract_wins_over_all_but_the_marks():
    """A contract cannot set what its benchmark needs, or can forge the helper's marks."""
    env = sample(
        (("LANG", "C.UTF-8"), ("A", "frozen")),
        (("A", "contract"), ("HOME", "/own"), ("AUTORESEARCH", "0"), ("AUTORESEARCH_SEED", "1")),
        (("A", "passed"), ("B", "passed")),
    )
    assert env == {
        "LANG": "C.UTF-8",
        "A": "contract",
        "B": "passed",
        "HOME": "/own",
        "TMPDIR": "/run/tmp",
        "AUTORESEARCH": "1",
    }


def test_only_named_variables_are_passed():
    """A variable that was not named gets through, or an unset one becomes empty."""
    parent = {"CUDA_VISIBLE_DEVICES": "0", "SECRET": "x", "EMPTY": ""}
    assert find_passed(parent, ("EMPTY", "CUDA_VISIBLE_DEVICES", "UNSET")) == (
        ("EMPTY", ""),
        ("CUDA_VISIBLE_DEVICES", "0"),
    )


@pytest.mark.parametrize("command", ["python3 -c 'print(1)'", "node --version", "cargo --version"])
def test_toolchains_work_with_another_home(tmp_path, command):
    """A shim of pyenv or rustup does not find its installation in a sample."""
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"no {command.split()[0]} here")
    home = tmp_path / "home"
    home.mkdir()
    env = sample_environment(
        find_environment(os.environ, REAL_HOME),
        (),
        (),
        home=home,
        tmp=home,
        seed=None,
        time_budget_s=None,
    )
    outcome = run_command(command, cwd=home, env=env, limits=Limits(timeout_s=60))
    assert (outcome.exit_code, outcome.stderr) == (0, b"")
    assert list(home.iterdir()) == []
