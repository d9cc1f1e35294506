"""The credentials that streams came with: checked at first, and again and again while open."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tocsin.domain.errors import Busy, Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.passes import Kind, Pass
from tocsin.services._parts import Access
from tocsin.services._subscriber import Subscriber
from tocsin.services.sessions import Sessions
from tocsin.services.tickets import Tickets
from tocsin.wire import frames

__all__ = ["Cookie", "Credentials", "Kept", "Presented", "Ticket"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cookie:
    """A session's token, from a request of which it is known that its page may use the cookie."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket's token."""

    token: str = field(repr=False)


type Presented = str | Cookie | Ticket | None
"""What a request came with: an ``Authorization`` header, if it is not one of the others."""

type Kept = str | Pass | None
"""What is checked again: the header, or the session or the used ticket."""


class Credentials:
    """Subscribers by the credential they came with: one check serves all who share it."""

    def __init__(
        self, access: Access, sessions: Sessions | None = None, tickets: Tickets | None = None
    ) -> None:
        """Check with these."""
        self._access = access
        self._sessions = sessions
        self._tickets = tickets
        self._subscribers: dict[Kept, set[Subscriber]] = {}

    def __len__(self) -> int:
        """Return the number of subscribers."""
        return sum(map(len, self._subscribers.values()))

    def all(self) -> list[Subscriber]:
        """Return every subscriber."""
        return [each for group in self._subscribers.values() for each in group]

    def admit(self, presented: Presented) -> tuple[ApiKey, Kept]:
        """Return a credential's key, and what to check later. Blocks; uses up a ticket.

        Raises:
            Unauthenticated, Forbidden: not with this credential.
            Busy: the state table does not answer.
        """
        match presented:
            case Cookie(token) if self._sessions:
                session, key = self._sessions.find(token, Scope.READ)
                return key, session
            case Ticket(token) if self._tickets:
                ticket, key = self._tickets.redeem(token, Scope.READ)
                return key, ticket
            case Cookie() | Ticket():
                raise Unauthenticated("there are neither sessions nor tickets here: send a key")
            case header:
                return self._access.authorize(header, Scope.READ), header

    def add(self, credential: Kept, subscriber: Subscriber) -> None:
        """Keep checking ``credential`` for a subscriber."""
        self._subscribers.setdefault(credential, set()).add(subscriber)

    def discard(self, credential: Kept, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        if group := self._subscribers.get(credential):
            group.discard(subscriber)
            if not group:
                del self._subscribers[credential]

    async def recheck(self) -> None:
        """End the streams whose credential is not valid any more.

        Keys come first: they are few and remembered, so what was revoked is found soon however many
        sessions there are, each of which takes a read of its own to see whether it was closed.
        While the keys can't be read, streams stay open: what they carry can't be read then either.
        """
        for check in (self._check_key, self._check_open):
            refused = await asyncio.to_thread(_refused, list(self._subscribers), check)
            for credential, reason in refused.items():
                for subscriber in list(self._subscribers.get(credential, ())):
                    subscriber.end(frames.failure("UNAUTHORIZED", reason))

    def _check_key(self, credential: Kept) -> None:
        if not isinstance(credential, Pass):
            self._access.authorize(credential, Scope.READ)
        elif credential.kind is Kind.SESSION and self._sessions:
            self._sessions.check_key(credential, Scope.READ)
        elif self._tickets:
            self._tickets.check_key(credential, Scope.READ)

    def _check_open(self, credential: Kept) -> None:
        if isinstance(credential, Pass) and credential.kind is Kind.SESSION and self._sessions:
            self._sessions.check_open(credential)


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
