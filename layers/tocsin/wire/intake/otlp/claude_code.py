"""Claude Code's own events, which it sends as log records.

https://code.claude.com/docs/en/monitoring-usage (events, and spans, which are a beta). Its
``tool_use_id`` is that of its hooks. What a call took is told by its log records; a span of the
same call, if spans are on, keeps its numbers as attributes. Requests to the model are known by
their ``request_id``, which its spans have as ``gen_ai.response.id``, too.
"""

from typing import Any, Final

from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.wire.intake.otlp.calls import usage
from tocsin.wire.intake.otlp.kinds import own_type
from tocsin.wire.intake.otlp.record import Record
from tocsin.wire.intake.otlp.taking import Taking, structured

__all__ = ["VIA", "event_name", "fields_of", "is_span", "report"]

VIA: Final = "claude-code"
_NAMESPACE: Final = "claude_code"
_SCOPE: Final = "com.anthropic.claude_code"


def is_span(record: Record) -> bool:
    """Whether this is one of its spans."""
    return record.is_span and record.name.startswith(f"{_NAMESPACE}.")


def event_name(record: Record) -> str:
    """Return the name of one of its events, without the namespace; "": it is none of its."""
    if record.is_span:
        return ""
    for name in (record.name, record.body):
        if isinstance(name, str) and name.startswith(f"{_NAMESPACE}."):
            return name.removeprefix(f"{_NAMESPACE}.")
    name = record.attributes.get("event.name")
    if isinstance(name, str) and str(record.source.scope.get("name")).startswith(_SCOPE):
        return name.removeprefix(f"{_NAMESPACE}.")
    return ""


def fields_of(name: str, taken: Taking) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an event's fields, and what goes to its metadata."""
    fields: dict[str, Any] = {"prompt_id": taken.name("prompt.id")}
    beside: dict[str, Any] = {}
    match name:
        case "api_request" | "api_error":
            called, beside = _model_call(name, taken)
            fields |= called
        case "tool_result":
            fields |= {"type": "tool_call"} | _tool(taken)
            fields["status"] = "error" if taken.left.get("success") in (False, "false") else "ok"
            fields["latency_ms"] = taken.number("duration_ms")
            if taken.left.get("decision_type", taken.left.get("decision")) == "accept":
                fields["action"] = "allow"
        case "tool_decision" if taken.left.get("decision") == "reject":
            fields |= {"type": "tool_call", "action": "deny"} | _tool(taken)  # no result follows
        case _:
            fields["type"] = own_type(_NAMESPACE, *name.split("."))
            if name == "tool_decision" and taken.left.get("decision") == "accept":
                fields["action"] = "allow"
            reported, beside = report(taken)
            fields |= reported
    return _said(fields), beside


def report(taken: Taking) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of what tells of a call once more, and what goes to its metadata.

    With the call's id it is another report of the same call. Without, model and tool stay
    attributes: it would count as a call of its own.
    """
    fields: dict[str, Any] = {}
    if "tool_use_id" in taken.left:
        fields = _tool(taken)
    response_id = taken.name("request_id")
    if response_id:
        fields |= _named(taken)
    return _said(fields), _said({"response_id": response_id})


def _model_call(name: str, taken: Taking) -> tuple[dict[str, Any], dict[str, Any]]:
    fields, beside = usage(
        prompt=taken.count("input_tokens"),
        completion=taken.count("output_tokens"),
        read=taken.count("cache_read_tokens"),
        created=taken.count("cache_creation_tokens"),
        apart=True,
    )
    fields |= _named(taken) | {
        "type": "completion",
        "cost_usd": taken.number("cost_usd"),
        "latency_ms": taken.number("duration_ms"),
        "status": "ok",
    }
    if name == "api_error":
        code = taken.count("status_code")
        fields["status"] = "error" if code is None else str(code)
    return fields, beside | _said({"response_id": taken.name("request_id")})


def _named(taken: Taking) -> dict[str, Any]:
    model = taken.name("model")
    return {"model": model, "tool_name": model or "claude", "provider": "anthropic"}


def _tool(taken: Taking) -> dict[str, Any]:
    """Return the fields of a tool; one of an MCP server has the name that hooks have for it."""
    told = structured(taken.left.get("tool_parameters"))
    told = told if isinstance(told, dict) else {}
    server, tool = told.get("mcp_server_name"), told.get("mcp_tool_name")
    named: dict[str, Any] = {}
    if isinstance(server, str) and isinstance(tool, str) and server and tool:
        whole = f"mcp__{server}__{tool}"
        if len(whole) <= MAX_NAME_CHARS:
            named = {"tool_name": whole, "server_id": server}
    given = taken.content("tool_input")
    if given is None and told and not named:
        given = taken.content("tool_parameters")
    return {
        "tool_call_id": taken.name("tool_use_id"),
        "request": None if given is None else {"input": given},
        **(named or {"tool_name": taken.name("tool_name") or "unknown"}),
    }


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
