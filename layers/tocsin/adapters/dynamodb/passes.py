"""Sign-ins and tickets in the state table: ``pass-session#<org>``, ``pass-ticket#<org>`` · digest.

The digest is in hexadecimal. (``session#<org>`` holds the projected sessions of agents.) Failed
sign-ins are counted in ``auth-failed#<org>`` · hour.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, override

from tocsin.adapters.dynamodb._calls import transact, whole
from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.adapters.dynamodb._told import ToldTable
from tocsin.domain.batch import Batch
from tocsin.domain.passes import Kind, Pass
from tocsin.ports.access import Passes, SignInFailures, SignInWrites

__all__ = ["DynamoPasses", "DynamoSignInFailures", "DynamoSignInWrites", "partition"]

_FAILURES_KEPT_SECONDS: Final = 2 * 60 * 60  # from the journal's batch on, whose hour it is


class DynamoPasses(StateTable, Passes):
    """:class:`~tocsin.ports.access.Passes` on the state table, which expires them."""

    @override
    def put(self, each: Pass) -> None:
        self._put(partition(each.kind, each.org), each.digest.hex(), _attributes(each))

    @override
    def get(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        return _pass(kind, org, digest, self._get(partition(kind, org), digest.hex()))

    @override
    def take(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        """If the store's answer is lost and the SDK asks again, nobody gets the pass."""
        return _pass(kind, org, digest, self._take(partition(kind, org), digest.hex()))


class DynamoSignInWrites(ToldTable, SignInWrites):
    """:class:`~tocsin.ports.access.SignInWrites` on the state table, beside a journal."""

    @override
    def write(
        self, new: Pass | None, old: Pass | None, told: Sequence[tuple[Batch, bytes]]
    ) -> bool:
        items: list[Any] = [{"Put": self._journal.put_request(*each)} for each in told]
        if new is not None:
            put = {
                "TableName": self._table,
                "Item": {**_key(new), **_attributes(new)},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
            items.append({"Put": put})
        if old is not None:
            delete = {
                "TableName": self._table,
                "Key": _key(old),
                "ConditionExpression": "attribute_exists(pk)",
            }
            items.append({"Delete": delete})
        return transact(self._client, items)


class DynamoSignInFailures(ToldTable, SignInFailures):
    """:class:`~tocsin.ports.access.SignInFailures` on the state table, which expires them."""

    @override
    def get(self, org: str, hour: str) -> Mapping[str, int]:
        item = self._get(f"auth-failed#{org}", hour) or {}
        with whole(org, "the failed sign-ins"):
            return {id: int(count["N"]) for id, count in item["keys"]["M"].items()} if item else {}

    @override
    def write(
        self,
        org: str,
        hour: str,
        was: Mapping[str, int],
        now: Mapping[str, int],
        batch: Batch,
        packed: bytes,
    ) -> bool:
        put: Any = {
            "TableName": self._table,
            "Item": {
                **item_key(f"auth-failed#{org}", hour),
                "keys": _counts(now),
                "expires_at": number(batch.received_at_ms // 1_000 + _FAILURES_KEPT_SECONDS),
            },
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        if was:
            put["ConditionExpression"] = "#keys = :was"
            put["ExpressionAttributeNames"] = {"#keys": "keys"}
            put["ExpressionAttributeValues"] = {":was": _counts(was)}
        return self._tell([{"Put": put}], batch, packed)


def partition(kind: Kind, org: str) -> str:
    """Return the partition key: the API writes sign-ins, the stream service tickets."""
    return f"pass-{kind}#{org}"


def _key(each: Pass) -> dict[str, Any]:
    return item_key(partition(each.kind, each.org), each.digest.hex())


def _attributes(each: Pass) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "key_id": {"S": each.key_id},
        "expires_at_ms": number(each.expires_at_ms),
        "expires_at": number(each.expires_at_ms // 1000 + 1),
    }
    if each.others:
        attributes["others"] = {"M": {org: {"S": key_id} for org, key_id in each.others}}
    if each.sign_outs:
        attributes["sign_outs"] = _counts(dict(each.sign_outs))
    return attributes


def _pass(kind: Kind, org: str, digest: bytes, item: Mapping[str, Any] | None) -> Pass | None:
    if item is None:
        return None
    with whole(org, "a sign-in or a ticket"):
        others = item["others"]["M"] if "others" in item else {}
        sign_outs = item["sign_outs"]["M"] if "sign_outs" in item else {}
        return Pass(
            kind,
            org,
            digest,
            item["key_id"]["S"],
            int(item["expires_at_ms"]["N"]),
            tuple(sorted((other, key_id["S"]) for other, key_id in others.items())),
            tuple(sorted((of, int(count["N"])) for of, count in sign_outs.items())),
        )


def _counts(counts: Mapping[str, int]) -> dict[str, Any]:
    return {"M": {id: number(count) for id, count in counts.items()}}
