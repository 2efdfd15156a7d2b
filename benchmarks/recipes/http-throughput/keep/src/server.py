"""A shop's items over HTTP."""

import http.server

ITEMS = [f"item {number}" for number in range(42)]


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        status, body = answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def answer(path):
    """Status and body for a path."""
    if path == "/":
        return 200, b"42 items"
    name = "item " + path.rpartition("/")[2]
    return (200, name.encode()) if name in ITEMS else (404, b"none")


if __name__ == "__main__":
    server = http.server.HTTPServer(("127.0.0.1", 0), Shop)
    print(server.server_address[1], flush=True)
    server.serve_forever()
