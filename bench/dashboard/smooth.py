"""How soon the page answers a person while 500 events a second arrive (INP), and when none do."""

import asyncio

import httpx
from playwright.async_api import Browser, Page

from bench.report import number, ratio, show
from support.dashboard import visit
from support.orgs import NewOrg
from support.product import Product
from tocsin.domain.keys import Scope

__all__ = ["measure"]

RATE = 500  # events a second
BATCH = 50
LOADED_SECONDS, QUIET_SECONDS = 60, 20
LIMIT_MS = 200  # https://web.dev/articles/inp: what is good
_OBSERVE = """
() => {
  window.interactions = new Map();
  window.longTasks = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      if (!entry.interactionId) continue;
      const worst = Math.max(window.interactions.get(entry.interactionId) ?? 0, entry.duration);
      window.interactions.set(entry.interactionId, worst);
    }
  }).observe({type: "event", durationThreshold: 16});
}
"""


async def measure(browser: Browser, product: Product) -> None:
    """Measure and print."""

    org = NewOrg(product)
    org.post({"type": "tool_call", "toolName": "first"})
    rows = []
    async with visit(browser, product.url) as page:
        await page.sign_in(org.new_key(Scope.READ))
        await page.page.get_by_role("option").first.wait_for()
        for load, seconds in (("none", QUIET_SECONDS), (f"{RATE}/s", LOADED_SECONDS)):
            await page.page.evaluate(_OBSERVE)
            before = await _head(page.page)
            sending = asyncio.create_task(_send(org, seconds if load != "none" else 0))
            done = await _use(page.page, seconds)
            sent = await sending
            durations = sorted(await page.page.evaluate("[...window.interactions.values()]"))
            seen = await _head(page.page) - before
            worst = durations[-1 - len(durations) // 50] if durations else 0.0
            rows.append((load, done, sent, seen, len(durations), worst))
    quiet = max(rows[0][5], 16.0)
    show(
        "Interaction to next paint, ms",
        ("events", "interactions", "slower than 16 ms", "sent", "seen by then", "INP", "is"),
        [
            (
                load,
                f"{done:,}",
                f"{slow:,}",
                f"{sent:,}",
                f"{seen:,}",
                number(inp),
                ratio(inp / quiet),
            )
            for load, done, sent, seen, slow, inp in rows
        ],
        (
            "Clicks, keys and typing in the feed, five a second; INP leaves out one in fifty.",
            f"Good is {LIMIT_MS} ms at most. Tocsin, the sender and the browser share the machine.",
        ),
    )


async def _head(page: Page) -> int:

    return int(await page.evaluate("Number(document.querySelector('.row .seq')?.textContent ?? 0)"))


async def _send(org: NewOrg, seconds: float) -> int:
    """Send at the rate for so many seconds; return how many."""

    sent, loop = 0, asyncio.get_running_loop()
    began = loop.time()
    headers = {"Authorization": f"Bearer {org.key}"}
    url = f"{org.product.url}/api/v1/ingest/raw"
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as http:
        while (elapsed := loop.time() - began) < seconds:
            if sent > elapsed * RATE:
                await asyncio.sleep(sent / RATE - elapsed)
            events = [
                {"type": "tool_call", "toolName": f"tool_{n % 40}", "agentId": f"agt_{n % 7}"}
                for n in range(BATCH)
            ]
            await http.post(url, json={"events": events})
            sent += BATCH
    return sent


async def _use(page: Page, seconds: float) -> int:
    """Use the page as somebody does, five times a second; return how often."""

    loop, done = asyncio.get_running_loop(), 0
    began = loop.time()
    search = page.get_by_label("Search in what events contain")
    steps = (
        lambda: page.locator(".heading button").click(),  # pause
        lambda: page.keyboard.press("j"),
        lambda: page.locator(".heading button").click(),  # follow
        lambda: search.press("t"),
        lambda: search.press("Backspace"),
        lambda: page.get_by_role("listbox").click(position={"x": 200, "y": 100}),
        lambda: page.keyboard.press("ArrowDown"),
        lambda: page.keyboard.press("Escape"),
        lambda: page.get_by_role("button", name="Filters").click(),
        lambda: page.get_by_role("button", name="Filters").click(),
    )
    while loop.time() - began < seconds:
        await steps[done % len(steps)]()
        done += 1
        await asyncio.sleep(max(done / 5 - (loop.time() - began), 0))
    return done
