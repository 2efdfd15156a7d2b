"""A race written down as it is run, so that an interrupted one goes on where it was.

What chance decided is written before it is used, what was measured as soon as it is there. Played
back, it is the same race: same question, same coins, same seeds, same samples, then the next one.
Nothing can be drawn again for having looked bad, so going on costs no more of alpha.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA, Arm, Sample
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import append_once, atomic_write, keep_newest, named_errors
from autoresearch.edges.stored import set_aside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autoresearch.core.question import Question, Randomness


T = TypeVar("T")


class RaceSetting(Struct, frozen=True, kw_only=True):
    """What must be the same for a race to go on; `_WORDS` names it where it is not.

    Attributes:
        simplify: whether the candidate is asked to be no worse, instead of better.
        retest: how often this tree was raced before: each time with a smaller alpha.
    """

    machine: str
    rule: int
    epoch: int
    contract_sha256: str
    environment_sha256: str
    sandbox: str
    incumbent: str
    candidate: str
    simplify: bool
    retest: int


_ASIDE = ".set-aside"
_MOST_ASIDE = 20

_WORDS = {
    "machine": "the machine is another, or was started anew",
    "rule": "the decision rule is of another version",
    "epoch": "the evaluator is another",
    "contract_sha256": "the contract is another",
    "environment_sha256": "the environment is another",
    "sandbox": "the sandbox is another",
    "simplify": "it is asked for otherwise",
    "incumbent": "the incumbent is another",
    "candidate": "the candidate is another",
    "retest": "it ended since",
}


class Tape:
    """The coins, the question and the samples of one race, oldest first.

    Args:
        randomness: of what is drawn anew.
        path: where it is written; None keeps it nowhere.
        entries: what is played back before anything is drawn or measured.
    """

    def __init__(
        self, randomness: Randomness, path: Path | None = None, entries: tuple[Any, ...] = ()
    ) -> None:
        self.path = path
        self.samples = sum("sample" in entry for entry in entries)
        self._randomness = randomness
        self._entries = entries
        self._next = 0
        self._warm = not self.samples

    def getrandbits(self, bits: int, /) -> int:
        """A number of so many random bits: the one that was drawn, or a fresh one."""
        found = self._played("draw")
        if found is not None:
            if found["bits"] != bits:
                raise self._unfit("a draw of other size")
            return int(found["draw"])
        drawn = self._randomness.getrandbits(bits)
        self._add({"draw": drawn, "bits": bits})
        return drawn

    def asked(self, kind: type[Question], ask: Callable[[], Question]) -> Question:
        """The race's question as it was first asked."""
        found = self._played("question")
        if found is not None:
            return self._read(found["question"], kind)
        question = ask()
        self._add({"question": wire.to_object(question)})
        return question

    def sample(self, arm: Arm, take: Callable[[], Sample], warm_up: Callable[[], object]) -> Sample:
        """The sample of an arm: the one that was taken, or a fresh one."""
        found = self._played("sample")
        if found is not None:
            sample = self._read(found["sample"], Sample)
            if sample.arm is not arm:
                raise self._unfit(f"a sample of arm {sample.arm.value}")
            return sample
        if not self._warm:
            self._warm = True
            warm_up()
        sample = take()
        self._add({"sample": wire.to_object(sample), "at": now_utc()})
        return sample

    def _played(self, what: str) -> dict[str, Any] | None:
        if self._next == len(self._entries):
            return None
        entry = self._entries[self._next]
        if what not in entry:
            raise self._unfit("something else")
        self._next += 1
        return dict(entry)

    def _read(self, value: object, kind: type[T]) -> T:
        try:
            return wire.convert(value, kind)
        except ValueError as error:
            raise self._unfit(f"a {kind.__name__.lower()} that cannot be read ({error})") from error

    def _add(self, entry: dict[str, Any]) -> None:
        if self.path is not None:
            append_once(self.path, _line(entry), sync=False)

    def _unfit(self, what: str) -> AutoresearchError:
        if self.path is not None:
            discard(self.path)
        return AutoresearchError(
            f"the interrupted race holds {what} where this version does not expect it",
            code="race_changed",
            hint="It is set aside; repeat the command, and the race starts anew.",
        )


def open_tape(path: Path, setting: RaceSetting, randomness: Randomness) -> tuple[Tape, str]:
    """The tape of a race, played back from where an interrupted one of this setting is kept."""
    found, why = _read(path, setting)
    if found is None:
        if why:
            discard(path)
        head = {"schema": SCHEMA, "at": now_utc(), "setting": wire.to_object(setting)}
        atomic_write(path, _line(head), mode=0o600, sync=False)
        found = ()
    return Tape(randomness, path, found), why


def kept_in(folder: Path) -> tuple[Path, ...]:
    """The tapes that lie in a folder, those that were set aside among them."""
    return tuple(
        sorted(path for path in folder.glob("*") if path.suffix == ".jsonl" or _ASIDE in path.name)
    )


def may_go_on(path: Path, incumbent: str) -> bool:
    """Whether the race on this tape may ever be gone on with, by its name and its incumbent.

    One that cannot be read counts as one that may: `open_tape` sets it aside and says so.
    """
    if _ASIDE in path.name:
        return False
    try:
        with path.open("rb") as file:
            head = wire.loads(file.readline().decode("ascii"))
        return wire.convert(head.get("setting"), RaceSetting).incumbent == incumbent
    except (OSError, ValueError):
        return True


def discard(path: Path) -> None:
    """Move a tape that is not gone on with out of the way; nothing there is no failure."""
    set_aside(path, path.with_name(f"{path.stem}{_ASIDE}"))
    keep_newest(path.parent, files=_MOST_ASIDE, pattern=f"*{_ASIDE}-*")


def _read(path: Path, setting: RaceSetting) -> tuple[tuple[Any, ...] | None, str]:
    with named_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None, ""
    # Half a line at the end is a sample that nobody has seen.
    whole = content[: content.rfind(b"\n") + 1]
    try:
        head, *entries = [wire.loads(line.decode("ascii")) for line in whole.splitlines()]
        before = wire.convert(head.get("setting"), RaceSetting)
    except ValueError:
        return None, "what was kept of it cannot be read"
    names = RaceSetting.__struct_fields__
    differing = [name for name in names if getattr(before, name) != getattr(setting, name)]
    if differing == ["simplify"]:
        raise _asked_otherwise(simplify=before.simplify)
    if differing:
        return None, _WORDS[differing[0]]
    if whole != content:
        atomic_write(path, whole, mode=0o600, sync=False)
    return tuple(entries), ""


def _asked_otherwise(*, simplify: bool) -> AutoresearchError:
    """Another question about the same samples would be a second chance."""
    how = "with" if simplify else "without"
    return AutoresearchError(
        f"a race of this very tree was interrupted that was asked for {how} --simplify",
        code="race_interrupted",
        hint=f"Repeat the command {how} --simplify: that race goes on.",
    )


def _line(entry: dict[str, Any]) -> bytes:
    return wire.dumps(entry).encode("ascii") + b"\n"
