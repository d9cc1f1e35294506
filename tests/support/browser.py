"""A real browser: Debian's Chromium, driven by Playwright.

Add ``browser`` to a test's arguments; the test is asynchronous (``anyio``, on asyncio).
"""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from support.waiting import HANG_SECONDS

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

__all__ = ["browser", "chromium", "patient"]

# The first has no windows, of which the second has one for each visitor, and takes half to start.
_GIVEN = os.environ.get("CHROMIUM")
_PROGRAMS = [_GIVEN] if _GIVEN else ["chromium-headless-shell", "chromium"]
_MISSING = (
    f"There is no {' or '.join(_PROGRAMS)}, and this test needs a real browser: run "
    "`apt-get install chromium-headless-shell` (as root, after `apt-get update`), or name another "
    "Chromium's program in CHROMIUM"
)
_FLAGS = (
    "--no-sandbox",  # it can't have one as root, and sees our own pages only
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def patient[Opened: "BrowserContext | Page"](opened: Opened) -> Opened:
    """Have whatever is waited for in it take as long as a slow machine needs."""
    opened.set_default_timeout(HANG_SECONDS * 1_000)
    return opened


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator["Browser"]:
    """Start a browser without a window, with more flags, and end it.

    Raises:
        RuntimeError: it is not installed; says the command that installs it.
    """
    from playwright.async_api import async_playwright

    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise RuntimeError(_MISSING)
    arguments: Sequence[str] = [*_FLAGS, *flags]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=program, args=arguments, timeout=HANG_SECONDS * 1_000
        )
        try:
            yield running
        finally:
            await running.close()


@pytest.fixture
async def browser() -> AsyncIterator["Browser"]:
    """A browser of the test's own."""
    async with chromium() as running:
        yield running
