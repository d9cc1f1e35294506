"""An alert, once it was told, and what people said of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kinds import Kind, Severity

__all__ = ["Anomaly", "Status"]


class Status(StrEnum):
    """What was said of an alert."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """An alert; its id is its event's.

    ``change`` names the batch that tells of the last thing that was said of it, by whom (``by``)
    and when (``said_at_ms``); at first the batch that tells of the alert. ``nats`` is None where a
    rule found it.
    """

    org: str
    id: str
    kind: Kind
    severity: Severity
    subject: Subject
    series: str = ""
    description: str = ""
    at_ms: int
    count: int = 1
    nats: float | None = None
    seqs: tuple[int, ...] = field(default=())
    status: Status = Status.OPEN
    until_ms: int = 0
    reason: str = ""
    by: str = ""
    said_at_ms: int = 0
    change: str = ""
