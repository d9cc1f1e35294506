"""The chain computed in the browser: what holds, what was changed, and what a liar sends."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from support.dashboard import Visit, click_if_there, visit
from support.orgs import NewOrg
from support.product import Product
from support.waiting import until
from tocsin.adapters.dynamodb import client
from tocsin.domain import chain
from tocsin.domain.batch import pack, unpack
from tocsin.domain.keys import Scope, mint

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

type Lines = list[bytes]
type Item = dict[str, Any]

ENTRIES = "**/v1/audit/entries?*"
BATCHES = [2, 2, 3, 2]
LAST = 11  # signing in, and the session that they begin, are events, too

HOSTILE = {
    "type": "tool_call",
    "action": '<img src=x onerror="alert(1)">',
    "tool_name": '"}\n{"seq":1,"event":{\u202e😀%2F #?&\u0000',
    "metadata": {"leaf": "0" * 64, "name": "x" * 10_000},
}


def seal(org: NewOrg, count: int, last: int) -> None:
    """Have so many more events in an org's ledger, and wait until it ends there."""
    org.emit(*[HOSTILE] * count)
    with org.product.tables() as tables:
        until(lambda: tables.ledger.head(org.id).seq == last, f"sealed up to {last}")


@pytest.fixture
def sealed(visitor: Visit, org: NewOrg) -> NewOrg:
    """The visitor's org with eleven events, in several segments; nothing more comes by itself."""
    last = 2
    for count in BATCHES:
        last += count
        seal(org, count, last)
    return org


def result(page: Page) -> Any:
    return page.get_by_role("region", name="Result")


async def verified(page: Page, count: int = LAST) -> None:
    """Verify, and see that all of it holds."""
    await page.get_by_role("button", name=re.compile("^(Verify|Start again)$")).click()
    await expect(result(page).get_by_role("heading")).to_have_text(f"All {count} events hold")


async def found(page: Page, title: str) -> None:
    """Verify, and see what is found."""
    await page.get_by_role("button", name=re.compile("^(Verify|Start again)$")).click()
    await expect(result(page).get_by_role("alert").get_by_role("heading")).to_have_text(title)


async def test_a_ledger_is_verified_and_its_head_remembered(
    visitor: Visit, sealed: NewOrg, product: Product
) -> None:
    page = visitor.page
    await visitor.go("#/verify")
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await expect(page.get_by_text("Nothing verified yet")).to_be_visible()
        await visitor.check_axe()
    await verified(page)
    assert page.url.endswith("#/verify?from=1")
    with product.tables() as tables:
        head = tables.ledger.head(sealed.id)
    await expect(result(page)).to_contain_text(head.hash.hex())
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()

    # What it remembers is what the next one is held against, from the first event or from there.
    await page.reload()
    await visitor.until_live()
    await expect(result(page).get_by_role("heading")).to_have_text(f"All {LAST} events hold")
    await verified(page)
    await expect(result(page)).to_contain_text(f"{LAST}:{head.hash.hex()[:12]}… the chain goes")
    await page.get_by_role("button", name=f"Only from {LAST} on").click()
    await expect(result(page).get_by_role("heading")).to_have_text("The event holds")
    await expect(result(page)).to_contain_text("lead through what was noted")

    # A link begins at once; a hash before the middle is taken on trust, unless it was noted.
    await page.get_by_role("button", name="Forget it").click()
    await page.get_by_role("dialog").get_by_role("button", name="Forget it").click()
    await expect(page.get_by_text("Nothing verified yet")).to_be_visible()
    await visitor.go("#/verify?from=4&to=6&start=1")
    await expect(result(page).get_by_role("heading")).to_have_text("All 3 events hold")
    await expect(result(page)).to_contain_text("what came before is not verified")
    assert page.url.endswith("#/verify?from=4&to=6")
    await visitor.go(f"#/verify?from=4&trust={LAST}%3A{head.hash.hex()}&start=1")
    await expect(result(page)).to_contain_text("lead through what was noted")
    await visitor.go(f"#/verify?from={LAST + 1}&start=1")
    await expect(result(page).get_by_role("heading")).to_contain_text(f"no event from {LAST + 1}")
    await visitor.go("#/verify?from=8&to=7&start=1")
    await expect(page.get_by_text("swap them")).to_be_visible()


def forged(event: bytes) -> bytes:
    other = event.replace(b'"compliance_tag":"default"', b'"compliance_tag":"defau1t"')
    assert other != event
    return other


@contextmanager
def changed(product: Product, table: str, key: Item, change: Callable[[Item], Item | None]) -> Any:
    """Change an item of a table, or delete it, as the tables' owner can; then put it back."""
    with product.tables():
        db = client()
        item: Any = db.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        try:
            if other := change(item):
                db.put_item(TableName=table, Item=other)
            else:
                db.delete_item(TableName=table, Key=key)
            yield
        finally:
            db.put_item(TableName=table, Item=item)


def tampered(product: Product, org: str) -> Iterator[tuple[Any, int]]:
    """Yield changes of what is stored, each with the first bad seq."""
    with product.tables() as tables:
        segment = next(each for each in tables.ledger.segments(org, 1, 10) if each.first_seq > 4)
    reference = segment.references[0]
    journal = {"org": {"S": org}, "batch": {"S": reference.batch_id}}
    ledger = {"pk": {"S": f"segment#{org}"}, "sk": {"N": str(segment.first_seq)}}

    def edited(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Item], Item]:
        def edit(item: Item) -> Item:
            entries = [*unpack(item["entries"]["B"], reference.count)]
            return item | {"entries": {"B": pack(change(entries))}}

        return edit

    first = segment.first_seq
    names = {"journal": "tocsin-journal", "ledger": "tocsin-ledger"}
    yield (
        changed(
            product,
            names["journal"],
            journal,
            edited(lambda all: [forged(all[0]), *all[1:]]),
        ),
        first,
    )
    yield changed(product, names["journal"], journal, edited(lambda all: all[::-1])), first
    yield changed(product, names["journal"], journal, lambda _: None), first
    yield changed(product, names["ledger"], ledger, lambda _: None), first
    for name in ("leaves", "hash_after", "hash_before"):
        yield changed(product, names["ledger"], ledger, partial(flipped, name)), first


def flipped(name: str, item: Item) -> Item:
    value: bytes = item[name]["B"]
    return item | {name: {"B": bytes([value[0] ^ 1]) + value[1:]}}


async def test_whatever_is_changed_in_the_tables_is_seen(
    visitor: Visit, sealed: NewOrg, product: Product
) -> None:
    page = visitor.page
    await visitor.go("#/verify")
    for change, seq in tampered(product, sealed.id):
        with change:
            await page.get_by_role("button", name="Verify", exact=True).click()
            heading = result(page).get_by_role("alert").get_by_role("heading")
            await expect(heading).to_contain_text(re.compile("is not what was sealed"))
            said = re.search(r"Event (\d+) ", await heading.inner_text())
            assert said and int(said[1]) <= seq
            await expect(result(page)).to_contain_text("Tocsin found it itself")
    # It stays, in every view, until somebody starts anew.
    await page.reload()
    await visitor.until_live()
    await expect(result(page).get_by_role("alert")).to_be_visible()
    await visitor.go("#/keys")
    await page.get_by_role("link", name="What was found").click()
    for theme in ("light", "dark"):
        await visitor.theme(theme)
        await visitor.check_axe()
    await verified(page)
    await expect(page.get_by_role("alert").filter(has_text="sealed")).to_have_count(0)


async def lie(page: Page, change: Callable[[Lines], Lines]) -> None:
    """Have every answer with events changed on its way."""

    async def answer(route: Route) -> None:
        true = await route.fetch()
        lines = (await true.body()).splitlines(keepends=True)
        await route.fulfill(response=true, body=b"".join(change(lines) if lines else []))

    await page.unroute(ENTRIES)
    await page.route(ENTRIES, answer)


def seq_of(line: bytes) -> int:
    return int(line.partition(b":")[2].partition(b",")[0])


def renumbered(lines: Lines) -> Lines:
    return [re.sub(rb'^\{"seq":\d+', b'{"seq":%d' % seq, line) for seq, line in enumerate(lines, 1)]


def recomputed(org: str, lines: Lines, first: int = 1) -> Lines:
    """A chain that holds, of other events from the first on that is given."""
    hash, made = chain.genesis(org), list[bytes]()
    for line in lines:
        entry = line.partition(b',"event":')[2].removesuffix(b"}\n")
        if seq_of(line) >= first:
            entry = forged(entry)
        (after,) = chain.extend(hash, [chain.leaf(entry)])
        hashes = hash.hex().encode(), after.hex().encode()
        made.append(
            b'{"seq":%d,"prev_hash":"%b","hash":"%b","event":%b}\n' % (seq_of(line), *hashes, entry)
        )
        hash = after
    return made


async def test_a_server_that_lies_is_found_as_far_as_it_can_be(
    visitor: Visit, sealed: NewOrg
) -> None:
    page = visitor.page
    await page.route("**/v1/log/checkpoint", lambda route: route.fulfill(status=404, json={}))
    await visitor.go("#/verify")
    lies: list[tuple[Callable[[Lines], Lines], str]] = [
        (lambda all: [*all[:4], forged(all[4]), *all[5:]], "Event 5 was changed"),
        (lambda all: [*all[:4], *all[5:]], "Event 5 is missing"),
        (lambda all: [*all[:4], all[5], all[4], *all[6:]], "Event 5 is missing"),
        (lambda all: [*all[:5], *all[4:]], "Event 6 is not where it belongs"),
        (
            lambda all: renumbered([*all[:4], *all[5:]]),
            "Event 5 does not follow from the one before it",
        ),
        (
            lambda all: [*all[:4], b'{"seq":5,"x":"</script>\xff\n', *all[4:]],
            "What came for event 5 is no event",
        ),
        (
            lambda all: [line for line in all if seq_of(line) < 5],
            "The ledger's end is missing from event 5 on",
        ),
    ]
    for change, title in lies:
        await lie(page, change)
        await found(page, title)

    # A whole chain computed anew looks whole without a checkpoint, and without what was verified.
    await page.unroute(ENTRIES)
    await verified(page)
    await lie(page, lambda all: recomputed(sealed.id, all))
    await found(page, f"The past up to event {LAST} was rewritten")
    await expect(result(page)).to_contain_text("this browser verified on")
    await visitor.check_axe()
    await found(page, f"The past up to event {LAST} was rewritten")  # it is not forgotten by that
    await page.get_by_role("button", name="Forget it").click()
    await page.get_by_role("dialog").get_by_role("button", name="Forget it").click()
    await verified(page)


async def test_what_is_cut_or_slow_is_waited_for_and_one_can_stop(
    visitor: Visit, sealed: NewOrg
) -> None:
    page = visitor.page
    await visitor.go("#/verify")
    held = asyncio.Event()
    asked: list[str] = []

    async def answer(route: Route) -> None:
        asked.append(route.request.url.rpartition("from=")[2].partition("&")[0])
        if len(asked) == 1:
            await route.fulfill(status=503, headers={"Retry-After": "0"}, json={"error": "busy"})
        elif len(asked) == 2:
            true = await route.fetch()
            lines = (await true.body()).splitlines(keepends=True)
            await route.fulfill(response=true, body=b"".join(lines[:3]) + lines[3][:-9])
        elif len(asked) == 3:
            await route.abort()
        else:
            held.set()  # and never answered

    await page.route(ENTRIES, answer)
    await page.get_by_role("button", name="Verify", exact=True).dblclick()
    await asyncio.wait_for(held.wait(), 240)
    assert asked == ["1", "1", "4", "4"]
    await visitor.go("#/keys")  # it goes on meanwhile
    await visitor.go("#/verify")
    await expect(result(page)).to_contain_text(f"3 of {LAST}")
    await visitor.check_axe()
    await page.get_by_role("button", name="Pause").click()
    await expect(result(page).get_by_role("heading")).to_have_text("Paused at 3")
    await visitor.check_axe()
    await page.unroute(ENTRIES)
    await page.get_by_role("button", name="Go on").click()
    await expect(result(page).get_by_role("heading")).to_have_text(f"All {LAST} events hold")

    # An answer that is always cut in the same place is no proof of anything, and has an end.
    await lie(page, lambda all: [*all[: 4 - seq_of(all[0])], b'{"seq":4,"prev_'])
    await page.get_by_role("button", name="Verify", exact=True).click()
    await expect(result(page)).to_contain_text("Not finished: verified up to 3")
    await visitor.check_axe()


async def test_a_session_that_is_over_and_a_key_of_some_types_are_said(
    browser: Browser, visitor: Visit, sealed: NewOrg, key: str, product: Product
) -> None:
    page = visitor.page
    await visitor.go("#/verify")
    await verified(page)
    await page.context.clear_cookies()
    await click_if_there(page, "Verify")  # or the page has seen by itself that it is over
    await expect(page.get_by_text("Your session is over")).to_be_visible()
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    # Where the form came while it verified, it was paused.
    ended = re.compile("Paused at|Not finished|All 12 events hold")
    await expect(result(page)).to_contain_text(ended)
    await click_if_there(page, "Go on")
    await expect(result(page).get_by_role("heading")).to_have_text("All 12 events hold")

    token, some = mint(sealed.id, frozenset({Scope.READ}), "test", 1, frozenset({"tool_call"}))
    with product.tables() as tables:
        tables.keys.put(some)
    size = {"width": 390, "height": 844}
    async with visit(browser, product.url, viewport=size) as other:
        await other.sign_in(token, "#/verify?start=1")
        await expect(result(other.page)).to_contain_text("use a key of every type")
        for theme in ("light", "dark"):
            await other.theme(theme)
            await other.check_axe()
        wide = await other.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"]


async def test_each_org_has_a_chain_and_a_memory_of_its_own(
    visitor: Visit, sealed: NewOrg, product: Product
) -> None:
    page, other = visitor.page, NewOrg(product)
    seal(other, 2, 3)
    await visitor.go("#/verify")
    await verified(page)
    hash = await result(page).locator("code").inner_text()
    await page.locator(".account summary").click()
    await page.get_by_role("button", name="Add an organization").click()
    await page.get_by_label("A key of that organization").fill(other.new_key(Scope.READ))
    await page.get_by_role("dialog").get_by_role("button", name="Add").click()
    await visitor.until_live()
    await expect(page.get_by_text("Nothing verified yet")).to_be_visible()
    await expect(page.get_by_text("What this browser verified last")).to_have_count(0)
    await page.get_by_text("Hold it against").first.click()
    await page.get_by_label("Notes").fill(f"{sealed.id}:{LAST}:{hash}")
    await page.get_by_role("button", name="Verify", exact=True).click()
    await expect(page.get_by_text(f"switch to {sealed.id} first")).to_be_visible()
    await page.get_by_label("Notes").fill(f"2:{hash}")
    await found(page, "The past up to event 2 was rewritten")
    await page.get_by_label("Notes").fill("")
    await verified(page, 4)  # the last is the sign-in
