"""A small real HTTP server that keeps Tocsin's contract, and fails when it is told to."""

import gzip
import json
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from support.waiting import HANG_SECONDS
from tocsin.wire import sse
from tocsin.wire.filters import PARAMETERS, Facts

API_KEY = "tocsin_acme_0123456789ab_" + "s" * 43


@dataclass(frozen=True)
class Answer:
    """What a request gets instead of the real answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


ALLOWED = Answer(200, body={"allowed": True, "decision": "allow", "message": ""})


type Fault = Answer | Literal["lose the request", "lose the answer"]


@dataclass(frozen=True)
class Ingest:
    """A request as it came."""

    key: str | None
    partial: bool
    body: bytes
    authorization: str | None
    media_type: str | None = None
    port: int = 0  # the client's
    backfill: bool = False

    @property
    def events(self) -> list[dict[str, Any]]:
        body = self.body
        if self.media_type == "application/gzip":
            body = gzip.decompress(body)
        return list(json.loads(body)["events"])


class FakeTocsin:
    """Stores what is sent, once an idempotency key, and streams it."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.cuts: deque[int] = deque()  # each ends a stream after so many messages
        self.streams: list[str | None] = []  # the Last-Event-ID of each connection
        self.queries: list[dict[str, str]] = []  # the query of each connection
        self.lists: list[dict[str, str]] = []  # the query of each list
        self.ingests: list[Ingest] = []
        self.ledger: list[dict[str, Any]] = []
        self.first_kept = 1
        self.max_request_bytes = 4 * 1024 * 1024
        self.breaks_on: Callable[[dict[str, Any]], bool] = lambda event: False  # answers 502
        self.chokes_on: Callable[[dict[str, Any]], bool] = lambda event: False  # refuses all of it
        self.suspended: set[str] = set()  # sessions
        self.preflights: list[dict[str, Any]] = []
        self.decide: Callable[[str, dict[str, Any]], Answer] = lambda tool, body: ALLOWED
        self.asked: list[tuple[str, dict[str, Any]]] = []  # which calls, and what was said of them
        self.approvals: dict[str, dict[str, Any]] = {}  # what is said of each
        self.awaited: list[str] = []  # the approvals whose decisions were waited for
        self.resolutions: list[tuple[str, str | None, dict[str, Any]]] = []  # and with which key
        self.slow = Event()  # cleared: preflights are not answered
        self.slow.set()
        self.stops = 0
        self.changed = Condition()
        self._answers: dict[str, tuple[bytes, Answer]] = {}
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen; until then connections are refused."""
        self._server = _Server(self._socket, self)
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, with the port kept, and end those that are open."""
        if self._server is not None:
            server, self._server = self._server, None
            self.stops += 1
            server.shutdown()
            server.server_close()
            self._socket = _bound(self.port)
        with self.changed:
            self.changed.notify_all()

    def close(self) -> None:
        self.stop()
        self._socket.close()

    @property
    def running(self) -> bool:
        return self._server is not None

    @property
    def tools(self) -> list[str]:
        """The tools of the stored events, in order."""
        with self.changed:
            return [event["tool_name"] for event in self.ledger]

    def store(self, *events: dict[str, Any]) -> None:
        """Seal events as if somebody had sent them."""
        with self.changed:
            for event in events:
                seq = len(self.ledger) + 1
                stored = {_snake(name): value for name, value in event.items()}
                stored.setdefault("session_id", "ses_0123456789ab")
                stored.setdefault("action", "log")
                stored.setdefault("timestamp", "2026-03-19T10:00:00.000Z")
                stored.setdefault("tool_name", None)
                chain = {"seq": seq, "lineage_hash": f"sha256:{seq:064x}"}
                self.ledger.append(stored | {"id": f"evt_{seq:026d}"} | chain)
            self.changed.notify_all()

    def wait_until(self, true: Callable[[], bool], timeout: float = HANG_SECONDS) -> None:
        with self.changed:
            assert self.changed.wait_for(true, timeout), f"never came: {self.ledger!r:.2000}"

    def ingest(self, request: Ingest) -> Answer | None:
        """Answer a request, or return None where the connection has to break."""
        with self.changed:
            self.ingests.append(request)
            self.changed.notify_all()
            fault = self.faults.popleft() if self.faults else None
            if isinstance(fault, Answer):
                return fault
            if fault == "lose the request":
                return None
            answer = self._answers.get(request.key or "", (request.body, None))
            if answer[0] != request.body:
                return Answer(409, body={"error": "used with another body"})
            final = answer[1] or self._store(request)
            if request.key is not None and final.status == 200:
                self._answers[request.key] = (request.body, final)
            return None if fault == "lose the answer" else final

    def preflight(self, body: dict[str, Any]) -> Answer:
        self.preflights.append(body)
        self.slow.wait(HANG_SECONDS)
        denied = body["session"] in self.suspended
        said = {"allowed": not denied, "decision": "deny" if denied else "allow"}
        return Answer(200, body=said | ({"suspended": True} if denied else {}))

    def call(self, tool: str, body: dict[str, Any]) -> Answer:
        """Answer ``POST /v1/tool/{tool}`` as ``decide`` says."""
        with self.changed:
            self.asked.append((tool, body))
            self.changed.notify_all()
        return self.decide(tool, body)

    def ask(self, id: str) -> Answer:
        """Return the answer to a call that waits for an approval, which is made."""
        with self.changed:
            self.approvals.setdefault(id, {"id": id, "status": "pending", "expires_at": ""})
        said = {"allowed": False, "decision": "ask", "message": "may it?", "approval_id": id}
        return Answer(202, body=said)

    def resolve(self, id: str, status: str, **more: Any) -> None:
        """Say what became of an approval."""
        with self.changed:
            self.approvals[id] |= {"status": status} | more
            self.changed.notify_all()

    def decision(self, id: str, seconds: float) -> Answer:
        """Answer as the route of a decision does, which waits."""
        with self.changed:
            self.awaited.append(id)
            self.changed.wait_for(
                lambda: not self.running or self.approvals[id]["status"] != "pending", seconds
            )
            return Answer(200, body=self.approvals[id])

    def list(self, path: str, query: dict[str, str]) -> Answer:
        """Answer as the list of events does, as far as ``limit``, ``since`` and filters go."""
        with self.changed:
            self.lists.append(query)
            if self.faults:
                fault = self.faults.popleft()
                return fault if isinstance(fault, Answer) else Answer(502)
            if path != "/api/v1/events":
                return Answer(404, body={"error": "there is nothing at this path"})
            found = [
                {"model": None, "pii_types": []} | event
                for event in reversed(self.ledger)
                if _shown(event, query)
                if event["seq"] > int(query.get("since", 0))
            ]
            return Answer(200, body=found[: int(query["limit"])])

    def _store(self, request: Ingest) -> Answer:
        if request.authorization != f"Bearer {API_KEY}":
            return Answer(401, body={"error": "no such key"})
        if len(request.body) > self.max_request_bytes:
            return Answer(413, body={"error": "send less at once"})
        events = request.events
        if any(map(self.breaks_on, events)):
            return Answer(502, body={"message": "Internal server error"})
        if any(map(self.chokes_on, events)):
            return Answer(400, body={"error": "the body is not JSON"})
        if not 1 <= len(events) <= 1_000:
            return Answer(413, body={"error": f"{len(events)} events"})
        errors = [
            {"index": index, "details": [{"field": f"events[{index}].type", "message": "Required"}]}
            for index, event in enumerate(events)
            if "type" not in event
        ]
        if errors and not request.partial:
            details = [detail for error in errors for detail in error["details"]]  # type: ignore[attr-defined]
            return Answer(400, body={"error": "Validation failed", "details": details})
        good = [event for event in events if "type" in event]
        self.store(*good)
        data: dict[str, Any] = {"ingested": len(good), "rejected": len(errors)}
        if errors:
            data["errors"] = errors
        if any(event.get("session_id") in self.suspended for event in good):
            data["suspended"] = True
        meta: dict[str, Any] = {"remainingQuota": 1_000}
        ignored = {name for event in events for name in event if name.startswith("unknown")}
        if ignored:
            meta["ignoredFields"] = sorted(ignored)
        return Answer(200, body={"data": data, "meta": meta})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, bound: socket.socket, tocsin: FakeTocsin) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.tocsin = tocsin
        self.server_activate()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of these tests break off on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        tocsin, url = self.server.tocsin, urlsplit(self.path)
        size = int(self.headers["Content-Length"] or 0)
        request = Ingest(
            self.headers["Idempotency-Key"],
            parse_qs(url.query).get("partial") == ["true"],
            self.rfile.read(size),
            self.headers["Authorization"],
            self.headers["Content-Type"],
            self.client_address[1],
            parse_qs(url.query).get("backfill") == ["true"],
        )
        if tocsin.running and url.path.startswith("/v1/preflight/"):
            self._answer(tocsin.preflight(json.loads(request.body)))
            return
        if tocsin.running and url.path.startswith("/v1/tool/"):
            tool = unquote(url.path.removeprefix("/v1/tool/"))
            self._answer(tocsin.call(tool, json.loads(request.body)))
            return
        id = url.path.removeprefix("/v1/approvals/").partition("/")[0]
        if tocsin.running and id in tocsin.approvals:
            body = json.loads(request.body)
            tocsin.resolutions.append((id, request.authorization, body))
            tocsin.resolve(id, "approved" if body["approved"] else "denied")
            self._answer(Answer(200, body=tocsin.approvals[id]))
            return
        answer = tocsin.ingest(request) if tocsin.running else None
        if answer is None:
            self.close_connection = True
            return
        self._answer(answer)

    do_PUT = do_DELETE = do_POST

    def do_GET(self) -> None:
        tocsin, url = self.server.tocsin, urlsplit(self.path)
        if url.path.startswith("/v1/approvals/") and url.path.endswith("/decision"):
            if tocsin.running:
                seconds = float(dict(parse_qsl(url.query))["wait"])
                self._answer(tocsin.decision(url.path.split("/")[3], seconds))
            self.close_connection |= not tocsin.running
            return
        if self.headers["Accept"] == "application/json":
            self._answer(tocsin.list(url.path, dict(parse_qsl(url.query))))
            return
        with tocsin.changed:
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            tocsin.streams.append(self.headers["Last-Event-ID"])
            tocsin.queries.append(query)
            tocsin.changed.notify_all()
            fault = tocsin.faults.popleft() if tocsin.faults else None
            cut = tocsin.cuts.popleft() if tocsin.cuts else None
            cursor = int(self.headers["Last-Event-ID"] or len(tocsin.ledger))
        if self.headers["Authorization"] != f"Bearer {API_KEY}":
            fault = Answer(401, body={"error": "no such key"})
        if isinstance(fault, Answer):
            self._answer(fault)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            self._stream(cursor, cut, query)

    def _stream(self, cursor: int, cut: int | None, query: dict[str, str]) -> None:
        tocsin = self.server.tocsin
        stops = tocsin.stops
        self._chunk(sse.comment("tocsin") + sse.encode(None, None, cursor))
        if cursor + 1 < tocsin.first_kept:
            gap = json.dumps({"after": cursor, "first_seq": tocsin.first_kept})
            self._chunk(sse.encode("gap", gap, tocsin.first_kept - 1))
            return
        sent = 0
        while cut is None or sent < cut:
            with tocsin.changed:
                while cursor >= len(tocsin.ledger) and tocsin.stops == stops:
                    tocsin.changed.wait()
                if tocsin.stops != stops:
                    break
                event = tocsin.ledger[cursor]
            cursor += 1
            sent += 1
            if _shown(event, query):
                self._chunk(sse.encode("agent_event", json.dumps(event), cursor))
            else:
                self._chunk(sse.encode(None, None, cursor))
        # the last chunk is missing: the connection breaks

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def _answer(self, answer: Answer) -> None:
        has_body = answer.status != 204  # bytes after a 204 are read as the next answer's
        body = json.dumps(answer.body).encode() if has_body else b""
        self.send_response(answer.status)
        if has_body:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def fake_tocsin() -> Iterator[FakeTocsin]:
    """Yield a server that listens."""
    tocsin = FakeTocsin()
    tocsin.start()
    try:
        yield tocsin
    finally:
        tocsin.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _shown(event: dict[str, Any], query: dict[str, str]) -> bool:
    types, facts = query.get("types"), Facts.among(event)._asdict()
    return (types is None or event["type"] in types.split(",")) and all(
        facts[name] == query[name] for name in PARAMETERS - {"types", "type"} if name in query
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
