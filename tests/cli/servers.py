"""Real HTTP servers of this machine that misbehave."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROJECT = {"id": "1", "name": "litseg", "entity": {"id": "1", "name": "someone"}}
BUCKET = {"id": "1", "name": "run", "displayName": "run", "project": PROJECT}
# What W&B needs to hear to start a run; keyed by a word of its question
ANSWERS = {
    "UpsertBucket": {"upsertBucket": {"bucket": BUCKET, "inserted": True}},
    "ResumeStatus": {"model": PROJECT | {"bucket": None}},
    "ServerFeatures": {"serverInfo": {"features": []}},
}


@contextmanager
def server(behaviour: str) -> Iterator[str]:
    """A server's address.

    Args:
        behaviour: `silent` never answers; `late` answers as W&B does until a run has started, and then never;
            a number is the status of every answer.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server looks for
            self.respond({} if behaviour != "silent" else None)

        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
            known = [answer for word, answer in ANSWERS.items() if word in question]
            self.respond({"data": known[0]} if known and behaviour == "late" else {} if behaviour.isdigit() else None)

        def respond(self, content: object) -> None:
            if content is None:
                over.wait()
                return
            body = json.dumps(content).encode()
            self.send_response(int(behaviour) if behaviour.isdigit() else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        over.set()
        listening.shutdown()
        listening.server_close()
