"""What is derived from the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from tocsin.domain.projection import Change, Item, Projected

__all__ = ["Projections", "Tails"]


class Projections(Protocol):
    """Items derived from the ledger; each knows through which run it has been told.

    There are generations of them, numbered from 0: one is served, and a next one may be made.
    """

    def cursor(self, org: str, generation: int | None = None) -> Projected:
        """Return how far an org is projected into a generation, strongly consistent.

        None: into the one that is served.
        """

    def claim(self, org: str, cursor: Projected, run: Projected) -> bool:
        """Claim a run; False, changing nothing, when the org is not at ``cursor`` any more.

        ``run`` says when it is claimed.
        """

    def apply(self, org: str, run: Projected, change: Change) -> None:
        """Add what a run changes in one item, unless the item has had that run."""

    def advance(
        self, org: str, run: Projected, hash: bytes = b"", new: Mapping[str, int] | None = None
    ) -> None:
        """Record that a run is applied, the ledger's hash at its end, and its new items by kind.

        Changes nothing if that was recorded before.
        """

    def get(self, org: str, kind: str, id: str, generation: int = 0) -> Item | None:
        """Return one item: its counters, first/last seq and timestamp, and ``through_seq``."""

    def items(
        self, org: str, keys: Sequence[tuple[str, str]], generation: int
    ) -> Mapping[tuple[str, str], Item]:
        """Return those of the items that exist, by kind and id, strongly consistent."""

    def newest(
        self, org: str, kind: str, before: str, limit: int, generation: int
    ) -> Sequence[tuple[str, Item]]:
        """Return up to ``limit`` items with their ids, from the last :func:`place_of` on.

        Their places are below ``before``, if that is not empty. Fewer are returned only at the end.
        """

    def between(
        self, org: str, kind: str, first_day: str, last_day: str, generation: int
    ) -> Iterator[tuple[str, Item]]:
        """Yield the items of a kind ``day…`` from one day to another, both included, by id."""

    def calls(self, org: str, before_id: str, generation: int) -> Iterator[Item]:
        """Yield what runs kept of calls, the last run first, from ids below ``before_id`` on."""

    def remake(self, org: str) -> int:
        """Return the generation that is being made, strongly consistent; begin one if none is."""

    def serve(self, org: str, generation: int) -> None:
        """Serve the generation that is being made. Changes nothing if it is not that one."""

    def drop(self, org: str, generation: int) -> None:
        """Remove a generation's items and its cursor."""


class Tails(Protocol):
    """Has an org's projections brought up to its ledger's head a while after its events."""

    def set(self, org: str, delay_seconds: int) -> None:
        """Have an org looked at after a delay, of 900 seconds at most; perhaps twice.

        Raises:
            Busy: it may not be.
        """
