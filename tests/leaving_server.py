"""An MLflow server that is there when a study begins, and gone afterwards."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def leaving_server() -> str:
    """Return the URI of a server that answers once."""
    server = HTTPServer(("127.0.0.1", 0), _Answer)

    def answer() -> None:
        server.handle_request()
        server.server_close()

    Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
