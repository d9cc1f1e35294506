"""Rebuild: derive an org's projections from its ledger once more, and serve those instead.

The new ones are made beside the old ones, which are served and go on until the new ones are as far.
Killed at any step, a rebuild goes on where it was when it is begun again; two at once make the same
ones.
"""

from contextlib import suppress

from tocsin.domain.errors import IntegrityError
from tocsin.domain.retention import Retention
from tocsin.ports.log import Journal, Ledger
from tocsin.ports.projections import Projections
from tocsin.services.reading import replay
from tocsin.services.sealing.project import Projector
from tocsin.services.sealing.summaries import Summariser

__all__ = ["Rebuild"]


class Rebuild:
    """The use case behind ``tocsin rebuild``."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        projections: Projections,
        projector: Projector,
        summariser: Summariser | None = None,
    ) -> None:
        """Wire the ports, and the projector and the summariser on the same ports."""
        self._ledger = ledger
        self._journal = journal
        self._projections = projections
        self._projector = projector
        self._summariser = summariser

    def expired(self, org: str, retention: Retention) -> int:
        """Return how many events at the ledger's beginning can't be counted any more.

        Raises:
            IntegrityError: the ledger can't be read.
            Busy: a store does not answer.
        """
        try:
            replay.read(self._ledger, self._journal, org, 0, limit=1, retention=retention)
        except replay.Expired as expired:
            return expired.first_seq - 1
        return 0

    def __call__(self, org: str) -> int:
        """Rebuild an org's projections, and its summaries; return the seq up to which they are.

        Raises:
            IntegrityError, Busy: as :meth:`Projector.catch_up` does; the old ones are served on,
                or the new ones already.
        """
        generation = self._projections.remake(org)
        self._projector.catch_up(org, generation, remaking=True)
        with suppress(IntegrityError):  # the old ones may be why there are new ones
            self._projector.catch_up(org, generation - 1)  # tells of the sessions that begin
        self._projections.serve(org, generation)
        # What came meanwhile may be in the old ones alone, and nothing else need come.
        self._projector.catch_up(org, generation)
        for old in range(max(0, generation - 2), generation):  # twice: writers may have been late
            self._projections.drop(org, old)
        through_seq = self._projections.cursor(org, generation).through_seq
        if self._summariser:
            self._summariser.again(org, through_seq)
        return through_seq
