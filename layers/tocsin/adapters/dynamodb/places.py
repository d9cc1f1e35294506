"""Where an org's hooks wait, in the state table: ``hook-wait#<org>`` · place."""

import os
from typing import override

from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.ports.deciding import Places

__all__ = ["DynamoPlaces"]


class DynamoPlaces(StateTable, Places):
    """The :class:`~tocsin.ports.deciding.Places` on the state table.

    Each is an item with a lease, which one of several takes by a conditional write.
    """

    @override
    def take(self, org: str, places: int, now_ms: int, until_ms: int) -> str:
        pk, holder = f"hook-wait#{org}", os.urandom(8).hex()
        held = {
            item["sk"]["S"]: int(item["until_ms"]["N"]) for item in self._all(pk)
        }  # few, and of them those that are free need no write to be passed over
        for place in map(str, range(places)):
            if held.get(place, 0) > now_ms:
                continue
            taken = self._update(
                pk,
                place,
                "SET until_ms = :until, holder = :holder, expires_at = :gone",
                {
                    ":until": number(until_ms),
                    ":holder": {"S": holder},
                    ":gone": number(until_ms // 1_000 + 1),
                    ":now": number(now_ms),
                },
                "attribute_not_exists(until_ms) OR until_ms <= :now",
            )
            if taken is not None:
                return f"{place} {holder}"
        return ""

    @override
    def leave(self, org: str, place: str) -> None:
        name, _, holder = place.partition(" ")
        self._update(
            f"hook-wait#{org}",
            name,
            "SET until_ms = :never",
            {":never": number(0), ":holder": {"S": holder}},
            "holder = :holder",
        )
