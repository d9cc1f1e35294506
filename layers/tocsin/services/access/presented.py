"""What requests present as credentials, and the keys that they stand for."""

from dataclasses import dataclass, field
from typing import Protocol

from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.passes import Kind, Pass
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.access.tickets import Tickets

__all__ = ["Authorizer", "Cookie", "Credentials", "Kept", "Presented", "Ticket"]


@dataclass(frozen=True, slots=True)
class Cookie:
    """The token of a sign-in, from the cookie."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket's token."""

    token: str = field(repr=False)


type Presented = str | Cookie | Ticket | None
"""What a request came with: an ``Authorization`` header, if it is not one of the others."""

type Kept = str | Pass | None
"""What is checked again later: the header, or the sign-in or used ticket."""


class Authorizer(Protocol):
    """Checks an ``Authorization`` header: :class:`tocsin.services.access.access.Access` does."""

    def authorize(self, authorization: str | None, scope: Scope | None, /) -> ApiKey:
        """Return the key, or raise Unauthenticated, Forbidden or Busy; blocks."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Admits readers. Without sign-ins no cookie is accepted, and without tickets no ticket.

    Everything blocks, and raises Busy when the state table does not answer.
    """

    access: Authorizer
    sign_ins: SignIns | None = None
    tickets: Tickets | None = None

    def admit(self, presented: Presented, scope: Scope | None = Scope.READ) -> tuple[ApiKey, Kept]:
        """Return a credential's key, and what to check later. Uses up a ticket.

        With scope None the key may do anything: who asks looks at what it may.

        Raises:
            Unauthenticated, Forbidden: this credential does not admit anybody.
        """
        match presented:
            case Cookie(token) if self.sign_ins:
                sign_in, key = self.sign_ins.find(token, scope)
                return key, sign_in
            case Ticket(token) if self.tickets:
                ticket, key = self.tickets.redeem(token, scope)
                return key, ticket
            case Cookie() | Ticket():
                raise Unauthenticated("there are neither sign-ins nor tickets here: send a key")
            case header:
                return self.access.authorize(header, scope), header

    def check_key(self, kept: Kept) -> None:
        """Raise what :meth:`admit` raises if the credential's key may not read any more."""
        if not isinstance(kept, Pass):
            self.access.authorize(kept, Scope.READ)
        elif kept.kind is Kind.SIGN_IN and self.sign_ins:
            self.sign_ins.check_key(kept, Scope.READ)
        elif self.tickets:
            self.tickets.check_key(kept, Scope.READ)

    def check_open(self, kept: Kept) -> None:
        """Raise Unauthenticated if the credential is a sign-in that was closed."""
        if isinstance(kept, Pass) and kept.kind is Kind.SIGN_IN and self.sign_ins:
            self.sign_ins.check_open(kept)
