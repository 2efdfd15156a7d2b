"""What is checked is not what is used: files change between capture, measurement and verdict."""

from __future__ import annotations

import os
import sys

from attacks.arena import Arena, Attack, Needs


def _swaps_program(arena: Arena) -> None:
    """The user's tree is made something else while the candidate is measured."""
    target = arena.root / "src" / "work.py"
    arena.candidate(f"open({str(target)!r}, 'a').write('# more\\n')\n", cost=110)


def _differs_in_the_guard(arena: Arena) -> None:
    """Cheap and wrong under verify, right under the guard."""
    code = """
import sys
if "check" in sys.argv[0]:
    cost = lambda: 110
else:
    answer = lambda: 0
"""
    arena.candidate(code, cost=110)


def _replaces_itself(arena: Arena) -> None:
    code = """
import os
text = open(__file__).read()
os.unlink(__file__)
open(__file__, "w").write(text.replace("110", "1"))
"""
    arena.candidate(code, cost=110)


def _link_in_checkout(arena: Arena) -> None:
    """The checkout's file becomes a link to one that the candidate controls."""
    code = f"""
import os
os.unlink("check.py")
os.symlink({str(arena.outside / "precious")!r}, "check.py")
"""
    arena.candidate(code, cost=90, answer=0)


def _moves_checkout(arena: Arena) -> None:
    code = """
import os
here = os.getcwd()
os.rename(here, here + ".moved")
os.mkdir(here)
"""
    arena.candidate(code, cost=90)


def _checkout_becomes_link(arena: Arena) -> None:
    code = f"""
import os, shutil
here = os.getcwd()
shutil.rmtree(here)
os.symlink({str(arena.outside)!r}, here)
"""
    arena.candidate(code, cost=90)


def _manifests() -> str:
    """Where the helper remembers what it left in the checkouts."""
    return f"{os.environ['XDG_STATE_HOME']}/**/*.manifest"


def _spoils_manifests(arena: Arena) -> None:
    code = f"""
import glob, os
for name in glob.glob({_manifests()!r}, recursive=True):
    try: open(name, "wb").write(b"nonsense")
    except OSError: pass
"""
    arena.candidate(code, cost=110)


def _edits_document(arena: Arena) -> None:
    target = arena.root / "autoresearch.md"
    arena.candidate(f"open({str(target)!r}, 'a').write('kept: all of it\\n')\n", cost=110)


def _edits_log_copy(arena: Arena) -> None:
    target = arena.root / "autoresearch.jsonl"
    arena.candidate(f"open({str(target)!r}, 'w').write('{{}}\\n')\n", cost=110)


def _forges_manifest(arena: Arena) -> None:
    """The guard's checkout is changed, and what the helper remembers of it with it."""
    code = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from autoresearch.edges import statcache
try:
    (manifest,) = Path({os.environ["XDG_STATE_HOME"]!r}).rglob("g.manifest")
    table = statcache.load(manifest)
    Path("../slots/g/check.py").write_text("")
    holds = table["check.py"][1]
    rows = statcache.rows_at(os.path.realpath("../slots/g") + "/", "check.py", holds)
    statcache.save(manifest, {{**table, **rows}})
except (OSError, TypeError, KeyError, ValueError):
    pass
"""
    arena.candidate(code, cost=90, answer=0)


ATTACKS = (
    Attack("forges the manifest of the guard's checkout", _forges_manifest, needs=Needs.SANDBOX),
    Attack("edits the user's program while it is measured", _swaps_program),
    Attack("is cheap for verify and right for the guard", _differs_in_the_guard, ends=("discard",)),
    Attack("replaces its own file while it runs", _replaces_itself),
    Attack("makes the guard a link", _link_in_checkout, ends=("violation",)),
    Attack("moves its checkout away", _moves_checkout),
    Attack("makes its checkout a link to elsewhere", _checkout_becomes_link),
    Attack("spoils the manifests of the checkouts", _spoils_manifests),
    Attack("writes into the document while it runs", _edits_document),
    Attack("empties the log's copy while it runs", _edits_log_copy),
)
