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
from tocsin.bootstrap.api import parts
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.org import Org
from tocsin.local.apigateway import HttpRequest, proxy_event

ORIGIN = "https://dashboard.example.com"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass
class Api:
    """The function, and keys for it."""

    stores: Stores
    clock: FakeClock = field(default_factory=FakeClock)
    timers: FakeTimers = field(default_factory=FakeTimers)
    public_url: str | None = ORIGIN
    per_minute: int = 100_000

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.parts = parts(
            clock=self.clock,
            orgs=self.stores.orgs,
            quota=self.stores.quota,
            approvals=self.stores.approvals,
            timers=self.timers,
            policies=self.stores.policies,
            journal=self.stores.journal,
            projections=self.stores.projections,
            keys=self.stores.keys,
            key_ring=self.stores.key_ring,
            session_states=self.stores.session_states,
            budgets=self.stores.budgets,
            agent_states=self.stores.agent_states,
            passes=self.stores.passes,
            sign_in_writes=self.stores.sign_in_writes,
            sign_in_failures=self.stores.sign_in_failures,
            rates=self.stores.rates,
            sign_in_seconds=3_600,
            key_requests_per_minute=self.per_minute,
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
