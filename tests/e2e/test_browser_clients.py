"""The browser clients of Rampart's and KavachOS' documents, in a real browser.

Each runs as a script of a page that the product itself serves, as ``EventSource`` needs it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from support.browser import patient
from support.orgs import NewOrg
from support.samples import Visitor
from support.waiting import HANG_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("product")]

CALL = {"type": "tool_call", "toolName": "exec", "action": "allow"}
CREATED = {"type": "agent.created", "toolName": "kavach"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Tab:
    """A page with a script in it, and what its console says."""

    page: "Page"
    said: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, message: "ConsoleMessage") -> None:
        if message.args:  # what the browser itself says, as of a missing icon, has none
            self.said.append(message.text)
            self.heard.set()

    async def until_said(self, start: str) -> None:
        """Wait for a line that starts so."""
        try:
            async with asyncio.timeout(HANG_SECONDS):
                while not any(line.startswith(start) for line in self.said):
                    self.heard.clear()
                    await self.heard.wait()
        except TimeoutError:
            raise AssertionError(f"not said: {start!r}; but {self.said}, {self.errors}") from None

    async def until_watching(self, org: NewOrg, **event: Any) -> None:
        """Post an event again and again, until the script, which may be connecting, says one."""
        async with asyncio.timeout(HANG_SECONDS):
            while not self.said:
                org.post(event)
                await asyncio.sleep(0.1)


type Open = Callable[[str], Awaitable[Tab]]


@pytest.fixture
async def opened(browser: "Browser", visitor: Visitor) -> AsyncIterator[Open]:
    """Open a page of the product with a script in it."""

    async def opened(script: str) -> Tab:
        tab = Tab(patient(await browser.new_page()))
        tab.page.on("console", tab.hear)
        tab.page.on("pageerror", lambda error: tab.errors.append(error.message))
        await tab.page.goto(f"{visitor.org.product.url}/healthz")
        await tab.page.add_script_tag(content=script)
        return tab

    yield opened


def javascript(typescript: str) -> str:
    """Return the KavachOS sample without its only type."""
    return typescript.replace(" as MessageEvent", "")


async def test_rampart_and_kavach_come_back_after_a_cut_and_miss_nothing(
    opened: Open, visitor: Visitor
) -> None:
    org = visitor.org
    rampart = await opened(visitor.sample("rampart_browser.js"))
    await rampart.until_said("Connected to Rampart event stream")
    kavach = await opened(javascript(visitor.sample("kavach_browser.ts")))
    await kavach.until_watching(org, **CREATED, data={"agentId": "first"})
    assert set(kavach.said) == {"New agent: first"}
    org.post(CALL)
    org.emit({"type": "approval.created"}, {"type": "approval.bulk_resolved", "run_id": "run_1"})
    org.emit({"type": "anomaly", "anomaly_type": "rate_spike", "current_rate": 150})
    await rampart.until_said("Audit event: exec allow")
    await rampart.until_said("Approval queue changed — refreshing...")
    await rampart.until_said("Bulk audit event for run: run_1")
    await kavach.until_said("Anomaly: {")

    org.product.kill("stream")
    missed = [f"missed-{number}" for number in range(20)]
    for name in missed:
        org.post(CREATED | {"toolName": name, "data": {"agentId": name}})
    await rampart.until_said(f"Audit event: {missed[-1]} log")
    await kavach.until_said(f"New agent: {missed[-1]}")

    assert [line for line in rampart.said if "missed" in line] == [
        f"Audit event: {name} log" for name in missed
    ]
    assert [line for line in kavach.said if "missed" in line] == [
        f"New agent: {name}" for name in missed
    ]
    assert "SSE error: Event" in rampart.said
    assert rampart.said.count("Connected to Rampart event stream") == 2
    assert rampart.errors == []
    # A cut is an ``error`` event without data, which the sample gives to JSON.parse.
    assert {"not valid JSON" in error for error in kavach.errors} == {True}


async def test_rampart_dashboard(opened: Open, visitor: Visitor) -> None:
    """The sample names three things of its page's: the token and two functions."""
    tab = await opened(f"""
        const token = '{visitor.org.key}';
        const addToActivityFeed = (event) => console.log('feed', event.tool);
        const refreshApprovalQueue = () => console.log('queue');
        {visitor.sample("rampart_dashboard.js")}
    """)
    await tab.until_watching(visitor.org, **CALL)
    own = {"feed "}  # what Tocsin tells has no tool: that the session began, if it is slow
    assert set(tab.said) - own == {"feed exec"}
    visitor.org.emit({"type": "approval.created"})
    await tab.until_said("queue")


async def test_kavach_says_that_a_token_is_not_valid(opened: Open, visitor: Visitor) -> None:
    sample = visitor.sample("kavach_browser.ts").replace(visitor.org.key, "nobody")
    await (await opened(javascript(sample))).until_said("Stream error: UNAUTHORIZED")


async def test_kavach_sends_the_types_that_are_asked_for(opened: Open, visitor: Visitor) -> None:
    tab = await opened(f"""
        {visitor.sample("kavach_browser_types.ts").replace("token=tok", "token=" + visitor.org.key)}
        for (const type of ['audit', 'auth.failed', 'agent.created', 'agent.revoked']) {{
            source.addEventListener(type, (event) => console.log(event.type));
        }}
    """)
    await tab.until_watching(visitor.org, **CREATED)
    others = [{"type": type, "toolName": "t"} for type in ("tool_call", "auth.failed", "audit")]
    visitor.org.post(*others, {"type": "agent.revoked", "toolName": "t"})
    await tab.until_said("agent.revoked")
    assert set(tab.said) == {"agent.created", "agent.revoked"}
