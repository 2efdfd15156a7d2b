#!/bin/sh
# Branch coverage of the product by its tests, and how much the tests assert. Needs coverage.py.
# Adapt: the product's folder (--source) and the command after `-m`.
set -eu
COVERAGE_FILE="$TMPDIR/data"
export COVERAGE_FILE
python3 -m coverage run --rcfile=/dev/null --branch --source=src -m unittest discover -s tests \
    >"$TMPDIR/out" 2>&1 || { tail -5 "$TMPDIR/out" >&2; exit 1; }
python3 -m coverage json --rcfile=/dev/null -q -o "$TMPDIR/report.json"
python3 - "$TMPDIR/report.json" <<'PY'
import json, pathlib, re, sys
totals = json.load(open(sys.argv[1]))["totals"]
print(f"METRIC covered={totals['percent_covered']:.3f}")
text = "".join(path.read_text() for path in sorted(pathlib.Path("tests").rglob("*.py")))
print(f"METRIC asserts={len(re.findall(r'[.]assert[A-Z]', text))}")
PY
