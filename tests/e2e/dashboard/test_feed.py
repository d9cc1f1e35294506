"""The live feed: what is sent is seen, in order, once, whatever is cut and whatever it contains."""

import re
import subprocess
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from support.dashboard import Visit, visit
from support.orgs import NewOrg
from support.product import TOCSIN, Product
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\u202egnp.exe",
    "a\u0000b\u001b[2Jc\u2028d",
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "%2F..%2F?&=#",
    "שלום 漢字 😀",
    "x" * 256,
]


def call(tool: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_call", "toolName": tool, "action": "allow", **more}


def rows(page: Page) -> Locator:
    return page.get_by_role("option")


async def seqs(page: Page) -> list[int]:
    return [int(text) for text in await page.locator(".row .seq").all_inner_texts()]


async def test_what_the_command_line_sends_is_seen_at_once(
    visitor: Visit, org: NewOrg, product: Product
) -> None:
    page = visitor.page
    # Its own sign-in is the first event: nothing is hidden from who watches.
    await expect(rows(page)).to_have_count(1)
    send = [str(TOCSIN), "send", "--tool", "deploy", "--action", "deny", "--agent", "agt_7"]
    subprocess.run(  # noqa: ASYNC221, S603 (our own program, which ends)
        [*send, "--url", product.url, "--api-key", org.key], check=True, capture_output=True
    )
    await expect(rows(page).filter(has_text="deploy")).to_contain_text("agt_7")

    # By keyboard alone: choose, open, look at the neighbour, close.
    await visitor.go("#/feed?tool=deploy")
    await expect(rows(page)).to_have_count(1)
    await page.get_by_role("listbox").focus()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    pane = page.get_by_label("Event", exact=True)
    await expect(pane.get_by_role("heading", name=re.compile("deploy"))).to_be_visible()
    await expect(pane).to_contain_text("Hash before")
    await visitor.check_axe()
    await pane.get_by_role("tab", name="JSON").click()
    await expect(pane.get_by_label("The event as JSON")).to_contain_text('"tool_name": "deploy"')
    await pane.get_by_role("button", name="Seq before").click()
    await expect(pane.get_by_role("heading", level=2)).not_to_contain_text("deploy")
    await page.keyboard.press("Escape")
    await expect(pane).to_have_count(0)


async def test_filters_are_in_the_address_and_the_back_button_takes_them_back(
    visitor: Visit, org: NewOrg
) -> None:
    page = visitor.page
    org.post(*(call(f"tool_{number % 3}", agentId=f"agt_{number}") for number in range(30)))
    await expect(rows(page).first).to_be_visible()
    await page.get_by_role("button", name="Filters").click()
    await page.get_by_label("Tool").fill("tool_1")
    await page.get_by_role("button", name="Show").click()
    await expect(rows(page)).to_have_count(10)
    await expect(page).to_have_url(re.compile(r"#/feed\?tool=tool_1$"))
    await page.get_by_label("Search in what events contain").fill("AGT_13")
    await expect(rows(page)).to_have_count(1)
    sent = page.url
    await page.get_by_role("button", name="Remove the filter Tool").click()
    await expect(rows(page)).to_have_count(1)
    await page.go_back()
    await expect(page).to_have_url(sent)
    await page.go_back()
    await expect(page).to_have_url(re.compile(r"#/feed$"))
    await expect(rows(page).nth(20)).to_be_visible()

    # What was sent to a colleague shows the same, what comes later too, and nothing else.
    await page.goto(sent)
    await visitor.until_live()
    await expect(rows(page)).to_have_count(1)
    org.post(call("tool_1", agentId="agt_137"), call("tool_2", agentId="agt_138"))
    await expect(rows(page)).to_have_count(2)
    await page.get_by_label("Search in what events contain").fill("nowhere")
    await expect(page.get_by_text("No event is like this")).to_be_visible()
    await visitor.check_axe()


async def test_nothing_moves_under_who_reads(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(*(call("before") for _ in range(50)))
    await expect(rows(page).filter(has_text="before").nth(5)).to_be_visible()
    await page.get_by_role("button", name="Pause").click()
    seen = await seqs(page)
    org.post(*(call("after") for _ in range(7)))
    # Tocsin's own come, too: a session has begun.
    follow = page.get_by_role("button", name=re.compile(r"Follow \(([7-9]|\d\d) new events\)"))
    await expect(follow).to_be_visible()
    assert await seqs(page) == seen
    await follow.click()
    await expect(rows(page).filter(has_text="after").first).to_be_visible()
    now = await seqs(page)
    assert now == list(range(now[0], now[0] - len(now), -1))


async def test_who_was_away_is_told_what_was_missed_and_led_to_it(
    visitor: Visit, org: NewOrg
) -> None:
    page = visitor.page
    org.post(call("seen"))
    await expect(rows(page).filter(has_text="seen")).to_be_visible()
    await page.goto("about:blank")
    for batch in range(3):
        org.post(*(call(f"missed_{batch}") for _ in range(200)))
    await visitor.open()
    # How many: those that were sealed by then.
    await expect(page.get_by_text("came while this page was not looking")).to_be_visible()
    await visitor.check_axe()
    await page.get_by_role("link", name="Go to the first of them").click()
    await expect(page.locator(".marked")).to_be_visible()
    await expect(rows(page).filter(has_text="missed_0").first).to_be_visible()
    await page.get_by_role("button", name="Back to what is live").click()
    org.post(call("live again"))
    await expect(rows(page).filter(has_text="live again")).to_be_visible()


@pytest.mark.parametrize("part", ["stream", "gateway"])
async def test_a_part_that_is_killed_loses_doubles_and_reorders_nothing(
    visitor: Visit, org: NewOrg, product: Product, part: str
) -> None:
    page = visitor.page
    org.post(call("before"))
    await expect(rows(page).filter(has_text="before")).to_be_visible()
    product.kill(part)
    await expect(page.locator(".connection.is-cut")).to_be_visible()
    product.until_ready()
    org.post(*(call(f"after_{number}") for number in range(9)))
    await visitor.until_live()
    await expect(rows(page).filter(has_text="after_8")).to_be_visible()
    now = await seqs(page)
    assert now == list(range(now[0], now[0] - len(now), -1))


async def test_after_a_long_cut_the_feed_is_of_now_and_says_what_it_passed_over(
    browser: Browser, product: Product, org: NewOrg, key: str
) -> None:
    async with visit(browser, product.url) as visitor:
        page = visitor.page
        await page.clock.install()
        await visitor.sign_in(key)
        org.post(call("before"))
        await expect(rows(page).filter(has_text="before")).to_be_visible()
        await page.route("**/events/stream*", lambda route: route.abort())
        product.kill("stream")
        await expect(page.locator(".connection.is-cut")).to_be_visible()
        product.until_ready()
        for _ in range(2):
            org.post(*(call("meanwhile") for _ in range(200)))
        await page.clock.fast_forward("05:00")
        await expect(page.get_by_text("came while this page was not looking")).to_be_visible()
        await page.unroute_all()
        await page.get_by_role("button", name="Try now").click()
        await visitor.until_live()
        org.post(call("after"))
        await expect(rows(page).filter(has_text="after")).to_be_visible()
        now = await seqs(page)
        assert now == list(range(now[0], now[0] - len(now), -1))
        await page.get_by_role("link", name="Go to the first of them").click()
        await expect(page.locator(".marked")).to_be_visible()


async def test_two_orgs_see_nothing_of_each_other(
    visitor: Visit, org: NewOrg, browser: Browser, product: Product
) -> None:
    other = NewOrg(product)
    async with visit(browser, product.url) as theirs:
        await theirs.sign_in(other.new_key(Scope.READ))
        org.post(call("ours"))
        other.post(call("theirs"))
        for each, own in ((visitor, "ours"), (theirs, "theirs")):
            await expect(rows(each.page).filter(has_text=own)).to_be_visible()
            await expect(rows(each.page).filter(has_text="tool_call")).to_have_count(1)

        # An id of another org's is nothing here, and neither is a place of its ledger.
        await rows(theirs.page).filter(has_text="theirs").click()
        fragment = theirs.page.url.partition("#")[2]
        await visitor.go(f"#{fragment}")
        await expect(visitor.page.get_by_role("alert")).to_be_visible()
        await expect(visitor.page.get_by_label("Event", exact=True)).not_to_contain_text("theirs")


async def test_what_events_contain_is_text(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(
        *(
            call(
                text,
                agentId=text,
                sessionId=text,
                model=text,
                traceId=text,
                metadata={text: text},
                data={"html": text, "deep": [[[text]]]},
            )
            for text in HOSTILE
        )
    )
    await visitor.go("#/feed?type=tool_call")
    await expect(rows(page)).to_have_count(len(HOSTILE))
    for index in range(len(HOSTILE)):
        await rows(page).nth(index).click()
        pane = page.get_by_label("Event", exact=True)
        await expect(pane.get_by_text("trace_id")).to_be_visible()
        await pane.get_by_role("tab", name="Trace").click()
        await expect(pane.get_by_text("1 event of the trace")).to_be_visible()
        await pane.get_by_role("tab", name="JSON").click()
        await expect(pane.get_by_label("The event as JSON")).to_contain_text("tool_name")
    await visitor.check_axe()
    shown = await page.locator("body").inner_text()
    for hidden in "\u202e\u0000\u001b\u2028":
        assert hidden not in shown
    assert "\\u{202e}gnp.exe" in shown
    assert (
        await page.evaluate("document.querySelectorAll('img, script:not([integrity])').length") == 0
    )


async def test_an_event_of_256_kb_and_10_000_tools_harm_nothing(
    visitor: Visit, org: NewOrg
) -> None:
    page = visitor.page
    org.post(call("large", data={"text": "x" * 250_000}))
    for first in range(0, 10_000, 1_000):
        org.post(*(call(f"tool_{number}") for number in range(first, first + 1_000)))
    await expect(rows(page).filter(has_text="tool_9999")).to_be_visible()
    assert await page.locator(".row").count() < 100
    await page.get_by_role("button", name="Filters").click()
    await page.get_by_label("Tool").focus()
    assert await page.locator("datalist option").count() <= 50
    await page.get_by_label("Tool").fill("large")
    await page.get_by_role("button", name="Show").click()
    await rows(page).first.click()
    pane = page.get_by_label("Event", exact=True)
    await pane.get_by_role("tab", name="JSON").click()
    await pane.get_by_role("button", name=re.compile("Show all 250,")).click()
    assert len(await pane.get_by_label("The event as JSON").inner_text()) > 250_000


async def test_a_trace_is_a_tree_of_what_caused_what(visitor: Visit, org: NewOrg) -> None:
    page = visitor.page
    org.post(
        call("plan", traceId="t", spanId="a"),
        call("read", traceId="t", spanId="b", parentId="a"),
        call("write", traceId="t", parentId="b"),
        call("elsewhere"),
    )
    await rows(page).filter(has_text="read").click()
    await page.get_by_role("tab", name="Trace").click()
    tree = page.locator(".event-pane .trace").first
    await expect(tree.locator("> li > ul > li > ul > li > a")).to_contain_text("write")
    await expect(tree.locator("[aria-current]")).to_contain_text("read")
    await tree.get_by_role("link", name=re.compile("write")).click()
    await expect(page.get_by_role("heading", level=2, name=re.compile("write"))).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_phone_at_night(
    browser: Browser, product: Product, org: NewOrg, key: str, theme: str
) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    org.post(*(call(f"a rather long tool name {number}" * 4) for number in range(40)))
    async with visit(browser, product.url, **phone) as visitor:
        page = visitor.page
        await visitor.theme(theme)
        await visitor.sign_in(key)
        await expect(rows(page).first).to_be_visible()
        await visitor.check_axe()
        await rows(page).nth(2).tap()
        await expect(page.get_by_label("Event", exact=True)).to_be_visible()
        await visitor.check_axe()
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide
        await page.get_by_role("button", name="Close").tap()
        await page.get_by_role("button", name="Menu").tap()
        await visitor.check_axe()
        await page.get_by_role("link", name="Sessions").tap()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")


async def test_a_call_is_one_row_however_many_tell_of_it(visitor: Visit, org: NewOrg) -> None:
    page, id = visitor.page, "toolu_01A09q90qw90lq917835lq9"

    def report(via: str, **more: Any) -> dict[str, Any]:
        return call("deploy", toolCallId=id, metadata={"via": via}, **more)

    org.post(report("claude-code", agentId="hook"), call("between"))
    await expect(rows(page).filter(has_text="between")).to_have_count(1)
    before = await seqs(page)
    org.post(report("otlp", agentId="exporter", action="deny", request={"input": "exported"}))
    deployed = rows(page).filter(has_text="deploy")
    await expect(deployed).to_contain_text("2 reports: claude-code, otlp")
    await expect(deployed).to_have_count(1)
    await expect(deployed).to_contain_text("deny")
    # A session has begun meanwhile, which is an event, too: those that were there did not move.
    assert [seq for seq in await seqs(page) if seq in before] == before
    await visitor.check_axe()

    # Opened, it shows each; from each the row is the same one.
    await deployed.click()
    reports = page.get_by_label("Reports of this call")
    await expect(reports.get_by_role("listitem")).to_have_count(2)
    await visitor.check_axe()
    await reports.get_by_role("link", name=re.compile("otlp")).click()
    await expect(page.get_by_label("Event", exact=True)).to_contain_text("exported")
    await expect(deployed).to_have_attribute("aria-selected", "true")
    await reports.get_by_role("link", name="Show them in the feed").click()
    await expect(page).to_have_url(re.compile(rf"#/feed\?call={id}$"))
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page)).to_contain_text("2 reports")
    await expect(page.get_by_text("2 events shown in 1 row")).to_be_visible()

    # After a reload the same, and while it is paused nothing changes.
    await visitor.go("#/feed")
    await page.reload()
    await visitor.until_live()
    await expect(deployed).to_contain_text("2 reports")
    await page.get_by_role("button", name="Pause").click()
    org.post(report("proxy"))
    await expect(page.get_by_role("button", name=re.compile("Follow .*new event"))).to_be_visible()
    await expect(deployed).to_contain_text("2 reports")
    await page.get_by_role("button", name=re.compile("Follow")).click()
    await expect(deployed).to_contain_text("3 reports: claude-code, otlp, proxy")
    await expect(deployed).to_have_count(1)
