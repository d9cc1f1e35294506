"""Runs of an agent framework that have begun, until they end: bounded, whatever never ends."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from time import monotonic
from typing import Any, Final

__all__ = ["Run", "Runs"]

_MAX_RUNS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run since it began."""

    root: str
    parent: str | None
    session: str | None
    names: dict[str, Any]
    input: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=monotonic)

    @property
    def latency_ms(self) -> float:
        """How long it has taken so far."""
        return round((monotonic() - self.started) * 1_000, 3)


class Runs:
    """By their ids; for any threads."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._lock = Lock()

    def begin(
        self,
        id: str,
        parent: str | None,
        names: dict[str, Any],
        session: str | None = None,
        input: Any = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Take note of a run; its root and session are its parent's, unless it has none."""
        with self._lock:
            above = self._runs.get(parent or "")
            root = above.root if above else parent or id
            session = session or (above.session if above else None)
            self._runs[id] = Run(root, parent, session, names, input, metadata or {})
            while len(self._runs) > _MAX_RUNS:
                self._runs.popitem(last=False)

    def end(self, id: str) -> Run | None:
        """Return a run that ends; None: it is not known."""
        with self._lock:
            return self._runs.pop(id, None)
