"""The journal, the ledger, and how its readers are told."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from tocsin.domain.batch import Batch, StoredBatch, UnreadableBatch
from tocsin.domain.segment import Head, Markers, SealedEvent, Segment
from tocsin.domain.set_aside import SetAsideItem
from tocsin.domain.stretches import Made

__all__ = ["Broker", "Feed", "Journal", "Ledger", "SetAside", "Summaries"]


class Journal(Protocol):
    """What was received, as received: one item per batch, never updated."""

    def put(self, batch: Batch, packed: bytes) -> None:
        """Store a batch (``packed`` is its entries packed), unless one with its id is stored.

        Raises:
            Busy: nothing was stored.
            OutcomeUnknown: the store stopped answering, it may or may not have been stored.
        """

    def get(self, org: str, batch_ids: Sequence[str]) -> Mapping[str, Batch | UnreadableBatch]:
        """Return those of the batches that exist, by id, strongly consistent.

        Each is unpacked when it is taken out: all together can be a hundred times their stored
        size.
        """

    def between(self, org: str, after_id: str, until_id: str, limit: int) -> Sequence[StoredBatch]:
        """Return up to ``limit`` batches with ``after_id < id <= until_id``, in id order."""

    def opened(self, org: str, events: Sequence[SealedEvent]) -> Sequence[SealedEvent]:
        """Return events of it, verified, as their readers may see them: what is in them, opened.

        Raises:
            Busy: the store of what opens them does not answer.
        """
        return events


class Ledger(Protocol):
    """The order and the proof: one segment per seal."""

    def head(self, org: str) -> Head:
        """Return the head, strongly consistent."""

    def first_seqs(self, org: str, batch_ids: Iterable[str]) -> Mapping[str, int]:
        """Return the first seq of those batches that are sealed, strongly consistent."""

    def markers(self, org: str, batch_ids: Iterable[str]) -> Markers:
        """Return the markers of those batches that are sealed, strongly consistent."""

    def commit(
        self, segment: Segment, previous: Head, counts: Mapping[int, int] | None = None
    ) -> None:
        """Append a segment with its batches' markers, and a time mark when its minute is new.

        ``counts`` are :attr:`Markers.counts` of the segment's batches as they were read. Markers
        may become visible after the segment that they belong to, so that who reads in between
        would seal a batch again.

        Raises:
            HeadMoved: a segment with this first seq exists, or markers were added since they were
                read; nothing was written.
        """

    def segments(self, org: str, from_seq: int, limit: int) -> Sequence[Segment]:
        """Return up to ``limit`` segments in order, from the one that holds ``from_seq``.

        Strongly consistent. Fewer than ``limit`` are returned only at the end of the ledger.
        """

    def segments_before(self, org: str, until_seq: int, limit: int) -> Sequence[Segment]:
        """Return up to ``limit`` segments, newest first, from the one that holds ``until_seq``.

        Beyond the head it is the last one. Strongly consistent. Fewer than ``limit`` are returned
        only at the beginning of the ledger.
        """

    def all_markers(self, org: str) -> Iterator[tuple[str, int]]:
        """Yield the batch id and the first seq of every marker, page by page."""

    def all_marks(self, org: str) -> Iterator[tuple[int, int]]:
        """Yield every marked minute and the first seq sealed in it, ascending, page by page."""

    def first_sealed(self, org: str, minute: int) -> int | None:
        """Return the first seq sealed in a minute (of Unix time) or after it; None: none yet.

        Strongly consistent, and one query however long the ledger is.
        """


class SetAside(Protocol):
    """The list of poisoned journal items."""

    def add(self, item: SetAsideItem) -> bool:
        """Put an item on the list; False, changing nothing, when it is there already."""

    def all(self, org: str) -> Sequence[SetAsideItem]:
        """Return an org's list, by batch id."""


class Summaries(Protocol):
    """What stretches of the ledgers may hold: derived from them, and not needed to read them.

    So a summary may be missing, and one that is read may be of before.
    """

    def get(self, org: str, level: int, numbers: range) -> Mapping[int, bytes]:
        """Return those of some adjacent stretches' summaries that exist, by number."""

    def put(self, org: str, level: int, number: int, summary: bytes) -> None:
        """Store a summary."""

    def made(self, org: str) -> Made:
        """Return how far an org's summaries are made, strongly consistent."""

    def set_made(self, org: str, made: Made) -> None:
        """Remember how far they are."""


class Broker(Protocol):
    """Tells the stream services what was just sealed. Best effort: the ledger is the truth."""

    def publish(self, org: str, message: bytes) -> None:
        """Publish to the org's channel.

        Raises:
            Busy: the broker is out of reach; nobody was told.
        """


class Feed(Protocol):
    """The other end of :class:`Broker`."""

    def messages(self, org: str) -> AsyncIterator[bytes | None]:
        """Yield what is published to the org's channel from now on, for ever.

        ``None`` says that messages may have been missed: once at the subscription, and again after
        each interruption. It does not raise when the broker is gone; it keeps trying.
        """
