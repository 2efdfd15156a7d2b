"""The report as one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from autoresearch import __version__
from autoresearch.core import formatting
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import Tried
from autoresearch.core.model import Verdict
from autoresearch.reporting import charts
from autoresearch.reporting.chapters import chapters, headline, moved, summary
from autoresearch.reporting.night import Night, Traced

DENSE = 2_000
"""From so many experiments on, a row holds what is needed to find it, and no more."""

_MESSAGE, _SHORT = 400, 36


class TableRow(NamedTuple):
    """An experiment in the table; `exact` holds change, low and high as `log --json` has them."""

    number: int
    kind: str
    verdict: str
    exact: str
    estimate: str
    lines: str
    where: str
    took: str
    seconds: float
    message: str
    more: tuple[str, ...]
    diff: str | None


def page(night: Night, *, security: str = "", live: str = "", stamp: str = "") -> str:
    """The whole page.

    Args:
        night: what is shown.
        security: the section of the security ledger, as HTML; "" for none.
        live: where the page asks whether there is something new, "" for a page that asks nobody.
        stamp: the answer that says that there is not.

    Raises:
        AutoresearchError: `no_report_extra`.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415
        from markupsafe import Markup  # noqa: PLC0415 - extras, only where a page is made
    except ImportError as error:
        raise charts.NO_EXTRA from error
    made = Environment(
        loader=FileSystemLoader(charts.FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (charts.FOLDER / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    first, *rest = chapters(night)
    facts: dict[str, Any] = {
        "night": night,
        "goal": clean_line(night.contract.goal),
        "session": clean_line(night.session),
        "version": __version__,
        "headline": headline(night),
        "proven": night.history.validation is not None and night.history.validation.proven,
        "summary": summary(night),
        "review": first,
        "chapters": rest,
        "rows": _rows(night),
        "dense": len(night.experiments) > DENSE,
        "kinds": sorted({one.verdict.value for one in night.experiments}),
        "drawn": {
            name: Markup(charts.drawn_svg(spec, inline=True))  # noqa: S704 - drawn, not foreign
            for name, spec in _charts(night)
        },
        "security": Markup(security),  # noqa: S704 - escaped by `core.security.page`
        "themes": {name: charts.palette(name) for name in ("light", "dark")},
        "style": Markup((charts.FOLDER / "page.css").read_text("utf-8")),  # noqa: S704 - ours
        "script": Markup(script),  # noqa: S704 - ours
        "digest": digest,
        "live": live,
        "stamp": stamp,
    }
    return made.get_template("page.html.j2").render(facts)


def _charts(night: Night) -> Iterator[tuple[str, dict[str, Any]]]:
    if night.experiments:
        yield "progress", charts.progress(night)
        noise = charts.noise(night)
        if noise is not None:
            yield "noise", noise


def _rows(night: Night) -> Iterator[TableRow]:
    dense = len(night.experiments) > DENSE
    for one, seen in zip(reversed(night.experiments), reversed(night.seen), strict=True):
        yield _row(one, seen, night, dense=dense)


def _row(one: Tried, seen: Traced, night: Night, *, dense: bool) -> TableRow:
    effect, words = one.effect, formatting.verdict(one.verdict, one.reason, one.flags)
    plain = one.verdict is Verdict.DISCARD and one.reason is not None
    exact = () if effect is None else (effect.change, effect.low, effect.high)
    return TableRow(
        number=one.number,
        kind=one.verdict.value,
        verdict=one.reason.value if dense and plain and one.reason else words,
        exact=" ".join(map(repr, exact)),
        estimate=_shown(one, night.unit, dense=dense),
        lines=f"+{one.lines_added} -{one.lines_removed}",
        where=f"{one.epoch} / {seen.machine or '-'}",
        took=formatting.duration(one.duration_s),
        seconds=one.duration_s,
        message=clean_line(one.message, _SHORT if dense else _MESSAGE),
        more=() if dense and one.number not in night.diffs else tuple(_more(one)),
        diff=night.diffs.get(one.number),
    )


def _shown(one: Tried, unit: str, *, dense: bool) -> str:
    """The estimate, whose interval is only in the exact numbers where there is no room."""
    if not dense or one.effect is None or one.verdict is not Verdict.DISCARD:
        return moved(one, unit)
    return formatting.change(one.effect.change, one.effect.scale, unit)


def _more(one: Tried) -> Iterator[str]:
    if one.hypothesis:
        yield f"Hypothesis: {clean_line(one.hypothesis)}"
    if one.detail:
        yield f"Why: {re.sub(r'[.]$', '', clean_line(one.detail))}."
    commit, sandbox = formatting.short_hash(one.commit), clean_line(one.sandbox, 40)
    yield f"{one.at}, commit {commit}, sandbox {sandbox}"
