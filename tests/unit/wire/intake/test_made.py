"""Values that were not JSON, as events hold them."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.canonical import canonical, has_astral_key
from tocsin.domain.errors import TooLarge
from tocsin.domain.limits import MAX_DEPTH
from tocsin.wire.intake.made import made

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (2**53 - 1, 2**53 - 1),
        (2**53, "9007199254740992"),
        (-(2**63), "-9223372036854775808"),
        (True, True),
        (nan, "nan"),
        (-inf, "-inf"),
        (1.5, 1.5),
        (3.0, 3),
        (-0.0, 0),
        (b"\xff\x00", "/wA="),
        ({"a": [None, 2**60]}, {"a": [None, "1152921504606846976"]}),
    ],
)
def test_what_json_has_no_place_for_is_told_as_text(value: Any, carried: Any) -> None:
    found = made(value).value
    assert (found, type(found)) == (carried, type(carried))


@given(values)
def test_the_canonical_writer_takes_all_of_it(value: Any) -> None:
    loaded = made(value)
    plain = loaded.plain and not (loaded.astral and has_astral_key(loaded.value))
    assert canonical(loaded.value, plain=plain) == canonical(loaded.value)


def test_what_is_nested_too_deep_is_refused() -> None:
    value: Any = "deep"
    for _ in range(2 * MAX_DEPTH):
        value = [value]
    with pytest.raises(TooLarge, match="nested deeper"):
        made(value)
