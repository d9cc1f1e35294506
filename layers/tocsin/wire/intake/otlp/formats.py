"""The formats of OTLP: three signals, in two encodings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, override

from tocsin.domain.errors import TooLarge
from tocsin.wire.intake.format import Format
from tocsin.wire.intake.incoming import Incoming, read
from tocsin.wire.intake.made import made
from tocsin.wire.intake.otlp import answers
from tocsin.wire.intake.otlp.events import event_of, source_of
from tocsin.wire.intake.otlp.record import Record, Source
from tocsin.wire.intake.strict import Flaw, Loaded

__all__ = ["JSON", "PROTOBUF", "Observed", "Signal", "format_of"]

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"


class Signal(StrEnum):
    """What a request brings; its path is ``/v1/<signal>``."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


_REJECTED: Final = {
    Signal.TRACES: "rejectedSpans",
    Signal.LOGS: "rejectedLogRecords",
    Signal.METRICS: "rejectedDataPoints",
}


@dataclass(slots=True)
class Observed(Incoming):
    """Events of records; ``guessed`` are the places of those whose agent is a guess.

    A guess yields to what a key says: an exporter's ``service.name`` need not be the agent's id.
    """

    guessed: frozenset[int] = frozenset()

    @override
    def belong_to(self, agent: str, *, partial: bool) -> None:
        """As :meth:`Incoming.belong_to`, and the guessed ones are the agent's."""
        for place, event in zip(self.places, self.events, strict=True):
            if place in self.guessed:
                event["agent_id"] = agent
        Incoming.belong_to(self, agent, partial=partial)


def format_of(
    signal: Signal, media_type: str, counted: Callable[[int], None] = lambda _: None
) -> Format:
    """Return a signal's format in one of the two encodings.

    ``counted`` is told how many data points there are in a request, which are not stored.
    """
    protobuf = media_type == PROTOBUF

    def parse(body: bytes, *, partial: bool) -> Incoming:
        if signal is Signal.METRICS:
            counted(_reader(protobuf).data_points(body))
            return Incoming()
        reader = _reader(protobuf)
        records = reader.spans(body) if signal is Signal.TRACES else reader.logs(body)
        return _observed(records, partial=partial)

    def answer(incoming: Incoming) -> Any:
        if protobuf:
            return answers.as_protobuf(incoming)
        return answers.as_json(_REJECTED[signal], incoming)

    def once(body: bytes) -> str:
        return f"otlp-{signal}-{sha256(body).hexdigest()}"

    return Format(frozenset({PROTOBUF if protobuf else JSON}), parse, answer, once)


def _reader(protobuf: bool) -> Any:
    """Return the module of an encoding: protobuf's takes long to import."""
    if protobuf:
        from tocsin.wire.intake.otlp import from_protobuf

        return from_protobuf
    from tocsin.wire.intake.otlp import from_json

    return from_json


def _observed(records: Iterator[Record | Flaw], *, partial: bool) -> Observed:
    events: list[Any] = []
    guessed: set[int] = set()
    loaded = Loaded()
    source: Source | None = None
    said: dict[str, Any] = {}
    for place, record in enumerate(records):
        event: Any = record
        if isinstance(record, Record):
            try:
                if record.source is not source:  # the next ones are of the same
                    source, said = record.source, _carried(source_of(record.source), loaded)
                fields, guess = event_of(record)
                event = _carried(fields, loaded)
            except TooLarge as error:
                event = Flaw(str(error))
            else:
                event["metadata"] |= said
                if guess:
                    guessed.add(place)
        loaded.flawed = loaded.flawed or isinstance(event, Flaw)
        events.append(event)
    found = read(events, loaded, partial=partial)
    return Observed(
        events=found.events,
        rejected=found.rejected,
        ignored=found.ignored,
        plain=found.plain,
        batch=True,
        guessed=frozenset(guessed),
    )


def _carried(value: dict[str, Any], loaded: Loaded) -> dict[str, Any]:
    """Return a value as I-JSON can carry it; what is to know of it is added to ``loaded``."""
    one = made(value)
    loaded.plain = loaded.plain and one.plain
    loaded.astral = loaded.astral or one.astral
    carried: dict[str, Any] = one.value
    return carried
