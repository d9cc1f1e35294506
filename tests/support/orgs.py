"""An org of its own on a running product, so that nobody else's events are in its streams."""

import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from support.product import Product
from support.waiting import HANG_SECONDS, until
from tocsin.adapters.clock import SystemClock
from tocsin.domain.batch import Batch, pack
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import Scope, mint
from tocsin.domain.org import Org
from tocsin.services.intake.stamp import entries_of

__all__ = ["NewOrg"]

_SCOPES = frozenset({Scope.INGEST, Scope.READ})


class NewOrg:
    """Its ``key`` is what a client sends."""

    def __init__(self, product: Product) -> None:
        """Create it."""
        self.product = product
        self.key, self._stored = mint(f"org-{uuid4().hex[:8]}", _SCOPES, "test", 1)
        with product.tables() as tables:
            tables.orgs.put(Org(self._stored.org))
            tables.keys.put(self._stored)

    @property
    def id(self) -> str:
        return self._stored.org

    def new_key(self, *scopes: Scope, person: str = "") -> str:
        """Return another key of the org."""
        token, key = mint(self._stored.org, frozenset(scopes), "test", 1, person=person)
        with self.product.tables() as tables:
            tables.keys.put(key)
        return token

    def post(self, *events: dict[str, Any]) -> None:
        """Send events as a client does."""
        answer = httpx.post(
            f"{self.product.url}/api/v1/ingest/raw",
            headers={"Authorization": f"Bearer {self.key}"},
            json={"events": events},
            timeout=HANG_SECONDS,
        )
        assert answer.json().get("data") == {"ingested": len(events), "rejected": 0}, answer.text

    def emit(self, *events: dict[str, Any]) -> None:
        """Write events into the journal as Tocsin does those that no client may send."""
        now_ms = SystemClock().now_ms()
        batch_id = new_batch_id(now_ms, os.urandom(10))
        entries = entries_of(events, batch_id, self._stored.id, now_ms, plain=True)
        with self.product.tables() as tables:
            org, key_id = self._stored.org, self._stored.id
            tables.journal.put(Batch(org, batch_id, entries, key_id, now_ms), pack(entries))

    def begin(self) -> int:
        """Post an event, and return the seq of what tells that its session begins."""
        self.post({"type": "tool_call", "toolName": "t"})
        with self.product.tables() as tables:
            until(lambda: tables.ledger.head(self._stored.org).seq == 2, "its session begins")
        return 2

    def until_watched(self, seen: Callable[[], bool], **event: Any) -> None:
        """Post an event again and again, until a client that is still connecting sees one."""

        def sent_and_seen() -> bool:
            if not seen():
                self.post(event)
            return seen()

        until(sent_and_seen, "the client sees what is posted")
