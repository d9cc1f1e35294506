"""Rates and cost on the dashboard."""

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import Locator, Route, expect

from support.dashboard import Visit
from support.orgs import NewOrg
from support.waiting import HANG_SECONDS, until

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "drop \u202egnp.exe\x07",
    "a%2F/b?c#d & \U0001f525",
    "n" * 256,
]
ALERT = {
    "type": "anomaly",
    "anomaly_type": "rate_spike",
    "action": "alert",
    "data": {"severity": "critical", "description": "40 calls <b>a minute</b>"},
}


def _row(visitor: Visit, table: str, *cells: str) -> Locator:
    """A row of a table, by its first cells."""
    rows = visitor.page.get_by_role("region", name=table, exact=True).get_by_role("row")
    return rows.filter(has_text=re.compile("^" + ".*".join(map(re.escape, cells))))


async def test_what_is_sent_is_counted_as_it_comes_and_alerts_are_marked(
    visitor: Visit, org: NewOrg
) -> None:
    page = visitor.page
    await visitor.go("#/rates")
    await expect(page.get_by_text("No call in this time")).to_be_visible()
    await visitor.check_axe()

    org.post(*({"type": "tool_call", "toolName": "search", "action": "allow"} for _ in range(3)))
    await expect(_row(visitor, "Events by name", "search", "3")).to_be_visible()
    org.post(
        {"type": "tool_call", "toolName": "search", "action": "deny", "timestamp": "2001-01-01"}
    )
    await expect(_row(visitor, "Events by name", "search", "4")).to_be_visible()

    await page.get_by_role("button", name="By action").click()
    await expect(_row(visitor, "Events by name", "deny", "1")).to_be_visible()
    assert page.url.endswith("#/rates?by=action")
    await page.get_by_role("button", name="15 min").click()
    await page.reload()
    await expect(_row(visitor, "Events by name", "allow", "3")).to_be_visible()
    await expect(page.get_by_role("button", name="15 min")).to_have_attribute(
        "aria-pressed", "true"
    )
    await page.get_by_text("The same as a table").first.click()
    figures = page.get_by_role("region", name="Events a minute, as a table")
    await expect(figures.get_by_role("row")).to_have_count(16)

    org.emit(ALERT)
    mark = page.get_by_role("link", name=re.compile("critical rate_spike, 40 calls <b>a minute"))
    await expect(mark).to_be_attached()
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()
    await mark.focus()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"#/anomalies/evt_[0-9a-z]{26}$"))
    await page.go_back()

    await page.set_viewport_size({"width": 390, "height": 844})
    await expect(_row(visitor, "Events by name", "allow", "3")).to_be_visible()
    main = page.locator("main")
    assert await main.evaluate("each => each.scrollWidth <= each.clientWidth")
    await expect(page.locator(".chart svg").first).to_have_css("width", re.compile(r"3\d\dpx"))
    await visitor.check_axe()


async def test_ten_thousand_tools_and_names_that_would_harm(visitor: Visit, org: NewOrg) -> None:
    names = [f"tool-{n}" for n in range(9_000)] + HOSTILE * 250
    for first in range(0, len(names), 1_000):
        org.post(*({"type": "tool_call", "toolName": n} for n in names[first : first + 1_000]))
    await visitor.go("#/rates")
    page = visitor.page
    await expect(_row(visitor, "Events by name", "all others")).to_be_visible()
    await expect(
        _row(visitor, "Events by name", "<img src=x onerror=alert(1)>", "250")
    ).to_be_visible()
    await expect(
        _row(visitor, "Events by name", r"drop \u{202e}gnp.exe\u{7}", "250")
    ).to_be_visible()
    assert await page.get_by_role("region", name="Events by name").get_by_role("row").count() == 10
    await visitor.check_axe()
    await page.get_by_role("link", name=HOSTILE[2]).click()
    await expect(page).to_have_url(re.compile("#/feed"))
    await page.go_back()
    await expect(page.get_by_role("link", name=HOSTILE[2])).to_be_visible()


async def test_costs_are_those_that_were_sent(visitor: Visit, org: NewOrg, key: str) -> None:
    def call(agent: str, model: str, tokens: int, usd: float) -> dict[str, Any]:
        sent = {"type": "tool_call", "toolName": "ask", "agentId": agent, "model": model}
        return {**sent, "total_tokens": tokens, "cost_usd": usd}

    org.post(
        call("maria's", "large", 1_000, 1.5),
        call("maria's", "small", 200, 0.25),
        call("other", "large", 3_000, 2.25),
    )
    url, headers = f"{visitor.url}/api/v1/costs/summary", {"Authorization": f"Bearer {key}"}

    def counted() -> bool:
        answer = httpx.get(url, headers=headers, timeout=HANG_SECONDS)
        return bool(answer.json()["total_requests"] == 3)

    until(counted, "the calls are added up")
    page = visitor.page
    await visitor.go("#/rates?group=model")
    await expect(
        _row(visitor, "Cost and tokens by model", "large", "$3.7500", "4,000", "2")
    ).to_be_visible()
    await expect(
        _row(visitor, "Cost and tokens by model", "small", "$0.2500", "200", "1")
    ).to_be_visible()
    await expect(page.locator(".figures-row")).to_contain_text("$4.00")
    await page.get_by_role("button", name="By agent").click()
    await expect(_row(visitor, "Cost and tokens by agent", "other", "$2.2500")).to_be_visible()
    table = page.get_by_role("region", name="Cost and tokens by agent")
    await table.get_by_role("button", name="Tokens").click()
    await expect(table.get_by_role("row").nth(1)).to_contain_text("other")
    await table.get_by_role("button", name="Tokens").click()
    await expect(table.get_by_role("row").nth(1)).to_contain_text("maria's")
    await page.get_by_role("button", name="7 days").click()
    await page.get_by_role("button", name="Tokens").first.click()
    await expect(_row(visitor, "Cost and tokens by agent", "other", "$2.2500")).to_be_visible()
    assert "range=7d" in page.url
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()


async def test_what_cant_be_read_is_said_and_tried_again(visitor: Visit, org: NewOrg) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=500, json={"error": "It is broken."})

    page = visitor.page
    await page.route("**/api/v1/events?limit=1000*", fail)
    await page.route("**/api/v1/costs/**", fail)
    await visitor.go("#/rates")
    await expect(page.get_by_text("It is broken.")).to_have_count(2)
    await expect(page.get_by_text("No event in this time")).to_have_count(0)  # nobody knows
    await visitor.check_axe()
    await page.unroute_all()
    for button in reversed(await page.get_by_role("button", name="Try again").all()):
        await button.click()
    org.post({"type": "tool_call", "toolName": "late"})
    await expect(_row(visitor, "Events by name", "late", "1")).to_be_visible()
    await expect(page.get_by_text("It is broken.")).to_have_count(0)
