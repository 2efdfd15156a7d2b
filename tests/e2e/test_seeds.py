"""`AUTORESEARCH_SEED`: one a pair, the same for both programs, known to nobody before."""

from __future__ import annotations

from support.project import BENCH, make_project, set_cost, write_draft
from support.session import UNCONFINED, Helper


def test_seeds_are_fresh_and_the_same_for_both_programs(tmp_path):
    """One program gets easier inputs than the other; or inputs that it could learn by heart."""
    seen = tmp_path / "seen"
    repo = make_project(tmp_path / "r")
    repo.write(
        "bench.py",
        f"{BENCH}with open({str(seen)!r}, 'a') as file:\n"
        "    print(work.cost(), os.environ['AUTORESEARCH_SEED'], file=file)\n",
    )
    repo.commit()
    helper = Helper(repo)
    draft = write_draft(
        tmp_path,
        extra=f"env: {{NOISE: '0.01'}}\n{UNCONFINED}",
        metric="{name: cost, direction: lower}",
    )
    helper("init", str(draft))
    seen.unlink()
    set_cost(repo, 90)
    record = helper.attempt()
    runs = [tuple(map(int, line.split())) for line in seen.read_text().splitlines()]
    warm, *raced = runs
    pairs = [sorted(raced[at : at + 2]) for at in range(0, len(raced), 2)]
    assert len(pairs) > 1
    assert all([cost for cost, _ in pair] == [90, 100] for pair in pairs)
    seeds = [{seed for _, seed in pair} for pair in pairs]
    assert all(len(used) == 1 for used in seeds)
    used = [seed for each in seeds for seed in each]
    assert len({warm[1], *used}) == len(used) + 1
    assert record["race"]["seeds"] == used
