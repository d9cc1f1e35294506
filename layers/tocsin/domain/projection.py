"""Projections: what can be rebuilt from sealed events, one item per session, agent and month."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.domain import canonical
from tocsin.domain.segment import SealedEvent

_MAX_COST_USD = 1e9  # of an event; a table's numbers end at 38 digits

__all__ = ["INDEXES", "Change", "Changes", "Projected", "changes"]


INDEXES: Final = {"session": "session_id", "agent": "agent_id"}
"""What lists are found by: the kind of the projected item, and the event's field that names it."""


@dataclass(frozen=True, slots=True)
class Projected:
    """How far an org's events are projected.

    Everything up to ``through_seq`` is. If ``until_seq`` is beyond it, a run up to there was
    claimed, and may have been applied in part.
    """

    through_seq: int = 0
    until_seq: int = 0
    hash: bytes = b""  # of the ledger at through_seq, as it was read; empty: not known


@dataclass(slots=True)
class Change:
    """What a run of events adds to one projected item.

    The timestamps are those of the first and the last event by seq.
    ``kind`` is ``session``, ``agent`` or ``usage`` (its ``id`` is then the month, ``2026-11``).
    Counters are integers; money is in nano-dollars so that sums stay exact.
    """

    kind: str
    id: str
    first_seq: int
    first_timestamp: str
    last_seq: int = 0
    last_timestamp: str = ""
    counters: dict[str, int] = field(default_factory=dict)

    def _add(self, seq: int, event: dict[str, Any]) -> None:
        self.last_seq = seq
        self.last_timestamp = event["timestamp"]
        totals = self.counters
        totals["events"] = totals.get("events", 0) + 1
        if tokens := event.get("total_tokens"):
            totals["total_tokens"] = totals.get("total_tokens", 0) + tokens
        if cost := event.get("cost_usd"):
            nano_usd = round(min(max(cost, -_MAX_COST_USD), _MAX_COST_USD) * 1e9)
            totals["cost_nano_usd"] = totals.get("cost_nano_usd", 0) + nano_usd


class Changes:
    """What consecutive events of one org change, one entry per projected item."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], Change] = {}

    def add(self, sealed: SealedEvent) -> None:
        """Add what an event changes; events come in the order of their seqs."""
        event = canonical.parse(sealed.entry)
        targets = [("usage", event["received_at"][:7])]
        targets += [(kind, id) for kind, field in INDEXES.items() if (id := event.get(field))]
        for target in targets:
            if target not in self._items:
                self._items[target] = Change(*target, sealed.seq, event["timestamp"])
            self._items[target]._add(sealed.seq, event)

    def items(self) -> list[Change]:
        """Return the changes, in the order of their first seqs."""
        return list(self._items.values())

    def find(self, kind: str, id: str) -> Change | None:
        """Return what changes in one item."""
        return self._items.get((kind, id))


def changes(events: Iterable[SealedEvent]) -> list[Change]:
    """Return what consecutive events of one org change, one entry per projected item."""
    found = Changes()
    for sealed in events:
        found.add(sealed)
    return found.items()
