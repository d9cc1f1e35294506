"""Which events a request is for: a page from the newest on, a session, or one by its id.

Each looks first, and what it found is read then, so that what is wrong is known before anything is
returned. While it looks it yields ``b""``, so that others have their turn.
"""

from collections.abc import Generator, Iterator, Sequence

from tocsin.domain import canonical, ids
from tocsin.domain.errors import NotFound
from tocsin.domain.projection import INDEXES, Item, Projected
from tocsin.domain.segment import SealedEvent
from tocsin.ports.projections import Projections
from tocsin.services.reading.cursor import Start, resolve
from tocsin.services.reading.past import Past, common
from tocsin.services.reading.search import Search
from tocsin.services.reading.served import served
from tocsin.services.reading.since import seq_before
from tocsin.wire.filters import Filter
from tocsin.wire.page import Page
from tocsin.wire.summary import Wanted, at_ms

__all__ = ["Found", "Looking", "by_id", "of_session", "page_of", "received_since"]

KEPT_BYTES = 2 * 1024 * 1024  # of what is found, so that only the rest is read a second time
_SEQ_BITS = 53
_SEQ_MASK = (1 << _SEQ_BITS) - 1


class Found:
    """Where the events of a list are, in its order, and those that were kept when they were seen.

    ``goes_on`` is None, or else others may follow: ``before`` this seq, or ``after`` it in an
    ascending list, where ``skip`` of them are to be skipped yet.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.places: list[int] = []  # seqs, or times and seqs while they are sorted
        self.goes_on: int | None = None
        self.skip = 0
        self._kept: dict[int, SealedEvent] = {}  # of the first KEPT_BYTES
        self._kept_bytes = 0

    def add(self, event: SealedEvent, place: int) -> None:
        """Add an event."""
        self.places.append(place)
        self._kept_bytes += len(event.entry)
        if self._kept_bytes <= KEPT_BYTES:
            self._kept[event.seq] = event

    def read(self, past: Past) -> Iterator[Sequence[SealedEvent]]:
        """Yield the events, step by step.

        Raises:
            IntegrityError, Busy: as :meth:`Past.at` does.
        """
        return past.at(self.places, self._kept)


type Looking = Generator[bytes, None, Found]


def page_of(past: Past, projections: Projections | None, page: Page, now_ms: int) -> Looking:
    """Look for a page of the events, in its order of seqs.

    Raises:
        Malformed: ``after`` or ``since`` is no cursor, or ahead of the ledger.
        IntegrityError, Busy: as a :class:`Search` does.
    """
    span = _span(past, page, now_ms)
    found, forwards = Found(), page.order == "asc"
    if page.selective:
        found.skip = page.offset
        spans = _spans(projections, past.org, page.filter, span)[:: -1 if forwards else 1]
        search = Search(past, _wanted(page), spans, forwards=forwards)
        for events in search:
            for event in events[found.skip :][: page.limit - len(found.places)]:
                found.add(event, event.seq)
            found.skip = max(found.skip - len(events), 0)
            if len(found.places) == page.limit:
                break
            yield b""
        found.goes_on = search.goes_on
    elif forwards:
        first = past.first_kept(span) + page.offset
        found.places += range(first, min(first + page.limit, span.stop))
    else:
        last = span.stop - 1 - page.offset
        found.places += range(last, max(last - page.limit, span.start - 1), -1)
    if len(found.places) == page.limit:
        last = found.places[-1]
        found.goes_on = last if last != (span[-1] if forwards else span[0]) else None
    return found


def of_session(past: Past, projections: Projections | None, page: Page, now_ms: int) -> Looking:
    """Look for the events of the session that a page's filter names, by timestamp, then by seq.

    They are all of them up to where it goes on, if it was too much to look at for one request.

    Raises:
        Malformed, IntegrityError, Busy: as :func:`page_of` does.
    """
    found = Found()
    span = _span(past, page, now_ms)
    spans = _spans(projections, past.org, page.filter, span)[::-1]
    search = Search(past, _wanted(page), spans, forwards=True)
    for events in search:
        for event in events:
            found.add(event, (at_ms(canonical.parse(event.entry)) << _SEQ_BITS) + event.seq)
        yield b""
    found.goes_on = search.goes_on
    found.places.sort()
    found.places = [key & _SEQ_MASK for key in found.places]
    return found


def received_since(past: Past, since_ms: int) -> Iterator[SealedEvent]:
    """Yield the events received at ``since_ms`` or later, newest first, as far as they are kept.

    Raises:
        IntegrityError, Busy: as :meth:`Past.through` does; those before it were yielded.
    """
    span = range(
        seq_before(past.ledger, past.org, since_ms) + 1, past.ledger.head(past.org).seq + 1
    )
    for events in past.through([span] if span else []):
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


def _wanted(page: Page) -> Wanted:
    return Wanted(page.filter, page.from_ms, page.to_ms)


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
            cursor, item = _indexed(projections, org, kind, id)
            through_seq, first_seq, last_seq = cursor.through_seq, 1, 0
            if item:
                first_seq, last_seq = int(item["first_seq"]), int(item["last_seq"])
                through_seq = max(through_seq, int(item["through_seq"]))
            spans = (range(through_seq + 1, span.stop), range(first_seq, last_seq + 1))
            return [within for each in spans if (within := common(each, span))]
    return [span] if span else []


def _indexed(
    projections: Projections, org: str, kind: str, id: str
) -> tuple[Projected, Item | None]:
    """Return the cursor, and the item as it was then or later."""
    return served(projections, org, lambda at: (at, projections.get(org, kind, id, at.generation)))
