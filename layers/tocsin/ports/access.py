"""Keys and what stands for them, and how often they may be used."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tocsin.domain.batch import Batch
from tocsin.domain.keys import ApiKey
from tocsin.domain.passes import Kind, Pass

__all__ = ["KeyRing", "Keys", "Passes", "Rates", "SignInFailures", "SignInWrites"]


class Keys(Protocol):
    """The API keys, hashed."""

    def get(self, org: str, key_id: str) -> ApiKey | None:
        """Return a key, strongly consistent."""

    def put(self, key: ApiKey) -> None:
        """Create or replace a key."""

    def all(self, org: str) -> Sequence[ApiKey]:
        """Return the keys of an org, revoked ones included, by creation."""


class KeyRing(Protocol):
    """The API keys, as they are changed with the event that tells of it."""

    def write(
        self, key: ApiKey, was: str, batch: Batch, packed: bytes, new: ApiKey | None = None
    ) -> bool:
        """Write a key, a new one of the same org if there is one, and the batch that tells of it.

        Returns:
            False: there is such a key, and it is another one, or revoked, or the change before is
                not ``was`` (any more); and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class Passes(Protocol):
    """Sign-ins and tickets, by the SHA-256 of their tokens.

    One that has expired is removed some time later, and returned until then.
    """

    def put(self, each: Pass) -> None:
        """Store a pass."""

    def get(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        """Return a pass, strongly consistent."""

    def take(self, kind: Kind, org: str, digest: bytes) -> Pass | None:
        """Remove a pass and return it. Of several who take the same at once, one gets it."""


class SignInWrites(Protocol):
    """The sign-ins, as they are changed with the events that tell of it."""

    def write(
        self, new: Pass | None, old: Pass | None, told: Sequence[tuple[Batch, bytes]]
    ) -> bool:
        """Store a sign-in, remove another, and put batches into the journal: all, or nothing.

        Returns:
            False: ``new`` is there, or ``old`` is not (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class SignInFailures(Protocol):
    """How often signing in with an org's keys has failed in an hour (``2026-11-27T14``)."""

    def get(self, org: str, hour: str) -> Mapping[str, int]:
        """Return what was told, by key id, strongly consistent."""

    def write(
        self,
        org: str,
        hour: str,
        was: Mapping[str, int],
        now: Mapping[str, int],
        batch: Batch,
        packed: bytes,
    ) -> bool:
        """Write what was told, and put the batch that tells of the last into the journal.

        Returns:
            False: it is not as it ``was`` (any more), and nothing was written.

        Raises:
            Busy: nothing was written.
            OutcomeUnknown: it may or may not have been written.
        """


class Rates(Protocol):
    """How many requests a key has made in a minute (of Unix time)."""

    def take(self, org: str, key_id: str, minute: int, limit: int) -> bool:
        """Count a request; False, counting nothing, where there were ``limit``.

        One whose answer was lost may be counted again.

        Raises:
            Busy: it is not known.
        """
