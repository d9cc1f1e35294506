"""An org's sealed events, made up."""

from collections.abc import Iterable, Mapping
from typing import Any

from tocsin.domain.detect.finding import Finding
from tocsin.domain.detect.fold import Fold
from tocsin.domain.times import iso_ms, time_ms

START_MS = 1_780_272_000_000  # a Monday, 00:00 UTC

type Sealed = tuple[int, Mapping[str, Any]]


def call(at_ms: int, **fields: Any) -> dict[str, Any]:
    """Return an event that was received at a time; None leaves a field out."""
    event = {
        "type": "tool_call",
        "received_at": iso_ms(at_ms),
        "timestamp": iso_ms(at_ms),
        "source": "client",
        "action": "allow",
        "agent_id": "a",
        "server_id": "db",
        "tool_name": "read",
        **fields,
    }
    return {name: value for name, value in event.items() if value is not None}


class Watch:
    """Folds events, as they are sealed a moment after they were received."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.org = b""
        self.findings: list[Finding] = []
        self.seq = 0
        self._fold = self._begin()

    def _begin(self) -> Fold:
        return Fold(self.org, lambda key: self.states.get(key, b""))

    def see(self, events: Iterable[Mapping[str, Any]], *, sealed_at_ms: int | None = None) -> None:
        """Take events."""
        for event in events:
            self.seq += 1
            at_ms = _received_ms(event) + 50 if sealed_at_ms is None else sealed_at_ms
            self._fold.take(self.seq, at_ms, event)

    def wait(self, until_ms: int) -> None:
        """Let time pass."""
        while self._fold.let_pass(until_ms):
            pass

    def cut(self) -> None:
        """End the run, and begin another one from what is stored."""
        self.findings += self._fold.findings
        self.states |= self._fold.changed()
        self.org = self._fold.org.pack()
        self._fold = self._begin()

    @property
    def found(self) -> list[Finding]:
        """What was found."""
        return self.findings + self._fold.findings

    @property
    def kinds(self) -> list[str]:
        """The kinds of what was found."""
        return [str(each.evidence.kind) for each in self.found]


def _received_ms(event: Mapping[str, Any]) -> int:
    return time_ms(event["received_at"]) or 0


def steady(minutes: int, per_minute: int = 5, start_ms: int = START_MS, **fields: Any) -> list[Any]:
    """Return calls that come evenly, each with arguments of its own."""
    apart_ms = 60_000 // per_minute
    return [
        call(start_ms + number * apart_ms, request={"path": str(number)}, **fields)
        for number in range(minutes * per_minute)
    ]
