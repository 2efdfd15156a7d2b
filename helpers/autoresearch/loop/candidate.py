"""From the edited tree to a candidate: a commit under a ref of its own, HEAD untouched."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import MAX_REWORKS, History, Tried
from autoresearch.core.model import Kind, Reason
from autoresearch.core.sameprogram import is_same_program, may_count_source
from autoresearch.core.snapshot import CandidatePlan, Snapshot, changed_lines, with_changes
from autoresearch.core.steps import Begun, CandidateMade, Changed
from autoresearch.edges import gitdiff, gitrefs
from autoresearch.edges.clock import now_utc
from autoresearch.edges.index import Near
from autoresearch.edges.stored import Stored
from autoresearch.edges.worktree import take_snapshot
from autoresearch.loop.session import Session

MESSAGE_LIMIT = 2000
NEAR_SHARE = 0.5
"""From this share of common changed lines on, a candidate is called a near duplicate."""


class Request(Struct, frozen=True, kw_only=True):
    """What the agent asks for; message and hypothesis are stored, never interpreted."""

    message: str
    hypothesis: str | None
    idea: int | None
    kind: Kind


class Prepared(NamedTuple):
    """A candidate that is a commit under its own ref.

    Attributes:
        patch: its change, by lines.
        hashes: its changed lines, for finding near duplicates.
        retest: how many times this tree or this change was raced before in this epoch.
        near: an earlier experiment with mostly the same changed lines, or None.
        proven: the experiment that raced this very tree and failed the guard alone, or None.
    """

    begun: Begun
    plan: CandidatePlan
    candidate: CandidateMade
    patch: bytes
    lines: gitdiff.Lines
    hashes: frozenset[int]
    retest: int
    near: Near | None
    proven: Tried | None


class Refused(NamedTuple):
    """Why a candidate is not measured, and the earlier experiment that says so, if any."""

    reason: Reason
    paths: tuple[str, ...]
    detail: str
    related: int | None = None


def begin(history: History, request: Request) -> Begun:
    """The experiment that is asked for."""
    pending = history.pending_rework
    attempt, related = 0, None
    if request.kind is Kind.REWORK:
        if pending is None:
            raise AutoresearchError(
                "there is no experiment to rework: the last one did not end in `rework`, "
                f"or was reworked {MAX_REWORKS} times",
                code="no_rework",
                hint="Leave --rework out to try the tree as a new experiment.",
            )
        attempt, related = pending.attempt + 1, pending.number
    if request.idea is not None and request.idea > history.last_note:
        raise AutoresearchError(
            f"there is no idea {request.idea}",
            code="no_idea",
            hint="`autoresearch brief` lists the open ideas; leave --idea out for a new one.",
        )
    return Begun(
        number=history.last_number + 1,
        message=request.message[:MESSAGE_LIMIT],
        kind=request.kind,
        hypothesis=None if request.hypothesis is None else request.hypothesis[:MESSAGE_LIMIT],
        idea=request.idea,
        related=related,
        attempt=attempt,
        parent=history.incumbent_commit,
        at=now_utc(),
        run=None if history.run is None else history.run.number,
    )


def snapshot_of(session: Session) -> Snapshot:
    """What differs from the incumbent in the working tree, each file's bytes read once."""
    incumbent = session.progress.incumbent_commit
    return take_snapshot(
        session.walk(),
        session.repo,
        session.tree(incumbent),
        covers=session.scope.covers,
        overrides=session.overrides,
    )


def prepare(session: Session, begun: Begun, plan: CandidatePlan) -> Prepared | Refused:
    """Build the candidate's commit and ref, unless it is the same program or was tried before."""
    repo, parent = session.repo, begun.parent
    if begun.kind is not Kind.AGAIN and _is_same(session, plan):
        paths = tuple(change.path for change in plan.changes)
        return Refused(Reason.SAME_PROGRAM, paths, "only comments or white space have changed")
    contents = [c.content for c in plan.changes if c.content is not None]
    commit = session.commit(plan.entries, commit_message(begun, session.name), contents)
    session.remember_tree(commit.tree, with_changes(session.tree(parent), plan.entries))
    patch, lines = gitdiff.difference(repo, parent, commit.oid)
    if begun.kind is Kind.SIMPLIFY and lines.removed <= lines.added:
        raise AutoresearchError(
            f"--simplify is for smaller code: lines +{lines.added} -{lines.removed}",
            code="not_simpler",
            hint="Leave --simplify out, or remove more than you add.",
        )
    patch_id = gitdiff.id_of_patch(patch)
    before = _tried_before(session, commit.tree, patch_id)
    earlier = before[0] if before else None
    if told := (foreign_changes(session).load() or {}).get(patch_id):
        session.news.append(f"another tool tried this very change, its experiment {told}")
    if earlier is not None and begun.kind is not Kind.AGAIN:
        words = formatting.verdict(earlier.verdict, earlier.reason)
        detail = f"tried before as experiment {earlier.number} ({words})"
        return Refused(Reason.DUPLICATE, (), detail, earlier.number)
    if earlier is not None and begun.related is None:
        begun = replace(begun, related=earlier.number)
    proven = next((one for one in before if _failed_guard_alone(one, commit.tree, parent)), None)
    if proven is not None and proven.kind is Kind.SIMPLIFY:
        begun = replace(begun, kind=Kind.SIMPLIFY)
    candidate = CandidateMade(
        commit=commit.oid,
        tree=commit.tree,
        patch_id=patch_id,
        changes=tuple(
            Changed(
                status=c.status.value,
                path=c.path,
                mode=c.new.mode if c.new else None,
                oid=c.new.oid if c.new else None,
            )
            for c in plan.changes
        ),
    )
    session.journal.begin(begun)
    _point_ref(session, begun.number, commit.oid)
    hashes = changed_lines(patch)
    near = session.index.near(hashes) if begun.kind is Kind.PLAIN else None
    near = near if near is not None and near.share >= NEAR_SHARE else None
    retest = len({tried.number for tried in before if tried.samples})
    return Prepared(begun, plan, candidate, patch, lines, hashes, retest, near, proven)


def foreign_changes(session: Session) -> Stored[dict[str, str]]:
    """Patch id -> number, status and words of another tool's experiment with that very change."""
    return Stored(session.places.foreign, dict[str, str])


def _is_same(session: Session, plan: CandidatePlan) -> bool:
    """Whether only comments and white space changed, which no metric of a program can show."""
    if may_count_source(session.contract):
        return False
    edited = [
        (change.path, change.old.oid, change.content)
        for change in plan.changes
        if change.old
        and change.new
        and change.old.mode == change.new.mode
        and change.content is not None
    ]
    if len(edited) < len(plan.changes):
        return False
    blobs = session.repo.blobs(oid for _, oid, _ in edited)
    return all(
        is_same_program(path, before, content)
        for (path, _, content), (_, before) in zip(edited, blobs, strict=True)
    )


def commit_message(begun: Begun, session: str) -> str:
    """The candidate's message: the agent's words, and trailers of ours."""
    lines = [clean_line(line, MESSAGE_LIMIT) for line in begun.message.splitlines()]
    subject, *body = lines or ["(no message)"]
    text = "\n".join([subject, "", *body]).rstrip() if body else subject
    if begun.hypothesis:
        text += f"\n\nHypothesis: {clean_line(begun.hypothesis, MESSAGE_LIMIT)}"
    trailers = f"Autoresearch-Session: {session}\nAutoresearch-Experiment: {begun.number}"
    return f"{text}\n\n{trailers}\n"


def _point_ref(session: Session, number: int, commit: str) -> None:
    """Point the experiment's ref at its candidate; what an interrupted try left there is kept."""
    ref = session.ref(number)
    there = gitrefs.at(session.repo, ref)
    if there == commit:
        return
    updates = [gitrefs.RefUpdate(ref, commit, there)]
    if there is not None:
        aside = f"refs/autoresearch/{session.name}/interrupted/{number:04d}-{there[:12]}"
        if gitrefs.at(session.repo, aside) is None:
            updates.append(gitrefs.RefUpdate(aside, there, None))
    gitrefs.update_refs(session.repo, updates, "autoresearch: try")


def _failed_guard_alone(tried: Tried, tree: str, parent: str) -> bool:
    return tried.reason is Reason.GUARD and (tried.tree, tried.parent) == (tree, parent)


def _tried_before(session: Session, tree: str, patch: str) -> list[Tried]:
    """The experiments of this epoch with this tree, then those with this very change."""
    found = (*session.index.by_tree(tree), *session.index.by_patch(patch))
    return [tried for tried in found if tried.epoch >= session.epoch.number]
