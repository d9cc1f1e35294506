"""Events that have an identity with their senders, by which each is stored once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, override

from tocsin.wire.intake.incoming import Incoming

__all__ = ["Identified", "Identity"]


class Identity(NamedTuple):
    """Who made an event, and its id there: no two events have the same."""

    source: str
    id: str


@dataclass(slots=True)
class Identified(Incoming):
    """Events with an identity each, in the same order.

    ``guessed`` are the places in the request of those whose agent is a guess: it yields to what a
    key says.
    """

    identities: list[Identity] = field(default_factory=list)
    guessed: frozenset[int] = frozenset()

    @override
    def leave_out(self, unfit: Mapping[int, str]) -> None:
        """As :meth:`Incoming.leave_out`."""
        self.identities = [each for at, each in enumerate(self.identities) if at not in unfit]
        Incoming.leave_out(self, unfit)

    @override
    def belong_to(self, agent: str, *, partial: bool) -> None:
        """As :meth:`Incoming.belong_to`, and the guessed ones are the agent's."""
        for place, event in zip(self.places, self.events, strict=True):
            if place in self.guessed:
                event["agent_id"] = agent
        Incoming.belong_to(self, agent, partial=partial)
