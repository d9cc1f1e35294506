"""SignIns: as long as they last, and as good as their key."""

import pytest

from fakes.stores import (
    FakeClock,
    FakeJournal,
    FakeKeys,
    FakeOrgs,
    FakePasses,
    FakeSignInWrites,
)
from tocsin.domain.errors import Forbidden, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.passes import Pass
from tocsin.services.access.access import Access
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.signing_in.signing import Signing

HOURS_12 = 43_200


class On:
    def __init__(self) -> None:
        self.clock, self.keys, self.store = FakeClock(), FakeKeys(), FakePasses()
        self.sign_ins = self.service()
        self.signing = Signing(
            self.sign_ins,
            Access(self.keys, FakeOrgs(), self.clock),
            self.store,
            FakeSignInWrites(self.store, FakeJournal()),
            self.clock,
            HOURS_12,
        )
        self.key = self.new_key()

    def service(self) -> SignIns:
        """One process's: it remembers nothing of what another one does."""
        return SignIns(self.store, Access(self.keys, FakeOrgs(), self.clock), self.clock)

    def open(self, key: ApiKey) -> tuple[str, Pass]:
        opened = self.signing.open(key)
        return opened.token, opened.sign_in

    def new_key(self, org: str = "acme", scope: Scope = Scope.READ) -> ApiKey:
        _, key = mint(org, frozenset({scope}), "n", 1)
        self.keys.put(key)
        return key


@pytest.fixture
def on() -> On:
    return On()


def test_a_session_stands_for_its_key_everywhere(on: On) -> None:
    token, session = on.open(on.key)
    for service in (on.sign_ins, on.service()):
        assert service.find(token, Scope.READ) == (session, on.key)


def test_each_sign_in_makes_another(on: On) -> None:
    assert on.open(on.key)[0] != on.open(on.key)[0]


def test_a_session_may_what_its_key_may(on: On) -> None:
    token, _ = on.open(on.key)
    with pytest.raises(Forbidden, match="scope approve"):
        on.sign_ins.find(token, Scope.APPROVE)


def test_a_session_is_over_after_its_time(on: On) -> None:
    token, session = on.open(on.key)
    on.clock.ms += HOURS_12 * 1_000 - 1
    on.sign_ins.find(token, Scope.READ)
    on.clock.ms += 1
    with pytest.raises(Unauthenticated, match="sign in again"):
        on.sign_ins.find(token, Scope.READ)
    with pytest.raises(Unauthenticated, match="sign in again"):
        on.sign_ins.check_key(session, Scope.READ)


def test_a_closed_session_is_over_at_once_here_and_within_half_a_minute_elsewhere(on: On) -> None:
    elsewhere = on.service()
    token, session = on.open(on.key)
    elsewhere.find(token, Scope.READ)
    on.sign_ins.find(token, Scope.READ)
    on.signing.close(token)
    with pytest.raises(Unauthenticated):
        on.sign_ins.find(token, Scope.READ)
    with pytest.raises(Unauthenticated):
        on.sign_ins.check_open(session)
    on.clock.ms += 30_000
    with pytest.raises(Unauthenticated):
        elsewhere.find(token, Scope.READ)
    with pytest.raises(Unauthenticated):
        elsewhere.check_open(session)


def test_a_revoked_key_ends_its_sign_ins_within_half_a_minute(on: On) -> None:
    token, session = on.open(on.key)
    other, _ = on.open(on.new_key())
    on.sign_ins.find(token, Scope.READ)
    on.keys.put(on.key.revoked(on.clock.ms))
    on.clock.ms += 30_000
    with pytest.raises(Unauthenticated, match="revoked"):
        on.sign_ins.find(token, Scope.READ)
    with pytest.raises(Unauthenticated, match="revoked"):
        on.sign_ins.check_key(session, Scope.READ)
    on.sign_ins.find(other, Scope.READ)


def test_a_token_cannot_name_another_org_or_be_guessed(on: On) -> None:
    token, _ = on.open(on.key)
    on.open(on.new_key("beta"))
    for forged in (token.replace("_acme_", "_beta_"), token[:-1], token + "0", "", "x"):
        with pytest.raises(Unauthenticated):
            on.sign_ins.find(forged, Scope.READ)
        on.signing.close(forged)
    on.sign_ins.find(token, Scope.READ)
