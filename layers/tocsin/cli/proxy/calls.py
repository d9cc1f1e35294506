"""A call of a model as two events: a request, and a response that is linked to it.

What they are called is Govrix Scout's (direction, model, provider, tokens, latency, status). Both
have a ``prompt_id`` of their own, by which Tocsin counts them as one call.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_hex
from typing import Any, Final

import orjson

from tocsin.cli.mcp.values import label, storable
from tocsin.cli.proxy.answers import Answer
from tocsin.cli.proxy.headers import Caller
from tocsin.cli.proxy.operations import Operation
from tocsin.cli.proxy.refusals import Refusal
from tocsin.domain.times import iso

__all__ = ["CANCELLED", "CUT_OFF", "NO_RESPONSE", "Call", "Event"]

type Event = dict[str, Any]

CUT_OFF: Final = "cut_off"
"""The vendor's answer broke off, or its stream ended without its last word."""

CANCELLED: Final = "cancelled"
"""The client did not wait for the end."""

NO_RESPONSE: Final = "no_response"
"""The proxy was killed before the end."""

ERROR: Final = "error"
"""An error that came in an answer of status 200, as streams have them."""

_VIA: Final = {"via": "proxy"}


@dataclass(slots=True)
class Call:
    """One request of a client, which came at ``at``, and at ``started`` on the other clock."""

    at: datetime
    started: float
    operation: Operation | None
    method: str
    path: str  # without its query, which may hold a key
    provider: str
    caller: Caller
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    asked: dict[str, Any] = field(default_factory=dict)  # members of the request's body
    body: Any = None  # to be recorded
    size_bytes: int | None = None
    link: str = field(default_factory=lambda: f"prm_{token_hex(12)}")

    def request(self) -> Event:
        """Return the request's event."""
        said: dict[str, Any] = {"method": self.method, "path": self.path[:1_000]}
        if self.asked.get("stream") is True:
            said["stream"] = True
        if self.size_bytes is not None:
            said["size_bytes"] = self.size_bytes
        if self.body is not None:
            said["input"] = storable(self.body)
        event = self._event(self.at) | {"direction": "request", "action": "log", "request": said}
        if self.operation is not None:
            event["metadata"] = dict(_VIA)
        return event

    def unanswered(self, status: str = NO_RESPONSE) -> Event:
        """Return the response's event where there is none."""
        ended = {"direction": "response", "action": "log", "status": status}
        return self._event(self.now()) | ended | {"metadata": dict(_VIA)}

    def failed(self, refusal: Refusal) -> Event:
        """Return the response's event where the proxy itself has answered."""
        event = self.unanswered(str(refusal.status))
        event["latency_ms"] = self._since()
        event["metadata"]["outcome"] = refusal.reason
        return event

    def response(
        self, status: int, answer: Answer, first_byte: float | None, request_id: str | None
    ) -> Event:
        """Return the response's event, as far as the answer went.

        ``first_byte`` is when it came, ``request_id`` the vendor's.
        """
        event = self.unanswered(str(status)) | {"action": "allow"}
        event["latency_ms"] = self._since()
        if answer.model:
            event["model"] = answer.model
        counts = {
            "prompt_tokens": answer.prompt,
            "completion_tokens": answer.completion,
            "total_tokens": answer.total,
            "cost_usd": answer.cost_usd,
        }
        if answer.total is None and answer.prompt is not None and answer.completion is not None:
            counts["total_tokens"] = answer.prompt + answer.completion
        event |= {name: count for name, count in counts.items() if count is not None}
        if status < 400 and answer.error:
            event["status"] = ERROR
        metadata = event["metadata"] | answer.details
        if first_byte is not None:
            metadata["first_byte_ms"] = round((first_byte - self.started) * 1_000, 3)
        if id := label(request_id):
            metadata["request_id"] = id
        if answer.id:
            metadata["response_id"] = answer.id  # by which other reports are known as of this call
        event["metadata"] = metadata
        if data := _data(answer):
            event["data"] = data
        return event

    def _since(self) -> float:
        return round((self.monotonic() - self.started) * 1_000, 3)

    def _event(self, at: datetime) -> Event:
        operation, caller = self.operation, self.caller
        names = {
            "agent_id": caller.agent,
            "session_id": caller.session,
            "user_id": caller.user,
            "compliance_tag": caller.tag,
            "trace_id": caller.trace,
            "parent_id": caller.parent,
            "provider": label(self.provider),
            "model": label(self.asked.get("model")) if operation else None,
        }
        return {
            "type": operation.type if operation else "custom",
            "tool_name": operation.name if operation else "http",
            "prompt_id": self.link,
            "timestamp": iso(at),
            **{name: value for name, value in names.items() if value},
        }


def _data(answer: Answer) -> dict[str, Any]:
    """Return what came back: ids and names; texts and arguments only with bodies."""
    data: dict[str, Any] = {}
    if answer.finish:
        data["finish_reason"] = answer.finish
    if answer.error:
        data["error"] = answer.error
    if answer.tools:
        data["tool_calls"] = [
            {
                name: value
                for name, value in (
                    ("tool_call_id", tool.id),
                    ("tool_name", tool.name),
                    ("input", storable(_parsed(tool.arguments)) if tool.arguments else None),
                )
                if value is not None
            }
            for tool in answer.tools.values()
        ]
    if answer.text:
        data["output"] = storable(answer.text)
    if answer.cut:
        data["output_cut"] = True
    return data


def _parsed(arguments: str) -> Any:
    """Return what a model wrote as arguments: JSON, unless it failed to."""
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
