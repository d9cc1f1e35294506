"""What an answer says, whatever its protocol: the model, tokens, tools, and how it ended.

A reader is given a protocol's JSON values, one (the whole answer) or many (a stream's), and adds
what they say to an :class:`Answer`. Whatever a vendor sends, it never raises.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.cli.mcp.values import MAX_VALUE_BYTES, label
from tocsin.domain.limits import MAX_SAFE_INTEGER

__all__ = ["Answer", "Reader", "Tool", "count_of", "object_of", "objects_of"]

_MAX_TOOLS: Final = 256


@dataclass(slots=True)
class Tool:
    """A call of a tool that the model asks for."""

    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class Answer:
    """What is known of an answer. ``ended``: its last word was seen, if it is a stream.

    ``prompt`` counts what was read from and written to a cache, too.
    """

    bodies: bool = False
    id: str | None = None
    model: str | None = None
    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    cost_usd: float | None = None
    details: dict[str, int] = field(default_factory=dict)
    finish: str | None = None
    error: str | None = None
    ended: bool = False
    tools: dict[Any, Tool] = field(default_factory=dict)
    text: str = ""
    cut: bool = False  # of the text and the arguments, which are bounded together
    _kept: int = 0

    def named(self, value: dict[str, Any]) -> None:
        """Take an answer's own name and its model's."""
        self.id = label(value.get("id")) or self.id
        self.model = label(value.get("model")) or self.model

    def counted(self, name: str, value: Any) -> None:
        """Take a further figure of usage, if it is one."""
        count = count_of(value)
        if count is not None:
            self.details[name] = count

    def tool(self, key: Any, id: Any = None, name: Any = None, arguments: Any = None) -> None:
        """Take what is said of a tool's call; ``key`` tells calls apart, arguments add up."""
        tool = self.tools.get(key)
        if tool is None:
            if len(self.tools) >= _MAX_TOOLS:
                return
            tool = self.tools[key] = Tool()
        tool.id = label(id) or tool.id
        tool.name = label(name) or tool.name
        if isinstance(arguments, str):
            tool.arguments += self._bounded(arguments)

    def said(self, text: Any) -> None:
        """Take some of the text."""
        if isinstance(text, str):
            self.text += self._bounded(text)

    def unsaid(self) -> None:
        """Forget the text: the whole of it comes once more."""
        self._kept -= len(self.text)
        self.text = ""

    def failed(self, error: Any) -> None:
        """Take an error: its kind, since its message may quote what was asked."""
        told = object_of(error)
        kind = label(told.get("type")) or label(told.get("code")) or label(error)
        self.error = kind or "error"

    def _bounded(self, text: str) -> str:
        if not self.bodies:
            return ""
        kept = text[: max(MAX_VALUE_BYTES // 4 - self._kept, 0)]
        self._kept += len(kept)
        self.cut = self.cut or len(kept) < len(text)
        return kept


class Reader(ABC):
    """Reads one protocol's answers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    @abstractmethod
    def whole(self, value: dict[str, Any]) -> None:
        """Read an answer that came in one piece."""

    @abstractmethod
    def event(self, value: dict[str, Any]) -> None:
        """Read one event of a stream."""


def object_of(value: Any) -> dict[str, Any]:
    """Return an object, empty where there is none."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def count_of(value: Any) -> int | None:
    """Return a number of tokens, if it is one."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_SAFE_INTEGER else None
