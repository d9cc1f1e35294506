"""Approvals in the dashboard: what waits is shown as it would run, and is answered once."""

import asyncio
import json
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

HOSTILE = "<img src=x onerror=alert(1)>\u202eexe.txt\x07\u200b👍🏽%2F"


class Agent:
    """A client that asks, with the org's own key."""

    def __init__(self, org: NewOrg) -> None:
        self._url, self._key = f"{org.product.url}/v1/approvals", org.key

    def ask(self, **call: Any) -> str:
        """Return the id of a new approval."""
        body = {"tool": "bash", "agent": "deployer", "message": "Please", "ttl": 3_600} | call
        return str(send("POST", self._url, self._key, json=body)["id"])

    def decision(self, id: str, wait: int = 0) -> dict[str, Any]:
        """Return what was decided, as a client that waits hears of it."""
        return send("GET", f"{self._url}/{id}/decision", self._key, params={"wait": wait})

    def wait(self, id: str) -> dict[str, Any]:
        """Wait for a decision, however slow who decides is."""
        while (decided := self.decision(id, wait=55))["approved"] is None:
            pass
        return decided


def send(method: str, url: str, key: str, **more: Any) -> dict[str, Any]:
    """Return what the API answers to a key."""
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.request(method, url, headers=headers, timeout=HANG_SECONDS, **more)
    assert answer.is_success, answer.text
    return dict(answer.json())


@pytest.fixture
def agent(org: NewOrg) -> Agent:
    return Agent(org)


def resolve(product: Product, key: str, id: str, approved: bool) -> None:
    """Answer an approval from elsewhere."""
    send("POST", f"{product.url}/v1/approvals/{id}/resolve", key, json={"approved": approved})


async def lose_answer(route: Route) -> None:
    """What is sent arrives, and nothing comes back."""
    await route.fetch()
    await route.abort()


async def lose_request(route: Route) -> None:
    await route.abort()


async def test_a_call_is_approved_while_its_client_waits(visitor: Visit, agent: Agent) -> None:
    page = visitor.page
    await visitor.go("#/approvals")
    await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    await visitor.check_axe_in_both_themes()

    before = agent.ask(command="apply --env staging", input={"replicas": 2, "api_key": "hunter2"})
    badge = page.locator(".views .badge")
    await expect(badge).to_contain_text("1")
    await expect(page).to_have_title("(1) Approvals · Tocsin")
    row = page.get_by_role("link", name="apply --env staging")
    await row.click()
    call = page.get_by_role("article")
    await expect(call).to_contain_text('"api_key": "[masked:api_key]"')
    await expect(call.locator(".digest code")).to_have_text(re.compile("[0-9a-f]{64}"))
    await expect(call).to_contain_text("None is kept")
    await visitor.check_axe_in_both_themes()

    decided = asyncio.create_task(asyncio.to_thread(agent.wait, before))
    await call.get_by_role("button", name="Approve …").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("apply --env staging")
    await visitor.check_axe_in_both_themes()
    await dialog.get_by_label("Always").check()
    await dialog.get_by_role("button", name="Approve", exact=True).click()
    assert (await decided)["approved"] is True
    await expect(call.get_by_text("by maria@example.com")).to_be_visible()
    await expect(call).to_contain_text("always, for this agent")
    await expect(call.get_by_role("button", name="Approve …")).to_have_count(0)
    await expect(badge).to_have_count(0)
    await visitor.check_axe_in_both_themes()

    # What differs from it in the next call of the tool is marked.
    agent.ask(command="apply --env production", input={"replicas": 2, "api_key": "hunter2"})
    await page.get_by_role("link", name="apply --env production").click()
    await expect(call.locator("del")).to_have_text("staging")
    await expect(call.locator("ins")).to_have_text("production")
    await visitor.check_axe_in_both_themes()

    await page.get_by_role("link", name="History").click()
    await expect(page.get_by_role("link", name="by maria@example.com")).to_be_visible()
    await visitor.check_axe_in_both_themes()
    await page.get_by_role("link", name="Always approved").click()
    await expect(page.get_by_role("row", name="apply --env staging")).to_be_visible()
    await visitor.check_axe_in_both_themes()
    await page.get_by_role("button", name="Remove …").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Nothing is approved without asking")).to_be_visible()
    again = agent.ask(command="apply --env staging", input={"replicas": 2, "api_key": "hunter2"})
    assert agent.decision(again)["approved"] is None


async def test_of_two_who_answer_at_once_one_counts_and_the_other_is_told_who(
    browser: Browser, product: Product, org: NewOrg, agent: Agent, visitor: Visit
) -> None:
    page = visitor.page
    id = agent.ask(command="drop table", ttl=600)
    other = agent.ask(command="another one")
    fragment = f"#/approvals/{id}"
    async with visit(browser, product.url) as second:
        joe = org.new_key(Scope.READ, Scope.APPROVE, person="joe@example.com")
        # A clock that is ahead by more than the call has: Tocsin's counts.
        ahead = "const now = Date.now; Date.now = () => now() + 900_000"
        await second.page.add_init_script(ahead)
        await second.sign_in(joe, fragment)
        await expect(second.page.get_by_role("timer")).to_have_text(re.compile(r"\d:\d\d"))
        await visitor.go(fragment)
        await page.get_by_role("button", name="Approve …").click()
        await second.page.get_by_role("button", name="Deny …").click()
        await second.page.get_by_role("dialog").get_by_role("button", name="Deny").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("status")).to_contain_text("denied by joe@example.com")
        await dialog.get_by_role("button", name="Approve", exact=True).click()
        call = page.get_by_role("article")
        await expect(call.get_by_text("Yours did not count")).to_be_visible()
        await expect(call).to_contain_text("by joe@example.com")
        # It stays where it was, and so does what is open: the next one has not come under the hand.
        assert page.url.endswith(fragment)
        rows = page.locator(".approvals-list .call")
        await expect(rows.nth(0)).to_contain_text("drop table")
        await expect(rows.nth(0)).to_contain_text("denied")
        await expect(rows.nth(1)).to_contain_text("another one")
        await expect(call.get_by_role("button", name="Approve …")).to_have_count(0)
    assert agent.decision(id)["approved"] is False
    assert agent.decision(other)["approved"] is None


async def test_calls_are_answered_by_keyboard_alone(visitor: Visit, agent: Agent) -> None:
    page = visitor.page
    await visitor.go("#/approvals")
    first, second = agent.ask(command="one"), agent.ask(command="two")
    await expect(page.locator(".approvals-list .call")).to_have_count(2)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await visitor.check_axe_in_both_themes()
    await page.keyboard.press("j")  # is the dialog's
    await page.keyboard.press("Escape")
    assert page.url.endswith("#/approvals")
    for key, id in (("j", first), ("j", second), ("j", second), ("k", first)):
        await page.keyboard.press(key)
        await expect(page).to_have_url(f"{visitor.url}/#/approvals/{id}")
    await page.keyboard.press("j")
    call = page.get_by_role("article")
    await expect(call.get_by_label("Command")).to_have_text("two")
    await page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await expect(dialog.get_by_label("Reason")).to_have_value("")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    assert agent.decision(second)["approved"] is None
    await page.keyboard.press("d")
    await expect(dialog.get_by_label("Reason")).to_be_focused()
    await page.keyboard.type("ask Joe, and keep j k a d ?")
    await page.keyboard.press("Enter")
    await expect(call).to_contain_text("by maria@example.com")
    await expect(call).to_contain_text("“ask Joe, and keep j k a d ?”")
    decided = agent.decision(second)
    assert decided["approved"] is False
    assert decided["resolved_reason"] == "ask Joe, and keep j k a d ?"
    await page.keyboard.press("a")  # what is answered can't be again
    await expect(dialog).to_have_count(0)
    assert agent.decision(first)["approved"] is None


async def test_the_calls_of_a_run_are_answered_together(
    visitor: Visit, agent: Agent, product: Product, key: str
) -> None:
    page = visitor.page
    run = [agent.ask(run_id="r/1", command=f"step {n}") for n in range(3)]
    apart = agent.ask(run_id="r/2", command="of another run")
    await visitor.go(f"#/approvals/{run[0]}")
    panel = page.get_by_role("region", name="Its run")
    await expect(panel).to_contain_text("3 calls")
    await panel.get_by_role("button", name="Approve the run …").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("listitem")).to_have_count(3)
    await visitor.check_axe_in_both_themes()
    # Somebody is faster with one of them: nothing is resolved, and that is said.
    resolve(product, key, run[2], False)
    await dialog.get_by_role("button", name="Approve all 3").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("not pending any more")
    assert agent.decision(run[0])["approved"] is None
    await dialog.get_by_role("button", name="Cancel").click()
    await panel.get_by_role("button", name="Approve the run …").click()
    await dialog.get_by_label("Also whatever this run asks for").check()
    await page.route("**/bulk-resolve", lose_answer)
    await dialog.get_by_role("button", name="Approve all 2").click()
    await expect(page.get_by_text("None of these calls waits any more.")).to_be_visible()
    await expect(panel).to_have_count(0)
    assert [agent.decision(id)["approved"] for id in run] == [True, True, False]
    assert agent.decision(apart)["approved"] is None
    later = agent.ask(run_id="r/1", command="a later step")
    assert agent.decision(later)["approved"] is True


async def test_a_call_expires_while_it_is_shown(visitor: Visit, agent: Agent) -> None:
    page = visitor.page
    id = agent.ask(command="too late", ttl=10)
    await visitor.go(f"#/approvals/{id}")
    call = page.get_by_role("article")
    await expect(call).to_contain_text("nobody answered in time")
    await expect(call.get_by_role("button", name="Approve …")).to_have_count(0)
    await expect(page.locator(".views .badge")).to_have_count(0)
    await visitor.check_axe_in_both_themes()


async def test_a_link_leads_through_signing_in_to_its_call_also_long_after(
    browser: Browser, product: Product, org: NewOrg, agent: Agent, key: str
) -> None:
    id = agent.ask(command="was it so?")
    resolve(product, key, id, True)
    async with visit(browser, product.url, viewport={"width": 390, "height": 844}) as visitor:
        page = visitor.page
        # A key that only reads: it sees, and can't answer.
        await visitor.sign_in(org.new_key(Scope.READ), f"#/approvals/{id}")
        call = page.get_by_role("article")
        await expect(call).to_contain_text("by maria@example.com")
        await expect(call.get_by_label("Command")).to_have_text("was it so?")
        waits = agent.ask(command="and this?")
        await page.get_by_role("button", name="All calls").click()
        await page.get_by_role("link", name="and this?").click()
        assert page.url.endswith(waits)
        await expect(call).to_contain_text("Your key only reads")
        await expect(call.get_by_role("button", name="Approve …")).to_have_count(0)
        await page.keyboard.press("a")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        await visitor.check_axe_in_both_themes()
        await page.go_back()
        await expect(page.get_by_role("link", name="and this?")).to_be_visible()
        # Another org's, and what is no id at all.
        theirs = Agent(NewOrg(product)).ask()
        for wrong in (theirs, "a%2F..%2F%3Fx%23%26%25%20%F0%9F%98%80", "x" * 10_000):
            await visitor.go(f"#/approvals/{wrong}")
            await expect(page.get_by_text("There is no such call here")).to_be_visible()
        await visitor.check_axe_in_both_themes()


async def test_a_hostile_call_is_text(visitor: Visit, agent: Agent) -> None:
    page = visitor.page
    lines = {f"{n}{HOSTILE}": f"</script>{HOSTILE}" for n in range(200)}
    deep: Any = "end"
    for _ in range(40):
        deep = [deep]
    names = {"tool": f"t{HOSTILE}", "agent": f"a{HOSTILE}", "run_id": f"r{HOSTILE}"}
    more = {"message": HOSTILE * 40, "command": HOSTILE * 400, "path": f"../{HOSTILE}"}
    id = agent.ask(**names, **more, input={"lines": lines, "deep": deep}, session=f"s{HOSTILE}")
    agent.ask(**names, message=HOSTILE, session=f"s{HOSTILE}", input="x" * 60_000)
    await visitor.go("#/approvals")
    await page.locator(f'.call[data-id="{id}"]').click()
    call = page.get_by_role("article")
    await expect(call.get_by_label("Command")).to_contain_text("<img src=x onerror=alert(1)>")
    await expect(call.get_by_label("Command")).to_contain_text("\\u{202e}exe.txt\\u{7}\\u{200b}")
    await call.get_by_role("button", name="Show all").first.click()
    await expect(call.get_by_label("Input")).to_contain_text('"end"')
    shown = await page.evaluate("document.querySelector('main').innerText")
    assert "\u202e" not in shown
    assert "\x07" not in shown
    assert await page.locator("main img, main script").count() == 0
    for one in ("html", ".approvals-list", ".approvals-one"):
        wide, seen = await page.evaluate(
            "of => [document.querySelector(of)].flatMap(e => [e.scrollWidth, e.clientWidth])", one
        )
        assert wide <= seen, one
    await visitor.check_axe_in_both_themes()
    session = await call.get_by_role("link", name="<img").get_attribute("href")
    assert session is not None
    assert session.startswith("#/sessions/s%3Cimg")
    await call.get_by_role("button", name="Approve …").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve", exact=True).click()
    await expect(call).to_contain_text("by maria@example.com")
    await page.locator(".approvals-list .call:not(.is-over)").click()
    await expect(call).to_contain_text("Compared with")
    await expect(call.locator(".diff")).to_be_visible()
    await visitor.check_axe_in_both_themes()


async def test_what_is_not_known_is_said_and_nothing_is_sent_twice(
    visitor: Visit, agent: Agent
) -> None:
    page = visitor.page
    first, second = agent.ask(command="one"), agent.ask(command="two")
    sent: list[str] = []
    page.on("request", lambda asked: sent.append(asked.url) if asked.method == "POST" else None)
    await page.route("**/resolve", lose_answer)
    await visitor.go(f"#/approvals/{first}")
    call, dialog = page.get_by_role("article"), page.get_by_role("dialog")
    await call.get_by_role("button", name="Approve …").click()
    await dialog.get_by_role("button", name="Approve", exact=True).click()
    await expect(call).to_contain_text("Tocsin's answer did not arrive")
    await expect(call).to_contain_text("by maria@example.com")
    assert len(sent) == 1
    assert agent.decision(first)["approved"] is True

    await page.unroute("**/resolve")
    await page.route("**/resolve", lose_request)
    await visitor.go(f"#/approvals/{second}")
    await call.get_by_role("button", name="Deny …").click()
    await dialog.get_by_role("button", name="Deny").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("the call still waits")
    assert len(sent) == 2
    await page.unroute("**/resolve")
    await dialog.get_by_role("button", name="Deny").click()
    # The comparison with the first names her, too.
    await expect(call).to_contain_text(re.compile("denied", re.IGNORECASE))
    assert agent.decision(second)["approved"] is False

    # The API is out of reach: what is there stays, and it says what to do.
    await page.route("**/v1/approvals/*", lose_request)
    await visitor.go(f"#/approvals/{first}")
    await expect(page.get_by_role("alert")).to_contain_text("Tocsin can't be reached from here")
    await visitor.check_axe_in_both_themes()
    await page.unroute("**/v1/approvals/*")
    await page.get_by_role("button", name="Try again").click()
    await expect(call).to_contain_text("by maria@example.com")


RECORDED = """
    window.shown = [];
    const tell = () => {
        const open = shown.filter((each) => !each.closed).length;
        document.documentElement.dataset.shown = `${open} of ${shown.length}`;
    };
    window.Notification = class {
        static permission = "default";
        static async requestPermission() { return (this.permission = "granted"); }
        constructor(title, options) {
            Object.assign(this, options, { title });
            shown.push(this);
            tell();
        }
        close() { this.closed = true; tell(); }
    };
    document.hasFocus = () => !window.away;
"""


async def test_who_looks_elsewhere_is_notified_if_they_asked_to_be(
    visitor: Visit, agent: Agent, product: Product, key: str
) -> None:
    page = visitor.page
    await page.add_init_script(RECORDED)  # a browser without a window shows none
    await page.reload()
    await visitor.until_live()
    await visitor.go("#/approvals")
    await page.get_by_role("button", name="Notify me").click()
    await expect(page.get_by_role("button", name="Notifications on")).to_be_visible()
    agent.ask(command="seen")
    await expect(page.get_by_role("link", name="seen")).to_be_visible()
    assert await page.evaluate("shown.length") == 0

    await visitor.go("#/feed")
    await page.evaluate("window.away = true")
    agent.ask(tool="mail", agent="mailer", command="the secret command")
    html = page.locator("html")
    await expect(html).to_have_attribute("data-shown", "1 of 1")
    told = json.loads(await page.evaluate("JSON.stringify(shown[0])"))
    assert told["body"] == "mailer: mail"
    assert "secret" not in json.dumps(told)
    await page.evaluate("shown[0].onclick()")
    call = page.get_by_role("article")
    await expect(call.get_by_label("Command")).to_have_text("the secret command")
    await expect(html).to_have_attribute("data-shown", "0 of 1")

    # Many are told together, if they come together, and taken back when none waits any more.
    ids = [agent.ask(command=f"more {n}") for n in range(3)]
    await expect(html).to_have_attribute("data-shown", re.compile("1 of [2-4]"))
    for each in ids:
        resolve(product, key, each, False)
    await expect(html).to_have_attribute("data-shown", re.compile("0 of [2-4]"))


async def test_many_approvals_cost_the_page_no_requests(
    visitor: Visit, agent: Agent, product: Product, key: str
) -> None:
    page = visitor.page
    await visitor.go("#/approvals")
    await expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("?")[0]))
    ids = [agent.ask(command=f"call {n}") for n in range(30)]
    await expect(page.locator(".approvals-list .call")).to_have_count(30)
    await expect(page.locator(".views .badge")).to_contain_text("30")
    assert f"{product.url}/v1/approvals" not in asked
    assert len(asked) <= 2  # anomalies are counted once, whatever comes
    rows = page.locator(".approvals-list .call")
    assert [await rows.nth(n).get_attribute("data-id") for n in (0, 29)] == [ids[0], ids[29]]

    # Nothing slides under a pointer that is about to click; it does once that has gone.
    await rows.nth(5).hover()
    resolve(product, key, ids[0], False)
    await expect(rows.nth(0)).to_contain_text("denied")
    assert [await rows.nth(n).get_attribute("data-id") for n in (5, 29)] == [ids[5], ids[29]]
    await page.mouse.move(1, 1)
    agent.ask(command="the next")
    await expect(rows.nth(29)).to_contain_text("the next")
    await expect(rows).to_have_count(30)
