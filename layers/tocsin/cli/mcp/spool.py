"""Events on disk until Tocsin has them: bounded, in order, and safe against ``kill -9``.

::

    $TOCSIN_HOME/spool/<target>/          one folder a URL and org, so that no event goes elsewhere
        <run>/                            one folder a relay
            lock                          held (flock) while that relay lives
            begun                         the calls that have not ended: a line when one begins,
                                          and one when it has ended; an event that ends one has
                                          its number behind it, after a tab
            00000002.open                 grows by one line an event
            00000001.batch                never changes: the body of one request, and its name the
                                          idempotency key
        refused/                          batches that Tocsin will never take

A batch is cut by renaming a file, and forgotten by removing it once Tocsin has taken it. Whatever
dies in between, what remains is sent again as the same bytes under the same key, and is stored
once (Tocsin remembers a key for 24 hours). Calls that had begun then are sent as unanswered.
Nothing is synced to the disk: a killed process loses nothing, a power cut may.
"""

import time
from collections import deque
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from threading import Condition

from tocsin.cli.mcp.folder import Folder, abandoned
from tocsin.domain.limits import MAX_EVENTS_PER_BATCH

__all__ = ["Spool", "SpooledBatch", "target_folder"]

_BATCH_BYTES = 256 * 1024  # within Tocsin's limits however badly it compresses


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """One request's events, as they are on disk."""

    path: Path
    key: str
    events: tuple[bytes, ...]
    size_bytes: int


def target_folder(root: Path, url: str, api_key: str) -> Path:
    """Return the folder below ``root`` for what goes to one URL and one org."""
    prefix, _, rest = api_key.partition("_")
    org = rest.partition("_")[0] if prefix == "tocsin" else api_key
    return root / sha256(f"{url}\n{org}".encode()).hexdigest()[:16]


class Spool:
    """The events of one relay, and those that dead relays left; for two threads.

    One thread appends, the other takes batches. Neither waits for more than a file operation.
    """

    def __init__(self, target: Path, max_bytes: int) -> None:
        """Lock a new folder in ``target`` and adopt the folders whose relay is dead.

        ``max_bytes`` bounds what this relay keeps, including what it adopts and what was refused.

        Raises:
            OSError: The folder can't be made.
        """
        self._target = target
        self._max_bytes = max_bytes
        self._changed = Condition()
        self._own = Folder.create(target, f"{time.time_ns():020d}-{token_hex(6)}")
        self._folders = [*abandoned(target, but=self._own), self._own]
        self._sealed = deque(path for folder in self._folders for path in folder.batches())
        kept = [*self._sealed, *target.glob("refused/*")]
        self._size_bytes = sum(path.stat().st_size for path in kept)
        self._open_events = self._open_bytes = 0  # in the file that grows
        self._finished = False
        self._begun: dict[int, int] = {}  # bytes of the calls that have not ended
        self._begun_bytes = 0
        self.dropped = 0
        self.pending = sum(path.read_bytes().count(b"\n") for path in self._sealed)

    @property
    def path(self) -> Path:
        """Where the events are."""
        return self._target

    def begin(self, number: int, event: bytes) -> None:
        """Keep what is recorded of a call if this process dies before its event is appended.

        What is said of a call later takes the place of what was said before. Calls beyond the
        bound are not kept so; they count when they end.

        Raises:
            OSError: The disk refuses it.
        """
        with self._changed:
            self._begun_bytes += len(event) - self._begun.get(number, 0)
            self._begun[number] = len(event)
            if self._size_bytes + self._begun_bytes <= self._max_bytes:
                self._own.begin(number, event)

    def append(self, event: bytes, number: int | None = None) -> bool:
        """Keep one event (JSON on one line); return False if it had to be dropped.

        ``number`` is that of the call that has begun and ends with this event.

        Raises:
            OSError: The disk refuses it; the event is dropped, too.
        """
        line = event + (b"\n" if number is None else b"\t%d\n" % number)
        with self._changed:
            try:
                return self._append(line)
            finally:
                if number is not None:
                    self._begun_bytes -= self._begun.pop(number, 0)
                    self._own.end(number)

    def _append(self, line: bytes) -> bool:
        if self._size_bytes + len(line) > self._max_bytes:
            self.dropped += 1
            return False
        if self._open_events == MAX_EVENTS_PER_BATCH or self._open_bytes + len(line) > _BATCH_BYTES:
            self._seal()
        try:
            self._own.append(line)
        except OSError:
            self.dropped += 1
            raise
        self._open_events += 1
        self._open_bytes += len(line)
        self._size_bytes += len(line)
        self.pending += 1
        self._changed.notify()
        return True

    def take(self) -> SpooledBatch | None:
        """Return the oldest batch, waiting for one; it stays until it is removed or refused.

        Return None when there is none and :meth:`finish` was called.

        Raises:
            OSError: Somebody took the folder away.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._sealed or self._open_events or self._finished)
            if not self._sealed:
                self._seal()
            path = self._sealed[0] if self._sealed else None
        if path is None:
            return None
        content = path.read_bytes()
        *lines, _torn = content.split(b"\n")
        events = [line.partition(b"\t")[0] for line in lines]  # JSON has no raw tab in it
        return SpooledBatch(path, f"{path.parent.name}-{path.stem}", tuple(events), len(content))

    def remove(self, batch: SpooledBatch) -> None:
        """Forget a batch that Tocsin has."""
        self._leave(batch, batch.size_bytes)
        batch.path.unlink(missing_ok=True)

    def refuse(self, batch: SpooledBatch) -> Path:
        """Set aside a batch that Tocsin will never take; return its path. It still counts."""
        refused = self._target / "refused" / f"{batch.key}.jsonl"
        refused.parent.mkdir(mode=0o700, exist_ok=True)
        self._leave(batch, 0)
        batch.path.write_bytes(b"".join(b"%b\n" % event for event in batch.events))
        return batch.path.rename(refused)

    def finish(self) -> None:
        """Say that nothing will be appended any more."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Remove the folders that are empty; the next relay sends what is in the others."""
        with self._changed:
            self._seal()
            for folder in self._folders:
                folder.close()

    def _leave(self, batch: SpooledBatch, freed_bytes: int) -> None:
        with self._changed:
            self._sealed.popleft()
            self._size_bytes -= freed_bytes
            self.pending -= len(batch.events)

    def _seal(self) -> None:
        if self._open_events:
            self._sealed.append(self._own.seal())
            self._open_events = self._open_bytes = 0
