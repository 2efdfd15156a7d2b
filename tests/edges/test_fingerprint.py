"""What measures outside the checkouts: every change is seen, and no cache is taken for one."""

from __future__ import annotations

import os
import py_compile
import shutil
import sys
import time
from pathlib import Path

import pytest
from autoresearch.edges import fingerprint
from autoresearch.edges.premises import Root, find_roots

PATH = os.environ["PATH"]
NEVER_NS = (1, 0)
FOREVER_NS = 1 << 62


@pytest.fixture
def ground(tmp_path):
    """A linked folder `vendor` in a working tree, and a tool beside it, with their table."""
    top = tmp_path / "top"
    for name in ("vendor/lib.py", "vendor/deep/data.txt", "vendor/deep/er/x.js"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{path.stem} = 1\n")
    (top / "vendor" / "alias").symlink_to("lib.py")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    return Ground(tmp_path, top, tool)


class Ground:
    """Roots, their table, and how to look again."""

    def __init__(self, folder, top, tool):
        self.top, self.vendor, self.tool = top, top / "vendor", tool
        self.file = folder / "table"
        self.roots = [
            Root(place="vendor", real="vendor", hashed=True),
            Root(place=str(tool), real=str(tool)),
        ]
        self.digest = self.take()

    def take(self, rehearsed_ns=NEVER_NS):
        """Write the table anew."""
        return fingerprint.take(self.roots, self.file, self.top, rehearsed_ns=rehearsed_ns)

    def look(self):
        """Look again."""
        return fingerprint.look(self.file, self.top, PATH)

    def changed(self):
        """What differs."""
        return self.look().changed


def disguised(path, text):
    """Write other bytes of the same length, and set the times back."""
    before = path.stat()
    assert len(text) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap(ground):
    shutil.move(ground.vendor, ground.top / "old")
    shutil.copytree(ground.top / "old", ground.top / "new", symlinks=True)
    ground.vendor.symlink_to("new")


CHANGES = {
    "an edit": (lambda g: g.vendor.joinpath("lib.py").write_text("x"), "vendor/lib.py"),
    "an edit in disguise": (
        lambda g: disguised(g.vendor / "lib.py", "lib = 2\n"),
        "vendor/lib.py",
    ),
    "a removal": (lambda g: g.vendor.joinpath("deep/er/x.js").unlink(), "vendor/deep/er/x.js"),
    "a new module": (lambda g: g.vendor.joinpath("deep/new.py").touch(), "vendor/deep/new.py"),
    "a new data file": (lambda g: g.vendor.joinpath("answers").touch(), "vendor/answers"),
    "a new folder with a file": (
        lambda g: (g.vendor / "a" / "b").mkdir(parents=True) or (g.vendor / "a/b/c.py").touch(),
        "vendor/a/b/c.py",
    ),
    "a link that leads elsewhere": (
        lambda g: (g.vendor / "alias").unlink() or (g.vendor / "alias").symlink_to("deep"),
        "vendor/alias",
    ),
    "a file for a link": (
        lambda g: (g.vendor / "alias").unlink() or (g.vendor / "alias").write_text("x"),
        "vendor/alias",
    ),
    "a folder for a file": (
        lambda g: (g.vendor / "lib.py").unlink() or (g.vendor / "lib.py").mkdir(),
        "vendor/lib.py",
    ),
    "another folder in its place": (_swap, "vendor"),
    "a program": (lambda g: g.tool.write_text("#!/bin/sh\necho 1\n"), None),
    "a program's removal": (lambda g: g.tool.unlink(), None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_is_named(ground, name):
    """A changed file that nobody looks at measures every keep from then on."""
    change, named = CHANGES[name]
    change(ground)
    looked = ground.look()
    assert looked.changed == (named or str(ground.tool),)
    assert looked.stirred
    assert ground.changed() == looked.changed, "looking must not adopt it"


def _reinstalls(ground):
    copy = ground.top / "copy"
    shutil.copytree(ground.vendor, copy, symlinks=True)
    shutil.rmtree(ground.vendor)
    shutil.copytree(copy, ground.vendor, symlinks=True)


def _notes(ground):
    for name in (".cache/x/y.js", ".vite/deps.js", "deep/run.log", ".lock", "deep/.pytest_cache/v"):
        path = ground.vendor / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


HONEST = {
    "the same files anew": _reinstalls,
    "touched files": lambda g: os.utime(g.vendor / "lib.py"),
    "other permissions": lambda g: (g.vendor / "lib.py").chmod(0o600),
    "caches and logs": _notes,
    "an edit that is put back": lambda g: [
        (g.vendor / "lib.py").write_text(text) for text in ("x", "lib = 1\n")
    ],
    "honest bytecode": lambda g: py_compile.compile(g.vendor / "lib.py"),
    "another link to a file": lambda g: os.link(g.vendor / "lib.py", g.top / "second"),
    "an empty folder": lambda g: (g.vendor / "empty").mkdir(),
    "what native code keeps beside bytecode": lambda g: (
        (g.vendor / "__pycache__").mkdir() or (g.vendor / "__pycache__/lib.f-1.nbi").touch()
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_no_false_alarm(ground, name):
    """A refusal for what no benchmark can tell: people would switch the look off."""
    HONEST[name](ground)
    assert ground.changed() == ()
    assert ground.look() == ground.look()._replace(changed=(), stirred=False)
    ground.vendor.joinpath("lib.py").write_text("other\n")
    assert ground.changed() == ("vendor/lib.py",)


def test_digest_is_of_contents(ground):
    """Two machines with the same packages must not look different, nor the other way round."""
    _reinstalls(ground)
    assert ground.take() == ground.digest
    ground.vendor.joinpath("lib.py").write_text("other\n")
    assert ground.take() != ground.digest


def test_what_the_rehearsal_wrote_may_vary(ground):
    """A counter that the benchmark itself writes would void every race; code may not vary."""
    began = time.time_ns()
    for name in ("deep/data.txt", "lib.py"):
        os.utime(ground.vendor / name, ns=(began + 1, began + 1))
    ground.take((began, FOREVER_NS))
    ground.vendor.joinpath("deep/data.txt").write_text("2\n")
    assert ground.changed() == ()
    ground.vendor.joinpath("lib.py").write_text("2\n")
    assert ground.changed() == ("vendor/lib.py",)


@pytest.mark.parametrize("unchecked", [False, True])
def test_poisoned_bytecode_is_named(ground, unchecked):
    """Python runs it instead of the source next to it, which nobody touched."""
    source, evil = ground.vendor / "lib.py", ground.vendor / "evil.py"
    cached = Path(py_compile.compile(source))
    ground.take()
    evil.write_text("vendor_lib_py = 1\n")
    mode = py_compile.PycInvalidationMode
    kind = mode.UNCHECKED_HASH if unchecked else mode.TIMESTAMP
    poison = Path(py_compile.compile(evil, invalidation_mode=kind)).read_bytes()
    evil.unlink()
    Path(cached.parent / f"evil.{sys.implementation.cache_tag}.pyc").unlink()
    cached.write_bytes((poison if unchecked else cached.read_bytes())[:16] + poison[16:])
    assert ground.changed() == (f"vendor/__pycache__/{cached.name}",)


def test_growing_root_may_grow_but_not_change(tmp_path):
    """A package manager that fetches one more package is no change; editing one is."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "a").write_text("1")
    root = Root(place=str(store), real=str(store), grows=True)
    fingerprint.take([root], tmp_path / "t", tmp_path, rehearsed_ns=NEVER_NS)
    (store / "b").write_text("2")
    assert fingerprint.look(tmp_path / "t", tmp_path, PATH).changed == ()
    (store / "a").write_text("3")
    assert fingerprint.look(tmp_path / "t", tmp_path, PATH).changed == (f"{store}/a",)


def test_what_nothing_can_be_measured_without(tmp_path):
    """A machine that lost a file, or a holdout that was edited, is no candidate's affair."""
    data, unseen = tmp_path / "data", tmp_path / "unseen.py"
    for path in (data, unseen):
        path.write_text("1")
    roots = [
        Root(place=str(data), real=str(data), hashed=True),
        Root(place=str(unseen), real=str(unseen), hashed=True, apart=True),
    ]
    fingerprint.take(roots, tmp_path / "t", tmp_path, rehearsed_ns=NEVER_NS)
    data.unlink()
    unseen.write_text("2")
    looked = fingerprint.look(tmp_path / "t", tmp_path, PATH)
    assert (looked.changed, looked.broken) == ((), (str(data), str(unseen)))
    for path in (data, unseen):
        path.write_text("1")
    assert fingerprint.look(tmp_path / "t", tmp_path, PATH)[:2] == ((), ())


def test_what_only_the_holdout_names_is_told_apart(tmp_path):
    """Its file is named to a human, not taken for the benchmark's."""
    both, unseen = program(tmp_path / "both.py"), program(tmp_path / "unseen.py")
    found = roots_of(tmp_path, f"x {both}", holdout=f"x {both} {unseen}")
    assert (found[str(both)].apart, found[str(unseen)].apart) == (False, True)


def test_damaged_table_is_none(ground):
    """Half a table would find nothing changed."""
    assert ground.look().files > 5
    ground.file.write_bytes(ground.file.read_bytes()[:-1])
    assert ground.look() is None


# --- which folders and files -----------------------------------------------------------------


def roots_of(tmp_path, command, *, holdout="", scripts=(), environment=None, names=(), own=()):
    top = tmp_path / "tree"
    top.mkdir(exist_ok=True)
    found = find_roots(
        [command],
        [holdout],
        [text.encode() for text in scripts],
        {"PATH": str(tmp_path / "bin"), **(environment or {})},
        own=own,
        links=(),
        toplevel=top,
        names=names,
    )
    return {root.place: root for root in found}


def program(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def virtual(folder, *, shares=False):
    """A virtual environment, by its files."""
    program(folder / "bin" / "python3")
    (folder / "lib/python3.11/site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"include-system-site-packages = {str(shares).lower()}\n")
    return folder


@pytest.mark.parametrize("how", ["on PATH", "by name", "by a script's first line", "in a script"])
def test_packages_of_the_interpreter(tmp_path, how):
    """A sitecustomize in the environment that runs the benchmark."""
    env = virtual(tmp_path / "venv")
    path, scripts, command = f"{env}/bin:{tmp_path}/bin", (), "python3 bench.py"
    if how == "by name":
        path, command = str(tmp_path / "bin"), f"{env}/bin/python3 bench.py"
    elif how == "by a script's first line":
        program(env / "bin" / "pytest", f"#!{env}/bin/python3\n")
        command = "pytest -q"
    elif how == "in a script":
        scripts, command = ("#!/bin/sh\nexec python3 x.py\n",), "./bench.sh"
    found = roots_of(tmp_path, command, scripts=scripts, environment={"PATH": path})
    library = found[str(env / "lib/python3.11")]
    assert library.skips == ()
    assert str(env / "pyvenv.cfg") in found


def test_without_site_no_packages(tmp_path):
    """Thousands of files looked at that `python -S` cannot import."""
    env = virtual(tmp_path / "venv")
    found = roots_of(tmp_path, f"{env}/bin/python3 -S bench.py")
    assert "site-packages" in found[str(env / "lib/python3.11")].skips


def test_folders_of_path_files(tmp_path):
    """An editable install lies outside its environment, and is code all the same."""
    env, other = virtual(tmp_path / "venv"), tmp_path / "other"
    other.mkdir()
    (env / "lib/python3.11/site-packages/x.pth").write_text(f"{other}\nimport os\n")
    assert str(other) in roots_of(tmp_path, f"{env}/bin/python3 bench.py")


def test_what_the_contract_names(tmp_path):
    """A benchmark beside the repository, its data, and what a variable says is searched."""
    bench, library = program(tmp_path / "bench.py"), tmp_path / "library"
    library.mkdir()
    environment = {"PYTHONPATH": str(library), "DATA": str(bench), "OUT": str(tmp_path)}
    found = roots_of(tmp_path, f"x --data={bench}", environment=environment, own=["DATA", "OUT"])
    assert {str(bench), str(library)} <= set(found)
    assert str(tmp_path) not in found, "it holds the working tree"
    assert roots_of(tmp_path, "echo / /dev/null /tmp /usr /proc/cpuinfo") == {}


def test_toolchain_only_of_the_languages_used(tmp_path):
    """Another language's update during the night is no change of this benchmark."""
    (tmp_path / "rust/toolchains").mkdir(parents=True)
    (tmp_path / "go").mkdir()
    environment = {"RUSTUP_HOME": str(tmp_path / "rust"), "GOMODCACHE": str(tmp_path / "go")}
    found = roots_of(tmp_path, "make bench", environment=environment, names=["Cargo.toml"])
    assert [root.grows for root in found.values()] == [True]
    assert list(found) == [str(tmp_path / "rust/toolchains")]


def test_links_of_a_program_count(tmp_path):
    """The link on PATH that is pointed at another program."""
    real = program(tmp_path / "opt" / "tool-1")
    link = tmp_path / "bin" / "tool"
    link.parent.mkdir()
    link.symlink_to(real)
    found = roots_of(tmp_path, "tool run")
    assert found[str(link)].real == str(real)
    assert str(real) in found


def test_version_that_a_shim_chooses(tmp_path):
    """All installed versions would be looked at for one that runs."""
    home = tmp_path / "pyenv"
    program(home / "shims" / "python3", "#!/bin/sh\n")
    for version in ("3.10.1", "3.11.7"):
        program(home / "versions" / version / "bin" / "python3")
        (home / "versions" / version / f"lib/python{version[:4]}/encodings").mkdir(parents=True)
    (home / "version").write_text("3.11.7\n")
    found = roots_of(tmp_path, "python3 x.py", environment={"PATH": str(home / "shims")})
    libraries = [place for place in found if "/lib/" in place]
    assert libraries == [str(home / "versions/3.11.7/lib/python3.11")]


def test_bytecode_of_a_python_that_does_not_run_here_alarms_nobody(tmp_path):
    """A version manager's shim without that version, beside files that other tests compiled."""
    shim = tmp_path / "python3.8"
    shim.write_text("#!/bin/sh\necho 'python3.8: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    cached = tmp_path / "__pycache__" / "lib.cpython-38.pyc"
    cached.parent.mkdir()
    cached.write_bytes(b"of another interpreter")
    (tmp_path / "lib.py").write_text("X = 1\n")
    assert fingerprint._dishonest([str(cached)], str(tmp_path)) == []
