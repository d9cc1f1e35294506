"""Tickets: once, within a minute."""

import pytest

from fakes.stores import FakeClock, FakeKeys, FakeOrgs, FakePasses
from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.access.access import Access
from tocsin.services.access.tickets import Tickets


class On:
    def __init__(self) -> None:
        self.clock, self.keys = FakeClock(), FakeKeys()
        self.tickets = Tickets(FakePasses(), Access(self.keys, FakeOrgs(), self.clock), self.clock)

    def new_key(self, scope: Scope = Scope.READ) -> ApiKey:
        _, key = mint("acme", frozenset({scope}), "n", 1)
        self.keys.put(key)
        return key


@pytest.fixture
def on() -> On:
    return On()


def test_a_ticket_is_taken_once(on: On) -> None:
    key = on.new_key()
    token = on.tickets.issue(key)
    ticket, found = on.tickets.redeem(token, Scope.READ)
    assert found == key
    with pytest.raises(Unauthenticated, match="another"):
        on.tickets.redeem(token, Scope.READ)
    assert on.tickets.check_key(ticket, Scope.READ) == key


def test_a_ticket_is_taken_within_a_minute(on: On) -> None:
    key = on.new_key()
    one, other = on.tickets.issue(key), on.tickets.issue(key)
    on.clock.ms += 59_999
    on.tickets.redeem(one, Scope.READ)
    on.clock.ms += 1
    with pytest.raises(Unauthenticated, match="within 60 seconds"):
        on.tickets.redeem(other, Scope.READ)


def test_a_ticket_is_as_good_as_its_key(on: On) -> None:
    revoked = on.new_key()
    ticket, _ = on.tickets.redeem(on.tickets.issue(revoked), Scope.READ)
    late = on.tickets.issue(revoked)
    on.keys.put(revoked.revoked(on.clock.ms))
    on.clock.ms += 30_000
    with pytest.raises(Unauthenticated, match="revoked"):
        on.tickets.check_key(ticket, Scope.READ)
    with pytest.raises(Unauthenticated, match="revoked"):
        on.tickets.redeem(late, Scope.READ)
    with pytest.raises(Forbidden, match="scope read"):
        on.tickets.redeem(on.tickets.issue(on.new_key(Scope.INGEST)), Scope.READ)


def test_a_forged_ticket_uses_up_nothing(on: On) -> None:
    token = on.tickets.issue(on.new_key())
    for forged in (token.replace("_acme_", "_beta_"), token[:-1], "tocsin-ticket_acme_0", ""):
        with pytest.raises(Unauthenticated):
            on.tickets.redeem(forged, Scope.READ)
    on.tickets.redeem(token, Scope.READ)
