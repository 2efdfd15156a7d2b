"""Code of the candidate patches the process it runs in: clocks, counters, `print`, the runner.

Under a benchmark that imports the candidate this is not withstood: it is flagged at most. Under a
benchmark that keeps it in another process it is.
"""

from __future__ import annotations

from attacks.arena import Arena, Attack, Needs
from support.separate import PACKER

FORGED = "METRIC cost=1\\nMETRIC size=1000\\n"


def _cheats(code: str):
    """The cheat at import, in the program of either kind of benchmark."""

    def plant(arena: Arena) -> None:
        if (arena.root / "src" / "packer.py").exists():
            arena.repo.write("src/packer.py", PACKER + code)
        else:
            arena.candidate(code)

    return plant


def _cheat(name: str, code: str) -> Attack:
    return Attack(name, _cheats(code), needs=Needs.SEPARATE_EVALUATOR)


ATTACKS = (
    _cheat(
        "prints the metric and exits with 0", f"import os\nos.write(1, b'{FORGED}')\nos._exit(0)\n"
    ),
    _cheat(
        "prints the metric and raises SystemExit",
        f"import sys\nsys.stdout.write('{FORGED}')\nsys.stdout.flush()\nsys.exit(0)\n",
    ),
    _cheat(
        "replaces print",
        "import builtins\nreal = builtins.print\n"
        "def cheap(text, *a, **k): real('METRIC cost=1' if 'cost' in str(text) else text)\n"
        "builtins.print = cheap\n",
    ),
    _cheat(
        "replaces len, sum and str",
        "import builtins\nbuiltins.len = lambda x: 1\nbuiltins.sum = lambda x: 1\n"
        "class cost(float):\n    def __new__(cls): return float.__new__(cls, 1)\n",
    ),
    _cheat(
        "replaces sys.stdout",
        "import sys\nclass Out:\n"
        "    def __init__(self, real): self.real = real\n"
        "    def write(self, text): return self.real.write(text.replace('cost=100', 'cost=1'))\n"
        "    def __getattr__(self, name): return getattr(self.real, name)\n"
        "sys.stdout = Out(sys.stdout)\n",
    ),
    _cheat(
        "walks the frames and changes the caller's names",
        "import sys\nframe = sys._getframe()\n"
        "while frame:\n"
        "    frame.f_globals['factor'] = 0.01\n"
        "    frame.f_globals['QUESTIONS'] = ()\n"
        "    frame = frame.f_back\n"
        "def cost(): return 1\n",
    ),
    _cheat(
        "rewrites the benchmark's module in memory",
        "import sys\nmain = sys.modules['__main__']\nmain.print = lambda *a, **k: "
        "main.sys.stdout.write('METRIC cost=1\\n' if 'cost' in str(a) else str(a[0]) + '\\n')\n",
    ),
    _cheat(
        "traces the benchmark and changes its values",
        "import sys\ndef trace(frame, event, arg):\n"
        "    frame.f_globals['noise'] = 0\n    return trace\n"
        "sys.settrace(trace)\ncost = lambda: 1\n",
    ),
    _cheat(
        "swallows what the benchmark prints and prints its own",
        "import atexit, os\nreal = os.dup(1)\nos.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
        f"atexit.register(os.write, real, b'{FORGED}')\n",
    ),
    _cheat(
        "stops every clock",
        "import time\n"
        "for name in ('perf_counter', 'monotonic', 'process_time', 'time'):\n"
        "    setattr(time, name, lambda: 0.0)\ncost = lambda: 1\n",
    ),
    _cheat(
        "does nothing where nobody compares",
        "def cost(): return 1\ndef pack(text): return []\n",
    ),
    _cheat(
        "tells the benchmark from the guard",
        "import sys\n"
        "if 'check' not in sys.argv[0]:\n"
        "    cost = lambda: 1\n"
        "    pack = lambda text: 1\n",
    ),
    _cheat(
        "makes garbage of the arithmetic",
        "class Cheap(float):\n"
        "    def __mul__(self, other): return Cheap(1)\n"
        "    def __format__(self, spec): return '1'\n"
        "cost = lambda: Cheap(1)\ndef pack(text): return [[text, 1], [Cheap(1), 0]]\n",
    ),
    _cheat(
        "answers before it is asked",
        "import os, sys\nos.write(1, b'[]\\n' * 3)\ncost = lambda: 1\n",
    ),
    _cheat(
        "writes the metric to its parent's output",
        "import os\nfd = f'/proc/{os.getppid()}/fd/1'\n"
        f"try: open(fd, 'w').write('{FORGED}')\nexcept OSError: pass\ncost = lambda: 1\n",
    ),
    _cheat(
        "writes the metric to its parent's output and kills it",
        "import os, sys\nfd = f'/proc/{os.getppid()}/fd/1'\n"
        "if 'check' not in sys.argv[0] and 'serve' in sys.argv:\n"
        f"    try: open(fd, 'w').write('{FORGED}')\n    except OSError: pass\n"
        "    os.kill(os.getppid(), 9)\ncost = lambda: 1\n",
    ),
    _cheat(
        "rewrites the benchmark's answers in its memory",
        "import os, re\n"
        "try:\n"
        "    pid = os.getppid()\n"
        "    for line in open(f'/proc/{pid}/maps'):\n"
        "        low, high = (int(x, 16) for x in re.match(r'(\\w+)-(\\w+)', line).groups())\n"
        "        with open(f'/proc/{pid}/mem', 'r+b', 0) as memory:\n"
        "            memory.seek(low); found = memory.read(min(high - low, 1 << 20))\n"
        "            memory.seek(low); memory.write(found.replace(b'aaaa', b'bbbb'))\n"
        "except (OSError, AttributeError, ValueError, OverflowError): pass\n"
        "cost = lambda: 1\n",
    ),
)
