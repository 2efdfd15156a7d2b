"""Peak resident memory of a program, as the kernel counts it, and its answer checked.

Adapt: COMMAND and WANT. Linux counts in KiB, macOS in bytes.
"""

import resource
import subprocess
import sys

COMMAND = [sys.executable, "-S", "src/program.py", "60000"]
WANT = "59823\n"
UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Run the program as a child of this process, so that its peak is the children's."""
    done = subprocess.run(COMMAND, stdout=subprocess.PIPE, text=True, check=True)
    if done.stdout != WANT:
        sys.exit(f"wrong answer: {done.stdout[:80]!r}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT
    print(f"METRIC peak_mb={peak / 1e6:.3f}")


if __name__ == "__main__":
    main()
