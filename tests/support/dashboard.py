"""The dashboard in a real browser: opened, signed in to, and held to what is true of every view."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, expect

from support.browser import patient
from support.waiting import HANG_SECONDS

__all__ = ["AXE", "Visit", "click_if_there", "visit"]

AXE = Path(__file__).parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"

# The rules of axe that look at colours: another theme changes no other's answer.
_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

# A browser reports each answer that is not 2xx; which ones are right the tests say themselves.
_ANSWERS = ("Failed to load resource",)

expect.set_options(timeout=HANG_SECONDS * 1_000)


@dataclass
class Visit:
    """One page in a context of its own. ``faults`` are its exceptions and refused scripts."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    async def open(self, fragment: str = "") -> None:
        """Load the page at a place of its own, as somebody does who was sent a link."""
        await self.page.goto(f"{self.url}/{fragment}")

    async def sign_in(self, key: str, fragment: str = "#/feed") -> None:
        """Load the page, and sign in with a key."""
        await self.open(fragment)
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.until_live()

    async def until_live(self) -> None:
        """Wait until the page has the stream."""
        await expect(self.page.locator(".connection.is-live")).to_be_visible()

    async def go(self, fragment: str) -> None:
        """Go to another place within the page."""
        await self.page.evaluate("to => { location.hash = to }", fragment)

    async def theme(self, name: str) -> None:
        """Use the system's light or dark colours."""
        await self.page.emulate_media(color_scheme="dark" if name == "dark" else "light")

    async def check_axe(self, **options: Any) -> None:
        """Nothing that axe knows of keeps anybody from using what is shown now."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = await self.page.evaluate(
            "async options => (await axe.run(document, options)).violations", options
        )
        said = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
        assert said == [], said

    async def check_axe_in_both_themes(self) -> None:
        """The same in dark, and its colours in light, too."""
        await self.theme("dark")
        await self.check_axe()
        await self.theme("light")
        await self.check_axe(runOnly=_COLOURS)

    def heard(self, message: ConsoleMessage) -> None:
        """Take what the browser's console says."""
        if message.type == "error" and not message.text.startswith(_ANSWERS):
            self.faults.append(message.text)


@asynccontextmanager
async def visit(browser: Browser, url: str, **options: Any) -> AsyncIterator[Visit]:
    """Open a context with a page of its own; its page must not have failed at anything."""
    context = patient(await browser.new_context(**options))
    try:
        opened = Visit(await context.new_page(), url)
        opened.page.on("console", opened.heard)
        opened.page.on("pageerror", lambda error: opened.faults.append(str(error)))
        yield opened
        assert opened.faults == []
    finally:
        await context.close()


async def click_if_there(page: Page, name: str) -> None:
    """Click a button, unless the page has gone on by itself and has it no more."""
    buttons = "[...document.querySelectorAll('button')]"
    await page.evaluate(f"name => {buttons}.find(each => each.innerText === name)?.click()", name)
