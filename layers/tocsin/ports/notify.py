"""Endpoints: what people set, how far each is, what was attempted, and who wakes and sends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.deliveries import Answer, Attempt, Outgoing, Progress, Replay
from tocsin.domain.endpoints import Endpoint
from tocsin.domain.errors import UnreadableEndpoint

__all__ = ["Deliveries", "Endpoints", "Kept", "Sender", "Wakes"]


@dataclass(frozen=True, slots=True)
class Kept:
    """An endpoint, how far it is, and what it is to be sent once more, oldest first."""

    endpoint: Endpoint
    progress: Progress
    replays: tuple[Replay, ...] = ()

    def waits(self, after_seq: int) -> bool:
        """Whether resuming it, to go on after a seq (0: where it is), would change what is sent."""
        told = self.endpoint.resumed_at_ms, self.endpoint.resumed_after_seq
        noted_ms = self.progress.resumed_at_ms
        if told[0] > noted_ms and told[1] == after_seq:
            return False  # whoever sends next does so already
        return told[0] > noted_ms or self.progress.resumed(noted_ms, after_seq) != self.progress


class Endpoints(Protocol):
    """The orgs' endpoints. Every read is strongly consistent."""

    def get(self, org: str, id: str) -> Kept | None:
        """Return an endpoint.

        Raises:
            UnreadableEndpoint: it can't be read.
        """

    def every(self, org: str) -> tuple[Sequence[Kept], Sequence[UnreadableEndpoint]]:
        """Return an org's endpoints, oldest first, and those that can't be read, by their ids."""

    def all(self, org: str) -> Sequence[Kept]:
        """Return an org's endpoints, oldest first. Those that can't be read are left out."""
        return self.every(org)[0]

    def active(self, org: str) -> Sequence[str]:
        """Return the ids of an org's active endpoints: one small read."""

    def orgs(self) -> Iterable[str]:
        """Yield the orgs that have active endpoints."""

    def write(
        self,
        endpoint: Endpoint,
        was: str,
        batch: Batch,
        packed: bytes,
        progress: Progress | None = None,
        replay: Replay | None = None,
    ) -> bool:
        """Write an endpoint and the batch that tells of it, of a new one also how far it is.

        ``replay`` is a part of the ledger that is to be sent once more. All is written, or nothing;
        it counts as active for :meth:`active` from then on, or not.

        Returns:
            False: the change before it is not ``was`` (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """

    def remove(self, endpoint: Endpoint, was: str, batch: Batch, packed: bytes) -> bool:
        """Remove an endpoint, how far it is and its replays; otherwise like :meth:`write`."""

    def discard(self, org: str, id: str, batch: Batch, packed: bytes) -> bool:
        """Remove an endpoint that can't be read, as :meth:`remove` does one that can.

        Returns:
            False: it can be read, is gone or was just changed, and nothing was written.
        """

    def save(self, org: str, id: str, was: str, now: Progress) -> bool:
        """Write how far an endpoint is.

        Returns:
            False: the change before it is not ``was`` (any more), or the endpoint is gone.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """

    def save_replay(self, org: str, id: str, replay: Replay) -> None:
        """Write how far a replay is; one that was dropped stays so."""

    def drop_replay(self, org: str, id: str, replay_id: str) -> None:
        """Forget a replay; nothing happens where there is none."""


class Deliveries(Protocol):
    """What was attempted, and what was given up."""

    def put(self, org: str, endpoint_id: str, attempts: Sequence[Attempt], now_ms: int) -> None:
        """Keep attempts, in the order of their times, and those that were given up for longer."""

    def newest(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        """Return about ``limit`` attempts, newest first, from before a place on; "": the newest.

        Returns:
            The attempts, and the place before which there may be others; "": there are none.
        """

    def given_up(
        self, org: str, endpoint_id: str, before: str, limit: int
    ) -> tuple[Sequence[Attempt], str]:
        """Return the last attempts of what was given up, as :meth:`newest` does."""


class Wakes(Protocol):
    """Whoever has deliveries made."""

    def wake(
        self, org: str, ids: Sequence[str], *, delay_seconds: int = 0, slow: bool = False
    ) -> None:
        """Have these endpoints looked at together, after a delay of 900 seconds at most.

        ``slow``: beside those of all orgs that are not, so that they hold up none.

        Raises:
            Busy: perhaps not all will be.
        """


class Sender(Protocol):
    """Whoever sends a request and waits for its answer."""

    def send(self, outgoing: Outgoing) -> Answer:
        """Send a request; whatever becomes of it is an answer. Takes 15 seconds at most."""
