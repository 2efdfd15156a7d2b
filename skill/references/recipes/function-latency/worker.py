"""Runs the function in scope on what bench.py asks; protected, like bench.py."""

import json
import sys

sys.path.insert(0, "src")
from target import work  # the function that is to become faster

for line in sys.stdin:
    sys.stdout.write(json.dumps([work(text) for text in json.loads(line)]) + "\n")
    sys.stdout.flush()
