"""`evidence verify`: every verdict again from the samples, and every link of the bundle.

Nothing is run. What decides here is what decided then: the rules of `core`, each race by its own
version of them. The first difference is named, and nothing after it is looked at.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from msgspec.structs import replace

from autoresearch import __version__
from autoresearch.core import history, wire
from autoresearch.core.contract import Contract, parse
from autoresearch.core.decision import is_proven_better
from autoresearch.core.errors import AutoresearchError, CorruptLogError, GateFailed
from autoresearch.core.formatting import clean_line
from autoresearch.core.limits import recompute
from autoresearch.core.model import RULE, SCHEMA, Effect, Kind, RaceRecord
from autoresearch.core.noise import retest_alpha
from autoresearch.core.question import pairs_for, policy_of
from autoresearch.core.race import pairs_of
from autoresearch.core.records import (
    FIRST_PREV,
    SESSION,
    Ablation,
    Epoch,
    Experiment,
    Record,
    Shipment,
    Shipped,
    Transfer,
    Undo,
    Validation,
    line_hash,
)
from autoresearch.core.scope import compile_scope
from autoresearch.core.snapshot import Entry
from autoresearch.core.stats import effect_of
from autoresearch.core.suspicion import worth_of
from autoresearch.edges.gitrepo import object_id, to_bytes
from autoresearch.edges.gitwrite import tree_id
from autoresearch.loop.integrity import is_reproduced
from autoresearch.loop.session import CONTRACT_FILE
from autoresearch.shipping import bundle
from autoresearch.shipping.bundle import LOG, EvidenceBundle, Predicate, Texts
from autoresearch.shipping.words import digest_of

if TYPE_CHECKING:
    from autoresearch.core.history import Progress
    from autoresearch.edges.gitrepo import GitRepo

_FORMATS = {40: "sha1", 64: "sha256"}


class Verified(NamedTuple):
    """What a bundle proves.

    Attributes:
        tip: the session's commit whose evaluator measured.
        decided: how many races were decided again.
        trees_checked: whether a repository was at hand to compare the trees with.
    """

    predicate: Predicate
    contract: Contract
    tip: str
    decided: int
    trees_checked: bool


def refuse(what: str, *, code: str = "evidence_refused", hint: str = "") -> NoReturn:
    """Say what is wrong with a bundle."""
    hint = hint or "Ask whoever made it for the bundle again; `autoresearch evidence` writes it."
    raise GateFailed(f"refused: {what}", code=code, hint=hint)


def verify(found: EvidenceBundle, repo: GitRepo | None) -> Verified:
    """Check a bundle; raises GateFailed with the first difference."""
    predicate = _predicate(found)
    _require_digests(found)
    lines = _Lines(found.files)
    shipment, branch = lines.shipped(predicate)
    commits = _Commits(found.files)
    commits.require(lines, shipment, branch)
    contract = lines.contract
    evaluator = commits.evaluator(shipment.tip, contract)
    claimed = bundle.plain(predicate)
    again = bundle.plain(predicate_of(lines, shipment, branch, evaluator, predicate.tool))
    for key, value in again.items():
        if claimed[key] != value:
            refuse(f"the statement's `{key}` does not follow from the files")
    if repo is not None:
        _require_trees(repo, found.files, (branch.base, branch.commit, shipment.tip))
    return Verified(predicate, contract, shipment.tip, lines.decided, repo is not None)


def bundle_of(files: Texts, shipment: Shipment, branch: Shipped) -> EvidenceBundle:
    """The bundle of a branch, its statement made from the files alone."""
    lines, commits = _Lines(files), _Commits(files)
    evaluator = commits.evaluator(shipment.tip, lines.contract)
    predicate = predicate_of(lines, shipment, branch, evaluator, __version__)
    return EvidenceBundle(bundle.stated(predicate, files), files)


def predicate_of(
    lines: _Lines, shipment: Shipment, branch: Shipped, evaluator: str, tool: str
) -> Predicate:
    """What the files of a bundle say."""
    return Predicate(
        schema=SCHEMA,
        tool=tool,
        branch=branch.name,
        base=branch.base,
        commit=branch.commit,
        trees=(lines.tree_of(branch.base), branch.tree),
        contract=lines.contract_sha256,
        evaluator=evaluator,
        shipped=branch,
        validated=shipment.validated,
        log=lines.hashes[-1],
        verdicts=tuple(
            (r.number, r.verdict.value, r.reason.value if r.reason else "", _rule(r.race))
            for r in lines.records
            if isinstance(r, Experiment)
        ),
    )


def _rule(race: RaceRecord | None) -> int:
    return 0 if race is None else race.rule


def _predicate(found: EvidenceBundle) -> Predicate:
    statement = found.statement
    if statement.get("_type") != bundle.STATEMENT:
        refuse(f"`_type` is {clean_line(str(statement.get('_type')), 60)}")
    kind, held = statement.get("predicateType"), statement.get("predicate")
    schema = held.get("schema") if isinstance(held, dict) else None
    if kind != bundle.PREDICATE or (isinstance(schema, int) and schema > SCHEMA):
        refuse(
            f"it was written by another tool or a newer version ({clean_line(str(kind), 60)}, "
            f"schema {clean_line(str(schema), 20)})",
            code="newer_bundle",
            hint="Verify it with the version of autoresearch that wrote it, or a newer one.",
        )
    if set(statement) != {"_type", "subject", "predicateType", "predicate"}:
        refuse("the statement has other keys than an in-toto statement")
    try:
        predicate = wire.convert(held, Predicate)
    except ValueError as error:
        refuse(f"the predicate cannot be read: {clean_line(str(error), 200)}")
    if bundle.plain(predicate) != held:
        refuse("the predicate holds keys that do not belong there")
    return predicate


def _require_digests(found: EvidenceBundle) -> None:
    """Every file is a subject, every subject a file, and the digests fit."""
    subjects = found.statement["subject"]
    stated = {}
    for subject in subjects if isinstance(subjects, list) else []:
        digest = subject.get("digest") if isinstance(subject, dict) else None
        if not isinstance(digest, dict) or set(digest) != {"sha256"}:
            refuse("a subject has no SHA-256, or another digest beside it")
        if subject.get("name") in stated:
            refuse(f"the subject {clean_line(str(subject.get('name')), 80)} stands there twice")
        stated[subject.get("name")] = digest["sha256"]
    for name, text in sorted(found.files.items()):
        if hashlib.sha256(to_bytes(text)).hexdigest() != stated.pop(name, None):
            refuse(f"{clean_line(name, 80)} is not what its digest says")
    if stated:
        refuse(f"{clean_line(str(next(iter(stated))), 80)} is missing")


class _Lines:
    """The log of a bundle, read and decided again."""

    def __init__(self, files: Texts) -> None:
        self.files = files
        self.hashes: list[str] = [FIRST_PREV]
        self.records: list[Record] = []
        self.decided = 0
        self.contract_sha256 = ""
        self._contracts: dict[str, Contract] = {}
        self._pools: set[tuple[tuple[float, ...], int | None]] = {((), None)}
        self._planned: set[int] = set()
        self._read()
        self._decide()

    @property
    def contract(self) -> Contract:
        """The contract in force at the end."""
        return self._contracts[self.contract_sha256]

    def tree_of(self, commit: str) -> str:
        """The tree of a commit of the bundle."""
        return bundle.head_of(self.files.get(f"commits/{commit}", "")).get("tree", [""])[0]

    def shipped(self, predicate: Predicate) -> tuple[Shipment, Shipped]:
        """The branch that the statement is about, as the log has it."""
        for record in reversed(self.records):
            if isinstance(record, Shipment):
                for branch in record.branches:
                    if (branch.name, branch.commit) == (predicate.branch, predicate.commit):
                        return record, branch
        refuse("the log tells of no such branch")

    def _read(self) -> None:
        text = self.files.get(LOG, "")
        if not text.endswith("\n"):
            refuse("the log is missing, empty, or ends in half a line")
        for number, line in enumerate(text[:-1].split("\n"), 1):
            raw = to_bytes(line)
            try:
                record, prev = SESSION.from_line(raw)
            except CorruptLogError as error:
                newer = "schema" in error.message and bool(error.hint)
                code = "newer_bundle" if newer else "evidence_refused"
                refuse(f"line {number} of the log: {error.message}", code=code, hint=error.hint)
            if prev != self.hashes[-1]:
                refuse(f"line {number} of the log does not follow the line before it")
            self.hashes.append(line_hash(raw))
            self.records.append(record)

    def _decide(self) -> None:
        """Reach every verdict again, in the state that the session was in."""
        progress: Progress | None = None
        kept: dict[int, Experiment] = {}
        for number, record in enumerate(self.records, 1):
            problem = self._problem(progress, record)
            if problem:
                refuse(f"line {number} of the log: {problem}")
            if isinstance(record, Experiment):
                kept[record.number] = record
            undone = kept.get(record.experiment) if isinstance(record, Undo) else None
            before = None if progress is None else progress.incumbent_commit
            try:
                progress = history.advance(progress, record, undone=undone)
            except CorruptLogError as error:
                refuse(f"line {number} of the log: {error.message}")
            if progress.incumbent_commit != before or isinstance(record, Epoch):
                self._pools, self._planned = {((), None)}, set()
            noise = progress.noise
            self._pools |= {(noise.ratio, noise.fresh), (noise.difference, noise.fresh)}
            if progress.walls:
                self._planned.add(pairs_for(self.contract, progress.sample_s, progress))

    def _problem(self, progress: Progress | None, record: Record) -> str:
        """Why a record does not follow from its samples; empty where it does."""
        if isinstance(record, Epoch):
            return self._adopted(record)
        if progress is not None and isinstance(record, Experiment):
            return self._experiment(progress, record)
        wrong = ""
        if isinstance(record, Validation) and not self._is_valid(record):
            wrong = "the validation"
        elif isinstance(record, Transfer) and not self._is_estimate(record.race, record.effect):
            wrong = f"the race at {record.workload}"
        elif isinstance(record, Ablation) and not self._is_ablated(record):
            wrong = f"the answer without experiment {record.experiment}"
        elif isinstance(record, Shipment):
            wrong = next((b.name for b in record.branches if not self._is_shipped(b)), "")
            wrong = wrong or ("" if _is_of(progress, record) else "the shipment")
        return f"{wrong} does not follow from what was measured" if wrong else ""

    def _is_valid(self, record: Validation) -> bool:
        proven = is_proven_better(record.effect, self.contract.metric.direction)
        return proven is record.proven and self._is_estimate(record.race, record.effect)

    def _is_ablated(self, record: Ablation) -> bool:
        if record.race is None:
            return record.effect is None
        if not self._is_estimate(record.race, record.effect):
            return False
        pairs = pairs_of(record.race.order, record.race.values)
        return (record.p_value, record.doubtful) == worth_of(pairs, self.contract.metric.direction)

    def _adopted(self, record: Epoch) -> str:
        text = self.files.get(f"contracts/{record.contract_sha256}.yaml")
        content = b"" if text is None else to_bytes(text)
        if hashlib.sha256(content).hexdigest() != record.contract_sha256:
            return "the contract of the epoch is missing, or another one"
        self.contract_sha256 = record.contract_sha256
        try:
            self._contracts[record.contract_sha256] = parse(
                content.decode("utf-8"), name="contract"
            )
        except (AutoresearchError, UnicodeDecodeError) as error:
            return f"the contract cannot be read: {clean_line(str(error), 200)}"
        return ""

    def _experiment(self, progress: Progress, record: Experiment) -> str:
        what = f"experiment {record.number}"
        if record.parent != progress.incumbent_commit:
            return f"{what} was raced against another commit than the incumbent"
        for race in (record.race, record.first_race):
            if race is not None and race.rule > RULE:
                refuse(
                    f"{what} was decided by version {race.rule} of the rule; this version knows "
                    f"up to {RULE}",
                    code="newer_rule",
                    hint="Verify it with a newer version of autoresearch.",
                )
        if not is_reproduced(record):
            return f"{what}: its samples do not lead to its verdict"
        self.decided += record.race is not None
        if record.first_race is not None and not recompute(record.first_race).keep:
            return f"{what}: its first race was no keep"
        return "" if record.race is None else self._question(progress, record, record.race)

    def _question(self, progress: Progress, record: Experiment, race: RaceRecord) -> str:
        """Why a race was asked something else than the contract says; empty where it was not."""
        what, contract = f"experiment {record.number}", self.contract
        alpha = retest_alpha(contract.race.alpha, record.retest)
        policy = policy_of(contract, pairs=race.pairs_planned, alpha=alpha)
        hope = race.hope if race.rule == RULE else policy.hope
        asked = (race.alpha, race.direction, race.scale, race.min_effect, hope)
        wanted = (policy.alpha, policy.direction, policy.scale, policy.min_effect, policy.hope)
        if asked != wanted:
            return f"{what}: level, direction, scale, patience or least gain are not the contract's"
        if not any(
            race.pool == pool and race.fresh in {None, fresh} for pool, fresh in self._pools
        ):
            return f"{what}: its borrowed differences are not those of the races before"
        if race.rule == RULE and self._planned and race.pairs_planned not in self._planned:
            return f"{what}: it was planned for another number of pairs"
        if race.deterministic and progress.incumbent_value not in {None, race.recorded}:
            return f"{what}: the incumbent's recorded value is another"
        if (record.kind is Kind.SIMPLIFY) is (race.allowed is None):
            return f"{what}: it was asked for otherwise than it was decided"
        return ""

    def _is_shipped(self, branch: Shipped) -> bool:
        if branch.race is None:
            return branch.effect is None
        guarded = branch.guard is None or branch.guard.passed
        return guarded and self._is_estimate(branch.race, branch.effect)

    def _is_estimate(self, race: RaceRecord, effect: Effect | None) -> bool:
        """Whether a race without an early end leads to its effect."""
        metric = self.contract.metric
        if (race.direction, race.scale) != (metric.direction, metric.scale):
            return False
        try:
            pairs = pairs_of(race.order, race.values)
        except ValueError:
            return False
        self.decided += 1
        whole = len(race.order) == 2 * len(pairs) == len(race.values) and len(pairs) > 0
        if not whole or len(race.seeds) != len(pairs):
            return False
        again = effect_of(pairs, race.scale)
        constant = len(pairs) > 1 and len({(p.incumbent, p.candidate) for p in pairs}) == 1
        return effect == again or (constant and effect == replace(again, level=1.0))


def _is_of(progress: Progress | None, record: Shipment) -> bool:
    """Whether a shipment is of the incumbent, and says rightly whether that was validated."""
    if progress is None or progress.incumbent_commit != record.tip:
        return False
    validation = progress.validation
    return record.validated is (validation is not None and validation.last == record.tip)


class _Commits:
    """The commits of a bundle and their files."""

    def __init__(self, files: Texts) -> None:
        self.files = files

    def require(self, lines: _Lines, shipment: Shipment, branch: Shipped) -> None:
        """The commits are what their ids say, and belong to log and race."""
        expected = {branch.base, branch.commit, shipment.tip}
        named = {n.partition("/")[2] for n in self.files if n.startswith("commits/")}
        if named != expected:
            refuse("the commits are not those of base, branch and session")
        trees = {lines.tree_of(commit) for commit in expected}
        known = {LOG, *(f"commits/{commit}" for commit in expected)}
        known |= {f"trees/{tree}.json" for tree in trees}
        known |= {
            f"contracts/{record.contract_sha256}.yaml"
            for record in lines.records
            if isinstance(record, Epoch)
        }
        if extra := sorted(set(self.files) - known):
            refuse(f"{clean_line(extra[0], 80)} does not belong to the bundle")
        for commit in sorted(expected):
            self._require_commit(commit)
        self._require_branch(lines, branch)

    def _require_commit(self, commit: str) -> None:
        text, form = self.files[f"commits/{commit}"], _FORMATS.get(len(commit), "sha1")
        if object_id(form, to_bytes(text), "commit") != commit:
            refuse(f"the commit {commit[:12]} is not what its id says")
        tree = bundle.head_of(text)["tree"][0]
        try:
            files = bundle.listed(self.files, tree)
        except ValueError as error:
            refuse(clean_line(str(error), 200))
        entries = {file.path: Entry(file.mode, file.oid) for file in files}
        if len(entries) != len(files) or tree_id(form, entries) != tree:
            refuse(f"the files of {commit[:12]} are not those of its tree {tree[:12]}")

    def _require_branch(self, lines: _Lines, branch: Shipped) -> None:
        text = self.files[f"commits/{branch.commit}"]
        head = bundle.head_of(text)
        if head["tree"] != [branch.tree] or head.get("parent") != [branch.base]:
            refuse("the branch's commit has another tree or parent than the log says")
        if bundle.trailers_of(text, "Log") not in [[known] for known in lines.hashes[1:]]:
            refuse("the branch's commit names another log")
        race = [] if branch.race is None else [digest_of(branch.race)]
        if bundle.trailers_of(text, "Race") != race:
            refuse("the branch's commit names another race")
        numbers = [str(number) for number in branch.experiments]
        if bundle.trailers_of(text, "Experiment") != numbers:
            refuse("the branch's commit names other experiments")

    def evaluator(self, tip: str, contract: Contract) -> str:
        """The digest of the files that measure; the contract's own file must be the contract."""
        tree = bundle.head_of(self.files.get(f"commits/{tip}", "")).get("tree", [""])[0]
        covers = compile_scope(contract.scope, contract.protect).covers
        try:
            files = [file for file in bundle.listed(self.files, tree) if not covers(file.path)]
        except ValueError as error:
            refuse(clean_line(str(error), 200))
        own = [file.sha256 for file in files if file.path == CONTRACT_FILE]
        if own and f"contracts/{own[0]}.yaml" not in self.files:
            refuse("the contract is not the one in the session's tree")
        return bundle.evaluator_digest(files)


def _require_trees(repo: GitRepo, files: Texts, commits: tuple[str, ...]) -> None:
    """The commits are in the repository, and their files have the content that is listed."""
    for commit in dict.fromkeys(commits):
        if repo.resolve(commit) is None:
            refuse(
                f"the commit {commit[:12]} is not in the repository",
                code="lost_commit",
                hint="Fetch the branch that the bundle is about, or verify without `--repo`.",
            )
        listed = {file.oid: file for file in bundle.listed(files, repo.tree_of(commit))}
        wanted = sorted(oid for oid, file in listed.items() if file.sha256)
        for oid, content in repo.blobs(wanted):
            if hashlib.sha256(content).hexdigest() != listed[oid].sha256:
                refuse(f"{clean_line(listed[oid].path)} of {commit[:12]} has another SHA-256")
