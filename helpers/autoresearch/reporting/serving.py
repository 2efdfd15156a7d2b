"""The report on loopback, behind a token, for as long as somebody looks."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOST = "127.0.0.1"
STATE = "state"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class ReportServer(ThreadingHTTPServer):
    """Answers two addresses below a token of its own: the page, and the stamp of its state.

    Args:
        port: of loopback; 0 for a free one.
        page: makes the page, given where it asks for the stamp, and the stamp.
        stamp: changes whenever the page would.
    """

    daemon_threads = True

    def __init__(
        self, port: int, page: Callable[[str, str], str], stamp: Callable[[], str]
    ) -> None:
        super().__init__((HOST, port), _Answers)
        self.token = secrets.token_urlsafe(24)
        self.stamp = stamp
        self._page = page
        self._made = ("", b"")

    @property
    def address(self) -> str:
        """Where the page is; whoever knows it may read it."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a request may call this server: another name is a trick of DNS."""
        return frozenset(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    def content(self) -> bytes:
        """The page as it is now; made once for each state."""
        stamp = self.stamp()
        if self._made[0] != stamp:
            self._made = stamp, self._page(STATE, stamp).encode("utf-8", "replace")
        return self._made[1]


class _Answers(BaseHTTPRequestHandler):
    server: ReportServer
    server_version = "autoresearch"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer one of the two addresses; whoever does not know the token learns nothing."""
        _, token, *rest = [*urlsplit(self.path).path.split("/"), ""]
        known = hmac.compare_digest(token.encode(), self.server.token.encode())
        if not known or self.headers.get("Host") not in self.server.hosts:
            self._send(404, "text/plain", b"not found\n")
        elif rest[0] == STATE:
            self._send(200, "text/plain", self.server.stamp().encode())
        elif rest[0] == "":
            self._send(200, "text/html", self.server.content())
        else:
            self._send(404, "text/plain", b"not found\n")

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing is logged: the address holds the token."""
