"""Items that arrive slowly go on at once; fast ones go in groups."""

from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from tocsin.cli._arriving import arriving


def test_everything_comes_in_order_in_groups_of_at_most_the_limit() -> None:
    groups = list(arriving(range(1_000), 7))
    assert [item for group in groups for item in group] == list(range(1_000))
    assert max(map(len, groups)) <= 7
    assert min(map(len, groups)) >= 1


def test_nothing_waits_for_a_group_to_fill() -> None:
    given: SimpleQueue[int] = SimpleQueue()
    groups = arriving(iter(given.get, -1), 100)
    for item in range(3):
        given.put(item)
        assert next(groups) == [item]
    given.put(-1)
    assert list(groups) == []


def test_an_error_comes_after_what_was_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    found: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        for group in arriving(items(), 100):
            found += group
    assert found == [1, 2]
