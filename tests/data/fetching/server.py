"""A web server on 127.0.0.1 that behaves as badly as a test asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """What it serves, how, and what it was asked.

    Attributes:
        content: the file at every address.
        etag: its version; None: the server states none.
        ranges: whether it answers requests for a part.
        breaks: for each request in turn, after how many bytes the connection ends; none left: it does not.
        announced: Content-Length as claimed; None: the truth; -1: not stated.
        statuses: for each request in turn, the status; none left: 200 or 206.
        shift: a part starts this many bytes too late.
        location: where a 302 leads.
        hangs: whether it accepts and then says nothing.
        asked: the headers of each request.
    """

    content: bytes = b""
    etag: str | None = '"1"'
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    announced: int | None = None
    statuses: list[int] = field(default_factory=list)
    shift: int = 0
    location: str = ""
    hangs: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(dict(self.headers))
            if server.hangs:
                server.over.wait(10)
                return
            status = server.statuses.pop(0) if server.statuses else 200
            if status != 200:
                self.send_response(status)
                self.send_header("Location", server.location)
                self.end_headers()
                return
            self._send(self._start())

        def _start(self) -> int:
            wanted, version = self.headers.get("Range"), self.headers.get("If-Range")
            if wanted is None or not server.ranges or version not in (None, server.etag):
                return 0
            return int(wanted.removeprefix("bytes=").removesuffix("-"))

        def _send(self, start: int) -> None:
            if start > len(server.content):
                self.send_response(416)
                self.end_headers()
                return
            start += server.shift
            body = server.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
            if server.etag is not None:
                self.send_header("ETag", server.etag)
            if server.announced != -1:
                self.send_header("Content-Length", str(server.announced or len(body)))
            self.end_headers()
            self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serve(content: bytes = b"") -> Iterator[Server]:
    """Runs a server of `content` until the block ends."""
    server = Server(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            http.shutdown()
            thread.join()
