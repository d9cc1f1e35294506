"""The three modes in which CloudEvents come over HTTP, told apart by the content type.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin.domain.errors import Invalid, Malformed, TooLarge, UnsupportedMedia
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH
from tocsin.wire.intake.cloudevents.attributes import Unfit, checked, from_headers
from tocsin.wire.intake.cloudevents.content import enclosed
from tocsin.wire.intake.cloudevents.content import read as read_content
from tocsin.wire.intake.cloudevents.events import event_of
from tocsin.wire.intake.format import Accepted, Answer, Format
from tocsin.wire.intake.identified import Identified, Identity
from tocsin.wire.intake.incoming import Incoming, read
from tocsin.wire.intake.strict import Flaw, Loaded, load

__all__ = ["BATCHED", "STRUCTURED", "format_of"]

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
_PREFIX: Final = "application/cloudevents"

type _Said = Callable[[], tuple[Mapping[str, Any], Loaded]]
"""Says an event's attributes and its data, or raises what is wrong with them."""


def format_of(content_type: str | None, headers: Iterable[tuple[str, str]]) -> Format:
    """Return the format of a request with these headers."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == BATCHED:
        return Format(frozenset({BATCHED}), _batch, _answer)
    if media_type.startswith(_PREFIX):  # those that are no JSON are refused by their media type
        return Format(frozenset({STRUCTURED}), _structured, _answer)
    named = list(headers)

    def binary(body: bytes, *, partial: bool) -> Incoming:
        return _binary(body, content_type, named, partial=partial)

    return Format(None, binary, _answer)


def _binary(
    body: bytes, content_type: str | None, headers: Sequence[tuple[str, str]], *, partial: bool
) -> Incoming:
    if not any(name.lower().startswith("ce-") for name, _ in headers):
        raise UnsupportedMedia(
            f"send a CloudEvent: as Content-Type: {STRUCTURED}, several as {BATCHED}, or with its "
            "attributes as headers (ce-specversion, ce-id, ce-source, ce-type)"
        )
    content = read_content(body, content_type)

    def said() -> tuple[Mapping[str, Any], Loaded]:
        return from_headers(headers) | {"datacontenttype": content_type}, content

    return _read([said], content, batch=False, partial=partial)


def _structured(body: bytes, *, partial: bool) -> Incoming:
    loaded = load(body)
    if isinstance(loaded.value, list):
        raise Malformed(f"a list of events is a batch: send Content-Type: {BATCHED}")
    return _read([_enclosed(loaded.value)], loaded, batch=False, partial=partial)


def _batch(body: bytes, *, partial: bool) -> Incoming:
    loaded = load(body)
    if isinstance(loaded.value, Flaw):
        raise Malformed(loaded.value.reason)
    if not isinstance(loaded.value, list):
        raise Invalid([{"field": "body", "message": "Expected array"}])
    if len(loaded.value) > MAX_EVENTS_PER_BATCH:
        return read(loaded.value, loaded)  # which refuses it
    said = [_enclosed(each) for each in loaded.value]
    return _read(said, loaded, batch=True, partial=partial)


def _enclosed(envelope: Any) -> _Said:
    def said() -> tuple[Mapping[str, Any], Loaded]:
        if not isinstance(envelope, dict):
            reason = envelope.reason if isinstance(envelope, Flaw) else "Expected object"
            raise Unfit("", reason)
        attributes = {n: each for n, each in envelope.items() if n not in ("data", "data_base64")}
        content_type = attributes.get("datacontenttype")
        return attributes, enclosed(
            envelope, content_type if isinstance(content_type, str) else None
        )

    return said


def _read(said: Sequence[_Said], loaded: Loaded, *, batch: bool, partial: bool) -> Identified:
    """Return the events of a request; ``loaded`` is what is known of its body."""
    events: list[Any] = []
    identities: list[Identity | None] = []
    guessed: set[int] = set()
    known = Loaded(plain=loaded.plain, flawed=loaded.flawed, astral=loaded.astral)
    for place, one in enumerate(said):
        identity = None
        try:
            attributes, content = one()
            found = checked(attributes)
            event, guess = event_of(found, content.value)
        except (Unfit, Malformed, TooLarge) as error:
            event = _unfit(error)
            known.flawed = True
        else:
            identity = Identity(str(found["source"]), str(found["id"]))
            known.plain = known.plain and content.plain
            known.flawed = known.flawed or content.flawed
            known.astral = known.astral or content.astral
            if guess:
                guessed.add(place)
        events.append(event)
        identities.append(identity)
    incoming = read(events, known, batch=batch, partial=partial)
    return Identified(
        events=incoming.events,
        rejected=incoming.rejected,
        ignored=incoming.ignored,
        plain=incoming.plain,
        batch=batch,
        identities=[each for at in incoming.places if (each := identities[at]) is not None],
        guessed=frozenset(guessed),
    )


def _unfit(error: Unfit | Malformed | TooLarge) -> Any:
    """Return what stands in the place of no event, and is refused for its reason."""
    if isinstance(error, Unfit):
        flaw = Flaw(error.reason)
        return {error.name: flaw} if error.name else flaw
    return {"data": Flaw(str(error))}


def _answer(incoming: Incoming) -> Answer:
    count = len(incoming.events)
    rejected: dict[str, Any] = {"rejected": len(incoming.rejected)}
    if incoming.rejected:
        rejected["errors"] = [
            {"index": rejection.index, "details": rejection.details}
            for rejection in incoming.rejected
        ]
    rest = orjson.dumps(rejected)[1:-1]

    def answer(accepted: Accepted) -> bytes:
        new = count - accepted.duplicates
        told = b'{"data":{"ingested":%d,"duplicates":%d,' % (new, accepted.duplicates) + rest
        if accepted.suspended:
            told += b',"suspended":true'
        return told + b'},"meta":{"remainingQuota":%d}}' % accepted.quota_left

    return answer
