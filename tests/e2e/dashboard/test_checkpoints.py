"""What was signed of a ledger, held against it in the browser by who trusts nobody but a key."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Error, Page, Route, expect

from e2e.dashboard.test_verify import found, lie, recomputed, result, seal, seq_of, verified
from support.dashboard import Visit
from support.log_signers import log_signer
from support.orgs import NewOrg
from support.waiting import HANG_SECONDS, until
from tocsin.bootstrap.checkpoint import wire
from tocsin.settings import CheckpointSettings
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.keys import Verifier
from tocsin.wire.log.notes import Note, signed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("dashboard")]

CHECKPOINT = "**/v1/log/checkpoint"
PROOF = "**/v1/log/proof?*"
KEPT, LAST = 4, 11  # events of the two checkpoints; the first two tell of the sign-in


@dataclass(frozen=True)
class Log:
    """An org's log: its key, and the checkpoints of :data:`KEPT` and :data:`LAST` events."""

    org: NewOrg
    key: str
    kept: str
    last: str


def get(org: NewOrg, path: str) -> str:
    headers = {"Authorization": f"Bearer {org.key}"}
    answer = httpx.get(f"{org.product.url}/v1/log/{path}", headers=headers, timeout=HANG_SECONDS)
    return answer.raise_for_status().text if answer.status_code != 404 else ""


def checkpoint(org: NewOrg, size: int) -> str:
    """Have a checkpoint made of so many events, without waiting for the schedule."""
    notes = [""]

    def made() -> bool:
        with org.product.tables():
            wire(CheckpointSettings(signing_key=f"file:{org.product.home / 'signing-key'}"))()
        notes.append(get(org, "checkpoint"))
        return notes[-1] != "" and Checkpoint.read(Note.read(notes[-1].encode()).text).size == size

    until(made, f"a checkpoint of {size}")
    return notes[-1]


@pytest.fixture
def log(visitor: Visit, org: NewOrg) -> Log:
    """The visitor's org; nothing more comes by itself."""
    seal(org, KEPT - 2, KEPT)
    kept = checkpoint(org, KEPT)
    seal(org, LAST - KEPT, LAST)
    last = checkpoint(org, LAST)
    return Log(org, plain_key(org), kept, last)


def plain_key(org: NewOrg) -> str:
    """Return the key that signs every checkpoint, of the two that the log names."""
    keys = [Verifier.read(line.split()[0]) for line in get(org, "keys").splitlines()]
    (key,) = [str(key) for key in keys if not key.is_timed]
    return key


def panel(page: Page) -> Any:
    return page.get_by_role("region", name="Signed checkpoints")


async def fill(page: Page, summary: str, label: str, text: str) -> None:
    """Fill a field below a summary, and leave it."""
    field = page.get_by_label(label)
    if not await field.is_visible():
        await page.get_by_text(summary, exact=True).click()
    await field.fill(text)
    await field.blur()


async def trust(page: Page, keys: str) -> None:
    await fill(page, "The key that you trust", "Keys of the log", keys)


async def keep(page: Page, notes: str) -> None:
    await fill(page, "Checkpoints that you kept", "Kept checkpoints", notes)


class Changed:
    """What a path answers, changed on its way; for good, since one may be under way."""

    def __init__(self) -> None:
        self.change: Callable[[bytes], bytes | None] = lambda body: body

    async def on(self, page: Page, path: str) -> "Changed":
        await page.route(path, self._answer)
        return self

    async def _answer(self, route: Route) -> None:
        change = self.change
        with suppress(Error):  # the page has gone elsewhere meanwhile: nobody waits for it
            true = await route.fetch()
            body = change(await true.body())
            if body is None:
                await route.fulfill(status=404, json={"error": "There is none"})
            else:
                await route.fulfill(response=true, body=body)


async def test_a_ledger_is_held_against_what_a_trusted_key_signed(visitor: Visit, log: Log) -> None:
    page = visitor.page
    await visitor.go("#/verify")
    await expect(panel(page)).to_contain_text(f"events 1 to {LAST}")
    await expect(panel(page)).to_contain_text(log.last.splitlines()[2])
    await expect(panel(page)).to_contain_text("not verified: give the key that you trust")
    await verified(page, LAST)
    await expect(result(page)).to_contain_text("whose signature was not verified")

    # The log's own key is offered, and said to prove nothing.
    await page.get_by_text("The key that you trust", exact=True).click()
    await page.get_by_role("button", name="Show the log's own keys").click()
    await expect(panel(page)).to_contain_text("That alone proves nothing")
    await visitor.check_axe_in_both_themes()
    await page.get_by_role("button", name="Trust this one").click()
    name = "+".join(log.key.split("+")[:2])  # the rest, base64, may have one of its own
    await expect(panel(page)).to_contain_text(f"by the key that you trust, {name}")
    await expect(page.get_by_label("Keys of the log")).to_have_value(log.key)
    await keep(page, log.kept)
    await verified(page, LAST)
    await expect(result(page)).to_contain_text(
        f"Up to {LAST} they are what was signed by the key that you trust."
    )
    for row in ("The last checkpoint", "A kept checkpoint"):
        await expect(result(page).locator("dl.facts > div", has_text=row)).to_contain_text(
            re.compile(rf"the ledger leads to it\. Signed: by the key that you trust, {name[:9]}")
        )
    await visitor.check_axe_in_both_themes()

    # It is remembered only where somebody asks for it.
    await page.reload()
    await visitor.until_live()
    await expect(panel(page)).to_contain_text("not verified: give the key that you trust")
    await trust(page, log.key)
    await page.get_by_label("Remember it in this browser").check()
    await page.reload()
    await visitor.until_live()
    await expect(panel(page)).to_contain_text("by the key that you trust, ")
    await page.get_by_label("Remember it in this browser").uncheck()

    # What is newer is held by the chain alone, and a part of the ledger leads to no checkpoint.
    seal(log.org, 1, LAST + 1)
    (await Changed().on(page, CHECKPOINT)).change = lambda _: log.last.encode()
    await verified(page, LAST + 1)
    await expect(result(page)).to_contain_text(f"Event {LAST + 1}: held by the chain alone")
    await visitor.go("#/verify?from=3&start=1")
    await expect(result(page)).to_contain_text("that takes every event from the first on")
    await expect(result(page)).to_contain_text("No checkpoint was reached")

    # Where there is no Ed25519 it says so, and never that something is signed.
    await page.add_init_script(
        "Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })"
    )
    await page.reload()
    await visitor.until_live()
    await trust(page, log.key)
    await expect(panel(page)).to_contain_text("this browser has no Ed25519")


async def test_what_is_not_what_was_signed_is_found(
    visitor: Visit, log: Log, tmp_path: Path
) -> None:
    page, org = visitor.page, log.org.id
    await visitor.go("#/verify")
    await trust(page, log.key)

    # All of it computed anew: the chain looks whole, the tree is not what was signed.
    await lie(page, lambda lines: recomputed(org, lines))
    await found(page, f"Something in events 1 to {LAST} was rewritten")
    await expect(result(page)).to_contain_text("the log's last checkpoint")
    await visitor.check_axe_in_both_themes()

    # Between two checkpoints: a file that was kept, dropped or opened, narrows it down.
    file = tmp_path / "checkpoint"
    file.write_text(log.kept)
    await page.get_by_text("Checkpoints that you kept", exact=True).click()
    await page.get_by_label("Or open files").set_input_files(file)
    await expect(page.get_by_label("Kept checkpoints")).to_have_value(log.kept)
    await lie(page, lambda lines: recomputed(org, lines, first=8))
    await found(page, f"Something in events {KEPT + 1} to {LAST} was rewritten")

    # The server hides what it signed later: the end is missing to who kept it.
    checkpoints = await Changed().on(page, CHECKPOINT)
    checkpoints.change = lambda _: None
    await keep(page, log.kept + log.last)
    await lie(page, lambda lines: [line for line in lines if seq_of(line) < 8])
    await found(page, "The ledger's end is missing from event 8 on")
    await expect(result(page)).to_contain_text("a checkpoint that you kept covers events up to 11")

    # Another key, over the very same tree: whoever shows it is not who is trusted.
    await page.unroute("**/v1/audit/entries?*")
    await keep(page, "")
    read = Note.read(log.last.encode())
    other = signed(read.text, [log_signer(Checkpoint.read(read.text).origin)], 0)
    checkpoints.change = lambda _: other.data
    await found(page, "The last checkpoint is not signed by a key that you trust")
    await expect(result(page)).to_contain_text("No key that you trust has signed it.")
    await visitor.check_axe_in_both_themes()
    checkpoints.change = lambda note: note.replace(b"\n11\n", b"\n10\n")
    await found(page, "The last checkpoint is not signed by a key that you trust")
    await expect(result(page)).to_contain_text("is not that key's")
    checkpoints.change = lambda _: b"<html>\xff</html>"
    await page.get_by_role("button", name=re.compile("^(Verify|Start again)$")).click()
    await expect(result(page)).to_contain_text("What Tocsin answers here is UTF-8")

    # What is no checkpoint, or another org's, is not begun with.
    checkpoints.change = lambda note: note
    for text, said in (
        (log.last.replace(f"/{org}\n", "/beta\n", 1), "and what you see is"),
        ("\u202e😀\n", "signature is an em dash"),
    ):
        await keep(page, text)
        await expect(panel(page).get_by_role("alert").filter(has_text=said)).to_be_visible()
        await page.get_by_role("button", name=re.compile("^(Verify|Start again)$")).click()
        await expect(
            page.get_by_role("form", name="What to verify").get_by_text(said)
        ).to_be_visible()
    await keep(page, "")
    await trust(page, log.key[:-4])
    await expect(panel(page).get_by_role("alert").filter(has_text="A key")).to_be_visible()
    await trust(page, log.key)
    await verified(page, LAST)


async def test_an_event_s_proof_is_checked_and_kept(visitor: Visit, log: Log) -> None:
    page = visitor.page
    await visitor.go("#/verify")
    await trust(page, log.key)
    await visitor.go("#/feed")
    await page.locator(".row", has_text="tool_call").first.click()
    pane = page.get_by_role("complementary", name="Event")
    async with page.expect_download() as downloading:
        await pane.get_by_role("link", name="Proof").click()
    download = await downloading.value
    assert re.fullmatch(rf"{log.org.id}-\d+\.tlog-proof", download.suggested_filename)
    path = await download.path()
    assert path.read_bytes().startswith(b"c2sp.org/tlog-proof@v1\n")
    assert path.read_text().endswith(log.last)
    await expect(pane).to_contain_text(
        re.compile(rf"leads by \d hashes to the root of a checkpoint of {LAST} events")
    )
    await expect(pane).to_contain_text("by the key that you trust")
    await visitor.check_axe_in_both_themes()

    proofs = await Changed().on(page, PROOF)
    # Another event in the proof, and the proof of another event.
    changes: list[tuple[Callable[[bytes], bytes], str]] = [
        (
            lambda proof: re.sub(rb"\nextra .*", b"\nextra e30=", proof),
            "does not lead to the root",
        ),
        (lambda proof: re.sub(rb"\nindex .*", b"\nindex 0", proof), "It is a proof of event 1"),
        (lambda _: b"<html>\n\n", "A proof begins with"),
    ]
    for change, said in changes:
        proofs.change = change
        await pane.get_by_role("link", name="Proof").click()
        await expect(pane.get_by_role("alert")).to_contain_text(said)
        await expect(pane).not_to_contain_text("leads by")
    proofs.change = lambda _: None
    await pane.get_by_role("link", name="Proof").click()
    await expect(pane.get_by_role("alert")).to_contain_text("Not proved: There is none")
    await visitor.check_axe_in_both_themes()
