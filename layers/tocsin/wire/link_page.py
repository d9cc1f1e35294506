"""The page behind a signed link: what is asked, by whom, and one button. Nothing from elsewhere.

What agents wrote is shown as text, all of it, and what could hide or turn it around as an escape.
"""

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

import orjson

from tocsin.domain.approvals import Approval
from tocsin.domain.links import Link
from tocsin.domain.times import iso_ms

__all__ = ["HEADERS", "asking", "saying"]

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 42rem; margin: 2rem auto; padding: 0 1rem }
dt { margin-top: 1rem; font-size: .85rem; opacity: .75 }
dd { margin: 0; padding: .4rem .6rem; border: 1px solid #8888; border-radius: .3rem;
  overflow: hidden; font-family: ui-monospace, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere }
button { margin-top: 1.5rem; padding: .6rem 1.6rem; border: 0; border-radius: .3rem; font: inherit;
  font-weight: 600; color: #fff; background: #15703a }
.deny button { background: #b3261e }
"""

_STYLE_DIGEST: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of a page's response: no other page may frame it, nobody keeps it or learns of its address."""


def asking(approval: Approval, link: Link) -> str:
    """Return the page that asks for the answer of a link."""
    call, verb = approval.call, "Approve" if link.approved else "Deny"
    given = None if call.input is None else _json(call.input)
    shown = {
        "Agent": call.agent,
        "Tool": call.tool,
        "Command": call.command,
        "Path": call.path,
        "Working directory": call.cwd,
        "Input": given,
        "Message": approval.message,
        "Reason": approval.reason,
        "Session": call.session,
        "Run": call.run_id,
        "Asked with the key of": call.owner,
        "Organization": approval.org,
        "Waits until": iso_ms(approval.expires_at_ms),
    }
    return _page(
        f"{verb} this call?",
        "<dl>",
        *(f"<dt>{name}</dt><dd>{_text(value)}</dd>" for name, value in shown.items() if value),
        "</dl>",
        # No action: the form goes to this page's own address.
        f'<form method="post" class="{verb.lower()}">',
        f'<input type="hidden" name="approved" value="{str(link.approved).lower()}">',
        f"<button>{verb}</button>",
        "</form>",
    )


def saying(title: str, text: str = "") -> str:
    """Return a page that says something and asks nothing."""
    return _page(title, f"<p>{_text(text)}</p>")


def _page(title: str, *parts: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{_text(title)}</h1>{''.join(parts)}</main></body></html>"
    )


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _text(text: str) -> str:
    """Return text as it stands in HTML, with an escape for what is not seen or steers the rest."""
    seen = (each if each.isprintable() or each in "\n\t" else _mark(each) for each in str(text))
    return escape("".join(seen))


def _mark(char: str) -> str:
    return f"\\u{{{ord(char):x}}}"
