"""Checkpoints, tiles and proofs over HTTP, the stores on MiniStack, as a stranger reads them."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from integration.test_list import Product, product
from support.databases import Database
from tocsin.adapters.folder import FolderArchive
from tocsin.adapters.key_file import KeyFile
from tocsin.domain import chain
from tocsin.domain.merkle import Peaks, check_consistency
from tocsin.domain.org import Org
from tocsin.services.evidence.checkpointing import Checkpointing
from tocsin.wire.log import proofs
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.growth import Growth
from tocsin.wire.log.keys import KeyType, Verifier
from tocsin.wire.log.notes import opened
from tocsin.wire.log.policies import Policy
from tocsin.wire.log.tiles import Tile, read_bundle, read_hashes, tiles

pytestmark = pytest.mark.anyio
LOG = "/v1/log"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def on(database: Database) -> AsyncIterator[Product]:
    async with product(database) as product_:
        for org in ("acme", "beta"):
            product_.stores.orgs.put(Org(org))
        yield product_


class Bucket(FolderArchive):
    """A folder that stands for a bucket, which who has the tables has not."""

    is_apart = True


class Reader:
    """Somebody with a read key, and the log's key from elsewhere."""

    def __init__(self, on: Product, home: Path, org: str = "acme") -> None:
        self.on, self.org = on, org
        self.headers = on.key(org)
        self.signer = KeyFile(home / "key")
        self.sign = Checkpointing(
            orgs=on.stores.orgs,
            ledger=on.stores.ledger,
            trees=on.stores.trees,
            signers=[self.signer],
            clock=on.clock,
            archive=Bucket(home / "evidence"),
        )

    @property
    def key(self) -> Verifier:
        tree = self.on.stores.trees.get(self.org)
        assert tree is not None
        return Verifier(tree.origin, KeyType.ED25519, self.signer.public_key)

    async def get(self, path: str, status: int = 200) -> httpx.Response:
        answer = await self.on.client.get(f"{LOG}/{path}", headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer

    async def checkpoint(self) -> Checkpoint:
        answer = await self.get("checkpoint")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        return Checkpoint.read(opened(answer.content, [self.key])[0])


@pytest.fixture
def reader(on: Product, tmp_path: Path) -> Reader:
    return Reader(on, tmp_path)


def leaves(on: Product, org: str = "acme") -> list[bytes]:
    return [leaf for each in on.stores.ledger.segments(org, 1, 10**4) for leaf in each.leaves]


async def test_a_checkpoint_is_signed_of_what_is_sealed(on: Product, reader: Reader) -> None:
    await reader.get("checkpoint", 404)
    on.seal("acme", 3, 2)
    await reader.get("checkpoint", 404)
    reader.sign()
    found = await reader.checkpoint()
    assert (found.size, found.root) == (5, Peaks().grown(leaves(on))[0].root)
    on.seal("acme", 1)
    assert await reader.checkpoint() == found  # until the next run


async def test_each_event_is_proved_with_the_event_itself(on: Product, reader: Reader) -> None:
    on.seal("acme", 3, 400)
    reader.sign()
    on.seal("acme", 1)
    policy = Policy.read(str(reader.key).encode())
    for seq in (1, 3, 4, 256, 257, 403):
        answer = await reader.get(f"proof?seq={seq}")
        proof = proofs.Proof.read(answer.content)
        trusted = proofs.verify(proof, chain.leaf(proof.extra), policy)
        assert (proof.index, trusted.checkpoint.size) == (seq - 1, 403)
        event = json.loads(proof.extra)
        by_id = proofs.Proof.read((await reader.get(f"proof?id={event['id']}&entry=false")).content)
        assert by_id == replace(proof, extra=b"")
        assert f'filename="acme-{seq}.tlog-proof"' in answer.headers["content-disposition"]
    await reader.get("proof?seq=404", 404)  # not yet
    await reader.get("proof?seq=405", 404)
    await reader.get("proof?id=evt_00000000000000000000000000", 404)
    await reader.get(f"proof?id={event['id'][:-2]}zz", 404)


async def test_a_log_is_proved_to_go_on(on: Product, reader: Reader) -> None:
    roots = {0: Peaks().root}
    for count in (3, 300, 1, 900):
        on.seal("acme", count)
        reader.sign()
        found = await reader.checkpoint()
        roots[found.size] = found.root
    for old, root in roots.items():
        for new in [size for size in roots if size >= old]:
            if not new:
                continue
            growth = Growth.read((await reader.get(f"proof?from={old}&to={new}")).content)
            later = Checkpoint.read(opened(growth.checkpoint, [reader.key])[0])
            assert (growth.old, later.size) == (old, new)
            check_consistency(old, root, later.size, later.root, growth.hashes)
    between = Growth.read((await reader.get("proof?from=4&to=100")).content)
    later = Checkpoint.read(opened(between.checkpoint, [reader.key])[0])
    root = Peaks().grown(leaves(on)[:4])[0].root
    check_consistency(4, root, 303, later.root, between.hashes)
    await reader.get("proof?from=1205", 404)


async def test_all_tiles_are_there_and_their_entries(on: Product, reader: Reader) -> None:
    on.seal("acme", 500, 500)
    on.seal("acme", 100)
    reader.sign()
    known, entries = list[bytes](), list[bytes]()
    for tile in tiles(0, 1_100):
        answer = await reader.get(tile.path)
        assert answer.headers["content-type"] == "application/octet-stream"
        hashes = read_hashes(tile, answer.content)
        if tile.level == 0:
            known += hashes
            bundle = await reader.get(Tile(None, tile.index, tile.width).path)
            entries += read_bundle(bundle.content)
        else:
            full = range(0, 1_024, 256)
            assert hashes == [Peaks().grown(known[at : at + 256])[0].root for at in full]
    assert known == leaves(on) == [chain.leaf(entry) for entry in entries]
    found = await reader.checkpoint()
    assert found.root == Peaks().grown(known)[0].root
    for path in ("tile/0/004.p/77", "tile/1/000", "tile/1/000.p/5", "tile/2/000.p/1", "tile/0/005"):
        await reader.get(path, 404)
    for path in ("tile/0/4", "tile/00/000", "tile/entries/004", "tile/0/..%2f000", "tile/"):
        await reader.get(path, 404)


async def test_an_entry_too_long_for_bundles_has_its_leaf_and_its_proof(
    on: Product, reader: Reader
) -> None:
    on.seal("acme", 1)
    on.seal("acme", 1, metadata={"text": "x" * 70_000})
    reader.sign()
    await reader.get("tile/0/000.p/2")
    assert "65,535" in (await reader.get("tile/entries/000.p/2", 404)).text
    await reader.get("tile/entries/000.p/1")
    proof = proofs.Proof.read((await reader.get("proof?seq=2")).content)
    proofs.verify(proof, chain.leaf(proof.extra), Policy.read(str(reader.key).encode()))


async def test_orgs_and_keys_see_their_own(on: Product, reader: Reader, tmp_path: Path) -> None:
    on.seal("acme", 3)
    on.seal("beta", 4)
    reader.sign()
    beta = Reader(on, tmp_path, "beta")
    assert (await beta.checkpoint()).size == 4
    assert (await reader.checkpoint()).size == 3
    assert beta.key.name != reader.key.name
    for each, size in ((reader, 3), (beta, 4)):
        lines = (await each.get("keys")).text.splitlines()
        assert lines[0].startswith(f"{each.key} since {size} 2026-")
        assert len(lines) == 2  # with the one that says the time
    some = on.key("acme", types=frozenset({"anomaly"}))
    for path in ("checkpoint", "keys", "tile/0/000.p/3", "proof?seq=1", "proof?from=1"):
        answer = await on.client.get(f"{LOG}/{path}", headers=some)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert (await on.client.get(f"{LOG}/{path}")).status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        *("", "seq=0", "seq=-1", "seq=1&id=a", "seq=1&from=1", "to=3", "from=3&to=2"),
        *("seq=1&seq=2", "seq=1e3", "seq=99999999999999999", "entry=maybe&seq=1", "from="),
        "seq=1&limit=3",
    ],
)
async def test_what_is_not_asked_in_one_way_is_refused(
    on: Product, reader: Reader, query: str
) -> None:
    on.seal("acme", 3)
    reader.sign()
    await reader.get(f"proof?{query}", 400)


async def test_what_was_changed_since_is_not_proved(on: Product, reader: Reader) -> None:
    on.seal("acme", 300, 300)
    reader.sign()
    table, client = on.stores.trees._table, on.stores.trees._client  # type: ignore[attr-defined]
    client.put_item(
        TableName=table,
        Item={
            "pk": {"S": "tree#acme"},
            "sk": {"S": "node#08#0000000000000001"},
            "hash": {"B": b"x" * 32},
        },
    )
    answer = await reader.get("proof?seq=1", 500)
    assert answer.json()["code"] == "INTEGRITY"
    await reader.get("proof?from=512", 500)
    await reader.get("proof?from=300")  # which does not take it
    client.delete_item(
        TableName=table, Key={"pk": {"S": "tree#acme"}, "sk": {"S": "node#08#0000000000000001"}}
    )
    await reader.get("proof?seq=1", 500)
    await reader.get("tile/1/000.p/2", 500)
    forged = b64encode(b"y" * 32).decode()
    client.update_item(
        TableName=table,
        Key={"pk": {"S": "checkpoint#acme"}, "sk": {"S": f"{600:016}"}},
        UpdateExpression="SET note = :note",
        ExpressionAttributeValues={":note": {"S": f"o\n600\n{forged}\n\n— o {forged}\n"}},
    )
    await reader.get("proof?seq=600", 500)
