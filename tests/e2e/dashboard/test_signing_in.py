"""Signing in to the dashboard, being refused, and signing out."""

import pytest
from playwright.async_api import Browser, expect

from support.dashboard import Visit, visit
from support.orgs import NewOrg
from support.product import Product
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]


async def test_a_key_is_exchanged_for_a_cookie_and_kept_nowhere(
    browser: Browser, product: Product, org: NewOrg, key: str
) -> None:
    async with visit(browser, product.url) as visitor:
        page = visitor.page
        await visitor.open("#/sessions?q=7")
        await page.get_by_label("API key").fill(f"{key}x")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.get_by_label("API key").input_value() == ""

        await page.get_by_label("API key").fill(f" {key}\n")
        await page.get_by_role("button", name="Sign in").click()
        await visitor.until_live()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sessions")
        assert page.url.endswith("#/sessions?q=7")  # where one wanted to be
        kept = await page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert key.rpartition("_")[2] not in kept
        await page.reload()
        await visitor.until_live()

        await page.locator(".account summary").click()
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_text("You are signed out.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_label("API key")).to_be_visible()


async def test_a_page_of_two_orgs_shows_the_active_one_in_every_tab(
    visitor: Visit, org: NewOrg, product: Product
) -> None:
    page, other = visitor.page, NewOrg(product)
    org.post({"type": "tool_call", "toolName": "ours"})
    other.post({"type": "tool_call", "toolName": "theirs"})
    await page.locator(".account summary").click()
    await page.get_by_role("button", name="Add an organization").click()
    await page.get_by_label("A key of that organization").fill(other.new_key(Scope.READ))
    await page.get_by_role("dialog").get_by_role("button", name="Add").click()
    rows = page.get_by_role("option")
    await expect(page.locator(".account summary")).to_contain_text(other.id)
    await expect(rows.filter(has_text="theirs")).to_be_visible()
    await expect(rows.filter(has_text="ours")).to_have_count(0)

    # Tabs share the cookie: another one must not go on under the old name.
    tab = await page.context.new_page()
    await tab.goto(page.url)
    await expect(tab.get_by_role("option").filter(has_text="theirs")).to_be_visible()
    await page.locator(".account summary").click()
    await visitor.check_axe()
    await page.get_by_role("button", name=org.id).click()
    for each in (page, tab):
        await expect(each.locator(".account summary")).to_contain_text(org.id)
        await expect(each.get_by_role("option").filter(has_text="ours")).to_be_visible()
        await expect(each.get_by_role("option").filter(has_text="theirs")).to_have_count(0)


async def test_signing_out_everywhere_ends_the_other_browsers_too(
    visitor: Visit, browser: Browser, product: Product, key: str
) -> None:
    async with visit(browser, product.url) as other:
        await other.sign_in(key)
        page = visitor.page
        await page.locator(".account summary").click()
        await page.get_by_role("button", name="Sign out everywhere").click()
        await visitor.check_axe()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Sign out everywhere").click()
        await expect(page.get_by_text("You are signed out in every browser.")).to_be_visible()
        await other.page.reload()
        await expect(other.page.get_by_label("API key")).to_be_visible()
        await other.sign_in(key)  # the key goes on


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_nothing_keeps_anybody_from_signing_in(
    browser: Browser, product: Product, theme: str
) -> None:
    async with visit(browser, product.url) as visitor:
        await visitor.theme(theme)
        await visitor.open()
        await expect(visitor.page.get_by_label("API key")).to_be_visible()
        await visitor.check_axe()
