"""Keys that several change at once: none comes back, none works longer than was said."""

from collections.abc import Callable
from typing import Any

import pytest

from fakes.house import INGEST, House
from tocsin.domain.errors import NotFound, OutcomeUnknown
from tocsin.domain.keys import ApiKey
from tocsin.services.keys.issuing import Issue

HOUR = 3_600


def behind(house: House, deed: Callable[[], object], *, lost: bool = False) -> None:
    """Have something done just before the next write; ``lost``: after it, and no answer comes."""
    write, once = house.ring.write, iter([True])

    def writing(*step: Any) -> bool:
        if not next(once, False):
            return write(*step)
        if not lost:
            deed()
            return write(*step)
        assert write(*step)
        deed()
        raise OutcomeUnknown("lost")

    vars(house.ring)["write"] = writing


def stored(house: House, key: ApiKey) -> ApiKey:
    found = house.keys.get("acme", key.id)
    assert found
    return found


@pytest.mark.parametrize(("first", "then"), [(0, 24 * HOUR), (24 * HOUR, 0)])
def test_of_two_rotations_the_shorter_overlap_holds(house: House, first: int, then: int) -> None:
    key = house.key()
    if not first:
        behind(house, lambda: house.issuing.rotate(house.admin, key.id, first))
        with pytest.raises(NotFound):  # it does not work any more
            house.issuing.rotate(house.admin, key.id, then)
    else:
        behind(house, lambda: house.issuing.rotate(house.admin, key.id, first))
        house.issuing.rotate(house.admin, key.id, then)
    assert stored(house, key).expires_at_ms == house.clock.ms


def test_what_is_revoked_while_it_is_rotated_stays_so(house: House) -> None:
    key = house.key()
    behind(house, lambda: house.issuing.revoke(house.admin, key.id))
    with pytest.raises(NotFound):
        house.issuing.rotate(house.admin, key.id, HOUR)
    assert not house.works(key)
    assert house.types() == ["tocsin.key_revoked"]
    assert len(house.keys.all("acme")) == 2  # no new one


def test_what_is_rotated_while_it_is_revoked_is_revoked(house: House) -> None:
    key = house.key()
    behind(house, lambda: house.issuing.rotate(house.admin, key.id, HOUR))
    assert house.issuing.revoke(house.admin, key.id).revoked_at_ms is not None
    assert not house.works(key)
    assert house.types() == ["tocsin.key_rotated", "tocsin.key_revoked"]


def test_a_rotation_whose_answer_was_lost_is_not_denied_once_it_was_revoked(house: House) -> None:
    key = house.key()
    behind(house, lambda: house.issuing.revoke(house.admin, key.id), lost=True)
    with pytest.raises(OutcomeUnknown):  # there is a new key, which somebody must revoke
        house.issuing.rotate(house.admin, key.id, HOUR)
    assert house.types() == ["tocsin.key_rotated", "tocsin.key_revoked"]


def test_a_key_that_was_revoked_before_its_answer_came_does_not_come_back(house: House) -> None:
    def revoke() -> None:
        [made] = [key for key in house.keys.all("acme") if key.name == "new"]
        house.issuing.revoke(house.admin, made.id)

    behind(house, revoke, lost=True)
    with pytest.raises(OutcomeUnknown):
        house.issuing.create(house.admin, Issue(scopes=INGEST, name="new"))
    [made] = [key for key in house.keys.all("acme") if key.name == "new"]
    assert not house.works(made)
    assert house.types() == ["tocsin.key_created", "tocsin.key_revoked"]


def test_a_delegated_key_that_ended_with_another_is_neither_rotated_nor_told_again(
    house: House,
) -> None:
    root = house.key()
    child = house.delegate(root)
    house.issuing.revoke(house.admin, root.id)
    with pytest.raises(NotFound):
        house.issuing.rotate(house.admin, child.id, HOUR)
    assert house.issuing.revoke(house.admin, child.id).revoked_at_ms is not None
    assert house.types() == ["delegation.created", "tocsin.key_revoked", "delegation.revoked"]


@pytest.mark.parametrize("id", ["", "#", "a/b", "\U0001f514", "x" * 10_000, "nope"])
def test_no_such_key(house: House, id: str) -> None:
    with pytest.raises(NotFound):
        house.issuing.revoke(house.admin, id)
    with pytest.raises(NotFound):
        house.issuing.rotate(house.admin, id, 0)
