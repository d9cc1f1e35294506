"""Who may: cached for half a minute, never across orgs."""

import pytest

from fakes.stores import FakeClock, FakeKeys, FakeOrgs
from tocsin.domain.errors import Forbidden, OrgSuspended, Unauthenticated
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.org import Org, OrgStatus
from tocsin.services.access.access import Access
from tocsin.services.access.remembered import Remembered


class CountingKeys(FakeKeys):
    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def get(self, org: str, key_id: str) -> ApiKey | None:
        self.reads += 1
        return super().get(org, key_id)


@pytest.fixture
def keys() -> CountingKeys:
    return CountingKeys()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def orgs() -> FakeOrgs:
    return FakeOrgs()


@pytest.fixture
def access(keys: CountingKeys, orgs: FakeOrgs, clock: FakeClock) -> Access:
    return Access(keys, orgs, clock)


def test_a_key_is_read_once_in_30_seconds(
    keys: CountingKeys, clock: FakeClock, access: Access
) -> None:
    token, key = mint("acme", frozenset({Scope.READ}), "n", 1)
    keys.put(key)
    for seconds, reads in ((0, 1), (29, 1), (1, 2)):
        clock.ms += seconds * 1_000
        assert access.authorize(f"bearer {token}", Scope.READ) == key
        assert keys.reads == reads


def test_an_unknown_key_is_remembered_too(keys: CountingKeys, access: Access) -> None:
    token, _ = mint("acme", frozenset({Scope.READ}), "n", 1)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            access.authorize(f"Bearer {token}", Scope.READ)
    assert keys.reads == 1


def test_the_secret_is_checked_also_on_a_cached_key(keys: CountingKeys, access: Access) -> None:
    token, key = mint("acme", frozenset({Scope.READ}), "n", 1)
    keys.put(key)
    access.authorize(f"Bearer {token}", Scope.READ)
    with pytest.raises(Unauthenticated):
        access.authorize(f"Bearer {token[:-1]}", Scope.READ)


def test_a_token_cannot_name_another_org(keys: CountingKeys, access: Access) -> None:
    token, key = mint("acme", frozenset({Scope.READ}), "n", 1)
    keys.put(key)
    with pytest.raises(Unauthenticated):
        access.authorize("Bearer " + token.replace("_acme_", "_beta_"), Scope.READ)


def test_scopes(keys: CountingKeys, access: Access) -> None:
    token, key = mint("acme", frozenset({Scope.READ}), "n", 1)
    keys.put(key)
    with pytest.raises(Forbidden, match="scope ingest"):
        access.authorize(f"Bearer {token}", Scope.INGEST)


def test_what_is_remembered_is_forgotten_though_the_clock_is_set_back() -> None:
    clock, ticks, reads = FakeClock(), [0.0], list[str]()

    def read(name: str) -> int:
        reads.append(name)
        return len(reads)

    remembered = Remembered(read, clock, lambda: ticks[0])
    assert remembered.read("a") == 1
    clock.ms -= 3_600_000
    ticks[0] += 29
    assert remembered.read("a") == 1
    ticks[0] += 1
    assert remembered.read("a") == 2
    clock.ms += 3_600_000  # and forwards: at once
    assert remembered.read("a") == 3


@pytest.mark.parametrize("status", [each for each in OrgStatus if each is not OrgStatus.ACTIVE])
def test_nobody_of_an_org_that_is_not_active_may_do_anything(
    keys: CountingKeys, orgs: FakeOrgs, clock: FakeClock, access: Access, status: OrgStatus
) -> None:
    token, key = mint("acme", frozenset({Scope.ADMIN}), "n", 1)
    other, its_key = mint("acme-2", frozenset({Scope.READ}), "n", 1)
    keys.put(key)
    keys.put(its_key)
    orgs.put(Org("acme"))
    orgs.put(Org("acme-2"))
    assert access.authorize(f"Bearer {token}", None) == key
    orgs.put(Org("acme", status=status))
    clock.ms += 30_000  # as long is it remembered that it was active
    for scope in (None, *Scope):
        with pytest.raises(OrgSuspended, match=f"the org acme is {status}"):
            access.authorize(f"Bearer {token}", scope)
        with pytest.raises(OrgSuspended):
            access.authorize_key("acme", key.id, scope)
    assert access.authorize(f"Bearer {other}", Scope.READ) == its_key
    orgs.put(Org("acme"))
    clock.ms += 30_000
    assert access.authorize(f"Bearer {token}", Scope.READ) == key


def test_only_who_has_its_key_is_told_that_an_org_is_suspended(
    keys: CountingKeys, orgs: FakeOrgs, access: Access
) -> None:
    token, key = mint("acme", frozenset({Scope.ADMIN}), "n", 1)
    keys.put(key)
    orgs.put(Org("acme", status=OrgStatus.SUSPENDED))
    with pytest.raises(Unauthenticated):
        access.authorize(f"Bearer {token[:-1]}", Scope.READ)
    revoked, its_key = mint("acme", frozenset({Scope.ADMIN}), "n", 1)
    keys.put(its_key.revoked(2))
    with pytest.raises(Unauthenticated):
        access.authorize(f"Bearer {revoked}", Scope.READ)
    with pytest.raises(Unauthenticated):
        access.authorize_key("acme", its_key.id, Scope.READ)
