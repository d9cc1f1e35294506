from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.notified import HOSTILE, LINKS, asked, called, endpoint, event_id, sent
from tocsin.domain.approvals import Call
from tocsin.domain.endpoints import Endpoint, Format
from tocsin.domain.segment import SealedEvent
from tocsin.wire.notify.mail import recipients

ENDPOINT = endpoint(Format.EMAIL)
HEADERS = ["To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Mailer", "MIME-Version"]
OURS = {"html", "head", "meta", "body", "h2", "p", "pre", "table", "tr", "td", "a"}


def mail(event: SealedEvent, to: Endpoint = ENDPOINT) -> EmailMessage:
    request = sent(to, event, links=LINKS)
    assert request.url == to.url
    assert max(map(len, request.body.split(b"\r\n"))) <= 998
    assert request.body.isascii()
    return message_from_bytes(request.body, policy=policy.default)


def parts(of: EmailMessage) -> tuple[str, str]:
    plain, html = (of.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


class Read(HTMLParser):
    """The elements and the links of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.links: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.links += [value for name, value in attrs if name not in ("charset", "cellpadding")]


def test_a_mail_says_what_a_person_needs_to_know_in_text_and_html() -> None:
    of = mail(asked())
    assert of["To"] == "oncall@example.com"
    assert of["Subject"] == "[Tocsin] Approval needed: exec"
    assert of["Auto-Submitted"] == "auto-generated"
    assert "From" not in of
    for text in parts(of):
        for expected in ("claude", "maria@example.com", "2026-03-20 09:48:40 UTC", "make deploy"):
            assert expected in text
    plain, html = parts(of)
    assert LINKS.approve_url in plain
    assert Read(html).links[:2] == [LINKS.approve_url, LINKS.deny_url]


@settings(deadline=None)
@given(st.lists(st.text("a.'\"=-+%@<>,;:()[]\\ \r\n2c0d", max_size=30), max_size=3))
@example(["..@a.a"])
@example([".a@a..a"])
def test_any_recipients_are_those_of_the_mail(texts: list[str]) -> None:
    url = "mailto:" + ",".join(texts)
    of = mail(called(), endpoint(Format.EMAIL, url=url))
    addresses = [each.addr_spec for each in of["To"].addresses]
    assert addresses == list(recipients(url))


def test_a_mail_about_the_same_event_is_the_same_mail() -> None:
    assert sent(ENDPOINT, called()).body == sent(ENDPOINT, called()).body
    assert mail(called())["Message-ID"] == f"<{event_id(12)}.{ENDPOINT.id[3:]}@tocsin>"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_event_adds_no_header_and_no_element(text: str) -> None:
    check(text)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_no_text_adds_a_header_or_an_element(text: str) -> None:
    check(text)


def check(text: str) -> None:
    name = text[:256]
    of = mail(
        asked(
            call=Call(tool=name, agent=name, owner=name, command=text, cwd=text),
            message=text[:2_000],
        )
    )
    assert of.keys()[:7] == HEADERS
    assert of.keys()[7:] == ["Content-Type"]
    assert of["To"] == "oncall@example.com"
    read = Read(parts(of)[1])
    assert read.elements <= OURS
    assert len(read.links) == 3


@pytest.mark.parametrize(
    "url",
    [
        "mailto:",
        "mailto:a@example.com,b@example.com?subject=x&bcc=c@example.com",
        'mailto:@@<>;,"',
        "mailto:m\u00fcller@b\u00fccher.example",
        "mailto:%00%ff%e2%80%ae@example.com",
        "mailto:" + "x" * 5_000,
    ],
)
def test_whatever_the_recipient_is_there_is_a_mail_to_him_alone(url: str) -> None:
    of = mail(called(), endpoint(Format.EMAIL, url=url))
    assert {"Bcc", "Cc"}.isdisjoint(of.keys())
    assert of["Subject"] == "[Tocsin] Tool call (denied): exec"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mailto:a@example.com", ("a@example.com",)),
        (
            "MAILTO:a+b@example.com,%20o'c@x-1.example?bcc=c@x",
            ("a+b@example.com", "o'c@x-1.example"),
        ),
        ("mailto:a@example.com%0d%0aBcc:%20b@example.com", ()),
        ("mailto:a@example.com%0a,b@example.com", ("a@example.com", "b@example.com")),
        ("mailto:a%2cb@example.com", ()),
        ("https://a@example.com", ()),
        ("a@example.com", ()),
        ("mailto:@example.com,a@,a,a@-,<a@b>", ()),
    ],
)
def test_recipients_are_plain_addresses_alone(url: str, expected: tuple[str, ...]) -> None:
    assert recipients(url) == expected
    of = mail(called(), endpoint(Format.EMAIL, url=url))
    assert of["To"] == (", ".join(expected) or "undisclosed-recipients:;")
    assert "Bcc" not in of


def test_the_body_begins_with_headers_so_that_a_sender_s_can_stand_before_them() -> None:
    body = b"From: tocsin@example.com\r\n" + sent(ENDPOINT, called()).body
    of = message_from_bytes(body, policy=policy.default)
    assert (of["From"], of["To"]) == ("tocsin@example.com", "oncall@example.com")
