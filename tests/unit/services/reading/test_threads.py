"""Reads in threads: an org's share, deadlines, and loops that look at the time."""

import asyncio
import threading
import time

import pytest

from tocsin.domain.errors import Busy
from tocsin.services.reading.checked import in_time
from tocsin.services.reading.threads import Threads

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_org_that_hangs_keeps_its_share_of_the_threads_and_no_more(
    released: threading.Event,
) -> None:
    threads = Threads("test", 3, 2)
    hanging = [asyncio.create_task(threads.run("bad", released.wait, 20)) for _ in range(8)]
    await asyncio.sleep(0)
    for _ in range(20):
        assert await threads.run("good", lambda: 7) == 7
    assert not any(task.done() for task in hanging)
    released.set()
    assert await asyncio.gather(*hanging) == [True] * 8
    threads.close()


async def test_who_waits_too_long_is_told_and_the_thread_is_taken_until_it_ends(
    released: threading.Event,
) -> None:
    threads = Threads("test", 2, 1, seconds=0.05)
    for _ in range(3):  # the first has the org's only thread, the others wait for it
        with pytest.raises(Busy, match="in time"):
            await threads.run("bad", released.wait, 20)
    released.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await threads.run("bad", lambda: 7) == 7
                break
            except Busy:
                continue
    threads.close()


async def test_what_a_call_raises_is_raised_and_gives_its_thread_back() -> None:
    threads = Threads("test", 1, 1)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="mine"):
            await threads.run("acme", _raise, TimeoutError("mine"))
    assert not threads._shares
    threads.close()


def _raise(error: Exception) -> None:
    raise error


async def test_a_loop_over_a_store_ends_with_the_time_of_its_read() -> None:
    ended = threading.Event()

    def forever() -> None:
        try:
            while True:
                in_time()
                time.sleep(0.001)  # a store that answers
        finally:
            ended.set()

    threads = Threads("test", 1, seconds=0.1)
    with pytest.raises(Busy):
        await threads.run("acme", forever)
    assert ended.wait(5)
    threads.close()


def test_a_read_outside_of_them_has_no_end() -> None:
    in_time()
