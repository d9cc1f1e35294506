"""What every implementation of the policies' port does."""

from dataclasses import replace

from support.databases import Stores
from tocsin.domain.ids import new_batch_id
from tocsin.domain.policy import Policies
from tocsin.services.intake.stamp import own_batch

FIRST = Policies(
    org="acme", version=1, text="permit(principal, action, resource);", created_at_ms=7
)


def put(on: Stores, policies: Policies, salt: int) -> bool:
    id = new_batch_id(1_774_000_000_000, (salt << 20).to_bytes(10))
    policies = replace(policies, change=id, created_by="maria")
    batch, packed = own_batch(policies.org, [{"type": "tocsin.policies_changed"}], id)
    written = on.policies.put(policies, batch, packed)
    assert (id in on.journal.get(policies.org, [id])) is written
    return written


class TestPolicies:
    def test_each_version_can_be_read(self, on: Stores) -> None:
        assert on.policies.current("acme") is None
        assert put(on, FIRST, 1)
        second = replace(FIRST, version=2, text="")
        assert put(on, second, 2)
        now, before = on.policies.current("acme"), on.policies.version("acme", 1)
        assert now and before
        assert (now.version, now.text, now.created_by) == (2, "", "maria")
        assert (before.version, before.text, before.created_at_ms) == (1, FIRST.text, 7)
        assert on.policies.version("acme", 3) is None
        assert on.policies.current("beta") is None

    def test_only_the_next_version_can_be_put(self, on: Stores) -> None:
        assert put(on, FIRST, 1)
        assert not put(on, FIRST, 2)
        assert not put(on, replace(FIRST, version=3), 3)
        now = on.policies.current("acme")
        assert now
        assert now.version == 1
