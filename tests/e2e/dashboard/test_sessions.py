"""Sessions in the dashboard: watched as they come, suspended, and read event by event."""

from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Route, expect

from support.dashboard import Visit, click_if_there, visit
from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS, until
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = "a/b%2F?#& é 😀 <b onclick=x>\u202e\u0007 " + "n" * 200


def call(session: str, tool: str = "search", **more: Any) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "session_id": session,
        "agent_id": "coder",
        "tool_name": tool,
        "action": "allow",
        **more,
    }


def asked(org: NewOrg, session: str) -> int:
    """Return how a call of a session is answered."""
    body = {"agent": "coder", "session": session, "params": {}}
    headers = {"Authorization": f"Bearer {org.key}"}
    url = f"{org.product.url}/v1/tool/search"
    return httpx.post(url, json=body, headers=headers, timeout=HANG_SECONDS).status_code


def suspend(org: NewOrg, session: str) -> None:
    """Have somebody else suspend a session."""
    httpx.post(
        f"{org.product.url}/api/v1/sessions/{session}/suspend",
        headers={"Authorization": f"Bearer {org.new_key(Scope.APPROVE, person='ali@x.org')}"},
        json={"reason": "his"},
        timeout=HANG_SECONDS,
    ).raise_for_status()


async def test_a_session_appears_is_suspended_and_goes_on(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    await visitor.go("#/sessions")
    await expect(page.get_by_text("No session was seen yet")).to_be_visible()
    await visitor.check_axe_in_both_themes()

    org.post(
        call("build-7"),
        call("build-7", "run_tests", action="deny", decision={"message": "not on Fridays"}),
        call("build-7", "deploy", status="error"),
        call("build-7", "drop_table"),
    )
    row = page.get_by_role("row", name="build-7")
    await expect(row.get_by_text("active")).to_be_visible()
    await expect(row.get_by_role("cell").nth(4)).to_have_text("1")  # its denials
    await visitor.check_axe_in_both_themes()
    await page.get_by_role("link", name="build-7").click()
    assert page.url.endswith("#/sessions/build-7")
    await expect(page.get_by_role("option").filter(has_text="not on Fridays")).to_be_visible()
    await expect(page.get_by_role("img", name="run_tests: 1 event, 1 denied")).to_be_visible()
    await expect(page.get_by_role("img", name="deploy: 1 event, 1 failed")).to_be_visible()
    await visitor.check_axe_in_both_themes()

    await page.get_by_role("button", name="Suspend").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("it drops tables <i>")
    await visitor.check_axe_in_both_themes()
    await dialog.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("status").get_by_text("is suspended")).to_be_visible()
    await expect(page.locator(".stands")).to_contain_text("by maria@example.com")
    await expect(page.locator(".stands")).to_contain_text("it drops tables <i>")
    until(lambda: asked(org, "build-7") == 403, "its calls are denied")
    await expect(page.get_by_role("option").filter(has_text="session_update").first).to_be_visible()

    await page.set_viewport_size({"width": 390, "height": 844})
    await visitor.check_axe()
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Denied").click()
    assert page.url.endswith("#/sessions/build-7?show=denied")
    await expect(page.get_by_role("option").filter(has_text="run_tests")).to_be_visible()
    await expect(page.get_by_role("option").filter(has_text="drop_table")).to_have_count(0)

    await page.get_by_role("button", name="Resume").click()
    await page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("status").get_by_text("is active")).to_be_visible()
    until(lambda: asked(org, "build-7") == 200, "its calls are allowed again")
    await page.get_by_role("link", name="← Sessions").click()
    await expect(page.get_by_role("link", name="build-7")).to_be_visible()


async def test_an_event_of_a_timeline_opens_by_the_keyboard(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(call("s", "first"), call("s", "second"))
    await visitor.go("#/sessions/s")
    # It may not be known yet: then it is as soon as it is.
    rows = page.get_by_role("listbox")
    await expect(rows).to_be_visible()
    await rows.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Live feed")
    assert "#/feed/evt_" in page.url


async def test_who_only_reads_sees_no_buttons(
    browser: Browser, product: Product, org: NewOrg
) -> None:
    org.post(call("s"))
    async with visit(browser, product.url) as viewer:
        await viewer.sign_in(org.new_key(Scope.READ), "#/sessions")
        await viewer.page.get_by_role("link", name="s", exact=True).click()
        await expect(viewer.page.get_by_role("listbox")).to_be_visible()
        for name in ("Suspend", "Complete", "Resume"):
            await expect(viewer.page.get_by_role("button", name=name)).to_have_count(0)


async def test_a_lost_answer_is_looked_after(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(call("s"))
    await visitor.go("#/sessions")
    await page.get_by_role("link", name="s", exact=True).click()

    async def never_sent(route: Route) -> None:
        await route.abort()

    async def answer_lost(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/suspend", never_sent)
    await page.get_by_role("button", name="Suspend").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("because")
    await dialog.get_by_role("button", name="Suspend").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("so far it is not done")
    await page.unroute("**/suspend")
    await page.route("**/suspend", answer_lost)
    await dialog.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("status").get_by_text("is suspended")).to_be_visible()
    await expect(dialog).to_have_count(0)


async def test_who_was_first_is_named(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(call("s"))
    await visitor.go("#/sessions")
    await page.get_by_role("link", name="s", exact=True).click()
    await page.get_by_role("button", name="Suspend").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("mine")
    suspend(org, "s")
    await dialog.get_by_role("button", name="Suspend").click()
    status = page.get_by_role("status")
    await expect(status.get_by_text("It was suspended already: ali@x.org")).to_be_visible()
    await expect(page.locator(".stands")).to_contain_text("his")


async def test_names_are_only_names(visitor: Visit, product: Product, org: NewOrg) -> None:
    page, other = visitor.page, NewOrg(product)
    other.post(call("not-yours"))
    org.post(call(HOSTILE, HOSTILE, request={"q": "<img src=x onerror=alert(1)>\u202e"}))
    await visitor.go("#/sessions")
    link = page.get_by_role("link", name="a/b%2F?#& é 😀 <b onclick=x>\\u{202e}\\u{7}")
    await link.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("\\u{202e}\\u{7}")
    await expect(page.get_by_role("option").filter(has_text="<img src=x")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("option").filter(has_text="<img src=x")).to_be_visible()
    await visitor.check_axe()
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")

    await visitor.go("#/sessions/not-yours")
    await expect(page.get_by_text("No such session was seen")).to_be_visible()
    await visitor.check_axe()


async def test_a_session_of_ten_thousand_tools_is_read_as_one_scrolls(
    visitor: Visit, org: NewOrg
) -> None:
    page = visitor.page
    for start in range(0, 10_000, 1_000):
        org.post(*(call("long", f"tool-{start + index}") for index in range(1_000)))
    await visitor.go("#/sessions")
    row = page.get_by_role("row", name="long")
    await expect(row.get_by_role("cell").nth(3)).to_have_text("10,000")  # its calls
    await row.get_by_role("link").click()
    await expect(page.get_by_text("2,000 of 10,00")).to_be_visible()
    assert await page.get_by_role("option").count() < 100
    await expect(page.get_by_role("img")).to_have_count(8)
    rows = page.get_by_role("listbox")
    await rows.focus()
    await page.keyboard.press("End")
    await expect(page.get_by_text("2,500 of 10,00")).to_be_visible()
    await visitor.check_axe()


async def test_an_api_that_fails_is_said_and_asked_again(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(call("s"))

    async def broken(route: Route) -> None:
        await route.fulfill(status=500, json={"error": "It broke <b>"})

    await page.route("**/api/v1/sessions?*", broken)
    await visitor.go("#/sessions")
    await expect(page.get_by_role("alert")).to_contain_text("It broke <b>")
    await visitor.check_axe()
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()
    await page.unroute("**/api/v1/sessions?*")
    await click_if_there(page, "Try again")  # or it has asked by itself in this moment
    await expect(page.get_by_role("link", name="s", exact=True)).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_call_is_one_of_a_session_s_and_of_an_agent_s_events(
    visitor: Visit, org: NewOrg
) -> None:
    page, id = visitor.page, "toolu_01A09q90qw90lq917835lq9"
    org.post(
        call("s", "deploy", tool_call_id=id, metadata={"via": "claude-code"}),
        call("s", "between"),
        call("s", "deploy", tool_call_id=id, metadata={"via": "otlp"}, status="error"),
    )
    await visitor.go("#/sessions/s")
    deployed = page.get_by_role("option").filter(has_text="deploy")
    await expect(deployed).to_contain_text("2 reports: claude-code, otlp")
    await expect(deployed).to_have_count(1)
    await expect(page.get_by_role("button", name="Failed 1")).to_be_visible()
    await visitor.check_axe()
    await visitor.go("#/agents/coder")
    latest = page.get_by_role("list", name="Latest events").get_by_role("listitem")
    await expect(latest.filter(has_text="deploy")).to_contain_text("2 reports: claude-code, otlp")
    await expect(latest.filter(has_text="deploy")).to_have_count(1)
    await latest.filter(has_text="deploy").get_by_role("link").click()
    reports = page.get_by_label("Reports of this call").get_by_role("listitem")
    await expect(reports).to_have_count(2)
