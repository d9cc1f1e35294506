"""Valkey pub/sub: how the stream services hear at once what was just sealed.

One channel per org. Nothing depends on a message's arrival: the ledger is the truth.
"""

import asyncio
from collections.abc import AsyncGenerator

from valkey import Valkey
from valkey.asyncio import Valkey as AsyncValkey
from valkey.asyncio.client import PubSub
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as Unreachable
from valkey.exceptions import ValkeyError
from valkey.retry import Retry

from tocsin.domain.errors import Busy

__all__ = ["ValkeyBroker", "ValkeyFeed"]

ANSWER_SECONDS = 1.0  # to connect, and to answer a command
RETRY_SECONDS = 0.25  # between two attempts to subscribe
SILENCE_SECONDS = 10.0  # after which a subscription is asked whether it lives


def _channel(org: str) -> str:
    return f"tocsin:v1:{org}"


class ValkeyBroker:
    """:class:`tocsin.ports.Broker` on Valkey."""

    def __init__(self, url: str) -> None:
        """Take the address, ``valkey://`` or ``valkeys://``; connects when first needed."""
        self._client = Valkey.from_url(
            url,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a connection from before the server's restart
            retry_on_error=[Unreachable],
        )

    def publish(self, org: str, message: bytes) -> None:
        """Publish to the org's channel.

        Raises:
            Busy: the broker is out of reach; it can't be known that anybody was told.
        """
        try:
            self._client.publish(_channel(org), message)
        except (ValkeyError, OSError) as error:
            raise Busy("Valkey is out of reach: subscribers will find it in the ledger") from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]


class ValkeyFeed:
    """:class:`tocsin.ports.Feed` on Valkey, with a connection per org."""

    def __init__(self, url: str) -> None:
        """Take the address, ``valkey://`` or ``valkeys://``; connects when first needed."""
        self._client = AsyncValkey.from_url(
            url,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_keepalive=True,
        )

    async def messages(self, org: str) -> AsyncGenerator[bytes | None]:
        """Yield what is published to the org's channel; None when something may have been missed.

        While Valkey is out of reach, that is None a few times a second.
        """
        while True:
            pubsub = self._client.pubsub()
            subscribing = asyncio.create_task(pubsub.subscribe(_channel(org)))
            try:
                while not subscribing.done():
                    await asyncio.wait([subscribing], timeout=RETRY_SECONDS)
                    if not subscribing.done():
                        yield None
                await subscribing
                while True:
                    yield await self._hear(pubsub)
            except (ValkeyError, OSError):
                yield None
            finally:
                subscribing.cancel()
                await asyncio.gather(subscribing, return_exceptions=True)
                await pubsub.aclose()
            await asyncio.sleep(RETRY_SECONDS)

    async def alive(self) -> bool:
        """Whether Valkey answers now."""
        try:
            return bool(await self._client.ping())
        except (ValkeyError, OSError):
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _hear(self, pubsub: PubSub) -> bytes | None:
        """Return the next message, or None when the subscription has begun (again)."""
        asked = False
        while True:
            message = await pubsub.get_message(timeout=SILENCE_SECONDS)
            if message is None and asked:
                raise Unreachable("a subscription does not answer")
            if message is None:
                await pubsub.ping()
                asked = True
            elif message["type"] == "message":
                data: bytes = message["data"]
                return data
            elif message["type"] == "subscribe":
                return None
            else:
                asked = False
