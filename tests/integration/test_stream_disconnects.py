"""10,000 clients that break their connections leave nothing behind in the stream service."""

import asyncio
import resource
from collections.abc import Iterator
from random import Random

import httpx
import pytest

from support.databases import Database
from support.real_stream import RealOrg, Service, stream_service
from support.rude import wave
from support.valkey import Valkey
from support.waiting import HANG_SECONDS, until

WAVES, CLIENTS = 5, 2_000
# What may stay of each of the 10,000: noise. A subscriber alone is a dozen objects and 1 KB.
OBJECTS, BYTES = 0.1, 30


@pytest.fixture
def org(database: Database) -> Iterator[RealOrg]:
    valkey = Valkey()
    yield RealOrg(database, valkey)
    valkey.kill()


def inspect(service: Service, query: str = "") -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{service.url}/inspect{query}", timeout=HANG_SECONDS).json()
    return found


def rush(org: RealOrg, service: Service, waves: int, seed: int) -> None:
    """Let clients come and break off in waves, each in the middle of a burst of events."""
    random = Random(seed)  # noqa: S311

    async def run() -> None:
        for _ in range(waves):
            await wave(
                CLIENTS,
                service.port,
                org.headers["Authorization"],
                random,
                lambda: asyncio.to_thread(org.add, *[20] * 3, metadata={"text": "x" * 500}),
            )

    asyncio.run(run())


def settled(service: Service, tasks: int) -> dict[str, int]:
    """Wait until nobody is left and the tasks are as few as before; return what is held then."""

    def quiet() -> bool:
        found = inspect(service)
        return found["admitted"] == found["subscribers"] == 0 and found["tasks"] <= tasks

    until(quiet, f"no subscriber, no seat, and at most {tasks} tasks")
    return inspect(service, "?memory") | {"rss_mb": service.process.memory_info().rss >> 20}


def test_ten_thousand_who_break_off_leave_nothing_behind(org: RealOrg) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with stream_service(org, "support.inspected_stream:app") as service:
            tasks = inspect(service)["tasks"]  # before anybody came
            rush(org, service, 1, seed=0)  # what is made once and kept is made now
            tasks += 1  # the beat
            before = settled(service, tasks)
            rush(org, service, WAVES, seed=1)
            after = settled(service, tasks)
            print(f"{WAVES * CLIENTS:,} broke off; before: {before}, after: {after}")
            assert after["objects"] - before["objects"] < WAVES * CLIENTS * OBJECTS
            assert after["memory_bytes"] - before["memory_bytes"] < WAVES * CLIENTS * BYTES
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_server_gives_a_stream_its_connection(org: RealOrg) -> None:
    url = "/api/v1/events/stream"
    with (
        stream_service(org, "support.inspected_stream:app") as service,
        httpx.Client(base_url=service.url, headers=org.headers, timeout=HANG_SECONDS) as http,
        http.stream("GET", url) as one,
        http.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as another,
    ):
        assert one.status_code == another.status_code == 200
        found = inspect(service)
        assert (found["subscribers"], found["written"]) == (2, 2)
