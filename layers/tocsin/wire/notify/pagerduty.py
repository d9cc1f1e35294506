"""PagerDuty: Events API v2. What ends resolves what its beginning triggered.

An approval triggers when it is asked for and is resolved when it was answered, or nobody did. An
anomaly triggers, is acknowledged when somebody did, and is resolved when it was snoozed or called
false. All else triggers. See
https://developer.pagerduty.com/docs/events-api-v2-overview and
https://developer.pagerduty.com/docs/send-alert-event.
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.deliveries import Outgoing
from tocsin.domain.times import time_ms
from tocsin.wire.notify.fields import ANSWERED, ASKED, REVIEWED, said
from tocsin.wire.notify.message import Message
from tocsin.wire.notify.sending import Sending, json_body, posted
from tocsin.wire.notify.text import fitted, line
from tocsin.wire.notify.wanting import REMINDER
from tocsin.wire.notify.wording import Tone

__all__ = ["outgoing"]

_SUMMARY_UNITS: Final = 1_024
_KEY_CHARS: Final = 255
_NAME_UNITS: Final = 256
_DETAIL_UNITS: Final = 2_000
_SEVERITIES: Final = {
    Tone.PLAIN: "info",
    Tone.GOOD: "info",
    Tone.WARNING: "warning",
    Tone.CRITICAL: "critical",
}
_OF_REVIEWS: Final = {"acknowledged": "acknowledge"}


def outgoing(message: Message, fields: Mapping[str, Any], sending: Sending) -> Outgoing:
    """Return the request that tells of an event, given its canonical fields too."""
    action, key = _action(fields)
    body: dict[str, Any] = {
        "routing_key": sending.endpoint.token,
        "event_action": action,
        "dedup_key": f"tocsin/{sending.endpoint.org}/{key}"[:_KEY_CHARS],
    }
    if action == "trigger":
        body |= {
            "payload": _payload(message, fields, sending),
            "links": [{"href": url, "text": name} for name, url in message.actions],
            "client": "Tocsin",
        }
        if message.link:
            body["client_url"] = message.link
    return posted(sending.endpoint.url, json_body(body))


def _action(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is done, and to what."""
    type, id = said(fields, "type"), said(fields, "id")
    if type in ASKED:
        return "trigger", said(fields, "data", "approval_id") or id
    if type in ANSWERED:
        return "resolve", said(fields, "data", "approval_id") or id
    if type == REVIEWED:
        action = _OF_REVIEWS.get(said(fields, "status"), "resolve")
        return action, said(fields, "data", "anomaly_id") or id
    if type == "budget.exceeded" and said(fields, "source") == "tocsin":  # others may say it, too
        return "trigger", f"{said(fields, 'data', 'budget_id')}/{said(fields, 'data', 'period_id')}"
    return "trigger", id


def _payload(message: Message, fields: Mapping[str, Any], sending: Sending) -> dict[str, Any]:
    facts = dict(message.facts)
    said_first = ", ".join(each for each in (message.title, facts.get("Agent")) if each)
    what = message.text if message.text.strip() else message.code
    details = {name: line(value, _NAME_UNITS) for name, value in facts.items()}
    for name, text in (("Text", message.text), ("What", message.code)):
        if text.strip():
            details[name] = fitted(text, _DETAIL_UNITS)
    payload: dict[str, Any] = {
        "summary": line(f"{said_first}: {what}" if what.strip() else said_first, _SUMMARY_UNITS),
        "source": line(facts.get("Agent", ""), _NAME_UNITS) or sending.endpoint.org,
        "severity": "error" if said(fields, "type") == REMINDER else _SEVERITIES[message.tone],
        "group": sending.endpoint.org,
        "class": said(fields, "type"),
        "custom_details": details,
    }
    if tool := line(facts.get("Tool", ""), _NAME_UNITS):
        payload["component"] = tool
    if time_ms(message.at) is not None:
        payload["timestamp"] = message.at
    return payload
