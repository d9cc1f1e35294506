"""Orgs in the state table: ``org`` · org, and the sweeper's ``sweep`` · org."""

from collections.abc import Mapping, Sequence
from typing import Any, override

from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.domain.org import Org
from tocsin.ports import Orgs

__all__ = ["DynamoOrgs"]


class DynamoOrgs(StateTable, Orgs):
    """:class:`~tocsin.ports.Orgs`: ``org`` · org, and the sweeper's ``sweep`` · org."""

    @override
    def get(self, org: str) -> Org | None:
        item = self._get("org", org)
        return _org(item) if item else None

    @override
    def put(self, org: Org) -> None:
        self._put("org", org.id, {"events_per_month": number(org.events_per_month)})

    @override
    def all(self) -> Sequence[Org]:
        return [_org(item) for item in self._all("org")]

    @override
    def swept_until(self, org: str) -> str:
        item = self._get("sweep", org)
        return str(item["until"]["S"]) if item else ""

    @override
    def set_swept_until(self, org: str, batch_id: str) -> None:
        self._put("sweep", org, {"until": {"S": batch_id}})


def _org(item: Mapping[str, Any]) -> Org:
    return Org(id=item["sk"]["S"], events_per_month=int(item["events_per_month"]["N"]))
