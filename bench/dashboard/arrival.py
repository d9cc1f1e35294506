"""From POST to a row on the screen, against a bare page that only has the stream."""

import asyncio
import time
from statistics import median, quantiles

import httpx
from playwright.async_api import Browser

from bench.report import milliseconds, ratio, show
from support.dashboard import visit
from support.orgs import NewOrg
from support.product import Product
from tocsin.domain.keys import Scope

__all__ = ["measure"]

EVENTS = 100
_PAUSE_SECONDS = 0.15
_WATCH_ROWS = """
() => {
  window.arrived = {};
  const look = () => {
    for (const row of document.querySelectorAll(".row .what")) {
      window.arrived[row.textContent] ??= performance.timeOrigin + performance.now();
    }
  };
  new MutationObserver(() => requestAnimationFrame(look)).observe(
    document.querySelector("main"), {childList: true, subtree: true, characterData: true});
}
"""
_WATCH_STREAM = """
url => new Promise(resolve => {
  window.arrived = {};
  const source = new EventSource(url);
  source.addEventListener("agent_event", message => {
    window.arrived[JSON.parse(message.data).tool_name] = performance.timeOrigin + performance.now();
  });
  source.onopen = resolve;
})
"""


async def measure(browser: Browser, product: Product) -> None:
    """Measure and print."""

    org = NewOrg(product)
    async with visit(browser, product.url) as page, visit(browser, product.url) as bare:
        await page.sign_in(org.new_key(Scope.READ))
        await page.page.get_by_role("option").first.wait_for()
        await page.page.evaluate(_WATCH_ROWS)
        await bare.sign_in(org.new_key(Scope.READ), "#/keys")
        await bare.page.evaluate(_WATCH_STREAM, "/api/v1/events/stream")
        sent = {}
        headers = {"Authorization": f"Bearer {org.key}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as http:
            for number in range(EVENTS):
                tool = f"bench_{number}"
                sent[tool] = time.time() * 1_000
                event = {"type": "tool_call", "toolName": tool}
                await http.post(f"{product.url}/api/v1/ingest/raw", json=event)
                await page.page.wait_for_function("tool => tool in window.arrived", arg=tool)
                await asyncio.sleep(_PAUSE_SECONDS)
        rows = await page.page.evaluate("window.arrived")
        messages = await bare.page.evaluate("window.arrived")
    row = [(rows[tool] - at) / 1_000 for tool, at in sent.items()]
    message = [(messages[tool] - at) / 1_000 for tool, at in sent.items()]
    show(
        "From POST to a row on the screen, ms",
        ("", "p50", "p99", "p50 is"),
        [
            (name, milliseconds(median(each)), milliseconds(quantiles(each, n=100)[98]), against)
            for name, each, against in (
                ("the feed's row", row, ratio(median(row) / median(message))),
                ("a bare EventSource", message, ratio(1)),
            )
        ],
        (f"{EVENTS} events, one after the other; both pages in one browser, on one org.",),
    )
