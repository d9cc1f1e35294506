"""The stream service while Valkey is gone, hangs, and comes back: on real tables, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from support.databases import Database
from support.real_stream import RealOrg, Service, stream_service
from support.streams import decode
from support.valkey import Valkey
from support.waiting import HANG_SECONDS, until

RARELY = {"TOCSIN_LOOK_SECONDS": "3600"}  # so that, with Valkey, only a message can be the reason
OFTEN = {"TOCSIN_LOOK_SECONDS": "0.5"}


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    valkey = Valkey()
    yield valkey
    valkey.kill()


@pytest.fixture
def org(database: Database, valkey: Valkey) -> RealOrg:
    return RealOrg(database, valkey)


class Watcher:
    """Reads one stream, which must not end."""

    def __init__(self, response: httpx.Response) -> None:
        self._chunks = response.iter_raw()
        self._data = b""

    def until(self, seq: int) -> list[int]:
        """Read until this seq has come; return all seqs so far."""
        while f"\nid: {seq}\n".encode() not in self._data:
            self._data += next(self._chunks)
        return [message.seq for message in decode(self._data)]


@contextmanager
def watching(org: RealOrg, service: Service) -> Iterator[Watcher]:
    with (
        httpx.Client(timeout=HANG_SECONDS, headers=org.headers) as client,
        client.stream("GET", f"{service.url}/api/v1/events/stream?after=0") as response,
    ):
        assert response.status_code == 200
        yield Watcher(response)


def broker(service: Service) -> tuple[str, str]:
    """What ``/healthz`` says of the service, and of its broker."""
    health = httpx.get(f"{service.url}/healthz", timeout=HANG_SECONDS).json()
    return health["status"], health["broker"]


def test_a_valkey_that_is_not_there_at_the_start_is_used_once_it_is(
    org: RealOrg, valkey: Valkey
) -> None:
    valkey.kill()
    with stream_service(org, **RARELY) as service, watching(org, service) as watcher:
        assert broker(service) == ("degraded", "down")
        for _ in range(3):
            last = org.add(2, 1)
            assert watcher.until(last) == list(range(1, last + 1))
        valkey.revive()
        until(lambda: broker(service) == ("ok", "ok"), "the broker is back")
        for _ in range(3):
            last = org.add(2, 1)
            assert watcher.until(last) == list(range(1, last + 1))


def test_a_stream_goes_on_by_polling_while_valkey_is_killed_and_restarted(
    org: RealOrg, valkey: Valkey
) -> None:
    with stream_service(org, **RARELY) as service, watching(org, service) as watcher:
        for _ in range(3):
            assert watcher.until(org.add(2, 1))
            valkey.kill()
            for _ in range(2):
                last = org.add(2, 1)
                assert watcher.until(last) == list(range(1, last + 1))
            valkey.revive()
        last = org.add(5)
        assert watcher.until(last) == list(range(1, last + 1))


def test_a_valkey_that_hangs_holds_up_no_delivery(org: RealOrg, valkey: Valkey) -> None:
    with stream_service(org, **OFTEN) as service, watching(org, service) as watcher:
        watcher.until(org.add(3))
        with valkey.paused():
            for _ in range(2):
                last = org.add(2, 1)
                assert watcher.until(last) == list(range(1, last + 1))
            assert broker(service) == ("degraded", "down")
        # What was published to it meanwhile may come now, late and again.
        for _ in range(3):
            last = org.add(2, 1)
            assert watcher.until(last) == list(range(1, last + 1))
        until(lambda: broker(service) == ("ok", "ok"), "the broker answers")
