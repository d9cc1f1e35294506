"""An owner of the state table changes what it has of a log, in every way that one change can.

Whatever it is: it is found, or nothing that is served is otherwise than before. And whatever it is,
the next run of the checkpoint function signs no tree that the ledger does not have, and signs for
all other orgs.

It is found where Tocsin refuses (INTEGRITY), where the function names the org, or where a note that
is served has not the signature of a key that its reader trusts.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.stores import FakeArchive
from integration.test_list import Product, product
from integration.test_log_routes import LOG
from integration.test_tampering import Change, Item, changed
from support.commands import run_command
from support.databases import Database
from support.witness import CosigningWitness
from tocsin.adapters.key_file import KeyFile
from tocsin.cli._archived import ArchiveFolder
from tocsin.cli._checking import check_folder
from tocsin.cli._trust import Checkpoints, policy_of
from tocsin.domain.merkle import Peaks
from tocsin.domain.org import Org
from tocsin.ports.evidence import Signer
from tocsin.services.evidence.checkpointing import Checkpointing, Report
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadEvidence
from tocsin.wire.log.findings import Kind, Verdict
from tocsin.wire.log.findings import Report as Verified
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import opened
from tocsin.wire.log.proofs import Proof
from unit.services.evidence.test_witnessing import Nearby

pytestmark = pytest.mark.anyio

QUESTIONS = (
    *("checkpoint", "keys", "proof?seq=1", "proof?seq=600", "proof?from=300"),
    *("proof?from=257&to=300", "proof?from=600&to=600", "tile/0/000", "tile/1/000.p/2"),
)
DAY_MS = 24 * 60 * 60 * 1_000
KINDS = ("tree#", "checkpoint#")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Owned:
    """The evidence of two logs, of whose state table somebody is the owner."""

    on: Product
    home: Path
    archive: FakeArchive = field(default_factory=FakeArchive)

    def __post_init__(self) -> None:
        self.old, self.new = KeyFile(self.home / "old"), KeyFile(self.home / "new")
        self.signers: list[Signer] = [self.old]
        trees: Any = self.on.stores.trees
        self.client, self.table = trees._client, trees._table
        self.names: dict[str, str] = {}
        witness = CosigningWitness("ann.example/w", self._log, lambda: self.on.clock.ms // 1_000)
        self.ann = Nearby("Ann", witness)
        self.headers = self.on.key("acme")

    def _log(self, origin: str) -> Verifier:
        return Verifier(origin, KeyType.ED25519, self.signers[0].public_key)

    def run(self) -> Report:
        self.on.clock.ms += 60_000
        return Checkpointing(
            orgs=self.on.stores.orgs,
            ledger=self.on.stores.ledger,
            trees=self.on.stores.trees,
            signers=self.signers,
            clock=self.on.clock,
            archive=self.archive,
            witnesses=[self.ann],
        )()

    def items(self) -> dict[tuple[str, str], Item]:
        """Return what the table has of all logs."""
        found = self.client.scan(TableName=self.table, ConsistentRead=True)["Items"]
        keyed = {(each["pk"]["S"], each["sk"]["S"]): each for each in found}
        return {key: item for key, item in keyed.items() if key[0].startswith(KINDS)}

    def put(self, item: Item) -> None:
        self.client.put_item(TableName=self.table, Item=item)

    def delete(self, item: Item) -> None:
        key = {name: item[name] for name in ("pk", "sk")}
        self.client.delete_item(TableName=self.table, Key=key)

    def trusted(self, org: str) -> list[Verifier]:
        return [
            Verifier(self.names[org], KeyType.ED25519, key.public_key)
            for key in (self.old, self.new)
        ]

    def leaves(self, org: str) -> list[bytes]:
        return [
            leaf for each in self.on.stores.ledger.segments(org, 1, 10**4) for leaf in each.leaves
        ]

    async def told(self) -> dict[str, bytes]:
        """Return what is answered to each question; nothing where it is refused."""

        async def one(question: str) -> tuple[str, bytes]:
            answer = await self.on.client.get(f"{LOG}/{question}", headers=self.headers)
            if answer.status_code == 500:
                assert answer.json()["code"] == "INTEGRITY", answer.text
                return question, b""
            assert answer.status_code == 200, (question, answer.text)
            return question, answer.content

        return dict(await asyncio.gather(*map(one, QUESTIONS)))


@pytest.fixture
async def owned(database: Database, tmp_path: Path) -> AsyncIterator[Owned]:
    async with product(database) as on:
        for org in ("acme", "beta"):
            on.stores.orgs.put(Org(org))
        made = Owned(on, tmp_path)
        rotated: list[list[Signer]] = [[made.old], [made.new, made.old], [made.new]]
        for counts, signers in zip(((300,), (300,), ()), rotated, strict=True):
            if counts:
                on.seal("acme", *counts)
                on.seal("beta", *counts)
            made.signers = signers
            assert {*made.run().signed} == {"acme", "beta"}
            on.clock.ms += DAY_MS
        on.clock.ms -= DAY_MS
        assert made.run() == Report()
        for org in ("acme", "beta"):
            tree = on.stores.trees.get(org)
            assert tree is not None
            assert (tree.archived, tree.signed, len(tree.cosigned)) == (600, 600, 1)
            made.names[org] = tree.origin
        yield made


def elsewhere(item: Item) -> Iterator[Item]:
    """Yield keys under which a copy of an item could stand."""
    pk, sk = item["pk"]["S"], item["sk"]["S"]
    yield {"pk": item["pk"], "sk": {"S": f"{sk}x"}}
    yield {"pk": {"S": pk.replace("#acme", "#beta")}, "sk": item["sk"]}
    if digits := re.search("[0-9]{16}", sk):
        for step in (-1, 1, 300):
            number = int(digits[0]) + step
            if number >= 0:
                moved = f"{sk[: digits.start()]}{number:016}{sk[digits.end() :]}"
                yield {"pk": item["pk"], "sk": {"S": moved}}


def kind(item: Item) -> str:
    name, sort = (item[each]["S"].partition("#")[0] for each in ("pk", "sk"))
    return name if sort.isdecimal() else f"{name} {sort}"


def changes(items: dict[tuple[str, str], Item], of: str) -> Iterator[Change]:
    for (pk, sk), item in items.items():
        if not pk.endswith("#acme") or kind(item) != of:
            continue
        label = f"{pk} {sk[:60]}"
        others = [
            other for other in items.values() if other is not item and kind(other) == kind(item)
        ]
        for name in sorted(item.keys() - {"pk", "sk"}):
            for value in changed(item[name]):
                yield Change(f"{label}: {name} is {str(value)[:200]}", [item | {name: value}])
            yield Change(f"{label}: no {name}", [{k: v for k, v in item.items() if k != name}])
            for other in others:
                if other.get(name, item[name]) != item[name]:
                    swapped = [item | {name: other[name]}, other | {name: item[name]}]
                    of = f"{other['pk']['S']} {other['sk']['S'][:40]}"
                    if other["pk"] == item["pk"]:
                        yield Change(f"{label}: {name} swapped with that of {of}", swapped)
                    yield Change(f"{label}: {name} is that of {of}", swapped[:1])
        for other in others:
            if other["pk"] == item["pk"]:
                keys = ({"pk": each["pk"], "sk": each["sk"]} for each in (other, item))
                both = [each | key for each, key in zip((item, other), keys, strict=True)]
                yield Change(f"{label}: swapped with {other['sk']['S'][:60]}", both)
            else:
                here = {"pk": item["pk"], "sk": item["sk"]}
                yield Change(f"{label}: replaced by {other['sk']['S'][:60]}", [other | here])
        yield Change(f"{label}: deleted", delete=[item])
        for target in elsewhere(item):
            if (target["pk"]["S"], target["sk"]["S"]) not in items:
                where = f"{target['pk']['S']} {target['sk']['S'][:60]}"
                yield Change(f"{label}: copied to {where}", [item | target])
                yield Change(f"{label}: moved to {where}", [item | target], [item])


class Judge:
    """Knows what was so before anything was changed."""

    def __init__(self, owned: Owned) -> None:
        self.owned = owned
        self.leaves = {org: owned.leaves(org) for org in ("acme", "beta")}

    def is_true(self, org: str, note: bytes) -> Checkpoint | None:
        """Return the checkpoint of a note that a reader trusts; None: it is none.

        What is trusted and not true must not be: a key has signed what is not so.
        """
        try:
            text, _ = opened(note, self.owned.trusted(org))
        except BadEvidence:
            return None
        found = Checkpoint.read(text)
        assert found.origin == self.owned.names[org], note
        assert found.root == Peaks().grown(self.leaves[org][: found.size])[0].root, note
        return found

    def serves(self, before: dict[str, bytes], now: dict[str, bytes]) -> Iterator[str]:
        """Yield the questions to which the answer is another one, of which nobody is told."""
        for question, answer in now.items():
            if answer in (b"", before[question]):
                continue
            if question == "checkpoint":
                known = self.is_true("acme", answer)
                last = self.is_true("acme", before[question])
                if known is None or (last and known.size >= last.size):
                    continue  # signed at another time, and as true
            elif question.startswith("proof?seq"):
                known = self.is_true("acme", Proof.read(answer).checkpoint)
                if known is None or known.size == 600:
                    continue
            elif question.startswith("proof?from"):
                known = self.is_true("acme", Growth.read(answer).checkpoint)
                to = int(question.partition("to=")[2] or 600)
                if known is None or known.size >= to:  # a later one, which is as true
                    continue
            yield f"{question}: {answer[:80]!r} instead of {before[question][:80]!r}"


@pytest.mark.parametrize("pending", [0, 3])
@pytest.mark.parametrize(
    ("of", "least"), [("tree head", 50), ("tree key", 50), ("tree node", 15), ("checkpoint", 25)]
)
async def test_no_change_is_served_or_goes_unnoticed(
    owned: Owned, of: str, least: int, pending: int
) -> None:
    on, archived = owned.on, dict(owned.archive.files)
    seen = dict(owned.ann.witness.seen)
    for org in ("acme", "beta"):
        on.seal(org, *[1] * pending) if pending else None
    items, judge, now_ms = owned.items(), Judge(owned), on.clock.ms
    untouched = await owned.told()
    assert all(untouched.values())

    def back() -> None:
        there = owned.items()
        for key, item in there.items():
            if key not in items:
                owned.delete(item)
        for key, item in items.items():
            if there.get(key) != item:
                owned.put(item)
        owned.archive.files = dict(archived)
        owned.ann.witness.seen = dict(seen)
        on.clock.ms = now_ms

    def signed(before: dict[tuple[str, str], Item]) -> Iterator[tuple[str, bytes]]:
        for (pk, sk), item in owned.items().items():
            new = item.get("note") != before.get((pk, sk), {}).get("note")
            if new and pk.startswith("checkpoint#"):
                yield pk.partition("#")[2], item["note"]["S"].encode()

    assert {*owned.run().signed} == ({"acme", "beta"} if pending else set())
    after = await owned.told()
    back()
    tried, wrong = 0, list[str]()
    for change in changes(items, of):
        for item in change.delete:
            owned.delete(item)
        for item in change.put:
            owned.put(item)
        tried += 1
        theirs = any(each["pk"]["S"].endswith("#beta") for each in change.put)
        told = await owned.told() if not pending else {}
        given = owned.items()
        report = owned.run()
        if report.failed or ("beta" in report.broken and not theirs):
            wrong.append(f"holds up others: {report.broken} {report.failed}: {change.name}")
        if pending and report.signed.get("beta") != 600 + pending and not theirs:
            wrong.append(f"beta is not signed: {change.name}")
        for org, note in signed(given):
            if judge.is_true(org, note) is None:
                wrong.append(f"signs what nobody trusts: {note!r}: {change.name}")
        if "acme" not in report.broken:
            wrong += (f"{each}: {change.name}" for each in judge.serves(untouched, told))
            told = await owned.told() if pending else {}
            wrong += (f"then {each}: {change.name}" for each in judge.serves(after, told))
        back()
    assert not wrong, "\n".join([f"{len(wrong)} faults in {tried} changes:", *wrong[:60]])
    assert tried > least
    assert await owned.told() == untouched


def damaged(content: bytes, others: list[bytes]) -> Iterator[bytes | None]:
    """Yield what a file could be in the place of its content; None: it is gone."""
    yield None
    yield b""
    yield content[: len(content) // 2]
    yield content + content[-32:]
    for at in (0, len(content) // 2, len(content) - 2):
        yield content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    yield from others


async def test_whatever_is_changed_in_an_archive_no_event_is_accused_that_is_as_it_was(
    owned: Owned, tmp_path: Path
) -> None:
    """And a checkpoint that was changed is said to be, or left out where its name is no one's."""
    for path, archived in owned.archive.files.items():
        file = tmp_path / "copy" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(archived)
    trust = tmp_path / "policy"
    logs = [f"log {key}\n" for key in owned.trusted("acme")]
    trust.write_text("".join([*logs, "quorum none\n"]))
    exported = tmp_path / "exported"
    env = {
        "PATH": os.environ["PATH"],
        "TOCSIN_HOME": str(tmp_path / "none"),
        "TOCSIN_URL": owned.on.url,
        "TOCSIN_API_KEY": owned.on.tokens["acme"],
    }
    await asyncio.to_thread(run_command, "export", str(exported), env=env)
    folder = tmp_path / "copy" / owned.names["acme"]

    def checked() -> Verified:
        checkpoints, archive = Checkpoints(policy_of(str(trust))), ArchiveFolder(folder)
        checkpoints.add_files(archive.checkpoints)
        return check_folder(exported, checkpoints, archive.leaf)

    assert (checked().verdict, len(checked().held)) == (Verdict.HOLDS, 4)
    about = {Kind.OTHER_KEY, Kind.OTHER_ORG, Kind.UNREADABLE}  # checkpoints
    tried = 0
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        was = file.read_bytes()
        others = [
            path.read_bytes()
            for path in (*folder.rglob("*"), *(tmp_path / "copy").rglob("beta/checkpoint"))
            if path.is_file() and path != file and path.read_bytes() != was
        ]
        for content in damaged(was, others[::3]):
            file.unlink()
            if content is not None:
                file.write_bytes(content)
            tried += 1
            found = checked()
            assert found.last_seq == 600, (file, content)
            assert {each.kind for each in found.broken} <= about, file
            if file.parent.name == "checkpoints" and content is not None and content[:1] != was[:1]:
                assert found.verdict is not Verdict.HOLDS, (file, content)
            file.write_bytes(was)
    assert tried > 50
    assert checked().verdict is Verdict.HOLDS
