"""Sessions: as long as they last, and as good as their key."""

import pytest

from fakes.stores import FakeClock, FakeKeys, FakePasses
from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.access import Access
from tocsin.services.sessions import Sessions

HOURS_12 = 43_200


class On:
    def __init__(self) -> None:
        self.clock, self.keys, self.store = FakeClock(), FakeKeys(), FakePasses()
        self.sessions = self.service()
        self.key = self.new_key()

    def service(self) -> Sessions:
        """One process's: it remembers nothing of what another one does."""
        return Sessions(self.store, Access(self.keys, self.clock), self.clock, HOURS_12)

    def new_key(self, org: str = "acme", scope: Scope = Scope.READ) -> ApiKey:
        _, key = mint(org, frozenset({scope}), "n", 1)
        self.keys.put(key)
        return key


@pytest.fixture
def on() -> On:
    return On()


def test_a_session_stands_for_its_key_everywhere(on: On) -> None:
    token, session = on.sessions.open(on.key)
    for service in (on.sessions, on.service()):
        assert service.find(token, Scope.READ) == (session, on.key)


def test_each_sign_in_makes_another(on: On) -> None:
    assert on.sessions.open(on.key)[0] != on.sessions.open(on.key)[0]


def test_a_session_may_what_its_key_may(on: On) -> None:
    token, _ = on.sessions.open(on.key)
    with pytest.raises(Forbidden, match="scope approve"):
        on.sessions.find(token, Scope.APPROVE)


def test_a_session_is_over_after_its_time(on: On) -> None:
    token, session = on.sessions.open(on.key)
    on.clock.ms += HOURS_12 * 1_000 - 1
    on.sessions.find(token, Scope.READ)
    on.clock.ms += 1
    with pytest.raises(Unauthenticated, match="sign in again"):
        on.sessions.find(token, Scope.READ)
    with pytest.raises(Unauthenticated, match="sign in again"):
        on.sessions.check_key(session, Scope.READ)


def test_a_closed_session_is_over_at_once_here_and_within_half_a_minute_elsewhere(on: On) -> None:
    elsewhere = on.service()
    token, session = on.sessions.open(on.key)
    elsewhere.find(token, Scope.READ)
    on.sessions.find(token, Scope.READ)
    on.sessions.close(token)
    with pytest.raises(Unauthenticated):
        on.sessions.find(token, Scope.READ)
    with pytest.raises(Unauthenticated):
        on.sessions.check_open(session)
    on.clock.ms += 30_000
    with pytest.raises(Unauthenticated):
        elsewhere.find(token, Scope.READ)
    with pytest.raises(Unauthenticated):
        elsewhere.check_open(session)


def test_a_revoked_key_ends_its_sessions_within_half_a_minute(on: On) -> None:
    token, session = on.sessions.open(on.key)
    other, _ = on.sessions.open(on.new_key())
    on.sessions.find(token, Scope.READ)
    on.keys.put(on.key.revoked(on.clock.ms))
    on.clock.ms += 30_000
    with pytest.raises(Unauthenticated, match="revoked"):
        on.sessions.find(token, Scope.READ)
    with pytest.raises(Unauthenticated, match="revoked"):
        on.sessions.check_key(session, Scope.READ)
    on.sessions.find(other, Scope.READ)


def test_a_token_cannot_name_another_org_or_be_guessed(on: On) -> None:
    token, _ = on.sessions.open(on.key)
    on.sessions.open(on.new_key("beta"))
    for forged in (token.replace("_acme_", "_beta_"), token[:-1], token + "0", "", "x"):
        with pytest.raises(Unauthenticated):
            on.sessions.find(forged, Scope.READ)
        on.sessions.close(forged)
    on.sessions.find(token, Scope.READ)
