"""Mail: a MIME message (RFC 5322, RFC 2045) in plain text and simple HTML, to a ``mailto:`` URL.

It has no ``From``: whoever sends it puts that before it. What agents wrote is on one line where it
is in a header, and escaped in HTML.
"""

import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from html import escape
from typing import Final
from urllib.parse import unquote

from tocsin.domain.deliveries import Outgoing
from tocsin.wire.notify.message import Message
from tocsin.wire.notify.sending import AGENT, Sending
from tocsin.wire.notify.text import fitted, line

__all__ = ["outgoing", "recipients"]

_SUBJECT_UNITS: Final = 150
_TEXT_UNITS: Final = 4_000
_FACT_UNITS: Final = 400
_BOUNDARY: Final = "=_tocsin"  # which quoted-printable text can't hold (RFC 2045, 6.7)

_NOBODY: Final = "undisclosed-recipients:;"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
# RFC 5322's dot-atoms, no quotes and no comments; lengths are RFC 5321's.
_ADDRESS: Final = re.compile(
    rf"(?=.{{1,64}}@.{{1,255}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*", re.ASCII
)


def recipients(url: str) -> tuple[str, ...]:
    """Return the addresses of a ``mailto:`` URL (RFC 6068), less what is none."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "mailto":
        return ()
    path = rest.partition("?")[0]
    found = (unquote(each).strip() for each in path.split(","))
    return tuple(each for each in found if _ADDRESS.fullmatch(each))


def outgoing(message: Message, sending: Sending, id: str) -> Outgoing:
    """Return a mail; of one event it is always the same, but for its date."""
    mail = EmailMessage(policy=SMTP)
    mail["To"] = ", ".join(recipients(sending.endpoint.url)) or _NOBODY
    mail["Subject"] = line(f"[Tocsin] {message.title}", _SUBJECT_UNITS)
    mail["Date"] = formatdate(sending.now_ms / 1_000)
    mail["Message-ID"] = f"<{id}.{sending.endpoint.id.removeprefix('ep_')}@tocsin>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office answers it
    mail["X-Mailer"] = AGENT
    mail.set_content(_plain(message), cte="quoted-printable")
    mail.add_alternative(_html(message), subtype="html", cte="quoted-printable")
    mail.set_boundary(_BOUNDARY)
    return Outgoing(sending.endpoint.url, (), mail.as_bytes())


def _plain(message: Message) -> str:
    parts = [fitted(each, _TEXT_UNITS) for each in (message.text, message.code) if each.strip()]
    parts.append("\n".join(f"{name}: {line(value, _FACT_UNITS)}" for name, value in message.facts))
    parts += [f"{name}:\n{url}" for name, url in message.actions]
    return line(message.title, _SUBJECT_UNITS) + "\n\n" + "\n\n".join(parts) + "\n"


def _html(message: Message) -> str:
    facts = "".join(
        f"<tr><td>{name}</td><td>{line(value, _FACT_UNITS, escape)}</td></tr>\n"
        for name, value in message.facts
    )
    parts = [
        "<!doctype html>",
        '<html><head><meta charset="utf-8"></head><body>',
        f"<h2>{line(message.title, _SUBJECT_UNITS, escape)}</h2>",
        f"<p>{fitted(message.text, _TEXT_UNITS, escape)}</p>" if message.text.strip() else "",
        f"<pre>{fitted(message.code, _TEXT_UNITS, escape)}</pre>" if message.code.strip() else "",
        f'<table cellpadding="4">\n{facts}</table>',
        *(f'<p><a href="{escape(url)}">{name}</a></p>' for name, url in message.actions),
        "</body></html>",
    ]
    return "\n".join(filter(None, parts)) + "\n"
