"""The one thread that writes."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from threading import Event

import pytest

from support.waiting import HANG_SECONDS
from tocsin.domain.errors import Busy, OutcomeUnknown, TooLarge
from tocsin.embedded._events import Emission, StreamEvent
from tocsin.embedded._writer import MAX_WAITING, Writer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Store:
    """Stores when it is let; remembers what came together."""

    open: Event = field(default_factory=Event)
    calls: list[list[int]] = field(default_factory=list)
    seq: int = 0

    def __call__(self, emissions: Sequence[Emission]) -> Sequence[StreamEvent]:
        self.calls.append([emission.fields["n"] for emission in emissions])
        assert self.open.wait(HANG_SECONDS)
        if any(emission.fields.get("large") for emission in emissions):
            raise TooLarge("one is too large")
        if any(emission.fields.get("full") for emission in emissions):
            raise OSError("no space left")
        events = []
        for emission in emissions:
            self.seq += 1
            name, moment = str(emission.fields["n"]), datetime.now(UTC)
            events.append(StreamEvent(name, "audit", moment, {}, None, None, self.seq, "", ""))
        return events


def emission(n: int, size_bytes: int = 10, **fields: object) -> Emission:
    return Emission({"n": n, **fields}, True, size_bytes)


def test_what_waits_is_stored_at_once_in_the_order_it_came() -> None:
    store = Store()
    writer = Writer(store)
    emitted = [writer.put(emission(n)) for n in range(2_000)]
    store.open.set()
    events = [each.result(20) for each in emitted]
    assert [(event.id, event.seq) for event in events if event] == [
        (str(n), n + 1) for n in range(2_000)
    ]
    assert list(chain.from_iterable(store.calls)) == list(range(2_000))
    assert len(store.calls) <= 4
    assert max(map(len, store.calls)) == 1_000
    writer.close()


def test_what_is_stored_at_once_fits_in_a_batch() -> None:
    store = Store()
    writer = Writer(store)
    writer.put(emission(0))
    for n in range(1, 5):
        writer.put(emission(n, size_bytes=200_000))
    store.open.set()
    writer.close()
    assert store.calls[-3:] == [[2], [3], [4]]


def test_one_that_is_refused_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    writer = Writer(store)
    before = writer.put(emission(0))
    emitted = [writer.put(emission(n, large=n == 2)) for n in range(1, 4)]
    store.open.set()
    assert [each.result(20) is not None for each in (before, emitted[0], emitted[2])] == [True] * 3
    with pytest.raises(TooLarge):
        emitted[1].result(20)
    assert [record.getMessage() for record in caplog.records] == ["1 events are not stored"]
    writer.close()


def test_a_failure_is_told_to_each_and_the_next_are_stored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    store = Store()
    store.open.set()
    writer = Writer(store)
    with pytest.raises(OSError, match="no space"):
        writer.put(emission(1, full=True)).result(20)
    assert writer.put(emission(2)).result(20) is not None
    writer.close()


def test_too_many_that_nobody_waits_for_are_refused() -> None:
    store = Store()
    writer = Writer(store)
    with pytest.raises(Busy, match="await what you emit"):
        for n in range(2 * MAX_WAITING):
            writer.put(emission(n))
    store.open.set()
    writer.close()
    assert store.seq >= MAX_WAITING


def test_closing_stores_what_waits_and_takes_no_more() -> None:
    store = Store()
    writer = Writer(store)
    for n in range(3):
        writer.put(emission(n))
    store.open.set()
    writer.close()
    assert store.seq == 3
    with pytest.raises(RuntimeError):
        writer.put(emission(3))


async def test_who_stops_waiting_takes_nothing_back() -> None:
    store = Store()
    writer = Writer(store)

    async def wait() -> None:
        await writer.put(emission(1))

    waiting = asyncio.create_task(wait())
    await asyncio.wait([waiting], timeout=0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    store.open.set()
    event = await writer.put(emission(2))
    assert event is not None and event.seq == 2
    await asyncio.to_thread(writer.close)


def test_many_threads_at_once_each_keep_their_order() -> None:
    store = Store()
    store.open.set()
    writer = Writer(store)

    def emit(thread: int) -> list[int]:
        emitted = [writer.put(emission(thread * 1_000 + n)) for n in range(200)]
        return [event.seq for each in emitted if (event := each.result(20))]

    with ThreadPoolExecutor(8) as pool:
        seqs = list(pool.map(emit, range(8)))
    assert all(each == sorted(each) for each in seqs)
    assert sorted(chain.from_iterable(seqs)) == list(range(1, 1_601))
    writer.close()


class Locked(Store):
    """Busy a number of times, as a file that another process holds."""

    times: int = 2

    def __call__(self, emissions: Sequence[Emission]) -> Sequence[StreamEvent]:
        if self.times:
            self.times -= 1
            raise Busy("another process holds the file", 0)
        return super().__call__(emissions)


def test_what_finds_the_store_busy_is_stored_later_once_and_in_order() -> None:
    store = Locked()
    store.open.set()
    store.times = 3
    writer = Writer(store)
    emitted = [writer.put(emission(n)) for n in range(5)]
    events = [each.result(20) for each in emitted]
    assert [event.seq for event in events if event] == [1, 2, 3, 4, 5]
    assert [n for call in store.calls for n in call] == list(range(5))
    writer.close()


def test_a_store_that_stays_busy_is_told_in_the_end() -> None:
    store = Locked()
    store.times = 1_000_000
    writer = Writer(store, patience_seconds=0.5)
    with pytest.raises(Busy):
        writer.put(emission(1)).result(20)
    writer.close()


def test_an_unknown_outcome_is_not_stored_again() -> None:
    calls = []

    def store(emissions: Sequence[Emission]) -> Sequence[StreamEvent]:
        calls.append(emissions)
        raise OutcomeUnknown("the answer was lost")

    writer = Writer(store)
    with pytest.raises(OutcomeUnknown):
        writer.put(emission(1)).result(20)
    assert len(calls) == 1
    writer.close()
