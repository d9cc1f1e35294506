"""Agents in the dashboard: who they are, what they used, and retiring them."""

from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Route, expect

from support.dashboard import Visit, visit
from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = "a/b%2F?#& é 😀 <b onclick=x>\u202e\u0007 " + "n" * 200


def call(agent: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_call", "agent_id": agent, "tool_name": "search", **more}


def describe(product: Product, admin: str) -> None:
    """Have an agent described, with a budget of two calls a day."""
    headers = {"Authorization": f"Bearer {admin}"}
    with httpx.Client(base_url=product.url, headers=headers, timeout=HANG_SECONDS) as api:
        profile = {"id": "coder", "name": "The coder", "labels": {"team": "<b>pay</b>"}}
        api.post("/api/v1/agents", json=profile).raise_for_status()
        budget = {"limits": {"calls_per_day": 2, "cost_usd_per_month": 10}, "action": "warn"}
        api.put("/api/v1/agents/coder/budget", json=budget).raise_for_status()


async def test_an_agent_appears_is_retired_and_brought_back(
    browser: Browser, product: Product, org: NewOrg
) -> None:
    admin = org.new_key(Scope.ADMIN, person="root@example.com")
    async with visit(browser, product.url) as visitor:
        page = visitor.page
        await visitor.sign_in(admin, "#/agents")
        await expect(page.get_by_text("No agent was seen yet")).to_be_visible()
        await visitor.check_axe_in_both_themes()
        describe(product, admin)
        org.post(*(call("coder", session_id="build-7", action="allow") for _ in range(3)))

        row = page.get_by_role("row", name="The coder")
        await expect(row.get_by_role("cell").nth(3)).to_have_text("3")  # its calls
        await visitor.check_axe_in_both_themes()
        await row.get_by_role("link").click()
        assert page.url.endswith("#/agents/coder")
        await expect(page.get_by_text("team=<b>pay</b>")).to_be_visible()
        await expect(page.locator(".budget")).to_contain_text("3 of 2")
        await expect(page.locator(".budget")).to_contain_text("used up")
        link = page.get_by_role("link", name="All of them in the feed")
        assert await link.get_attribute("href") == "#/feed?agent=coder"
        link = page.get_by_role("link", name="build-7")
        assert await link.get_attribute("href") == "#/sessions/build-7"
        await expect(page.get_by_role("list", name="Latest events")).to_contain_text("search")
        await visitor.check_axe_in_both_themes()

        await page.get_by_role("button", name="Retire").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Reason").fill("it is <i>done</i>")
        await visitor.check_axe()
        await dialog.get_by_role("button", name="Retire").click()
        await expect(page.get_by_role("status").get_by_text("is retired")).to_be_visible()
        await expect(page.locator(".stands")).to_contain_text("it is <i>done</i>")
        await page.set_viewport_size({"width": 390, "height": 844})
        await visitor.check_axe()
        assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

        async def answer_lost(route: Route) -> None:
            if route.request.method == "PUT":
                await route.fetch()
                await route.abort()
            else:
                await route.continue_()

        await page.route("**/api/v1/agents/coder", answer_lost)
        await page.get_by_role("button", name="Bring back").click()
        await dialog.get_by_role("button", name="Bring back").click()
        await expect(page.get_by_role("status").get_by_text("The agent is back")).to_be_visible()
        await expect(page.locator(".stands")).not_to_contain_text("retired")


async def test_names_are_only_names_and_who_reads_can_retire_nobody(
    visitor: Visit, product: Product, org: NewOrg
) -> None:
    page, other = visitor.page, NewOrg(product)
    other.post(call("not-yours"))
    org.post(call(HOSTILE, request={"q": "<img src=x onerror=alert(1)>\u202e"}))
    await visitor.go("#/agents")
    await page.get_by_role("link", name="a/b%2F?#& é 😀 <b onclick=x>\\u{202e}\\u{7}").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("\\u{202e}\\u{7}")
    events = page.get_by_role("list", name="Latest events")
    await expect(events).to_contain_text("<img src=x onerror=alert(1)>\\u{202e}")
    await expect(page.get_by_role("button", name="Retire")).to_have_count(0)
    await page.reload()
    await expect(events).to_contain_text("<img src=x onerror=alert(1)>\\u{202e}")
    await visitor.check_axe()
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    await visitor.go("#/agents/not-yours")
    await expect(page.get_by_text("No such agent is known")).to_be_visible()
