"""Anthropic's messages.

See https://docs.anthropic.com/en/docs/build-with-claude/streaming: ``message_start`` has the usage
at the beginning, and ``message_delta`` what it has grown to. ``input_tokens`` are those that no
cache had; what was read from one and written to one comes beside them.
"""

from typing import Any, Final

import orjson

from tocsin.cli.mcp.values import label
from tocsin.cli.proxy.answers import Answer, Reader, count_of, object_of, objects_of

__all__ = ["Counted", "Message"]

_INPUT: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Message(Reader):
    """``/v1/messages``."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self._input: dict[str, int] = {}

    def whole(self, value: dict[str, Any]) -> None:
        """Read an answer that came in one piece, or an error."""
        if value.get("type") == "error":
            self.answer.failed(value.get("error"))
            return
        self._message(value)
        self._stopped(value)
        self.answer.ended = True
        for index, block in enumerate(objects_of(value.get("content"))):
            self._block(index, block)
            if index in self.answer.tools and self.answer.bodies:
                self.answer.tool(index, arguments=orjson.dumps(block.get("input")).decode())

    def event(self, value: dict[str, Any]) -> None:
        """Read one event of a stream."""
        index = count_of(value.get("index"))
        match value.get("type"):
            case "message_start":
                self._message(object_of(value.get("message")))
            case "content_block_start":
                self._block(index, object_of(value.get("content_block")))
            case "content_block_delta":
                delta = object_of(value.get("delta"))
                self.answer.said(delta.get("text"))
                if index in self.answer.tools:
                    self.answer.tool(index, arguments=delta.get("partial_json"))
            case "message_delta":
                self._stopped(object_of(value.get("delta")))
                self._used(object_of(value.get("usage")))
            case "message_stop":
                self.answer.ended = True
            case "error":
                self.answer.failed(value.get("error"))

    def _message(self, message: dict[str, Any]) -> None:
        self.answer.named(message)
        self._used(object_of(message.get("usage")))

    def _stopped(self, value: dict[str, Any]) -> None:
        self.answer.finish = label(value.get("stop_reason")) or self.answer.finish

    def _block(self, index: int | None, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if isinstance(kind, str) and kind.endswith("tool_use"):
            self.answer.tool(index, block.get("id"), block.get("name"))
        self.answer.said(block.get("text"))

    def _used(self, usage: dict[str, Any]) -> None:
        answer = self.answer
        for name in _INPUT:
            if (count := count_of(usage.get(name))) is not None:
                self._input[name] = count
                if name != "input_tokens":
                    answer.counted(name, count)
        if "input_tokens" in self._input:
            answer.prompt = sum(self._input.values())
        if (output := count_of(usage.get("output_tokens"))) is not None:
            answer.completion = output
        details = object_of(usage.get("output_tokens_details"))
        answer.counted("reasoning_tokens", details.get("thinking_tokens"))


class Counted(Message):
    """``/v1/messages/count_tokens``: how many there would be; no model is called."""

    def whole(self, value: dict[str, Any]) -> None:
        """Read the figure, or an error."""
        super().whole(value)
        self.answer.counted("counted_tokens", value.get("input_tokens"))
