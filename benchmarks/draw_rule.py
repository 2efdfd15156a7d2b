"""Draw the figure of docs/decision.md: two simulated races, where they are kept and given up.

python benchmarks/draw_rule.py > docs/figures/boundary.svg
"""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

from autoresearch.core import boundary, race
from autoresearch.core.decision import Policy
from autoresearch.core.model import Direction, Scale
from autoresearch.core.stats import standardised, swap_scores
from simulation import Machine

PAIRS = 40
SEED = 5
POLICY = Policy(
    alpha=0.02,
    pairs=PAIRS,
    direction=Direction.LOWER,
    scale=Scale.RATIO,
    min_effect=0.0,
    seed=SEED,
)
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 330, 46, 36
LOW, HIGH = -2.5, 5.5
LANDSLIDE = race.landslide(POLICY.alpha, PAIRS).level


def x(pairs: float) -> float:
    """Where so many pairs lie."""
    return LEFT + (WIDTH - LEFT - 30) * pairs / PAIRS


def y(lead: float) -> float:
    """Where a lead lies."""
    return (HEIGHT - BOTTOM) * (HIGH - lead) / (HIGH - LOW)


def line(points: list[tuple[float, float]], style: str) -> str:
    """Return a line through pairs and leads."""
    path = " ".join(f"{x(pairs):.1f},{y(lead):.1f}" for pairs, lead in points)
    return f'<polyline points="{path}" fill="none" {style}/>'


def text(pairs: float, lead: float, words: str, anchor: str = "start") -> str:
    """Return words beside a point."""
    return (
        f'<text x="{x(pairs) + 6:.0f}" y="{y(lead) + 4:.0f}" text-anchor="{anchor}">{words}</text>'
    )


def leads(gain: float, seed: int) -> list[tuple[int, float]]:
    """Return how far a candidate leads after each pair, until its race ends."""
    pairs = Machine("gauss 5 %", Random(seed)).pairs(PAIRS, gain, Random(seed))
    used = race.judge(pairs, POLICY, ()).pairs
    scores = (swap_scores(pairs[:n], Direction.LOWER) for n in range(2, used + 1))
    return [(n, standardised(some)) for n, some in enumerate(scores, start=2)]


def keep_line() -> list[tuple[int, float]]:
    """Return the lead that a keep needs at each look, from the share of orders that cross there."""
    rng, found = Random(SEED), []
    pairs = Machine("gauss 5 %", rng).pairs(PAIRS, 0.0, rng)
    last = boundary.start(boundary.draws(POLICY.alpha))
    for n in filter(lambda n: race.is_look(n, PAIRS), range(1, PAIRS + 1)):
        scores, firsts = swap_scores(pairs[:n], Direction.LOWER), [one.first for one in pairs[:n]]
        alpha = POLICY.alpha - LANDSLIDE
        last = boundary.look(last, scores, firsts, planned=PAIRS, alpha=alpha, seed=SEED)
        if last.needed:
            found.append((n, NormalDist().inv_cdf(1 - last.needed)))
    return found


def give_up_line() -> list[tuple[int, float]]:
    """Return the lead below which a race is given up."""
    found = []
    for n in range(math.ceil(PAIRS / 4), PAIRS):
        grid = [LOW + 0.02 * step for step in range(int((HIGH - LOW) / 0.02))]
        found.append((n, next(lead for lead in grid if not race.is_hopeless_lead(lead, n, POLICY))))
    return found


def main() -> None:
    """Print the figure."""
    keep, give_up = keep_line(), give_up_line()
    worth, idle = leads(0.04, 9), leads(0.0, 12)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" fill="#444">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        line([(0, 0), (PAIRS, 0)], 'stroke="#bbb"'),
        line(keep, 'stroke="#0a7a3d" stroke-width="2.5"'),
        line(give_up, 'stroke="#b3261e" stroke-width="2.5"'),
        line(worth, 'stroke="#0a7a3d" stroke-dasharray="5 3"'),
        line(idle, 'stroke="#b3261e" stroke-dasharray="5 3"'),
        text(keep[2][0] + 1, keep[2][1] + 0.3, "kept above this line"),
        text(give_up[3][0], give_up[3][1] - 0.7, "given up below this line"),
        text(worth[-1][0], worth[-1][1] + 0.35, "4 % faster"),
        text(idle[-1][0], idle[-1][1] - 0.3, "no different"),
    ]
    parts += [
        f'<text x="{x(n):.0f}" y="{HEIGHT - 18}" text-anchor="middle">{n}</text>'
        for n in range(0, PAIRS + 1, 10)
    ]
    parts += [
        f'<text x="{LEFT - 12}" y="{y(n) + 4:.0f}" text-anchor="end">{n}</text>'
        for n in range(-2, 5)
    ]
    parts.append(f'<text x="{x(PAIRS / 2):.0f}" y="{HEIGHT - 3}" text-anchor="middle">pairs</text>')
    parts.append('<text x="4" y="14">lead, in standard errors</text></svg>')
    print("\n".join(parts))


if __name__ == "__main__":
    main()
