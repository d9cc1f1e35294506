from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.errors import Forbidden, Invalid, Malformed, Over, Refused, TooLarge
from tocsin.domain.limits import MAX_SMALL_BODY_BYTES
from tocsin.domain.links import Link
from tocsin.wire import links

NOW_MS = 1_774_000_000_000
LINK = Link(
    org="acme",
    id="apr_01km300000" + "0" * 16,
    approved=True,
    ends_at=NOW_MS // 1_000 + 120,
    key_id="0123456789ab",
    signature="Ab-_" + "0" * 39,
)
QUERY = parse_qsl(urlsplit(links.url("https://t.example", LINK)).query)


def changed(**parts: str | None) -> list[tuple[str, str]]:
    given: dict[str, Any] = dict(QUERY) | parts
    return [(name, value) for name, value in given.items() if value is not None]


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("key_id", ["0123456789ab", ""])
def test_a_link_comes_back_as_it_was_made(approved: bool, key_id: str) -> None:
    link = replace(LINK, approved=approved, key_id=key_id, signature="x" * 43)
    url = urlsplit(links.url("https://t.example", link))
    assert (url.netloc, url.path) == ("t.example", f"/v1/approvals/{LINK.id}/resolve")
    read = links.link_in(LINK.id, parse_qsl(url.query), NOW_MS)
    assert (read, read.signature) == (link, link.signature)


@pytest.mark.parametrize(
    ("id", "query"),
    [
        *((LINK.id, changed(**{name: None})) for name in links.PARAMETERS if name != "key"),
        *((LINK.id, [*QUERY, (name, value)]) for name, value in QUERY),
        *((LINK.id, changed(**{name: ""})) for name in links.PARAMETERS),
        ("apr_1", QUERY),
        ("a/b", QUERY),
        ("\U0001f514" * 2_500, QUERY),
        (LINK.id, changed(org="Acme")),
        *((LINK.id, changed(key=key)) for key in ("a/b", "k\n", "\U0001f514", "a" * 10_000)),
        (LINK.id, changed(org="acme\nx")),
        (LINK.id, changed(org="a" * 10_000)),
        (LINK.id, changed(approved="True")),
        (LINK.id, changed(approved="1")),
        *((LINK.id, changed(exp=exp)) for exp in ("1e400", "NaN", "-1", "0", " 1", "1.0")),
        *((LINK.id, changed(exp=exp)) for exp in ("0" + "1774000120", "9" * 5_000, "1774000120\n")),
        (LINK.id, changed(exp="١٧٧٤٠٠٠١٢٠")),
        *((LINK.id, changed(sig=sig)) for sig in ("x" * 42, "x" * 44, "x" * 43 + "=", "é" * 43)),
        (LINK.id, changed(sig="x" * 42 + "+")),
        (LINK.id, []),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_link_is_refused_in_the_words_for_one_that_opens_nothing(
    id: str, query: list[tuple[str, str]]
) -> None:
    with pytest.raises(Forbidden, match="opens nothing"):
        links.link_in(id, query, NOW_MS)


def test_one_whose_time_is_over() -> None:
    end_ms = LINK.ends_at * 1_000
    assert links.link_in(LINK.id, QUERY, end_ms - 1) == LINK
    with pytest.raises(Over, match="expired"):
        links.link_in(LINK.id, QUERY, end_ms)
    with pytest.raises(Over):
        links.link_in(LINK.id, changed(exp="1"), end_ms)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b'{"approved": true}', b'{"persist": false}'),
        *(b"approved=true", b"approved=true&persist=false", b"resolved_by=bob"),
    ],
    ids=repr,
)
def test_what_may_be_sent_with_a_link(body: bytes) -> None:
    assert links.sent(body, LINK).get("approved", True) is True


def test_who_says_that_they_are_somebody() -> None:
    assert links.sent(b"resolved_by=a%20b%3Cc", LINK) == {"resolved_by": "a b<c"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"approved": false}', Invalid),
        (b"approved=false", Invalid),
        (b"approved=yes", Invalid),
        (b"approved", Malformed),
        (b'{"approved": 1}', Invalid),
        (b'{"approved": "true"}', Invalid),
        (b'{"org": "beta"}', Invalid),
        (b"x=1", Malformed),
        (b"approved=true&x=1", Invalid),
        (b"resolved_by=" + b"x" * 257, Invalid),
        (b"null", Malformed),
        (b"approved=true&approved=true", Malformed),
        (b"approved=true&" + b"&".join(b"a%d=1" % n for n in range(99)), Malformed),
        (b"approved=\xff", Malformed),
        (b"[1]", Malformed),
        (b"{", Malformed),
        (b'{"persist": true}', Forbidden),
        (b"persist=true", Forbidden),
        (b"approved=" + b"x" * MAX_SMALL_BODY_BYTES, TooLarge),
        (b"{" * (MAX_SMALL_BODY_BYTES + 1), TooLarge),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_may_not(body: bytes, error: type[Refused]) -> None:
    with pytest.raises(error):
        links.sent(body, LINK)


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode(errors="ignore")))
def test_any_body_is_taken_or_refused(body: bytes) -> None:
    with suppress(Refused):
        links.sent(body, LINK)
