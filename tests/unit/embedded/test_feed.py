"""What the contract of brokers does not say of the one within a process."""

import asyncio
from contextlib import aclosing

import pytest

from support.waiting import HANG_SECONDS
from tocsin.embedded._feed import MAX_WAITING, LocalFeed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_who_is_too_far_behind_is_told_to_look_at_the_ledger() -> None:
    feed = LocalFeed()
    async with asyncio.timeout(HANG_SECONDS), aclosing(feed.messages("acme")) as messages:
        assert await anext(messages) is None
        for n in range(MAX_WAITING + 5):
            feed.publish("acme", b"%d" % n)
        assert await anext(messages) is None
        assert [await anext(messages) for _ in range(5)] == [
            b"%d" % n for n in range(MAX_WAITING, MAX_WAITING + 5)
        ]


def test_a_loop_that_is_gone_holds_nobody_up() -> None:
    feed = LocalFeed()
    loop = asyncio.new_event_loop()
    messages = feed.messages("acme")
    assert loop.run_until_complete(anext(messages)) is None
    loop.close()
    feed.publish("acme", b"said to nobody")
