"""Requests a second of a server on the loopback device, every answer checked.

Adapt: SERVER (it prints its port, or `port` below), PATHS and `is_right`.
"""

import http.client
import subprocess
import sys
import time

SERVER = [sys.executable, "src/server.py"]
PATHS = ["/", "/items/7", "/items/41", "/missing"]
REQUESTS = 200


def is_right(path: str, status: int, body: bytes) -> bool:
    """Whether the answer is the one that a user needs."""
    if path == "/missing":
        return status == 404
    wanted = b"42 items" if path == "/" else b"item " + path.rpartition("/")[2].encode()
    return status == 200 and wanted in body


def main() -> None:
    """Start the server, load it over one connection, print the rate."""
    with subprocess.Popen(SERVER, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline())
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            start = time.perf_counter()
            for number in range(REQUESTS):
                path = PATHS[number % len(PATHS)]
                link.request("GET", path)
                reply = link.getresponse()
                body = reply.read()
                if not is_right(path, reply.status, body):
                    sys.exit(f"wrong answer for {path}: {reply.status} {body[:60]!r}")
            took = time.perf_counter() - start
        finally:
            server.kill()
    print(f"METRIC requests_s={REQUESTS / took:.2f}")


if __name__ == "__main__":
    main()
