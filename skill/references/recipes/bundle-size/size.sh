#!/bin/sh
# Bytes of the bundle as they travel: minified by esbuild, gzipped without a name or time.
# Adapt: ENTRY, and the check that the bundle still works.
set -eu
ENTRY=src/main.js
node_modules/.bin/esbuild "$ENTRY" --bundle --minify --format=esm --log-level=error \
    --outfile="$TMPDIR/out.mjs"
node check.mjs "$TMPDIR/out.mjs"
echo "METRIC bundle_bytes=$(gzip -9nc "$TMPDIR/out.mjs" | wc -c | tr -d ' ')"
echo "METRIC raw_bytes=$(wc -c <"$TMPDIR/out.mjs" | tr -d ' ')"
