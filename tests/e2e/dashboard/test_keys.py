"""Keys and usage on the dashboard."""

import pytest
from playwright.async_api import Browser, expect

from support.dashboard import Visit, visit
from support.orgs import NewOrg
from support.product import Product
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

HOSTILE = "<b>maria</b>\u202e@example.com"


async def test_who_only_reads_sees_the_usage_and_why_there_are_no_keys(
    visitor: Visit, org: NewOrg
) -> None:
    org.post(*({"type": "tool_call", "toolName": "t"} for _ in range(7)))
    page = visitor.page
    await visitor.go("#/keys")
    await expect(page.get_by_text("Keys are shown to admins")).to_be_visible()
    await expect(page.get_by_role("meter")).to_be_visible()
    await expect(page.locator(".quota")).to_contain_text("7 of")
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()


async def test_an_admin_sees_the_keys_of_the_org_alone(
    browser: Browser, product: Product, org: NewOrg
) -> None:
    other = NewOrg(product)
    other_id = other.key.split("_")[2]
    org.new_key(Scope.APPROVE, person=HOSTILE)
    async with visit(browser, product.url) as visitor:
        await visitor.sign_in(org.new_key(Scope.ADMIN), "#/keys")
        page = visitor.page
        keys = page.get_by_role("region", name="The org's keys")
        await expect(keys.get_by_role("row")).to_have_count(4)
        await expect(keys).to_contain_text(r"<b>maria</b>\u{202e}@example.com")
        assert other_id not in await page.content()
        for secret in (org.key, other.key):
            assert secret.rpartition("_")[2] not in await page.content()
        await page.get_by_text("How to make, rotate and revoke keys").click()
        await expect(page.get_by_text(f"tocsin keys revoke --org {org.id} KEY")).to_be_visible()
        for theme in ("light", "dark"):
            await visitor.theme(theme)
            await visitor.check_axe()
        await page.set_viewport_size({"width": 390, "height": 844})
        await visitor.check_axe()
