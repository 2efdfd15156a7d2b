"""Bench slots: exactly one tree, whatever a sample did; layers, caches and links as agreed."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.snapshot import Entry
from autoresearch.edges import files, gitwrite, statcache
from autoresearch.edges.checkout import Brought, Layer, Slot, Stage
from autoresearch.edges.gitrepo import GitRepo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.harness import Git

if TYPE_CHECKING:
    from pathlib import Path

LATIN = "lib/caf\udce9\n"  # a newline, and bytes that are no UTF-8


class Bench:
    """A repository with a commit, and a slot beside it."""

    def __init__(self, home: Path, **kept) -> None:
        self.user = Git.create(home / "project")
        self.user.write("src/a.py", "a = 1\r\n")
        self.user.write("src/deep/er/b.py", "b = 1\n")
        self.user.write("bench.sh", "#!/bin/sh\n", mode=0o755)
        self.user.write(LATIN, "latin\n")
        (self.user.root / "src/link").symlink_to("a.py")
        self.user.commit()
        self.repo = GitRepo.open(self.user.root)
        self.tree = self.repo.tree("HEAD")
        self.kept = kept
        self.home = home
        self.slot = self.fresh()

    def fresh(self) -> Slot:
        """The slot as another process sees it."""
        return Slot(
            self.home / "bench/a", self.repo, manifest=self.home / "s/a.manifest", **self.kept
        )

    def candidate(self, **contents: str) -> dict[str, Entry]:
        """The tree with other content in the named places."""
        oids = gitwrite.write_blobs(self.repo, [text.encode() for text in contents.values()])
        changes = dict(zip(contents, (Entry("100644", oid) for oid in oids), strict=True))
        return self.tree | changes

    @property
    def root(self) -> Path:
        """Where the slot lies."""
        return self.slot.root

    def holds(self) -> dict[str, bytes]:
        """Everything in the slot."""
        return Git(self.root).state()


@pytest.fixture
def make(tmp_path):
    """Benches of any kind, closed whatever happens."""
    with contextlib.ExitStack() as stack:

        def bench(home=tmp_path, **kept):
            made = Bench(home, **kept)
            stack.enter_context(made.repo)
            return made

        yield bench


@pytest.fixture
def bench(make):
    return make()


@pytest.fixture
def brought(bench):
    bench.slot.bring(bench.tree)
    return bench


def test_bring_writes_the_tree_and_nothing_else(bench):
    """Bytes, links and modes are git's own, no filter and no `.git` in between."""
    bench.user("config", "core.autocrlf", "true")
    assert bench.slot.bring(bench.tree) == Brought(5, False)
    expected = bench.user.state()
    assert bench.holds() == expected
    assert (bench.root / "bench.sh").stat().st_mode & 0o111 == 0o111
    assert (bench.root / "src/a.py").stat().st_mode & 0o111 == 0
    assert not (bench.root / ".git").exists()
    assert [path.name for path in bench.root.parent.iterdir()] == ["a"]


def test_bring_again_writes_nothing(brought):
    """An unchanged file keeps its inode and times, also in the eyes of another process."""
    before = (brought.root / "src/a.py").stat()
    assert brought.slot.bring(brought.tree).written == 0
    assert brought.fresh().bring(brought.tree).written == 0
    after = (brought.root / "src/a.py").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_bring_writes_only_differences(brought):
    """From incumbent to candidate one file is written, and one that is no more goes."""
    tree = brought.candidate(bench="x")
    del tree[LATIN]
    before = (brought.root / "src/a.py").stat()
    assert brought.slot.bring(tree).written == 1
    assert (brought.root / "bench").read_text() == "x"
    assert not (brought.root / "lib").exists()
    assert (brought.root / "src/a.py").stat() == before
    assert brought.slot.bring(brought.tree).written == 1
    assert brought.holds() == brought.user.state()


def test_bring_swaps_files_and_folders(brought):
    """A file where a folder was, a folder where a file was, a mode alone: all follow the tree."""
    blob = brought.tree["bench.sh"].oid
    tree = {
        "src": Entry("100644", blob),
        "bench.sh/inner": Entry("120000", blob),
        "lib/x": Entry("100755", blob),
    }
    brought.slot.bring(tree)
    assert brought.holds() == {
        "src": b"#!/bin/sh\n",
        "bench.sh/inner": b"-> #!/bin/sh\n",
        "lib/x": b"#!/bin/sh\n",
    }
    tree["lib/x"] = Entry("100644", blob)
    assert brought.slot.bring(tree).written == 1
    assert (brought.root / "lib/x").stat().st_mode & 0o111 == 0


def test_switching_leaves_what_bringing_would(make, tmp_path):
    """A file, folder or mode of the other program that stays; an inode that tells them apart."""
    bench = make()
    other = bench.candidate(**{"src/a.py": "a = 2\r\n", "src/new/deep/c.py": "c"})
    del other["src/deep/er/b.py"], other["src/link"]
    other["src/deep"] = other["src/new/deep/c.py"]  # a file where a folder was
    other["src/link/in"] = other["src/a.py"]  # and a folder where a link was
    other["bench.sh"] = other["bench.sh"]._replace(mode="100644")
    alike = Slot(tmp_path / "alike", bench.repo, manifest=tmp_path / "alike.manifest")
    alike.bring(other)
    wanted = Git(alike.root).state()
    bench.slot.bring(bench.tree)
    before, unchanged = bench.holds(), (bench.root / LATIN).stat()
    for tree, holds in ((other, wanted), (bench.tree, before), (other, wanted)):
        assert bench.slot.switch(tree, wait=True) == ()
        assert bench.holds() == holds
        assert bench.slot.tree is tree
        assert bench.slot.restore() == ((), (), ())
    assert (bench.root / LATIN).stat() == unchanged
    assert bench.fresh().bring(bench.tree).written == 4
    assert bench.holds() == before


@pytest.mark.parametrize("harm", ["edit", "delete", "folder"])
def test_switching_tells_what_was_touched(brought, harm):
    """Another process that edits a program between two runs, whose trace is written over."""
    other = brought.candidate(**{"src/a.py": "a = 2\n"})
    place = brought.root / "src/a.py"
    if harm == "edit":
        place.write_text("a = 9\r\n")
    else:
        place.unlink()
    if harm == "folder":
        place.mkdir()
    assert brought.slot.switch(other, wait=True) == ("src/a.py",)
    assert place.read_text() == "a = 2\n"
    assert brought.slot.restore() == ((), (), ())


class Places:
    """Two slots that take turns in one place."""

    def __init__(self, bench) -> None:
        self.bench, self.root = bench, bench.home / "bench/checkout"
        self.begin()

    def begin(self) -> None:
        """As another process sees them."""
        self.slots = [
            Slot(
                self.bench.home / "bench/slots" / name,
                self.bench.repo,
                manifest=self.bench.home / f"s/{name}.manifest",
            )
            for name in "ab"
        ]
        self.stage = Stage(self.root, self.bench.home / "s/checkout", self.slots)

    def bring(self, number: int) -> int:
        """Bring a program where all run; how many of its files had to be written."""
        tree = self.bench.candidate(**{"src/a.py": f"a = {number}\n"})
        self.stage.take(self.slots[number])
        written = self.slots[number].bring(tree).written
        assert self.slots[number].root == self.root
        assert (self.root / "src/a.py").read_text() == f"a = {number}\n"
        return written


@pytest.fixture
def places(bench):
    """Both slots brought, the second one lies in the place."""
    places = Places(bench)
    assert (places.bring(0), places.bring(1)) == (len(bench.tree), len(bench.tree))
    return places


def test_slots_take_turns_in_one_place(places):
    """Programs at paths of their own; a slot that is written anew at every turn."""
    for number in (0, 1, 1, 0):
        assert places.bring(number) == 0
    assert [slot.root for slot in places.slots] == [places.root, places.slots[1].home]
    assert {path.name for path in places.root.parent.iterdir()} == {"checkout", "slots"}


@pytest.mark.parametrize("moves", [0, 1])
@pytest.mark.parametrize("number", [0, 1])
def test_killed_between_two_moves(places, monkeypatch, moves, number):
    """A slot that a kill leaves nowhere: taken for the other program, or for nobody's."""
    real, done = os.rename, []

    def rename(source, target):
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        real(source, target)

    monkeypatch.setattr("autoresearch.edges.checkout.os.rename", rename)
    with pytest.raises(KeyboardInterrupt):
        places.stage.take(places.slots[0])
    monkeypatch.undo()
    places.begin()
    assert places.bring(number) == 0
    assert places.bring(1 - number) == 0


@pytest.mark.parametrize("harm", ["lost", "another", "nonsense"])
def test_place_that_nobody_owns(places, harm):
    """A record that is lost or wrong: the program of another one is run as this one's."""
    record = places.bench.home / "s/checkout"
    if harm == "lost":
        record.unlink()
    else:
        record.write_text("a" if harm == "another" else "z")
    places.begin()
    assert places.bring(0) == 0
    assert places.bring(1) == len(places.bench.tree)


def test_slot_that_was_removed_meanwhile(places):
    """A cache folder that somebody emptied stops every later command."""
    files.remove_tree(places.root.parent)
    assert places.bring(0) == len(places.bench.tree)
    assert places.bring(1) == len(places.bench.tree)


def test_slot_that_cannot_be_moved_as_a_whole(places, monkeypatch):
    """A cache that comes with a container's image, where no folder can be renamed."""

    def rename(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("autoresearch.edges.checkout.os.rename", rename)
    assert places.bring(0) == len(places.bench.tree)


def test_submodules_become_empty_folders(bench):
    """A gitlink is an empty folder, and what a sample puts into it goes."""
    tree = bench.tree | {"sub/mod": Entry("160000", "1" * 40)}
    bench.slot.bring(tree)
    assert list((bench.root / "sub/mod").iterdir()) == []
    (bench.root / "sub/mod/x").write_text("1")
    assert bench.slot.restore().removed == ("sub/mod/x",)
    (bench.root / "sub/mod").rmdir()
    bench.slot.restore()
    assert (bench.root / "sub/mod").is_dir()


def edit(root):
    (root / "src/a.py").write_text("a = 2\r\n")


def edit_keeping_size_and_times(root):
    path = root / "src/a.py"
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"A")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_by_folder(root):
    (root / "src/a.py").unlink()
    (root / "src/a.py/x").mkdir(parents=True)


def replace_by_link(root):
    (root / "src/a.py").unlink()
    (root / "src/a.py").symlink_to("/etc/passwd")


def replace_by_fifo(root):
    (root / "src/a.py").unlink()
    os.mkfifo(root / "src/a.py")


def forbid(root):
    (root / "src/a.py").chmod(0)


@pytest.mark.parametrize(
    "sample",
    [
        edit,
        edit_keeping_size_and_times,
        replace_by_folder,
        replace_by_link,
        replace_by_fifo,
        forbid,
        lambda root: (root / "src/a.py").unlink(),
        lambda root: os.link(root / "src/a.py", root.parent / "elsewhere"),
        lambda root: (root / "src/a.py").chmod(0o755),
    ],
)
def test_restore_notices_and_undoes(brought, sample):
    """Whatever a sample does to one file of the tree is named and undone."""
    before = brought.holds()
    sample(brought.root)
    touched = brought.slot.restore()
    assert touched.changed == ("src/a.py",)
    assert not touched.layer_broken
    assert brought.holds() == before
    assert stat.S_IMODE((brought.root / "src/a.py").stat().st_mode) & 0o777 == 0o644
    assert brought.slot.restore() == ((), (), ())
    assert brought.fresh().bring(brought.tree).written == 0


def test_restore_removes_what_is_new(brought):
    """New files, folders, FIFOs, sockets, links and odd names go, and nothing behind a link."""
    outside = brought.home / "outside"
    outside.mkdir()
    (outside / "precious").write_text("1")
    root = brought.root
    (root / "cache/deep").mkdir(parents=True)
    (root / "cache/deep/x").write_text("1")
    (root / "cache").chmod(0)
    os.mkfifo(root / "src/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(root, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/sock")
        os.close(here)
    (root / "out").symlink_to(outside)
    (root / "src/\udcff\n").write_text("1")
    touched = brought.slot.restore()
    assert touched == ((), ("cache", "out", "sock", "src/fifo", "src/\udcff\n"), ())
    assert brought.holds() == brought.user.state()
    assert (outside / "precious").exists()


def test_folder_replaced_by_a_link_elsewhere(brought):
    """A folder swapped for a link to a copy outside is not entered; the tree is written anew."""
    outside = brought.home / "outside"
    (brought.root / "src").rename(outside)
    (brought.root / "src").symlink_to(outside)
    touched = brought.slot.restore()
    assert touched.changed == ("src/a.py", "src/deep/er/b.py", "src/link")
    assert not (brought.root / "src").is_symlink()
    assert brought.holds() == brought.user.state()
    assert (outside / "a.py").exists()


def test_root_replaced_by_a_link_elsewhere(brought):
    """Even the slot itself may have been swapped: nothing is written where the link leads."""
    outside = brought.home / "outside"
    brought.root.rename(outside)
    (outside / "src/a.py").write_text("tampered")
    brought.root.symlink_to(outside)
    brought.slot.restore()
    assert not brought.root.is_symlink()
    assert brought.holds() == brought.user.state()
    assert (outside / "src/a.py").read_text() == "tampered"


def test_folders_without_permissions(brought):
    """Folders of the tree that were closed are opened again."""
    (brought.root / "src/a.py").write_text("2")
    (brought.root / "src").chmod(0)
    brought.root.chmod(0)
    assert brought.slot.restore().changed == ("src/a.py",)
    assert brought.holds() == brought.user.state()
    assert [path.stat().st_mode & 0o700 for path in (brought.root, brought.root / "src")] == [
        0o700,
        0o700,
    ]


def test_very_deep_folders(brought):
    """A chain of folders deeper than any path may be long is removed."""
    here = os.open(brought.root, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    brought.slot.restore()
    assert brought.holds() == brought.user.state()


def test_layers(bench):
    """Set-up's files survive from candidate to candidate, those of the build do not."""
    slot = bench.slot
    slot.bring(bench.tree)
    (bench.root / "node_modules/.bin").mkdir(parents=True)
    (bench.root / "node_modules/x.js").write_text("1")
    assert slot.seal(Layer.SETUP) == ((), (), ())
    assert slot.bring(bench.tree) == Brought(0, True)
    (bench.root / "out/empty").mkdir(parents=True)
    (bench.root / "out/a.o").write_text("1")
    assert slot.seal(Layer.BUILD) == ((), (), ())
    (bench.root / "out/b.o").write_text("1")
    (bench.root / "out/empty").rmdir()
    assert slot.restore() == ((), ("out/b.o",), ())
    assert (bench.root / "out/empty").is_dir()
    slot = bench.fresh()
    assert slot.bring(bench.candidate(new="1")) == Brought(1, True)
    assert not (bench.root / "out").exists()
    assert (bench.root / "node_modules/x.js").exists()
    assert (bench.root / "node_modules/.bin").is_dir()


@pytest.mark.parametrize(
    "harm",
    [lambda path: path.write_text("2"), lambda path: path.unlink(), lambda path: path.chmod(0)],
)
def test_sample_that_spoils_a_layer(bench, harm):
    """A built file that a sample changed cannot be put back: the answer says to build again."""
    bench.slot.bring(bench.tree)
    (bench.root / "out").mkdir()
    (bench.root / "out/a.o").write_text("1")
    bench.slot.seal(Layer.BUILD)
    harm(bench.root / "out/a.o")
    touched = bench.slot.restore()
    assert touched.broken == ("out/a.o",)
    assert touched.layer_broken
    bench.slot.bring(bench.tree)
    assert bench.holds() == bench.user.state()


@pytest.mark.parametrize("harm", [lambda path: path.write_text("2"), lambda path: path.unlink()])
@pytest.mark.parametrize("sealed", [True, False])
def test_spoilt_set_up(bench, harm, sealed):
    """Set-up files that a build or sample changed do not reach the next candidate."""
    bench.slot.bring(bench.tree)
    (bench.root / "dep").mkdir()
    (bench.root / "dep/x").write_text("1")
    (bench.root / "dep/y").write_text("1")
    bench.slot.seal(Layer.SETUP)
    harm(bench.root / "dep/x")
    if sealed:
        assert bench.slot.seal(Layer.BUILD).broken == ("dep/x",)
        assert bench.slot.restore() == ((), (), ())
    assert bench.fresh().bring(bench.tree) == Brought(0, False)
    assert bench.holds() == bench.user.state()


@pytest.mark.parametrize("path", ["dep", "dep/x/y", "dep/x"])
def test_tree_that_collides_with_set_up(bench, path):
    """A candidate that commits what set-up used to make wins, and set-up has to run again."""
    bench.slot.bring(bench.tree)
    (bench.root / "dep").mkdir()
    (bench.root / "dep/x").write_text("made by set-up")
    bench.slot.seal(Layer.SETUP)
    tree = bench.candidate(**{path: "committed"})
    bench.slot.bring(tree)
    assert (bench.root / path).read_text() == "committed"
    assert {p for p in bench.holds() if p.startswith("dep")} == {path}


def test_seal_puts_the_tree_back(bench):
    """A build that rewrites a committed file is named, and the committed bytes stand."""
    bench.slot.bring(bench.tree)
    (bench.root / "bench.sh").write_text("echo METRIC x=0\n")
    assert bench.slot.seal(Layer.BUILD).changed == ("bench.sh",)
    assert (bench.root / "bench.sh").read_text() == "#!/bin/sh\n"


def test_caches_and_links_stay(tmp_path, make):
    """Cache folders survive everything, links are kept right, and neither is walked."""
    target = tmp_path / "modules"
    target.mkdir()
    (target / "dep.js").write_text("1")
    bench = make(cache=("build/target",), links={"web/node_modules": target})
    slot = bench.slot
    slot.bring(bench.tree)
    (bench.root / "build/target").mkdir(parents=True)
    (bench.root / "build/target/x.o").write_text("1")
    (bench.root / "build/junk").write_text("1")
    assert slot.restore() == ((), ("build/junk",), ())
    (bench.root / "web/node_modules").unlink()
    (bench.root / "web/node_modules").symlink_to("/etc")
    assert slot.restore().changed == ("web/node_modules",)
    assert (bench.root / "web/node_modules/dep.js").exists()
    slot = bench.fresh()
    slot.bring(bench.candidate(new="1"))
    assert (bench.root / "build/target/x.o").exists()
    assert (bench.root / "web/node_modules").readlink() == target
    (bench.root / "build/target").rename(tmp_path / "away")
    (bench.root / "build/target").symlink_to(tmp_path / "away")
    assert slot.restore().removed == ("build/target",)
    assert (tmp_path / "away/x.o").exists()
    slot.clear()
    assert (target / "dep.js").exists()


def test_rewritten_files_are_a_full_second_younger(make):
    """With caches kept, tools that compare whole seconds must see a new time."""
    bench = make(cache=("target",))
    bench.slot.bring(bench.tree)
    before = (bench.root / "bench.sh").stat().st_mtime_ns
    tree = bench.tree | {"bench.sh": Entry("100644", bench.tree["src/a.py"].oid)}
    bench.fresh().bring(tree)
    after = (bench.root / "bench.sh").stat().st_mtime_ns
    assert after // 10**9 > before // 10**9


@pytest.mark.parametrize("path", ["target", "target/x", "web/node_modules/y", "web"])
def test_tree_where_a_cache_or_link_belongs(tmp_path, make, path):
    """Committed files in a cache or link would never be written: refused with the remedy."""
    bench = make(cache=("target",), links={"web/node_modules": tmp_path})
    with pytest.raises(AutoresearchError) as caught:
        bench.slot.bring(bench.candidate(**{path: "1"}))
    assert caught.value.code == "slot_conflict"


@pytest.mark.parametrize("damage", ["gone", "cut", "forged"])
def test_without_a_manifest_from_scratch(brought, damage):
    """A manifest that is missing or was edited is not believed: every file is written anew."""
    manifest = brought.root.parents[1] / "s/a.manifest"
    if damage == "gone":
        manifest.unlink()
    elif damage == "cut":
        manifest.write_bytes(manifest.read_bytes()[:-1])
    else:
        manifest.write_bytes(manifest.read_bytes().replace(b"bench.sh", b"bench.SH"))
    (brought.root / "src/a.py").write_text("tampered")
    assert brought.fresh().bring(brought.tree).written == 5
    assert brought.holds() == brought.user.state()


def test_table_survives_saving(tmp_path):
    """What is saved is what is loaded, odd names and extreme numbers included."""
    table = {
        "": ((0, 0, 0, 0, 0), ""),
        "a\nb\udcff/": ((2**64 - 1, 2**64 - 1, -(2**63), 2**63 - 1, 2**32 - 1), "build"),
    }
    statcache.save(tmp_path / "sub/table", table)
    assert statcache.load(tmp_path / "sub/table") == table
    statcache.save(tmp_path / "empty", {})
    assert statcache.load(tmp_path / "empty") == {}


def test_killed_while_it_was_brought(bench, monkeypatch):
    """Killed in the middle, the next command finishes: no file is taken for what it is not."""

    class Killed(BaseException):
        pass

    real, count = os.open, 0

    def dying(*args, **kwargs):
        nonlocal count
        count += args[1] & os.O_CREAT
        if count > 3 * os.O_CREAT:
            raise Killed
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", dying)
        with pytest.raises(Killed):
            bench.slot.bring(bench.tree)
    bench.repo.close()
    bench.fresh().bring(bench.tree)
    assert bench.holds() == bench.user.state()


def test_what_cannot_be_removed_is_named(brought, monkeypatch):
    """An immutable file stops the session with its name instead of being measured."""
    (brought.root / "src/stuck").write_text("1")
    real = os.unlink

    def refuse(path, **kwargs):
        if "stuck" in os.fspath(path):
            raise PermissionError(1, "Operation not permitted")
        real(path, **kwargs)

    monkeypatch.setattr(files.os, "unlink", refuse)
    with pytest.raises(AutoresearchError) as caught:
        brought.slot.restore()
    assert caught.value.code == "no_permission"
    assert "stuck" in caught.value.message


NAMES = st.sampled_from(["src", "src/a.py", "src/deep", "lib", LATIN, "n", "n/m", "bench.sh"])
ACTIONS = st.tuples(NAMES, st.sampled_from(["write", "remove", "link", "chmod", "folder", "fifo"]))


def act(root: Path, path: str, action: str) -> None:
    full = root / path
    if action == "write":
        # Without blocking: an earlier action may have left a FIFO there, which nobody reads.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
        with os.fdopen(os.open(full, flags), "w") as file:
            file.write("other\n")
    elif action == "remove":
        files.remove_tree(full)
    elif action == "link":
        full.symlink_to(root.parent / "elsewhere")
    elif action == "chmod":
        full.chmod(0o500)
    elif action == "folder":
        full.mkdir()
    else:
        os.mkfifo(full)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(ACTIONS, max_size=5), max_size=3))
def test_any_samples_are_undone(tmp_path_factory, make, samples):
    """Whatever samples do, one after the other, each finds the same slot."""
    bench = make(tmp_path_factory.mktemp("any"))
    bench.slot.bring(bench.tree)
    (bench.root.parent / "elsewhere").mkdir()
    before = bench.user.state()
    for sample in samples:
        for path, action in sample:
            with contextlib.suppress(OSError):  # not possible in this order
                act(bench.root, path, action)
        bench.slot.restore()
        assert bench.holds() == before
        assert bench.slot.restore() == ((), (), ())
    bench.repo.close()
