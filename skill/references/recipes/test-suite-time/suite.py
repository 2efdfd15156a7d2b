"""Time of the test suite, which must still run as many tests.

Adapt: COMMAND, COUNT (how the runner says how many ran) and LEAST.
"""

import re
import subprocess
import sys
import time

COMMAND = [sys.executable, "-m", "unittest", "discover", "-s", "tests"]
COUNT = r"^Ran (\d+) tests?"
LEAST = 12


def main() -> None:
    """Run it once; refuse a suite that fails, skips or shrinks."""
    start = time.perf_counter()
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    took = time.perf_counter() - start
    said = done.stdout + done.stderr
    ran = re.search(COUNT, said, re.MULTILINE)
    if done.returncode or ran is None or int(ran[1]) < LEAST or "skipped=" in said:
        sys.exit(f"not the whole suite passed: {said[-300:]}")
    print(f"METRIC suite_s={took:.4f}")
    print(f"METRIC tests={ran[1]}")


if __name__ == "__main__":
    main()
