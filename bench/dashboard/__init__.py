"""The dashboard in a real browser, at `tocsin up`: size, and how soon, how smooth, how small.

Each figure stands beside the same without the load, or beside a bare page's, in the same run.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.dashboard import arrival, first_view, memory, size, smooth, verifying
from support.browser import chromium
from support.product import Product

__all__ = ["main"]


def main() -> None:
    """Measure and print."""

    size.show_size()
    with TemporaryDirectory(prefix="tocsin-bench-") as folder:
        product = Product(Path(folder) / "home")
        try:
            product.start()
            asyncio.run(_measure(product))
        finally:
            product.stop()
    asyncio.run(memory.measure())


async def _measure(product: Product) -> None:

    async with chromium() as browser:
        for part in (arrival, first_view, smooth, verifying):
            await part.measure(browser, product)
