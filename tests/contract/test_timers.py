"""What every implementation of the timers' port does: nobody is woken before the time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from fakes.stores import FakeTimers
from support.databases import Database
from support.waiting import until
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.sqs import SqsTimers, woken
from tocsin.ports.deciding import Timers

NOW_MS = SystemClock().now_ms


@dataclass
class World:
    """Timers, and who was woken since the last look."""

    timers: Timers
    look: Callable[[], Sequence[tuple[str, str]]]


def on_sqs(database: Database) -> World:
    client, url = database.queue()

    def look() -> Sequence[tuple[str, str]]:
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [woken(message["Body"]) for message in found]

    return World(SqsTimers(client, url), look)


def on_fake() -> World:
    timers, seen = FakeTimers(), set[int]()

    def look() -> list[tuple[str, str]]:
        due = {n for n, (_, _, due_ms) in enumerate(timers.due) if due_ms <= NOW_MS()} - seen
        seen.update(due)
        return [timers.due[n][:2] for n in sorted(due)]

    return World(timers, look)


@pytest.fixture(params=["sqs", "fake"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return on_fake()
    return on_sqs(request.getfixturevalue("database"))


def test_what_is_due_is_woken_once(world: World) -> None:
    now_ms = NOW_MS()
    world.timers.set("acme", "apr_1", now_ms, now_ms)
    world.timers.set("beta", "apr_1", now_ms - 60_000, now_ms)
    found = list[tuple[str, str]]()
    until(lambda: len(found.__iadd__(world.look())) >= 2, "woken")
    assert sorted(found) == [("acme", "apr_1"), ("beta", "apr_1")]
    assert not world.look()


def test_nobody_is_woken_before_the_time(world: World) -> None:
    now_ms = NOW_MS()
    world.timers.set("acme", "apr_1", now_ms + 1_001, now_ms)
    found = list[tuple[str, str]]()
    until(lambda: bool(found.__iadd__(world.look())), "woken")
    assert found == [("acme", "apr_1")]
    assert NOW_MS() >= now_ms + 1_001


def test_what_is_a_week_away_can_be_set(world: World) -> None:
    now_ms = NOW_MS()
    world.timers.set("acme", "apr_1", now_ms + 7 * 86_400_000, now_ms)
    assert not world.look()
