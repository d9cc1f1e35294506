"""Signing out everywhere where answers are lost, and where keys go meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest

from fakes.stores import (
    FakeClock,
    FakeJournal,
    FakeKeyRing,
    FakeKeys,
    FakeOrgs,
    FakePasses,
    FakeSignInWrites,
)
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import parse
from tocsin.domain.errors import Busy, OutcomeUnknown, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.services.access.access import Access
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.signing_in.everywhere import Everywhere
from tocsin.services.signing_in.signing import Signing

LOST, BEFORE, CONFLICT, DONE = "lost", "before", "conflict", "done"


class Ring(FakeKeyRing):
    """Does what ``ways`` say of its first calls: each may be done and its answer lost, or not."""

    ways: Sequence[str] = ()

    def write(
        self, key: ApiKey, was: str, batch: Batch, packed: bytes, new: ApiKey | None = None
    ) -> bool:
        way, *rest = self.ways or [DONE]
        self.ways = rest
        if way == CONFLICT:
            return False
        if way == BEFORE:
            raise OutcomeUnknown("it may have been written")
        done = super().write(key, was, batch, packed, new)
        if way == LOST:
            raise OutcomeUnknown("it may have been written")
        return done


class On:
    def __init__(self) -> None:
        self.clock, self.keys, self.passes = FakeClock(), FakeKeys(), FakePasses()
        self.journal = FakeJournal()
        self.ring = Ring(self.keys, self.journal)
        access = Access(self.keys, FakeOrgs(), self.clock)
        self.sign_ins = SignIns(self.passes, access, self.clock)
        writes = FakeSignInWrites(self.passes, FakeJournal())
        self.signing = Signing(self.sign_ins, access, self.passes, writes, self.clock, 3_600)
        self.everywhere = Everywhere(self.sign_ins, access, self.keys, self.ring, self.clock)

    def key(self, org: str = "acme") -> ApiKey:
        _, key = mint(org, frozenset({Scope.READ}), "n", 1)
        self.keys.put(key)
        return key

    def sign_outs(self, key: ApiKey) -> int:
        found = self.keys.get(key.org, key.id)
        assert found
        return found.sign_outs

    @property
    def told(self) -> list[str]:
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        return [parse(entry)["type"] for batch in batches for entry in batch.entries]


@pytest.fixture
def on() -> On:
    return On()


@pytest.mark.parametrize("ways", [*product([LOST, BEFORE, CONFLICT, DONE], repeat=2)])
def test_it_is_done_and_told_once_whatever_is_lost(on: On, ways: tuple[str, ...]) -> None:
    key = on.key()
    token = on.signing.open(key).token
    on.ring.ways = ways
    on.everywhere.of_key(key)
    assert (on.sign_outs(key), on.told) == (1, ["auth.signout"])
    with pytest.raises(Unauthenticated):
        on.sign_ins.find(token, Scope.READ)


def test_ended_between_two_keys_it_is_completed_when_asked_again(on: On) -> None:
    acme, beta = on.key(), on.key("beta")
    token = on.signing.add(on.signing.open(acme).token, beta).token
    on.ring.ways = [DONE, *[CONFLICT] * 4]
    with pytest.raises(Busy):
        on.everywhere.of_sign_in(token)
    on.everywhere.of_sign_in(token)
    on.everywhere.of_sign_in(token)
    assert (on.sign_outs(acme), on.sign_outs(beta)) == (1, 1)
    assert on.told == ["auth.signout"] * 2


def test_a_key_that_is_revoked_or_gone_is_left_alone(on: On) -> None:
    acme, beta = on.key(), on.key("beta")
    token = on.signing.add(on.signing.open(acme).token, beta).token
    on.keys.put(replace(acme, revoked_at_ms=2))
    on.keys.keys.pop((beta.org, beta.id))
    on.everywhere.of_sign_in(token)
    assert (on.sign_outs(acme), on.told) == (0, [])
    assert on.keys.get(beta.org, beta.id) is None


@pytest.mark.parametrize("off_by_ms", [-1_800_000, 1_800_000])
def test_clocks_that_differ_end_neither_too_few_nor_too_many(on: On, off_by_ms: int) -> None:
    key = on.key()
    before = on.signing.open(key).token
    on.clock.ms += off_by_ms
    on.everywhere.of_key(key)
    on.clock.ms -= off_by_ms
    after = on.signing.open(key).token
    with pytest.raises(Unauthenticated):
        on.sign_ins.find(before, Scope.READ)
    assert on.sign_ins.find(after, Scope.READ)[1].id == key.id
