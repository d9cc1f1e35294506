"""API keys in the state table: ``key#<org>`` · key id."""

from collections.abc import Mapping, Sequence
from typing import Any, override

from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.domain.keys import ApiKey, Scope
from tocsin.ports import Keys

__all__ = ["DynamoKeys"]


class DynamoKeys(StateTable, Keys):
    """:class:`~tocsin.ports.Keys`: ``key#<org>`` · key id."""

    @override
    def get(self, org: str, key_id: str) -> ApiKey | None:
        item = self._get(f"key#{org}", key_id)
        return _api_key(org, item) if item else None

    @override
    def put(self, key: ApiKey) -> None:
        attributes: dict[str, Any] = {
            "digest": {"B": key.digest},
            "scopes": {"SS": sorted(key.scopes)},
            "name": {"S": key.name},
            "created_at": number(key.created_at_ms),
        }
        if key.revoked_at_ms is not None:
            attributes["revoked_at"] = number(key.revoked_at_ms)
        if key.types is not None:
            attributes["types"] = {"L": [{"S": type} for type in sorted(key.types)]}
        if key.person:
            attributes["person"] = {"S": key.person}
        self._put(f"key#{key.org}", key.id, attributes)

    @override
    def all(self, org: str) -> Sequence[ApiKey]:
        keys = [_api_key(org, item) for item in self._all(f"key#{org}")]
        return sorted(keys, key=lambda key: key.created_at_ms)


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
    )
