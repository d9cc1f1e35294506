"""The first view of somebody who is signed in, with 10,000 events behind it and with one."""

from statistics import median

from playwright.async_api import Browser

from bench.report import milliseconds, ratio, show
from support.dashboard import visit
from support.orgs import NewOrg
from support.product import Product
from tocsin.domain.keys import Scope

__all__ = ["measure"]

EVENTS = 10_000
LOADS = 7
_FIRST_ROW = """
() => new Promise(resolve => {
  const look = () => document.querySelector(".row")
    ? requestAnimationFrame(() => resolve(performance.now())) : requestAnimationFrame(look);
  look();
})
"""


async def measure(browser: Browser, product: Product) -> None:
    """Measure and print."""

    measured = {}
    for events in (1, EVENTS):
        org = NewOrg(product)
        for first in range(0, events, 1_000):
            count = min(1_000, events - first)
            org.post(*({"type": "tool_call", "toolName": f"t{n % 9}"} for n in range(count)))
        async with visit(browser, product.url) as page:
            await page.sign_in(org.new_key(Scope.READ))
            loads = []
            for _ in range(LOADS):
                await page.open("?fresh")  # another document, and then the page anew
                await page.open()
                loads.append(await page.page.evaluate(_FIRST_ROW) / 1_000)
            measured[events] = median(loads)
    show(
        "From navigation to the first row, ms",
        ("events in the ledger", "median", "is"),
        [
            (f"{events:,}", milliseconds(seconds), ratio(seconds / measured[1]))
            for events, seconds in measured.items()
        ],
        (f"Medians of {LOADS} loads, signed in, assets in the browser's cache.",),
    )
