"""Quotas in the state table."""

from typing import override

from tocsin.adapters.dynamodb._state import StateTable, number
from tocsin.ports import Quota

__all__ = ["DynamoQuota"]


class DynamoQuota(StateTable, Quota):
    """:class:`~tocsin.ports.Quota`: ``quota#<org>`` · month.

    An addition to a counter is not idempotent: when the store's answer to a reservation is lost and
    the SDK asks again, the events count twice. The limit still holds.
    """

    @override
    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        if events > limit:
            return None
        updated = self._update(
            f"quota#{org}",
            month,
            "ADD used :events",
            {":events": number(events), ":room": number(limit - events)},
            "attribute_not_exists(used) OR used <= :room",
        )
        return None if updated is None else limit - int(updated["used"]["N"])

    @override
    def release(self, org: str, month: str, events: int) -> None:
        self._update(f"quota#{org}", month, "ADD used :back", {":back": number(-events)})

    @override
    def used(self, org: str, month: str) -> int:
        item = self._get(f"quota#{org}", month)
        return int(item["used"]["N"]) if item else 0
