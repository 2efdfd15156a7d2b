"""CPU seconds of a build from nothing, and its result checked.

Adapt: BUILD, CLEAN and CHECK. One job: the CPU time then says what a build costs.
"""

import resource
import subprocess
import sys

CLEAN = ["make", "-s", "clean"]
BUILD = ["make", "-s", "-j1", "all"]
CHECK = ["./app"]
WANT = "40\n"


def main() -> None:
    """Clean, build, check; what the children used in between is the metric."""
    subprocess.run(CLEAN, check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(BUILD, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(CHECK, stdout=subprocess.PIPE, text=True, check=True)
    if done.stdout != WANT:
        sys.exit(f"wrong answer: {done.stdout[:80]!r}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"METRIC build_s={used:.4f}")


if __name__ == "__main__":
    main()
