"""What all tests need."""

import subprocess
import sys


def total(n):
    """The product's answer, asked for in a process of its own."""
    code = f"import sys; sys.path.insert(0, 'src'); import sums; print(sums.total({n}))"
    command = [sys.executable, "-S", "-c", code]
    return int(subprocess.run(command, capture_output=True).stdout)
