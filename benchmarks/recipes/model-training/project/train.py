"""A character-level model in plain Python: counts of what follows what, smoothed."""

import json
import sys
import time
from collections import defaultdict

ORDER = 1
SMOOTH = 0.01


def train(text, until):
    """Counts of the byte after each context of ORDER bytes, as far as the time allows."""
    counts = defaultdict(lambda: defaultdict(int))
    for index in range(len(text) - ORDER):
        counts[text[index : index + ORDER]][text[index + ORDER]] += 1
        if index % 1000 == 0 and time.perf_counter() > until:
            break
    return counts


def main():
    """Read the text, train, then answer with 256 probabilities per byte."""
    until = time.perf_counter() + 0.9 * float(sys.argv[1])
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    text = sys.stdin.buffer.read(size)
    counts = train(text, until)
    print("ready", flush=True)
    context = text[-ORDER:] if ORDER else b""
    while True:
        seen = counts.get(context, {})
        total = sum(seen.values()) + 256 * SMOOTH
        print(json.dumps([(seen.get(b, 0) + SMOOTH) / total for b in range(256)]), flush=True)
        byte = sys.stdin.buffer.read(1)
        if not byte:
            return
        context = (context + byte)[-ORDER:] if ORDER else b""


main()
