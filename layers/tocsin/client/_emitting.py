"""Emitting, as both clients do: by a thread of their own, which needs no event loop."""

from collections.abc import Mapping
from typing import Any

from tocsin.client._emitter import Emitter

__all__ = ["Emitting"]


class Emitting:
    """A client's methods of emitted events that don't wait."""

    _emitter: Emitter

    def emit(self, event: Mapping[str, Any]) -> None:
        """Send an event some time soon: with 99 others, or after 100 ms. Never waits or raises.

        Emitted events are sent in their order by a thread of this client, and each request is
        repeated until it is stored or refused. Up to 10,000 events (64 MB) wait meanwhile; more are
        dropped, the newest first. Valid events are stored even if others in their request are not;
        an event with which Tocsin breaks each time, while it takes others, is given up.
        What is still waiting when the program ends is sent within 5 seconds, or lost. A signal that
        ends the process at once, as SIGTERM does unless it is handled, is no end in this sense.
        """
        self._emitter.emit(event)

    @property
    def dropped(self) -> int:
        """How many emitted events were not sent: no room, not JSON, or no time at the end."""
        return self._emitter.dropped

    @property
    def ignored_fields(self) -> frozenset[str]:
        """Fields of emitted events that no event has, 100 names at most: they are not stored."""
        return self._emitter.ignored_fields

    @property
    def refused(self) -> int:
        """How many emitted events Tocsin refused, or could not be brought to take."""
        return self._emitter.refused
