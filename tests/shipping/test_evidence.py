"""Evidence: an honest bundle verifies anywhere, and no kind of tampering goes unnoticed."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import pytest
from autoresearch.core.errors import GateFailed
from autoresearch.core.records import line_hash
from autoresearch.edges.gitrepo import to_bytes
from autoresearch.shipping import bundle
from autoresearch.shipping.bundle import EvidenceBundle
from autoresearch.shipping.verification import verify
from support.harness import Git
from support.night import four_keeps, open_night
from support.session import Helper

# --- what a forger does, in memory ----------------------------------------------------------------


class Forgery:
    """A bundle in a forger's hands, who may mend digests and hash chain after an edit."""

    def __init__(self, made: EvidenceBundle) -> None:
        self.statement = copy.deepcopy(made.statement)
        self.files = dict(made.files)

    @property
    def claims(self):
        """What the statement says."""
        return self.statement["predicate"]

    def lines(self):
        """The log's lines."""
        return [json.loads(line) for line in self.files["log.jsonl"].splitlines()]

    def kept(self, number):
        """The index of an experiment's line."""
        lines = enumerate(self.lines())
        return next(i for i, it in lines if it["kind"] == "experiment" and it["number"] == number)

    def of(self, kind):
        """The index of the first line of a kind."""
        return next(i for i, it in enumerate(self.lines()) if it["kind"] == kind)

    def write(self, lines):
        """Replace the log."""
        self.files["log.jsonl"] = "".join(
            json.dumps(line, separators=(",", ":")) + "\n" for line in lines
        )

    def edit(self, index, change):
        """Change a line of the log."""
        lines = self.lines()
        change(lines[index])
        self.write(lines)

    def file(self, beginning):
        """The first file whose name begins so."""
        return next(name for name in sorted(self.files) if name.startswith(beginning))

    def tree(self, commit):
        """The list of a commit's files."""
        text = self.files[f"commits/{commit}"]
        return f"trees/{text.split()[1]}.json"

    def listed(self, commit, change):
        """Change the list of a commit's files."""
        name = self.tree(commit)
        files = [json.loads(line) for line in self.files[name].splitlines()]
        change(files)
        self.files[name] = "".join(json.dumps(f, separators=(",", ":")) + "\n" for f in files)

    def rechain(self):
        """Make every line name the hash of the line before it."""
        prev, out = "0" * 64, []
        for line in self.lines():
            text = json.dumps({**line, "prev": prev}, separators=(",", ":"))
            prev = line_hash(text.encode())
            out.append(text + "\n")
        self.files["log.jsonl"] = "".join(out)
        self.claims["log"] = prev

    def redigest(self):
        """Make every subject name the digest of its file."""
        self.statement["subject"] = [
            {"name": name, "digest": {"sha256": hashlib.sha256(to_bytes(text)).hexdigest()}}
            for name, text in sorted(self.files.items())
        ]


def sample(forgery, number=2, place=0, by=0.5):
    def change(line):
        line["race"]["values"][place] -= by

    forgery.edit(forgery.kept(number), change)


def field(number, *path, to):
    """Set a field of an experiment's line."""

    def tamper(forgery):
        def change(line):
            inner = line
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = to(inner[path[-1]]) if callable(to) else to

        forgery.edit(forgery.kept(number), change)

    return tamper


def shipped(*path, to):
    """Set a field of the first branch, in log and statement alike."""

    def tamper(forgery):
        def change(branch):
            inner = branch
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = to(inner[path[-1]]) if callable(to) else to

        forgery.edit(forgery.of("shipment"), lambda line: change(line["branches"][0]))
        change(forgery.claims["shipped"])

    return tamper


def lines(change):
    """Change the list of lines."""

    def tamper(forgery):
        forgery.write(change(forgery.lines(), forgery))

    return tamper


def claim(key, to):
    def tamper(forgery):
        forgery.claims[key] = to(forgery.claims[key]) if callable(to) else to

    return tamper


def text(beginning, change):
    def tamper(forgery):
        name = forgery.file(beginning)
        forgery.files[name] = change(forgery.files[name])

    return tamper


def renamed(forgery):
    name = forgery.file("contracts/")
    content = forgery.files.pop(name).replace("max_runs: 8", "max_runs: 9")
    sha = hashlib.sha256(content.encode()).hexdigest()
    forgery.files[f"contracts/{sha}.yaml"] = content
    forgery.edit(forgery.of("epoch"), lambda line: line.update(contract_sha256=sha))
    forgery.claims["contract"] = sha


def recommitted(forgery):
    """Another author, and the commit's id made to fit."""
    commit = forgery.claims["commit"]
    content = forgery.files.pop(f"commits/{commit}").replace("Test Author", "Somebody Else")
    body = to_bytes(content)
    new = hashlib.sha1(b"commit %d\0" % len(body) + body).hexdigest()
    forgery.files[f"commits/{new}"] = content
    forgery.claims["commit"] = new


def evaluator(change):
    def tamper(forgery):
        tip = forgery.lines()[forgery.of("shipment")]["tip"]
        forgery.listed(tip, change)

    return tamper


def other_hash(files):
    next(f for f in files if f[0] == "bench.py")[3] = "0" * 64


def other_blob(files):
    next(f for f in files if f[0] == "bench.py")[2] = "0" * 40


def dropped_file(files):
    files.pop(0)


def executable(files):
    next(f for f in files if f[0] == "check.py")[1] = "100755"


def swapped(word):
    """The first pair of a race in the other order."""
    return word[1] + word[0] + word[2:]


def turned(values):
    return [*values[1:], values[0]]


TAMPERINGS = {
    "a sample": sample,
    "a sample of the incumbent": lambda f: sample(f, place=2),
    "a sample of the first race": lambda f: sample(f, number=1),
    "a sample by a hair": lambda f: sample(f, by=1e-9),
    "a dropped sample": field(2, "race", "values", to=lambda values: values[:-1]),
    "the order of an exact race": field(2, "race", "order", to="bab"),
    "the alpha": field(2, "race", "alpha", to=0.2),
    "the direction": field(2, "race", "direction", to="higher"),
    "the scale": field(2, "race", "scale", to="difference"),
    "the smallest gain": field(2, "race", "min_effect", to=0.5),
    "the number of pairs": field(2, "race", "pairs_planned", to=99),
    "the recorded value": field(2, "race", "recorded", to=lambda value: value + 1),
    "the pool": field(2, "race", "pool", to=[0.1] * 12),
    "the rule's version": field(2, "race", "rule", to=999),
    "the effect": field(2, "effect", "change", to=-0.5),
    "the interval": field(2, "effect", "low", to=-0.5),
    "the verdict": field(2, "verdict", to="discard"),
    "a reason": field(2, "reason", to="worse"),
    "the parent": field(2, "parent", to="0" * 40),
    "the number": field(2, "number", to=7),
    "the kind of a race": field(2, "experiment_kind", to="simplify"),
    "the retest": field(2, "retest", to=3),
    "a message": field(2, "message", to="a nicer message"),
    "a dropped record": lines(lambda found, f: [*found[: f.kept(3)], *found[f.kept(3) + 1 :]]),
    "a doubled record": lines(lambda found, f: [*found[: f.kept(2)], *found[f.kept(2) - 1 :]]),
    "records in another order": lines(
        lambda found, f: [
            *found[: f.kept(2)],
            found[f.kept(3)],
            found[f.kept(2)],
            *found[f.kept(4) :],
        ]
    ),
    "a record dropped at the end": lines(lambda found, _: found[:-1]),
    "the first record dropped": lines(lambda found, _: found[1:]),
    "a record from nowhere": lines(
        lambda found, f: [*found, {**found[f.kept(4)], "number": 5, "message": "never tried"}]
    ),
    "a newer schema": lambda f: f.edit(1, lambda line: line.update(schema=99)),
    "the validation's effect": lambda f: f.edit(
        f.of("validation"), lambda line: line["effect"].update(change=-0.5)
    ),
    "whether it was proven": lambda f: f.edit(
        f.of("validation"), lambda line: line.update(proven=not line["proven"])
    ),
    "a sample of the branch": shipped("race", "values", to=lambda v: [v[0] + 1, *v[1:]]),
    "both samples of a coin": shipped("race", "values", to=turned),
    "a coin of the branch": shipped("race", "order", to=swapped),
    "a seed of the branch": shipped("race", "seeds", to=lambda seeds: [seeds[0] + 1, *seeds[1:]]),
    "the machine of the branch": shipped("race", "machine", to="another"),
    "the effect of the branch": shipped("effect", "change", to=-0.5),
    "the guard of the branch": shipped("guard", "exit_code", to=1),
    "the experiments of the branch": shipped("experiments", to=[2]),
    "the base of the branch": shipped("base", to="0" * 40),
    "the tree of the branch": shipped("tree", to="0" * 40),
    "that it was validated": lambda f: (
        f.edit(f.of("shipment"), lambda line: line.update(validated=False)),
        f.claims.update(validated=False),
    ),
    "another tip": lambda f: f.edit(f.of("shipment"), lambda line: line.update(tip=line["base"])),
    "the contract": text(
        "contracts/", lambda content: content.replace("max_runs: 8", "max_runs: 9")
    ),
    "another contract": renamed,
    "no contract": lambda f: f.files.pop(f.file("contracts/")),
    "a file of the evaluator": evaluator(other_hash),
    "a blob of the evaluator": evaluator(other_blob),
    "a file less": evaluator(dropped_file),
    "a mode": evaluator(executable),
    "a commit's message": text("commits/", lambda content: content.replace("\n\n", "\n\nx", 1)),
    "another commit": recommitted,
    "a commit less": lambda f: f.files.pop(f.file("commits/")),
    "a tree less": lambda f: f.files.pop(f.file("trees/")),
    "a file more": lambda f: f.files.update({"trees/extra.json": ""}),
    "the branch's name": claim("branch", "refs/heads/other"),
    "the evaluator's digest": claim("evaluator", "0" * 64),
    "the arms' trees": claim("trees", lambda trees: trees[::-1]),
    "a verdict claimed": claim("verdicts", lambda found: [[1, "keep", "", 1], *found[1:]][:1]),
    "a claim more": lambda f: f.claims.update(gain="50 %"),
    "a claim less": lambda f: f.claims.pop("evaluator"),
    "a newer predicate": lambda f: f.statement.update(predicateType="urn:autoresearch:evidence:9"),
    "another statement": lambda f: f.statement.update(_type="https://example.org/Statement"),
    "a weaker digest": lambda f: f.statement["subject"][0]["digest"].update(md5="0"),
}
"""What is tampered with; each must be refused, whether or not digests and chain are mended."""


def shipped_night(helper):
    """Four keeps, validated, shipped, with the evidence of the first branch."""
    four_keeps(helper)
    helper("validate")
    helper("finalize")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture
def night(tmp_path):
    return open_night(tmp_path, shipped_night)


_MADE = {}


@pytest.fixture
def honest(night):
    """The bundle of the second branch, which stands on the first; made once."""
    if not _MADE:
        answer = night.helper.json("evidence")
        _MADE.update({one["branch"]: bundle.read(Path(one["path"])) for one in answer["bundles"]})
    return next(made for name, made in _MADE.items() if "/02-" in name)


def refused(forgery):
    try:
        verify(EvidenceBundle(forgery.statement, forgery.files), None)
    except GateFailed as error:
        return error
    return None


def test_no_tampering_goes_unnoticed(honest):
    """A bundle that was edited, with or without care for its digests and its hash chain."""
    assert len(TAMPERINGS) >= 40
    assert verify(honest, None).predicate.commit
    for name, tamper in TAMPERINGS.items():
        for mended in (False, True):
            forgery = Forgery(honest)
            tamper(forgery)
            changed = forgery.files != honest.files or forgery.statement != honest.statement
            assert changed, name
            if mended:
                forgery.rechain()
                if name != "a weaker digest":
                    forgery.redigest()
            error = refused(forgery)
            assert error is not None, (name, mended)
            assert error.exit_code == 4


def test_what_a_newer_tool_wrote_is_told_apart(honest):
    """A bundle of another version that reads as forged."""
    codes = {"a newer schema", "a newer predicate", "the rule's version"}
    found = set()
    for name in codes:
        forgery = Forgery(honest)
        TAMPERINGS[name](forgery)
        forgery.rechain()
        forgery.redigest()
        found.add(refused(forgery).code)
    assert found == {"newer_bundle", "newer_rule"}


def test_honest_bundle_verifies_elsewhere(night, tmp_path):
    """Evidence that only its maker can check, in one form only, or that no repository confirms."""
    helper = night.helper
    answer = helper.json("evidence")
    single = answer["bundles"][1]["path"]
    clone = Git(tmp_path / "elsewhere")
    night.repo("clone", "-q", "--mirror", str(night.repo.root), str(tmp_path / "mirror"))
    night.repo("clone", "-q", str(tmp_path / "mirror"), str(clone.root))
    clone("fetch", "-q", "origin", "refs/heads/*:refs/remotes/origin/*")
    other = Helper(clone)
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "s")}
    found = other.json("evidence", "verify", single, env=env)
    assert (found["decided"], found["trees_checked"]) == (9, False)  # 4 tries, 1 whole, 4 branches
    assert other.json("evidence", "verify", single, "--repo", str(clone.root), env=env)[
        "trees_checked"
    ]
    again = other.json("evidence", "verify", single, "--race", env=env)
    assert again["raced"]["change"] == again["effect"]["change"]
    folder = tmp_path / "folder"
    made = helper.json(
        "evidence", answer["bundles"][0]["branch"], "--output", str(folder), "--directory"
    )
    directory = made["bundles"][0]["path"]
    assert other.json("evidence", "verify", directory, env=env)["commit"]
    statement = json.loads((Path(directory) / "statement.json").read_text("ascii"))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    for subject in statement["subject"]:
        content = (Path(directory) / subject["name"]).read_bytes()
        assert subject["digest"] == {"sha256": hashlib.sha256(content).hexdigest()}
    (Path(directory) / "log.jsonl").write_text("")
    assert helper.error("evidence", "verify", directory, code=4) == "evidence_refused"
    assert helper.error("evidence", "verify", str(tmp_path / "none"), code=4) == "no_bundle"
    assert helper.error("evidence", "ship/none") == "no_branch"
    empty = Git.create(tmp_path / "empty")
    empty.write("a", "a")
    empty.commit()
    assert (
        helper.error("evidence", "verify", single, "--repo", str(empty.root), code=4)
        == "lost_commit"
    )
    assert helper("evidence", "verify", code=2).out == ""


def test_without_a_shipment_it_says_so(tmp_path):
    """Evidence of nothing."""
    assert open_night(tmp_path).helper.error("evidence") == "nothing_shipped"
