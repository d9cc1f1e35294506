"""Personal data is found where its checksum is right, and said, masked, or refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.privacy import Pii
from tocsin.wire.screening import screen


def screened(data: Any, pii: Pii = Pii.MASK, **more: Any) -> dict[str, Any]:
    event = {"type": "custom", "data": data, **more}
    screen([event], pii)
    return event


FOUND = [
    ("mail bob.smith+x@mail.example.co.uk now", "email", "mail {} now"),
    ("call +49 170 1234567.", "phone", "call {}."),
    ("call (415) 555-2671", "phone", "call {}"),
    ("card 4111 1111 1111 1111 ok", "credit_card", "card {} ok"),
    ("3782 822463 10005", "credit_card", "{}"),
    ("5555-5555-5555-4444", "credit_card", "{}"),
    ("IBAN DE89 3704 0044 0532 0130 00", "iban", "IBAN {}"),
    ("GB82WEST12345698765432", "iban", "{}"),
    ("ssn 536-90-4399", "national_id", "ssn {}"),
    ("dni 12345678Z", "national_id", "dni {}"),
    ("nie X1234567L", "national_id", "nie {}"),
    ("cf RSSMRA85T10A562S", "national_id", "cf {}"),
    ("nir 2 95 10 99 126 111 93", "national_id", "nir {}"),
    ("cpf 390.533.447-05", "national_id", "cpf {}"),
    ("aadhaar 2341 2341 2346", "national_id", "aadhaar {}"),
    ("ric 360426199101010071", "national_id", "ric {}"),
    ("rrn 971013-1000000", "national_id", "rrn {}"),
    ("pnr 880320-0016", "national_id", "pnr {}"),
    (r"line\n4111111111111111\n", "credit_card", r"line\n{}\n"),
]


@pytest.mark.parametrize(("text", "type", "shown"), FOUND)
def test_what_is_found(text: str, type: str, shown: str) -> None:
    event = screened(text)
    assert event["data"] == shown.format(f"[masked:{type}]")
    assert (event["pii_detected"], event["pii_types"], event["masked"]) == (True, [type], [type])
    event = screened(text, Pii.FLAG)
    assert event == {"type": "custom", "data": text, "pii_detected": True, "pii_types": [type]}
    assert screen([{"type": "custom", "data": text}], Pii.REFUSE) == {0: [type]}


@pytest.mark.parametrize(
    "data",
    [
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        4111111111111112,
        1774000000000,
        "1774000000000000000",
        "2026-11-28T03:52:35.123Z",
        "550e8400-e29b-41d4-a716-446655440000",
        "DE89 3704 0044 0532 0130 01",
        "12345678A",
        "219-09-9999-1",
        "git@github.com:tocsin/tocsin.git",
        "lodash@4.17.21",
        "registry/image@sha256:0123456789abcdef",
        "version 1.2.3-4567890123",
        "a+b=12345678",
        "evt_01hzy3v8k2m4n6p8q0r2s4t6v8",
    ],
)
def test_what_is_none(data: Any) -> None:
    assert screened(data) == {"type": "custom", "data": data}


def test_a_card_may_be_a_number() -> None:
    assert screened({"card": 4111111111111111})["data"] == {"card": "[masked:credit_card]"}
    assert screened([4111111111111111], Pii.FLAG)["data"] == [4111111111111111]


def test_what_its_sender_says_stays() -> None:
    mail = "a@example.com"
    assert screened(mail, Pii.FLAG, pii_detected=False)["pii_detected"] is False
    assert "pii_types" not in screened(mail, Pii.FLAG, pii_detected=False)
    event = screened(mail, Pii.FLAG, pii_detected=True, pii_types=["name"])
    assert event["pii_types"] == ["name"]
    assert screened(mail, Pii.FLAG, pii_detected=True)["pii_types"] == ["email"]


def test_who_an_event_is_of_is_no_finding() -> None:
    event = {"type": "custom", "user_id": "bob@example.com", "session_id": "4111111111111111"}
    screen([event], Pii.MASK)
    assert event == {
        "type": "custom",
        "user_id": "bob@example.com",
        "session_id": "4111111111111111",
    }


def test_it_is_looked_for_in_all_that_an_event_says() -> None:
    mail = "a@example.com"
    event: dict[str, Any] = {
        "type": "custom",
        "request": {mail: 1},
        "data": [mail],
        "metadata": {"x": {"y": mail}},
        "decision": {"message": mail},
    }
    screen([event], Pii.MASK)
    assert mail not in str(event)
    assert event["request"] == {"[masked:email]": 1}


@given(st.text() | st.sampled_from([text for text, _, _ in FOUND]), st.text(max_size=3))
def test_what_is_masked_stays_so(text: str, after: str) -> None:
    once = screened(text + after)
    again = screened(once["data"])
    assert again["data"] == once["data"]
