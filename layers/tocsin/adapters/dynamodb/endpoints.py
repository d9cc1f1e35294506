"""Endpoints in the state table: ``notified`` · org has the set of its active ones' ids."""

from collections.abc import Sequence

from tocsin.adapters.dynamodb._calls import whole
from tocsin.adapters.dynamodb._told import ToldTable

__all__ = ["DynamoEndpoints"]


class DynamoEndpoints(ToldTable):
    """What there is of :class:`~tocsin.ports.notify.Endpoints`."""

    def active(self, org: str) -> Sequence[str]:
        """Return the ids of an org's active endpoints: one small read."""
        item = self._get("notified", org)
        with whole(org, "the set of active endpoints"):
            return sorted(item["endpoints"]["SS"]) if item and "endpoints" in item else []
