"""Anomalies in the dashboard: they come by themselves, show what was seen, and are answered."""

import re
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


def destroys(agent: str, tool: str = "drop_table") -> dict[str, Any]:
    """Return a call that there is an alert of."""
    return {
        "type": "tool_call",
        "agent_id": agent,
        "session_id": f"of {agent}"[:200],
        "tool_name": tool,
        "action": "allow",
    }


def snooze(org: NewOrg, id: str) -> None:
    """Have somebody else snooze an alert."""
    httpx.post(
        f"{org.product.url}/api/v1/anomalies/{id}/snooze",
        headers={"Authorization": f"Bearer {org.new_key(Scope.APPROVE, person='ali@x.org')}"},
        json={"seconds": 3_600, "reason": "his"},
        timeout=HANG_SECONDS,
    ).raise_for_status()


async def test_an_alert_comes_is_read_and_answered(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    await visitor.go("#/anomalies")
    await expect(page.get_by_text("Nothing waits for an answer")).to_be_visible()
    await visitor.check_axe_in_both_themes()

    org.post(destroys("ops"))
    row = page.get_by_role("link", name="Destructive pattern")
    await expect(row).to_contain_text("critical")
    badge = page.get_by_role("navigation", name="Views").get_by_role("link", name="Anomalies")
    await expect(badge).to_contain_text("1 waiting")
    await visitor.check_axe_in_both_themes()
    await row.click()
    evidence = page.locator(".facts").first
    await expect(evidence).to_contain_text("1 calls")
    await expect(evidence.get_by_role("link")).to_have_attribute(
        "href", re.compile(r"^#/feed\?around=\d+$")
    )
    await expect(page.get_by_role("link", name="of ops")).to_have_attribute(
        "href", "#/sessions/of%20ops"
    )
    await expect(page.get_by_text("Nobody has answered it yet")).to_be_visible()
    await visitor.check_axe_in_both_themes()

    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="Acknowledge").click()
    await dialog.get_by_label("Reason").fill("I look <b>")
    await dialog.get_by_role("button", name="Acknowledge").click()
    said = page.get_by_role("listitem").filter(has_text="by maria@example.com")
    await expect(said).to_contain_text("I look <b>")
    await expect(badge).not_to_contain_text("waiting")

    await page.get_by_role("button", name="Snooze").click()
    await dialog.get_by_label("Until …").check()
    await expect(dialog.get_by_label("Until", exact=True)).to_be_visible()
    await visitor.check_axe_in_both_themes()
    await dialog.get_by_label("A day").check()
    await dialog.get_by_label("Reason").fill("tomorrow")
    await dialog.get_by_role("button", name="Snooze").click()
    await expect(said.first).to_contain_text("Snoozed until")
    await expect(said.nth(1)).to_contain_text("I look <b>")  # what was said before stays
    await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    await page.set_viewport_size({"width": 390, "height": 844})
    await visitor.check_axe()
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

    await page.get_by_role("link", name="← Anomalies").click()
    await expect(page.get_by_text("Nothing waits for an answer")).to_be_visible()
    await page.get_by_role("button", name="Snoozed").click()
    assert page.url.endswith("#/anomalies?status=snoozed")
    await expect(row).to_contain_text("maria@example.com")
    await page.get_by_label("Kind").select_option("rate_spike")
    await expect(page.get_by_text("No anomaly is like this")).to_be_visible()
    await page.go_back()
    await expect(row).to_be_visible()


async def test_two_people_answer_at_once(visitor: Visit, org: NewOrg) -> None:
    page, dialog = visitor.page, visitor.page.get_by_role("dialog")
    org.post(destroys("ops"))
    await visitor.go("#/anomalies")
    await page.get_by_role("link", name="Destructive pattern").click()
    await page.get_by_role("button", name="Acknowledge").click()
    await dialog.get_by_label("Reason").fill("mine")
    id = page.url.rpartition("/")[2]
    snooze(org, id)
    await dialog.get_by_role("button", name="Acknowledge").click()
    alert = dialog.get_by_role("alert")
    await expect(alert).to_contain_text("It is snoozed already until")
    await expect(alert).to_contain_text("ali@x.org said so")
    await visitor.check_axe()
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("listitem").filter(has_text="ali@x.org")).to_be_visible()

    async def answer_lost(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/false-positive", answer_lost)
    await page.get_by_role("button", name="False positive").click()
    await dialog.get_by_label("Reason").fill("a test table")
    await dialog.get_by_role("button", name="False positive").click()
    await expect(page.get_by_role("status").get_by_text("It is a false positive")).to_be_visible()
    for name in ("Acknowledge", "Snooze", "False positive"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)


async def test_names_are_only_names_and_who_reads_answers_nothing(
    browser: Browser, product: Product, org: NewOrg, visitor: Visit
) -> None:
    page, other = visitor.page, NewOrg(product)
    org.post(destroys(HOSTILE, f"drop_{HOSTILE}"[:250]))
    await visitor.go("#/anomalies")
    row = page.get_by_role("link", name="a/b%2F?#& é 😀 <b onclick=x>\\u{202e}\\u{7}")
    await row.click()
    await expect(page.locator(".facts").first).to_contain_text("1 calls")
    await visitor.check_axe()
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    place = page.url.partition("/#/")[2]
    for viewer_of, expected in ((org, "1 calls"), (other, "There is no such anomaly")):
        async with visit(browser, product.url) as viewer:
            await viewer.sign_in(viewer_of.new_key(Scope.READ), f"#/{place}")
            await expect(viewer.page.get_by_text(expected).first).to_be_visible()
            await expect(viewer.page.get_by_role("button", name="Acknowledge")).to_have_count(0)
