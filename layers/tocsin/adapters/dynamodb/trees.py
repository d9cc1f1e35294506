"""Trees in the state table: ``tree#<org>`` · ``head``, nodes and keys, ``checkpoint#<org>`` · size.

Nodes and checkpoints are written once: what would change one is refused, but that a checkpoint gets
further signatures.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, override

from botocore.exceptions import ClientError

from tocsin.adapters.dynamodb._calls import calls, condition_failed, query, transact, whole
from tocsin.adapters.dynamodb._state import item_key, number
from tocsin.adapters.dynamodb._told import ToldTable
from tocsin.domain.batch import Batch
from tocsin.domain.chain import HASH_BYTES
from tocsin.domain.errors import HeadMoved, IntegrityError
from tocsin.domain.merkle import Node, Peaks
from tocsin.domain.tree import Checkpoint, Cosigned, LogKey, Tree
from tocsin.ports.evidence import MOST_NODES, Trees

__all__ = ["DynamoTrees"]

_HEAD: Final = "head"
_KEY: Final = "key#"
_DIGITS: Final = 16
_MOST_NAME_BYTES: Final = 900  # of 1,024 that a sort key has


class DynamoTrees(ToldTable, Trees):
    """:class:`~tocsin.ports.evidence.Trees` on the state table, beside a journal."""

    @override
    def get(self, org: str) -> Tree | None:
        item = self._get(_tree(org), _HEAD)
        if item is None:
            return None
        with whole(org, "the tree"):
            size, packed = int(item["size"]["N"]), item["peaks"]["B"]
            hashes = tuple(packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES))
            if len(packed) != size.bit_count() * HASH_BYTES or len(item["hash"]["B"]) != HASH_BYTES:
                raise ValueError("as many hashes as its size has bits")
            if item.get("cosigned") == {"L": []}:  # which no condition of a write would meet
                raise ValueError("an empty list is not stored")
            signed = int(item["signed"]["N"]) if "signed" in item else None
            origin, keys = item["origin"]["S"], tuple(each["S"] for each in item["keys"]["L"])
            return Tree(
                org=org,
                origin=origin,
                peaks=Peaks(size, hashes),
                hash=item["hash"]["B"],
                signed=signed,
                keys=keys,
                archived=int(item["archived"]["N"]),
                timed_ms=int(item["timed"]["N"]),
                cosigned=tuple(
                    Cosigned(
                        witness=each["M"]["witness"]["S"],
                        size=int(each["M"]["size"]["N"]),
                        timed_ms=int(each["M"]["timed"]["N"]),
                    )
                    for each in item.get("cosigned", {"L": []})["L"]
                ),
                history=item["history"]["B"] if "history" in item else b"",
                held=int(item["held"]["N"]) if "held" in item else 0,
            )

    @override
    def grow(self, before: Tree | None, after: Tree, nodes: Sequence[Node]) -> None:
        if len(nodes) > MOST_NODES:
            raise ValueError(f"{len(nodes)} nodes at once")
        puts: list[Any] = [
            {
                "Put": {
                    "TableName": self._table,
                    "Item": {
                        **item_key(_tree(after.org), _node(node.height, node.number)),
                        "hash": {"B": node.hash},
                    },
                    "ConditionExpression": "attribute_not_exists(pk) OR #hash = :hash",
                    "ExpressionAttributeNames": {"#hash": "hash"},
                    "ExpressionAttributeValues": {":hash": {"B": node.hash}},
                }
            }
            for node in nodes
        ]
        if not self._written(before, after, puts):
            if self.get(after.org) == before:  # else it has grown otherwise
                self._check(after.org, nodes)
            raise HeadMoved(f"{after.org}: the tree is otherwise by now")

    def _check(self, org: str, nodes: Sequence[Node]) -> None:
        """Raise IntegrityError if somebody has written another node where one belongs."""
        for node in nodes:
            if self.nodes(org, node.height, node.number, 1) not in ([], [node.hash]):
                seq = (node.number << node.height) + 1
                raise IntegrityError(org, seq, "the tree has a node that does not follow from it")

    @override
    def sign(
        self,
        before: Tree,
        after: Tree,
        checkpoint: Checkpoint,
        changed: Sequence[LogKey],
        told: tuple[Batch, bytes] | None = None,
    ) -> None:
        again = checkpoint.size == before.signed
        item = _checkpoint_item(after.org, checkpoint, again=again)
        put = {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }
        beside: list[Any] = [
            {"Put": {"TableName": self._table, "Item": _key_item(after.org, key)}}
            for key in changed
        ]
        if told is not None:
            beside.append({"Put": self._journal.put_request(*told)})
        if not self._written(before, after, [put, *beside]):
            if self.get(after.org) == before and self._get(_checkpoint(after.org), item["sk"]["S"]):
                reason = "there is a checkpoint that the tree did not have"
                raise IntegrityError(after.org, max(checkpoint.size, 1), reason)
            raise HeadMoved(f"{after.org}: the tree is otherwise by now")

    @override
    def cosign(self, org: str, before: Checkpoint, after: Checkpoint) -> None:
        for again in (False, True):  # the first of its size, or a later one
            try:
                with calls():
                    self._client.put_item(
                        TableName=self._table,
                        Item=_checkpoint_item(org, after, again=again),
                        ConditionExpression="note = :note AND made_at = :made_at",
                        ExpressionAttributeValues={
                            ":note": {"S": before.note},
                            ":made_at": number(before.made_at_ms),
                        },
                    )
            except ClientError as error:
                if not condition_failed(error):
                    raise
            else:
                return
        raise HeadMoved(f"{org}: the checkpoint of {before.size} is otherwise by now")

    @override
    def keys(self, org: str) -> Sequence[LogKey]:
        found = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :key)",
            ExpressionAttributeValues={":pk": {"S": _tree(org)}, ":key": {"S": _KEY}},
            ConsistentRead=True,
        )
        with whole(org, "a key of the log"):
            return [
                LogKey(
                    verifier=item["verifier"]["S"],
                    since_size=int(item["since"]["N"]),
                    since_ms=int(item["since_ms"]["N"]),
                    until_size=int(item["until"]["N"]) if "until" in item else None,
                    until_ms=int(item["until_ms"]["N"]) if "until_ms" in item else None,
                )
                for item in found
            ]

    @override
    def nodes(self, org: str, height: int, first: int, count: int) -> Sequence[bytes]:
        found = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": _tree(org)},
                ":first": {"S": _node(height, first)},
                ":last": {"S": _node(height, first + count - 1)},
            },
            ConsistentRead=True,
        )
        hashes = list[bytes]()
        with whole(org, "a node of the tree"):
            for item in found:
                if item["sk"]["S"] != _node(height, first + len(hashes)):
                    break
                if len(item["hash"]["B"]) != HASH_BYTES:
                    raise ValueError("its hash has another length")
                hashes.append(item["hash"]["B"])
        return hashes

    @override
    def checkpoint(self, org: str, covering: int = 0) -> Checkpoint | None:
        found = query(
            self._client,
            1,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk >= :size",
            ExpressionAttributeValues={
                ":pk": {"S": _checkpoint(org)},
                ":size": {"S": f"{covering:0{_DIGITS}}"},
            },
            ScanIndexForward=bool(covering),
            ConsistentRead=True,
        )
        return next((_read_checkpoint(org, item) for item in found), None)

    @override
    def checkpoints(self, org: str, above: int, until: int) -> Iterator[Checkpoint]:
        if until <= above:  # which no query may ask for
            return
        found = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": _checkpoint(org)},
                ":first": {"S": f"{above + 1:0{_DIGITS}}"},
                ":last": {"S": f"{until:0{_DIGITS}}~"},
            },
            ConsistentRead=True,
        )
        for item in found:
            yield _read_checkpoint(org, item)

    def _written(self, before: Tree | None, after: Tree, beside: Sequence[Any]) -> bool:
        """Write a tree that is as it was before, and what goes with it; say whether that was so."""
        head: dict[str, Any] = {
            "TableName": self._table,
            "Item": {
                **item_key(_tree(after.org), _HEAD),
                "origin": {"S": after.origin},
                "size": number(after.size),
                "peaks": {"B": b"".join(after.peaks.hashes)},
                "hash": {"B": after.hash},
                "keys": {"L": [{"S": key} for key in after.keys]},
                "archived": number(after.archived),
                "timed": number(after.timed_ms),
                **({} if after.signed is None else {"signed": number(after.signed)}),
                **({"cosigned": _cosigned(after)} if after.cosigned else {}),
                **({"history": {"B": after.history}} if after.history else {}),
                **({"held": number(after.held)} if after.held else {}),
            },
        }
        if before is None:
            head["ConditionExpression"] = "attribute_not_exists(pk)"
        else:
            values: dict[str, Any] = {
                ":size": number(before.size),
                ":hash": {"B": before.hash},
                ":timed": number(before.timed_ms),
                ":archived": number(before.archived),
            }
            conditions = ["#size = :size", "#hash = :hash", "timed = :timed"]
            conditions += ["archived = :archived"]
            if before.signed is not None:
                values[":signed"] = number(before.signed)
            if before.cosigned:
                values[":cosigned"] = _cosigned(before)
            if before.held:
                values[":held"] = number(before.held)
            conditions += [
                f"{name} = :{name}" if f":{name}" in values else f"attribute_not_exists({name})"
                for name in ("signed", "cosigned", "held")
            ]
            head |= {
                "ConditionExpression": " AND ".join(conditions),
                "ExpressionAttributeNames": {"#size": "size", "#hash": "hash"},
                "ExpressionAttributeValues": values,
            }
        return transact(self._client, [{"Put": head}, *beside])


def _tree(org: str) -> str:
    return f"tree#{org}"


def _checkpoint(org: str) -> str:
    return f"checkpoint#{org}"


def _checkpoint_item(org: str, checkpoint: Checkpoint, *, again: bool) -> Any:
    """Return a checkpoint's item; ``again``: it is not the first of its size."""
    time = f"#{checkpoint.made_at_ms:0{_DIGITS}}" if again else ""
    return {
        **item_key(_checkpoint(org), f"{checkpoint.size:0{_DIGITS}}{time}"),
        "note": {"S": checkpoint.note},
        "made_at": number(checkpoint.made_at_ms),
    }


def _cosigned(tree: Tree) -> Any:
    return {
        "L": [
            {
                "M": {
                    "witness": {"S": each.witness},
                    "size": number(each.size),
                    "timed": number(each.timed_ms),
                }
            }
            for each in tree.cosigned
        ]
    }


def _read_checkpoint(org: str, item: Mapping[str, Any]) -> Checkpoint:
    with whole(org, "a checkpoint"):
        size = int(item["sk"]["S"].partition("#")[0])
        return Checkpoint(size, item["note"]["S"], int(item["made_at"]["N"]))


def _key_item(org: str, key: LogKey) -> Any:
    until = {} if key.until_size is None else {"until": number(key.until_size)}
    until |= {} if key.until_ms is None else {"until_ms": number(key.until_ms)}
    name = key.verifier  # of ML-DSA-44 longer than a sort key may be: its id tells it apart
    if len(name.encode()) > _MOST_NAME_BYTES:
        name = name.rpartition("+")[0]
    place = f"{_KEY}{key.since_size:0{_DIGITS}}#{name}"
    return {
        **item_key(_tree(org), place),
        "verifier": {"S": key.verifier},
        "since": number(key.since_size),
        "since_ms": number(key.since_ms),
        **until,
    }


def _node(height: int, number: int) -> str:
    return f"node#{height:02}#{number:0{_DIGITS}}"
