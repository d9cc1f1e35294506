"""Slack: an incoming webhook's message of blocks (Block Kit).

What agents wrote stands in plain text and in blocks of code, where no mark-up is read, and ``&``,
``<`` and ``>`` are escaped everywhere: so nobody is mentioned and nothing becomes a link. Limits
and escapes: https://docs.slack.dev/reference/block-kit/blocks,
https://docs.slack.dev/reference/block-kit/composition-objects/text-object,
https://docs.slack.dev/messaging/formatting-message-text#escaping.
"""

from typing import Any, Final

from tocsin.domain.deliveries import Outgoing
from tocsin.wire.notify.message import Message
from tocsin.wire.notify.sending import Sending, json_body, posted
from tocsin.wire.notify.text import fitted, line, unquoted

__all__ = ["outgoing"]

_HEADER_UNITS: Final = 150
_TEXT_UNITS: Final = 1_000  # Slack's limit is 3,000
_FIELD_UNITS: Final = 300  # 2,000
_FIELDS: Final = 10
_URL_CHARS: Final = 3_000
_STYLES: Final = {"Approve": "primary", "Deny": "danger"}
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def outgoing(message: Message, sending: Sending) -> Outgoing:
    """Return the request that posts a message."""
    title = line(message.title, _HEADER_UNITS, _escaped)
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title)}]
    if message.text.strip():
        text = fitted(message.text, _TEXT_UNITS, _escaped)
        blocks.append({"type": "section", "text": _plain(text)})
    if message.code.strip():
        code = fitted(message.code, _TEXT_UNITS, lambda each: _escaped(unquoted(each)))
        shown = {"type": "mrkdwn", "text": f"```\n{code}\n```", "verbatim": True}
        blocks.append({"type": "section", "text": shown})
    *facts, origin = message.facts
    if facts:
        fields = [_plain(line(f"{name}: {value}", _FIELD_UNITS, _escaped)) for name, value in facts]
        blocks.append({"type": "section", "fields": fields[:_FIELDS]})
    if buttons := _buttons(message):
        blocks.append({"type": "actions", "elements": buttons})
    context = line(f"{origin[1]}, {message.at}", _FIELD_UNITS, _escaped)
    blocks.append({"type": "context", "elements": [_plain(context)]})
    body = {"text": title, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}
    return posted(sending.endpoint.url, json_body(body))


def _buttons(message: Message) -> list[dict[str, Any]]:
    return [
        {
            "type": "button",
            "action_id": name.partition(" ")[0].lower(),
            "text": _plain(name),
            "url": url,
            **({"style": _STYLES[name]} if name in _STYLES else {}),
        }
        for name, url in message.actions
        if len(url) <= _URL_CHARS
    ]


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(each, each) for each in text)
