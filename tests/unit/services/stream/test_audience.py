"""Those who wait for the same: what is kept for all of them, and what each takes along."""

import asyncio
from collections.abc import Callable

import pytest

from fakes.tenant import Tenant
from tocsin.domain.errors import IntegrityError
from tocsin.services.stream.backlog import Backlog
from tocsin.services.stream.log import LiveLog
from tocsin.services.stream.ring import CHUNK_BYTES, Ring
from tocsin.services.stream.subscriber import Pace, Subscriber
from tocsin.services.stream.unsent import Unsent
from tocsin.wire import filters, govrix
from tocsin.wire.filters import Filter

pytestmark = pytest.mark.anyio

HIDES_ALL = filters.render(govrix.encode, Filter(agent_id="nobody"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Wire:
    """A connection that can be full, and can break."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.written: list[bytes] = []
        self.stopped_at: list[tuple[int, Exception | None]] = []
        self.full = False
        self.breaks: Exception | None = None
        self.woken = 0
        subscriber.connection = self
        subscriber.on_wake = self._wake
        assert subscriber.take_now() is None

    @property
    def write(self) -> Callable[[bytes], object]:
        return self._write

    @staticmethod
    def framed(data: bytes) -> bytes:
        return b"<" + data + b">"

    def stopped(self, unsent_bytes: int, error: Exception | None) -> None:
        self.stopped_at.append((unsent_bytes, error))

    def _wake(self) -> None:
        self.woken += 1

    def _write(self, data: bytes) -> None:
        if self.breaks:
            raise self.breaks
        self.written.append(data)
        if self.full:
            self.subscriber.paused()


class Stage:
    def __init__(self, unsent: Unsent | None = None) -> None:
        self.tenant = Tenant()
        head = self.tenant.ledger.head(self.tenant.org)
        ring = Ring(head.seq, head.hash, 600, 1_000_000)
        self.log = LiveLog(self.tenant.org, ring, unsent=unsent)

    def wire(self, render: filters.Render = govrix.encode, cursor: int | None = None) -> Wire:
        at = self.log.ring.seq if cursor is None else cursor
        backlog = Backlog(lambda *_: [])
        return Wire(Subscriber(self.log, backlog, render, at, Pace(heartbeat_seconds=15)))

    def seal(self, count: int = 1) -> None:
        assert self.log.append(self.tenant.add(count))
        self.log.wake()


async def test_all_members_are_written_and_nobody_is_woken() -> None:
    stage = Stage()
    wires = [stage.wire() for _ in range(3)]
    stage.seal(2)
    stage.seal(1)
    assert [each.subscriber.cursor for each in wires] == [3, 3, 3]
    assert all(len(each.written) == 2 and not each.woken for each in wires)
    assert wires[0].written[0] is wires[2].written[0]
    given = sum(len(each) - 2 for each in wires[0].written)
    assert [each.subscriber.sent_bytes for each in wires] == [given] * 3


async def test_what_arrives_together_is_written_together_in_the_next_turn() -> None:
    stage = Stage()
    wire = stage.wire()
    for _ in range(3):
        assert stage.log.append(stage.tenant.add(1))
    assert not wire.written
    await asyncio.sleep(0)
    assert [each.count(b"\nid: ") for each in wire.written] == [3]
    await asyncio.sleep(0)
    assert len(wire.written) == 1


async def test_as_much_as_a_write_takes_waits_for_nothing() -> None:
    stage = Stage()
    wire = stage.wire()
    entries = CHUNK_BYTES // len(stage.tenant.add(1)[0].entry)
    stage.log.restart(1, stage.tenant.ledger.head(stage.tenant.org).hash)
    wire = stage.wire()
    for _ in range(entries):
        assert stage.log.append(stage.tenant.add(1))
    assert not wire.written
    assert stage.log.append(stage.tenant.add(1))
    assert wire.written
    assert wire.subscriber.cursor == 2 + entries


async def test_who_comes_between_an_arrival_and_its_delivery_is_written_once() -> None:
    stage = Stage()
    first = stage.wire()
    assert stage.log.append(stage.tenant.add(1))
    later = stage.wire()
    await asyncio.sleep(0)
    assert later.woken == 1
    assert later.subscriber.take_now() is None
    assert stage.log.append(stage.tenant.add(1))
    await asyncio.sleep(0)
    assert [len(each.written) for each in (first, later)] == [2, 1]


async def test_who_comes_later_has_been_sent_only_its_own() -> None:
    stage = Stage()
    first = stage.wire()
    stage.seal()
    second = stage.wire()
    stage.seal()
    assert len(first.written) == 2
    assert second.subscriber.sent_bytes == len(second.written[0]) - 2


async def test_who_can_not_send_goes_on_alone_behind_what_it_was_written() -> None:
    stage = Stage()
    slow, quick = stage.wire(), stage.wire()
    slow.full = True
    stage.seal()
    slow.full = False
    stage.seal()
    assert slow.stopped_at == [(len(slow.written[0]) - 2, None)]
    assert slow.subscriber.cursor == 1
    assert len(quick.written) == 2
    assert (data := slow.subscriber.take_now())
    assert b"\nid: 2\n" in data
    assert slow.subscriber.take_now() is None
    stage.seal()
    assert b"\nid: 3\n" in slow.written[1]


async def test_connections_that_break_are_told_and_all_others_written() -> None:
    stage = Stage()
    wires = [stage.wire() for _ in range(4)]
    wires[0].breaks = wires[2].breaks = RuntimeError("closed")
    stage.seal()
    assert [len(each.written) for each in wires] == [0, 1, 0, 1]
    assert [len(each.stopped_at) for each in wires] == [1, 0, 1, 0]
    assert wires[0].stopped_at[0][1] is wires[0].breaks


async def test_what_is_hidden_moves_the_cursor_which_is_told_by_the_tick() -> None:
    stage = Stage()
    wire = stage.wire(HIDES_ALL)
    stage.seal()
    assert (wire.subscriber.cursor, wire.written) == (1, [])
    wire.subscriber.tick(asyncio.get_running_loop().time() + 1.5)
    assert wire.woken == 1
    assert b"\nid: 1\n" in (wire.subscriber.take_now() or b"")
    assert wire.subscriber.take_now() is None
    wire.subscriber.tick(asyncio.get_running_loop().time() + 1.5)
    assert wire.woken == 1  # it was told


async def test_where_much_is_hidden_each_goes_on_in_its_own_turns() -> None:
    stage = Stage()
    wire = stage.wire(HIDES_ALL)
    stage.seal(550)  # more than one look goes over
    assert wire.woken == 1
    assert wire.subscriber.cursor == 512
    assert wire.subscriber.take_now() is None
    assert wire.subscriber.cursor == 550


async def test_a_delivery_is_a_sign_of_life_for_all_and_silence_is_not() -> None:
    stage = Stage()
    wire = stage.wire()
    stage.seal()
    now = asyncio.get_running_loop().time()
    wire.subscriber.tick(now + 14)
    assert not wire.woken
    wire.subscriber.tick(now + 16)
    assert wire.woken
    assert wire.subscriber.take_now() == Pace().heartbeat
    assert wire.subscriber.take_now() is None
    stage.seal()
    assert b"\nid: 2\n" in wire.written[1]


async def test_nobody_is_written_while_the_org_has_too_much_unsent() -> None:
    unsent = Unsent(100)
    stage = Stage(unsent)
    wire, other = stage.wire(), stage.wire()
    with unsent.held(other.subscriber, stage.tenant.org, 90):
        stage.seal()
        assert not wire.written
        assert wire.woken == 1
    assert b"\nid: 1\n" in (wire.subscriber.take_now() or b"")


async def test_a_log_that_begins_anew_sends_its_readers_to_the_ledger() -> None:
    stage = Stage()
    wire = stage.wire()
    stage.seal()
    stage.log.restart(9, bytes(32))
    assert wire.woken == 1
    assert wire.subscriber.cursor == 1
    assert wire.subscriber.take_now() == b""  # it has to be read


async def test_who_was_sent_another_history_is_not_one_of_them() -> None:
    stage = Stage()
    stage.seal()
    wire = stage.wire()
    stage.log.restart(1, bytes(32))  # the same seq, another hash
    assert wire.subscriber.take_now() is None
    assert len(stage.log.audience(govrix.encode)) == 0
    assert wire.subscriber in stage.log.waiting


async def test_a_failure_ends_members_and_others_alike() -> None:
    stage = Stage()
    wire = stage.wire()
    stage.seal()
    stage.log.fail(IntegrityError(stage.tenant.org, 2, "it was changed"))
    assert wire.woken == 1
    assert b"it was changed" in (wire.subscriber.take_now() or b"")


async def test_nothing_is_kept_of_those_who_have_left() -> None:
    stage = Stage()
    wire = stage.wire()
    stage.seal()
    wire.subscriber.disconnect()
    stage.seal()
    assert len(wire.written) == 1
    wire.subscriber.close()
    assert wire.subscriber.sent_bytes == len(wire.written[0]) - 2
    assert not stage.log._audiences
