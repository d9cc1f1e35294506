"""Valkey pub/sub: how the stream services hear at once what was just sealed.

One channel per org. Nothing depends on a message's arrival: the ledger is the truth.

ElastiCache ends a connection that signed in with IAM after 12 hours. Given a clock, both ends of
the broker replace theirs before that, and a subscription only after the next one has begun.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from typing import override

from valkey.asyncio import Valkey as AsyncValkey
from valkey.credentials import CredentialProvider
from valkey.exceptions import ValkeyError

from tocsin.adapters.valkey.connection import Renewal, channel_of, options
from tocsin.adapters.valkey.iam import SignedAhead
from tocsin.adapters.valkey.subscription import Subscription
from tocsin.ports.log import Feed
from tocsin.ports.world import Clock

__all__ = ["ValkeyFeed"]

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.25  # between two attempts to subscribe
# After a failure all connections of a task sign in anew. ElastiCache throttles sign-ins with IAM
# ("IamAuthenticationThrottling": https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/
# CacheMetrics.Redis.html), so each waits at random: up to SPREAD_MS, and from its second failure
# on up to PAUSES more of RETRY_SECONDS, twice as many each time.
SPREAD_MS = 1_000
PAUSES, PAUSES_MOST = 8, 64
RENEW_AGAIN_MS = 60_000  # after a renewal that failed


class ValkeyFeed(Feed):
    """:class:`tocsin.ports.log.Feed` on Valkey, with a connection per org."""

    def __init__(
        self,
        url: str,
        credentials: CredentialProvider | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the address, ``valkey://`` or ``valkeys://``; connects when first needed."""
        self._credentials = SignedAhead(credentials) if credentials else None
        chosen = options(url, self._credentials)
        if not url.startswith("unix:"):
            chosen["socket_keepalive"] = True
        self._client = AsyncValkey.from_url(url, **chosen)
        self._pinger = AsyncValkey.from_url(url, **chosen)  # its connection may grow old
        self._clock = clock

    @override
    async def messages(self, org: str) -> AsyncGenerator[bytes | None]:
        """Yield what is published to the org's channel; None when something may have been missed.

        While Valkey is out of reach, that is None a few times a second. When a subscription is
        replaced nothing is missed, and some messages may come twice.
        """
        warned, failures = False, 0
        while True:
            held = [self._subscribe(org)]  # the one that is heard, and later its successor
            try:
                while not await held[0].begun(RETRY_SECONDS):
                    yield None
                warned, failures = False, 0
                yield None
                while True:
                    if (message := await held[0].hear()) is not None:
                        yield message
                    if await self._succeeded(held, org):
                        await held[0].ask()  # what it hears before the answer is the last of it
                        while held[0].unanswered:
                            if (message := await held[0].hear()) is not None:
                                yield message
                        await held.pop(0).aclose()
                        yield None
            except (ValkeyError, OSError) as error:
                if not warned:
                    logger.warning("no subscription for %s, trying again: %r", org, error)
                    warned = True
                yield None
            finally:
                for subscription in held:
                    await subscription.aclose()
            await asyncio.sleep(RETRY_SECONDS + self._spread_seconds())
            failures += 1
            for _ in range(self._pauses(failures)):
                yield None
                await asyncio.sleep(RETRY_SECONDS)

    async def alive(self) -> bool:
        """Whether Valkey answers now."""
        try:
            if self._credentials:
                await self._credentials.refresh()
            return bool(await self._pinger.ping())
        except (ValkeyError, OSError):
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._pinger.aclose()

    def _spread_seconds(self) -> float:
        return secrets.randbelow(SPREAD_MS) / 1_000 if self._credentials else 0.0

    def _pauses(self, failures: int) -> int:
        """Return how much longer to wait, at random; a server without IAM is asked at once."""
        if self._credentials is None or failures < 2:
            return 0
        return secrets.randbelow(min(PAUSES << min(failures - 2, 8), PAUSES_MOST))

    def _subscribe(self, org: str) -> Subscription:
        connection = self._client.connection_pool.make_connection()
        return Subscription(connection, channel_of(org), self._credentials, Renewal(self._clock))

    async def _succeeded(self, held: list[Subscription], org: str) -> bool:
        """Make the successor when it is time; return whether it has begun."""
        if len(held) == 1:
            if held[0].renewal.due:
                held.append(self._subscribe(org))
            return False
        try:
            return await held[1].begun(0)
        except (ValkeyError, OSError) as error:
            logger.warning("the subscription for %s is not renewed yet: %r", org, error)
            await held.pop().aclose()
            held[0].renewal.postpone(RENEW_AGAIN_MS)
            return False
