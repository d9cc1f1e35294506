"""Deliveries in the dashboard: endpoints added, tested, steered and removed, and attempts."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Route, expect
from standardwebhooks.webhooks import Webhook

from support.dashboard import Visit, visit
from support.orgs import NewOrg
from support.product import Product
from support.receiver import Received, Reply, receiving
from support.waiting import HANG_SECONDS
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = "<img src=x onerror=alert(1)>\u202e\u0007"
SHOWN = "<img src=x onerror=alert(1)>\\u{202e}\\u{7}"


class Api:
    """What an admin's program does beside the page."""

    def __init__(self, product: Product, org: NewOrg) -> None:
        self.key = org.new_key(Scope.ADMIN, person="root@example.com")
        self._url = f"{product.url}/api/v1/webhooks"

    def __call__(self, method: str, path: str = "", **body: Any) -> dict[str, Any]:
        answer = httpx.request(
            method,
            f"{self._url}{path}",
            headers={"Authorization": f"Bearer {self.key}"},
            json=body if method != "GET" else None,
            timeout=HANG_SECONDS,
        )
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
        return said


@pytest.fixture
def api(product: Product, org: NewOrg) -> Api:
    return Api(product, org)


def call(**more: Any) -> dict[str, Any]:
    return {"type": "tool_call", "toolName": "search", "action": "allow", **more}


def seal(org: NewOrg, event: dict[str, Any]) -> None:
    """Send an event, and wait until it has its place in the ledger."""
    httpx.post(
        f"{org.product.url}/api/v1/ingest/raw?wait=sealed",
        headers={"Authorization": f"Bearer {org.key}"},
        json={"events": [event]},
        timeout=HANG_SECONDS,
    ).raise_for_status()


def verified(secret: str, received: Received) -> Mapping[str, Any]:
    """What came, if it is signed with a secret; raises otherwise."""
    read: Mapping[str, Any] = Webhook(secret).verify(received.body, dict(received.headers))
    return read


def attempts(visitor: Visit) -> Locator:
    return visitor.page.get_by_role("list", name="Attempts").get_by_role("listitem")


async def test_an_endpoint_is_added_tested_and_sent_events(
    browser: Browser, product: Product, org: NewOrg, api: Api
) -> None:
    with receiving(lambda received: Reply(200, body=b"thanks")) as receiver:
        async with visit(
            browser, product.url, permissions=["clipboard-read", "clipboard-write"]
        ) as visitor:
            page = visitor.page
            await visitor.sign_in(api.key, "#/deliveries")
            await expect(page.get_by_text("Nothing is sent anywhere yet")).to_be_visible()
            await visitor.check_axe_in_both_themes()
            await page.get_by_role("button", name="Add an endpoint").click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_text("More filters and choices").click()
            await visitor.check_axe_in_both_themes()
            await dialog.get_by_label("URL").fill("http://10.0.0.1/hook")
            await dialog.get_by_role("button", name="Add").click()
            await expect(dialog.get_by_role("alert")).to_contain_text("Nothing is sent to this")
            assert api("GET")["data"] == []

            await dialog.get_by_label("URL").fill(receiver.url)
            await dialog.get_by_label("What it is for").fill("The SIEM")
            await dialog.get_by_label("Event types").fill("tool_call, anomaly")
            await dialog.get_by_label("Order").select_option("strict")
            await dialog.get_by_role("button", name="Add").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("The SIEM")
            shown = page.get_by_role("region", name="Its new secret")
            secret = await shown.locator("code").inner_text()
            await shown.get_by_role("button", name="Copy").click()
            await expect(shown.get_by_role("button", name="Copied")).to_be_visible()
            assert await page.evaluate("navigator.clipboard.readText()") == secret
            await visitor.check_axe_in_both_themes()

            await page.get_by_role("button", name="Send a test").click()
            said = page.get_by_role("status")
            await expect(said.get_by_text("The test arrived: 200")).to_be_visible()
            assert verified(secret, receiver.wait(1)[0])["type"] == "tocsin.endpoint_test"
            org.post(call(), {"type": "completion", "toolName": "llm", "action": "log"})
            first = attempts(visitor).first
            await expect(first).to_contain_text("tool_call")
            await expect(first).to_contain_text("200")
            assert verified(secret, receiver.wait(2)[1])["type"] == "tool_call"
            await expect(page.locator(".counts")).to_contain_text("Delivered2")
            event = await first.get_by_role("link").get_attribute("href")
            await first.get_by_role("button", name="Details of seq").click()
            await expect(first).to_contain_text("thanks")
            await visitor.check_axe_in_both_themes()
            await page.set_viewport_size({"width": 400, "height": 844})
            await visitor.check_axe()
            assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

            # Whoever looks elsewhere comes back to the secret; whoever has kept it sees it no more.
            await page.get_by_role("link", name="← Deliveries").click()
            await page.get_by_role("link", name="The SIEM").click()
            await shown.get_by_role("button", name="I have kept it").click()
            await expect(shown).to_have_count(0)
            await page.reload()
            await expect(attempts(visitor).first).to_be_visible()
            assert secret not in await page.content()
            kept = "JSON.stringify([localStorage, sessionStorage, location.href])"
            assert secret not in await page.evaluate(kept)
            await visitor.go(str(event))
            await expect(page.get_by_text("Hash before")).to_be_visible()


async def test_what_fails_waits_is_tried_again_and_what_it_says_is_text(
    browser: Browser, product: Product, org: NewOrg, api: Api
) -> None:
    answer = f"it broke: {HOSTILE}".encode()
    with receiving(lambda received: Reply(500, body=answer)) as receiver:
        made = api("POST", url=receiver.url, types=["tool_call"], description=HOSTILE)
        async with visit(browser, product.url) as visitor:
            page = visitor.page
            await visitor.sign_in(api.key, "#/deliveries")
            row = page.get_by_role("row", name=SHOWN)
            await expect(row).to_contain_text("active")
            org.post(call())
            await expect(row).to_contain_text("failing")
            await expect(row).to_contain_text("1 delivery waits")
            await visitor.check_axe_in_both_themes()
            await page.get_by_role("button", name="Failing 1").click()
            assert page.url.endswith("#/deliveries?status=failing")
            await row.get_by_role("link").click()
            again = page.get_by_role("region", name="What is tried again")
            await expect(again).to_contain_text("of 10")
            last = attempts(visitor).last
            await expect(last).to_contain_text("it broke: <img src=x onerror=alert(1)>")
            await last.get_by_role("button").click()
            await expect(last.locator(".code")).to_contain_text("<img src=x onerror=alert(1)>")
            await visitor.check_axe_in_both_themes()
            await page.set_viewport_size({"width": 400, "height": 844})
            await visitor.check_axe()
            assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

            receiver.behave = lambda received: Reply(204)
            await page.get_by_role("button", name="Try again now").click()
            await page.get_by_role("dialog").get_by_role("button", name="Try again").click()
            await expect(attempts(visitor).first).to_contain_text("204")
            await expect(again).to_have_count(0)
            await expect(page.get_by_role("button", name="Try again now")).to_have_count(0)

            receiver.behave = lambda received: Reply(410)
            org.post(call())
            await expect(page.locator(".stands")).to_contain_text("paused")
            await expect(page.locator(".stands")).to_contain_text("410")
            await expect(page.get_by_role("button", name="Send a test")).to_have_count(0)
            await page.get_by_role("button", name="Given up").click()
            await expect(page.get_by_text("Nothing was given up")).to_be_visible()
        assert api("GET", f"/{made['id']}")["status"] == "paused"


async def test_it_is_paused_resumed_without_what_it_missed_and_replayed(
    browser: Browser, product: Product, org: NewOrg, api: Api
) -> None:
    with receiving() as receiver:
        id = api("POST", url=receiver.url, types=["tool_call"], description="A mirror")["id"]
        async with visit(browser, product.url) as visitor:
            page, dialog = visitor.page, visitor.page.get_by_role("dialog")
            await visitor.sign_in(api.key, f"#/deliveries/{id}")
            await page.get_by_role("button", name="Pause").click()
            await expect(dialog).to_contain_text("A mirror")
            await dialog.get_by_label("Reason").fill("it <b>moves</b>")
            await visitor.check_axe()
            await dialog.get_by_role("button", name="Pause").click()
            await expect(page.locator(".stands")).to_contain_text("it <b>moves</b>")
            seal(org, call(agentId="missed"))
            await page.get_by_role("button", name="Resume").click()
            await dialog.get_by_label("Leave out what was missed").check()
            await visitor.check_axe()
            await dialog.get_by_role("button", name="Resume").click()
            await expect(page.locator(".stands")).to_contain_text("active")
            org.post(call(agentId="seen"))
            assert b'"seen"' in receiver.wait(1)[0].body
            row = attempts(visitor)
            await expect(row).to_have_count(1)
            seq = int((await row.get_by_role("link").inner_text()).replace(",", ""))

            # Somebody else pauses and resumes it: it is seen here without being asked for.
            api("POST", f"/{id}/pause", reason="by another")
            await expect(page.locator(".stands")).to_contain_text("by another")
            api("POST", f"/{id}/resume")
            await expect(page.locator(".stands")).not_to_contain_text("by another")

            await page.get_by_role("button", name="Replay").click()
            await dialog.get_by_label("From seq").fill("1")
            await dialog.get_by_label("To seq").fill(str(seq))
            await visitor.check_axe()
            await dialog.get_by_role("button", name="Replay").click()
            note = page.get_by_role("status").get_by_text(re.compile(r"Sent once more: seq 1 to"))
            await expect(note).to_be_visible()
            await expect(row).to_have_count(3)
            bodies = [each.body for each in receiver.wait(3)]
            assert sum(b'"missed"' in each for each in bodies) == 1
            ids = [each.headers["webhook-id"] for each in receiver.wait(3)]
            assert len(set(ids)) == 2  # what it has is known by its id

            await row.first.get_by_role("button", name="Details").click()
            await page.get_by_role("button", name="Send it once more").click()
            await expect(dialog.get_by_label("From seq")).not_to_have_value("")
            await dialog.get_by_label("Which").select_option("since")
            await dialog.get_by_label("Since").fill("2099-01-01T00:00:00")
            await dialog.get_by_role("button", name="Replay").click()
            await expect(dialog.get_by_role("alert")).to_be_visible()
            await dialog.get_by_role("button", name="Cancel").click()

            await page.get_by_role("button", name="Change").click()
            await dialog.get_by_label("What it is for").fill("A better mirror")
            await dialog.get_by_label("Event types").fill("")
            await dialog.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("A better mirror")
            now = api("GET", f"/{id}")
            assert (now["types"], now["description"]) == (None, "A better mirror")


async def test_no_lost_answer_loses_a_secret_and_it_is_removed_by_name(
    browser: Browser, product: Product, org: NewOrg, api: Api
) -> None:
    async def answer_lost(route: Route) -> None:
        if route.request.method == "GET":
            await route.continue_()
            return
        await route.fetch()
        await route.abort()

    with receiving() as receiver:
        async with visit(browser, product.url) as visitor:
            page, dialog = visitor.page, visitor.page.get_by_role("dialog")
            await visitor.sign_in(api.key, "#/deliveries")
            await page.route("**/api/v1/webhooks**", answer_lost)
            await page.route("**/api/v1/webhooks/**", answer_lost)
            await page.get_by_role("button", name="Add an endpoint").click()
            await dialog.get_by_label("URL").fill(receiver.url)
            await dialog.get_by_label("Event types").fill("tool_call")
            await dialog.get_by_role("button", name="Add").click()
            shown = page.get_by_role("region", name="Its new secret")
            first = await shown.locator("code").inner_text()
            org.post(call())
            assert verified(first, receiver.wait(1)[0])
            assert len(api("GET")["data"]) == 1

            await page.get_by_role("button", name="Rotate").click()
            await visitor.check_axe()
            await dialog.get_by_role("button", name="Rotate").click()
            await expect(shown).to_contain_text("The one before it signs, too, until")
            second = await shown.locator("code").inner_text()
            assert second != first
            org.post(call())
            last = receiver.wait(2)[1]
            assert verified(first, last) == verified(second, last)

            await page.get_by_role("button", name="Remove").click()
            await expect(dialog).to_contain_text(receiver.url)
            await visitor.check_axe()
            await page.keyboard.press("Escape")
            await expect(dialog).to_have_count(0)
            assert len(api("GET")["data"]) == 1
            await page.get_by_role("button", name="Remove").click()
            await dialog.get_by_role("button", name="Remove").click()
            await expect(page.get_by_text("Nothing is sent anywhere yet")).to_be_visible()
            assert api("GET")["data"] == []


async def test_who_reads_changes_nothing_and_sees_of_a_url_what_is_no_secret(
    browser: Browser, product: Product, org: NewOrg, api: Api, visitor: Visit
) -> None:
    with receiving() as receiver:
        url = f"{receiver.url}?token=very-secret"
        id = api("POST", url=url, types=["tool_call"])["id"]
        page = visitor.page
        await visitor.go("#/deliveries")
        await page.get_by_role("row", name="127.0.0.1").get_by_role("link").click()
        org.post(call())
        await expect(attempts(visitor).first).to_contain_text("200")
        assert "very-secret" not in await page.content()
        await expect(page.locator("main .heading button:not([aria-pressed])")).to_have_count(0)
        await attempts(visitor).first.get_by_role("button").click()
        await expect(page.get_by_role("button", name="Send it once more")).to_have_count(0)
        await visitor.check_axe()
        async with visit(browser, product.url) as other:
            await other.sign_in(NewOrg(product).new_key(Scope.ADMIN), f"#/deliveries/{id}")
            await expect(other.page.get_by_text("There is no such endpoint")).to_be_visible()
            assert "127.0.0.1" not in await other.page.locator("main").inner_text()
