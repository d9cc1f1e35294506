"""What is shown of a call holds no credentials."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.wire.screening import masked

SECRET = "s3cr3tS3cr3t0123"  # noqa: S105


@pytest.mark.parametrize(
    "text",
    [
        f"curl -H 'Authorization: Bearer {SECRET}' https://x",
        f'curl -H "authorization:Basic {SECRET}" https://x',
        f"curl -H 'Authorization: {SECRET}'",
        f"use the bearer {SECRET}",
        f"OPENAI_API_KEY={SECRET} python run.py",
        f"export api-key='{SECRET}'",
        f'{{"apiKey": "{SECRET}"}}',
        f"https://x/?api_key={SECRET}&a=1",
        f"PAYLOAD_B64={SECRET}==",
        f"tocsin_acme_0123ab_{SECRET * 2}",
    ],
)
def test_credentials_in_text(text: str) -> None:
    shown = masked(text)
    assert SECRET not in shown
    assert "[masked:" in shown


@pytest.mark.parametrize(
    "value",
    [
        {"api_key": SECRET},
        {"OPENAI_API_KEY": SECRET},
        {"x-api-key": [SECRET]},
        {"body_b64": SECRET},
        {"headers": {"Authorization": SECRET}},
        [{"env": [f"MY_API_KEY={SECRET}"]}],
    ],
)
def test_credentials_by_name(value: Any) -> None:
    assert SECRET not in str(masked(value))


@pytest.mark.parametrize(
    "value",
    ["git status", "bear with me", {"keys": [1, None, True]}, "", None, 1.5, "the api keys"],
)
def test_all_else_stays(value: Any) -> None:
    assert masked(value) == value


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
def test_what_is_masked_stays_so(value: Any) -> None:
    assert masked(masked(value)) == masked(value)
