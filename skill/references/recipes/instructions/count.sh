#!/bin/sh
# Instructions that a program executes, by callgrind: almost the same on every run and machine load.
# Adapt: PROGRAM, WANT. Build with -O2 in `build:`, so that it is not counted.
set -eu
PROGRAM='./program'
WANT='1229'
got=$(valgrind --tool=callgrind --callgrind-out-file="$TMPDIR/out" \
    --log-file="$TMPDIR/log" $PROGRAM)
[ "$got" = "$WANT" ] || { echo "wrong answer: $got" >&2; exit 1; }
total=$(sed -n 's/^summary: \([0-9]*\).*/\1/p' "$TMPDIR/out")
echo "METRIC instructions=$total"
