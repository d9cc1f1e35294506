"""A used-up budget that revokes: it ends its subject's keys, each told of once."""

import pytest

from fakes.house import House
from tocsin.domain.budgets import Budget
from tocsin.domain.errors import Busy
from tocsin.domain.keys import ApiKey, Scope

OF_AGENT = Budget(org="acme", id="bud_1", kind="agent", subject="claude")
OF_USER = Budget(org="acme", id="bud_2", kind="user", subject="maria")


def ended(house: House) -> list[tuple[str, str]]:
    """Return what is told of each key that ends: the event's type and the key."""
    found = []
    for told in house.told:
        key = told.get("request", {}).get("key_id") or told.get("data", {}).get("delegationId")
        if told["type"] in ("tocsin.key_revoked", "delegation.revoked"):
            found.append((told["type"], key))
    return found


def test_its_keys_end_and_no_others(house: House) -> None:
    mine, other, admins = (
        house.key(agent="claude", person="maria"),
        house.key(agent="gpt", person="juan"),
        house.key(Scope.ADMIN, agent="claude", person="maria"),
    )
    house.ending(OF_AGENT)
    assert [house.works(key) for key in (mine, other, admins)] == [False, True, True]
    assert [event["type"] for event in house.told] == ["tocsin.key_revoked", "agent.revoked"]
    assert {event["user_id"] for event in house.told} == {"budget:bud_1"}
    house.ending(OF_USER)
    house.ending(OF_AGENT)
    assert len(house.told) == 2


def test_what_it_delegated_is_told_once_with_it(house: House) -> None:
    root = house.key(agent="claude")
    child = house.delegate(root)
    below = house.delegate(child)
    apart = house.delegate(house.admin, agent="claude")
    house.ending(OF_AGENT)
    assert ended(house) == [
        ("tocsin.key_revoked", root.id),
        ("delegation.revoked", child.id),
        ("delegation.revoked", below.id),
        ("delegation.revoked", apart.id),
    ]
    assert not any(map(house.works, (root, child, below, apart)))
    house.ending(OF_AGENT)
    assert len(ended(house)) == 4


def test_what_has_ended_is_left(house: House) -> None:
    house.key(agent="claude", expires_at_ms=house.clock.ms)
    root = house.key(agent="claude", expires_at_ms=house.clock.ms + 10)
    house.delegate(root)
    house.clock.ms += 10
    house.ending(OF_AGENT)
    assert ended(house) == []


def test_the_keys_are_read_once_however_many_end(house: House) -> None:
    keys = [house.key(agent="claude") for _ in range(20)]
    reads, all = [], house.keys.all

    def counted(org: str) -> object:
        reads.append(org)
        return all(org)

    vars(house.keys)["all"] = counted
    house.ending(OF_AGENT)
    assert reads == ["acme"]
    assert not any(map(house.works, keys))


def test_it_goes_on_where_it_was_killed(house: House) -> None:
    keys = [house.key(agent="claude") for _ in range(3)]
    write, calls = house.ring.write, iter(range(100))

    def killed(key: ApiKey, *step: object) -> bool:
        if next(calls) == 1:
            raise Busy("out of reach")
        return write(key, *step)  # type: ignore[arg-type]

    vars(house.ring)["write"] = killed
    with pytest.raises(Busy):
        house.ending(OF_AGENT)
    house.ending(OF_AGENT)
    assert ended(house) == [("tocsin.key_revoked", key.id) for key in keys]


def test_one_that_is_revoked_meanwhile_is_told_once(house: House) -> None:
    key = house.key(agent="claude")
    all = house.keys.all

    def behind(org: str) -> object:
        found = all(org)
        vars(house.keys)["all"] = all
        house.issuing.revoke(house.admin, key.id)
        return found

    vars(house.keys)["all"] = behind
    house.ending(OF_AGENT)
    assert ended(house) == [("tocsin.key_revoked", key.id)]
