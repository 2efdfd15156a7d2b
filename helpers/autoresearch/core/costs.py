"""What the agent cost so far, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from autoresearch.core import formatting

if TYPE_CHECKING:
    from autoresearch.core.contract import Budget
    from autoresearch.core.history import Progress
    from autoresearch.core.model import Spent
    from autoresearch.core.records import Experiment


def metered(progress: Progress, record: Experiment) -> Progress:
    """The progress after one more experiment, as far as its cost goes."""
    spent = record.spent
    usd = None if spent is None else spent.usd
    return replace(
        progress,
        meter=record.meter or progress.meter,
        spent_tokens=progress.spent_tokens + (0 if spent is None else spent.tokens),
        spent_usd=progress.spent_usd + (usd or 0.0),
        unpriced=progress.unpriced + (spent is not None and usd is None),
        unmetered=progress.unmetered + (spent is None),
    )


def spent_words(spent: Spent) -> str:
    """What one experiment cost: `48 k tokens, $0.41`."""
    money = "dollars unknown" if spent.usd is None else formatting.dollars(spent.usd)
    return f"{formatting.tokens(spent.tokens)}, {money}"


def cost_line(progress: Progress) -> str:
    """What the experiments cost the agent, and each kept one; empty when nobody knows."""
    metered = progress.last_number - progress.unmetered
    if metered <= 0:
        return ""
    money = _money(progress, metered)
    amount = f"{formatting.tokens(progress.spent_tokens)}{money} for {metered}"
    known = "" if progress.unmetered == 0 else f" of {progress.last_number}"
    line = f"cost: {amount}{known} {'experiment' if metered == 1 and not known else 'experiments'}"
    each = per_keep(progress)
    return line if each is None else f"{line}; {each} for each kept change"


def per_keep(progress: Progress) -> str | None:
    """The cost of all experiments over the kept ones; None where it cannot be told."""
    if progress.kept_count == 0 or progress.unmetered:
        return None
    if progress.unpriced:
        return formatting.tokens(round(progress.spent_tokens / progress.kept_count))
    return formatting.dollars(progress.spent_usd / progress.kept_count)


def blind_spot(progress: Progress, budget: Budget, *, readable: bool) -> str:
    """Which budget cannot do its work, in one line; empty when all of them can."""
    named = [name for name in ("usd", "tokens") if getattr(budget, name) is not None]
    if named and not readable:
        return (
            f"budget.{' and budget.'.join(named)} cannot stop this run: the host provides no "
            "transcript to read the cost from"
        )
    if budget.usd is not None and progress.unpriced:
        number = formatting.count(progress.unpriced, "experiment")
        return (
            f"budget.usd leaves out {number} whose model has no known price: add it to "
            "prices.json, see docs/hooks.md"
        )
    return ""


def _money(progress: Progress, metered: int) -> str:
    if progress.unpriced == metered:
        return ", dollars unknown"
    known = f", {formatting.dollars(progress.spent_usd)}"
    return known if not progress.unpriced else f"{known} and {progress.unpriced} unknown"
