"""`amend`: a human adopts an edited contract, and other protected files edited with it.

Until the edited contract has been rehearsed nothing is changed. From then on the step is in the
journal, and the next command, whatever it is, finishes an interrupted one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from autoresearch.core import wire
from autoresearch.core.contract import Contract
from autoresearch.core.contract.comparison import differences, measures_differently
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Agreed
from autoresearch.core.question import Randomness
from autoresearch.core.records import Epoch
from autoresearch.core.snapshot import Change, Snapshot, Status, differing_paths
from autoresearch.edges import dotgit, gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitwrite import Commit
from autoresearch.edges.lock import turn_to_measure
from autoresearch.edges.worktree import take_snapshot
from autoresearch.loop import logbook, surroundings
from autoresearch.loop.consent import trailer
from autoresearch.loop.session import (
    CONTRACT_FILE,
    Session,
    redirected,
    require_on_branch,
    with_checks,
)
from autoresearch.loop.settle import adopt_contract
from autoresearch.planning import preconditions
from autoresearch.planning.init import epoch_record
from autoresearch.planning.rehearsal import rehearse
from autoresearch.planning.remedies import refused
from autoresearch.planning.screening import Reach, require_asked
from autoresearch.planning.workspace import reaches_in


class Amendment(NamedTuple):
    """What an amendment changes.

    Attributes:
        keys: (key, before, after) of the contract.
        paths: protected files that are adopted with it.
        surrounded: what changed of what measures outside the checkouts, adopted likewise.
        left_out: untracked files outside the scope, which are no part of it.
        measures: whether a new measuring epoch begins.
        reaches: what its commands newly do outside the checkout.
        epoch: its number, None on a dry run.
    """

    keys: tuple[tuple[str, str, str], ...]
    paths: tuple[str, ...]
    surrounded: tuple[str, ...]
    left_out: tuple[str, ...]
    measures: bool
    reaches: tuple[Reach, ...]
    epoch: int | None


class _Plan(NamedTuple):
    """An amendment as a commit that no ref names yet.

    Attributes:
        contract: in force once it is adopted, `autoresearch.checks.sh` as its guard included.
        content: bytes of `autoresearch.yaml`.
        commit: on top of the incumbent.
        number: of the epoch.
    """

    contract: Contract
    content: bytes
    commit: Commit
    number: int


def amend(
    session: Session,
    randomness: Randomness,
    say: Callable[[str], None],
    *,
    dry_run: bool,
    allow_outside: bool = False,
    commits: bool = False,
    agree: Callable[[Amendment], Agreed],
) -> Amendment:
    """Rehearse the edited contract and adopt it as a commit of its own.

    `agree` says how somebody agreed to the amendment it is shown, or raises.
    What its commands do outside the checkout is asked about as by `init`, but for what the
    contract before it did already. With `commits`, what people committed on the branch is adopted
    instead, code in scope included.
    """
    parent = session.progress.incumbent_commit
    surrounded = surroundings.look(session).changed
    led = redirected(session.repo, session.environ, session.file)
    left_out: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    if commits:
        plan, paths = _committed(session)
    else:
        require_on_branch(session)
        changes, left_out = _edited(session, anything=bool(surrounded or led))
        plan = _planned(session, changes, None)
        paths = tuple(change.path for change in changes if change.path != CONTRACT_FILE)
    measures = bool(paths or surrounded) or measures_differently(session.contract, plan.contract)
    keys = differences(session.contract, plan.contract)
    before = reaches_in(session.repo, session.contract, session.tree(parent))
    now = reaches_in(session.repo, plan.contract, session.repo.tree(plan.commit.oid))
    reaches = tuple(one for one in now if one not in before)
    found = Amendment(keys, paths, (*surrounded, *led), left_out, measures, reaches, None)
    if dry_run:
        return found
    if not allow_outside:
        require_asked(reaches, "amend")
    agreed = agree(found)
    plan = plan if commits else _planned(session, changes, agreed)
    rehearsed = _rehearsed(session, plan, randomness, say) if measures else None
    epoch = replace(rehearsed or _as_before(session, plan), agreed=agreed)
    all_led = dotgit.redirections(session.repo, session.environ)
    session.file = replace(session.file, redirections=all_led)
    session.begin("amend", "decided", parent=parent, commit=plan.commit.oid, epoch=wire.text(epoch))
    adopt_contract(session, parent, plan.commit.oid, epoch)
    return found._replace(epoch=epoch.number)


def _edited(session: Session, *, anything: bool) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """What is to be adopted, and the untracked files that are not; `anything` else may do."""
    progress = session.progress
    snapshot = take_snapshot(
        session.walk(),
        session.repo,
        session.tree(progress.incumbent_commit),
        covers=session.scope.covers,
        overrides=session.overrides,
    )
    scoped = [c.path for c in snapshot.changes if session.scope.covers(c.path)]
    if scoped:
        message = f"files in scope were edited too: {preconditions.shown_paths(scoped)}"
        raise refused("tree_edited", message)
    added = _added(session, snapshot)
    changes = tuple(sorted((*snapshot.changes, *added), key=lambda change: change.path))
    if not changes and not anything:
        raise refused(
            "nothing_to_amend",
            "nothing to amend: autoresearch.yaml and the other protected files are unchanged",
        )
    blocked = next((change for change in changes if change.obstacle is not None), None)
    if blocked is not None and blocked.obstacle is not None:
        raise refused("obstacle", f"{clean_line(blocked.path)} {blocked.obstacle.value}")
    new = {change.path for change in added}
    return changes, tuple(path for path in snapshot.outside if path not in new)


def _added(session: Session, snapshot: Snapshot) -> list[Change]:
    """New files outside the scope that were added to git's index: meant to be adopted."""
    if not snapshot.outside:
        return []
    listed = session.repo.run("ls-files", "-z", "--", *snapshot.outside).out
    staged = listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
    walk = session.walk()
    return [
        Change(
            path=path,
            status=Status.ADDED,
            old=None,
            new=None if here.obstacle else here.entry,
            content=None if here.obstacle else here.content,
            before=None,
            found=here.entry,
            obstacle=here.obstacle,
        )
        for path, here in ((path, walk.at(path)) for path in staged)
    ]


def _committed(session: Session) -> tuple[_Plan, tuple[str, ...]]:
    """The commits on top of the incumbent that somebody made by hand, and the paths they change."""
    repo, incumbent = session.repo, session.progress.incumbent_commit
    head = gitrefs.head(repo)
    on_top = head.branch == session.branch and head.commit not in {None, incumbent}
    ancestry = ("merge-base", "--is-ancestor", incumbent, head.commit or incumbent)
    if not on_top or head.commit is None or repo.run(*ancestry, check=False).code:
        named = f"no commit on {session.short_branch} follows the incumbent {incumbent[:12]}"
        raise refused("no_commits", named)
    tree = session.tree(head.commit)
    edited = sorted(session.walk().differing(tree, session.overrides))
    if edited:
        shown = preconditions.shown_paths(edited)
        raise refused("tree_edited", f"there are edits beside the commits: {shown}")
    entry = tree.get(CONTRACT_FILE)
    content = b"" if entry is None else repo.blob(entry.oid)
    commit = Commit(head.commit, repo.tree_of(head.commit))
    paths = [*differing_paths(session.tree(incumbent), tree)]
    return _fitting(session, content, commit), tuple(p for p in paths if p != CONTRACT_FILE)


def _planned(session: Session, changes: tuple[Change, ...], agreed: Agreed | None) -> _Plan:
    """The amendment's commit; raises when it can be told without a rehearsal that it is wrong."""
    content = _content(session, changes)
    number = session.progress.epoch_number + 1
    commit = session.commit(
        {change.path: change.new for change in changes},
        f"autoresearch: amend the contract of session {session.name}\n\n"
        f"Autoresearch-Session: {session.name}\nAutoresearch-Amendment: {number}\n"
        f"{trailer(agreed)}",
        [change.content for change in changes if change.content is not None],
        sign=True,
    )
    return _fitting(session, content, commit)


def _fitting(session: Session, content: bytes, commit: Commit) -> _Plan:
    """A commit that holds this contract, which has to fit it and the session."""
    repo, tree = session.repo, session.repo.tree(commit.oid)
    contract = preconditions.parsed(content, CONTRACT_FILE)
    if contract.session != session.name:
        message = f"the session's name cannot change ({session.name} to {contract.session})"
        raise refused("session_renamed", message)
    stands_in = preconditions.has_checks_guard(contract, tree)
    contract = with_checks(contract, checks_guard=stands_in)
    preconditions.require_fitting(repo, contract, tree, session.overrides)
    preconditions.raise_first(preconditions.untracked_in_scope(repo, contract, tree))
    return _Plan(contract, content, commit, session.progress.epoch_number + 1)


def _content(session: Session, changes: tuple[Change, ...]) -> bytes:
    edited = next((change for change in changes if change.path == CONTRACT_FILE), None)
    if edited is None:
        return session.places.contract.read_bytes()
    if edited.new is None or edited.content is None or edited.status is not Status.MODIFIED:
        raise refused("contract_deleted", f"{CONTRACT_FILE} was deleted, or is not a plain file")
    return edited.content


def _as_before(session: Session, plan: _Plan) -> Epoch:
    """The record of an amendment that leaves measuring as it is."""
    epoch = session.progress.epoch
    if epoch is None:
        raise refused("no_baseline", "the session has no baseline")
    return replace(
        epoch,
        number=plan.number,
        at=now_utc(),
        commit=plan.commit.oid,
        contract_sha256=logbook.sha256(plan.content),
        restarts_measuring=False,
    )


def _rehearsed(
    session: Session, plan: _Plan, randomness: Randomness, say: Callable[[str], None]
) -> Epoch:
    """The record of a new epoch, which what measures outside the checkouts belongs to."""
    frozen, bench = session.file.environment, session.bench(plan.contract)
    tree = session.repo.tree(plan.commit.oid)
    with turn_to_measure(session.places.measure_lock, "amend", say):
        rehearsal = rehearse(bench, tree, randomness, say)
    state, top, spell_ns = session.places.state, session.repo.toplevel, rehearsal.spell_ns
    digest = surroundings.freeze(bench, tree, state, top, spell_ns)
    return epoch_record(plan.number, plan.commit.oid, plan.content, rehearsal, frozen, digest)
