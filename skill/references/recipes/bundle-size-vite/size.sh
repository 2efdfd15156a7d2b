#!/bin/sh
# Bytes of all that vite builds, as they travel: minified, each file gzipped without a name or time.
# Adapt: check.mjs, which gets the folder that was built.
set -eu
node_modules/.bin/vite build --configLoader native --logLevel error --outDir "$TMPDIR/dist"
node check.mjs "$TMPDIR/dist"
raw=0
packed=0
for file in $(find "$TMPDIR/dist" -type f \( -name '*.js' -o -name '*.css' \) | sort); do
    raw=$((raw + $(wc -c <"$file")))
    packed=$((packed + $(gzip -9nc "$file" | wc -c)))
done
echo "METRIC bundle_bytes=$packed"
echo "METRIC raw_bytes=$raw"
