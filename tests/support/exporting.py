"""The deployed ingest handler behind HTTP, as API Gateway puts it, for exporters that are real."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

from support.context import Context
from tocsin.local.apigateway import HttpRequest, proxy_event, proxy_response

__all__ = ["Endpoint", "answering", "endpoint"]

type Handler = Callable[[dict[str, Any], Context], dict[str, Any]]


@dataclass
class Endpoint:
    """Where it listens, and what came: the requests' paths, headers and bodies, and statuses.

    The first answers are lost, as many as ``lose`` says: the client sees its connection end.
    """

    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    lose: int = 0


@contextmanager
def endpoint(handler: Handler) -> Iterator[Endpoint]:
    """Serve a Lambda handler."""
    found = Endpoint()

    class Served(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            found.requests.append((self.path, dict(self.headers.items()), body))
            request = HttpRequest(
                method=self.command,
                path=self.path,
                query="",
                headers=list(self.headers.items()),
                body=body,
                client="127.0.0.1",
                port=0,
            )
            event = proxy_event(
                request, resource=self.path, proxy=None, request_id=str(uuid4()), now_ms=10**12
            )
            result = handler(json.loads(json.dumps(event)), Context("ingest"))
            answer = proxy_response(json.loads(json.dumps(result)), "1")
            found.answers.append((answer.status, dict(answer.headers), answer.body))
            if found.lose:
                found.lose -= 1
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_OPTIONS = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _serving(Served) as found.url:
        yield found


@contextmanager
def answering(answers: dict[str, Any]) -> Iterator[str]:
    """Serve a vendor's API that answers each path with a JSON object; yield its URL."""

    class Served(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer = answers.get(self.path)
            content = json.dumps(answer or {"error": {"message": "none", "type": "x"}}).encode()
            self.send_response(200 if answer else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with _serving(Served) as url:
        yield url


@contextmanager
def _serving(served: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), served) as server:
        running = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        running.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            running.join()
