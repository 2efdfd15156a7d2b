"""The metric is forged: another line, another stream, an odd number, an early end."""

from __future__ import annotations

from attacks.arena import Arena, Attack

FORGED = "METRIC cost=1"


def _printing(code: str, cost: object = 110):
    def plant(arena: Arena) -> None:
        arena.candidate(code, cost=cost)

    return plant


def _alone(code: str):
    """Code that the benchmark alone runs, once it has printed all lines; the guard does not."""
    lines = f"print({FORGED!r})\n    print('METRIC size=1000', flush=True)\n"
    return _printing(f"def cost():\n    import os\n    {lines}    {code}\n")


def _as(value: str):
    """A cost that prints itself in the metric's place."""
    return _printing(
        f"class Odd(float):\n    def __format__(self, spec): return {value!r}\n"
        "    def __mul__(self, other): return self\n"
        "cost = lambda: Odd(1)\n"
    )


ATTACKS = (
    Attack("prints its own METRIC line first", _printing(f"print({FORGED!r})\n")),
    Attack(
        "prints its own METRIC line last",
        _printing(f"import atexit\natexit.register(print, {FORGED!r})\n"),
    ),
    Attack("prints the line twice, both cheap", _printing(f"print({FORGED!r})\n" * 2)),
    Attack(
        "writes the line to stderr", _printing(f"import sys\nprint({FORGED!r}, file=sys.stderr)\n")
    ),
    Attack("hides the line behind a carriage return", _printing(f"print('x\\r{FORGED}')\n")),
    Attack("hides the line behind U+2028", _printing(f"print('x\\u2028{FORGED}')\n")),
    Attack("hides the line behind spaces", _printing(f"print('   {FORGED}')\n")),
    Attack("hides the line behind an escape sequence", _printing(f"print('\\x1b[1m{FORGED}')\n")),
    Attack(
        "starts a line that the honest one completes", _printing("print('METRIC cost=', end='')\n")
    ),
    Attack("writes the line without a newline", _printing(f"print({FORGED!r}, end='')\n")),
    Attack("prints the metric without its name", _printing("print('METRIC =1')\n", cost=110)),
    Attack(
        "writes the line after the benchmark has ended",
        _printing(
            "import os\n"
            "if os.fork() == 0:\n"
            "    parent = os.getppid()\n"
            "    while os.getppid() == parent: pass\n"
            f"    os.write(1, b'\\n{FORGED}\\n')\n"
            "    os._exit(0)\n"
        ),
    ),
    Attack("ends early with success", _printing("import os\nos._exit(0)\n")),
    Attack(
        "ends early with a failure after a forged line",
        _alone("os._exit(1)"),
    ),
    Attack(
        "kills itself after a forged line",
        _alone("os.kill(os.getpid(), 9)"),
    ),
    Attack("prints nan", _as("nan")),
    Attack("prints -inf", _as("-inf")),
    Attack("prints 1e-400", _as("1e-400")),
    Attack("prints -1e309", _as("-1e309")),
    Attack("prints digits of another script", _as("\u0661\u0662")),
    Attack("prints a number with underscores", _as("1_0")),
    Attack("prints a hexadecimal number", _as("0x1p-3")),
    Attack("prints a number of a thousand digits", _as("1" + "0" * 1000)),
    Attack("prints a number cut short", _as("1.")),
    Attack("drowns the honest line", _printing(f"print({FORGED!r})\nprint('x' * 400000)\n")),
    Attack(
        "forges the secondary metric", _printing("print('METRIC size=1')\nSIZE = 9000\n", cost=90)
    ),
    Attack("drops the secondary metric", _printing("SIZE = 'none'\n", cost=90)),
    Attack("trades the limited metric for the first", _printing("SIZE = 2000\n", cost=90)),
)
