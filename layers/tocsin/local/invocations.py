"""What an event source mapping works with: stream records, and batches of them."""

from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Discarded", "Invocation", "Record"]


@dataclass(frozen=True, slots=True)
class Record:
    """A stream record: what decisions depend on, and ``json``, as in Lambda's event."""

    sequence_number: str
    event_name: str
    created_at_ms: int
    json: bytes


@dataclass(slots=True)
class Invocation:
    """A batch to be sent, not before ``not_before_ms``; it was sent ``attempts`` times already."""

    records: list[Record]
    attempts: int = 0
    not_before_ms: int = 0

    @property
    def payload(self) -> bytes:
        """The event for the function, as JSON."""
        return b'{"Records":[' + b",".join(record.json for record in self.records) + b"]}"

    def first_failure(self, payload: bytes) -> int | None:
        """Return the place of the lowest failed record that ``payload`` reports.

        Also 0 if the report makes no sense (then the whole batch failed); None for success.
        """
        try:
            response: Any = orjson.loads(payload or b"null")
        except orjson.JSONDecodeError:
            return 0
        if not response:
            return None
        if not isinstance(response, dict):
            return 0
        failures = response.get("batchItemFailures")
        if not failures:
            return None
        places = {record.sequence_number: place for place, record in enumerate(self.records)}
        try:
            return min(places[failure["itemIdentifier"]] for failure in failures)
        except (KeyError, TypeError):
            return 0


@dataclass(frozen=True, slots=True)
class Discarded:
    """Records that are given up, and AWS' name of the condition that caused it."""

    records: list[Record]
    attempts: int
    condition: str  # RetryAttemptsExhausted | MaximumRecordAgeExceeded
