"""Sends events in bursts, through Tocsin's own client: again and again until they are accepted."""

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx

from support.chaos.views import TYPES
from support.product import Product
from tocsin.client import AsyncClient, Backoff

__all__ = ["Producer"]

BATCHES = (1, 1, 1, 2, 10, 40)  # sizes, each as likely
TEXTS = (*(100,) * 20, *(2_000,) * 9, 20_000)  # characters that an event carries


class Producer:
    """One agent. ``sent`` are the ids of its events in order; ``retries`` counts repetitions."""

    def __init__(
        self, product: Product, agent: str, events_per_second: float, random: Random
    ) -> None:
        self.agent = agent
        self.sent: list[str] = []
        self.accepted = 0
        self.retries = 0
        self._product = product
        self._random = random
        self._mean_wait = sum(BATCHES) / len(BATCHES) / events_per_second

    async def run(self, finishing: asyncio.Event) -> None:
        """Send until told to finish, and what was begun to its end."""
        transport = _Counting()
        client = AsyncClient(
            self._product.url,
            self._product.api_key,
            backoff=Backoff(attempts=200, first_seconds=0.1, max_seconds=1.0),
            transport=transport,
        )
        async with client:
            while not finishing.is_set():
                events = list(self._events(self._random.choice(BATCHES)))
                self.sent += [event["id"] for event in events]
                result = await client.send(events)
                self.accepted += result.ingested
                self.retries = transport.failures
                await asyncio.sleep(self._random.expovariate(1 / self._mean_wait))

    def _events(self, count: int) -> Iterator[dict[str, Any]]:
        for number in range(len(self.sent), len(self.sent) + count):
            event: dict[str, Any] = {
                "id": f"{self.agent}-{number}",
                "type": self._random.choice(TYPES),
                "toolName": "search",
                "agentId": self.agent,
                "action": self._random.choice(("allow", "deny", "log")),
                "metadata": {"text": "x\u2028" * (self._random.choice(TEXTS) // 2)},
            }
            if self._random.random() < 0.3:
                event["costUsd"] = 0.25
            yield event


class _Counting(httpx.AsyncHTTPTransport):
    """Counts what the client has to send again."""

    failures = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super().handle_async_request(request)
        except httpx.TransportError:
            self.failures += 1
            raise
        self.failures += response.status_code != 200
        return response
