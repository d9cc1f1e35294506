"""What the routes of alerts take and answer: lists of them, and what people say of one."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, NotRequired, TypedDict
from urllib.parse import urlencode

from pydantic import ConfigDict, Field, TypeAdapter, with_config

from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.kinds import Kind
from tocsin.domain.errors import Invalid, Malformed
from tocsin.domain.ids import batch_of
from tocsin.domain.limits import (
    DEFAULT_LIST_EVENTS,
    LONGEST_SNOOZE_SECONDS,
    MAX_LIST_EVENTS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    SHORTEST_SNOOZE_SECONDS,
)
from tocsin.domain.times import iso_ms, time_ms
from tocsin.wire.anomalies import probability
from tocsin.wire.bodies import STRICT, WHOLE
from tocsin.wire.filters import Query
from tocsin.wire.parameters import number, once

__all__ = ["PARAMETERS", "REVIEW", "SNOOZE", "Page", "next_page", "page_asked", "shown", "snoozed"]

PARAMETERS: Final = ("limit", "before", "status", "kind", "agent_id")
"""Of a list."""

_LIMIT: Final = f"a number from 1 to {MAX_LIST_EVENTS:,}"
_Reason = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS)]
_ONE: Final = ConfigDict(
    json_schema_extra={"oneOf": [{"required": ["until"]}, {"required": ["seconds"]}]}
)


@with_config(STRICT)
class ReviewBody(TypedDict):
    """Of ``POST /api/v1/anomalies/{id}/acknowledge`` and ``/false-positive``."""

    reason: NotRequired[_Reason]


@with_config(STRICT | _ONE)
class SnoozeBody(TypedDict):
    """Of ``POST /api/v1/anomalies/{id}/snooze``: ``until`` a time, or for some ``seconds``."""

    until: NotRequired[Annotated[str, Field(max_length=MAX_NAME_CHARS)]]
    seconds: NotRequired[
        Annotated[int, Field(ge=SHORTEST_SNOOZE_SECONDS, le=LONGEST_SNOOZE_SECONDS), WHOLE]
    ]
    reason: NotRequired[_Reason]


REVIEW: Final[TypeAdapter[ReviewBody]] = TypeAdapter(ReviewBody)
SNOOZE: Final[TypeAdapter[SnoozeBody]] = TypeAdapter(SnoozeBody)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``limit`` alerts at most, the newest first, those before an id; None: any will do."""

    limit: int = DEFAULT_LIST_EVENTS
    before: str = ""
    status: Status | None = None
    kind: Kind | None = None
    agent_id: str | None = None

    def has(self, anomaly: Anomaly) -> bool:
        """Whether an alert is one of those that are asked for."""
        return (
            self.status in (None, anomaly.status)
            and self.kind in (None, anomaly.kind)
            and self.agent_id in (None, anomaly.subject.names.get("agent_id"))
        )


def page_asked(query: Query) -> Page:
    """Return which alerts a query asks for.

    Raises:
        Malformed: a parameter is given twice, or not understood.
    """
    given = once(query, PARAMETERS)
    limit = number(given, "limit", _LIMIT)
    if limit is not None and not 1 <= limit <= MAX_LIST_EVENTS:
        raise Malformed(f"limit is {_LIMIT}")
    before, agent_id = given.get("before", ""), given.get("agent_id")
    if before and batch_of(before) is None:
        raise Malformed("before is the id of an anomaly, as in evt_ and 26 characters")
    if agent_id is not None and not 1 <= len(agent_id) <= MAX_NAME_CHARS:
        raise Malformed(f"agent_id takes 1 to {MAX_NAME_CHARS} characters, or leave it out")
    status, kind = given.get("status"), given.get("kind")
    if status is not None and status not in list(Status):
        raise Malformed(f"status is one of {', '.join(Status)}")
    if kind is not None and kind not in list(Kind):
        raise Malformed(f"kind is one of {', '.join(Kind)}")
    return Page(
        limit=limit or DEFAULT_LIST_EVENTS,
        before=before,
        status=None if status is None else Status(status),
        kind=None if kind is None else Kind(kind),
        agent_id=agent_id,
    )


def next_page(query: Query, before: str) -> dict[str, str]:
    """Return the header that leads from a list to the alerts before an id; none: it was all."""
    kept = [each for each in query if each[0] != "before"]
    target = f"/api/v1/anomalies?{urlencode([*kept, ('before', before)])}"
    return {"Link": f'<{target}>; rel="next"'} if before else {}


def snoozed(body: SnoozeBody, now_ms: int) -> tuple[int, int]:
    """Return until when (Unix ms) and for how many seconds is asked, one of them 0.

    Raises:
        Invalid: both are given, or none; or the time is none, is over, or too far away.
    """
    if ("until" in body) == ("seconds" in body):
        raise Invalid([{"field": "until", "message": "Send either until or seconds"}])
    if "seconds" in body:
        return 0, body["seconds"]
    until_ms = time_ms(body["until"])
    if until_ms is None or not 0 < until_ms - now_ms <= LONGEST_SNOOZE_SECONDS * 1_000:
        days = LONGEST_SNOOZE_SECONDS // 86_400
        message = f"A time within the next {days} days, as in 2026-01-15T10:00:00Z"
        raise Invalid([{"field": "until", "message": message}])
    return until_ms, 0


def shown(anomaly: Anomaly) -> dict[str, Any]:
    """Return an alert, and what was said of it."""
    subject, said = anomaly.subject, dict[str, Any]()
    if anomaly.by:
        said = {
            "status_by": anomaly.by,
            "status_at": iso_ms(anomaly.said_at_ms),
            "status_reason": anomaly.reason,
        }
    if anomaly.until_ms:
        said["until"] = iso_ms(anomaly.until_ms)
    if anomaly.nats is not None:
        said["probability"] = probability(anomaly.nats)
    return {
        "id": anomaly.id,
        "kind": anomaly.kind,
        "severity": anomaly.severity.word,
        "status": anomaly.status,
        "description": anomaly.description,
        "subject": {"kind": subject.kind, **subject.names},
        "detected_at": iso_ms(anomaly.at_ms),
        "count": anomaly.count,
        "seqs": list(anomaly.seqs),
        **said,
    }
