"""What a library's stream stands on: a log that it writes, and streams from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, override

from tocsin.adapters.clock import SystemClock
from tocsin.domain import ids
from tocsin.domain.keys import ApiKey
from tocsin.domain.segment import SealedEvent
from tocsin.embedded._database import MEMORY, Database
from tocsin.embedded._feed import LocalFeed
from tocsin.embedded._journal import SqliteJournal
from tocsin.embedded._ledger import SqliteLedger
from tocsin.embedded._sealing import SealingJournal
from tocsin.ports.world import Clock
from tocsin.services.access.presented import Authorizer, Credentials
from tocsin.services.intake.stamp import Draft, new_id
from tocsin.services.stream.parts import StreamLimits, StreamParts
from tocsin.wire import channel

__all__ = ["Log", "SqliteLog"]

LOOK_SECONDS = 1.0  # how soon it is seen what another process wrote to the file


class Log(Protocol):
    """One org's log."""

    org: str
    """The id of the org whose log it is."""

    screens: bool
    """Whether it screens what is stored itself, as its org has set it."""

    def append(self, events: Sequence[dict[str, Any]], *, plain: bool) -> Sequence[SealedEvent]:
        """Store valid events, all or none; blocks.

        Returns:
            The sealed events; empty where others seal them later.
        """

    def parts(self, authorizer: Authorizer) -> StreamParts:
        """Return the ports and limits for its stream; ``authorizer`` checks tokens."""

    def close(self) -> None:
        """Release what the log holds; it is not used after that."""


class SqliteLog(Log):
    """A log in one SQLite file, or in memory; events are sealed as they are stored.

    Several processes, and several orgs, may share a file. What one process stores is seen by the
    streams of the others within a second.
    """

    def __init__(
        self, path: str | Path = MEMORY, *, org: str = "default", clock: Clock | None = None
    ) -> None:
        """Open the file, or create it.

        Raises:
            ValueError: ``org`` is not ``[a-z0-9-]{1,64}``.
            sqlite3.Error: there is no SQLite database at ``path``, and none can be made.
        """
        if not ids.is_name(org):
            raise ValueError(f"{org!r} is not an org id: use 1 to 64 of a-z, 0-9 and -")
        self.org = org
        self.screens = False
        self.clock = clock or SystemClock()
        self.path = path if str(path) == MEMORY else Path(path).resolve()
        self._feed = LocalFeed()
        self._followers: list[Callable[[], None]] = []
        self._key = ApiKey(org, "embedded", b"", frozenset(), "embedded", 0)
        self._writing = Database(path)
        self._reading = self._writing if str(path) == MEMORY else Database(path)
        self.journal = SealingJournal(self._writing, self.clock, self._sealed)

    @override
    def append(self, events: Sequence[dict[str, Any]], *, plain: bool) -> Sequence[SealedEvent]:
        """Store in one transaction; the events are on the disk when it returns."""
        batch, packed = Draft(events, self._key, plain).stamped(new_id(self.clock.now_ms()))
        return self.journal.append(batch, packed)

    @override
    def parts(self, authorizer: Authorizer) -> StreamParts:
        return StreamParts(
            ledger=SqliteLedger(self._reading),
            journal=SqliteJournal(self._reading),
            credentials=Credentials(authorizer),
            clock=self.clock,
            feed=self._feed,
            limits=StreamLimits(look_seconds=LOOK_SECONDS),
        )

    @override
    def close(self) -> None:
        for database in {self._reading, self._writing}:
            database.close()

    @property
    def changing(self) -> Database:
        """The connection that writes the log, and what is to be one transaction with it."""
        return self._writing

    def connection(self) -> Database:
        """Return a connection for what need not be on the disk at once; the caller closes it."""
        return self._writing if self.path == MEMORY else Database(self.path, durable=False)

    def has_endpoints(self) -> bool:
        """Whether there are endpoints that events are sent to."""
        sql = "SELECT 1 FROM tocsin_endpoint WHERE org = ? AND active LIMIT 1"
        return bool(self._reading.query(sql, self.org))

    def follow(self, call: Callable[[], None]) -> None:
        """Have something called, which is quick, whenever this process has sealed events."""
        self._followers.append(call)

    def _sealed(self, org: str, sealed: Sequence[SealedEvent]) -> None:
        self._feed.publish(org, channel.encode(sealed))
        for call in self._followers:
            call()
