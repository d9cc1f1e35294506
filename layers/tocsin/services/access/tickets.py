"""Tickets: what opens one stream, for clients that can put a credential only into the URL."""

from tocsin.domain import passes
from tocsin.domain.errors import Unauthenticated
from tocsin.domain.keys import ApiKey, Scope
from tocsin.domain.limits import TICKET_SECONDS
from tocsin.domain.passes import Kind, Pass
from tocsin.ports.access import Passes
from tocsin.ports.world import Clock
from tocsin.services.access.access import Access

__all__ = ["Tickets"]


class Tickets:
    """Issues tickets, and takes each once. A ticket opens what its key opens. Everything blocks."""

    def __init__(self, store: Passes, access: Access, clock: Clock) -> None:
        self._store = store
        self._access = access
        self._clock = clock

    def issue(self, key: ApiKey, sign_in: Pass | None = None) -> str:
        """Return a new ticket's token; ``sign_in`` is what asked for it, if that was no key."""
        expires_at_ms = self._clock.now_ms() + TICKET_SECONDS * 1_000
        counts = None
        if sign_in is not None:
            counts = {key.org: dict(sign_in.sign_outs).get(key.org, 0)}
        token, ticket = passes.mint(Kind.TICKET, key, expires_at_ms, sign_outs=counts)
        self._store.put(ticket)
        return token

    def redeem(self, token: str, scope: Scope | None) -> tuple[Pass, ApiKey]:
        """Use up a ticket; return it, and its key.

        Raises:
            Unauthenticated: it is unknown, used or too old, or its key was revoked.
            Forbidden: its key does not carry ``scope``.
            Busy: the state table does not answer; the ticket may be used up all the same.
        """
        name = passes.claim(Kind.TICKET, token)
        ticket = self._store.take(Kind.TICKET, *name) if name else None
        if ticket is None or ticket.expires_at_ms <= self._clock.now_ms():
            raise Unauthenticated(
                f"the ticket is not valid: each opens one stream, within {TICKET_SECONDS} seconds; "
                "ask for another with POST /v1/stream-tickets"
            )
        return ticket, self.check_key(ticket, scope)

    def check_key(self, ticket: Pass, scope: Scope | None) -> ApiKey:
        """Return the key of a ticket that was used; raises what :meth:`redeem` raises."""
        key = self._access.authorize_key(ticket.org, ticket.key_id, scope)
        if ticket.ended_by(key):
            raise Unauthenticated("everybody with this API key was signed out: sign in again")
        return key
