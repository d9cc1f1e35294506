"""The credentials that open streams came with, checked again and again while they are open."""

import asyncio
import logging
from collections.abc import Iterable

from tocsin.domain.errors import Busy, Forbidden, Unauthenticated
from tocsin.domain.keys import Scope
from tocsin.services._parts import Access
from tocsin.services._subscriber import Subscriber
from tocsin.wire import frames

__all__ = ["Credentials"]

logger = logging.getLogger(__name__)


class Credentials:
    """Subscribers by the credential they came with: one check serves all who share it."""

    def __init__(self, access: Access) -> None:
        """Check with ``access``."""
        self._access = access
        self._subscribers: dict[str | None, set[Subscriber]] = {}

    def __len__(self) -> int:
        """Return the number of subscribers."""
        return sum(map(len, self._subscribers.values()))

    def all(self) -> list[Subscriber]:
        """Return every subscriber."""
        return [each for group in self._subscribers.values() for each in group]

    def add(self, credential: str | None, subscriber: Subscriber) -> None:
        """Keep checking ``credential`` for a subscriber."""
        self._subscribers.setdefault(credential, set()).add(subscriber)

    def discard(self, credential: str | None, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        if group := self._subscribers.get(credential):
            group.discard(subscriber)
            if not group:
                del self._subscribers[credential]

    async def recheck(self) -> None:
        """End the streams whose credential is not valid any more.

        While the keys can't be read, streams stay open: what they carry can't be read then either.
        """
        refused = await asyncio.to_thread(self._refused, list(self._subscribers))
        for credential, reason in refused.items():
            for subscriber in list(self._subscribers.get(credential, ())):
                subscriber.end(frames.failure("UNAUTHORIZED", reason))

    def _refused(self, credentials: Iterable[str | None]) -> dict[str | None, str]:
        refused = {}
        for credential in credentials:
            try:
                self._access.authorize(credential, Scope.READ)
            except (Unauthenticated, Forbidden) as error:
                refused[credential] = str(error)
            except Busy as error:
                logger.warning("the keys of open streams can't be checked now: %s", error)
                break
        return refused
