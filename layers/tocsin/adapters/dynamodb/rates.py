"""How often keys ask, in the state table: ``rate#<org>`` · key id ``#`` minute."""

from typing import Final, override

from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.ports.access import Rates

__all__ = ["DynamoRates"]

_KEPT_SECONDS: Final = 10 * 60


class DynamoRates(StateTable, Rates):
    """The :class:`~tocsin.ports.access.Rates` on the state table, which expires them.

    A unit a request.
    """

    @override
    def take(self, org: str, key_id: str, minute: int, limit: int) -> bool:
        counted = self._update(
            f"rate#{org}",
            f"{key_id}#{minute}",
            "ADD used :one SET expires_at = :until",
            {
                ":one": number(1),
                ":until": number(minute * 60 + _KEPT_SECONDS),
                ":limit": number(limit),
            },
            "attribute_not_exists(used) OR used < :limit",
        )
        return counted is not None
