"""Ending the streams whose credential is not valid any more."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from tocsin.domain.errors import Busy, Forbidden, Unauthenticated
from tocsin.domain.passes import Pass
from tocsin.services.access.presented import Credentials, Kept
from tocsin.services.reading.threads import Threads
from tocsin.services.stream.pools import CHECKS
from tocsin.services.stream.subscriber import Subscriber
from tocsin.wire import frames

__all__ = ["Recheck"]

logger = logging.getLogger(__name__)


class Recheck:
    """Subscribers by the credential they came with: one check serves all who share it."""

    def __init__(self, credentials: Credentials, threads: Threads | None = None) -> None:
        self._credentials = credentials
        self._threads = threads or Threads("checks", CHECKS)
        self._unanswered: set[Kept] = set()
        self._subscribers: dict[Kept, set[Subscriber]] = {}

    def __len__(self) -> int:
        """Return the number of subscribers."""
        return sum(map(len, self._subscribers.values()))

    def all(self) -> list[Subscriber]:
        """Return every subscriber."""
        return [each for group in self._subscribers.values() for each in group]

    def add(self, credential: Kept, subscriber: Subscriber) -> None:
        """Keep checking ``credential`` for a subscriber."""
        self._subscribers.setdefault(credential, set()).add(subscriber)

    def discard(self, credential: Kept, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        if group := self._subscribers.get(credential):
            group.discard(subscriber)
            if not group:
                del self._subscribers[credential]

    async def __call__(self) -> None:
        """Check every credential once, many at the same time: one that hangs holds up no other.

        Keys come first: they are few and remembered, so a revoked one is found soon, however many
        sign-ins there are. For each of those it takes a read to see whether it was closed.
        While the keys can't be read, streams stay open: what they carry can't be read then either.
        """
        credentials = self._in_turn()
        self._unanswered.clear()
        await self._check_each(credentials, self._credentials.check_key)
        passes = [each for each in credentials if isinstance(each, Pass)]
        await self._check_each(passes, self._credentials.check_open)
        if self._unanswered:
            logger.warning(
                "%d keys or sign-ins of open streams can't be checked now", len(self._unanswered)
            )

    def _in_turn(self) -> list[Kept]:
        """Return the credentials; those for which nobody answered the last time come last."""
        return sorted(self._subscribers, key=lambda each: each in self._unanswered)

    async def _check_each(self, credentials: Iterable[Kept], check: Callable[[Kept], None]) -> None:
        """Check as many at a time as have a thread, so that none waits out its time before it."""
        left = iter(credentials)

        async def check_some() -> None:
            for credential in left:
                await self._check(credential, check)

        await asyncio.gather(*(check_some() for _ in range(self._threads.workers)))

    async def _check(self, credential: Kept, check: Callable[[Kept], None]) -> None:
        try:
            await self._threads.run("", check, credential)
        except (Unauthenticated, Forbidden) as error:
            for subscriber in list(self._subscribers.get(credential, ())):
                subscriber.end(frames.failure(Unauthenticated.code, str(error)))
        except Busy:
            self._unanswered.add(credential)
