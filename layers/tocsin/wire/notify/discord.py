"""Discord: a webhook's message of one embed, with link buttons below.

What agents wrote is escaped, and nobody may be mentioned. ``with_components`` has Discord take the
buttons from a webhook that no application owns, which may have such that only link; ``wait`` has it
answer when the message is there (https://docs.discord.com/developers/resources/webhook). Limits:
https://docs.discord.com/developers/resources/message#embed-object-embed-limits.
"""

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tocsin.domain.deliveries import Outgoing
from tocsin.domain.times import time_ms
from tocsin.wire.notify.message import Message
from tocsin.wire.notify.sending import Sending, json_body, posted
from tocsin.wire.notify.text import fitted, line, unquoted
from tocsin.wire.notify.wording import Tone

__all__ = ["outgoing"]

_TITLE_UNITS: Final = 256
_TEXT_UNITS: Final = 900  # of text and of code; a description has 4,096
_FIELD_UNITS: Final = 250  # 1,024
_FIELDS: Final = 10  # 25, and 6,000 units in all
_URL_CHARS: Final = 512
_MARKUP: Final = frozenset("\\`*_~|<>#-+[]()@:.!=/&")
_COLOURS: Final = {
    Tone.PLAIN: 0x5865F2,
    Tone.GOOD: 0x15703A,
    Tone.WARNING: 0xD97706,
    Tone.CRITICAL: 0xB3261E,
}
_ROW, _BUTTON, _LINK = 1, 2, 5
_ASKED: Final = {"wait": "true", "with_components": "true"}


def outgoing(message: Message, sending: Sending) -> Outgoing:
    """Return the request that posts a message."""
    parts = []
    if message.text.strip():
        parts.append(fitted(message.text, _TEXT_UNITS, _escaped))
    if message.code.strip():
        parts.append(f"```\n{fitted(message.code, _TEXT_UNITS, unquoted)}\n```")
    *facts, origin = message.facts
    embed: dict[str, Any] = {
        "title": line(message.title, _TITLE_UNITS, _escaped),
        "color": _COLOURS[message.tone],
        "fields": [
            {"name": name, "value": line(value, _FIELD_UNITS, _escaped), "inline": True}
            for name, value in facts[:_FIELDS]
        ],
        "footer": {"text": line(origin[1], _FIELD_UNITS)},
    }
    if parts:
        embed["description"] = "\n".join(parts)
    if time_ms(message.at) is not None:
        embed["timestamp"] = message.at
    body: dict[str, Any] = {"embeds": [embed], "allowed_mentions": {"parse": []}}
    buttons = [
        {"type": _BUTTON, "style": _LINK, "label": name, "url": url}
        for name, url in message.actions
        if len(url) <= _URL_CHARS
    ]
    if buttons:
        body["components"] = [{"type": _ROW, "components": buttons}]
    return posted(_url(sending.endpoint.url), json_body(body))


def _url(url: str) -> str:
    parts = urlsplit(url)
    kept = [
        each for each in parse_qsl(parts.query, keep_blank_values=True) if each[0] not in _ASKED
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, *_ASKED.items()])))


def _escaped(char: str) -> str:
    return f"\\{char}" if char in _MARKUP else char
