"""Policies on the dashboard: those in force, earlier ones, and dry runs."""

import json

import httpx
import pytest
from playwright.async_api import Route, expect

from support.dashboard import Visit
from support.orgs import NewOrg
from support.waiting import HANG_SECONDS
from tocsin.domain.keys import Scope

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

MINE = '@id("no-<b>mail</b>\u202e") @message("Ask <i>Maria</i>.")\n' + (
    'forbid(principal, action, resource == Tool::"mail");'
)


def _put(url: str, headers: dict[str, str], text: str) -> None:
    body, path = {"policies": text}, f"{url}/api/v1/policies"
    answer = httpx.put(path, headers=headers, json=body, timeout=HANG_SECONDS)
    assert answer.status_code == 200, answer.text


async def test_calls_are_tried_against_policies_in_force_and_edited(visitor: Visit) -> None:
    page = visitor.page
    await visitor.go("#/policies")
    await expect(page.get_by_text("0, which comes with Tocsin")).to_be_visible()
    await page.get_by_label("Tool", exact=True).fill("exec/%2F \U0001f525")
    await page.get_by_label("Command").fill("rm -rf /")
    await page.get_by_label("Expected").select_option("allow")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Try", exact=True).click()
    decided = page.get_by_role("region", name="What is decided")
    await expect(decided).to_contain_text("ask-destructive-commands")
    await expect(page.get_by_text("1 call, 1 not as expected, by the policies")).to_be_visible()
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()

    await page.get_by_label("Other parameters").fill("[1]")
    await page.get_by_role("button", name="Try", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("The parameters are an object")
    await page.get_by_label("Other parameters").fill('{"force": true}')
    await page.get_by_role("button", name="Several calls").click()
    calls = page.get_by_label("Calls, as a JSON list")
    assert json.loads(await calls.input_value())[0]["params"] == {
        "force": True,
        "command": "rm -rf /",
    }
    await calls.fill('[{"tool": "mail"}, {"tool": "", "x": 1}]')
    await page.get_by_role("button", name="Try", exact=True).click()
    await expect(page.get_by_text("calls.1.x")).to_be_visible()
    await calls.fill('[{"tool": "mail", "expect": "deny"}, {"tool": "calc"}]')
    await page.get_by_role("button", name="With edited policies").click()
    await page.get_by_role("textbox", name="Policies, in Cedar").fill("permit(")
    await page.get_by_role("button", name="Try", exact=True).click()
    await expect(page.get_by_role("listitem").filter(has_text="policies:")).to_be_visible()
    await visitor.check_axe()
    await page.get_by_role("textbox", name="Policies, in Cedar").fill(MINE)
    await page.get_by_role("button", name="Try", exact=True).click()
    await expect(page.get_by_text("2 calls, by the edited policies")).to_be_visible()
    await expect(decided).to_contain_text(r"no-<b>mail</b>\u{202e}")
    await expect(decided).to_contain_text("Ask <i>Maria</i>.")


async def test_earlier_versions_are_there_and_nothing_is_changed(
    visitor: Visit, org: NewOrg
) -> None:
    headers = {"Authorization": f"Bearer {org.new_key(Scope.ADMIN, person='<u>root</u>')}"}
    for policies in ("permit(principal, action, resource);", MINE):
        _put(visitor.url, headers, policies)
    page = visitor.page
    await visitor.go("#/policies")
    text = page.get_by_role("region", name="The policies, in Cedar")
    await expect(text).to_contain_text(r"no-<b>mail</b>\u{202e}")
    await expect(page.get_by_text("<u>root</u>")).to_be_visible()
    await page.get_by_role("button", name="Earlier").click()
    await expect(text).to_have_text("permit(principal, action, resource);")
    assert page.url.endswith("#/policies?version=1")
    await visitor.check_axe()
    await page.get_by_role("button", name="Later").click()
    await expect(text).to_contain_text("forbid")
    await visitor.go("#/policies?version=99")
    await expect(page.get_by_role("alert")).to_contain_text("there is no such version")

    async def fail(route: Route) -> None:
        await route.abort()

    await visitor.go("#/policies")
    await page.route("**/api/v1/policies/test", fail)
    await page.get_by_label("Tool", exact=True).fill("mail")
    await page.get_by_role("button", name="Try", exact=True).click()
    await expect(page.get_by_text("Tocsin can't be reached from here.")).to_be_visible()
    await page.set_viewport_size({"width": 390, "height": 844})
    await visitor.check_axe()
