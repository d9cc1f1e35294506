"""DynamoDB's rules for the sizes of items, by the examples of its documentation."""

from typing import Any

import pytest

from bench.writeunits import item_size, write_units


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "ü"}, 2),
        ({"B": b"abc"}, 3),
        ({"N": "0"}, 1),
        ({"N": "27"}, 2),
        ({"N": "-27"}, 3),
        ({"N": "12300"}, 3),  # trailing zeroes are trimmed
        ({"N": "1774000000000"}, 3),
        ({"N": "0.0052"}, 2),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"BS": [b"x" * 24, b"y" * 24]}, 48),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"S": "c"}]}, 3 + 3 + 2),
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 3),
    ],
)
def test_an_attribute_is_its_name_and_its_value(value: dict[str, Any], size: int) -> None:
    assert item_size({"name": value}) == 4 + size


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1024, 1), (1025, 2), (400 * 1024, 400)])
def test_a_unit_is_a_started_kilobyte(size: int, units: int) -> None:
    assert write_units(size) == units
