"""A signed link on the running product, opened by a real browser without a key."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser

from support.browser import patient
from support.orgs import NewOrg
from support.product import Product
from support.waiting import HANG_SECONDS
from tocsin.client import Approval, ApprovalLinks, Client
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("product")]

COMMAND = "rm -rf build \u202e && <b>echo</b> done"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Desk:
    """An agent's call that waits, and its links."""

    def __init__(self, product: Product) -> None:
        org = NewOrg(product)
        self.agent = Client(product.url, org.new_key(Scope.INGEST))
        self.maria = Client(product.url, org.new_key(Scope.APPROVE, person="maria@example.com"))
        self.asked = self.agent.ask("exec", "claude", "may I tidy?", command=COMMAND, ttl=3_600)
        self.links: ApprovalLinks = self.maria.approval_links(self.asked.id)

    def now(self) -> Approval:
        return self.maria.approval(self.asked.id)

    def close(self) -> None:
        self.agent.close()
        self.maria.close()


@pytest.fixture
def desk(product: Product) -> Iterator[Desk]:
    desk = Desk(product)
    yield desk
    desk.close()


def test_whoever_only_looks_approves_nothing(desk: Desk) -> None:
    for method in ("GET", "HEAD", "GET"):  # as a mail filter does
        answer = httpx.request(method, desk.links.approve_url, timeout=HANG_SECONDS)
        assert answer.status_code == 200
    assert desk.now().status == "pending"


async def test_a_person_opens_a_link_sees_the_call_and_approves(
    desk: Desk, product: Product, browser: Browser, tmp_path: Path
) -> None:
    assert desk.links.approve_url.startswith(f"{product.url}/v1/approvals/{desk.asked.id}/resolve?")
    context = patient(await browser.new_context(java_script_enabled=False))
    page, faults, asked = await context.new_page(), list[str](), list[str]()
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(desk.links.approve_url)
    shown = await page.inner_text("main")
    for said in ("Approve this call?", "claude", "exec", "may I tidy?", desk.asked.expires_at):
        assert said in shown
    assert "rm -rf build \\u{202e} && <b>echo</b> done" in shown
    button = page.get_by_role("button", name="Approve")
    colour = await button.evaluate("it => getComputedStyle(it).backgroundColor")
    assert colour == "rgb(21, 112, 58)"  # the policy lets the page's own style in
    await page.screenshot(path=tmp_path / "asking.png", full_page=True)
    await button.click()
    assert await page.inner_text("h1") == "The call is approved"
    await page.screenshot(path=tmp_path / "said.png")
    decided = desk.now()
    assert (decided.approved, decided.resolved_by) == (True, "signed-link")
    assert decided.fields["linked_by"] == "maria@example.com"

    for url in (desk.links.approve_url, desk.links.deny_url):
        await page.goto(url)
        assert "approved before, by signed-link" in await page.inner_text("main")
        assert await page.get_by_role("button").count() == 0
    assert not [fault for fault in faults if "favicon" not in fault and "410" not in fault]
    assert {url.split("?")[0].rsplit("/", 1)[-1] for url in asked} <= {"resolve", "favicon.ico"}


async def test_no_page_may_frame_a_link(desk: Desk, browser: Browser, allowed_origin: str) -> None:
    page = await patient(await browser.new_context()).new_page()
    await page.goto(allowed_origin)
    async with page.expect_event("framenavigated", lambda frame: frame.parent_frame is not None):
        await page.evaluate(
            "url => { const it = document.createElement('iframe'); it.src = url;"
            " document.body.append(it) }",
            desk.links.approve_url,
        )
    [frame] = page.frames[1:]
    assert await frame.get_by_role("button", name="Approve").count() == 0
    assert desk.now().status == "pending"
