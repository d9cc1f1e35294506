"""What every implementation of the wakes' port does, and of the tails'."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from fakes.notify import FakeWakes
from fakes.stores import FakeTails
from support.databases import Database
from support.waiting import until
from tocsin.adapters.clock import SystemClock
from tocsin.adapters.sqs import SqsTails, SqsWakes, tail, wake
from tocsin.embedded._wakes import LocalWakes
from tocsin.ports.notify import Wakes
from tocsin.ports.projections import Tails

NOW_MS = SystemClock().now_ms
IDS = [f"ep_{n:02}" for n in range(25)]


@dataclass
class World:
    """Wakes and tails, and what came since the last look: of slow endpoints, of others, of orgs."""

    wakes: Wakes
    tails: Tails
    slow: Callable[[], Sequence[tuple[str, str]]]
    woken: Callable[[], Sequence[tuple[str, str]]]
    due: Callable[[], Sequence[str]]


def on_sqs(database: Database) -> World:
    client, fast = database.queue()
    (_, slow), (_, tails) = database.queue(), database.queue()

    def endpoints(url: str) -> list[tuple[str, str]]:
        found = [wake(body) for body in bodies(url)]
        return [(woken.org, id) for woken in found for id in woken.endpoint_ids]

    def bodies(url: str) -> list[str]:
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [message["Body"] for message in found]

    return World(
        SqsWakes(client, fast, slow),
        SqsTails(client, tails),
        lambda: endpoints(slow),
        lambda: endpoints(fast),
        lambda: [tail(body) for body in bodies(tails)],
    )


def on_fake() -> World:
    wakes, tails = FakeWakes(), FakeTails()
    taken, heard = dict[bool, set[int]]({True: set(), False: set()}), set[int]()
    seen = dict[tuple[str, int], int]()  # when the first look was that found it: it was set before

    def came(kind: str, place: int, delay_seconds: int) -> bool:
        now_ms = NOW_MS()
        return seen.setdefault((kind, place), now_ms) + delay_seconds * 1_000 <= now_ms

    def look(*, slow: bool) -> list[tuple[str, str]]:
        due = [n for n, each in enumerate(wakes.sent) if each[3] is slow and came("", n, each[2])]
        new = [n for n in due if n not in taken[slow]]
        taken[slow].update(new)
        return [wakes.sent[n][:2] for n in new]

    def listen() -> list[str]:
        due = [n for n, each in enumerate(tails.sent) if came("tail", n, each[1])]
        new = [n for n in due if n not in heard]
        heard.update(new)
        return [tails.sent[n][0] for n in new]

    return World(wakes, tails, lambda: look(slow=True), lambda: look(slow=False), listen)


def in_a_process() -> World:
    wakes = LocalWakes()
    return replace(
        on_fake(),
        wakes=wakes,
        slow=lambda: wakes.due(slow=True),
        woken=lambda: wakes.due(slow=False),
    )


@pytest.fixture(params=["sqs", "fake", "process"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return on_fake()
    if request.param == "process":
        return in_a_process()
    return on_sqs(request.getfixturevalue("database"))


def came[T](look: Callable[[], Sequence[T]], count: int) -> list[T]:
    """Wait for so many; return what came."""
    found: list[T] = []
    until(lambda: len(found.__iadd__(look())) >= count, f"{count} of them")
    return found


def test_every_endpoint_is_woken_once(world: World) -> None:
    world.wakes.wake("acme", IDS)
    world.wakes.wake("beta", IDS[:1])
    wanted = [*(("acme", id) for id in IDS), ("beta", IDS[0])]
    assert sorted(came(world.woken, len(wanted))) == sorted(wanted)
    assert not world.woken()
    assert not world.slow()


def test_slow_ones_are_woken_beside_the_others(world: World) -> None:
    world.wakes.wake("acme", ["ep_slow"], slow=True)
    world.wakes.wake("acme", ["ep_other"])
    assert came(world.slow, 1) == [("acme", "ep_slow")]
    assert came(world.woken, 1) == [("acme", "ep_other")]


def test_nobody_is_woken_before_the_time(world: World) -> None:
    now_ms = NOW_MS()
    world.wakes.wake("acme", ["ep_late"], delay_seconds=1)
    assert came(world.woken, 1) == [("acme", "ep_late")]
    assert NOW_MS() >= now_ms + 1_000


def test_nobody_to_wake_is_no_fault(world: World) -> None:
    world.wakes.wake("acme", [])
    assert not world.woken()


def test_tails_come_after_their_time(world: World) -> None:
    now_ms = NOW_MS()
    world.tails.set("acme", 1)
    world.tails.set("beta", 900)
    assert came(world.due, 1) == ["acme"]
    assert NOW_MS() >= now_ms + 1_000
    assert not world.due()
