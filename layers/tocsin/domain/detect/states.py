"""The states of what is watched: of an agent, a tool, a model. Each takes one event at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Protocol, Self, cast

from tocsin.domain.detect.alerts import Alerts
from tocsin.domain.detect.destructive import destructive
from tocsin.domain.detect.finding import Evidence
from tocsin.domain.detect.kinds import SEVERITIES, Kind, Severity
from tocsin.domain.detect.measures import Calls, Figure, Outcomes
from tocsin.domain.detect.observed import DEFINITION, Observed
from tocsin.domain.detect.packing import join, split
from tocsin.domain.detect.rules import Denials, Hour, Loops, Note, Tools
from tocsin.domain.detect.shape import Shape
from tocsin.domain.reports import Told

__all__ = ["STATES", "Agent", "Around", "Model", "State", "Tool"]

VERSION: Final = b"\x01"
"""Of the states' bytes; what another version wrote is learned anew."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a state is told of its surroundings.

    ``new_tells``: the org is known well enough for something new in it to be told. ``least_nats``:
    how unlikely what is told has to be.
    """

    shape: Shape
    least_nats: float
    off_hours: bool
    new_tells: bool


class _Detector(Protocol):
    def pack(self) -> bytes: ...


@dataclass(slots=True)
class State:
    """What all subjects have: what was told of them, and the period in which they were counted."""

    alerts: Alerts = field(default_factory=Alerts)
    note: Note = field(default_factory=Note)

    kind: ClassVar[str] = ""

    def take(self, observed: Observed, around: Around) -> Iterator[Evidence]:
        """Take an event; yield what is unusual about it."""
        raise NotImplementedError

    def silent_at_ms(self, nats: float, shape: Shape) -> int | None:
        """Return when silence will be as unlikely as that; None: that can't be said."""
        return None

    def pack(self) -> bytes:
        """Return it as bytes."""
        detectors: list[_Detector] = [getattr(self, each.name) for each in fields(self)]
        return VERSION + join(detector.pack() for detector in detectors)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Return what :meth:`pack` wrote; of other bytes a new state."""
        try:
            parts = split(data[1:]) if data[:1] == VERSION else []
            found = {
                each.name: cast("Callable[[bytes], Any]", _factory(each).unpack)(part)
                for each, part in zip(fields(cls), parts, strict=True)
            }
        except ValueError:
            return cls()
        return cls(**found)


def _factory(each: Any) -> Any:
    return each.default_factory


@dataclass(slots=True)
class Agent(State):
    """An agent: how often it calls, with what success and at what cost, and KavachOS' rules."""

    calls: Calls = field(default_factory=Calls)
    errors: Outcomes = field(default_factory=Outcomes)
    tokens: Figure = field(default_factory=Figure)
    cost: Figure = field(default_factory=Figure)
    hour: Hour = field(default_factory=Hour)
    denials: Denials = field(default_factory=Denials)
    tools: Tools = field(default_factory=Tools)
    loops: Loops = field(default_factory=Loops)

    kind: ClassVar[str] = "agent"

    def take(self, observed: Observed, around: Around) -> Iterator[Evidence]:
        """Take an event; yield what is unusual about it."""
        if observed.begun:
            # For its silence; of spikes the tools tell.
            self.calls.see(observed.minute, observed.seq, around.shape, late=observed.late)
            yield from self._rules(observed, around)
        elif observed.earlier is not None:
            yield from self._later(observed, observed.earlier)
        yield from _of_errors(self.errors, observed)
        yield from _of_value(self.tokens, Kind.TOKEN_SPIKE, observed)
        yield from _of_value(self.cost, Kind.COST_SPIKE, observed)

    def silent_at_ms(self, nats: float, shape: Shape) -> int | None:
        """Return when its silence will be as unlikely as that; None: that can't be said."""
        minute = self.calls.rate.quiet_until(nats, shape)
        return None if minute is None else minute * 60_000

    def _rules(self, observed: Observed, around: Around) -> Iterator[Evidence]:
        at_ms, event = observed.at_ms, observed.event
        if calls := self.hour.see(at_ms, observed.seq):
            yield Evidence(
                *_kind(Kind.RAPID_FIRE),
                f"{calls} calls in an hour",
                "calls an hour",
                calls,
                threshold=Hour.MOST,
                since_ms=self.hour.since_ms,
                seqs=(self.hour.first_seq, observed.seq),
            )
        yield from self._denied(observed)
        tool = event.get("tool_name")
        if tool is None:
            return
        if self.tools.see(at_ms, tool, event.get("server_id", "")):
            kind = Kind.UNUSUAL_RESOURCE_ACCESS
            yield _by_itself(kind, "the agent's first call of this tool", observed)
        if around.off_hours:
            yield _by_itself(Kind.OFF_HOURS_ACTIVITY, "the agent is active off hours", observed)
        yield from _destructive(tool, observed)
        if (mark := observed.fingerprint()) and (loop := self.loops.see(at_ms, observed.seq, mark)):
            calls, since_ms, first_seq = loop
            yield Evidence(
                *_kind(Kind.REPEATED_CALL),
                f"the same call of {tool} {calls} times",
                "calls",
                calls,
                threshold=Loops.MOST,
                series=mark.hex(),
                since_ms=since_ms,
                seqs=(first_seq, observed.seq),
            )

    def _later(self, observed: Observed, earlier: Told) -> Iterator[Evidence]:
        """Judge what a further report of a call adds: its arguments, or that it was denied."""
        tool = observed.event.get("tool_name")
        if tool is not None and Told.ARGUED not in earlier:
            yield from _destructive(tool, observed)
        if observed.denied and Told.DENIED not in earlier:
            yield from self._denied(observed)

    def _denied(self, observed: Observed) -> Iterator[Evidence]:
        denials = self.denials
        denied = observed.denied
        reasons = observed.reasons() if denied else ""
        denials.see(observed.at_ms, observed.seq, denied=denied, reasons=reasons)
        if not denied:
            return
        if share := denials.share:
            yield Evidence(
                *_kind(Kind.HIGH_DENIAL_RATE),
                f"{share:.0%} of the calls of a day were denied",
                "share",
                share,
                threshold=Denials.SHARE,
                since_ms=denials.since_ms,
                seqs=tuple(denials.seqs),
            )
        if found := denials.escalations:
            yield Evidence(
                *_kind(Kind.PRIVILEGE_ESCALATION),
                f"{found} calls of a day were denied for their privileges",
                "denials",
                found,
                threshold=Denials.FEWEST_OF_PRIVILEGE,
                since_ms=denials.since_ms,
                seqs=tuple(denials.seqs),
            )


@dataclass(slots=True)
class Tool(State):
    """A tool of a server: how often it is called, with what success, and how long that takes."""

    calls: Calls = field(default_factory=Calls)
    errors: Outcomes = field(default_factory=Outcomes)
    latency: Figure = field(default_factory=Figure)

    kind: ClassVar[str] = "tool"

    def take(self, observed: Observed, around: Around) -> Iterator[Evidence]:
        """Take an event; yield what is unusual about it."""
        if observed.event["type"] == DEFINITION:
            yield from self._defined(observed)
            return
        if self.note.is_new and around.new_tells and observed.begun:
            yield _by_itself(Kind.NEW_TOOL, "a tool that the org never called", observed)
        judged = (
            self.calls.see(observed.minute, observed.seq, around.shape, late=observed.late)
            if observed.begun
            else None
        )
        if judged is not None:
            found, peak = judged
            yield Evidence(
                *_kind(Kind.RATE_SPIKE),
                f"{found.seen:.3g} calls a minute where {found.expected:.3g} were expected",
                "calls a minute",
                found.seen,
                found.expected,
                self.calls.threshold(judged, around.least_nats),
                peak=peak,
                since_ms=(observed.minute - found.windows + 1) * 60_000,
                seqs=(self.calls.first_seq, observed.seq),
            )
        yield from _of_errors(self.errors, observed)
        yield from _of_value(self.latency, Kind.LATENCY_SPIKE, observed)

    def _defined(self, observed: Observed) -> Iterator[Evidence]:
        metadata = observed.event.get("metadata")
        digest = metadata.get("definition_sha256") if isinstance(metadata, dict) else None
        if not isinstance(digest, str):
            return
        was, self.note.definition = self.note.definition, digest[:64]
        if was and was != self.note.definition:
            yield _by_itself(
                Kind.TOOL_DEFINITION_CHANGED,
                "the server describes the tool otherwise than before",
                observed,
                unit="definitions",
                details={"was": was, "is": self.note.definition},
            )


@dataclass(slots=True)
class Model(State):
    """A model of a provider: with what success it answers, how fast, and at what cost."""

    errors: Outcomes = field(default_factory=Outcomes)
    latency: Figure = field(default_factory=Figure)
    tokens: Figure = field(default_factory=Figure)
    cost: Figure = field(default_factory=Figure)

    kind: ClassVar[str] = "model"

    def take(self, observed: Observed, around: Around) -> Iterator[Evidence]:
        """Take an event; yield what is unusual about it."""
        if self.note.is_new and around.new_tells and observed.begun:
            what = "a model, or a provider of it, that the org never used"
            yield _by_itself(Kind.NEW_MODEL_OR_PROVIDER, what, observed)
        yield from _of_errors(self.errors, observed)
        yield from _of_value(self.latency, Kind.LATENCY_SPIKE, observed)
        yield from _of_value(self.tokens, Kind.TOKEN_SPIKE, observed)
        yield from _of_value(self.cost, Kind.COST_SPIKE, observed)


STATES: Final[dict[str, type[State]]] = {each.kind: each for each in (Agent, Tool, Model)}
"""The state of each kind of subject."""

_FIGURES: Final = {
    Kind.LATENCY_SPIKE: ("latency_ms", "ms"),
    Kind.TOKEN_SPIKE: ("tokens", "tokens"),
    Kind.COST_SPIKE: ("cost_usd", "USD"),
}


def _kind(kind: Kind) -> tuple[Kind, Severity]:
    return kind, SEVERITIES[kind]


def _by_itself(
    kind: Kind,
    description: str,
    observed: Observed,
    *,
    severity: Severity | None = None,
    unit: str = "calls",
    series: str = "",
    details: Mapping[str, str] | None = None,
) -> Evidence:
    """Return what one event shows, of which there should be none."""
    return Evidence(
        kind,
        SEVERITIES[kind] if severity is None else severity,
        description,
        unit,
        1,
        threshold=0,
        series=series,
        seqs=(observed.seq,),
        details=details or {},
    )


def _destructive(tool: str, observed: Observed) -> Iterator[Evidence]:
    if what := destructive(tool, observed.texts()):
        allowed = not observed.denied
        yield _by_itself(
            Kind.DESTRUCTIVE_PATTERN,
            f"a call that destroys: {what}" + ("" if allowed else ", denied"),
            observed,
            severity=Severity.CRITICAL if allowed else Severity.WARNING,
            series=f"{tool[:64]}:{what}",
            details={"pattern": what},
        )


def _of_errors(errors: Outcomes, observed: Observed) -> Iterator[Evidence]:
    if not observed.done or observed.denied:
        return
    judged = errors.see(observed.minute, observed.seq, failed=observed.failed)
    if judged is not None:
        found, peak = judged
        yield Evidence(
            *_kind(Kind.ERROR_RATE),
            f"{found.seen:.0%} of the last {found.windows} calls failed where "
            f"{found.expected:.1%} were expected",
            "share",
            found.seen,
            found.expected,
            peak=peak,
            seqs=tuple(errors.seqs),
        )


def _of_value(figures: Figure, kind: Kind, observed: Observed) -> Iterator[Evidence]:
    name, unit = _FIGURES[kind]
    figure = observed.figures.get(name)
    judged = None if figure is None else figures.see(figure, observed.at_ms)
    if judged is not None:
        found, peak = judged
        yield Evidence(
            *_kind(kind),
            f"{found.seen:.4g} {unit} where {found.expected:.4g} were expected",
            unit,
            found.seen,
            found.expected,
            peak=peak,
            seqs=(observed.seq,),
        )
