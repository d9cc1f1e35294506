"""A hostile text costs no more than its size: of each pattern, what is hardest for it."""

import time

import pytest

from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.privacy import Pii
from tocsin.wire.screening import screen

PARTS = [
    *("eyJa", "eyJ-hf_" + "a" * 34 + "-", "AKIA", "AKIAIOSFODNN7EXAMPLE ", "sk-", "tocsin_a_"),
    *("://a:", "://a:b@", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----MIIE\n"),
    *("password=$", "password:", 'password="', 'password=\\"', "pwd=abcd ", "token=", "api_key "),
    *("authorization:", "bearer ", "bearer a1b2c3d4 ", "_b64=", "--password x1y2 "),
    "curl -u a:b ",
    *("a@", "a@b.", "a@b.cc ", "+1 ", "4111 ", "4111 1111 1111 1112 ", "000-00-0000 "),
    *(
        "12345678A ",
        "11010519491231002X ",
        "DE89 3704 ",
        "0",
        "A",
        "\\",
        '\\\\\\"',
        "é",
        "[masked:",
    ),
]
SMALL = MAX_EVENT_BYTES // 16


@pytest.mark.parametrize("part", PARTS)
def test_a_hostile_text_costs_no_more_than_its_size(part: str) -> None:
    def seconds(size: int) -> float:
        text = (part * (size // len(part) + 1))[:size]
        began = time.process_time()
        screen([{"type": "custom", "data": text}], Pii.MASK)
        return time.process_time() - began

    seconds(SMALL)
    small = min(seconds(SMALL) for _ in range(3))
    # Sixteen times for sixteen times as much; what is quadratic takes 256 times.
    assert min(seconds(SMALL * 16) for _ in range(2)) < 64 * max(small, 0.001)


def test_many_keys_that_are_credentials_are_no_more() -> None:
    def seconds(count: int) -> float:
        names = {f"AKIA{number:016}": 1 for number in range(count)}
        began = time.process_time()
        event = {"type": "custom", "data": names}
        screen([event], Pii.MASK)
        took = time.process_time() - began
        assert len(event["data"]) == count
        return took

    seconds(500)
    assert seconds(8_000) < 64 * max(seconds(500), 0.001)
