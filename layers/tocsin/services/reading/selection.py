"""Which events a request is for: a page from the newest on, a session, or one by its id.

Each looks first and then reads, so that what is wrong is known before anything is returned. What it
yields while it looks is empty.
"""

from collections.abc import Iterator, Sequence

from tocsin.domain import canonical, ids
from tocsin.domain.errors import NotFound
from tocsin.domain.projection import INDEXES
from tocsin.domain.segment import SealedEvent
from tocsin.ports import Projections
from tocsin.services.reading.cursor import Start, resolve
from tocsin.services.reading.past import Past
from tocsin.services.reading.since import seq_before, time_ms
from tocsin.wire.filters import Filter
from tocsin.wire.page import Page

__all__ = ["by_id", "newest", "of_session", "received_since"]

KEPT_BYTES = 2 * 1024 * 1024  # of what is found, so that only the rest is read a second time
_SEQ_BITS = 53
_SEQ_MASK = (1 << _SEQ_BITS) - 1


def newest(
    past: Past, projections: Projections | None, page: Page, now_ms: int
) -> Iterator[Sequence[SealedEvent]]:
    """Yield a page of the events, newest first.

    Raises:
        Malformed: ``after`` or ``since`` is no cursor, or ahead of the ledger.
        TooFar, IntegrityError, Busy: as :meth:`Past.back` does.
    """
    span = _span(past, page, now_ms)
    found = _Found()
    if not page.filter:
        last = span.stop - 1 - page.offset
        found.places += range(last, max(last - page.limit, span.start - 1), -1)
    else:
        skip = page.offset
        for events in past.back(_spans(projections, past.org, page.filter, span)):
            matching = [event for event in events if page.filter.matches(event)]
            for event in matching[skip:][: page.limit - len(found.places)]:
                found.add(event, event.seq)
            skip = max(skip - len(matching), 0)
            if len(found.places) == page.limit:
                break
            yield ()
    yield from past.at(found.places, found.kept)


def of_session(
    past: Past, projections: Projections | None, page: Page, now_ms: int
) -> Iterator[Sequence[SealedEvent]]:
    """Yield all events of the session that the page's filter names, by timestamp and then by seq.

    Raises:
        Malformed, TooFar, IntegrityError, Busy: as :func:`newest` does.
    """
    found = _Found()
    span = _span(past, page, now_ms)
    for events in past.back(_spans(projections, past.org, page.filter, span)):
        for event in events:
            if page.filter.matches(event):
                at_ms = time_ms(canonical.parse(event.entry)["timestamp"]) or 0
                found.add(event, (at_ms << _SEQ_BITS) + event.seq)
        yield ()
    found.places.sort()
    found.places = [key & _SEQ_MASK for key in found.places]
    yield from past.at(found.places, found.kept)


def received_since(past: Past, since_ms: int) -> Iterator[SealedEvent]:
    """Yield the events received at ``since_ms`` or later, newest first, as far as they are kept.

    Raises:
        TooFar, IntegrityError, Busy: as :meth:`Past.back` does; those before it were yielded.
    """
    span = range(
        seq_before(past.ledger, past.org, since_ms) + 1, past.ledger.head(past.org).seq + 1
    )
    for events in past.back([span] if span else []):
        yield from (event for event in events if (event.received_at_ms or 0) >= since_ms)


def by_id(past: Past, event_id: str, filter: Filter) -> SealedEvent:
    """Return the event with this id.

    Raises:
        NotFound: there is none in this org, or none that the filter lets through, or not any more.
        IntegrityError, Busy: as :meth:`Past.at` does.
    """
    if batch := ids.batch_of(event_id):
        batch_id, place = batch
        first_seq = past.ledger.first_seqs(past.org, [batch_id]).get(batch_id)
        if first_seq is not None:
            for events in past.at([first_seq + place]):
                for event in events:  # of the next batch, where this one has fewer
                    named = canonical.parse(event.entry)["id"] == event_id
                    if named and filter.matches(event):
                        return event
    raise NotFound("event not found")


class _Found:
    """Places (seqs, or times and seqs), and the events of the first :data:`KEPT_BYTES`."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.kept: dict[int, SealedEvent] = {}
        self._kept_bytes = 0

    def add(self, event: SealedEvent, key: int) -> None:
        self.places.append(key)
        self._kept_bytes += len(event.entry)
        if self._kept_bytes <= KEPT_BYTES:
            self.kept[event.seq] = event


def _span(past: Past, page: Page, now_ms: int) -> range:
    head_seq = past.ledger.head(past.org).seq
    start = Start(after=page.after, since=page.since)
    after_seq = resolve(past.ledger, past.org, start, head_seq, now_ms) or 0
    until_seq = head_seq if page.before is None else min(head_seq, page.before - 1)
    return range(after_seq + 1, until_seq + 1)


def _spans(
    projections: Projections | None, org: str, filter: Filter, span: range
) -> Sequence[range]:
    """Return where within a span the events of a filter can be, newest first.

    A session or an agent is known to the projections, up to some seq; beyond it can be anything.
    """
    if filter.types is not None and not filter.types:
        return []
    for kind, field in INDEXES.items():
        id = getattr(filter, field)
        if projections is not None and id is not None:
            through_seq = projections.cursor(org).through_seq  # before the item, which is later
            first_seq, last_seq = 1, 0
            if item := projections.get(org, kind, id):
                first_seq, last_seq = int(item["first_seq"]), int(item["last_seq"])
                through_seq = max(through_seq, int(item["through_seq"]))
            spans = (range(through_seq + 1, span.stop), range(first_seq, last_seq + 1))
            return [within for each in spans if (within := _common(each, span))]
    return [span] if span else []


def _common(one: range, other: range) -> range:
    return range(max(one.start, other.start), min(one.stop, other.stop))
