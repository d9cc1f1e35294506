"""The routes that hooks ask, over HTTP on loopback: the API's application and the waiting one.

Time in which a hook waits passes fast here: a second of it takes a hundredth.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from fakes.stores import FakeTimers
from functions.api.app import build
from support.api import parts_over
from support.databases import Stores
from support.waiting import until
from tocsin.adapters.clock import SystemClock
from tocsin.bootstrap.api import ApiParts
from tocsin.domain.batch import Batch
from tocsin.domain.errors import TocsinError
from tocsin.domain.keys import Scope as KeyScope
from tocsin.domain.keys import mint
from tocsin.domain.org import Org
from tocsin.services.approvals.deciding import Resolve
from tocsin.services.approvals.waiting import Waiting
from tocsin.services.hooks.answering import Answering
from tocsin.services.hooks.patience import Patience
from tocsin.services.intake.allowance import Allowance
from tocsin.services.intake.recording import Recording
from tocsin.services.intake.screening import Screening, remembered
from tocsin.wire.problems import problem

__all__ = ["HookService", "serving_hooks"]


@dataclass
class HookService:
    """The service, its keys, and people."""

    stores: Stores
    parts: ApiParts
    waiting: Waiting
    url: str = ""

    def key(self, org: str = "acme", *scopes: KeyScope) -> str:
        """Return a key of an org, which is made with it."""
        token, key = mint(org, frozenset(scopes or {KeyScope.INGEST}), "test", 1)
        self.stores.keys.put(key)
        if self.stores.orgs.get(org) is None:
            self.stores.orgs.put(Org(org))
        return token

    def pending(self, org: str = "acme") -> list[str]:
        return list(self.stores.approvals.pending(org, 100))

    def resolve(self, *, approved: bool, org: str = "acme") -> None:
        """Answer the call that waits, as soon as one does."""
        until(lambda: bool(self.pending(org)), "a call that waits")
        maria = mint(org, frozenset({KeyScope.APPROVE}), "maria", 1, person="maria@example.com")[1]
        self.parts.deciding.resolve(maria, self.pending(org)[0], Resolve(approved=approved))

    def events(self, org: str = "acme") -> list[dict[str, Any]]:
        """Return what was recorded of an org's agents, in its order."""
        found = self.stores.journal.between(org, "", "~", 1_000)
        batches = [each.unpack() for each in found]
        entries = [
            json.loads(entry)
            for batch in batches
            if isinstance(batch, Batch)
            for entry in batch.entries
        ]
        return [event for event in entries if event["source"] == "client"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["path"].endswith("/decision"):
            await self._decision(scope, send)
        else:
            await self._api(scope, receive, send)

    def __post_init__(self) -> None:
        self._api: ASGIApp = build(self.parts)

    async def _decision(self, scope: Scope, send: Send) -> None:
        id = scope["path"].split("/")[3]
        presented = dict(scope["headers"]).get(b"authorization", b"").decode()
        query = parse_qsl(scope["query_string"].decode())
        status, content = 200, b""
        try:
            async for part in self.waiting.decision(presented, id, query):
                content += part
        except TocsinError as error:
            said = problem(error)
            status, content = said.status, said.content
        headers = [(b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def hook_service(stores: Stores) -> HookService:
    """Return a service over stores."""
    clock = SystemClock()
    parts = parts_over(stores, clock, FakeTimers())
    allowance = Allowance(stores.orgs.get, stores.quota, clock)
    screening = Screening(clock, remembered(stores.privacy_settings, clock))
    passed = [0.0]

    def pause(seconds: float) -> None:
        passed[0] += seconds
        time.sleep(seconds / 100)

    patience = Patience(
        stores.approvals, stores.places, clock, pause=pause, seconds=lambda: passed[0]
    )
    answering = Answering(
        parts.calling,
        patience,
        Recording(stores.journal, allowance, screening, clock),
        "https://tocsin.example.com",
    )
    parts = replace(parts, hooks=answering)
    waiting = Waiting(
        stores.approvals,
        parts.reading,
        lambda presented: parts.credentials.admit(presented, None)[0],
        0.02,
    )
    return HookService(stores, parts, waiting)


@contextmanager
def serving_hooks(service: HookService, port: int = 0) -> Iterator[HookService]:
    """Serve it on a port: the same again, where one is given."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        config = uvicorn.Config(
            service, lifespan="off", log_level="error", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        service.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        until(lambda: server.started, "the service")
        try:
            yield service
        finally:
            server.should_exit = True
            thread.join(30)
