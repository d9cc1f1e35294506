"""What people said to detection, as the events of it that Tocsin wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.domain.detect.alerts import Lesson
from tocsin.domain.detect.anomaly import Anomaly, Status
from tocsin.domain.detect.finding import Subject
from tocsin.domain.detect.kinds import Kind
from tocsin.domain.detect.settings import Settings
from tocsin.domain.times import iso_ms, time_ms

__all__ = ["REVIEWED", "SET", "Said", "reviewed", "said_of"]

SET: Final = "tocsin.detection_set"
"""The type of events that tell of settings."""

REVIEWED: Final = "tocsin.anomaly_reviewed"
"""The type of events that tell what was said of an alert."""


@dataclass(frozen=True, slots=True)
class Said:
    """New settings, or a lesson about a subject."""

    settings: Settings | None = None
    lesson: Lesson | None = None
    subject: Subject | None = None


def reviewed(anomaly: Anomaly) -> dict[str, Any]:
    """Return the event that tells what was said of an alert."""
    subject = anomaly.subject
    return {
        "type": REVIEWED,
        "status": str(anomaly.status),
        "user_id": anomaly.by,
        "anomaly_type": str(anomaly.kind),
        **subject.names,
        "data": {
            "anomaly_id": anomaly.id,
            "subject": {"kind": subject.kind, "name": subject.name, "of": subject.of},
            "series": anomaly.series,
            "until": iso_ms(anomaly.until_ms) if anomaly.until_ms else None,
            "reason": anomaly.reason,
        },
    }


def said_of(event: Mapping[str, Any]) -> Said | None:
    """Return what an event that Tocsin wrote says to detection, if it does."""
    try:
        if event["type"] == SET:
            return Said(settings=Settings.of_data(event["data"]))
        if event["type"] == REVIEWED:
            return _lesson(event)
    except (KeyError, TypeError, ValueError):  # of a version that says it otherwise
        pass
    return None


def _lesson(event: Mapping[str, Any]) -> Said | None:
    data, status = event["data"], Status(event["status"])
    if status not in (Status.SNOOZED, Status.FALSE_POSITIVE):
        return None
    until_ms = (time_ms(data["until"]) or 0) if data["until"] else 0
    lesson = Lesson(
        Kind(event["anomaly_type"]), data["series"], until_ms, status is Status.FALSE_POSITIVE
    )
    subject = data["subject"]
    return Said(lesson=lesson, subject=Subject(subject["kind"], subject["name"], subject["of"]))
