#!/bin/sh
# Bytes of the stripped program, and its answer checked. Adapt: PROGRAM, WANT; build it in `build:`.
set -eu
PROGRAM=./program
WANT='ok 7'
got=$($PROGRAM 7)
[ "$got" = "$WANT" ] || { echo "wrong answer: $got" >&2; exit 1; }
strip -o "$TMPDIR/stripped" "$PROGRAM"
echo "METRIC binary_bytes=$(wc -c <"$TMPDIR/stripped" | tr -d ' ')"
