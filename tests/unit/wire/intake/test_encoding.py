"""Events as JSON text: as they are, or not at all."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.domain.errors import Invalid
from tocsin.wire.intake.encoding import encoded

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES)
def test_what_is_written_reads_as_it_was(value: Any) -> None:
    try:
        assert orjson.loads(encoded({"a": value})) == {"a": value}
    except Invalid as error:
        assert any(word in repr(value) for word in ("nan", "inf"))
        assert error.details[0]["field"].startswith("a")


@dataclass
class Cost:
    usd: float


class Rate(Enum):
    ENDLESS = float("inf")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([1, (2.0, float("nan"))], "a[1][1]"),
        ({"b": {"c": float("inf")}}, "a.b.c"),
        (Cost(float("nan")), "a.usd"),
        (Rate.ENDLESS, "a"),
    ],
)
def test_a_number_that_json_cannot_say_is_found_wherever_it_is(value: Any, field: str) -> None:
    with pytest.raises(Invalid) as raised:
        encoded({"a": value})
    assert [detail["field"] for detail in raised.value.details] == [field]
