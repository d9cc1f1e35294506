"""The API function's application over stores, called as API Gateway calls it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.stores import FakeClock, FakeTimers
from functions.api.handler import adapter
from support.context import Context
from support.databases import Stores
from tocsin.bootstrap.api import ApiParts, parts
from tocsin.domain.addresses import check_url
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.org import Org
from tocsin.local.apigateway import HttpRequest, proxy_event
from tocsin.ports.deciding import Timers
from tocsin.ports.world import Clock
from tocsin.wire.notify import signatures

ORIGIN = "https://dashboard.example.com"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def parts_over(stores: Stores, clock: Clock, timers: Timers, **more: Any) -> ApiParts:
    """Return the API function's parts over stores."""
    return parts(
        clock=clock,
        orgs=stores.orgs,
        quota=stores.quota,
        approvals=stores.approvals,
        timers=timers,
        places=stores.places,
        policies=stores.policies,
        journal=stores.journal,
        projections=stores.projections,
        keys=stores.keys,
        key_ring=stores.key_ring,
        session_states=stores.session_states,
        budgets=stores.budgets,
        agent_states=stores.agent_states,
        detection_settings=stores.detection_settings,
        privacy_settings=stores.privacy_settings,
        subjects=stores.subjects,
        anomalies=stores.anomalies,
        passes=stores.passes,
        sign_in_writes=stores.sign_in_writes,
        sign_in_failures=stores.sign_in_failures,
        rates=stores.rates,
        ledger=stores.ledger,
        endpoints=stores.endpoints,
        deliveries=stores.deliveries,
        signatures=signatures,
        check_url=lambda url: check_url(url, loopback=False),
        sign_in_seconds=3_600,
        **more,
    )


@dataclass
class Api:
    """The function, and keys for it."""

    stores: Stores
    clock: FakeClock = field(default_factory=FakeClock)
    timers: FakeTimers = field(default_factory=FakeTimers)
    public_url: str | None = ORIGIN
    per_minute: int = 100_000
    changes_per_minute: int = 100_000

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.parts = parts_over(
            self.stores,
            self.clock,
            self.timers,
            export_buckets=frozenset({"exports"}),
            mails=True,
            key_requests_per_minute=self.per_minute,
            admin_changes_per_minute=self.changes_per_minute,
            allowed_origins=frozenset({ORIGIN}),
            public_url=self.public_url,
        )
        self.handler = adapter(self.parts)

    def close(self) -> None:
        self._loop.close()
        asyncio.set_event_loop(None)

    def key(self, *scopes: Scope, org: str = "acme", person: str = "") -> tuple[str, ApiKey]:
        token, key = mint(org, frozenset(scopes), "test", 1, person=person)
        self.stores.keys.put(key)
        if self.stores.orgs.get(org) is None:
            self.stores.orgs.put(Org(org))
        return token, key

    def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        path, _, query = target.partition("?")
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        event = proxy_event(
            HttpRequest(method, path, query, [*sent.items()], raw, "127.0.0.1", 80),
            resource="/{proxy+}",
            proxy=path.removeprefix("/"),
            request_id="r",
            now_ms=0,
        )
        asyncio.set_event_loop(self._loop)
        answer = self.handler(event, Context("api"))  # type: ignore[arg-type]
        single = {name.lower(): value for name, value in answer["headers"].items()}
        several = {
            name.lower(): ", ".join(values)
            for name, values in answer.get("multiValueHeaders", {}).items()
        }
        return Answer(answer["statusCode"], single | several, answer["body"])
