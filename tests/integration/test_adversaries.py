"""Nine ways in which who has the tables can change a log, and how each is found from outside.

The tree's nodes and the signed checkpoints stay what they were, unless the adversary has the
signing key, too. Each changes a log of 600 events at seq 301, of which readers have kept two
checkpoints: of 300 and of 600 events.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fakes.events import batch
from integration.test_evidence_commands import Stranger
from integration.test_list import product
from integration.test_log_routes import Reader
from support.databases import Database
from tocsin.adapters.key_file import KeyFile
from tocsin.domain.batch import Batch, pack
from tocsin.domain.org import Org
from tocsin.domain.segment import seal
from tocsin.services.evidence.checkpointing import Checkpointing

pytestmark = pytest.mark.anyio

EVENTS, SEQ = 600, 301
type Change = Callable[[list[Batch]], list[Batch]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Owner:
    """Who has the tables of a log, and their readers."""

    stranger: Stranger
    kept: list[Path]

    @property
    def client(self) -> Any:
        return self.stranger.on.stores.ledger._client  # type: ignore[attr-defined]

    @property
    def ledger(self) -> str:
        return str(self.stranger.on.stores.ledger._table)  # type: ignore[attr-defined]

    @property
    def journal(self) -> str:
        return str(self.stranger.on.stores.journal._table)  # type: ignore[attr-defined]

    @property
    def state(self) -> str:
        return str(self.stranger.on.stores.trees._table)  # type: ignore[attr-defined]

    def items(self, table: str, org: str = "acme") -> list[dict[str, Any]]:
        found = []
        for page in self.client.get_paginator("scan").paginate(TableName=table):
            found += page["Items"]
        names = ("org", "batch") if table == self.journal else ("pk", "sk")
        kept = [each for each in found if each[names[0]]["S"].rpartition("#")[2] == org]
        return sorted(kept, key=lambda each: str(each[names[1]]))

    def delete(self, table: str, item: dict[str, Any]) -> None:
        names = ("org", "batch") if table == self.journal else ("pk", "sk")
        self.client.delete_item(TableName=table, Key={name: item[name] for name in names})

    def batches(self, org: str = "acme") -> list[Batch]:
        """Return what the journal has of a log, in its order."""
        stores = self.stranger.on.stores
        segments = stores.ledger.segments(org, 1, 100)
        ids = [each.batch_id for segment in segments for each in segment.references]
        found = stores.journal.get(org, ids)
        return [_batch(found[id]) for id in ids]

    def rewrite(self, change: Change) -> None:
        """Put other batches into the tables, with a chain that leads to them."""
        batches = change(self.batches())
        for table in (self.ledger, self.journal):
            for item in self.items(table):
                self.delete(table, item)
        stores, now_ms = self.stranger.on.stores, self.stranger.on.clock.ms
        for each in batches:
            stores.journal.put(each, pack(each.entries))
        while batches:
            head = stores.ledger.head("acme")
            segment, _ = seal("acme", head, batches, now_ms)
            stores.ledger.commit(segment, head)
            batches = batches[len(segment.references) :]

    def sign_anew(self) -> None:
        """Have a tree made of what is there now, by who has the key, and asks no archive."""
        self.forget()
        on = self.stranger.on
        Checkpointing(
            orgs=on.stores.orgs,
            ledger=on.stores.ledger,
            trees=on.stores.trees,
            signers=[self.stranger.reader.signer],
            clock=on.clock,
        )()

    def forget(self) -> None:
        """Remove what the state table has of the log."""
        for item in self.items(self.state):
            if item["pk"]["S"].startswith(("tree#", "checkpoint#")):
                self.delete(self.state, item)

    async def found(self, *args: str | Path, status: int = 1) -> list[tuple[str, int, int]]:
        kept = [part for path in self.kept for part in ("--checkpoint", path)]
        report = await self.stranger.verified(*kept, *args, status=status)
        return [(each["kind"], each["seq"], each["until_seq"]) for each in report["broken"]]


def _batch(found: Any) -> Batch:
    assert isinstance(found, Batch)
    return found


@pytest.fixture
async def owner(database: Database, tmp_path: Path) -> AsyncIterator[Owner]:
    async with product(database) as on:
        for org in ("acme", "beta"):
            on.stores.orgs.put(Org(org))
        owner = Owner(Stranger(Reader(on, tmp_path), tmp_path), [])
        for counts in ((200, 100), (1, 1, 198, 100)):
            on.seal("acme", *counts)
            on.seal("beta", 9, agent_id="other")
            owner.stranger.reader.sign()
            owner.kept.append(await owner.stranger.kept())
        assert await owner.found(status=0) == []
        yield owner


NEW = batch("acme", 1, 1_774_000_000_001, 99)


def edited(made: Batch) -> Batch:
    """Return a batch whose first event says something else."""
    first, *rest = made.entries
    return replace(made, entries=(first.replace(b'"total_tokens":2', b'"total_tokens":9'), *rest))


def rewritten(made: Batch) -> Batch:
    """Return a batch of which each event says something else."""
    entries = [entry.replace(b'"total_tokens":2', b'"total_tokens":9') for entry in made.entries]
    return replace(made, entries=tuple(entries))


async def test_who_edits_an_event(owner: Owner) -> None:
    owner.rewrite(lambda all: [*all[:2], edited(all[2]), *all[3:]])
    assert await owner.found() == [("edited", SEQ, 512)]


async def test_who_deletes_an_event(owner: Owner) -> None:
    owner.stranger.on.seal("acme", 5)  # the log is as long as it was signed all the same
    owner.rewrite(lambda all: [*all[:2], *all[3:]])
    assert await owner.found() == [("removed", SEQ, 512)]


async def test_who_inserts_an_event(owner: Owner) -> None:
    own = batch("acme", 1, owner.stranger.on.clock.ms, 99)
    owner.rewrite(lambda all: [*all[:2], own, *all[2:]])
    assert await owner.found() == [("inserted", SEQ, SEQ)]


async def test_who_reorders_events(owner: Owner) -> None:
    owner.rewrite(lambda all: [*all[:2], all[3], all[2], *all[4:]])
    assert await owner.found() == [("reordered", SEQ, SEQ)]


@pytest.mark.parametrize(
    ("kind", "seq", "change"),
    [
        ("edited", SEQ, lambda all: [*all[:2], edited(all[2]), *all[3:]]),
        ("edited", 1, lambda all: [edited(all[0]), *all[1:]]),
        ("removed", SEQ, lambda all: [*all[:2], *all[3:]]),
        ("inserted", SEQ, lambda all: [*all[:2], NEW, *all[2:]]),
        ("reordered", SEQ, lambda all: [*all[:2], all[3], all[2], *all[4:]]),
        ("rewritten", 1, lambda all: [*map(rewritten, all)]),
        ("rewritten", SEQ, lambda all: [*all[:2], *map(rewritten, all[2:])]),
    ],
    ids=lambda each: None if callable(each) else str(each),
)
async def test_an_archive_names_the_event_whatever_was_computed_anew(
    owner: Owner, kind: str, seq: int, change: Change
) -> None:
    archive = owner.stranger.home / "evidence" / owner.stranger.reader.key.name
    assert await owner.found("--archive", archive, status=0) == []
    owner.rewrite(change)
    for item in owner.items(owner.state):  # the log's own tiles tell nothing any more
        if item["pk"]["S"].startswith("tree#") and item["sk"]["S"].startswith("node"):
            owner.delete(owner.state, item)
    assert await owner.found("--archive", archive) == [(kind, seq, seq)]
    owner.kept.clear()
    assert await owner.found("--archive", archive) == [(kind, seq, seq)]


async def test_an_archive_that_was_changed_itself_names_nothing(owner: Owner) -> None:
    archive = owner.stranger.home / "evidence" / owner.stranger.reader.key.name
    tile = archive / "tile/0/001"
    leaves = bytearray(await asyncio.to_thread(tile.read_bytes))
    leaves[60 * 32] ^= 1
    await asyncio.to_thread(tile.write_bytes, bytes(leaves))
    assert await owner.found("--archive", archive, status=0) == []  # what was signed holds
    owner.rewrite(lambda all: [*all[:2], edited(all[2]), *all[3:]])
    assert await owner.found("--archive", archive) == [("edited", SEQ, 512)]


async def test_who_cuts_off_the_end(owner: Owner) -> None:
    owner.rewrite(lambda all: all[:2])
    assert await owner.found() == [("cut", SEQ, EVENTS)]


async def test_who_rewrites_all_with_a_new_chain(owner: Owner) -> None:
    owner.rewrite(lambda all: [*map(rewritten, all)])
    assert await owner.found() == [("rewritten", 1, 300)]


async def test_who_rewrites_a_part_with_a_new_chain(owner: Owner) -> None:
    owner.rewrite(lambda all: [*all[:2], *map(rewritten, all[2:])])
    assert await owner.found() == [("rewritten", SEQ, EVENTS)]


async def test_who_rewrites_all_and_the_tree(owner: Owner) -> None:
    owner.rewrite(lambda all: [*map(rewritten, all)])
    for item in owner.items(owner.state):
        if item["pk"]["S"].startswith("tree#") and item["sk"]["S"].startswith("node"):
            owner.delete(owner.state, item)
    assert await owner.found() == [("rewritten", 1, 300)]


async def test_who_shows_two_views_to_two_readers(owner: Owner) -> None:
    owner.rewrite(lambda all: [*all[:2], edited(all[2]), *all[3:]])
    owner.sign_anew()
    [(kind, first, last)] = await owner.found()
    assert (kind, first) == ("two views", SEQ)
    assert last <= EVENTS
    owner.kept.clear()
    assert await owner.found(status=0) == []  # to one reader alone all is well


async def test_who_has_not_the_key_gets_no_other_history_signed(owner: Owner) -> None:
    """With an archive, which the function asks first."""
    owner.rewrite(lambda all: [*all[:2], edited(all[2]), *all[3:]])
    owner.forget()
    report = owner.stranger.reader.sign()
    assert "the archive has its log" in str(report.broken["acme"])
    assert [each["sk"] for each in owner.items(owner.state) if "tree#" in each["pk"]["S"]] == []
    await owner.stranger.reader.get("checkpoint", 404)


async def test_who_splices_in_events_of_another_org(owner: Owner) -> None:
    theirs = [replace(each, org="acme") for each in owner.batches("beta")]
    owner.rewrite(lambda all: [*all[:2], theirs[0], *all[2:]])
    assert await owner.found() == [("inserted", SEQ, 512)]


async def test_who_shows_another_org_s_log(owner: Owner) -> None:
    trust = owner.stranger.home / "acme.key"
    trust.write_text(f"{owner.stranger.reader.key}\n")
    owner.stranger.on.tokens["acme"] = _token(owner, "beta")
    done = await owner.stranger.run("verify", "--trust", trust, status=1)
    assert "other org: " in done.stdout
    assert "/beta" in done.stdout


def _token(owner: Owner, org: str) -> str:
    owner.stranger.on.key(org)
    return owner.stranger.on.tokens[org]


async def test_who_swaps_the_key(owner: Owner, tmp_path: Path) -> None:
    genuine = owner.stranger.reader.key
    trust = tmp_path / "genuine.key"
    trust.write_text(str(genuine))
    (tmp_path / "theirs").mkdir()
    theirs = Reader(owner.stranger.on, tmp_path / "theirs")
    assert isinstance(theirs.signer, KeyFile)
    owner.stranger.on.seal("acme", 5)
    theirs.sign()
    done = await owner.stranger.run("verify", "--trust", trust, status=1)
    assert "other key: " in done.stdout
    kept = [part for path in owner.kept for part in ("--checkpoint", path)]
    done = await owner.stranger.run("verify", "--trust", trust, *kept, status=1)
    assert "600 events hold" in done.stdout  # those that were signed before


# Who changes an item and leaves the chain as it was: Tocsin itself says so


@pytest.mark.parametrize("how", ["edit", "delete", "splice"])
async def test_what_tocsin_itself_finds_is_withheld(owner: Owner, how: str) -> None:
    made = owner.batches()[2]
    [item] = [each for each in owner.items(owner.journal) if each["batch"]["S"] == made.id]
    owner.delete(owner.journal, item)
    if how != "delete":
        theirs = owner.batches("beta")[0]
        other = replace(made, entries=theirs.entries[:1]) if how == "splice" else edited(made)
        owner.stranger.on.stores.journal.put(other, pack(other.entries))
    assert await owner.found() == [("withheld", SEQ, SEQ)]
