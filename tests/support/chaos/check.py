"""Compares what everybody got with the ledger, which is verified first."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from support.chaos.subscriber import Subscriber, digest
from support.chaos.views import View
from support.product import Product
from tocsin.domain.segment import Head, SealedEvent
from tocsin.services.reading import replay, verification
from tocsin.wire import sse

__all__ = [
    "Difference",
    "Expected",
    "at_rest",
    "compare",
    "events_of",
    "head_of",
    "unaccounted",
]


def events_of(product: Product) -> list[SealedEvent]:
    """Return everything in the ledger, each event checked against its leaf and the chain.

    Raises:
        IntegrityError: the ledger does not verify.
    """
    events: list[SealedEvent] = []
    with product.tables() as stores:
        verified = verification.verify(stores.ledger, stores.journal, product.org)
        while len(events) < verified.last_seq:
            events += replay.read(stores.ledger, stores.journal, product.org, len(events))
    if events and events[-1].hash != verified.hash:
        raise AssertionError("the ledger was read twice and is not the same")
    return events


def head_of(product: Product) -> Head:
    """Return where the ledger ends now."""
    with product.tables() as stores:
        return stores.ledger.head(product.org)


def at_rest(product: Product, accepted: int) -> int:
    """Return where the ledger ends with all of that, and with what it made Tocsin tell; 0: not yet.

    A session that begins is told by an event, once, and so is each anomaly.
    """
    with product.tables() as stores:
        head, at = stores.ledger.head(product.org), stores.projections.cursor(product.org)
        anomalies = len(stores.anomalies.newest(product.org, "", 10_000))
    whole = head.seq == at.through_seq == accepted + at.counts.get("session", 0) + anomalies
    return head.seq if whole else 0


def unaccounted(events: Iterable[SealedEvent], sent: Iterable[str]) -> list[str]:
    """Return what is wrong with the events in the ledger, by the ids that their producers gave."""
    parsed = (event.parse() for event in events)
    stored = Counter(event["source_id"] for event in parsed if event["source"] != "tocsin")
    wanted = set(sent)
    return [
        *(f"{id} was accepted and is not in the ledger" for id in wanted - stored.keys()),
        *(f"{id} is in the ledger and was not sent" for id in stored.keys() - wanted),
        *(f"{id} is in the ledger {times} times" for id, times in stored.items() if times > 1),
    ]


@dataclass(frozen=True, slots=True)
class Difference:
    """Messages that a subscriber did not get, got again, got too late, or that nobody sent."""

    lost: int
    doubled: int
    reordered: int
    unknown: int


class Expected:
    """The messages of a view over the ledger."""

    def __init__(self, view: View, events: Sequence[SealedEvent]) -> None:
        self._digests: array[int] = array("Q")
        self._until: Mapping[int, int]  # seq → how many messages there are up to it
        until = {0: 0}
        for event in events:
            if view.shows(event.parse()):
                messages = list(sse.Decoder().feed(view.encode(event)))
                assert messages, f"{view.name} shows {event.seq}, and its dialect does not"
                self._digests.extend(digest(each.event, each.data) for each in messages)
            until[event.seq] = len(self._digests)
        self._until = until

    def between(self, after_seq: int, until_seq: int) -> "array[int]":
        """Return the digests of the messages after a seq, up to another."""
        return self._digests[self._until[after_seq] : self._until[until_seq]]


def compare(subscriber: Subscriber, expected: Expected) -> Difference | None:
    """Return how what a subscriber saw differs, up to where it is; None: not at all.

    Whoever waited for it knows how far that is at least: Tocsin may tell more at any time.
    """
    if subscriber.start is None:
        raise AssertionError("a subscriber never got a cursor")
    wanted = expected.between(subscriber.start, subscriber.seq)
    if subscriber.seen == wanted:
        return None
    places = {each: place for place, each in enumerate(wanted)}
    times = Counter(subscriber.seen)
    known = [places[each] for each in subscriber.seen if each in places]
    return Difference(
        lost=len(places.keys() - times.keys()),
        doubled=sum(count - 1 for count in times.values()),
        reordered=sum(one > next for one, next in pairwise(known)),
        unknown=sum(each not in places for each in times),
    )
