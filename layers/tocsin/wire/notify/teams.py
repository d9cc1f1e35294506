"""Microsoft Teams: an Adaptive Card for the Workflows app ("when a webhook request is received").

What agents wrote stands in text runs, in which no Markdown is read
(https://adaptivecards.io/explorer/RichTextBlock.html), as it is in text blocks and facts. A message
may have 28 KB
(https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using).
"""

from typing import Any, Final

from tocsin.domain.deliveries import Outgoing
from tocsin.wire.notify.message import Message
from tocsin.wire.notify.sending import Sending, json_body, posted
from tocsin.wire.notify.text import fitted, line
from tocsin.wire.notify.wording import Tone

__all__ = ["outgoing"]

_TITLE_UNITS: Final = 200
_TEXT_UNITS: Final = 1_000
_FACT_UNITS: Final = 300
_SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"
_VERSION: Final = "1.2"  # the first that has text runs: every client knows it
_CARD: Final = "application/vnd.microsoft.card.adaptive"
_COLOURS: Final = {
    Tone.PLAIN: "default",
    Tone.GOOD: "good",
    Tone.WARNING: "warning",
    Tone.CRITICAL: "attention",
}


def outgoing(message: Message, sending: Sending) -> Outgoing:
    """Return the request that posts a message."""
    title = _run(
        line(message.title, _TITLE_UNITS),
        size="large",
        weight="bolder",
        color=_COLOURS[message.tone],
    )
    body = [_block(title)]
    if message.text.strip():
        body.append(_block(_run(fitted(message.text, _TEXT_UNITS))))
    if message.code.strip():
        code = fitted(message.code, _TEXT_UNITS)
        body.append(_block(_run(code, fontType="monospace"), separator=True))
    for name, value in message.facts:
        body.append(
            _block(
                _run(f"{name}: ", weight="bolder"), _run(line(value, _FACT_UNITS)), spacing="small"
            )
        )
    card = {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": _VERSION,
        "fallbackText": "Tocsin has something to tell, which this client can't show.",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": name, "url": url} for name, url in message.actions
        ],
    }
    attachment = {"contentType": _CARD, "contentUrl": None, "content": card}
    return posted(sending.endpoint.url, json_body({"type": "message", "attachments": [attachment]}))


def _block(*runs: dict[str, Any], **looks: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs), **looks}


def _run(text: str, **looks: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **looks}
