from dataclasses import replace

import pytest

from tocsin.domain.errors import Crowded, LimitReached
from tocsin.domain.keys import ApiKey
from tocsin.services.access.seats import Seats


def key(org: str = "acme", id: str = "k1") -> ApiKey:
    return ApiKey(org, id, b"", frozenset(), "test", 0)


def sit(seats: Seats, who: ApiKey) -> None:
    seats.take()
    try:
        seats.assign(who)
    except LimitReached:
        seats.give_back()
        raise


def test_seats_are_taken_before_it_is_known_for_whom() -> None:
    seats = Seats(2, None, None)
    seats.take()
    seats.take()
    with pytest.raises(Crowded) as refused:
        seats.take()
    assert refused.value.retry_after_seconds
    seats.give_back()
    seats.take()


def test_an_org_has_so_many_with_all_its_keys() -> None:
    seats = Seats(10, 2, None)
    sit(seats, key(id="k1"))
    sit(seats, key(id="k2"))
    with pytest.raises(LimitReached, match="this org has 2"):
        sit(seats, key(id="k3"))
    sit(seats, key(org="beta"))
    seats.leave(key(id="k2"))
    sit(seats, key(id="k3"))


def test_a_key_has_so_many_and_is_its_orgs() -> None:
    seats = Seats(10, None, 1)
    sit(seats, key())
    with pytest.raises(LimitReached, match="this key has 1"):
        sit(seats, key())
    sit(seats, key(id="k2"))
    sit(seats, key(org="beta"))


def test_what_a_key_delegated_sits_on_its_seats() -> None:
    seats, child = Seats(10, None, 1), replace(key(id="k2"), chain=("k1",))
    sit(seats, key())
    with pytest.raises(LimitReached):
        sit(seats, child)
    seats.leave(key())
    sit(seats, child)
    with pytest.raises(LimitReached):
        sit(seats, replace(key(id="k3"), chain=("k1", "k2")))


def test_who_has_left_leaves_nothing_behind() -> None:
    seats = Seats(10, 5, 5)
    for _ in range(3):
        sit(seats, key())
    for _ in range(3):
        seats.leave(key())
    assert seats.taken == 0
    assert not seats._orgs
    assert not seats._keys
