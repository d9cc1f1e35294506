"""OpenAI's responses.

See https://platform.openai.com/docs/api-reference/responses-streaming: the last event has the whole
response, with its usage.
"""

from typing import Any, Final

from tocsin.cli.mcp.values import label
from tocsin.cli.proxy.answers import Reader, object_of, objects_of
from tocsin.cli.proxy.chats import used

__all__ = ["Response"]

_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Response(Reader):
    """``/v1/responses``."""

    def whole(self, value: dict[str, Any]) -> None:
        """Read a response."""
        answer = self.answer
        answer.named(value)
        used(answer, object_of(value.get("usage")))
        answer.finish = label(value.get("status")) or answer.finish
        if value.get("error"):
            answer.failed(value["error"])
        answer.ended = True
        for item in objects_of(value.get("output")):
            self._item(item)
            for part in objects_of(item.get("content")):
                answer.said(part.get("text"))

    def event(self, value: dict[str, Any]) -> None:
        """Read one event of a stream."""
        kind = value.get("type")
        if kind in _LAST:
            self.answer.unsaid()
            self.whole(object_of(value.get("response")))
        elif kind == "response.created":
            self.answer.named(object_of(value.get("response")))
        elif kind == "response.output_text.delta":
            self.answer.said(value.get("delta"))
        elif kind == "response.output_item.done":
            self._item(object_of(value.get("item")))
        elif kind == "error":
            self.answer.failed(value.get("error") or value)

    def _item(self, item: dict[str, Any]) -> None:
        kind = item.get("type")
        if not isinstance(kind, str) or not kind.endswith("_call"):
            return
        id = label(item.get("call_id")) or label(item.get("id"))
        if id in self.answer.tools:
            return  # its item was done before
        name = item.get("name") or kind.removesuffix("_call")
        self.answer.tool(id, id, name, item.get("arguments", item.get("input")))
