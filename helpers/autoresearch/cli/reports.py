"""Commands that show the night: report, watch."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from autoresearch.cli.app import answers, printable
from autoresearch.core import formatting
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import WIDE_BYTES, Answer
from autoresearch.core.security import page as audit
from autoresearch.core.security.overview import Overview
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write
from autoresearch.edges.places import shown_path
from autoresearch.loop.session import environment, reading
from autoresearch.reporting import chapters, formats
from autoresearch.reporting.night import Night, gathered
from autoresearch.reporting.scene import Scene, scene_of
from autoresearch.security import books

PICTURES = {"html", "png", "svg"}
FORMATS = ("html", "md", "png", "svg", "tsv", "csv", "json")


@click.command("watch")
@answers
def watch_command() -> Answer:
    """Watch the session in the terminal: progress, the race that is running, what is left.

    `q` ends it. It costs the measurement nothing: it is drawn seldom, and stands still while
    samples of less than a second run. Without a terminal it shows one picture in plain text.

    Example: autoresearch watch
    """
    from autoresearch.reporting import watching  # noqa: PLC0415 - the terminal's library

    as_json = bool(click.get_current_context().meta.get("json"))
    plain = as_json or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    found = _scene()
    if plain:
        text = watching.frame_text(found)
        return Answer(
            lines=tuple(text.splitlines()),
            data={"shown": text},
            next_step="`autoresearch status` says the same in words",
            max_lines=60,
            max_bytes=WIDE_BYTES,
        )
    with contextlib.suppress(KeyboardInterrupt):  # how it may be ended
        watching.watch(_scene)
    raise click.exceptions.Exit(0)


def _scene() -> Scene:
    with reading("watch") as session:
        return scene_of(session)


def _security() -> Overview | None:
    """What the ledger of an audit says, where there is one."""
    try:
        with books.reading(Path.cwd(), environment()) as found:
            return found.overview()
    except AutoresearchError as error:
        if error.code != "no_ledger":
            raise
        return None


def _night() -> Night:
    with reading("report") as session:
        return gathered(session, at=now_utc(), security=_security())


def _section(night: Night) -> str:
    return "" if night.security is None else audit.section(night.security)


def _html(night: Night, live: str = "", stamp: str = "") -> str:
    from autoresearch.reporting import webpage  # noqa: PLC0415 - only where a page is made

    return webpage.page(night, security=_section(night), live=live, stamp=stamp)


def _made(night: Night, kind: str, *, udit: bool) -> bytes:
    """The report in one of its formats."""
    if kind in {"png", "svg"}:
        from autoresearch.reporting import charts  # noqa: PLC0415 - only where one is drawn

        spec = charts.progress(night)
        return charts.drawn_png(spec) if kind == "png" else charts.drawn_svg(spec).encode()
    audited = night.security
    texts: dict[str, Callable[[], str]] = {
        "html": lambda: _html(night),
        "md": lambda: chapters.markdown(
            night, lambda: "" if audited is None else audit.markdown(audited)
        ),
        "tsv": lambda: formats.as_tsv(night, udit=udit),
        "csv": lambda: formats.as_csv(night),
        "json": lambda: formats.json_text(night),
    }
    return texts[kind]().encode("utf-8", "replace")


@click.command("report")
@answers
@click.option("--format", "kind", type=click.Choice(FORMATS), default="html", show_default=True)
@click.option(
    "-o", "--output", help="File to write; `-` for stdout. Text goes there anyway, a page does not."
)
@click.option(
    "--columns",
    type=click.Choice(["karpathy", "uditgoenka"]),
    default="karpathy",
    help="Of the TSV.",
)
@click.option("--serve", is_flag=True, help="Show the page on loopback; it refreshes by itself.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="For --serve; 0 is any.")
def report_command(
    kind: str, output: str | None, columns: str, *, serve: bool, port: int
) -> Answer:
    """Write what the night left: one page that holds all of it.

    The page, PNG and SVG go to a file in the state folder, which is named; md, tsv, csv and json to
    stdout. Nothing in the session changes, and a running race is not waited for.

    Example: autoresearch report --output night.html
    """
    if serve:
        return _serve(port)
    content = _made(_night(), kind, udit=columns == "uditgoenka")
    as_json = bool(click.get_current_context().meta.get("json"))
    if output == "-" or (output is None and kind not in PICTURES and not as_json):
        _to_stdout(content, picture=kind == "png")
    with reading("report") as session:
        path = Path(output) if output else session.places.state / f"report.{kind}"
    atomic_write(path.absolute(), content, mode=0o600)
    return Answer(
        lines=(f"report: {shown_path(path.absolute())} ({formatting.size(len(content))})",),
        data={"path": str(path.absolute()), "format": kind, "bytes": len(content)},
        next_step="open it in a browser"
        if kind == "html"
        else "`autoresearch report` makes a page",
    )


def _to_stdout(content: bytes, *, picture: bool) -> None:
    """Print the report itself, and end."""
    if picture:
        sys.stdout.buffer.write(content)
    else:
        click.echo(printable(content.decode("utf-8")), nl=False)
    raise click.exceptions.Exit(0)


def _serve(port: int) -> Answer:
    """Show the page until it is interrupted."""
    from autoresearch.reporting.serving import ReportServer  # noqa: PLC0415 - only to serve

    with reading("report") as session:
        log = session.places.log

    def stamp() -> str:
        found = log.stat()
        return f"{found.st_size}-{found.st_mtime_ns}"

    def page(live: str, seen: str) -> str:
        return _html(_night(), live, seen)

    with ReportServer(port, page, stamp) as server:
        server.content()  # what stands in the way is said here, not in a browser
        facts = {"schema": 1, "ok": True, "url": server.address}
        as_json = click.get_current_context().meta.get("json")
        click.echo(json.dumps(facts) if as_json else f"report: {server.address}")
        click.echo("serving until Ctrl-C; whoever has this address can read it", err=True)
        with contextlib.suppress(KeyboardInterrupt):  # how it is ended
            server.serve_forever()
    raise click.exceptions.Exit(0)
