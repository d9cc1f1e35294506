"""Canonical bytes are RFC 8785's, whichever of the two writers makes them."""

import json

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.canonical import canonical, has_astral_key, is_plain_float
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import MAX_SAFE_INTEGER

plain_floats = st.floats(allow_nan=False, allow_infinity=False).filter(is_plain_float)
bmp_text = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | plain_floats
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(bmp_text, inner),
    max_leaves=20,
)


@given(plain_values)
def test_the_fast_writer_writes_what_rfc_8785_asks(value: object) -> None:
    assert canonical(value, plain=True) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(plain_values)
def test_canonical_bytes_are_json_of_the_same_value_without_line_feeds(value: object) -> None:
    written = canonical(value)
    assert orjson.loads(written) == value
    assert b"\n" not in written


def test_the_example_of_rfc_8785_section_3_2_2() -> None:
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
             "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
             "literals": [null, true, false]}"""
    )
    assert canonical(value).decode() == (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    )


@pytest.mark.parametrize("value", [{"\U0001f600": 1}, [{"a": {"\U00010000": 1}}]])
def test_astral_keys_are_found_wherever_they_are(value: object) -> None:
    assert has_astral_key(value)


def test_astral_keys_sort_by_utf_16() -> None:
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("plain", [True, False])
def test_a_lone_surrogate_is_not_text(plain: bool) -> None:
    with pytest.raises(Malformed):
        canonical("\ud800", plain=plain)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), MAX_SAFE_INTEGER + 1])
def test_what_i_json_forbids(value: float) -> None:
    with pytest.raises(Malformed):
        canonical(value)
