"""Whom the DynamoDB emulator answers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tocsin.local.emulator import Guard

KEY = "0123456789abcdef"
HOSTS = ("127.0.0.1:4000", "localhost:4000")
SIGNED = (
    b"AWS4-HMAC-SHA256 Credential=0123456789abcdef/20261126/us-east-1/dynamodb/aws4_request, "
    b"SignedHeaders=host, Signature=00"
)
GOOD = ((b"host", b"127.0.0.1:4000"), (b"authorization", SIGNED))

type Headers = tuple[tuple[bytes, bytes], ...]


def ask(scope: Mapping[str, Any]) -> tuple[bool, list[Any]]:
    """Return whether the request reached the application, and what was answered before it."""
    reached, sent = False, []

    async def app(scope: object, receive: object, send: object) -> None:
        nonlocal reached
        reached = True

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(Guard(app, KEY, HOSTS)(dict(scope), receive, send))
    return reached, sent


def http(headers: Headers) -> dict[str, Any]:
    return {"type": "http", "headers": headers}


@pytest.mark.parametrize("host", [b"127.0.0.1:4000", b"localhost:4000"])
def test_the_sdk_of_who_has_the_key_reaches_it(host: bytes) -> None:
    assert ask(http(((b"host", host), (b"Authorization", SIGNED)))) == (True, [])


def test_it_may_start_and_stop() -> None:
    assert ask({"type": "lifespan"}) == (True, [])


@pytest.mark.parametrize(
    "headers",
    [
        (*GOOD, (b"origin", b"http://evil.example")),
        (*GOOD, (b"Origin", b"null")),
        ((b"host", b"evil.example:4000"), GOOD[1]),
        ((b"host", b"127.0.0.1"), GOOD[1]),
        (*GOOD, (b"host", b"127.0.0.1:4000")),
        (GOOD[1],),
        (GOOD[0],),
        (*GOOD, GOOD[1]),
        (GOOD[0], (b"authorization", SIGNED.replace(b"abcdef/", b"abcdeg/"))),
        (GOOD[0], (b"authorization", SIGNED.replace(b"abcdef/", b"abcde/"))),
        (GOOD[0], (b"authorization", b"AWS4-HMAC-SHA256 Credential=/")),
        (GOOD[0], (b"authorization", b"Bearer 0123456789abcdef/")),
        (),
    ],
)
def test_nobody_else_does_and_no_web_page_may_read_why(headers: Headers) -> None:
    reached, sent = ask(http(headers))

    assert not reached
    assert sent[0]["status"] == 403
    assert not [name for name, _ in sent[0]["headers"] if name.startswith(b"access-control")]


def test_no_websocket_is_opened() -> None:
    assert ask({"type": "websocket", "headers": GOOD}) == (False, [{"type": "websocket.close"}])


def test_without_a_key_it_does_not_start() -> None:
    with pytest.raises(ValueError, match="empty"):
        Guard(ask, "", HOSTS)  # type: ignore[arg-type]
