import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from tocsin.domain.approvals import Approval, Call
from tocsin.domain.links import Link, new_secret
from tocsin.wire import link_page

CALL = Call(tool="exec", agent="claude", owner="key:1", command="rm -rf build", session="s")
APPROVAL = Approval(
    org="acme",
    id="apr_1",
    call=CALL,
    digest=CALL.digest,
    rule_digest=CALL.rule_digest,
    key_id="1",
    created_at_ms=1_774_000_000_000,
    expires_at_ms=1_774_000_120_000,
    message="may I?",
    link_secret=new_secret(),
)


class Reader(HTMLParser):
    """Reads a page as a browser does: its tags, and its text without the style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def page(approval: Approval = APPROVAL, *, approved: bool = True) -> str:
    return link_page.asking(approval, Link.of(approval, approved=approved, key_id="k1"))


def test_it_says_who_asks_for_what_until_when() -> None:
    call = replace(CALL, path="/a", cwd="/b", input={"n": [1]}, run_id="r")
    text = Reader(page(replace(APPROVAL, call=call, reason="tidy"))).text
    for said in ("Approve this call?", "claude", "exec", "rm -rf build", "/a", "/b", '"n"', "acme"):
        assert said in text
    for said in ("may I?", "tidy", "key:1", "2026-03-20T09:48:40.000Z"):
        assert said in text


@pytest.mark.parametrize(("approved", "verb"), [(True, "Approve"), (False, "Deny")])
def test_it_has_one_button_which_posts_to_its_own_address(approved: bool, verb: str) -> None:
    read = Reader(page(approved=approved))
    assert [tag for tag in read.tags if tag in ("form", "button", "a", "script")] == [
        "form",
        "button",
    ]
    attributes = dict(read.attributes)
    assert attributes["method"] == "post"
    assert attributes["value"] == str(approved).lower()
    assert not {"action", "src", "href", "onclick"} & attributes.keys()
    assert f"<button>{verb}</button>" in page(approved=approved)


HOSTILE = "</dd></dl><script>alert(1)</script><img src=x onerror=x>\"'&amp;<form action=//evil>"


def test_what_agents_write_is_text() -> None:
    call = Call(
        **dict.fromkeys(("tool", "agent", "owner", "session", "run_id", "command"), HOSTILE),
        path=HOSTILE,
        cwd=HOSTILE,
        input={HOSTILE: HOSTILE},
    )
    hostile = replace(APPROVAL, call=call, message=HOSTILE, reason=HOSTILE)
    read, plain = Reader(page(hostile)), Reader(page())
    assert set(read.tags) == set(plain.tags)
    assert {"script", "img"}.isdisjoint(read.tags)
    assert read.text.count("alert(1)") == 12
    assert read.text.count(HOSTILE) == 10  # and twice in JSON


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\u202e", r"\u{202e}"),  # turns around what follows
        ("\u2066", r"\u{2066}"),
        ("\u200b", r"\u{200b}"),
        ("\x00", r"\u{0}"),
        ("\x1b", r"\u{1b}"),
        ("\r", r"\u{d}"),
        ("\u2028", r"\u{2028}"),
        ("\u00a0", r"\u{a0}"),
        ("\ud800", r"\u{d800}"),
        ("\U000e0041", r"\u{e0041}"),
        ("é\U0001f514\n\t", "é\U0001f514\n\t"),
    ],
    ids=ascii,
)
def test_what_would_not_be_seen_is(char: str, shown: str) -> None:
    call = replace(CALL, command=f"ls {char}-la")
    text = Reader(page(replace(APPROVAL, call=call))).text
    assert f"ls {shown}-la" in text
    page(replace(APPROVAL, call=call)).encode()


def test_the_longest_call_is_shown_whole_above_the_button() -> None:
    html = page(replace(APPROVAL, call=replace(CALL, command=" " * 65_000 + "evil")))
    assert html.index("evil") < html.index("<button>")


def test_an_item_that_was_edited_by_hand_is_shown_all_the_same() -> None:
    call = replace(CALL, command=5, session=None)  # type: ignore[arg-type]
    assert "<dd>5</dd>" in page(replace(APPROVAL, call=call))


def test_the_policy_lets_only_its_own_style_in() -> None:
    [style] = re.findall(r"<style>(.*?)</style>", page(), re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = link_page.HEADERS["Content-Security-Policy"].split("; ")
    assert policy == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    assert link_page.HEADERS["Cache-Control"] == "no-store"
    assert link_page.HEADERS["Referrer-Policy"] == "no-referrer"
    assert "://" not in page()
    assert "://" not in link_page.saying("Nothing was changed", "x")


def test_what_is_said_is_text_too() -> None:
    assert Reader(link_page.saying(HOSTILE, HOSTILE)).tags.count("script") == 0
