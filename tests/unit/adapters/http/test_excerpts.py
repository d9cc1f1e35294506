"""What is shown of an answer."""

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.http.excerpts import EXCERPT_BYTES, LOOKED_AT_BYTES, excerpt
from tocsin.domain.deliveries import Outgoing

ID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
SENT = Outgoing(
    "https://hooks.example.com/services/T024BE7LD/B0XYZ/kGbHzQwErTyU?code=Qz9&sig=abcdefgh",
    (
        ("Content-Type", "application/json"),
        ("Authorization", f"Splunk {ID}"),
        ("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ("X-Key", "hunter2"),
    ),
    (
        '{"prompt":"Das Geheimnis hei\u00dft \\"Rosebud\\",'
        '\\nsagte \u674e\u5c0f\u9f99 an jenem Abend"}'
    ).encode(),
)


def shown(body: bytes | str) -> str:
    return excerpt(body if isinstance(body, bytes) else body.encode(), SENT)


def test_a_message_is_shown_as_it_is() -> None:
    message = (
        '{"error":"invalid_payload","detail":"text is required (see docs.example.com/errors)"}'
    )
    assert shown(message) == message
    assert shown("") == ""
    assert shown("expected application/json") == "expected application/json"


@pytest.mark.parametrize(
    "said",
    [
        *(
            "a\r\nb",
            "a\x00b",
            "a\x1b[31mb",
            "a\u202eb",
            "a\u200bb",
            "a\u2028b",
            "a\ufeffb",
            "a\x85b",
        ),
        *("a\t \n b", "\n a \x7f b \n"),
    ],
)
def test_it_is_on_one_line_and_changes_no_terminal(said: str) -> None:
    text = shown(said)
    assert text.isprintable()
    assert text.replace("[31m", "") == "a b"


def test_it_is_256_bytes_at_most() -> None:
    assert shown("x " * 1_000) == ("x " * 1_000)[:EXCERPT_BYTES]
    assert shown("\u00e9 " * 1_000).encode() == ("\u00e9 " * 1_000).encode()[:255]
    assert len(shown(b"\xff " * 1_000).encode()) <= EXCERPT_BYTES


@pytest.mark.parametrize(
    "secret",
    [
        *(ID, f"Splunk {ID}", ID.upper(), ID.replace("-", ""), ID[:12], ID[9:]),
        *("K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "hunter2", "HUNTER2", "Qz9&sig=abcdefgh"),
        *("abcdefgh", "/services/T024BE7LD/B0XYZ/kGbHzQwErTyU", "kGbHzQwErTyU", "T024BE7LD"),
        quote("/services/T024BE7LD/B0XYZ/kGbHzQwErTyU", safe=""),
    ],
)
@pytest.mark.parametrize("around", ["{}", "bad token: {}", '{{"got":"{}"}}', "<p>{}</p>", "a{}b"])
def test_nothing_that_authorises_the_request_is_shown(secret: str, around: str) -> None:
    text = shown(around.format(secret))
    assert "[…]" in text
    for part in ("f81d4fae", "00a0c91e6bf6", "7dec", "K5oZfz", "hunter2", "abcdefgh", "kGbHzQ"):
        assert part not in text.lower() and part not in text


@pytest.mark.parametrize(
    "echo",
    [
        lambda body: body,
        lambda body: json.dumps(body),
        lambda body: json.dumps(body, ensure_ascii=False),
        lambda body: html.escape(body),
        lambda body: repr(body),
        lambda body: body.upper(),
        lambda body: json.loads(body)["prompt"],
    ],
)
def test_nothing_of_the_body_is_sent_back(echo) -> None:  # type: ignore[no-untyped-def]
    text = shown(f"cannot use {echo(SENT.body.decode())}")
    assert text.startswith("cannot use ")
    for part in ("Geheimnis", "sagte", "jenem Abend", "\u5c0f\u9f99", "674e"):
        assert part.lower() not in text.lower()


@pytest.mark.parametrize(
    ("said", "secret"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "AKIA"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "C2FV"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "eyJ"),
        ("6f1ed002ab5595859014ebf0951522d9", "6f1e"),
        ("Bearer abcdefghijkl", "abc"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNl"),
        ("tocsin_acme_k1_" + "a" * 40, "aaa"),
        ('api_key="short"', "short"),
    ],
)
def test_nor_is_what_looks_like_anybodys_key(said: str, secret: str) -> None:
    text = excerpt(f"use {said} then".encode(), Outgoing("https://a.example/", (), b""))
    assert text.startswith("use ")
    assert text.endswith(" then")
    assert secret not in text


def test_a_secret_at_the_edge_is_seen_whole() -> None:
    for before in range(EXCERPT_BYTES - len(ID), EXCERPT_BYTES + 1):
        text = shown("." * before + ID)
        assert not any(ID[:n] in text for n in range(4, len(ID)))


@given(body=st.binary(max_size=2 * LOOKED_AT_BYTES), sent=st.binary(max_size=50), url=st.text())
def test_whatever_comes_can_be_shown(body: bytes, sent: bytes, url: str) -> None:
    text = excerpt(body, Outgoing(f"https://a.example/{url}", (("x", url),), sent))
    assert len(text.encode()) <= EXCERPT_BYTES
    assert text.isprintable()
