"""What Lighthouse says of a page, in a real headless Chromium, served on loopback.

Adapt: ROOT, START and WANT. Needs Chromium, and Lighthouse in node_modules.
"""

import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = "public"
START = "index.html"
WANT = "3 rows"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "google-chrome"
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run"
AUDITS = "largest-contentful-paint,total-byte-weight"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def run(words: list, folder: str) -> str:
    """Run a program with its temporary files in a short path, where sockets may lie."""
    env = {**os.environ, "TMPDIR": folder, "CHROME_PATH": CHROMIUM}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode:
        sys.exit(f"{words[0]} failed: {done.stderr[-400:]}")
    return done.stdout


def main() -> None:
    """Check that the page works, audit it once, print what was found."""
    handler = functools.partial(Quiet, directory=str(pathlib.Path(ROOT).resolve()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/{START}"
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="l") as folder:
        browser = [CHROMIUM, *FLAGS.split(), f"--user-data-dir={folder}/p", "--dump-dom", address]
        if WANT not in run([*browser[:-2], "--virtual-time-budget=5000", *browser[-2:]], folder):
            sys.exit("the page does not work")
        tool = ["node_modules/.bin/lighthouse", address, "--quiet", "--output=json"]
        found = json.loads(
            run([*tool, f"--only-audits={AUDITS}", f"--chrome-flags={FLAGS}"], folder)
        )
    server.shutdown()
    audits = found["audits"]
    print(f"METRIC lcp_ms={audits['largest-contentful-paint']['numericValue']}")
    print(f"METRIC page_bytes={audits['total-byte-weight']['numericValue']}")


if __name__ == "__main__":
    main()
