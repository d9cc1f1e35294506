"""A real browser at the whole product: a page of another origin signs in, watches and resumes."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page

from support.asgi import served
from support.browser import patient
from support.orgs import NewOrg
from support.pages import SIGN_IN, WATCH, blank_page
from support.product import Product
from support.waiting import HANG_SECONDS
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("product")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class World:
    """The product, a page whose origin it allows, and one whose origin it does not."""

    product: Product
    allowed: str
    other: str

    def send(self, session: str) -> None:
        event = {"type": "tool_call", "toolName": "search", "sessionId": session}
        url = f"{self.product.url}/api/v1/ingest/raw"
        answer = httpx.post(url, json=event, headers=self.product.headers, timeout=HANG_SECONDS)
        assert answer.status_code == 200


@pytest.fixture
def world(product: Product, allowed_origin: str) -> Iterator[World]:
    with served(blank_page) as port:
        yield World(product, allowed_origin, f"http://127.0.0.1:{port}")


async def page_of(context: BrowserContext, origin: str) -> Page:
    page = await context.new_page()
    await page.goto(origin)
    return page


async def seen(page: Page, sessions: list[str]) -> None:
    """Wait until the page has seen as many events; they are these, in this order."""
    await page.wait_for_function("count => seen.length >= count", arg=len(sessions))
    assert await page.evaluate("seen.map(event => event.sessionId)") == sessions


async def test_igris_client_as_printed_on_a_page_of_an_allowed_origin(
    world: World, browser: Browser
) -> None:
    product = world.product
    context = patient(await browser.new_context())
    page = await page_of(context, world.allowed)
    status, who = await page.evaluate(SIGN_IN, [product.url, product.api_key])
    assert (status, who["org"], who["scopes"]) == (201, "local", ["admin"])
    assert await page.evaluate("document.cookie") == ""  # no script can read it

    await page.evaluate(WATCH, f"{product.url}/api/v1/events")
    await page.wait_for_function("opened == 1")
    world.send("ses_1")
    await seen(page, ["ses_1"])

    for number, part in enumerate(("gateway", "stream"), 2):
        product.kill(part)  # which cuts the stream; a browser tries again until it is back
        product.until_ready()
        world.send(f"ses_{number}")
        await seen(page, [f"ses_{each}" for each in range(1, number + 1)])
    assert await page.evaluate("opened") == 3

    # Another origin's page of the same site has the cookie, and gets nothing all the same.
    other = await page_of(context, world.other)
    assert [cookie["name"] for cookie in await context.cookies()] == ["tocsin_session"]
    await other.evaluate(WATCH, f"{product.url}/api/v1/events?after=0")
    await other.wait_for_function("eventSource.readyState == EventSource.CLOSED")
    assert await other.evaluate("[seen.length, opened]") == [0, 0]
    for script in (SIGN_IN, TICKET, WHO, SIGN_OUT):
        with pytest.raises(Error, match="Failed to fetch"):
            await other.evaluate(script, [product.url, product.api_key])

    assert (await page.evaluate(WHO, [product.url]))["org"] == "local"
    ticket = (await page.evaluate(TICKET, [product.url]))["ticket"]
    check_ticket(product, ticket)
    assert await page.evaluate(SIGN_OUT, [product.url]) == 204
    assert await page.evaluate(WHO, [product.url]) == {
        "error": "sign in with POST /api/v1/session, or send an API key",
        "code": "UNAUTHORIZED",
    }


async def test_a_dashboard_of_two_orgs_shows_the_active_one_alone(
    world: World, browser: Browser
) -> None:
    product, ours, theirs = world.product, NewOrg(world.product), NewOrg(world.product)
    context = patient(await browser.new_context())
    page = await page_of(context, world.allowed)

    async def watch(sent: list[str]) -> None:
        """Watch all there is; both orgs go on meanwhile, and the page sees what was ``sent``."""
        await page.evaluate(WATCH, f"{product.url}/api/v1/events?after=0")
        await seen(page, sent)
        await page.evaluate("eventSource.close()")

    for org, name in ((ours, "ours"), (theirs, "theirs")):
        org.post({"type": "tool_call", "toolName": "search", "sessionId": f"{name}_1"})
    await page.evaluate(SIGN_IN, [product.url, ours.new_key(Scope.READ)])
    await watch(["ours_1"])
    status, who = await page.evaluate(ADD, [product.url, theirs.new_key(Scope.READ)])
    assert (status, who["org"], who["orgs"]) == (201, theirs.id, sorted([ours.id, theirs.id]))
    await watch(["theirs_1"])

    status, who = await page.evaluate(SWITCH, [product.url, ours.id])
    assert (status, who["org"]) == (200, ours.id)
    await page.evaluate(WATCH, f"{product.url}/api/v1/events?after=0")
    await page.wait_for_function("opened == 1")
    theirs.post({"type": "tool_call", "toolName": "search", "sessionId": "theirs_2"})
    ours.post({"type": "tool_call", "toolName": "search", "sessionId": "ours_2"})
    await seen(page, ["ours_1", "ours_2"])
    status, _ = await page.evaluate(SWITCH, [product.url, "local"])
    assert status == 404  # of which it never held a key

    assert await page.evaluate(SIGN_OUT, [product.url]) == 204
    assert await context.cookies() == []
    await page.evaluate(WATCH, f"{product.url}/api/v1/events?after=0")
    await page.wait_for_function("eventSource.readyState == EventSource.CLOSED")
    assert await page.evaluate("[seen.length, opened]") == [0, 0]
    status, _ = await page.evaluate(SWITCH, [product.url, theirs.id])
    assert status == 401


def check_ticket(product: Product, ticket: str) -> None:
    """It opens one stream, and is in no log, as no other credential is."""
    url = f"{product.url}/v1/events/stream?token={ticket}"
    with httpx.stream("GET", url, timeout=HANG_SECONDS) as stream:
        assert stream.status_code == 200
        assert '{"type":"connected"}' in next(stream.iter_text())
    assert httpx.get(url).status_code == 401
    logs = "".join(log.read_text() for log in (product.home / "logs").iterdir())
    assert logs
    for secret in (ticket, product.api_key):
        assert secret.rpartition("_")[2] not in logs


WHO = """
async ([url]) => (await fetch(url + "/api/v1/session", {credentials: "include"})).json()
"""
SIGN_OUT = """
async ([url]) =>
  (await fetch(url + "/api/v1/session", {method: "DELETE", credentials: "include"})).status
"""
ADD = """
async ([url, key]) => {
  const answer = await fetch(url + "/api/v1/session", {
    method: "POST", credentials: "include", body: JSON.stringify({add: true}),
    headers: {Authorization: "Bearer " + key, "Content-Type": "application/json"},
  });
  return [answer.status, await answer.json()];
}
"""
SWITCH = """
async ([url, org]) => {
  const answer = await fetch(url + "/api/v1/session/org", {
    method: "POST", credentials: "include", body: JSON.stringify({org}),
    headers: {"Content-Type": "application/json"},
  });
  return [answer.status, await answer.json()];
}
"""
TICKET = """
async ([url]) =>
  (await fetch(url + "/v1/stream-tickets", {method: "POST", credentials: "include"})).json()
"""
