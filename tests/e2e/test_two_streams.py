"""Two stream services on one Valkey and the same tables: any of them will do."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import httpx
import psutil
import pytest

from support.chaos.check import Expected, compare, events_of, head_of
from support.chaos.crowd import crowd
from support.chaos.producer import Producer
from support.product import Product
from support.waiting import HANG_SECONDS, until
from tocsin.local.addresses import LOOPBACK, reserve

pytestmark = [pytest.mark.xdist_group("product"), pytest.mark.anyio]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def another_stream(product: Product) -> Iterator[tuple[str, psutil.Popen]]:
    """Run the product's stream service once more, on a port of its own."""
    first = product.parts()["stream"]
    held = reserve(0)
    port = str(held.getsockname()[1])
    *command, _, graceful_seconds, protocol = first.cmdline()
    process = psutil.Popen(
        [*command, port, graceful_seconds, protocol], env=first.environ(), stdout=subprocess.DEVNULL
    )
    url = f"http://{LOOPBACK}:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/healthz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers, "the other stream service answers")
        yield url, process
    finally:
        process.kill()
        process.wait()
        held.close()


async def read_until(url: str, product: Product, after: int, last: int) -> bytes:
    """Return what a stream says from after one seq to another, without its heartbeats and opening.

    The opening asks each client to wait for another time before it comes back.
    """
    data = b""
    async with (
        httpx.AsyncClient(timeout=HANG_SECONDS, headers=product.headers) as client,
        client.stream("GET", f"{url}/api/v1/events/stream?after={after}") as response,
    ):
        async for chunk in response.aiter_raw():
            data += chunk
            if f"\nid: {last}\n".encode() in data and data.endswith(b"\n\n"):
                break
    _, _, events = data.replace(b": keepalive\n", b"").partition(b"\n\n")
    return re.sub(rb"retry: [0-9]+\n", b"", events)  # by chance, another in each


async def test_both_services_say_the_same_of_what_is_accepted_through_one(product: Product) -> None:
    with another_stream(product) as (first, _), another_stream(product) as (second, _):
        producer = Producer(product, "agent-0", 100, Random(1))  # noqa: S311
        before, stop = head_of(product).seq, asyncio.Event()
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(producer.run(stop))
            live = [
                group.create_task(read_until(url, product, before, before + 100))
                for url in (first, second)
            ]
            await asyncio.wait(live)
            stop.set()
            await sending
        one, other = (task.result() for task in live)
        shorter = min(len(one), len(other))  # each may have got some more
        assert one[:shorter] == other[:shorter]
        assert f"\nid: {before + 100}\n".encode() in one[:shorter]


async def test_a_client_that_is_cut_at_one_service_goes_on_at_the_other(product: Product) -> None:
    with another_stream(product) as (first, _), another_stream(product) as (second, process):
        producer = Producer(product, "agent-1", 50, Random(2))  # noqa: S311
        before, stop = head_of(product).seq, asyncio.Event()
        async with crowd(
            45, [[first, second], [second, first]], product.headers, 3, slow_readers=False
        ) as everybody:
            await everybody.until_opened()
            sending = asyncio.create_task(producer.run(stop))
            await everybody.until_at(before + 100)
            process.kill()
            await everybody.until_at(before + 250)
            stop.set()
            await sending
            everybody.finishing.set()

            def sealed() -> bool:
                ids = {event.parse().get("source_id") for event in events_of(product)[before:]}
                return ids.issuperset(producer.sent)

            await asyncio.to_thread(until, sealed, "all that was sent is sealed")
            await everybody.until_at(head_of(product).seq)
        events = events_of(product)
        cut = 0
        for each in everybody.subscribers:
            assert not each.trouble, each.trouble
            assert compare(each, Expected(each.view, events)) is None, each.view.name
            cut += each.counts["cut"]
        assert cut >= 10  # about half were at the one that was killed
