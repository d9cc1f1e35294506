"""Exporting a log: page by page, each checked before it is written, from where the folder ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.cli._exported import Writing
from tocsin.cli._failure import USAGE, Failure
from tocsin.cli._output import escaped
from tocsin.client._log import LogReader
from tocsin.domain.merkle import Peaks
from tocsin.wire.log.auditing import Audit, org_of
from tocsin.wire.log.beginnings import beginning
from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat
from tocsin.wire.log.findings import Finding, Kind, Known
from tocsin.wire.log.lines import MAX_LINE_BYTES
from tocsin.wire.log.notes import Note
from tocsin.wire.log.policies import Trusted

__all__ = ["Done", "Exporting"]

_NONE_YET: Final = "no checkpoint covers that yet: one is made within a minute of a new event"


@dataclass(frozen=True, slots=True)
class Done:
    """What is in the folder now; ``new`` are the events of this run."""

    first_seq: int
    last_seq: int
    new: int
    fault: Finding | None = None


class Exporting:
    """One run. Signatures are looked at by nobody here: whom to trust, the reader says later."""

    def __init__(self, log: LogReader, writing: Writing, tell: Callable[[int], None]) -> None:
        """Call ``tell`` with the last seq that is written, after each page."""
        self._log = log
        self._writing = writing
        self._tell = tell

    def __call__(self, first: int | None, last: int | None) -> Done:
        """Write from an event, or where the folder ends, to a checkpoint that covers another.

        Raises:
            Failure: What is there can't be gone on with, or there is no such checkpoint.
            ApiError, httpx.TransportError: as :class:`.LogReader` does.
            OSError: The folder can't be written.
        """
        note = self._log.checkpoint() if last is None else self._log.checkpoint_covering(last)
        if note is None:
            raise Failure(_NONE_YET)
        new = _known(note, "of this export")
        before = self._begun(first, new.checkpoint.size)
        known = self._before_and(new)
        audit = Audit(org_of(new.checkpoint.origin), known, before)
        size_bytes = 0
        for line in self._writing.lines():
            if line.endswith(b"\n") or len(line) > MAX_LINE_BYTES:
                audit.take(line.removesuffix(b"\n"))
                size_bytes += len(line)
        there = audit.last_seq
        faults = audit.report(there).broken
        if not faults:
            self._writing.cut(size_bytes)
            self._read(audit, new.checkpoint.size)
            faults = audit.report(new.checkpoint.size).broken
        if not faults and last is None and known[0].checkpoint.size > new.checkpoint.size:
            reason = f"the log shows {new} now, and before it showed {known[0]}"
            faults = [Finding(Kind.CUT, reason, new.checkpoint.size + 1, known[0].checkpoint.size)]
        self._end(note, new, known, faults)
        fault = faults[0] if faults else None
        return Done(audit.first_seq, audit.last_seq, audit.last_seq - there, fault)

    def _begun(self, first: int | None, size: int) -> Peaks:
        """Return the tree before the first event of the folder, which is made if it is not."""
        writing = self._writing
        is_new = not writing.entries.stat().st_size
        if is_new and first is not None and first > 1:
            try:
                writing.put_beginning(beginning(first - 1, size, self._log.tile))
            except BadFormat as error:
                raise Failure(f"--from {first}: {error}", USAGE) from error
        before = writing.beginning()
        if first not in (None, before.size + 1):
            raise Failure(
                f"{writing.folder} begins with seq {before.size + 1}: export to another folder",
                USAGE,
            )
        return before

    def _before_and(self, new: Known) -> list[Known]:
        """Return the checkpoint of the last run, if there is one, and the new one."""
        note = self._writing.note()
        if note is None:
            return [new]
        old = _known(note, str(self._writing.checkpoint))
        if old.checkpoint.origin != new.checkpoint.origin:
            raise Failure(
                f"{self._writing.folder} is of the log {escaped(old.checkpoint.origin)}, and this"
                f" is {escaped(new.checkpoint.origin)}: export to another folder",
                USAGE,
            )
        return [old, new]

    def _read(self, audit: Audit, until_seq: int) -> None:
        """Write what the log has from where the folder ends to a seq; stop where it breaks."""
        for page in self._log.pages(audit.last_seq + 1, until_seq):
            fits = _taken(audit, page)
            if fits:
                self._writing.append(page[:fits])
                self._tell(audit.last_seq)
            if fits < len(page):
                return

    def _end(self, note: bytes, new: Known, known: list[Known], faults: list[Finding]) -> None:
        """Write the checkpoint: by another name if it does not fit, so that none is lost."""
        if faults:
            self._writing.put_checkpoint(note, str(new.checkpoint.size))
        elif known[0].checkpoint.size <= new.checkpoint.size:
            self._writing.put_checkpoint(note)
        if (keys := self._log.keys()) is not None:
            self._writing.put_keys(keys)


def _known(note: bytes, name: str) -> Known:
    """Return what a checkpoint says, as if it were trusted.

    Raises:
        Failure: It is none.
    """
    try:
        checkpoint = Checkpoint.read(Note.read(note).text)
    except BadFormat as error:
        raise Failure(f"the checkpoint {name} is none: {error}") from error
    return Known(name, Trusted(checkpoint, ()))


def _taken(audit: Audit, page: Sequence[bytes]) -> int:
    """Return how many lines of a page go on from what was before."""
    for place, line in enumerate(page):
        before = audit.last_seq
        audit.take(line)
        if audit.last_seq == before:
            for more in page[place + 1 :]:
                audit.take(more)  # which tell what was done there
            return place
    return len(page)
