"""From differences to a candidate, as values."""

from __future__ import annotations

import pytest
from autoresearch.core.model import Reason
from autoresearch.core.snapshot import (
    CandidatePlan,
    CandidateRefusal,
    Change,
    Entry,
    Obstacle,
    Snapshot,
    Status,
    Step,
    apply_steps,
    differing_paths,
    plan_candidate,
    put_back_steps,
    with_changes,
)
from hypothesis import given
from hypothesis import strategies as st

ONE, TWO = Entry("100644", "1" * 40), Entry("100644", "2" * 40)
LINK = Entry("120000", "3" * 40)


def in_src(path):
    return path.startswith("src/")


def in_python(path):
    return path.startswith("src/") and path.endswith(".py")


def change(path, old=ONE, new=TWO, *, content=b"", obstacle=None, **more):
    """A change as the walk reports it; `found` and `before` follow from `new` and `old`."""
    status = Status.DELETED if new is None else Status.MODIFIED
    status = Status.ADDED if old is None else status
    facts = {"before": old, "found": new, **more}
    return Change(
        path=path, status=status, old=old, new=new, content=content, obstacle=obstacle, **facts
    )


def plan(*changes, tree=(), covers=in_src, outside=()):
    tree = {"src/a.py": ONE, "bench.sh": ONE} | dict(tree)
    return plan_candidate(Snapshot(changes=changes, outside=outside), tree, covers)


def test_candidate_of_edits_inside_the_scope():
    """What is inside passes with its entries; new files outside are only named."""
    made = plan(
        change("src/a.py"),
        change("src/b.py", ONE, None, content=None),
        outside=("notes",),
        tree={"src/b.py": ONE},
    )
    assert isinstance(made, CandidatePlan)
    assert made.entries == {"src/a.py": TWO, "src/b.py": None}
    assert made.outside == ("notes",)
    assert made.overrides == {}
    assert made.put_back == (
        Step("src/a.py", TWO, ONE, ONE.oid),
        Step("src/b.py", None, ONE, ONE.oid),
    )


def test_nothing_changed():
    """No difference is a refusal of its own, also when there are new files outside."""
    assert plan(outside=("notes",)) == CandidateRefusal(
        reason=Reason.UNCHANGED, paths=(), detail="nothing in the scope has changed"
    )


def test_edits_outside_come_first_and_are_counted():
    """All offending paths are kept, five are shown."""
    paths = [f"p{number}" for number in range(7)]
    refusal = plan(change("src/a.py"), *(change(path) for path in reversed(paths)))
    assert refusal == CandidateRefusal(
        reason=Reason.OUTSIDE,
        paths=tuple(paths),
        detail="changed outside the scope: p0, p1, p2, p3, p4 and 2 more",
    )


def test_obstacle_refuses_with_all_alike():
    """The refusal names every path with the first one's obstacle, and not the others."""
    refusal = plan(
        change("src/a.py"),
        change("src/x", None, None, content=None, obstacle=Obstacle.SPECIAL),
        change("src/b", None, None, content=None, obstacle=Obstacle.HARD_LINK),
        change("src/y", None, None, content=None, obstacle=Obstacle.HARD_LINK),
    )
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/b", "src/y")
    assert refusal.detail == "is hard-linked to another file: src/b, src/y"


def test_converted_line_endings_are_recorded():
    """Where git converts on checkout, the plan says what the tree will hold, and what goes back."""
    raw_old, raw_new = Entry("100644", "8" * 40), Entry("100644", "9" * 40)
    made = plan(change("src/a.py", before=raw_old, found=raw_new))
    assert isinstance(made, CandidatePlan)
    assert made.overrides == {"src/a.py": raw_new}
    assert made.put_back == (Step("src/a.py", raw_new, raw_old, ONE.oid),)


def test_put_back_where_nothing_was_checked_out():
    """A file written where a sparse checkout had none is to vanish again."""
    steps = put_back_steps([change("src/a.py", before=None)])
    assert steps == (Step("src/a.py", TWO, None, None),)


@pytest.mark.parametrize("obstacle", list(Obstacle))
def test_put_back_leaves_to_people_what_only_they_can_judge(obstacle):
    """Nested repositories, submodules and unreadable files get no step; everything else does."""
    steps = put_back_steps([change("src/a.py", obstacle=obstacle)])
    human = {Obstacle.NESTED, Obstacle.SUBMODULE, Obstacle.UNREADABLE}
    assert bool(steps) == (obstacle not in human)


def test_apply_steps():
    """Each path is expected as in the incumbent and wanted as in the candidate, in order."""
    assert apply_steps({"b": ONE}, {"c": None, "b": TWO, "a": ONE}) == (
        Step("a", None, ONE, ONE.oid),
        Step("b", ONE, TWO, TWO.oid),
        Step("c", None, None, None),
    )


@pytest.mark.parametrize(
    ("target", "passes"),
    [
        (b"a.py", True),
        (b"./a.py", True),
        (b"../src//a.py", True),
        (b"new.py", True),
        (b"missing.py", True),
        (b"sub", True),
        (b"mixed", False),
        (b"missing", False),
        (b"..", False),
        (b"../..", False),
        (b"../../src/a.py", False),
        (b"sub/../a.py", False),
        (b"/src/a.py", False),
        (b"", False),
        (b"../bench.sh", False),
        (b"old.py", False),
        (b"old.py/x", False),
        (b"data.txt", False),
    ],
)
def test_where_links_may_lead(target, passes):
    """Only to what is covered, never absolute, upwards, or through another link."""
    tree = {
        "src/sub/b.py": ONE,
        "src/mixed/b.py": ONE,
        "src/mixed/data.txt": ONE,
        "src/data.txt": ONE,
        "src/old.py": LINK,
    }
    made = plan(
        change("src/link.py", None, LINK, content=target),
        change("src/new.py", None, ONE),
        tree=tree,
        covers=in_python,
    )
    assert isinstance(made, CandidatePlan) == passes
    if isinstance(made, CandidateRefusal):
        assert made.detail == "is a symbolic link that leaves the scope: src/link.py"


def test_link_to_the_root_when_all_is_in_scope():
    """A link to the whole tree passes where the whole tree is in scope."""
    made = plan(change("src/up", None, LINK, content=b".."), covers=lambda path: path != "")
    assert isinstance(made, CandidatePlan)


def test_link_to_a_folder_the_candidate_empties():
    """A folder whose files the candidate deletes is no target any more."""
    refusal = plan(
        change("src/link.py", None, LINK, content=b"sub"),
        change("src/sub/b.py", ONE, None, content=None),
        tree={"src/sub/b.py": ONE},
        covers=in_python,
    )
    assert isinstance(refusal, CandidateRefusal)


@pytest.mark.parametrize(
    ("new", "clashes"),
    [
        ("src/A.py", True),
        ("SRC/x.py", True),
        ("src/STRASSE", True),
        ("src/e\u0301", True),
        ("src/DIR", True),
        ("src/Dir/x", True),
        ("src/a.py2", False),
        ("src/dir/y", False),
        ("src/gone.PY", False),
    ],
)
def test_paths_that_a_folding_file_system_mixes_up(new, clashes):
    """Case, sharp s and composed accents count, for folders too; what is deleted does not."""
    tree = {"src/straße": ONE, "src/\u00e9": ONE, "src/dir/x": ONE, "src/gone.py": ONE}
    made = plan(
        change("src/gone.py", ONE, None, content=None),
        change(new, None, ONE),
        tree=tree,
        covers=lambda path: path != "bench.sh",
    )
    assert isinstance(made, CandidateRefusal) == clashes


def test_two_new_paths_that_clash():
    """New paths are compared with each other as well."""
    refusal = plan(change("src/N", None, ONE), change("src/n", None, ONE))
    assert isinstance(refusal, CandidateRefusal)
    assert refusal.paths == ("src/N", "src/n")


@given(st.dictionaries(st.text("ab/ \n\udcff", min_size=1), st.sampled_from([ONE, TWO, None])))
def test_applying_and_putting_back_are_inverse(entries):
    """Steps of one direction, turned round, are those of the other."""
    base = dict.fromkeys(entries, ONE)
    there = apply_steps(base, entries)
    changes = [change(path, ONE, entry, content=b"") for path, entry in sorted(entries.items())]
    back = put_back_steps(changes)
    assert [(step.path, step.wanted, step.expected) for step in there] == [
        (step.path, step.expected, step.wanted) for step in back
    ]


@given(st.lists(st.sampled_from(["src/x", "src/y/z", "other", "src/Q"]), unique=True, min_size=1))
def test_a_plan_never_leaves_the_scope(paths):
    """Whatever changed, a plan holds covered paths only, and a refusal names what is not."""
    made = plan(*(change(path) for path in paths), tree=dict.fromkeys(paths, ONE))
    if isinstance(made, CandidatePlan):
        assert all(in_src(path) for path in made.entries)
    else:
        assert made.paths == ("other",)


def test_differing_paths_are_those_with_other_entries():
    """A changed, added or removed path that a comparison of trees passes over."""
    one = {"a": Entry("100644", "1"), "b": Entry("100644", "2"), "c": Entry("100644", "3")}
    other = {"a": Entry("100755", "1"), "b": Entry("100644", "2"), "d": Entry("100644", "3")}
    assert differing_paths(one, other) == ["a", "c", "d"]
    assert differing_paths(one, one) == []


def test_tree_with_changes_is_what_git_would_hold():
    """A candidate measured with a file that it deleted, or without one that it added."""
    tree = {"a": Entry("100644", "1"), "b": Entry("100644", "2")}
    changed = with_changes(tree, {"b": None, "c": Entry("100755", "3"), "gone": None})
    assert changed == {"a": Entry("100644", "1"), "c": Entry("100755", "3")}
    assert set(tree) == {"a", "b"}
