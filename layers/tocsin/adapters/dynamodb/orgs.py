"""Orgs in the state table: ``org`` · org, and the sweeper's ``sweep`` · org."""

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.domain.org import Org

__all__ = ["DynamoOrgs"]


class DynamoOrgs(StateTable):
    """:class:`~tocsin.ports.Orgs`: ``org`` · org, and the sweeper's ``sweep`` · org."""

    def get(self, org: str) -> Org | None:
        """See :meth:`tocsin.ports.Orgs.get`."""
        item = self._get("org", org)
        return _org(item) if item else None

    def put(self, org: Org) -> None:
        """See :meth:`tocsin.ports.Orgs.put`."""
        self._put("org", org.id, {"events_per_month": number(org.events_per_month)})

    def all(self) -> Sequence[Org]:
        """See :meth:`tocsin.ports.Orgs.all`."""
        return [_org(item) for item in self._all("org")]

    def swept_until(self, org: str) -> str:
        """See :meth:`tocsin.ports.Orgs.swept_until`."""
        item = self._get("sweep", org)
        return str(item["until"]["S"]) if item else ""

    def set_swept_until(self, org: str, batch_id: str) -> None:
        """See :meth:`tocsin.ports.Orgs.set_swept_until`."""
        self._put("sweep", org, {"until": {"S": batch_id}})


def _org(item: Mapping[str, Any]) -> Org:
    return Org(id=item["sk"]["S"], events_per_month=int(item["events_per_month"]["N"]))
