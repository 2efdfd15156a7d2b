"""Every key of the contract, declared once: type, bounds, default, meaning, what it belongs to.

The reader, the differences that `amend` shows, the contract in words, the brief, the screening of
commands and the tables of docs/contract.md (`make docs`, from the text below a field) follow from
these declarations. What a key does is written where it is used: `planning.rehearsal` tries it, the
loop applies it. A field `…_relative` is no key of the file: it tells how the one before it was
written.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, NamedTuple, get_args

from msgspec import Meta, Struct, field
from msgspec.structs import fields

from autoresearch.core.contract import scalars
from autoresearch.core.contract.scalars import Notation
from autoresearch.core.model import Direction, Scale, Source


class Key(NamedTuple):
    """What the type of a key does not say.

    Attributes:
        starts_epoch: whether values measured under another value of it cannot be compared: a change
            starts a new epoch. Otherwise it only bounds, ends or describes.
        gives_verdict: whether its command decides about a candidate.
        said: what the contract in words says where the key is set, `{}` for the value; "" where
            `prose` says it.
        briefed: the line of the brief about it, `{}` for the value; "" for none of this form.
        noun: what a text that does not match the pattern is not.
        remedy: what to write instead, where the kind does not say.
    """

    starts_epoch: bool = True
    gives_verdict: bool = False
    said: str = ""
    briefed: str = ""
    noun: str = ""
    remedy: str = ""


class Sandbox(str, Enum):
    """How much isolation the session asks for."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


SAME_EPOCH = Key(starts_epoch=False)

Command = Annotated[str, scalars.COMMAND]
Duration = Annotated[float, Meta(gt=0, le=86_400), scalars.DURATION]
Expression = Annotated[str, Meta(max_length=200), scalars.EXPRESSION]
Least = Annotated[float, scalars.LEAST]
Limit = Annotated[float, scalars.LIMIT]
Listed = Meta(max_length=100)
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,39}$")]
Branch = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]


class Reported(Struct, frozen=True, kw_only=True):
    """A number of verify: what the metric and the secondary metrics have in common."""

    name: Annotated[
        Name,
        Key(
            noun="a valid name of a metric",
            remedy="Use at most 40 ASCII letters, digits, dots and underscores, such as parse_ms.",
        ),
    ]
    """As `verify` prints it: `METRIC parse_ms=41.7`. Each metric needs a name of its own."""
    unit: Annotated[str, Meta(max_length=16), scalars.UNIT] = ""
    """Shown with values. It is seconds unless `source` is output."""
    direction: Direction
    """Which way is better."""
    source: Source = Source.OUTPUT
    """Where the value comes from: what `verify` prints, or its CPU or elapsed seconds as the helper
    measures them."""
    pattern: Expression | None = None
    """Finds the value in the output. Only with `source: output`."""


class Metric(Reported, frozen=True, kw_only=True):
    """The one number that is optimised."""

    target: Annotated[float | None, SAME_EPOCH] = None
    """Metric only: the session ends when this value is reached."""
    min_effect: Annotated[Least, SAME_EPOCH] = 0.0
    """Metric only: the smallest gain that a keep needs."""
    min_effect_relative: bool = True
    deterministic: bool | None = None
    """Metric only: whether equal code gives equal values. If not set, calibration finds out."""

    @property
    def scale(self) -> Scale:
        """How values are compared: by ratio, but shares in % and absolute gains by difference."""
        by_ratio = self.min_effect_relative and self.unit != "%"
        return Scale.RATIO if by_ratio else Scale.DIFFERENCE


class Secondary(Reported, frozen=True, kw_only=True):
    """A number that is watched beside the metric and may be bounded."""

    limit: Annotated[Limit | None, SAME_EPOCH] = None
    """Secondary only: the largest loss allowed against the epoch's baseline."""
    limit_relative: bool = True


class Holdout(Struct, frozen=True, kw_only=True):
    """A second verify command, on inputs that the agent does not see."""

    command: Command
    """Prints the same metric as `verify`, by the same rules."""
    every: Annotated[int, Meta(ge=1, le=100), SAME_EPOCH] = 1
    """Measured at every n-th keep only."""
    limit: Annotated[Least, SAME_EPOCH] = 0.01
    """The most that a keep may lose on it, as proven. Small losses add up."""
    limit_relative: bool = True
    paths: Annotated[tuple[str, ...], scalars.ABSOLUTE] = field(default=(), name="reads")
    """What the command reads besides the absolute paths it names. A sandbox hides all of these from
    every other command."""


class Patience(str, Enum):
    """How soon a race that will hardly become a keep is given up."""

    SHORT = "short"
    NORMAL = "normal"
    LONG = "long"
    FULL = "full"


class RaceRule(Struct, frozen=True, kw_only=True):
    """How patient and how strict a race is."""

    alpha: Annotated[float, Meta(gt=0, le=0.2), scalars.FRACTION] = 0.02
    """The share of worthless candidates that may be kept; `2%` is 0.02."""
    seconds: Annotated[float, Meta(le=86_400), scalars.AUTO_DURATION] = scalars.AUTO_S
    """How long one race may take. `auto`: as long as the agent thinks between experiments (60 s
    until that is known, at least 30 s), within the budget of hours. Eight pairs fit in any case,
    unless a sample takes more than 30 s."""
    max_runs: Annotated[int, Meta(ge=2, le=200)] | None = None
    """The most samples that one race may take, of both programs together."""
    pairs: Annotated[int, Meta(ge=1, le=100)] | None = None
    """The most pairs a race may take. Not together with `max_runs`."""
    patience: Patience = Patience.NORMAL
    """How soon a race is given up that will hardly become a keep: a worthless candidate takes
    about 45 % (`short`), 50 % (`normal`), 60 % (`long`) or all (`full`) of the pairs."""


class Budget(Struct, frozen=True, kw_only=True):
    """Where the session ends by itself; None: not there."""

    experiments: Count | None = None
    """The session ends after this many experiments."""
    hours: Annotated[float, Meta(gt=0, le=8_760)] | None = None
    """The session ends after this many hours."""
    usd: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    """The session ends once its experiments have cost the agent this many dollars."""
    tokens: Tokens | None = None
    """The same in tokens, including those read from a cache."""


class StopWhen(str, Enum):
    """What ends the session beside its budget and target."""

    NEVER = "never"
    NOT_WORTH = "not_worth"


class ValueOfGain(Struct, frozen=True, kw_only=True):
    """What a gain is worth in money, so that a session can stop when it no longer pays."""

    percent: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    """What one per cent of gain is worth, in dollars: `brief` then says whether one more experiment
    pays."""
    hour: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    """What an hour of the session costs, in dollars, beside the agent itself."""


class Contract(Struct, frozen=True, kw_only=True):
    """Goal, metric, commands, scope and budget of a session; `autoresearch.yaml`, checked.

    `env` holds (name, value), sorted by name; `pass_through` is sorted too.
    """

    session: Annotated[
        Branch,
        Key(
            noun="a valid branch name",
            remedy="Write lower-case words joined by hyphens, such as parse-speed.",
        ),
    ]
    """Names the branch `autoresearch/<session>`, its refs and folders."""
    goal: Annotated[
        str, Meta(max_length=400), scalars.LINE, Key(starts_epoch=False, said="Goal: {}")
    ]
    """What the agent is told."""
    metric: Metric
    """The one number that is optimised."""
    verify: Annotated[Command, Key(gives_verdict=True, briefed="verify: {}")]
    """Yields the metric. One execution is a sample."""
    scope: Annotated[tuple[str, ...], Listed, scalars.SCOPED, Key(briefed="scope: {}")]
    """Files an experiment may change, at least one pattern. All others are protected."""
    protect: Annotated[
        tuple[str, ...], Listed, scalars.PATTERN, Key(briefed="protected within it: {}")
    ] = ()
    """Taken out of `scope` again."""
    secondary: Annotated[tuple[Secondary, ...], Listed] = ()
    """Numbers that are watched, and bounded by `limit`."""
    claim: Annotated[Name | None, SAME_EPOCH] = None
    """The secondary metric that `validate` speaks of. An exact count can decide, and the time that
    was asked for is claimed."""
    guard: Annotated[Command | None, Key(gives_verdict=True, briefed="guard: {}")] = None
    """Must pass before a keep."""
    final_guard: Annotated[
        Command | None,
        Key(starts_epoch=False, gives_verdict=True, said="Final guard, of the last commit: {}"),
    ] = None
    """`validate` runs it on the last commit, for example the whole test suite where the guard runs
    only part of it. It must also pass at `init`. `validate` reports a failure before the number."""
    same: Annotated[
        Command | None,
        Key(
            gives_verdict=True,
            said="Output that must not change: {}",
            briefed="same: the output of `{}` must not change",
        ),
    ] = None
    """Its output must stay, byte for byte, what the baseline's code prints (at most 8 MiB)."""
    setup: Annotated[Command | None, Key(said="Set-up of a bench checkout: {}")] = None
    """Runs once in each bench checkout, and again when its inputs change."""
    build: Annotated[Command | None, Key(said="Build, once a candidate: {}")] = None
    """Runs once per candidate and is never timed. A failure is a crash."""
    profile: Annotated[
        Command | None,
        Key(
            starts_epoch=False,
            said="Profiler: {}",
            briefed="profiler: `autoresearch profile` shows where the incumbent spends its cost",
        ),
    ] = None
    """What `autoresearch profile` runs on the incumbent."""
    holdout: Annotated[Holdout | None, Key(gives_verdict=True)] = None
    """A second verify on inputs that the agent does not see: a shell command, or a mapping. A keep
    must not lose on it. Keep its script and data outside the repository if you can."""
    transfer: Annotated[tuple[tuple[str, str], ...], SAME_EPOCH] = ()
    """Other workloads by name, each a command that prints the same metric: `{large: ./large.sh}`.
    `validate` races them too and says how much of the gain carries over."""
    env: Annotated[tuple[tuple[str, str], ...], Key(said="Environment: {}")] = ()
    """Added to the otherwise clean environment, and taken literally: `$HOME` is five characters."""
    pass_through: Annotated[tuple[str, ...], Key(said="Passed through: {}")] = field(
        default=(), name="env.pass"
    )
    """Names of variables that are passed through from your environment."""
    link: Annotated[
        tuple[str, ...], Listed, scalars.FOLDER, Key(said="Readable in bench checkouts: {}")
    ] = ()
    """Ignored folders that bench checkouts may read. They must exist."""
    cache: Annotated[
        tuple[str, ...], Listed, scalars.FOLDER, Key(said="Kept between experiments: {}")
    ] = ()
    """Folders of build outputs that survive between experiments. Each checkout has its own."""
    sandbox: Sandbox = Sandbox.AUTO
    """When commands run in a sandbox: where one works, always, or never. See `docs/sandbox.md`."""
    network: Annotated[bool, Key(said="Network: every command may use it.")] = False
    """Whether commands in a sandbox may use the network. `setup` always may."""
    timeout_s: Annotated[Duration, SAME_EPOCH] = field(default=120.0, name="timeout")
    """The longest that one sample may take. The default is added to `time_budget`."""
    guard_timeout_s: Annotated[Duration, SAME_EPOCH] = field(default=900.0, name="guard_timeout")
    """The longest that `guard`, `final_guard` and `same` may take, each."""
    time_budget_s: Duration | None = field(default=None, name="time_budget")
    """Passed to `verify`, for programs that run for as long as they are told. Must be below
    `timeout`."""
    race: Annotated[RaceRule, SAME_EPOCH] = RaceRule()
    simplify_loss: Annotated[
        float,
        Meta(ge=0, le=0.5),
        scalars.SHARE,
        Key(starts_epoch=False, said="Simplifications together may cost {}."),
    ] = 0.01
    """The most that all `--simplify` keeps together may cost."""
    budget: Annotated[Budget, SAME_EPOCH] = Budget()
    stop_on_plateau: Annotated[bool, SAME_EPOCH] = False
    """Whether the plateau estimate ends the session instead of advising."""
    worth: Annotated[ValueOfGain, SAME_EPOCH] = ValueOfGain()
    stop_when: Annotated[StopWhen, SAME_EPOCH] = StopWhen.NEVER
    """`not_worth` ends the session when one more experiment no longer pays. Needs `worth`."""
    notify: Annotated[
        Command | None, Key(starts_epoch=False, said="Told of keeps and ends: {}")
    ] = None
    """Gets one JSON object on its standard input at a keep, a violation, the end, and when a human
    is needed. Runs unconfined in your environment, never while something is measured."""

    @property
    def commands(self) -> tuple[str, ...]:
        """All but the holdout, which sees what they do not."""
        return tuple(command for key, command in commands_of(self) if key != "holdout")


class Term(NamedTuple):
    """A key as those see it who read, show or describe any.

    Attributes:
        name: in the file.
        field: of the Struct.
        kind: of its value, or of each item.
        bounds: of its value; of the list, where it is one.
        section: what its mapping, or each item, becomes.
        is_list: whether it holds several.
    """

    name: str
    field: str
    key: Key
    kind: Notation
    bounds: Meta
    section: type[Struct] | None
    is_list: bool


@functools.cache
def terms_of(section: type[Struct]) -> Mapping[str, Term]:
    """The keys of a section by their names in the file, in order."""
    return {
        one.encode_name: _term(one.encode_name, one.name, tuple(_parts(one.type)))
        for one in fields(section)
        if not one.name.endswith("_relative")
    }


def _term(name: str, of: str, parts: tuple[Any, ...]) -> Term:
    plain = next(part for part in parts if isinstance(part, type))
    kind = scalars.choice(plain) if issubclass(plain, Enum) else scalars.BY_TYPE.get(plain)
    return Term(
        name=name,
        field=of,
        key=next((part for part in parts if isinstance(part, Key)), Key()),
        kind=next((part for part in parts if isinstance(part, Notation)), kind or scalars.TEXT),
        bounds=next((part for part in parts if isinstance(part, Meta)), Meta()),
        section=plain if issubclass(plain, Struct) else None,
        is_list=Ellipsis in parts,
    )


def _parts(hint: Any) -> Iterator[Any]:  # noqa: ANN401  (a type hint has no narrower type)
    """The plain types in a type hint, and what they are annotated with."""
    arguments = get_args(hint)
    if not arguments:
        yield hint
    for argument in arguments:
        yield from _parts(argument)


def commands_of(contract: Contract) -> Iterator[tuple[str, str]]:
    """Each command of a contract with its key."""
    for name, term in terms_of(Contract).items():
        held = getattr(contract, term.field)
        if isinstance(held, Holdout):
            yield name, held.command
        elif name == "transfer":
            yield from ((f"transfer.{one}", command) for one, command in held)
        elif term.kind is scalars.COMMAND and held is not None:
            yield name, held


def verdict_keys() -> frozenset[str]:
    """The keys whose commands decide about a candidate."""
    return frozenset(name for name, term in terms_of(Contract).items() if term.key.gives_verdict)
