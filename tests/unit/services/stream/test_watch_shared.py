"""What one org, one client or one key can do to the others: nothing."""

import asyncio
import threading
import time
from typing import Any

import pytest

from fakes.tenant import Tenant
from support.streams import Received, decode, taken
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import Scope
from tocsin.services.access.presented import Credentials
from tocsin.services.reading.threads import Threads
from tocsin.services.stream.recheck import Recheck
from tocsin.services.stream.unsent import PATIENCE_SECONDS, Unsent
from tocsin.wire import channel, filters, frames, govrix, kavach, sse
from tocsin.wire.dialects import GOVRIX, KAVACH, RAMPART, Dialect
from unit.services.stream.test_watch import seqs, stage

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_reads_of_an_org_that_hang_hold_up_neither_others_nor_health(
    released: threading.Event,
) -> None:
    async with stage() as on:
        on.seal(3)
        other = Tenant("other", on.tenant.ledger, on.tenant.journal)
        other.add(3)
        for name in ("segments", "segments_before", "first_sealed", "first_seqs"):
            call = getattr(on.tenant.ledger, name)

            def hanging(org: str, *args: Any, call: Any = call) -> Any:
                if org == "acme":
                    released.wait(20)
                return call(org, *args)

            setattr(on.tenant.ledger, name, hanging)
        since = "2026-01-01"
        behind = [await on.join("0") for _ in range(8)]
        stuck = [
            asyncio.create_task(on.watch.admit("Bearer acme", None, None, since)) for _ in range(40)
        ]
        reading = [asyncio.create_task(taken(each)) for each in behind]
        await asyncio.sleep(0.05)
        admission = await on.watch.admit("Bearer other", None, None, since)
        subscriber = await on.watch.subscribe(admission, govrix.encode)
        assert await seqs(subscriber, 3) == [1, 2, 3]
        assert (await on.watch.health()).ledger
        assert not any(task.done() for task in (*stuck, *reading))
        released.set()
        await asyncio.gather(*stuck, *reading)


async def test_how_long_to_wait_tells_nothing_of_other_orgs() -> None:
    async with stage(spread_ms=10_000) as on:
        for _ in range(300):
            await on.join(who="Bearer other")
        subscriber = await on.join()
        for _ in range(100):
            decoder = sse.Decoder()
            list(decoder.feed(on.watch.opening(subscriber)))
            assert 2_000 <= (decoder.retry_ms or 0) <= 2_010


async def test_a_validation_that_hangs_holds_up_no_other(released: threading.Event) -> None:
    async with stage() as on:

        class Hanging:
            def authorize(self, authorization: str | None, scope: Scope | None, /) -> Any:
                if authorization == "Bearer acme/stuck":
                    released.wait(20)
                raise Unauthenticated("revoked")

        threads = Threads("test", 2, seconds=0.2)
        recheck = Recheck(Credentials(Hanging()), threads)
        stuck, *others = [await on.join(who=f"Bearer acme/{n}") for n in range(5)]
        recheck.add("Bearer acme/stuck", stuck)
        for number, each in enumerate(others):
            recheck.add(f"Bearer acme/{number}", each)
        await recheck()
        for each in others:
            (message,) = decode(await taken(each))
            assert message.fields["code"] == "UNAUTHORIZED"
        assert stuck._last is None
        assert recheck._in_turn()[-1] == "Bearer acme/stuck"


async def test_many_keys_are_checked_a_few_at_a_time_and_each_has_all_its_time() -> None:
    async with stage() as on:
        both = threading.Barrier(2)

        class Slow:
            def authorize(self, authorization: str | None, scope: Scope | None, /) -> Any:
                both.wait(20)
                time.sleep(0.02)
                raise Unauthenticated("revoked")

        recheck = Recheck(Credentials(Slow()), Threads("test", 2, seconds=2))
        subscribers = [await on.join() for _ in range(300)]  # three seconds, two at a time
        for number, each in enumerate(subscribers):
            recheck.add(f"Bearer acme/{number}", each)
        await recheck()
        assert all(each._last for each in subscribers)


@pytest.mark.parametrize("sent", ["99", "evt_01km5a7k0000000000000zz100", "kavach-id", "9/1"])
async def test_a_last_event_id_of_another_store_is_a_gap_and_the_stream_goes_on(sent: str) -> None:
    async with stage() as on:
        on.seal(3)
        admission = await on.watch.admit("Bearer acme", sent)
        subscriber = await on.watch.subscribe(admission, govrix.encode)
        (gap,) = decode(on.watch.opening(subscriber, GOVRIX, admission))
        assert (gap.event, gap.id, gap.fields["first_seq"]) == ("gap", "3", 4)
        on.seal(1)
        assert await seqs(subscriber, 4) == [4]


@pytest.mark.parametrize("after", ["4", "evt_01km5a7k0000000000000zz100"])
async def test_an_after_that_this_ledger_does_not_know_is_a_gap_too(after: str) -> None:
    async with stage() as on:
        on.seal(3)
        admission = await on.watch.admit("Bearer acme", None, after)
        assert (admission.cursor, admission.start.unknown) == (3, True)


async def test_a_time_is_taken_as_a_last_event_id_and_a_date_as_since() -> None:
    async with stage() as on:
        on.seal(3)
        for last_event_id, since in (("2020-01-01T00:00:00Z", None), (None, "2020-01-01")):
            admission = await on.watch.admit("Bearer acme", last_event_id, None, since)
            assert (admission.cursor, admission.start.unknown) == (0, False)


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        (KAVACH, {"type": "completion", "cost_usd": 1}),
        (RAMPART, {"type": "approval.resolved"}),
    ],
)
async def test_a_cut_between_two_messages_about_one_event_doubles_and_loses_nothing(
    dialect: Dialect, fields: dict[str, Any]
) -> None:
    async with stage() as on:
        on.broker.publish("acme", channel.encode(on.tenant.add(3, **fields)))
        query = [("types", "audit,cost.recorded")] if dialect is KAVACH else []
        everything: list[Received] = []
        for last_event_id in ("0", "1", "1/1", "2/1"):
            admission = await on.watch.admit("Bearer acme", last_event_id)
            subscriber = await on.watch.subscribe(admission, dialect.render(query), dialect)
            got = decode(await taken(subscriber))
            everything = everything or got
            ids = [each.id for each in everything]
            place = 0 if last_event_id == "0" else ids.index(last_event_id) + 1
            assert got == everything[place:]
        assert len(everything) == 6


async def test_who_is_ended_is_told_the_cursor_over_what_was_hidden() -> None:
    async with stage() as on:
        admission = await on.watch.admit("Bearer acme", None, "0")
        hides = filters.render(govrix.encode, filters.Filter(agent_id="mine"))
        subscriber = await on.watch.subscribe(admission, hides)
        on.seal(5)
        while subscriber.cursor < 5:
            assert await subscriber.take() is None
            await asyncio.sleep(0)
        on.watch.drain()
        last = await taken(subscriber)
        decoder = sse.Decoder()
        list(decoder.feed(last))
        assert (decoder.last_event_id, decoder.retry_ms) == ("5", 2_000)
        assert await taken(subscriber) == b""


async def test_a_stream_that_is_cut_before_its_first_event_has_told_its_cursor() -> None:
    async with stage() as on:
        on.seal(3)
        for after, told in ((None, "3"), ("2", "2"), ("3/1", "3/1")):
            admission = await on.watch.admit("Bearer acme", None, after)
            subscriber = await on.watch.subscribe(admission, kavach.encode)
            decoder = sse.Decoder()
            list(decoder.feed(on.watch.opening(subscriber, GOVRIX, admission)))
            assert decoder.last_event_id == told


class Holder:
    def __init__(self) -> None:
        self.given_up = asyncio.Event()

    def give_up(self) -> None:
        self.given_up.set()


async def test_what_waits_unsent_is_bounded_for_an_org_and_for_all() -> None:
    unsent = Unsent(100)
    assert not unsent.full("a")
    with unsent.held(Holder(), "a", 50):
        assert unsent.full("a")
        assert not unsent.full("b")
        with unsent.held(Holder(), "b", 50):
            assert unsent.full("c")
        assert not unsent.full("c")
    assert not unsent.full("a")


async def test_who_takes_nothing_is_given_up_when_others_wait_for_its_room() -> None:
    unsent, bad, other = Unsent(100), Holder(), Holder()
    with unsent.held(bad, "bad", 60), unsent.held(other, "other", 30):
        async with asyncio.timeout(10 * PATIENCE_SECONDS):
            while not bad.given_up.is_set():
                await unsent.room("bad")
        assert not other.given_up.is_set()  # its org has room


async def test_a_stream_waits_while_there_is_no_room_and_goes_on_after_that() -> None:
    async with stage() as on:
        subscriber = await on.join()
        unsent = on.watch._logs._unsent
        with unsent.held(Holder(), "acme", 10**9):
            on.seal(2)
            waiting = asyncio.create_task(taken(subscriber))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        assert [message.seq for message in decode(await waiting)] == [1, 2]


async def test_what_a_filter_hides_lets_others_have_their_turn() -> None:
    async with stage() as on:
        names = frozenset(f"vendor.n{number}" for number in range(100))
        hides = filters.render(govrix.encode, filters.Filter(types=names))
        for _ in range(4):
            on.seal(1_000)
        subscriber = await on.join("0")
        admission = await on.watch.admit("Bearer acme", None, "0")
        await seqs(subscriber, 4_000)
        hidden = await on.watch.subscribe(admission, hides)
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        turning = asyncio.create_task(turn())
        while (told := await hidden.take()) not in (None, frames.cursor(4_000)):
            assert told in [frames.cursor(seq) for seq in range(4_000)]  # each second, where slow
        turning.cancel()
        assert turns >= 4
