"""Detection on the dashboard: how the org is watched, and dry runs."""

import pytest
from playwright.async_api import Route, expect

from support.dashboard import Visit
from support.orgs import NewOrg

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = "a/b%2F <script>alert(1)</script>\u202e"


async def test_a_dry_run_says_what_would_have_been_told(visitor: Visit, org: NewOrg) -> None:
    org.post({"type": "tool_call", "toolName": "drop_table", "agentId": HOSTILE})
    page = visitor.page
    await visitor.go("#/detection")
    kinds = page.get_by_role("region", name="Kinds of anomalies")
    await expect(kinds.get_by_role("row")).to_have_count(17)
    await expect(page.get_by_text("An admin changes it")).to_be_visible()
    await visitor.check_axe()

    await page.get_by_role("button", name="Look").click()
    told = page.get_by_role("region", name="What would have been told")
    await expect(told).to_contain_text("destructive_pattern")
    await expect(told).to_contain_text(r"a/b%2F <script>alert(1)</script>\u{202e}")
    await expect(page.get_by_text("That is little to learn from")).to_be_visible()
    assert "from=" in page.url
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()

    await page.get_by_text("Which kinds").click()
    await page.get_by_label("destructive_pattern").uncheck()
    await page.get_by_label("False alerts a day").fill("0")
    await page.get_by_role("button", name="Look").click()
    await expect(page.get_by_text("Nothing unusual")).to_be_visible()
    assert "alerts=0" in page.url
    await page.reload()  # as somebody sees it who was sent the address
    await expect(page.get_by_text("Nothing unusual")).to_be_visible()
    await page.set_viewport_size({"width": 390, "height": 844})
    await visitor.check_axe()


async def test_a_dry_run_of_too_much_says_what_to_do(visitor: Visit) -> None:
    async def too_far(route: Route) -> None:
        await route.fulfill(status=422, json={"error": "There are more: ask for less time at once"})

    page = visitor.page
    await page.route("**/api/v1/detection/dry-run?*", too_far)
    await visitor.go("#/detection?from=2026-03-19T00:00:00Z&to=2026-03-19T10:00:00Z")
    await expect(page.get_by_text("ask for less time at once")).to_be_visible()
    await visitor.check_axe()
    await page.unroute_all()
    await page.get_by_role("button", name="Look at the later half of that time").click()
    await expect(page.get_by_text("Nothing unusual")).to_be_visible()
    assert "from=2026-03-19T05%3A00%3A00.000Z" in page.url

    await visitor.go("#/detection?from=soon")
    await expect(page.get_by_text("from is a time, as in")).to_be_visible()
