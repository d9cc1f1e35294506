"""Who may use the cookie that a browser adds to every request."""

import pytest

from tocsin.wire.origins import Caller

DASHBOARD = "https://dashboard.example"
ALLOWED = frozenset({DASHBOARD})
BEHIND = {"host": "origin.internal"}  # CloudFront's: not what the browser knows
DIRECT = {"host": "tocsin.example"}


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        (DIRECT, True),  # no browser, or one of long ago
        (DIRECT | {"sec-fetch-site": "none"}, True),
        (DIRECT | {"sec-fetch-site": "same-origin"}, True),
        (DIRECT | {"sec-fetch-site": "same-site"}, False),
        (DIRECT | {"sec-fetch-site": "cross-site"}, False),
        (BEHIND | {"origin": "https://tocsin.example", "sec-fetch-site": "same-origin"}, True),
        (BEHIND | {"origin": "https://tocsin.example"}, False),
        (DIRECT | {"origin": "https://tocsin.example"}, True),
        (DIRECT | {"origin": "http://tocsin.example"}, False),
        (DIRECT | {"origin": "https://tocsin.example:8443"}, False),
        (DIRECT | {"origin": "https://tocsin.example.evil.example"}, False),
        (DIRECT | {"origin": DASHBOARD}, True),
        (BEHIND | {"origin": DASHBOARD, "sec-fetch-site": "cross-site"}, True),
        (DIRECT | {"origin": DASHBOARD.upper()}, False),
        (DIRECT | {"origin": DASHBOARD + ".evil.example"}, False),
        (DIRECT | {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, False),
        (DIRECT | {"origin": "https://evil.example", "sec-fetch-site": "none"}, False),
        (DIRECT | {"origin": "https://tocsin.example", "sec-fetch-site": "cross-site"}, False),
        (DIRECT | {"origin": "null"}, False),
        (DIRECT | {"origin": "null", "sec-fetch-site": "cross-site"}, False),
        (DIRECT | {"origin": ""}, False),
    ],
)
def test_the_cookie_is_for_our_own_pages_and_the_allowed(
    headers: dict[str, str], may: bool
) -> None:
    assert Caller.of("https", headers).may_use_cookie(ALLOWED) is may
    assert (
        Caller.of("http", headers | {"x-forwarded-proto": "https"}).may_use_cookie(ALLOWED) is may
    )


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        (DIRECT, False),
        (DIRECT | {"origin": DASHBOARD}, True),
        (DIRECT | {"origin": DASHBOARD, "sec-fetch-site": "same-origin"}, False),
        ({"host": "dashboard.example", "origin": DASHBOARD}, False),
        (DIRECT | {"origin": "https://evil.example"}, False),
    ],
)
def test_foreign_is_who_is_allowed_and_not_ourselves(
    headers: dict[str, str], foreign: bool
) -> None:
    assert Caller.of("https", headers).is_foreign(ALLOWED) is foreign


@pytest.mark.parametrize(
    ("scheme", "headers", "loopback"),
    [
        ("http", {"host": "127.0.0.1:8484"}, True),
        ("http", {"host": "localhost"}, True),
        ("http", {"host": "LOCALHOST:8484"}, True),
        ("http", {"host": "[::1]:8484"}, True),
        ("https", {"host": "localhost"}, False),
        ("http", {"host": "localhost", "x-forwarded-proto": "https, http"}, False),
        ("http", {"host": "localhost.evil.example"}, False),
        ("http", {"host": "tocsin.example"}, False),
        ("http", {"host": "[::1"}, False),
        ("http", {}, False),
    ],
)
def test_loopback_is_plain_http_to_this_machine(
    scheme: str, headers: dict[str, str], loopback: bool
) -> None:
    assert Caller.of(scheme, headers).loopback is loopback
