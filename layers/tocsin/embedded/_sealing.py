"""The journal of a file whose events are sealed as they are stored."""

from collections.abc import Callable, Sequence
from typing import override

from tocsin.domain.batch import Batch
from tocsin.domain.segment import SealedEvent
from tocsin.embedded._database import Database
from tocsin.embedded._journal import SqliteJournal
from tocsin.embedded._ledger import SqliteLedger
from tocsin.ports.world import Clock
from tocsin.services.sealing.seal import seal_batches

__all__ = ["SealingJournal"]

type Sealed = Callable[[str, Sequence[SealedEvent]], None]


class SealingJournal(SqliteJournal):
    """Batch and segment are one transaction; and so is whatever else is written in it."""

    def __init__(self, database: Database, clock: Clock, sealed: Sealed) -> None:
        """``sealed`` is told an org and its new events as soon as they are on the disk."""
        super().__init__(database)
        self._ledger = SqliteLedger(database)
        self._clock = clock
        self._sealed = sealed

    @override
    def put(self, batch: Batch, packed: bytes) -> None:
        self.append(batch, packed)

    def append(self, batch: Batch, packed: bytes) -> Sequence[SealedEvent]:
        """Store a batch, and return its events as they were sealed; none, if they had been."""
        with self._db.transaction():
            super().put(batch, packed)
            result = seal_batches(batch.org, [batch], self._ledger, self._clock)
            sealed = [event for _, run in result.fresh for event in run]
            if sealed:
                self._db.after_commit(lambda: self._sealed(batch.org, sealed))
        return sealed
