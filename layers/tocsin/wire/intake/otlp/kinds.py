"""What kind of event a span is, by the conventions that instrumentations keep to.

- OpenTelemetry's for generative AI, of any age:
  https://github.com/open-telemetry/semantic-conventions-genai/tree/main/docs/gen-ai
- OpenInference: https://github.com/Arize-ai/openinference/tree/main/spec
- OpenLLMetry: https://github.com/traceloop/openllmetry (its ``SpanAttributes``)
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.limits import MAX_TYPE_CHARS

__all__ = ["MODEL_CALLS", "kind_of", "own_type"]

MODEL_CALLS: Final = frozenset({"completion", "embedding"})

_OPERATIONS: Final = {
    "chat": "completion",
    "text_completion": "completion",
    "generate_content": "completion",
    "embeddings": "embedding",
    "execute_tool": "tool_call",
}
_OPENINFERENCE: Final = {"LLM": "completion", "EMBEDDING": "embedding", "TOOL": "tool_call"}
_REQUEST_TYPES: Final = {
    "chat": "completion",
    "completion": "completion",
    "embedding": "embedding",
}
_USAGE: Final = ("gen_ai.usage.", "llm.usage.", "gen_ai.response.", "gen_ai.completion.")
_OTHER: Final = re.compile(r"[^a-z0-9_-]+")


def kind_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the type of the event that a span becomes; None: it keeps to no convention."""
    operation = _text(attributes, "gen_ai.operation.name")
    if kind := _OPERATIONS.get(operation):
        return kind
    if span_kind := _text(attributes, "openinference.span.kind"):
        return _OPENINFERENCE.get(span_kind.upper()) or own_type("openinference", span_kind)
    if request_type := _text(attributes, "llm.request.type"):
        return _REQUEST_TYPES.get(request_type) or own_type("llm", request_type)
    if method := _text(attributes, "mcp.method.name"):
        return "tool_call" if method == "tools/call" else own_type("mcp", *method.split("/"))
    if span_kind := _text(attributes, "traceloop.span.kind"):
        return "tool_call" if span_kind == "tool" else own_type("traceloop", span_kind)
    if operation:
        return own_type("gen_ai", operation)
    by_model = any(f"gen_ai.{side}.model" in attributes for side in ("request", "response"))
    if by_model and any(name.startswith(_USAGE) for name in attributes):
        return "completion"
    return None


def own_type(*parts: str) -> str | None:
    """Return a type with a namespace, of texts that may hold anything; None: they say nothing."""
    cleaned = [_OTHER.sub("_", part.lower()).strip("_") for part in parts]
    name = ".".join(cleaned)
    return name if all(cleaned) and len(name) <= MAX_TYPE_CHARS else None


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name)
    return value if isinstance(value, str) else ""
