"""Calls of models and of tools, in the words of any of the conventions.

Token counts: caches' reads and writes are inside ``prompt_tokens``, as OpenTelemetry's convention
asks (``gen_ai.usage.input_tokens``: "SHOULD include all types of input tokens, including cached
tokens"). Where they can't be inside, since they are more, they are added.
"""

from typing import Any

from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.wire.intake.otlp.taking import Taking, structured

__all__ = [
    "model_call",
    "named_fields",
    "named_model",
    "response_id",
    "tool_call",
    "usage",
]


def named_fields(taken: Taking) -> dict[str, Any]:
    """Return the fields that any span or log record may have."""
    return _present(
        session_id=taken.name(
            "gen_ai.conversation.id",
            "session.id",
            "traceloop.association.properties.session_id",
        ),
        agent_id=taken.name("gen_ai.agent.id"),
        user_id=taken.name("user.id", "enduser.id", "traceloop.association.properties.user_id"),
        tool_call_id=taken.name("gen_ai.tool.call.id", "tool_call.id", "tool.id"),
    )


def response_id(taken: Taking) -> str | None:
    """Return the id that the vendor gave to a model's response: reports of one call share it."""
    if found := taken.name("gen_ai.response.id"):
        return found
    if "openinference.span.kind" in taken.left:  # which has no attribute for it
        response = structured(taken.left.get("output.value"))
        if isinstance(response, dict):
            return Taking(response).name("id")
    return None


def named_model(taken: Taking) -> dict[str, Any]:
    """Return the fields that name a call's model, as its tool, too."""
    model = taken.name(
        "gen_ai.response.model",
        "gen_ai.request.model",
        "llm.response.model_name",
        "llm.model_name",
        "llm.request.model_name",
        "embedding.model_name",
    )
    provider = taken.name("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
    return _present(model=model, provider=provider, tool_name=model or provider)


def model_call(taken: Taking) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a completion or an embedding, and what goes to its metadata."""
    beside = _present(response_id=response_id(taken))
    fields, caches = usage(
        prompt=taken.count(
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
        ),
        completion=taken.count(
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
        ),
        total=taken.count(
            "gen_ai.usage.total_tokens", "llm.token_count.total", "llm.usage.total_tokens"
        ),
        read=taken.count(
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
        ),
        created=taken.count(
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
        ),
    )
    asked = (
        taken.content("gen_ai.input.messages")
        or taken.rows("gen_ai.prompt")
        or taken.rows("llm.input_messages", "message.")
    )
    request = _present(
        messages=asked or None,
        input=None if asked else taken.content("input.value", "traceloop.entity.input"),
        system=taken.content("gen_ai.system_instructions"),
        tools=taken.content("gen_ai.tool.definitions"),
    )
    answered = (
        taken.content("gen_ai.output.messages")
        or taken.rows("gen_ai.completion")
        or taken.rows("llm.output_messages", "message.")
    )
    data = _present(
        messages=answered or None,
        output=None if answered else taken.content("output.value", "traceloop.entity.output"),
    )
    fields |= named_model(taken) | _present(
        cost_usd=taken.number("gen_ai.usage.cost", "llm.cost.total"),
        request=request or None,
        data=data or None,
    )
    return fields, beside | caches


def usage(
    *,
    prompt: int | None,
    completion: int | None,
    total: int | None = None,
    read: int | None = None,
    created: int | None = None,
    apart: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the token fields, and the caches' counts, which metadata has.

    ``apart`` says that ``prompt`` does not include them.
    """
    cached = (read or 0) + (created or 0)
    if cached and prompt is not None and (apart or prompt < cached):
        prompt += cached
        if total is not None and total < prompt + (completion or 0):
            total += cached
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    fields = _present(prompt_tokens=prompt, completion_tokens=completion, total_tokens=total)
    return fields, _present(cache_read_input_tokens=read, cache_creation_input_tokens=created)


def tool_call(taken: Taking, name: str) -> dict[str, Any]:
    """Return the fields of a tool's call; ``name`` is the span's, which may name the tool."""
    tool = taken.name("gen_ai.tool.name", "tool.name", "traceloop.entity.name")
    arguments = taken.content(
        "gen_ai.tool.call.arguments", "tool.parameters", "input.value", "traceloop.entity.input"
    )
    return _present(
        tool_name=tool or _named_by(name) or "unknown",
        request=None if arguments is None else {"input": arguments},
        data=taken.content("gen_ai.tool.call.result", "output.value", "traceloop.entity.output"),
    )


def _named_by(span: str) -> str:
    return span.removeprefix("execute_tool ").removeprefix("tools/call ")[:MAX_NAME_CHARS]


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
