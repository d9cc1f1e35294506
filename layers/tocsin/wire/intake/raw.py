"""The body of ``POST /api/v1/ingest/raw`` (Igris' raw ingestion): bytes in, events out."""

from itertools import islice
from typing import Any

import orjson

from tocsin.domain.errors import Invalid, Malformed
from tocsin.domain.limits import MAX_IGNORED_NAMES, MAX_NAME_CHARS
from tocsin.wire.intake.format import Accepted, Answer, Format
from tocsin.wire.intake.incoming import Incoming, read
from tocsin.wire.intake.strict import Flaw, check, load

__all__ = ["RAW", "boolean", "parse"]


def boolean(name: str, text: str | None) -> bool:
    """Read a parameter that is yes or no; absent or empty is no.

    Raises:
        Malformed: it is neither.
    """
    match (text or "false").lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise Malformed(f"{name}: send true or false")


def parse(body: bytes, *, partial: bool = False) -> Incoming:
    """Parse a single event or ``{"events": [...]}``, as :func:`.incoming.read` checks them.

    Raises:
        Malformed: not I-JSON, or neither of the two forms.
        Invalid, Forbidden, TooLarge: as there.
    """
    loaded = load(body)
    value = loaded.value
    if isinstance(value, Flaw):
        raise Malformed(value.reason)
    if not isinstance(value, dict):
        raise Malformed('send one event as a JSON object, or several as {"events": [...]}')
    batch = "events" in value and "type" not in value
    events = value["events"] if batch else [value]
    if loaded.flawed and batch:
        check({name: each for name, each in value.items() if name != "events"})
    if not isinstance(events, list):
        raise Invalid([{"field": "events", "message": "Expected array"}])
    if not events:
        raise Invalid([{"field": "events", "message": "Must hold at least one event"}])
    incoming = read(events, loaded, batch=batch, partial=partial)
    if batch and len(value) > 1:  # what stands beside the events is in none of them
        beside = (name[:MAX_NAME_CHARS] for name in value if name != "events")
        incoming.ignored |= set(islice(beside, MAX_IGNORED_NAMES - len(incoming.ignored)))
    return incoming


def _answer(incoming: Incoming) -> Answer:
    data: dict[str, Any] = {"ingested": len(incoming.events), "rejected": len(incoming.rejected)}
    if incoming.rejected:
        data["errors"] = [
            {"index": rejection.index, "details": rejection.details}
            for rejection in incoming.rejected
        ]
    ignored = {"ignoredFields": sorted(incoming.ignored)} if incoming.ignored else {}
    head, meta = orjson.dumps(data), orjson.dumps(ignored)

    def answer(accepted: Accepted) -> bytes:
        told = b""
        if accepted.places is not None:
            sealed = accepted.places[0].seq is not None
            told = b"," + orjson.dumps({"sealed": sealed, "events": accepted.places})[1:-1]
        if accepted.suspended:
            told += b',"suspended":true'
        quota = b'{"remainingQuota":%d' % accepted.quota_left
        rest = (b"," if ignored else b"") + meta[1:]
        return b'{"data":' + head[:-1] + told + b'},"meta":' + quota + rest + b"}"

    return answer


RAW = Format(frozenset({"application/json"}), parse, _answer)
"""Igris' raw ingestion."""
