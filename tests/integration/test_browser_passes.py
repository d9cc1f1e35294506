"""Cookies in a real browser as they are deployed: TLS ends before the service, on another site."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page
from starlette.types import ASGIApp, Receive, Scope, Send

from fakes.stores import FakeTimers
from functions.api.app import build
from integration.test_stream_passes import Org, Service, service
from support.api import parts_over
from support.browser import chromium, patient
from support.databases import Database, Stores
from support.pages import SIGN_IN, WATCH, blank_page
from support.server import serving
from support.tls import tls_front

pytestmark = pytest.mark.anyio
NAME = "__Host-tocsin_session"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def stores(database: Database) -> Stores:
    return database.stores()[0]


@dataclass
class World:
    """A browser, the service as it sees it, and two pages of other sites, of which one may call."""

    on: Service
    context: BrowserContext
    url: str
    dashboard: str
    other: str

    async def page(self, address: str) -> Page:
        page = await self.context.new_page()
        await page.goto(address)
        return page

    async def sees(self, page: Page, count: int) -> None:
        """Wait until the page has seen so many events: all of them, once, in order."""
        await page.wait_for_function("count => seen.length >= count", arg=count)
        seqs = await page.evaluate("seen.map(event => event.seq)")
        assert seqs == list(range(1, count + 1))


@pytest.fixture
async def world(stores: Stores, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as running:
        pages = await running.enter_async_context(serving(blank_page))
        page_port, _ = await running.enter_async_context(tls_front(_port(pages), tmp_path))
        dashboard = f"https://dashboard.example:{page_port}"
        on = await running.enter_async_context(
            # Each stream is cut at half a second.
            service(
                stores,
                beside=partial(with_api, stores=stores, origin=dashboard),
                allowed_origins=frozenset({dashboard}),
                max_seconds=0.5,
                retry_ms=50,
            )
        )
        own_port, _ = await running.enter_async_context(
            tls_front(on.client.base_url.port or 0, tmp_path)
        )
        browser = await running.enter_async_context(
            chromium("--host-resolver-rules=MAP *.example 127.0.0.1")
        )
        context = patient(await browser.new_context(ignore_https_errors=True))
        url, other = f"https://tocsin.example:{own_port}", f"https://other.example:{page_port}"
        yield World(on, context, url, dashboard, other)
        await context.close()


def with_api(stream: ASGIApp, org: Org, *, stores: Stores, origin: str) -> ASGIApp:
    """Return both at one address, as the edge has them."""
    parts = parts_over(stores, org.tenant.clock, FakeTimers(), allowed_origins=frozenset({origin}))
    api = build(parts)

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        signs_in = scope["type"] == "http" and scope["path"] == "/api/v1/session"
        await (api if signs_in else stream)(scope, receive, send)

    return edge


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def watch_while_it_is_cut(world: World, page: Page, url: str) -> None:
    await page.evaluate(WATCH, url)
    await page.wait_for_function("opened > 0")
    for count in (2, 4, 6):
        world.on.org.seal(2)
        await world.sees(page, count)
        opened = await page.evaluate("opened")
        await page.wait_for_function("opened => window.opened > opened", arg=opened)


async def test_a_page_of_an_allowed_site(world: World) -> None:
    page = await world.page(world.dashboard)
    status, who = await page.evaluate(SIGN_IN, [world.url, world.on.org.token])
    assert (status, who["org"]) == (201, world.on.org.tenant.org)
    (cookie,) = await world.context.cookies()
    assert (cookie["name"], cookie["sameSite"]) == (NAME, "None")
    assert (cookie["secure"], cookie["httpOnly"]) == (True, True)
    assert cookie["partitionKey"] == "https://dashboard.example"
    await watch_while_it_is_cut(world, page, f"{world.url}/api/v1/events")


async def test_a_page_of_our_own(world: World) -> None:
    page = await world.page(f"{world.url}/healthz")
    assert (await page.evaluate(SIGN_IN, ["", world.on.org.token]))[0] == 201
    (cookie,) = await world.context.cookies()
    assert (cookie["name"], cookie["sameSite"]) == (NAME, "Strict")
    await watch_while_it_is_cut(world, page, "/api/v1/events")


async def test_a_page_of_another_site_has_nothing_of_it(world: World) -> None:
    for page, url in [
        (await world.page(f"{world.url}/healthz"), ""),
        (await world.page(world.dashboard), world.url),
    ]:
        assert (await page.evaluate(SIGN_IN, [url, world.on.org.token]))[0] == 201
    other = await world.page(world.other)
    world.on.org.seal(2)
    await other.evaluate(WATCH, f"{world.url}/api/v1/events?after=0")
    await other.wait_for_function("eventSource.readyState == EventSource.CLOSED")
    assert await other.evaluate("[seen.length, opened]") == [0, 0]


async def test_ramparts_client_with_a_ticket(world: World) -> None:
    page = await world.page(world.dashboard)
    await page.evaluate(SIGN_IN, [world.url, world.on.org.token])
    await page.evaluate(RAMPART, world.url)
    await page.wait_for_function("said.length == 1")
    world.on.org.seal(1, tool_name="exec")
    await page.wait_for_function("said.length >= 2")
    said = await page.evaluate("said")
    assert said[:2] == ["Connected to Rampart event stream", "Audit event: exec"]
    # The ticket is used up: where the stream is cut, the page must fetch another.
    await page.wait_for_function("eventSource.readyState == EventSource.CLOSED")


# Rampart's browser client, as its document prints it, with a ticket for the token.
RAMPART = """
async (url) => {
  window.said = [];
  const answer = await fetch(url + "/v1/stream-tickets", {method: "POST", credentials: "include"});
  const token = (await answer.json()).ticket;
  window.eventSource = new EventSource(`${url}/v1/events/stream?token=${token}`);
  eventSource.onmessage = (event) => {
    const data = JSON.parse(event.data);
    switch (data.type) {
      case "connected":
        said.push("Connected to Rampart event stream");
        break;
      case "audit":
        said.push("Audit event: " + data.event.tool);
        break;
    }
  };
}
"""
