"""Sign-ins whose store loses answers, or stops between two tries."""

from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest

from fakes.stores import (
    FakeClock,
    FakeJournal,
    FakeKeys,
    FakeOrgs,
    FakePasses,
    FakeSignInFailures,
    FakeSignInWrites,
)
from tocsin.domain.batch import Batch
from tocsin.domain.canonical import parse
from tocsin.domain.errors import Busy, OutcomeUnknown, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import MAX_FAILED_SIGN_INS, MAX_FAILED_SIGN_INS_PER_KEY
from tocsin.domain.passes import Pass
from tocsin.services.access.access import Access
from tocsin.services.access.sign_ins import SignIns
from tocsin.services.signing_in.failing import Failing
from tocsin.services.signing_in.signing import Signing

LOST, BEFORE, CONFLICT, DONE = "lost", "before", "conflict", "done"
WAYS = list(product([LOST, BEFORE, CONFLICT, DONE], repeat=2))


class Writes(FakeSignInWrites):
    """Does what ``ways`` say of its first calls: each may be done and its answer lost, or not."""

    ways: Sequence[str] = ()

    def write(
        self, new: Pass | None, old: Pass | None, told: Sequence[tuple[Batch, bytes]]
    ) -> bool:
        way, *rest = self.ways or [DONE]
        self.ways = rest
        if way == CONFLICT:
            return False
        if way == BEFORE:
            raise OutcomeUnknown("it may have been written")
        done = super().write(new, old, told)
        if way == LOST:
            raise OutcomeUnknown("it may have been written")
        return done


class On:
    def __init__(self) -> None:
        self.clock, self.keys, self.store = FakeClock(), FakeKeys(), FakePasses()
        self.journal = FakeJournal()
        self.access = Access(self.keys, FakeOrgs(), self.clock)
        self.sign_ins = SignIns(self.store, self.access, self.clock)
        self.writes = Writes(self.store, self.journal)
        self.signing = Signing(
            self.sign_ins, self.access, self.store, self.writes, self.clock, 3_600
        )

    def key(self, org: str = "acme") -> ApiKey:
        _, key = mint(org, frozenset({Scope.READ}), "n", 1)
        self.keys.put(key)
        return key

    @property
    def told(self) -> Counter[tuple[str, str]]:
        """How often each org was told what."""
        batches = [each for each in self.journal.batches.values() if isinstance(each, Batch)]
        return Counter(
            (batch.org, parse(entry)["type"]) for batch in batches for entry in batch.entries
        )


@pytest.fixture
def on() -> On:
    return On()


@pytest.mark.parametrize("ways", WAYS)
def test_whatever_answers_are_lost_a_sign_in_is_made_once(on: On, ways: tuple[str, str]) -> None:
    on.writes.ways = ways
    opened = on.signing.open(on.key())
    assert on.sign_ins.find(opened.token, Scope.READ)[1].org == "acme"
    assert len(on.store.passes) == 1
    assert on.told == {("acme", "auth.signin"): 1}


@pytest.mark.parametrize("ways", WAYS)
def test_whatever_answers_are_lost_one_takes_the_other_s_place(
    on: On, ways: tuple[str, str]
) -> None:
    first = on.signing.open(on.key())
    on.writes.ways = ways
    both = on.signing.add(first.token, on.key("beta"))
    on.writes.ways = ways
    back = on.signing.switch(both.token, "acme")
    assert len(on.store.passes) == 1
    assert on.sign_ins.find(back.token, Scope.READ)[0].held[0][0] == "acme"
    for over in (first, both):
        with pytest.raises(Unauthenticated):
            on.sign_ins.find(over.token, Scope.READ)
    assert on.told == {("acme", "auth.signin"): 1, ("beta", "auth.signin"): 1}


@pytest.mark.parametrize("ways", WAYS)
def test_whatever_answers_are_lost_one_signs_out_once(on: On, ways: tuple[str, str]) -> None:
    opened = on.signing.add(on.signing.open(on.key()).token, on.key("beta"))
    on.writes.ways = ways
    on.signing.close(opened.token)
    on.signing.close(opened.token)
    assert on.store.passes == {}
    assert on.told == {
        (org, f"auth.{what}"): 1 for org in ("acme", "beta") for what in ("signin", "signout")
    }


@pytest.mark.parametrize("way", [BEFORE, CONFLICT])
def test_a_store_that_never_answers_is_busy_and_what_was_stays(on: On, way: str) -> None:
    opened = on.signing.add(on.signing.open(on.key()).token, on.key("beta"))
    before = on.told
    for does in (
        lambda: on.signing.open(on.key()),
        lambda: on.signing.switch(opened.token, "acme"),
        lambda: on.signing.add(opened.token, on.key("gamma")),
        lambda: on.signing.close(opened.token),
    ):
        on.writes.ways = [way] * 3
        with pytest.raises(Busy):
            does()
        assert on.sign_ins.find(opened.token, Scope.READ)[1].org == "beta"
    assert on.told == before


def test_who_comes_after_another_who_switched_or_signed_out_has_to_sign_in(on: On) -> None:
    """Another process did it, and this one remembers the sign-in."""
    opened = on.signing.add(on.signing.open(on.key()).token, on.key("beta"))
    on.sign_ins.find(opened.token, Scope.READ)
    on.store.passes.clear()
    with pytest.raises(Unauthenticated, match="sign in again"):
        on.signing.switch(opened.token, "acme")
    on.signing.close(opened.token)
    assert on.store.passes == {}
    assert ("beta", "auth.signout") not in on.told


def test_an_org_s_failed_sign_ins_are_bounded_whatever_its_keys(on: On) -> None:
    failing = Failing(on.access, FakeSignInFailures(on.journal), on.clock)
    keys = [on.key() for _ in range(MAX_FAILED_SIGN_INS // MAX_FAILED_SIGN_INS_PER_KEY + 2)]
    for key in keys:
        for _ in range(MAX_FAILED_SIGN_INS_PER_KEY + 1):
            failing.tell(f"Bearer tocsin_acme_{key.id}_guess")
    assert on.told == {("acme", "auth.failed"): MAX_FAILED_SIGN_INS}
    on.clock.ms += 3_600_000
    failing.tell(f"Bearer tocsin_acme_{keys[-1].id}_guess")
    assert on.told.total() == MAX_FAILED_SIGN_INS + 1


def test_a_race_of_failures_tells_no_more_than_it_may(on: On) -> None:
    """Another process tells of one between this one's look and its write, each time."""
    failures = FakeSignInFailures(on.journal)
    key, look = on.key(), failures.get

    def get(org: str, hour: str) -> dict[str, int]:
        was = dict(look(org, hour))
        failures.counts[org, hour] = was | {"other": was.get("other", 0) + 1}
        return was

    failures.get = get  # type: ignore[method-assign]
    Failing(on.access, failures, on.clock).tell(f"Bearer tocsin_acme_{key.id}_guess")
    assert on.told == {}
