"""What a report counts of events that come in the order of their seqs, in bounded memory.

Calls are counted as projections count them (:mod:`tocsin.domain.projection`): a request and its
response are one, and so are several reports of one call.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tocsin.cli._format import Period
from tocsin.client._events import Event
from tocsin.domain.projection import BY_DAY, HOURLY, Change, Changes
from tocsin.domain.reports import Reports
from tocsin.domain.segment import SealedEvent

__all__ = ["COLUMNS", "MAX_TAGS", "Report"]

MAX_TAGS: Final = 1_000
"""In one report: more are no tags."""

COLUMNS: Final = (
    *("period", "tag", "events", "calls", "held_calls", "denied", "errors", "approvals", "agents"),
    *("tools", "models", "prompt_tokens", "completion_tokens", "cost_usd", "cost_estimated"),
    *("pii_events", "pii_types", "masked_events"),
)
"""Of a row, in order."""

_CHARS: Final = {Period.DAY: 10, Period.MONTH: 7, Period.TOTAL: 0}  # of a timestamp
_MOST_SESSIONS: Final = 10_000  # whose requests wait for a response, at a time
_MOST_CALLS: Final = 100_000  # that are told of again
_NAMED: Final = {"agents": BY_DAY["agent"], "tools": BY_DAY["tool"], "models": BY_DAY["model"]}
_COUNTED: Final = ("events", "held_calls", "prompt_tokens", "completion_tokens")


@dataclass(slots=True)
class _Row:
    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, set[int]] = field(default_factory=lambda: {each: set() for each in _NAMED})
    approvals: set[int] = field(default_factory=set)
    pii_types: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Tag:
    """Where a tag's events are, in what has to be known of those before."""

    pending: dict[str, str] = field(default_factory=dict)
    reports: Reports = field(default_factory=lambda: Reports(_MOST_CALLS))

    def waiting(self, session: str) -> str:
        return self.pending.get(session, "")


class Report:
    """Counts by period and by tag."""

    def __init__(self, by: Period = Period.DAY) -> None:
        """Count by the day or the month (UTC) of calls, or in all."""
        self._chars: Final = _CHARS[by]
        self._rows: dict[tuple[str, str], _Row] = {}
        self._tags: dict[str, _Tag] = {}

    def add(self, events: Sequence[Event]) -> None:
        """Count events that follow on those before.

        Raises:
            ValueError: they have more than :data:`MAX_TAGS` tags.
        """
        for tag, own in _by_tag(events).items():
            if tag not in self._tags and len(self._tags) >= MAX_TAGS:
                raise ValueError(f"there are more than {MAX_TAGS:,} tags: ask for one")
            known = self._tags.setdefault(tag, _Tag())
            changes = Changes(known.waiting, reports=known.reports)
            for event in own:
                changes.add(_sealed(event))
                self._say(tag, event)
            for change in changes.items():
                self._count(tag, change)
                if change.kind == "session":
                    _keep(known.pending, change.id, change.texts.get("pending"))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield rows, by period and then by tag, each with :data:`COLUMNS`."""
        for (period, tag), row in sorted(self._rows.items()):
            counts = row.counts
            said = {name: len(names) for name, names in row.names.items()} | {
                "period": period or "total",
                "tag": tag,
                "approvals": len(row.approvals),
                "denied": counts["denials"],
                "cost_usd": counts["cost_nano_usd"] / 10**9,
                "pii_types": dict(sorted(row.pii_types.items())),
            }
            yield {name: said.get(name, counts[name]) for name in COLUMNS}

    def _row(self, day: str, tag: str) -> _Row:
        return self._rows.setdefault((day[: self._chars], tag), _Row())

    def _say(self, tag: str, event: Event) -> None:
        """Count what an event says of itself, on the day of its timestamp."""
        fields = event.fields
        row = self._row(event.timestamp, tag)
        row.counts["cost_estimated"] += fields.get("cost_estimated") is True
        row.counts["masked_events"] += bool(fields.get("masked"))
        if fields.get("pii_detected") is True:
            row.counts["pii_events"] += 1
            row.pii_types.update(fields.get("pii_types") or ())
        request = fields.get("request")
        if isinstance(request, dict) and isinstance(id := request.get("approval_id"), str):
            row.approvals.add(hash(id))

    def _count(self, tag: str, change: Change) -> None:
        if change.kind == "day":
            counts = self._row(change.id, tag).counts
            for name in (*_COUNTED, "denials", "errors"):
                counts[name] += change.counters.get(name, 0)
            for name, letter in HOURLY.items():
                hours = (change.counters.get(f"{letter}{hour:02}", 0) for hour in range(24))
                counts[name] += sum(hours)
            return
        for name, kind in _NAMED.items():
            if change.kind == kind:
                day, _, named = change.id.partition("#")
                self._row(day, tag).names[name].add(hash(named))


def _by_tag(events: Sequence[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.fields.get("source") != "tocsin":  # those count nowhere
            found.setdefault(str(event.fields.get("compliance_tag", "default")), []).append(event)
    return found


def _sealed(event: Event) -> SealedEvent:
    return SealedEvent(event.seq, orjson.dumps(dict(event.fields)), b"", b"")


def _keep(pending: dict[str, str], session: str, text: str | None) -> None:
    if text is None:
        return
    pending.pop(session, None)
    if text:
        pending[session] = text
        if len(pending) > _MOST_SESSIONS:
            del pending[next(iter(pending))]
