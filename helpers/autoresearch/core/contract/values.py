"""What a session is about, as values: a Contract that exists was read and checked.

No field has a default: the reader fills in what the file leaves out, in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from autoresearch.core.model import Direction, Scale, Source


class Sandbox(str, Enum):
    """How much isolation the session asks for."""

    AUTO = "auto"
    REQUIRE = "require"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The one number that is optimised.

    Attributes:
        name: as verify prints it; ASCII.
        unit: shown beside values; "s" when the helper measures, "" when none was given.
        direction: which way it improves.
        source: verify's output, or the helper's own clock.
        target: value at which the session is done, in the metric's unit; None: no such value.
        min_effect: gain a keep needs at least; a fraction or the metric's unit, see next field.
        min_effect_relative: True: `min_effect` is a fraction of the incumbent's value.
        deterministic: whether equal code yields equal values; None: calibration finds out.
        pattern: regular expression with one group that holds the value in verify's output.
    """

    name: str
    unit: str
    direction: Direction
    source: Source
    target: float | None
    min_effect: float
    min_effect_relative: bool
    deterministic: bool | None
    pattern: str | None

    @property
    def scale(self) -> Scale:
        """How values are compared: by ratio, but shares in % and absolute gains by difference."""
        by_ratio = self.min_effect_relative and self.unit != "%"
        return Scale.RATIO if by_ratio else Scale.DIFFERENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Secondary:
    """A number that is watched beside the metric and may be bounded.

    Attributes:
        limit: largest loss against the epoch's baseline, a magnitude >= 0; None: watched only.
        limit_relative: True: `limit` is a fraction of the baseline's value, else the unit.
        name, unit, direction, source, pattern: as in Metric.
    """

    name: str
    unit: str
    direction: Direction
    source: Source
    limit: float | None
    limit_relative: bool
    pattern: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """A second verify command, on inputs that the agent does not see.

    Attributes:
        command: shell command that prints the same metric.
        every: it is asked on every so many-th keep, >= 1.
        limit: most that a keep may lose on it, a magnitude >= 0.
        limit_relative: True: `limit` is a fraction, else in the metric's unit.
        paths: absolute paths that it reads, hidden from every other command in a sandbox.
    """

    command: str
    every: int
    limit: float
    limit_relative: bool
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceRule:
    """How patient and how strict a race is.

    Attributes:
        alpha: largest share of worthless candidates that may be kept, in (0, 0.2].
        seconds: how long one race may take; decides the number of pairs when the next two are None.
        max_runs: most samples a candidate may cost, both arms together, >= 2.
        pairs: most pairs a race may take, >= 1. Never set together with `max_runs`.
    """

    alpha: float
    seconds: float
    max_runs: int | None
    pairs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Where the session ends by itself; None: not there.

    Attributes:
        experiments: most experiments of the session, >= 1.
        hours: most hours since its start, > 0.
        usd: most dollars that the agent may cost, > 0.
        tokens: most tokens that it may use, those read from a cache included, >= 1.
    """

    experiments: int | None
    hours: float | None
    usd: float | None
    tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Goal, metric, commands, scope and budget of a session; `autoresearch.yaml`, checked.

    Attributes:
        session: names branch, refs and folders; kebab-case.
        verify: shell command that yields the metric; one execution is a sample.
        guard: shell command that must pass before a keep.
        final_guard: shell command that `validate` runs on the last commit, such as all tests.
        scope, protect: patterns of scope.py; `protect` takes out of `scope` again.
        same: shell command whose output must stay what the baseline's code prints.
        holdout: second verify command on unseen inputs, or None.
        profile: shell command that shows where the incumbent spends its cost.
        setup: shell command run once in each bench checkout.
        build: shell command run once a candidate, never timed.
        env: (name, value) added to the scrubbed environment, sorted by name.
        pass_through: names of variables let through from the user's environment, sorted.
        link: ignored directories that bench checkouts may read, relative to the root.
        cache: directories that survive between experiments in each bench checkout.
        timeout_s: of one sample.
        guard_timeout_s: of guard, final_guard and same.
        time_budget_s: handed to verify as its own budget, < timeout_s.
        simplify_loss: fraction that all `--simplify` keeps together may cost.
        stop_on_plateau: True: the plateau estimate ends the session instead of advising.
        sandbox: whether commands run confined: where it works, always, or never.
        network: whether all commands may reach the network, or only set-up, while confined.
    """

    session: str
    goal: str
    metric: Metric
    verify: str
    guard: str | None
    final_guard: str | None
    scope: tuple[str, ...]
    protect: tuple[str, ...]
    secondary: tuple[Secondary, ...]
    same: str | None
    holdout: Holdout | None
    profile: str | None
    setup: str | None
    build: str | None
    env: tuple[tuple[str, str], ...]
    pass_through: tuple[str, ...]
    link: tuple[str, ...]
    cache: tuple[str, ...]
    timeout_s: float
    guard_timeout_s: float
    time_budget_s: float | None
    race: RaceRule
    simplify_loss: float
    budget: Budget
    stop_on_plateau: bool
    sandbox: Sandbox
    network: bool

    @property
    def commands(self) -> tuple[str, ...]:
        """All but the holdout, which sees what they do not."""
        every = (
            self.setup, self.build, self.verify, self.guard, self.final_guard, self.same,
            self.profile,
        )  # fmt: skip
        return tuple(command for command in every if command is not None)
