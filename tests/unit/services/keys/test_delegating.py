"""Keys that keys delegate: less than their parents, never longer, and bounded."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes.house import INGEST, House
from fakes.stores import FakeOrgs
from tocsin.domain.errors import (
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    Unauthenticated,
)
from tocsin.domain.keys import ApiKey, Scope, mint
from tocsin.domain.limits import DELEGATION_SECONDS, MAX_DELEGATION_DEPTH, MAX_DELEGATIONS, MAX_KEYS
from tocsin.services.access.access import Access
from tocsin.services.keys.delegating import Delegate
from tocsin.services.keys.issuing import Issued

READ = frozenset({Scope.READ})
HOUR_MS = 3_600_000


def test_it_has_what_its_parent_has_unless_it_is_said(house: House) -> None:
    parent = house.key(
        Scope.INGEST, Scope.READ, types=frozenset({"tool_call"}), person="maria", agent="claude"
    )
    child = house.delegate(parent)
    assert (child.scopes, child.types, child.agent) == (INGEST, parent.types, "claude")
    assert (child.person, child.chain) == ("maria", (parent.id,))
    assert child.expires_at_ms == house.clock.ms + DELEGATION_SECONDS * 1_000
    assert house.keys.get("acme", child.id) == child
    [event] = house.told
    assert (event["type"], event["source"]) == ("delegation.created", "tocsin")
    assert (event["user_id"], event["agent_id"]) == ("maria", "claude")
    assert event["data"] == {
        "delegationId": child.id,
        "parentKeyId": parent.id,
        "depth": 1,
        "scopes": ["ingest"],
        "agentId": "claude",
        "types": ["tool_call"],
        "expiresAt": event["data"]["expiresAt"],
    }


def test_an_admins_can_do_all_but_administer(house: House) -> None:
    child = house.delegate(house.admin, frozenset({Scope.INGEST, Scope.READ, Scope.APPROVE}))
    with pytest.raises(Forbidden):
        house.delegate(child, frozenset({Scope.ADMIN}))


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"scopes": READ}, "scopes"),
        ({"scopes": frozenset({Scope.ADMIN})}, "scopes"),
        ({"scopes": INGEST, "types": frozenset({"completion", "tool_call"})}, "types"),
        ({"scopes": INGEST, "agent": "gpt"}, "agent"),
    ],
    ids=["a scope", "admin", "a type", "another agent"],
)
def test_it_has_nothing_that_its_parent_lacks(
    house: House, wanted: dict[str, Any], field: str
) -> None:
    parent = house.key(types=frozenset({"tool_call"}), agent="claude")
    with pytest.raises(Forbidden) as caught:
        house.delegate(parent, **wanted)
    assert caught.value.details[0]["field"] == field
    assert house.told == []


def test_it_ends_no_later_than_it_may(house: House) -> None:
    parent, now_ms = house.key(expires_at_ms=house.clock.ms + HOUR_MS), house.clock.ms
    assert house.delegate(parent).expires_at_ms == now_ms + HOUR_MS
    assert house.delegate(parent, expires_at_ms=now_ms + 1).expires_at_ms == now_ms + 1
    for wrong in (now_ms, now_ms - 1, now_ms + HOUR_MS + 1):
        with pytest.raises(Invalid):
            house.delegate(parent, expires_at_ms=wrong)
    with pytest.raises(Invalid):
        house.delegate(house.admin, expires_at_ms=now_ms + DELEGATION_SECONDS * 1_000 + 1)


def test_a_chain_has_an_end(house: House) -> None:
    key = house.key()
    for depth in range(1, MAX_DELEGATION_DEPTH + 1):
        key = house.delegate(key)
        assert len(key.chain) == depth
    with pytest.raises(Forbidden, match="chain"):
        house.delegate(key)


def test_the_keys_that_come_from_one_are_bounded_however_it_is_done(house: House) -> None:
    root, other = house.key(), house.key()
    child = house.delegate(root)
    for at in range(MAX_DELEGATIONS - 1):  # short ones, revoked ones, and of a child
        soon = house.delegate((root, child)[at % 2], expires_at_ms=house.clock.ms + 5)
        if at % 3 == 0:
            house.delegating.revoke(root, soon.id)
        house.clock.ms += 10
    for key in (root, child):
        with pytest.raises(LimitReached):
            house.delegate(key)
    assert house.delegate(other)
    house.clock.ms += HOUR_MS
    assert house.delegate(root)


def test_the_orgs_bound_is_for_them_too(house: House) -> None:
    for _ in range(MAX_KEYS - 1):
        house.key()
    with pytest.raises(LimitReached):
        house.delegate(house.admin)


ENDINGS: dict[str, Callable[[House, ApiKey], object]] = {
    "revoked": lambda house, key: house.issuing.revoke(house.admin, key.id),
    "rotated": lambda house, key: house.issuing.rotate(house.admin, key.id, 0),
    "expired": lambda house, key: house.keys.put(replace(key, expires_at_ms=house.clock.ms)),
    "gone": lambda house, key: house.keys.keys.pop(("acme", key.id)),
    "revoked by hand": lambda house, key: house.keys.put(key.revoked(house.clock.ms)),
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_it_ends_with_each_key_of_its_chain(
    house: House, end: Callable[[House, ApiKey], object], at: int
) -> None:
    chain = [house.key()]
    for _ in range(3):
        chain.append(house.delegate(chain[-1]))
    assert all(map(house.works, chain))
    end(house, chain[at])
    assert [house.works(key) for key in chain] == [each < at for each in range(4)]
    if at < 3:
        with pytest.raises(Unauthenticated):  # also where what is known of it is old
            house.delegate(replace(chain[at], revoked_at_ms=None))


def test_what_ends_with_a_revoked_key_is_told_once(house: House) -> None:
    root = house.key()
    one, two = house.delegate(root), house.delegate(root)
    below = house.delegate(one)
    house.delegating.revoke(one, below.id)
    house.issuing.revoke(house.admin, root.id)
    told = house.told[3:]
    assert [(each["type"], each.get("data", {}).get("delegationId")) for each in told] == [
        ("delegation.revoked", below.id),
        ("tocsin.key_revoked", None),
        ("delegation.revoked", one.id),
        ("delegation.revoked", two.id),
    ]
    assert told[0]["user_id"] == f"key:{one.id}"
    assert told[-1]["data"]["endedWith"] == root.id
    assert house.issuing.revoke(house.admin, root.id)
    assert len(house.told) == 3 + 4
    assert all(each.revoked_at_ms for each in house.delegating.delegated(house.admin))


def test_who_may_see_and_end_it(house: House) -> None:
    root, stranger = house.key(), house.key()
    child = house.delegate(root)
    below, sister = house.delegate(child), house.delegate(root)
    ids = {
        key.id: {each.id for each in house.delegating.delegated(key)}
        for key in (root, child, below, sister, stranger, house.admin)
    }
    assert ids == {
        root.id: {child.id, below.id, sister.id},
        child.id: {below.id},
        below.id: set(),
        sister.id: set(),
        stranger.id: set(),
        house.admin.id: {child.id, below.id, sister.id},
    }
    for key in (below, sister, stranger, child):
        with pytest.raises(NotFound):
            house.delegating.revoke(key, child.id)
    with pytest.raises(NotFound):  # that is no delegation
        house.delegating.revoke(house.admin, root.id)
    other = mint("beta", frozenset({Scope.ADMIN}), "n", 1)[1]
    with pytest.raises(NotFound):
        house.delegating.revoke(other, child.id)
    assert house.delegating.revoke(root, below.id).revoked_at_ms is not None
    assert house.delegating.revoke(house.admin, child.id).revoked_at_ms is not None


def test_a_rotated_one_is_as_bound_as_before(house: House) -> None:
    root = house.key(agent="claude")
    child = house.delegate(root)
    new = house.issuing.rotate(house.admin, child.id, 60).key
    same = replace(child, id=new.id, digest=new.digest, created_at_ms=new.created_at_ms, change="")
    assert new == same
    assert "agent.rotated" not in house.types()
    house.issuing.revoke(house.admin, root.id)
    assert not house.works(new)


def test_a_key_that_is_an_agents_says_so_when_it_changes(house: House) -> None:
    key = house.key(agent="claude")
    new = house.issuing.rotate(house.admin, key.id, 60).key
    assert new.agent == "claude"
    house.issuing.revoke(house.admin, new.id)
    types = ["tocsin.key_rotated", "agent.rotated", "tocsin.key_revoked", "agent.revoked"]
    assert house.types() == types
    assert {each["agent_id"] for each in house.told} == {"claude"}
    assert house.told[1]["data"]["oldKeyId"] == key.id


def test_a_lost_answer_makes_no_second_key(house: House) -> None:
    write, lost = house.ring.write, iter([True])

    def losing(*step: Any) -> bool:
        written = write(*step)
        if next(lost, False):
            raise OutcomeUnknown("lost")
        return written

    vars(house.ring)["write"] = losing
    child: Issued = house.delegating.delegate(house.key(), Delegate(scopes=INGEST))
    assert house.types() == ["delegation.created"]
    assert child.key.matches(child.token)


def test_the_chain_costs_no_reads_that_are_known(house: House) -> None:
    reads, get = list[str](), house.keys.get
    child = house.delegate(house.delegate(house.key()))

    def counted(org: str, id: str) -> ApiKey | None:
        reads.append(id)
        return get(org, id)

    vars(house.keys)["get"] = counted
    access = Access(house.keys, FakeOrgs(), house.clock)
    for _ in range(3):
        access.authorize_key("acme", child.id, Scope.INGEST)
    assert sorted(reads) == sorted([child.id, *child.chain])


def test_what_is_delegated_while_its_parent_is_revoked_never_works(house: House) -> None:
    parent, write, once = house.key(), house.ring.write, iter([True])

    def behind(*step: Any) -> bool:
        if next(once, False):
            house.issuing.revoke(house.admin, parent.id)
        return write(*step)

    vars(house.ring)["write"] = behind
    child = house.delegate(parent)
    assert not house.works(child)
    [listed] = house.delegating.delegated(house.admin)
    assert listed.revoked_at_ms is not None
