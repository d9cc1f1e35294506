import json
from typing import Any

import pytest

from tocsin.domain.errors import Invalid, Malformed, TooLarge
from tocsin.domain.limits import MAX_SMALL_BODY_BYTES
from tocsin.wire import approvals, bodies

ASK = {"tool": "exec", "agent": "a", "message": "m"}


def create(body: Any) -> Any:
    return bodies.read(
        body if isinstance(body, bytes) else json.dumps(body).encode(), approvals.CREATE
    )


def test_a_body_is_as_it_was_sent() -> None:
    assert create(ASK | {"ttl": 10, "input": {"a": [1]}}) == ASK | {"ttl": 10, "input": {"a": [1]}}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "tool", "Required"),
        (b"", "tool", "Required"),
        (ASK | {"tll": 1}, "tll", "Extra"),
        (ASK | {"ttl": 9}, "ttl", "10"),
        (ASK | {"ttl": 604_801}, "ttl", "604800"),
        (ASK | {"ttl": "60"}, "ttl", "integer"),
        (ASK | {"on_expiry": "approve"}, "on_expiry", "deny"),
        (ASK | {"agent": ""}, "agent", "at least 1"),
    ],
)
def test_what_is_wrong_is_named(body: Any, field: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        create(body)
    [found, *_] = caught.value.details
    assert found["field"] == field
    assert message in found["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"1",
        b"\xff",
        b'{"tool":NaN}',
        json.dumps(ASK | {"input": json.loads("[" * 64 + "]" * 64)}).encode(),
        b'{"input":' + b"[" * 5_000,
    ],
    ids=range(7),
)
def test_what_is_no_body_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        create(body)


def test_a_large_body_is_refused_unread() -> None:
    with pytest.raises(TooLarge):
        create(b"[" * (MAX_SMALL_BODY_BYTES + 1))


def test_many_faults_are_told_in_part() -> None:
    with pytest.raises(Invalid) as caught:
        create({f"x{n}": 1 for n in range(5_000)})
    assert len(caught.value.details) == 100
