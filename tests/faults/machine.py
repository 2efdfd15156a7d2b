"""A model of a session, played against the real one: any order of commands, edits and deaths.

After every step the invariants hold, the files are those that the model says, and the log tells
what happened. A command may be killed, or meet a full disk, at any call; somebody may edit files
before the next one tidies up.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

from autoresearch.loop.integrity import invariants
from autoresearch.loop.session import loaded
from faults.rig import MINE, Plan
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

OUTSIDE = ("data.txt", "autoresearch.yaml")
WORK = "src/work.sh"
OURS = {"autoresearch.md", "autoresearch.jsonl"}
CALLS = {
    "keep": 333, "rework": 260, "crash": 205, "discard": 160, "refused": 55, "drop": 56, "note": 58,
    "undo": 230, "amend": 240, "gc": 26, "init": 370, "recover": 30, "run": 60,
}  # fmt: skip
"""About how many calls a command makes at which it may die; of `try` by its verdict."""

MORE = {0: 1.0, errno.ENOSPC: 0.81, errno.EIO: 1.2}
"""How many calls fail so, for each that a kill may hit."""

DEATHS = (0, 0, errno.ENOSPC, errno.EIO)
"""A kill, or what the disk says."""

COSTS = st.sampled_from(("better", "better", "same", "worse", "worse", "broken", "unguarded"))
OTHERS = st.dictionaries(st.sampled_from(("src/a.txt", "src/sub/b.txt")), st.booleans(), max_size=2)
"""Another file in scope -> whether it is there afterwards."""


class Fault(NamedTuple):
    """At which part of its calls a command fails, and how; kills of the commands after it.

    Attributes:
        at: part of `CALLS`; beyond 1, nothing happens.
        error: 0 is a kill.
        again: the same for commands that tidy up, one after the other.
        meanwhile: what somebody edits before anything is tidied up, or None.
    """

    at: float
    error: int
    again: tuple[float, ...]
    meanwhile: str | None


PARTS = st.one_of(st.floats(0.0, 1.0), st.floats(0.55, 1.0)).map(lambda x: round(x, 3))
"""The later ones more often: there a verdict is made true."""
FAULTS = st.one_of(
    st.none(),
    st.builds(
        Fault,
        PARTS,
        st.sampled_from(DEATHS),
        st.lists(PARTS, max_size=2).map(tuple),
        st.sampled_from((None, None, None, WORK, "src/a.txt", "data.txt", "notes.txt")),
    ),
)
TIDY = (("recover",), ("note", "tidy"), ("run", "9"), ("gc", "--prune", "--keep", "0"), ("drop",))
"""Commands after a death; the last only where the tree would be dropped anyway."""


HANDS = st.one_of(
    st.tuples(st.just("commit_on_the_branch"), st.booleans()),
    st.sampled_from(
        (
            ("leave_the_branch",),
            ("lose_the_branch",),
            ("collect_garbage",),
            ("rebuild_from_refs",),
            *(("lose", name) for name in ("index.db", "copies.json", "worktree.stat", "host.json")),
            *(("edit_a_copy", name) for name in sorted(OURS)),
        )
    ),
)
"""What somebody else does, and to what."""


class Machine(RuleBasedStateMachine):
    """The rules. `rig` is a prepared session, with old failures that `gc` may prune."""

    rig = None

    def __init__(self):
        super().__init__()
        self.word = 0
        self.mine = dict(MINE)
        self.base: dict[str, str] = {}
        self.tree: dict[str, str] = {}
        self.keeps: list[tuple[int, dict[str, str]]] = []
        self.tried = 0
        self.seen: list[dict[str, str]] = []
        self.maybe_seen = False
        self.attempt = 0
        self.staged = False
        self.meanwhile: str | None = None
        self.dropped_again = False

    # --- start -----------------------------------------------------------------------------

    @initialize(bare=st.sampled_from((False,) * 5 + (True,)), fault=FAULTS)
    def start(self, bare, fault):
        """A prepared session, or one that is opened here."""
        self.rig.reset()
        if bare:
            self.init(fault)
        self.base = self.tree = {
            path: (self.rig.root / path).read_text() for path in (WORK, *OUTSIDE)
        }
        self.tried = len(self.rig.experiments())

    def init(self, fault):
        """A session from nothing, its `init` killed perhaps: the next one opens it."""
        rig = self.rig
        rig.reset("fresh")
        command = ("init", str(rig.draft))
        for at in () if fault is None else (fault.at, *fault.again):
            rig.run(*command, plan=planned("init", at, fault.error))
        said = rig.run(*command)
        assert said.code == 0 or "already has a session" in said.out, said
        assert rig.run("recover").code == 0

    # --- people and agents at work ---------------------------------------------------------

    def text(self, kind):
        """The program, like no other before: its cost in the first line, its answer in the next."""
        self.word += 1
        cost = self.cost(self.base)
        line = {
            "better": f"echo METRIC cost={cost - 1}",
            "same": f"echo METRIC cost={cost}",
            "worse": f"echo METRIC cost={cost + 1}",
            "broken": "exit 3",
            "unguarded": f"echo METRIC cost={cost - 1}",
        }[kind]
        answer = 41 if kind == "unguarded" else 42
        return f"{line}\n# answer {answer}\n# {self.word}\n"

    @staticmethod
    def cost(tree):
        """What the program of a tree prints; None where it fails, as with conflict marks in it."""
        found = re.search(r"METRIC cost=([0-9.]+)", tree[WORK])
        return float(found[1]) if found and "<<<<<<<" not in tree[WORK] else None

    @rule(kind=COSTS, others=OTHERS, fault=FAULTS)
    def experiment(self, kind, others, fault):
        """A change of the program, for better or worse, and of other files in scope, tried."""
        self.edit(kind, others)
        self.try_it(fault)

    @rule(kind=COSTS, others=OTHERS, fault=FAULTS)
    def another_experiment(self, kind, others, fault):
        """The same, so that it is chosen twice as often."""
        self.experiment(kind, others, fault)

    def edit(self, kind, others):
        """The program written anew; other files in scope made, changed or removed."""
        self.put(WORK, self.text(kind))
        for name, there in others.items():
            self.word += 1
            self.put(name, f"more {self.word}\n" if there else None)

    @rule(kind=COSTS, others=OTHERS)
    def only_edit(self, kind, others):
        """An edit that is not tried yet."""
        self.edit(kind, others)

    @rule(there=st.booleans())
    def edit_outside(self, there):
        """A protected file edited, or put back by hand."""
        self.word += 1
        self.put("data.txt", f"edited {self.word}\n" if there else self.base["data.txt"])

    def put(self, path, text):
        """Write a file of the model and of the tree, or remove it from both."""
        file = self.rig.root / path
        if text is None:
            file.unlink(missing_ok=True)
            self.tree = {name: found for name, found in self.tree.items() if name != path}
        else:
            self.rig.repo.write(path, text)
            self.tree = {**self.tree, path: text}

    @rule(name=st.sampled_from(("notes.txt", "src/scratch.ignored", "scratch/x", "out.log")))
    def edit_own(self, name):
        """A file of the user's, which nobody may touch."""
        self.word += 1
        self.write_own(name, f"of the user's {self.word}\n")

    def write_own(self, name, text):
        """Write a file that is the user's, or was until it was adopted."""
        if name in self.base:
            self.put(name, text)
        else:
            self.mine[name] = text
            self.rig.repo.write(name, text)

    @rule()
    def stage(self):
        """`git add` of an edit, and of a file that is then adopted by an amendment."""
        self.rig.repo("add", "--", WORK, "notes.txt")
        self.staged = True

    # --- commands --------------------------------------------------------------------------

    @rule(fault=FAULTS)
    def try_it(self, fault):
        """An experiment."""
        self.attempted(("try", "-m", f"word {self.word}"), 0, fault)

    @precondition(lambda self: self.attempt)
    @rule(fault=FAULTS)
    def rework(self, fault):
        """Another attempt at what the guard refused."""
        self.attempted(("try", "--rework", "-m", f"word {self.word}"), self.attempt, fault)

    def attempted(self, command, attempt, fault):
        """A `try`, its verdict foretold."""
        expected, before = self.foretold(attempt), dict(self.tree)
        said = self.run(command, fault, what=min(expected))
        tried = self.rig.experiments()
        assert len(tried) - self.tried in {0, 1}, said
        if len(tried) == self.tried and "DONE:" in said.out:  # of a run, or refused five times
            assert self.rig.run("run", str(1000 + self.word)).code == 0
            return
        if len(tried) == self.tried:
            assert fault is not None or "refused" in expected, (expected, said)
            return
        verdict = tried[-1]["verdict"]
        assert verdict in expected, (expected, said)
        self.tried, self.attempt = len(tried), 0
        self.seen.append(inside(before))
        if verdict == "keep":
            self.keeps.append((tried[-1]["number"], inside(self.base)))
            self.base = {**outside(self.base), **inside(before)}
        elif verdict == "rework":
            self.attempt = attempt + 1
        else:
            self.put_back(inside(before), inside(self.base))

    def put_back(self, edited, wanted, added=()):
        """The model's tree after these files went back, but for what somebody made meanwhile."""
        spared = {self.meanwhile, *added} & set(self.tree)
        self.tree = {
            **{
                path: text
                for path, text in self.tree.items()
                if path not in edited or path in spared
            },
            **{path: text for path, text in wanted.items() if path not in spared},
        }

    def foretold(self, attempt):
        """The verdicts that a `try` of the tree as it is may have."""
        if outside(self.tree) != outside(self.base) or inside(self.tree) == inside(self.base):
            return {"refused"}
        cost, best = self.cost(self.tree), self.cost(self.base)
        if cost is None:
            verdict = "crash"
        elif cost >= best:
            verdict = "discard"
        elif "answer 42" in self.tree[WORK]:
            verdict = "keep"
        else:
            verdict = "rework" if attempt < 2 else "discard"
        if self.maybe_seen or inside(self.tree) in self.seen:
            return {verdict, "refused"}
        return {verdict}

    @rule(outside_too=st.booleans(), fault=FAULTS)
    def drop(self, outside_too, fault):
        """The tree put back."""
        part = outside if outside_too else inside
        edited = part(self.tree)
        self.run(("drop", *(["--outside"] if outside_too else [])), fault)
        if fault is not None and part(self.on_disk()) == part(self.tree):
            return  # it died before anything was decided, or there was nothing
        there, wanted = self.on_disk(), self.base
        if self.dropped_again and there.get(self.meanwhile) == wanted.get(self.meanwhile):
            self.meanwhile = None  # the drop that came after the edit put it back with the rest
            edited = part(self.tree)
        self.put_back(edited, part(self.base))

    @rule(fault=FAULTS)
    def note(self, fault):
        """A note, written once."""
        self.word += 1
        self.run(("note", f"word {self.word}"), fault)
        times = sum(line.get("text") == f"word {self.word}" for line in self.log())
        assert times == 1 or (fault is not None and times == 0), times

    @precondition(lambda self: self.keeps)
    @rule(fault=FAULTS)
    def undo(self, fault):
        """The newest keep taken back, where the tree is clean."""
        number, before = self.keeps[-1]
        clean = all(self.tree.get(path) == text for path, text in self.base.items())
        added = set(self.tree) - set(self.base)
        count = self.logged("undo")
        said = self.run(("undo", str(number)), fault, fine=clean)
        if self.logged("undo") == count:
            assert fault is not None or not clean, said
            return
        assert clean, said
        self.keeps.pop()
        self.attempt = 0
        was, self.base = inside(self.base), {**outside(self.base), **before}
        self.put_back(was, before, added)

    @precondition(lambda self: self.tried)
    @rule(number=st.integers(1, 9))
    def apply(self, number):
        """An earlier change again; conflicts are edits like any other."""
        self.run(("apply", str(min(self.tried, number + self.tried // 2))), None, fine=None)
        self.tree, self.maybe_seen = self.on_disk(), True

    @rule(budget=st.integers(1000, 9999), fault=FAULTS)
    def amend(self, budget, fault):
        """The contract's budget, and whatever else is edited outside the scope."""
        if inside(self.tree) != inside(self.base):
            return
        text = re.sub("experiments: [0-9]+", f"experiments: {budget}", self.tree[OUTSIDE[1]])
        self.put(OUTSIDE[1], text)
        adopted, count = outside(self.tree), self.logged("epoch")
        said = self.run(("amend", "--yes"), fault, fine=None)
        if self.logged("epoch") == count:
            assert fault is not None or text == self.base[OUTSIDE[1]], said
            return
        if self.staged and "notes.txt" in self.mine:  # what `git add` knows is adopted with it
            adopted["notes.txt"] = self.mine.pop("notes.txt")
            self.tree = {**self.tree, "notes.txt": adopted["notes.txt"]}
        self.base = {**inside(self.base), **adopted}
        self.attempt, self.maybe_seen = 0, True

    @rule(keep=st.sampled_from((0, 3)), fault=FAULTS)
    def gc(self, keep, fault):
        """Old failures' refs removed."""
        self.run(("gc", "--prune", "--keep", str(keep)), fault)

    # --- other hands -----------------------------------------------------------------------

    @rule(hand=HANDS)
    def other_hands(self, hand):
        """Somebody else at branch, copies, refs or state."""
        name, *arguments = hand
        getattr(self, name)(*arguments)

    def commit_on_the_branch(self, everything):
        """A commit of the user's: refused, and the hint leads out of it."""
        self.rig.repo(
            "commit", "-q", "--allow-empty", "-m", "mine", *(["-a"] if everything else [])
        )
        self.refused("branch_moved")

    def leave_the_branch(self):
        """A detached HEAD."""
        self.rig.repo("checkout", "-q", "--detach")
        self.refused("wrong_branch")

    def lose_the_branch(self):
        """A branch that is deleted."""
        self.rig.repo("update-ref", "-d", "refs/heads/autoresearch/cheaper")
        assert json.loads(self.rig.run("drop", "--json").out)["error"]["code"] == "branch_gone"
        assert self.rig.run("recover").code == 0

    def refused(self, code):
        """Every command that needs the branch says so; its hint mends it."""
        for command in (("drop",), ("try", "-m", "elsewhere")):
            error = json.loads(self.rig.run(*command, "--json").out)["error"]
            assert error["code"] == code, error
        hint = re.search("`git ([^`]+)`", error["hint"])
        assert hint is not None, error
        self.rig.repo(*hint[1].split(), *(["-q"] if code == "wrong_branch" else []))

    def lose(self, name):
        """A file that is derived from the log."""
        (self.rig.state / name).unlink(missing_ok=True)
        assert self.rig.run("recover").code == 0

    def edit_a_copy(self, name):
        """Log copy or document overwritten."""
        (self.rig.root / name).write_text("mine now\n")
        assert self.rig.run("recover").code == 0

    def collect_garbage(self):
        """Garbage is collected: git removes what no ref holds."""
        self.rig.repo("gc", "-q", "--prune=now")

    def rebuild_from_refs(self):
        """The state folder gone."""
        shutil.rmtree(self.rig.state)
        said = self.rig.run("recover", "--from-refs")
        assert said.code == 0, said

    # --- machinery -------------------------------------------------------------------------

    def run(self, command, fault, *, fine=True, what=""):
        """A command, its death, what somebody does then, and whatever tidies up.

        Args:
            command: of the console script.
            fault: how it ends.
            fine: whether it succeeds where nothing happens to it; None: either.
            what: its name in `CALLS`, where that is another one.
        """
        self.meanwhile, self.dropped_again = None, False
        if fault is None:
            said = self.rig.run(*command)
            refusable = command[0] == "try"
            assert said.code == 0 or (said.code == 1 and (fine is not True or refusable)), said
            assert fine is not False or said.code == 1, said
            return said
        said = self.rig.run(*command, plan=planned(what or command[0], fault.at, fault.error))
        assert said.code in {0, 1, 5, -signal.SIGKILL}, said
        if said.code == 0 and fault.meanwhile is not None:
            return said  # too late: what it did is what is there
        return self.tidied(command, fault, said)

    def tidied(self, command, fault, said):
        """What comes after a death: edits, more deaths, and a command that succeeds."""
        if fault.meanwhile is not None:
            self.edited_meanwhile(fault.meanwhile)
        choices = [c for c in TIDY if c != ("drop",) or command == ("drop",)]
        for number, part in enumerate(fault.again):
            after = choices[(number + int(part * 10)) % len(choices)]
            self.rig.run(*after, plan=planned(after[0], part))
            self.dropped_again = self.dropped_again or after == ("drop",)
        after = choices[int(fault.at * 1000) % 4]
        done = self.rig.run(*after)
        assert done.code == 0, (command, fault, said, after, done)
        return said._replace(out=f"{said.out}{done.out}")

    def edited_meanwhile(self, path):
        """Somebody writes a file before anything is tidied up: from then on it is theirs."""
        self.word += 1
        self.meanwhile = path
        text = f"written meanwhile {self.word}\n"
        if path == "notes.txt":
            self.write_own(path, text)
        else:
            self.put(path, text)

    def log(self):
        """The log's lines."""
        text = (self.rig.state / "log.jsonl").read_text("ascii")
        return [json.loads(line) for line in text.splitlines()]

    def logged(self, kind):
        """How many lines of a kind the log holds."""
        return sum(line["kind"] == kind for line in self.log())

    def on_disk(self):
        """The files of the working tree, ours and those that git ignores aside."""
        found = {}
        for path, content in self.rig.repo.state().items():
            if path not in self.mine and path not in OURS and path != ".gitignore":
                found[path] = content.decode()
        return found

    @invariant()
    def nothing_is_lost_or_made_up(self):
        """The files, the invariants, the branch and the refs are as the model says."""
        if not self.base:
            return
        assert self.on_disk() == self.tree
        for path, text in self.mine.items():
            assert (self.rig.root / path).read_text() == text, path
        here = Path.cwd()
        os.chdir(self.rig.root)
        try:
            with loaded(self.rig.root, dict(os.environ), command="doctor", write=False) as session:
                bad = [found.text for found in invariants(session) if not found.fine]
        finally:
            os.chdir(here)
        edited = outside(self.tree) != outside(self.base)
        allowed = "protected files: edited" if edited else "\0"
        assert [text for text in bad if not text.startswith(allowed)] == []
        assert len(bad) == edited
        self.kept_as_said()

    def kept_as_said(self):
        """The branch holds the incumbent's bytes, and each keep its ref."""
        repo = self.rig.repo
        names = repo("ls-tree", "-r", "--name-only", "HEAD").splitlines()
        asked = "".join(f"HEAD:{name}\n" for name in self.base).encode()
        assert set(names) == {*self.base, ".gitignore"}
        blobs = repo("cat-file", "--batch=%(objectsize)", stdin=asked)
        assert blobs == "\n".join(f"{len(t)}\n{t}" for t in self.base.values()).strip()
        refs = set(repo("for-each-ref", "--format=%(refname:lstrip=4)").splitlines())
        kept = [t["number"] for t in self.rig.experiments() if t["verdict"] == "keep"]
        assert {f"{number:04d}" for number in kept} <= refs


def planned(what, part, error=0):
    """A death, or a failure, at that part of a command's calls."""
    return Plan(at=1 + int(part * CALLS[what] * MORE[error]), error=error)


def inside(tree):
    """The part of a tree that is in scope."""
    return {path: text for path, text in tree.items() if path.startswith("src/")}


def outside(tree):
    """The part of a tree that is protected."""
    return {path: text for path, text in tree.items() if not path.startswith("src/")}
