"""Data and judge of a small training run; protected.

`train.py` trains for a fixed time and then answers, byte by byte, how likely each next byte is. The
judge reads only those answers and shows the true byte afterwards: validation text cannot be learned.
"""

import json
import math
import os
import random
import resource
import subprocess
import sys
import time

BUDGET_S = float(os.environ.get("AUTORESEARCH_TIME_BUDGET_S", "1"))
SLACK_S = 2.0
VALIDATION_BYTES = 300
UNIT = 1 if sys.platform == "darwin" else 1024


def corpus(seed: int, size: int) -> bytes:
    """Text with structure at several distances, from a small grammar."""
    choice = random.Random(seed)
    nouns = ["engine", "harbour", "letter", "window", "river", "garden"]
    verbs = ["holds", "opens", "follows", "finds", "carries"]
    text = ""
    while len(text) < size:
        subject, thing = choice.sample(nouns, 2)
        text += f"the {subject} {choice.choice(verbs)} the {thing}. "
        if choice.random() < 0.3:
            text += f"{choice.randrange(10, 99)} {subject}s wait. "
    return text[:size].encode()


def main() -> None:
    """Train, ask, print bits per byte and peak memory; a model that is none is an error."""
    command = [sys.executable, "-S", "train.py", str(BUDGET_S)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as model:
        train = corpus(1, 20_000)
        model.stdin.write(len(train).to_bytes(4, "big") + train)
        model.stdin.flush()
        start = time.perf_counter()
        if model.stdout.readline().strip() != b"ready":
            sys.exit("train.py crashed before it was ready")
        if time.perf_counter() - start > BUDGET_S + SLACK_S:
            model.kill()
            sys.exit("train.py took longer than its budget")
        bits = 0.0
        validation = corpus(2, VALIDATION_BYTES)
        for byte in validation:
            answer = json.loads(model.stdout.readline())
            total = sum(answer)
            is_sound = len(answer) == 256 and min(answer) > 0 and math.isfinite(total)
            if not is_sound or abs(total - 1) > 1e-3:
                model.kill()
                sys.exit("no probabilities: 256 positive numbers whose sum is 1")
            bits -= math.log2(answer[byte])
            model.stdin.write(bytes([byte]))
            model.stdin.flush()
        model.stdin.close()
        model.wait()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT
    print(f"METRIC val_bpb={bits / len(validation):.5f}")
    print(f"METRIC peak_mb={peak / 1e6:.3f}")


if __name__ == "__main__":
    main()
