"""Both clients before an API that answers what it is told to."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support.api_answers import Server
from tocsin.client import AsyncClient, Backoff, Client

BACKOFF = Backoff(first_seconds=0.01, max_seconds=0.02)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, server: Server) -> Iterator[Callable[..., Any]]:
    options: dict[str, Any] = {"backoff": BACKOFF, "transport": httpx.MockTransport(server)}

    def sync(method: str, *args: Any, **more: Any) -> Any:
        with Client("http://tocsin", "key", **options) as client:
            return getattr(client, method)(*args, **more)

    def with_asyncio(method: str, *args: Any, **more: Any) -> Any:
        async def main() -> Any:
            async with AsyncClient("http://tocsin", "key", **options) as client:
                return await getattr(client, method)(*args, **more)

        return asyncio.run(main())

    yield sync if request.param == "sync" else with_asyncio
