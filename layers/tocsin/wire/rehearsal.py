"""What a dry run of detection is asked, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain.detect.finding import Finding
from tocsin.domain.detect.kinds import Kind
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import MAX_FALSE_ALERTS_PER_DAY
from tocsin.domain.times import time_ms
from tocsin.wire.anomalies import event_of
from tocsin.wire.filters import Query
from tocsin.wire.parameters import known, once

__all__ = ["PARAMETERS", "Asked", "asked", "told"]

PARAMETERS: Final = ("from", "to", "false_alerts_per_day", "kinds")
"""Of a dry run."""

_DAY_MS: Final = 86_400_000
_MOST_TOLD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """From a time to another (Unix ms); None: as the org has set it."""

    from_ms: int
    to_ms: int
    false_alerts_per_day: float | None = None
    kinds: frozenset[Kind] | None = None


def asked(query: Query, now_ms: int) -> Asked:
    """Return what a query asks for: the last day, unless it says otherwise.

    Raises:
        Malformed: a parameter is not known, is given twice, or is not understood.
    """
    known(query, PARAMETERS)
    given = once(query, PARAMETERS)
    to_ms = min(_time(given, "to", now_ms), now_ms)
    from_ms = _time(given, "from", to_ms - _DAY_MS)
    if from_ms > to_ms:
        raise Malformed("from is after to: nothing can be between them")
    per_day, kinds = given.get("false_alerts_per_day"), given.get("kinds")
    return Asked(
        max(from_ms, 0),
        max(to_ms, 0),
        None if per_day is None else _per_day(per_day),
        None if kinds is None else _kinds(kinds),
    )


def told(
    findings: Sequence[Finding], *, looked_at: int, trained_on: int, through_seq: int
) -> dict[str, Any]:
    """Return what was found, as the events that would tell of it: the first thousand."""
    return {
        "anomalies": [event_of(each) for each in findings[:_MOST_TOLD]],
        "total": len(findings),
        "looked_at": looked_at,
        "trained_on": trained_on,
        "through_seq": through_seq,
    }


def _time(given: dict[str, str], name: str, default: int) -> int:
    if name not in given:
        return default
    found = time_ms(given[name])
    if found is None:
        raise Malformed(f"{name} is a time, as in 2026-01-15T10:00:00Z, with + as %2B")
    return found


def _per_day(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= MAX_FALSE_ALERTS_PER_DAY:  # nor is it NaN
        raise Malformed(f"false_alerts_per_day is a number from 0 to {MAX_FALSE_ALERTS_PER_DAY:,}")
    return found


def _kinds(text: str) -> frozenset[Kind]:
    names = text.split(",", len(Kind) + 1)
    if unknown := set(names) - set(Kind):
        raise Malformed(f"kinds: {min(unknown)[:64]!r} is none of {', '.join(Kind)}")
    return frozenset(map(Kind, names))
