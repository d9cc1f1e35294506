"""What every implementation of the sign-ins' writes, of their failures and of rates does."""

from collections.abc import Mapping

import pytest

from support.databases import Stores
from tocsin.domain import passes
from tocsin.domain.ids import new_batch_id
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.passes import Kind, Pass
from tocsin.services.intake.stamp import own_batch

HOUR = "2026-03-20T09"


def key(org: str = "acme") -> ApiKey:
    return mint(org, frozenset({Scope.READ}), "n", 7)[1]


def sign_in(org: str = "acme", *others: str) -> Pass:
    return passes.mint(Kind.SIGN_IN, key(org), 9_999, map(key, others))[1]


def write(on: Stores, salt: int, new: Pass | None, old: Pass | None, *orgs: str) -> bool:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    told = [own_batch(org, [{"type": "auth.signin"}], id) for org in orgs]
    written = on.sign_in_writes.write(new, old, told)
    for org in orgs:
        assert (id in on.journal.get(org, [id])) is written
    return written


def stored(on: Stores, each: Pass) -> Pass | None:
    return on.passes.get(each.kind, each.org, each.digest)


class TestSignInWrites:
    def test_a_sign_in_comes_back_as_it_was_written_once(self, on: Stores) -> None:
        one = sign_in("acme", "zeta", "beta")
        assert [org for org, _ in one.held] == ["acme", "beta", "zeta"]
        assert write(on, 1, one, None, "acme")
        assert stored(on, one) == one
        assert not write(on, 2, one, None, "acme")
        counts = {"acme": 2, "beta": 1}
        other = passes.mint(Kind.SIGN_IN, key(), 9_999, [key("beta")], counts)[1]
        assert write(on, 3, other, None)
        found = stored(on, other)
        assert (found, found and dict(found.sign_outs)) == (other, counts)

    def test_another_takes_its_place_whole_or_not_at_all(self, on: Stores) -> None:
        old, new, late = sign_in(), sign_in("beta", "acme"), sign_in("gamma")
        assert write(on, 1, old, None)
        assert write(on, 2, new, old, "beta")
        assert (stored(on, old), stored(on, new)) == (None, new)
        assert not write(on, 3, late, old, "gamma")
        assert stored(on, late) is None

    def test_one_is_removed_once_and_each_org_is_told(self, on: Stores) -> None:
        one = sign_in()
        assert write(on, 1, one, None)
        assert write(on, 2, None, one, "acme", "beta", "gamma")
        assert stored(on, one) is None
        assert not write(on, 3, None, one, "acme", "beta")


class TestSignInFailures:
    def write(self, on: Stores, salt: int, was: Mapping[str, int], now: Mapping[str, int]) -> bool:
        id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
        told = own_batch("acme", [{"type": "auth.failed"}], id)
        written = on.sign_in_failures.write("acme", HOUR, was, now, *told)
        assert (id in on.journal.get("acme", [id])) is written
        return written

    def test_each_is_written_on_what_was(self, on: Stores) -> None:
        assert on.sign_in_failures.get("acme", HOUR) == {}
        assert self.write(on, 1, {}, {"k": 1})
        assert not self.write(on, 2, {}, {"j": 1})
        assert self.write(on, 3, {"k": 1}, {"k": 1, "j": 1})
        assert not self.write(on, 4, {"k": 1}, {"k": 2})
        assert on.sign_in_failures.get("acme", HOUR) == {"k": 1, "j": 1}
        assert on.sign_in_failures.get("acme", "2026-03-20T10") == {}
        assert on.sign_in_failures.get("beta", HOUR) == {}


class TestRates:
    @pytest.mark.parametrize("limit", [1, 3])
    def test_a_key_is_counted_by_the_minute_up_to_its_limit(self, on: Stores, limit: int) -> None:
        taken = [on.rates.take("acme", "k", 29_500_000, limit) for _ in range(limit + 2)]
        assert taken == [True] * limit + [False] * 2
        assert on.rates.take("acme", "k", 29_500_001, limit)
        assert on.rates.take("acme", "j", 29_500_000, limit)
        assert on.rates.take("beta", "k", 29_500_000, limit)
        assert on.rates.take("acme", "k", 29_500_000, limit + 1)
