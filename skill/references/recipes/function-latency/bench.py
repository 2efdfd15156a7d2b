"""Time of one function, measured from another process, with its answers checked.

Adapt: INPUTS, EXPECTED (print it once with --digest), and the call in worker.py.
"""

import hashlib
import json
import random
import statistics
import subprocess
import sys
import time

ROUNDS = 7
EXPECTED = "b66cc11c5dcaad3d"
CHOICE = random.Random(20240607)
WORDS = ["".join(CHOICE.choices("abcdefghij", k=3)) for _ in range(400)]
INPUTS = [" ".join(CHOICE.choices(WORDS, k=size)) for size in (0, 1, 30, 300, 600)]


def main() -> None:
    """Ask the worker several times; print the median and refuse wrong answers."""
    if "--inputs" in sys.argv:  # for a profiler of the worker alone
        for number in range(ROUNDS):
            print(json.dumps([f"{text} {number}" for text in INPUTS]))
        return
    # The worker holds the code in scope. It sees neither this clock nor this file's names.
    with subprocess.Popen(
        [sys.executable, "worker.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        times, answer = [], ""
        for number in range(ROUNDS):
            inputs = [f"{text} {number}" for text in INPUTS]  # nothing can be remembered
            request = json.dumps(inputs)
            start = time.perf_counter()
            worker.stdin.write(request + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline()
            times.append(time.perf_counter() - start)
        worker.stdin.close()
    digest = hashlib.sha256(answer.encode()).hexdigest()[:16]
    if "--digest" in sys.argv:
        print(digest)
    elif digest != EXPECTED:
        sys.exit(f"wrong answers: {digest}")
    else:
        print(f"METRIC latency_ms={statistics.median(times) * 1e3:.4f}")


if __name__ == "__main__":
    main()
