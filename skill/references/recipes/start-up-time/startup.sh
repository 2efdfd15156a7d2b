#!/bin/sh
# Starts the program five times and checks what it says; the helper takes the CPU time of it all.
# Adapt: PROGRAM and WANT. A warm start is measured, as a user has who calls it often.
set -eu
PROGRAM='python3 -S src/tool.py'
WANT='tool 1.0'
for _ in 1 2 3 4 5; do
    got=$($PROGRAM --version)
    [ "$got" = "$WANT" ] || { echo "wrong answer: $got" >&2; exit 1; }
done
