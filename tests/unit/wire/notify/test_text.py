from html import escape, unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.notified import HOSTILE
from tocsin.domain.approvals import Approval, Call
from tocsin.domain.links import Link
from tocsin.wire.link_page import asking
from tocsin.wire.notify.text import fitted, line, units, unquoted, visible

TEXTS = st.text() | st.sampled_from(sorted(HOSTILE.values()))


@given(TEXTS, st.integers(1, 300))
def test_a_text_is_never_longer_than_it_may_be(text: str, limit: int) -> None:
    for shown in (fitted(text, limit), line(text, limit), fitted(text, limit, escape)):
        assert units(shown) <= limit
        assert shown.encode("utf-16-le").decode("utf-16-le") == shown
        assert all(each.isprintable() or each in "\n\t" for each in shown)


@given(TEXTS, st.integers(1, 300))
def test_no_escape_is_cut_in_two(text: str, limit: int) -> None:
    shown = fitted(text, limit, escape)
    whole = escape("".join(map(visible, text[: limit + 1])))
    assert shown == whole or (shown.endswith("…") and whole.startswith(shown[:-1]))
    assert escape(unescape(shown)) == shown


def test_a_text_that_just_fits_is_whole() -> None:
    assert fitted("12345", 5) == "12345"
    assert fitted("123456", 5) == "1234…"
    assert fitted("1234&", 5, escape) == "1234…"
    assert fitted("😀😀", 4) == "😀😀"
    assert fitted("😀😀😀", 4) == "😀…"
    assert fitted("", 5) == ""


def test_what_is_not_seen_or_steers_the_rest_is_shown_as_an_escape() -> None:
    assert fitted("a\u202eb\x00c\u200dd", 99) == "a\\u{202e}b\\u{0}c\\u{200d}d"
    assert line(" a\r\nb\tc\nd \n", 99) == "a b c d"
    assert fitted("a\nb", 99) == "a\nb"
    assert fitted("\ud800", 99) == "\\u{d800}"


def test_a_line_that_is_cut_says_so_whatever_breaks_it_has() -> None:
    assert line("\r\n".join("abcdef"), 5) == "a b …"
    assert line("\n" * 99_999 + "abc", 5) == "abc"


def test_nothing_ends_a_block_of_code() -> None:
    for text in HOSTILE.values():
        assert "``" not in fitted(text, 999, unquoted)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_confirmation_page_shows_the_same_as_messages(text: str) -> None:
    call = Call(tool="t", agent="a", owner="o", command=text[:200])
    approval = Approval(
        org="acme",
        id="apr_1",
        call=call,
        digest=b"",
        rule_digest=b"",
        key_id="k",
        created_at_ms=0,
        expires_at_ms=1,
    )
    page = asking(approval, Link(org="acme", id="apr_1", approved=True, ends_at=1))
    assert fitted(text[:200], 9_999, escape) in page
