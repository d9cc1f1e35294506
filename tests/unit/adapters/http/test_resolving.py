"""Looking up names within a time, with the system's resolver."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tocsin.adapters.http.failures import Nonexistent, Unresolved
from tocsin.adapters.http.resolving import LookUp, SystemResolver, look_up

HANG_SECONDS = 240.0


class Stuck:
    """A resolver that says nothing until it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = threading.Event()

    def __call__(self, name: str) -> list[str]:
        self.asked += 1
        self.go_on.wait()
        return ["192.0.2.1"]


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stuck = Stuck()
    yield stuck
    stuck.go_on.set()


def failing(error: OSError) -> LookUp:
    def look_up(name: str) -> list[str]:
        raise error

    return look_up


def test_this_machine_has_a_name() -> None:
    addresses = SystemResolver().addresses("localhost", HANG_SECONDS)
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert len(addresses) == len(set(addresses)) > 0


def test_a_whole_name_gets_no_domain_of_the_system_s() -> None:
    asked: list[object] = []

    def getaddrinfo(host: object, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return []

    for name in ("a.example.com", "localhost"):
        assert look_up(name, getaddrinfo) == []
    assert asked == [b"a.example.com.", b"localhost"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), Nonexistent),
        (socket.gaierror(socket.EAI_NODATA, "no address"), Nonexistent),
        (socket.gaierror(socket.EAI_AGAIN, "not now"), Unresolved),
        (socket.gaierror(socket.EAI_FAIL, "never"), Unresolved),
        (socket.gaierror(socket.EAI_MEMORY, "no memory"), Unresolved),
        (socket.gaierror(socket.EAI_SYSTEM, "too many open files"), Unresolved),
        (OSError(24, "too many open files"), Unresolved),
    ],
)
def test_what_is_certain_is_told_from_what_is_not(error: OSError, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        SystemResolver(failing(error)).addresses("a.example.com", HANG_SECONDS)


def test_one_that_says_nothing_is_left_in_time(stuck: Stuck) -> None:
    with pytest.raises(Unresolved):
        SystemResolver(stuck).addresses("a.example.com", 0.05)


def test_there_is_a_bound_to_those_that_say_nothing(stuck: Stuck) -> None:
    resolver = SystemResolver(stuck, at_once=3)
    for _ in range(5):
        with pytest.raises(Unresolved):
            resolver.addresses("a.example.com", 0.05)
    assert stuck.asked == 3
    stuck.go_on.set()
    assert resolver.addresses("a.example.com", HANG_SECONDS) == ["192.0.2.1"]


def test_failures_give_their_places_back() -> None:
    resolver = SystemResolver(failing(socket.gaierror(socket.EAI_AGAIN, "not now")), at_once=1)
    for _ in range(10):
        with pytest.raises(Unresolved):
            resolver.addresses("a.example.com", HANG_SECONDS)
