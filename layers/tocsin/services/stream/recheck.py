"""Ending the streams whose credential is not valid any more."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from tocsin.domain.errors import Busy, Forbidden, Unauthenticated
from tocsin.services.access.presented import Credentials, Kept
from tocsin.services.stream.subscriber import Subscriber
from tocsin.wire import frames

__all__ = ["Recheck"]

logger = logging.getLogger(__name__)


class Recheck:
    """Subscribers by the credential they came with: one check serves all who share it."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
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
        """Check every credential once.

        Keys come first: they are few and remembered, so a revoked one is found soon, however many
        sign-ins there are. For each of those it takes a read to see whether it was closed.
        While the keys can't be read, streams stay open: what they carry can't be read then either.
        """
        for check in (self._credentials.check_key, self._credentials.check_open):
            refused = await asyncio.to_thread(_refused, list(self._subscribers), check)
            for credential, reason in refused.items():
                for subscriber in list(self._subscribers.get(credential, ())):
                    subscriber.end(frames.failure("UNAUTHORIZED", reason))


def _refused(credentials: Sequence[Kept], check: Callable[[Kept], None]) -> dict[Kept, str]:
    refused = {}
    for credential in credentials:
        try:
            check(credential)
        except (Unauthenticated, Forbidden) as error:
            refused[credential] = str(error)
        except Busy as error:
            logger.warning("the keys of open streams can't be checked now: %s", error)
            break
    return refused
