"""Subscriptions that are signed in anew, all at once, are spread: ElastiCache throttles them."""

import asyncio
from time import monotonic

import pytest
from valkey.credentials import CredentialProvider
from valkey.exceptions import AuthenticationError

from tocsin.adapters.valkey.feed import PAUSES, PAUSES_MOST, SPREAD_MS, ValkeyFeed

pytestmark = pytest.mark.anyio
NOBODY = "valkey://127.0.0.1:1"


class Throttled(CredentialProvider):
    """Counts who asks, and lets nobody in."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def get_credentials(self) -> tuple[str]:
        self.asked.append(monotonic())
        raise AuthenticationError("too many at once")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _listen(feed: ValkeyFeed, throttled: Throttled, times: int) -> int:
    """Return how often the ledger would have been looked at before so many sign-ins."""
    messages, looks = feed.messages("acme"), 0
    async for message in messages:
        assert message is None
        if len(throttled.asked) == times:
            break
        looks += 1
    await messages.aclose()
    return looks


async def test_who_was_refused_comes_back_at_a_moment_of_its_own() -> None:
    throttled = [Throttled() for _ in range(30)]
    feeds = [ValkeyFeed(NOBODY, each) for each in throttled]
    looks = await asyncio.gather(*(map(_listen, feeds, throttled, [3] * 30)))
    for sign_in in (1, 2):
        waits = [each.asked[sign_in] - each.asked[sign_in - 1] for each in throttled]
        assert max(waits) - min(waits) > SPREAD_MS / 4_000
    assert min(looks) >= 2  # the ledger stands in for it meanwhile
    assert max(looks) > 3
    for feed in feeds:
        await feed.aclose()


async def test_the_wait_ends_however_often_it_failed() -> None:
    feed = ValkeyFeed(NOBODY, Throttled())
    most = [max(feed._pauses(failures) for _ in range(300)) for failures in (1, 2, 3, 1_000)]
    assert all(pauses < PAUSES_MOST for pauses in most)
    assert most[0] == 0
    assert most[1] < PAUSES < most[-1]
    await feed.aclose()


async def test_without_iam_nobody_waits() -> None:
    feed = ValkeyFeed(NOBODY)
    assert {feed._pauses(failures) + feed._spread_seconds() for failures in range(1, 9)} == {0}
    await feed.aclose()
