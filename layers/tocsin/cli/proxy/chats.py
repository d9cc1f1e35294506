"""OpenAI's chat completions, completions and embeddings, which many others speak too.

See https://platform.openai.com/docs/api-reference/chat/streaming. A stream has its usage only if
the request asked for it (``stream_options.include_usage``).
"""

from typing import Any

from tocsin.cli.mcp.values import label
from tocsin.cli.proxy.answers import Answer, Reader, count_of, object_of, objects_of

__all__ = ["Chat", "Completion", "Embedding", "used"]


def used(answer: Answer, usage: dict[str, Any]) -> None:
    """Take OpenAI's usage: the names of chat completions, and those of responses."""
    for prompt in ("prompt_tokens", "input_tokens"):
        answer.prompt = _or(count_of(usage.get(prompt)), answer.prompt)
        details = object_of(usage.get(f"{prompt}_details"))
        answer.counted("cache_read_input_tokens", details.get("cached_tokens"))
        answer.counted("cache_creation_input_tokens", details.get("cache_write_tokens"))
    for completion in ("completion_tokens", "output_tokens"):
        answer.completion = _or(count_of(usage.get(completion)), answer.completion)
        details = object_of(usage.get(f"{completion}_details"))
        answer.counted("reasoning_tokens", details.get("reasoning_tokens"))
    answer.total = _or(count_of(usage.get("total_tokens")), answer.total)
    cost = usage.get("cost")  # OpenRouter's, in dollars
    if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost <= 10**9:
        answer.cost_usd = cost


class Chat(Reader):
    """``/v1/chat/completions``."""

    def whole(self, value: dict[str, Any]) -> None:
        """Read an answer that came in one piece."""
        self.event(value)
        self.answer.ended = True

    def event(self, value: dict[str, Any]) -> None:
        """Read a chunk; an answer in one piece differs by ``message`` instead of ``delta``."""
        answer = self.answer
        answer.named(value)
        used(answer, object_of(value.get("usage")))
        if value.get("error"):
            answer.failed(value["error"])
        for place, choice in enumerate(objects_of(value.get("choices"))):
            self._choice(count_of(choice.get("index")) or place, choice)

    def _choice(self, number: int, choice: dict[str, Any]) -> None:
        answer = self.answer
        said = object_of(choice.get("delta")) or object_of(choice.get("message"))
        answer.said(said.get("content") if said else choice.get("text"))
        for place, call in enumerate(objects_of(said.get("tool_calls"))):
            index = count_of(call.get("index"))
            kind = object_of(call.get("function")) or object_of(call.get("custom"))
            arguments = kind.get("arguments", kind.get("input"))
            key = (number, place if index is None else index)
            answer.tool(key, call.get("id"), kind.get("name"), arguments)
        legacy = object_of(said.get("function_call"))
        if legacy:
            answer.tool((number, "function"), None, legacy.get("name"), legacy.get("arguments"))
        if finish := label(choice.get("finish_reason")):
            answer.finish, answer.ended = finish, True


class Completion(Chat):
    """``/v1/completions``: choices have a ``text``."""


class Embedding(Chat):
    """``/v1/embeddings``: usage alone; the vectors are never read."""


def _or(new: int | None, old: int | None) -> int | None:
    return old if new is None else new
