"""What a request's ``_meta`` says of a call: which call it is elsewhere, and what it is part of.

The keys of the protocol are those of its revisions 2025-11-25 and 2026-07-28
(https://modelcontextprotocol.io/specification/2026-07-28/basic#meta). The ids of calls are what
agents put beside them: Claude Code its ``tool_use_id``, Codex its call's id.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from tocsin.cli.mcp.values import label, storable
from tocsin.wire.traces import trace_of

__all__ = ["CLIENT_INFO", "SERVER_INFO", "Meta", "asks_in_forms"]

_PROTOCOL: Final = "io.modelcontextprotocol/"
CLIENT_INFO: Final = f"{_PROTOCOL}clientInfo"
SERVER_INFO: Final = f"{_PROTOCOL}serverInfo"
_VERSION: Final = f"{_PROTOCOL}protocolVersion"
_CAPABILITIES: Final = f"{_PROTOCOL}clientCapabilities"

_CALL_IDS: Final = ("claudecode/toolUseId", "callId")
_PARENT: Final = "traceparent"
_KNOWN: Final = frozenset({"progressToken", *_CALL_IDS, _PARENT})
_MAX_REST_CHARS: Final = 8_000


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a request.

    Attributes:
        tool_call_id: The call's id with the agent.
        trace_id: The trace that it is part of; ``parent_id`` is the span within that.
        progress: The token for notifications of progress; None: none are wanted.
        modern: Whether the request says its protocol's version itself (2026-07-28 and later).
        elicits: Whether the client of a modern request can ask its user.
        rest: What else there is, as it is recorded.
    """

    tool_call_id: str | None = None
    trace_id: str | None = None
    parent_id: str | None = None
    progress: str | int | float | None = None
    modern: bool = False
    elicits: bool = False
    rest: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, params: Any) -> Self:
        """Read the params of a request."""
        meta = params.get("_meta") if isinstance(params, dict) else None
        if not isinstance(meta, dict):
            return cls()
        ids = (label(meta.get(name)) for name in _CALL_IDS)
        trace_id, parent_id = trace_of(meta.get(_PARENT))
        token = meta.get("progressToken")
        capabilities = meta.get(_CAPABILITIES)
        return cls(
            tool_call_id=next((each for each in ids if each), None),
            trace_id=trace_id,
            parent_id=parent_id,
            progress=token if type(token) in (str, int, float) else None,
            modern=isinstance(meta.get(_VERSION), str),
            elicits=asks_in_forms(capabilities),
            rest=_rest(meta, trace_id is None),
        )


def asks_in_forms(capabilities: Any) -> bool:
    """Whether a client's capabilities let a server ask its user; an empty object says so, too."""
    asks = capabilities.get("elicitation") if isinstance(capabilities, dict) else None
    return isinstance(asks, dict) and (not asks or "form" in asks)


def _rest(meta: dict[str, Any], untraced: bool) -> dict[str, Any]:
    kept, chars = dict[str, Any](), 0
    for name, value in meta.items():
        known = name in _KNOWN and not (name == _PARENT and untraced)
        if known or name.startswith(_PROTOCOL):
            continue
        key, shown = label(name), storable(value)
        chars += len(name) + len(repr(shown))
        if chars > _MAX_REST_CHARS:
            kept["…"] = "more than is recorded"
            break
        if key:
            kept[key] = shown
    return kept
