"""Credentials are found by what they are, wherever they stand; what only looks like one stays."""

import random
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.domain.privacy import Pii
from tocsin.wire.screening import masked, screen
from tocsin.wire.screening.vendors import _ROWS as ROWS

PEM = "\n".join(
    (
        "-----BEGIN RSA PRIVATE KEY-----",
        "MIIEpQ" + "Ab1+/" * 11,
        "xY==",
        "-----END RSA PRIVATE KEY-----",
    )
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def made(start: str, of: str, least: int) -> str:
    """Return a token of the least length, whose characters are of a class."""
    chosen = random.Random(start)  # noqa: S311 (the same in every run)
    classes = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    letters = "".join(each for each in classes if f"{each[0]}-{each[-1]}" in of)
    if "a-f" in of:
        letters += "abcdef"
    return start + "0" + "".join(chosen.choices(letters, k=least - 1))


TOKENS = [(kind, made(start, of, least)) for kind, of, least, starts in ROWS for start in starts]
AROUND = (
    "{}",
    "x {} y",
    '"{}"',
    "KEY={}",
    "a\n{}\n",
    r"a\n{}\n",
    "é{}é",
    "\x00{}",
    "[{}]",
    "({}),",
)


@pytest.mark.parametrize(("kind", "token"), TOKENS, ids=[each for _, each in TOKENS])
def test_tokens_of_vendors(kind: str, token: str) -> None:
    for around in AROUND:
        event = {"type": "custom", "data": around.format(token)}
        screen([event], Pii.FLAG)
        assert token not in str(event), around
        assert event["masked"], around
    assert masked(f"x {token} y") == f"x [masked:{kind}] y"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key: {PEM} tail", "key: [masked:private_key] tail"),
        (repr(PEM)[1:-1], "[masked:private_key]"),
        (f"token {JWT}, next", "token [masked:jwt], next"),
        ("postgres://app:hunter2@db/x", "postgres://app:[masked:url_password]@db/x"),
        ("amqp://a:p@ss@mq:5672", "amqp://a:[masked:url_password]@mq:5672"),
        ("Server=x;Password=p@ss!w0rd;Encrypt=1", "Server=x;Password=[masked:password];Encrypt=1"),
        (
            "AccountKey=abcd1234==;EndpointSuffix=x",
            "AccountKey=[masked:access_key];EndpointSuffix=x",
        ),
        ("curl -u bob:hunter2 https://x", "curl -u bob:[masked:password] https://x"),
        ("mysql --password hunter2 -h x", "mysql --password [masked:password] -h x"),
        ("PASSWORD=hunter", "PASSWORD=[masked:password]"),
        (r"{\"password\": \"hun\\ter2\"}", r"{\"password\": \"[masked:password]\"}"),
        ('{"secret": "a\\"b", "c": 1}', '{"secret": "[masked:secret]", "c": 1}'),
        ("Cookie: session=abc123; other=1", "Cookie: [masked:cookie]; other=1"),
        ("set-cookie: sid=s3cr3ts3cr3t", "set-cookie: [masked:cookie]"),
        ("token=0123456789abcdef0", "token=[masked:token]"),
    ],
)
def test_credentials_in_text(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "password: required",
        "password = getpass.getpass()",
        "password=self.password",
        "password=${DB_PASSWORD}",
        "password=<your password>",
        "def login(user, password: str) -> None",
        '"max_tokens": 4096, "token": "Hello"',
        "sk-learn-compatible-estimators-here",
        "task-0123456789abcdefghijklmn",
        "the file begins with -----BEGIN PRIVATE KEY----- as usual",
        "https://example.com/a@b/c",
        "git@github.com:tocsin/tocsin.git",
        "basic understanding of bearer authentication",
        "tocsin_events_total",
        "evt_01hzy3v8k2m4n6p8q0r2s4t6v8",
        "550e8400-e29b-41d4-a716-446655440000",
        "eyJhbGciOiJIUzI1NiJ9",
        "--password is",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"args": ["--api-key", "abc"]}, {"args": ["--api-key", "[masked:api_key]"]}),
        (
            [{"name": "X-Api-Key", "value": "abc"}],
            [{"name": "X-Api-Key", "value": "[masked:api_key]"}],
        ),
        ({"password": {"type": "string"}}, {"password": {"type": "string"}}),
        ({"clientSecret": "a", "n": 1}, {"clientSecret": "[masked:secret]", "n": 1}),
        ({"token": "Hello"}, {"token": "Hello"}),
        ({"token": "0123456789abcdef0"}, {"token": "[masked:token]"}),
        ({"cookie": ""}, {"cookie": ""}),
        ({"password": None, "secret": True}, {"password": None, "secret": True}),
        (
            {"AKIAIOSFODNN7EXAMPLE": 1, "AKIAIOSFODNN7EXAMPLF": 2},
            {"[masked:aws_access_key]": 1, "[masked:aws_access_key]#2": 2},
        ),
    ],
)
def test_credentials_by_where_they_stand(value: Any, shown: Any) -> None:
    assert masked(value) == shown
    event = {"type": "custom", "data": value}
    screen([event], Pii.FLAG)
    assert event["data"] == shown


SECRETS = st.sampled_from(
    [*(token for _, token in TOKENS), JWT, PEM, "Bearer a1b2c3d4e5", "pwd=hunter2", "://a:b@c"]
)
TEXTS = st.lists(
    SECRETS | st.text(max_size=6) | st.sampled_from("\"'\\ =:\n,;@/-"), max_size=6
).map("".join)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_masked_stays_so(value: Any) -> None:
    assert masked(masked(value)) == masked(value)


@given(VALUES)
@example({"a": "\x1bAKIA0OSFODNN7EXAMPLE"})
@example("\\\nnpm_" + "a1" * 18)
def test_the_look_at_the_whole_misses_nothing(value: Any) -> None:
    """What is found in a value's strings is also suspected in its JSON."""
    event = {"type": "custom", "data": value}
    screen([event], Pii.FLAG)
    assert event["data"] == masked(value)
    assert ("masked" in event) == (masked(value) != value)
