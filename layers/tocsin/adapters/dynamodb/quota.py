"""Quotas in the state table."""

from tocsin.adapters.dynamodb._state import StateTable, number

__all__ = ["DynamoQuota"]


class DynamoQuota(StateTable):
    """:class:`~tocsin.ports.Quota`: ``quota#<org>`` · month.

    A counter can't be added to idempotently: when the store's answer to a reservation is lost and
    the SDK asks again, the events count twice. The limit still holds.
    """

    def reserve(self, org: str, month: str, events: int, limit: int) -> int | None:
        """See :meth:`tocsin.ports.Quota.reserve`."""
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

    def release(self, org: str, month: str, events: int) -> None:
        """See :meth:`tocsin.ports.Quota.release`."""
        self._update(f"quota#{org}", month, "ADD used :back", {":back": number(-events)})

    def used(self, org: str, month: str) -> int:
        """See :meth:`tocsin.ports.Quota.used`."""
        item = self._get(f"quota#{org}", month)
        return int(item["used"]["N"]) if item else 0
