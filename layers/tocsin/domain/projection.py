"""Projections: what can be rebuilt from sealed events, one item per session, agent and month."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tocsin.domain import canonical
from tocsin.domain.segment import SealedEvent

__all__ = ["Change", "Projected", "changes"]


@dataclass(frozen=True, slots=True)
class Projected:
    """How far an org's events are projected.

    Everything up to ``through_seq`` is. If ``until_seq`` is beyond it, a run up to there was
    claimed, and may have been applied in part.
    """

    through_seq: int = 0
    until_seq: int = 0


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
            totals["cost_nano_usd"] = totals.get("cost_nano_usd", 0) + round(cost * 1e9)


def changes(events: Iterable[SealedEvent]) -> list[Change]:
    """Return what consecutive events of one org change: one change per projected item."""
    items: dict[tuple[str, str], Change] = {}
    for sealed in events:
        event = canonical.parse(sealed.entry)
        targets = [("session", event["session_id"]), ("usage", event["received_at"][:7])]
        if agent := event.get("agent_id"):
            targets.append(("agent", agent))
        for target in targets:
            if target not in items:
                items[target] = Change(*target, sealed.seq, event["timestamp"])
            items[target]._add(sealed.seq, event)
    return list(items.values())
