"""API keys in the state table: ``key#<org>`` · key id."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, override

from tocsin.adapters.dynamodb._state import StateTable, item_key, number
from tocsin.adapters.dynamodb._told import ToldTable
from tocsin.domain.batch import Batch
from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports.access import KeyRing, Keys

__all__ = ["DynamoKeyRing", "DynamoKeys", "put_request"]

_KEPT_SECONDS: Final = 24 * 60 * 60  # a delegated key after its end, so that it can be looked at


class DynamoKeys(StateTable, Keys):
    """:class:`~tocsin.ports.access.Keys`: ``key#<org>`` · key id."""

    @override
    def get(self, org: str, key_id: str) -> ApiKey | None:
        item = self._get(f"key#{org}", key_id)
        return _api_key(org, item) if item else None

    @override
    def put(self, key: ApiKey) -> None:
        self._put(f"key#{key.org}", key.id, _attributes(key))

    @override
    def all(self, org: str) -> Sequence[ApiKey]:
        keys = [_api_key(org, item) for item in self._all(f"key#{org}")]
        return sorted(keys, key=lambda key: key.created_at_ms)


class DynamoKeyRing(ToldTable, KeyRing):
    """:class:`~tocsin.ports.access.KeyRing` on the state table, beside a journal."""

    @override
    def write(
        self, key: ApiKey, was: str, batch: Batch, packed: bytes, new: ApiKey | None = None
    ) -> bool:
        puts = [put_request(self._table, key, was)]
        if new is not None:
            puts.append(put_request(self._table, new))
        return self._tell([{"Put": put} for put in puts], batch, packed)


def put_request(table: str, key: ApiKey, was: str = "") -> dict[str, Any]:
    """Return a transaction's put of a key, on the condition of :meth:`.KeyRing.write`."""
    values: dict[str, Any] = {":digest": {"B": key.digest}}
    unchanged = "attribute_not_exists(#change)"
    if was:
        unchanged, values[":was"] = "#change = :was", {"S": was}
    return {
        "TableName": table,
        "Item": {**item_key(f"key#{key.org}", key.id), **_attributes(key)},
        "ConditionExpression": "attribute_not_exists(pk) OR "
        f"(digest = :digest AND attribute_not_exists(revoked_at) AND {unchanged})",
        "ExpressionAttributeNames": {"#change": "change"},
        "ExpressionAttributeValues": values,
    }


def _attributes(key: ApiKey) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "digest": {"B": key.digest},
        "scopes": {"SS": sorted(key.scopes)},
        "name": {"S": key.name},
        "created_at": number(key.created_at_ms),
    }
    if key.change:
        attributes["change"] = {"S": key.change}
    if key.sign_outs:
        attributes["sign_outs"] = number(key.sign_outs)
    if key.revoked_at_ms is not None:
        attributes["revoked_at"] = number(key.revoked_at_ms)
    if key.expires_at_ms is not None:
        attributes["ends_at"] = number(key.expires_at_ms)  # not the table's time to live
    if key.types is not None:
        attributes["types"] = {"L": [{"S": type} for type in sorted(key.types)]}
    if key.person:
        attributes["person"] = {"S": key.person}
    if key.agent:
        attributes["agent"] = {"S": key.agent}
    if key.chain:
        attributes["chain"] = {"L": [{"S": id} for id in key.chain]}
        attributes["expires_at"] = number(key.ends_at_ms // 1_000 + _KEPT_SECONDS)
    return attributes


def _api_key(org: str, item: Mapping[str, Any]) -> ApiKey:
    revoked_at, types = item.get("revoked_at"), item.get("types")
    return ApiKey(
        org=org,
        id=item["sk"]["S"],
        digest=item["digest"]["B"],
        scopes=frozenset(Scope(scope) for scope in item["scopes"]["SS"]),
        name=item["name"]["S"],
        created_at_ms=int(item["created_at"]["N"]),
        revoked_at_ms=int(revoked_at["N"]) if revoked_at else None,
        types=frozenset(type["S"] for type in types["L"]) if types else None,
        person=item["person"]["S"] if "person" in item else "",
        expires_at_ms=int(item["ends_at"]["N"]) if "ends_at" in item else None,
        agent=item["agent"]["S"] if "agent" in item else "",
        chain=tuple(id["S"] for id in item["chain"]["L"]) if "chain" in item else (),
        change=item["change"]["S"] if "change" in item else "",
        sign_outs=int(item["sign_outs"]["N"]) if "sign_outs" in item else 0,
    )
