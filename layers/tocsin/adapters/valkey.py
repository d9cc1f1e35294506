"""Valkey pub/sub: how the stream services hear at once what was just sealed.

One channel per org. Nothing depends on a message's arrival: the ledger is the truth.

ElastiCache ends a connection that signed in with IAM after 12 hours. Given a clock, both ends of
the broker replace theirs before that, and a subscription only after the next one has begun.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, override

from valkey import Valkey
from valkey.asyncio import Valkey as AsyncValkey
from valkey.asyncio.client import PubSub
from valkey.backoff import NoBackoff
from valkey.credentials import CredentialProvider
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import ValkeyError
from valkey.retry import Retry

from tocsin.adapters._valkey_iam import IamCredentials, SignedAhead
from tocsin.domain.errors import Busy
from tocsin.ports import Broker, Clock, Feed

__all__ = ["IamCredentials", "ValkeyBroker", "ValkeyFeed"]

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0  # to connect, and to answer a command
RETRY_SECONDS = 0.25  # between two attempts to subscribe
PING_SECONDS = 10.0  # of silence, after which a subscription is asked whether it lives
RENEW_MS = 11 * 3_600_000  # of a connection's age, less up to
JITTER_MS = 30 * 60_000  # so that not all connections are renewed at once
# After a failure all connections of a task sign in anew. ElastiCache throttles sign-ins with IAM
# ("IamAuthenticationThrottling": https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/
# CacheMetrics.Redis.html), so each waits at random: up to SPREAD_MS, and from its second failure
# on up to PAUSES more of RETRY_SECONDS, twice as many each time.
SPREAD_MS = 1_000
PAUSES, PAUSES_MOST = 8, 64
RENEW_AGAIN_MS = 60_000  # after a renewal that failed


def _channel(org: str) -> str:
    return f"tocsin:v1:{org}"


def _options(url: str, credentials: CredentialProvider | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "credential_provider": credentials,
    }
    if not url.startswith("unix:"):
        options["socket_connect_timeout"] = ANSWER_SECONDS
    if url.startswith("valkeys:"):
        options["ssl_check_hostname"] = True  # not the client's default
    return options


class _Renewal:
    """When a connection is to be replaced: never without a clock."""

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock
        self.postpone(RENEW_MS - secrets.randbelow(JITTER_MS))

    @property
    def due(self) -> bool:
        return self._clock is not None and self._clock.now_ms() >= self._at_ms

    def postpone(self, ms: int) -> None:
        self._at_ms = ms + (self._clock.now_ms() if self._clock else 0)


class ValkeyBroker(Broker):
    """:class:`tocsin.ports.Broker` on Valkey."""

    def __init__(
        self,
        url: str,
        credentials: CredentialProvider | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the address, ``valkey://`` or ``valkeys://``; connects when first needed."""
        self._client = Valkey.from_url(
            url,
            **_options(url, credentials),
            retry=Retry(NoBackoff(), 1),  # for a connection from before the server's restart
            retry_on_error=[Unreachable],
        )
        self._clock = clock
        self._renewal = _Renewal(clock)

    @override
    def publish(self, org: str, message: bytes) -> None:
        if self._renewal.due:
            self._client.connection_pool.disconnect(inuse_connections=False)
            self._renewal = _Renewal(self._clock)
        try:
            self._client.publish(_channel(org), message)
        except (ValkeyError, OSError) as error:
            raise Busy("Valkey is out of reach: subscribers will find it in the ledger") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]


class ValkeyFeed(Feed):
    """:class:`tocsin.ports.Feed` on Valkey, with a connection per org."""

    def __init__(
        self,
        url: str,
        credentials: CredentialProvider | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take the address, ``valkey://`` or ``valkeys://``; connects when first needed."""
        self._credentials = SignedAhead(credentials) if credentials else None
        options = _options(url, self._credentials)
        if not url.startswith("unix:"):
            options["socket_keepalive"] = True
        self._client = AsyncValkey.from_url(url, **options)
        self._pinger = AsyncValkey.from_url(url, **options)  # its connection may grow old
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

    def _subscribe(self, org: str) -> "_Subscription":
        return _Subscription(
            self._client.pubsub(), _channel(org), self._credentials, _Renewal(self._clock)
        )

    async def _succeeded(self, held: list["_Subscription"], org: str) -> bool:
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


class _Subscription:
    """A connection of its own that listens to one channel."""

    def __init__(
        self,
        pubsub: PubSub,
        channel: str,
        credentials: SignedAhead | None,
        renewal: _Renewal,
    ) -> None:
        self.renewal = renewal
        self._pubsub = pubsub
        self.unanswered = 0  # pings
        self._beginning = asyncio.create_task(self._begin(channel, credentials))

    async def begun(self, seconds: float) -> bool:
        """Wait for so long; return whether the server has confirmed it. Raises if it failed."""
        await asyncio.wait([self._beginning], timeout=seconds)
        return self._beginning.done() and self._beginning.result()

    async def hear(self) -> bytes | None:
        """Return the next message; None after another sign of life, or a while without any."""
        heard = await self._pubsub.get_message(timeout=PING_SECONDS)
        if heard is None:
            if self.unanswered:
                raise Unreachable("a subscription does not answer")
            await self.ask()
        elif heard["type"] == "message":
            message: bytes = heard["data"]
            return message
        elif heard["type"] == "pong":
            self.unanswered -= 1
        else:
            raise Unreachable("a subscription was begun anew")
        return None

    async def ask(self) -> None:
        """Send a ping, whose answer comes after all that was published before it."""
        await self._pubsub.ping()
        self.unanswered += 1

    async def aclose(self) -> None:
        """Close the connection."""
        self._beginning.cancel()
        await asyncio.gather(self._beginning, return_exceptions=True)
        with suppress(ValkeyError, OSError):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _begin(self, channel: str, credentials: SignedAhead | None) -> bool:
        if credentials:
            await credentials.refresh()
        await self._pubsub.subscribe(channel)
        if await self._pubsub.get_message(timeout=ANSWER_SECONDS) is None:
            raise Unreachable("a subscription is not confirmed")
        return True
