"""What a request asks of a model, by its path.

The names are those of ``gen_ai.operation.name``, see
https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tocsin.cli.proxy.answers import Answer, Reader
from tocsin.cli.proxy.chats import Chat, Completion, Embedding
from tocsin.cli.proxy.messages import Counted, Message
from tocsin.cli.proxy.responses import Response

__all__ = ["Operation", "operation_of"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A kind of call: how events name it, and what reads its answers."""

    type: str
    name: str
    reader: Callable[[Answer], Reader]
    """Makes what adds to an answer what it sees."""


_OPERATIONS: Final = {
    "/v1/chat/completions": Operation("completion", "chat", Chat),
    "/v1/completions": Operation("completion", "text_completion", Completion),
    "/v1/responses": Operation("completion", "chat", Response),
    "/v1/embeddings": Operation("embedding", "embeddings", Embedding),
    "/v1/messages": Operation("completion", "chat", Message),
    "/v1/messages/count_tokens": Operation("custom", "count_tokens", Counted),
}


def operation_of(method: str, path: str) -> Operation | None:
    """Return what is asked of a model; None: something else is asked."""
    path = path.partition("?")[0]
    if method != "POST":
        return None
    return _OPERATIONS.get(path if path.startswith("/v1/") else f"/v1{path}")
