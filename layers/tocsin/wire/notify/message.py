"""What a person needs to know of an event: the same in every chat, mail and page.

What agents wrote stands in it as they wrote it, less credentials; each service's module makes it
fit to be shown there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson

from tocsin.domain import approvals, ids
from tocsin.wire.notify import wording
from tocsin.wire.notify.fields import ASKED, REVIEWED, said
from tocsin.wire.notify.sending import Answers, Sending
from tocsin.wire.notify.wording import Tone
from tocsin.wire.screening import masked

__all__ = ["Message", "message_of"]

_CALLS: Final = ("command", "path", "input")
"""What says best what a call does, the first that is given."""

_LOOKED_AT: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A title, perhaps some text and a block of code, and facts: names and values, none empty.

    ``link`` leads to the dashboard, if anybody knows where that is.
    """

    title: str
    tone: Tone
    text: str
    code: str
    facts: tuple[tuple[str, str], ...]
    link: str
    links: Answers | None
    at: str

    @property
    def actions(self) -> list[tuple[str, str]]:
        """What can be opened: names and URLs."""
        links = self.links
        answers = [("Approve", links.approve_url), ("Deny", links.deny_url)] if links else []
        return [*answers, ("Open in Tocsin", self.link)] if self.link else answers


def message_of(fields: Mapping[str, Any], seq: int, sending: Sending) -> Message:
    """Return the message of an event, given its canonical fields."""
    type = said(fields, "type")
    facts = {
        "Agent": said(fields, "agent_id"),
        "Tool": said(fields, "tool_name"),
        **wording.facts(type, fields, sending),
        "Session": said(fields, "session_id"),
        "Event": f"{type}, seq {seq} of {sending.endpoint.org}",
    }
    tool = facts["Tool"]
    title = wording.title(type, fields)
    return Message(
        title=_shown(f"{title}: {tool}" if tool.strip() else title),
        tone=wording.tone(type, fields),
        text=_shown(wording.text(type, fields)),
        code=_code(fields),
        facts=tuple((name, _shown(value)) for name, value in facts.items() if value.strip()),
        link=_link(type, fields, sending.public_url),
        links=sending.links if type in ASKED else None,
        at=said(fields, "timestamp"),
    )


def _shown(text: str) -> str:
    """Return the beginning of a text, more of it than any service shows, without credentials."""
    return str(masked(text.strip()[:_LOOKED_AT]))


def _code(fields: Mapping[str, Any]) -> str:
    """Return what is, or would be, done: the command if there is one."""
    request = fields.get("request")
    if not isinstance(request, Mapping):
        return ""
    for name in _CALLS:
        if given := request.get(name):
            if isinstance(given, str):
                return _shown(given)
            return orjson.dumps(masked(given)).decode()
    return ""


def _link(type: str, fields: Mapping[str, Any], public_url: str | None) -> str:
    if public_url is None:
        return ""
    view, id = "feed", said(fields, "id")
    approval, anomaly = said(fields, "data", "approval_id"), said(fields, "data", "anomaly_id")
    if type.startswith("approval.") and approvals.is_id(approval):
        view, id = "approvals", approval
    elif type == "anomaly":
        view = "anomalies"
    elif type == REVIEWED and ids.batch_of(anomaly):
        view, id = "anomalies", anomaly
    return f"{public_url}/#/{view}/{quote(id, safe='')}"
