"""Bytes that a browser fetches for a page, counted by the server that it fetches them from.

Adapt: ROOT, START and WANT. Needs Chromium; it runs headless, without a profile, on loopback.
"""

import functools
import http.server
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = "public"
START = "index.html"
WANT = 'id="done">3 rows<'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --virtual-time-budget=5000"
)


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves files and adds up what it sent."""

    sent = 0
    requests = 0

    def copyfile(self, source, outputfile) -> None:
        """Send a file and count it."""
        content = source.read()
        Counting.sent += len(content)
        Counting.requests += 1
        outputfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Load the page once in a real browser; check that it works; print what it fetched."""
    handler = functools.partial(Counting, directory=str(pathlib.Path(ROOT).resolve()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # A folder near the root: the browser makes a socket there, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="w") as profile:
        address = f"http://127.0.0.1:{server.server_address[1]}/{START}"
        command = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={profile}", "--dump-dom", address]
        env = {**os.environ, "TMPDIR": profile}
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=60, check=True
        )
    server.shutdown()
    if WANT not in done.stdout:
        sys.exit(f"the page does not work: {done.stdout[:200]}")
    print(f"METRIC page_bytes={Counting.sent}")
    print(f"METRIC requests={Counting.requests}")


if __name__ == "__main__":
    main()
