"""Metric reading: one well-formed value is read, and everything else is refused."""

from __future__ import annotations

import contextlib
import math
import time

import pytest
from autoresearch.core.errors import MetricError
from autoresearch.core.metrics import (
    Reading,
    read_checksums,
    read_metrics,
    read_secondary,
    read_units,
    require_units,
)
from hypothesis import given
from hypothesis import strategies as st


def read(stdout: bytes, *, pattern: str | None = None, name: str = "parse_ms") -> float:
    return read_metrics(stdout, truncated=False, primary=name, pattern=pattern, secondary=()).value


HONEST = {
    "plain": (b"METRIC parse_ms=41.7\n", 41.7),
    "no newline at the end": (b"METRIC parse_ms=41.7", 41.7),
    "among other output": (b"warming up\nMETRIC parse_ms=41.7\ndone\n", 41.7),
    "integer": (b"METRIC parse_ms=42\n", 42.0),
    "negative": (b"METRIC parse_ms=-0.5\n", -0.5),
    "plus sign": (b"METRIC parse_ms=+3\n", 3.0),
    "no digit before the point, as bc prints": (b"METRIC parse_ms=.5\n", 0.5),
    "exponent": (b"METRIC parse_ms=1.5e-3\n", 0.0015),
    "capital exponent": (b"METRIC parse_ms=2E+2\n", 200.0),
    "zero": (b"METRIC parse_ms=0.000\n", 0.0),
    "thirty digits": (b"METRIC parse_ms=1." + b"0" * 29 + b"\n", 1.0),
    "leading zeros are decimal": (b"METRIC parse_ms=010\n", 10.0),
    "another metric beside it": (b"METRIC peak_mb=7\nMETRIC parse_ms=1\n", 1.0),
    "a longer name is another metric": (b"METRIC parse_ms_max=7\nMETRIC parse_ms=1\n", 1.0),
    "a dotted name is another metric": (b"METRIC parse_ms.p99=7\nMETRIC parse_ms=1\n", 1.0),
    "prose about metrics": (b"METRIC lines follow\nMETRIC parse_ms=1\n", 1.0),
    "bytes that are not UTF-8": (b"\xff\xfe\x80\nMETRIC parse_ms=1\n\xc3\n", 1.0),
    "NUL bytes elsewhere": (b"\0\0\nMETRIC parse_ms=1\n", 1.0),
    "carriage returns elsewhere": (b"10%\r20%\r\nMETRIC parse_ms=1\n", 1.0),
    "a lone number": (b"41.7\n", 41.7),
    "a lone number among blanks": (b"\n  41.7\t\r\n\n", 41.7),
}


@pytest.mark.parametrize(("stdout", "expected"), HONEST.values(), ids=HONEST)
def test_reads_what_honest_programs_print(stdout, expected):
    """A benchmark that keeps to the format is turned away."""
    assert read(stdout) == expected


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("time: [940.00 us]", "us"),
        ("time: [940.00 \u00b5s]", "us"),
        ("time: [940.00\u03bcs 950 ns]", "us"),
        ("time: [1.4000 ms]", "ms"),
        ("time: [1.4ms/iter]", "ms/iter"),
        ("time: [12K]", "K"),
        ("time: [12 MB/s]", "MB/s"),
        ("time: [12%]", "%"),
        ("time: [12 seconds]", "seconds"),
        ("time: [12 steps]", ""),
        ("time: [12]", ""),
        ("time: [12 s3]", ""),
        ("nothing", None),
    ],
)
def test_unit_behind_a_number_is_known(text, unit):
    """1.4 ms that is taken for 1.4 us, and for a gain of 99.9 %."""
    measured = [("t", r"time: \[([\d.]+)"), ("line", None)]
    assert read_units(text.encode(), measured) == (() if unit is None else (("t", unit),))


def test_another_unit_is_no_value():
    """A unit that changes with the size, also to none at all, as in 999 and 1.0K."""
    known: dict[str, str] = {}
    require_units([("t", "us"), ("n", "")], known)
    require_units([("t", "us")], known)
    with pytest.raises(MetricError, match="t stands in ms, and stood in us before"):
        require_units([("t", "ms")], known)
    with pytest.raises(MetricError, match="n stands in K, and stood in no unit before"):
        require_units([("n", "K")], known)
    with pytest.raises(MetricError, match="t stands in no unit, and stood in us before"):
        require_units([("t", "")], known)


def test_pattern_that_leaves_out_the_exponent():
    """1.4e+03 that is read as 1.4."""
    with pytest.raises(MetricError, match="leaves out the exponent"):
        read(b"time 1.4e+03 ns", pattern=r"time ([\d.]+)")
    assert read(b"time 1.4e+03 ns", pattern=r"time ([\d.e+]+)") == 1400


SPOOFS = {
    "empty": b"",
    "blank": b" \n\t\n",
    "another metric only": b"METRIC other=1\n",
    "name cut": b"METRIC parse=1\n",
    "name extended": b"METRIC parse_ms2=1\n",
    "twice, equal": b"METRIC parse_ms=1\nMETRIC parse_ms=1\n",
    "twice, different": b"METRIC parse_ms=1\nMETRIC parse_ms=2\n",
    "twice on one line": b"METRIC parse_ms=1 METRIC parse_ms=2\n",
    "second one malformed": b"METRIC parse_ms=1\nMETRIC parse_ms=\n",
    "first one malformed": b"METRIC parse_ms: 1\nMETRIC parse_ms=1\n",
    "second one indented": b"METRIC parse_ms=1\n  METRIC parse_ms=2\n",
    "second one after text": b"METRIC parse_ms=1\nforged METRIC parse_ms=2\n",
    "second one with a tab": b"METRIC parse_ms=1\nMETRIC\tparse_ms=2\n",
    "second one with two spaces": b"METRIC parse_ms=1\nMETRIC  parse_ms=2\n",
    "second one with a zero width space": b"METRIC parse_ms=1\nMETRIC\xe2\x80\x8bparse_ms=2\n",
    "second one behind a CR": b"METRIC parse_ms=1\n\rMETRIC parse_ms=2\n",
    "indented": b" METRIC parse_ms=1\n",
    "tab for the space": b"METRIC\tparse_ms=1\n",
    "two spaces": b"METRIC  parse_ms=1\n",
    "spaces around the sign": b"METRIC parse_ms = 1\n",
    "space before the number": b"METRIC parse_ms= 1\n",
    "space after the number": b"METRIC parse_ms=1 \n",
    "unit after the number": b"METRIC parse_ms=1ms\n",
    "two values": b"METRIC parse_ms=1 2\n",
    "comma for the point": b"METRIC parse_ms=1,5\n",
    "thousands": b"METRIC parse_ms=1,000\n",
    "glued to other text": b"xMETRIC parse_ms=1\n",
    "lower case": b"metric parse_ms=1\n",
    "behind a carriage return": b"METRIC parse_ms=9\rMETRIC parse_ms=1\n",
    "carriage return before": b"\rMETRIC parse_ms=1\n",
    "CRLF": b"METRIC parse_ms=1\r\n",
    "CR as the line's end": b"noise\rMETRIC parse_ms=1\r",
    "behind U+2028": b"noise\xe2\x80\xa8METRIC parse_ms=1\n",
    "before U+2028": b"METRIC parse_ms=1\xe2\x80\xa8noise\n",
    "behind NEL": b"noise\xc2\x85METRIC parse_ms=1\n",
    "behind a form feed": b"noise\x0cMETRIC parse_ms=1\n",
    "behind a vertical tab": b"\x0bMETRIC parse_ms=1\n",
    "behind NUL": b"\0METRIC parse_ms=1\n",
    "before NUL": b"METRIC parse_ms=1\0\n",
    "no-break space": b"METRIC\xc2\xa0parse_ms=1\n",
    "zero width space": b"METRIC \xe2\x80\x8bparse_ms=1\n",
    "byte order mark": b"\xef\xbb\xbfMETRIC parse_ms=1\n",
    "coloured": b"\x1b[32mMETRIC parse_ms=1\x1b[0m\n",
    "erased by the terminal": b"METRIC parse_ms=1\x1b[2K\n",
    "backspaces": b"METRIC parse_ms=9\x081\n",
    "Arabic digits": "METRIC parse_ms=\u0661\u0662\n".encode(),
    "full-width digits": "METRIC parse_ms=\uff11\n".encode(),
    "superscript digits": "METRIC parse_ms=\u00b2\n".encode(),
    "Unicode minus": "METRIC parse_ms=\u22121\n".encode(),
    "hexadecimal": b"METRIC parse_ms=0x10\n",
    "underscores": b"METRIC parse_ms=1_000\n",
    "octal prefix": b"METRIC parse_ms=0o17\n",
    "inf": b"METRIC parse_ms=inf\n",
    "minus infinity": b"METRIC parse_ms=-Infinity\n",
    "nan": b"METRIC parse_ms=nan\n",
    "NaN": b"METRIC parse_ms=NaN\n",
    "larger than a double": b"METRIC parse_ms=1e309\n",
    "smaller than a double": b"METRIC parse_ms=1e-400\n",
    "endless exponent": b"METRIC parse_ms=1e99999999\n",
    "31 digits": b"METRIC parse_ms=" + b"1" * 31 + b"\n",
    "31 digits about the point": b"METRIC parse_ms=1." + b"1" * 30 + b"\n",
    "4,000 digits": b"METRIC parse_ms=" + b"1" * 4000 + b"\n",
    "cut after the point": b"METRIC parse_ms=5.\n",
    "only a point": b"METRIC parse_ms=.\n",
    "only a sign": b"METRIC parse_ms=-\n",
    "two signs": b"METRIC parse_ms=--1\n",
    "two points": b"METRIC parse_ms=1.2.3\n",
    "empty exponent": b"METRIC parse_ms=1e\n",
    "an expression": b"METRIC parse_ms=1/3\n",
    "quoted": b'METRIC parse_ms="1"\n',
    "JSON": b'{"parse_ms": 1}\n',
    "UTF-16": "METRIC parse_ms=1\n".encode("utf-16"),
    "two lone numbers": b"1\n2\n",
    "two lone numbers on a line": b"1 2\n",
    "a number in prose": b"it took 41.7 ms\n",
    "a lone number beside another METRIC": b"METRIC other=1\n41.7\n",
    "a lone nan": b"nan\n",
    "a lone hexadecimal": b"0x10\n",
    "a lone Arabic number": "\u0664\n".encode(),
    "a lone number behind a form feed": b"\x0c41.7\n",
}


@pytest.mark.parametrize("stdout", SPOOFS.values(), ids=SPOOFS)
def test_refuses_every_other_reading(stdout):
    """A forged, doubled, cut or odd value is taken for the metric."""
    with pytest.raises(MetricError) as caught:
        read(stdout)
    shown = caught.value.message
    assert shown.isprintable()
    assert len(shown) < 300
    assert "METRIC parse_ms=<decimal number>" in caught.value.hint


@pytest.mark.parametrize(
    ("stdout", "message"),
    [
        (
            b"METRIC ms=1\nMETRIC ms=2\nMETRIC ms=3\n",
            "stdout mentions METRIC ms 3 times: `METRIC ms=1` and `METRIC ms=2`",
        ),
        (
            b"\x1b[31mMETRIC ms=1\n",
            "stdout has a malformed METRIC line: `\\x1b[31mMETRIC ms=1`",
        ),
        (b"METRIC ms=1\r\n", "stdout has a malformed METRIC line: `METRIC ms=1\\r`"),
        (b"\x07METRIC ms=1\n", "stdout has a malformed METRIC line: `\\x07METRIC ms=1`"),
        (b"METRIC ms=1\xff\n", "stdout has a malformed METRIC line: `METRIC ms=1\ufffd`"),
        (
            b"took 5 s\n",
            "stdout has neither a METRIC line nor a single number, but `took 5 s`",
        ),
        (b"", "stdout has neither a METRIC line nor a single number, but nothing"),
        (b"METRIC x=1", "stdout has no line METRIC ms=\N{HORIZONTAL ELLIPSIS}"),
        (b"METRIC ms=1e309", "the value of ms, 1e309, is too large for a double"),
        (b"METRIC ms=-1e-400", "the value of ms, -1e-400, is too small for a double"),
        (
            b"METRIC ms=1." + b"2" * 30,
            "the value of ms, 1." + "2" * 30 + ", has more than 30 digits",
        ),
    ],
)
def test_says_what_was_found(stdout, message):
    """The error leaves the user guessing which of the lines was meant."""
    with pytest.raises(MetricError) as caught:
        read(stdout, name="ms")
    assert caught.value.message == message
    assert caught.value.code == "metric"


def test_shows_a_malformed_line_around_the_mention():
    """A mention far into a long line is cut out of the error that is about it."""
    with pytest.raises(MetricError, match=r"a{19}METRIC ms=1b+"):
        read(b"a" * 5000 + b"METRIC ms=1" + b"b" * 5000, name="ms")


def test_truncated_output_is_refused():
    """The second METRIC line stood in the part that was dropped."""
    with pytest.raises(MetricError, match="more than the 12 bytes"):
        read_metrics(b"METRIC ms=1\n", truncated=True, primary="ms", pattern=None, secondary=())


@pytest.mark.parametrize("name", ["a.b", "a+b", "a(b", "p99[ms]", "x|y", "$", "a\\d", "größe", "*"])
def test_names_are_no_expressions(name):
    """A name with characters of regular expressions matches another one, or none."""
    assert read(f"METRIC {name}=3\n".encode(), name=name) == 3.0
    with pytest.raises(MetricError):
        read(b"METRIC axb=3\n", name=name)


@pytest.mark.parametrize(
    ("stdout", "pattern", "expected"),
    [
        (b"time: 41.7 ms\n", r"time: ([0-9.]+) ms", 41.7),
        (b"a\ntime: 5\nb\n", r"^time: (\d+)$", 5.0),
        (b"\xff time=5 \xfe", r"time=(\S+)", 5.0),
        (b"METRIC ms=9\nMETRIC ms=8\nbest 7\n", r"best (\S+)", 7.0),
    ],
)
def test_pattern_reads_its_group(stdout, pattern, expected):
    """A pattern of the contract is not applied to lines, or not as written."""
    assert read(stdout, pattern=pattern) == expected


@pytest.mark.parametrize(
    ("stdout", "pattern", "found"),
    [
        (b"METRIC ms=1\n", r"time=(\S+)", "matches 0 times"),
        (b"time=1\ntime=2\n", r"time=(\S+)", "matches 2 times: `time=1` and `time=2`"),
        (b"time=nan\n", r"time=(\S+)", "matches `nan`, which is not a decimal number"),
        ("time=\u0661\n".encode(), r"time=(\S+)", "matches `\u0661`, which is not"),
        ("time=1\u0661\n".encode(), r"time=(\d+)", "matches `1\u0661`, which is not"),
        (b"time=\n", r"time=(\d+)?", "matches ``, which is not a decimal number"),
        (b"time=1e999\n", r"time=(\S+)", "is too large for a double"),
    ],
)
def test_pattern_must_match_once_and_give_a_number(stdout, pattern, found):
    """A pattern that matches twice, or no number, still yields a metric."""
    with pytest.raises(MetricError) as caught:
        read(stdout, pattern=pattern)
    assert found in caught.value.message


def test_secondary_metrics_in_the_order_asked_for():
    """Secondary values are swapped, or the lone number serves for them."""
    reading = read_metrics(
        b"METRIC b=2\nMETRIC ms=1\nMETRIC a=3\nleft: 4\n",
        truncated=False,
        primary="ms",
        pattern=None,
        secondary=(("a", None), ("b", None), ("c", r"left: (\d+)")),
    )
    assert reading == Reading(1.0, (("a", 3.0), ("b", 2.0), ("c", 4.0)))


@pytest.mark.parametrize("stdout", [b"METRIC ms=1\n", b"METRIC ms=1\nMETRIC a=1\n METRIC a=2\n"])
def test_secondary_metrics_are_read_as_strictly(stdout):
    """A missing or doubled secondary metric passes, and with it its limit."""
    with pytest.raises(MetricError, match="METRIC a"):
        read_metrics(stdout, truncated=False, primary="ms", pattern=None, secondary=(("a", None),))


def test_secondary_metrics_without_a_primary_in_the_output():
    """A session that measures CPU time cannot read its secondary metrics."""
    assert read_secondary(b"METRIC a=1\n", truncated=False, secondary=(("a", None),)) == (
        ("a", 1.0),
    )
    with pytest.raises(MetricError, match="more than"):
        read_secondary(b"METRIC a=1\n", truncated=True, secondary=(("a", None),))


def test_nothing_wanted_from_the_output_is_nothing_refused():
    """A chatty program fails although nothing is read from its output."""
    assert read_secondary(b"x" * 100, truncated=True, secondary=()) == ()


def test_a_lone_number_is_no_secondary_metric():
    """One number serves for two metrics."""
    with pytest.raises(MetricError, match="no line METRIC a"):
        read_metrics(b"5\n", truncated=False, primary="ms", pattern=None, secondary=(("a", None),))


def test_minus_zero_is_zero():
    """A zero with a sign is told apart from a zero, and a tie is not seen."""
    assert str(read(b"METRIC parse_ms=-0.0\n")) == "0.0"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_reads_back_every_float_that_python_prints(value):
    """A value loses precision or range on its way."""
    assert read(f"METRIC parse_ms={value!r}\n".encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(stdout):
    """Some output ends in another exception than MetricError, or gives no finite number."""
    with contextlib.suppress(MetricError):
        assert math.isfinite(read(stdout, name="ms"))


@pytest.mark.parametrize(
    "unit", [b"METRIC ", b"METRIC parse_m", b"METRIC", b" ", b"9", b"\n", b"METRIC a=1\n", b"\xff"]
)
def test_a_megabyte_is_read_at_once(unit):
    """Output made to be slow to read (quadratic matching) stalls the referee."""
    stdout = unit * (1_000_000 // len(unit)) + b"\nMETRIC parse_ms=4\n"
    started = time.process_time()
    assert read(stdout) == 4.0
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("printed", "pattern"),
    [
        (b"METRIC ms=DO THIS", None),
        (b"METRIC ms=1 DO THIS\nMETRIC ms=2", None),
        (b"DO THIS", None),
        (b"took DO THIS", r"took (.*)"),
        (b"took DO THIS, took DO THIS", r"took (.*?)(?:,|$)"),
    ],
)
def test_plain_message_holds_no_word_of_the_output(printed, pattern):
    """A program's orders that reach an agent as part of the reason for its crash."""
    with pytest.raises(MetricError) as caught:
        read_metrics(printed, truncated=False, primary="ms", pattern=pattern, secondary=())
    assert "DO THIS" in caught.value.message
    assert "DO THIS" not in caught.value.plain


def test_checksums_are_read_by_name():
    """A checksum that is missed, or a second one under its name that hides the first."""
    printed = (
        b"x\nCHECKSUM out=ab12\nCHECKSUM b=1+/=\n CHECKSUM c=1\nCHECKSUM out=cd\nCHECKSUM d=\n"
    )
    assert read_checksums(printed) == (("b", "1+/="), ("out", "ab12 cd"))
    assert read_checksums(b"METRIC ms=1\n") == ()
