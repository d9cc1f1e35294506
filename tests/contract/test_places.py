"""Where an org's hooks wait: few at once, and none for ever."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.databases import Stores


@pytest.mark.parametrize("on", ["dynamodb", "fake"], indirect=True)
class TestPlaces:
    def test_there_are_as_many_as_are_asked_for(self, on: Stores) -> None:
        taken = [on.places.take("acme", 3, 1_000, 9_000) for _ in range(4)]
        assert [bool(place) for place in taken] == [True, True, True, False]
        assert len(set(taken)) == 4
        assert on.places.take("other", 3, 1_000, 9_000)

    def test_one_that_is_left_is_free(self, on: Stores) -> None:
        first, second = (on.places.take("acme", 2, 1_000, 9_000) for _ in range(2))
        on.places.leave("acme", first)
        assert on.places.take("acme", 2, 1_000, 9_000)
        assert not on.places.take("acme", 2, 1_000, 9_000)
        on.places.leave("other", second)
        assert not on.places.take("acme", 2, 1_000, 9_000)

    def test_one_whose_holder_died_is_free_when_its_time_is_over(self, on: Stores) -> None:
        old = on.places.take("acme", 1, 1_000, 9_000)
        assert not on.places.take("acme", 1, 8_999, 20_000)
        assert on.places.take("acme", 1, 9_000, 20_000)
        on.places.leave("acme", old)  # which is another's by now
        assert not on.places.take("acme", 1, 9_001, 20_000)

    def test_of_many_at_once_as_many_get_one(self, on: Stores) -> None:
        with ThreadPoolExecutor(8) as threads:
            taken = list(threads.map(lambda _: on.places.take("acme", 4, 1_000, 9_000), range(8)))
        assert len([place for place in taken if place]) == 4
