"""Requests of a client of streamable HTTP: which headers they carry. No I/O.

See https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http, and
for sessions https://modelcontextprotocol.io/specification/2025-11-25/basic/transports.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tocsin.domain.limits import MAX_SAFE_INTEGER

__all__ = ["Upstream"]

_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_PLAIN: Final = re.compile(r"[!-~]([ -~\t]*[!-~])?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_SENTINEL: Final = re.compile(r"=\?base64\?.*\?=")
_MAX_TOOLS: Final = 1_000
_MAX_LEVELS: Final = 32


class Upstream:
    """What a client knows of its server.

    Attributes:
        session: The id that the server gave the session.
        version: The protocol's version that both agreed on in a handshake.
        opening: The handshake's request; what was sent after it counts in its session.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        """``given`` are headers that are sent with everything."""
        self._given = dict(given)
        self._mirrored: dict[str, list[tuple[list[str], str]]] = {}
        self.session: str | None = None
        self.version: str | None = None
        self.opening: dict[str, Any] | None = None

    def headers(self, message: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return the headers of a request with a message, or of one without."""
        found = {"Accept": "application/json, text/event-stream"} | self._given
        found["Accept-Encoding"] = "identity"
        if message is not None:
            found["Content-Type"] = "application/json"
        else:
            found["Accept"] = "text/event-stream"
        own = modern(message)
        if own is not None:
            return found | {"MCP-Protocol-Version": own} | dict(self._named(message or {}))
        opens = message is not None and message.get("method") == "initialize"
        if self.version is not None and not opens:
            found["MCP-Protocol-Version"] = self.version
        if self.session is not None and not opens:
            found["Mcp-Session-Id"] = self.session
        return found

    def listed(self, result: Any) -> None:
        """Take note of which arguments the tools of a list want as headers."""
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            name = tool.get("name") if isinstance(tool, dict) else None
            if isinstance(name, str):
                self._mirrored.pop(name, None)
                if len(self._mirrored) < _MAX_TOOLS:
                    self._mirrored[name] = list(_mirrored(tool.get("inputSchema"), []))

    def _named(self, message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        method, params = message.get("method"), message.get("params")
        if isinstance(method, str) and _PLAIN.fullmatch(method):
            yield "Mcp-Method", method
        params = params if isinstance(params, dict) else {}
        value = params.get(_NAMED.get(str(method), ""))
        if isinstance(value, str):
            yield "Mcp-Name", _encoded(value)
        if method == "tools/call" and isinstance(value, str):
            for path, header in self._mirrored.get(value, ()):
                at: Any = params.get("arguments")
                for name in path:
                    at = at.get(name) if isinstance(at, dict) else None
                text = _text(at)
                if text is not None:
                    yield f"Mcp-Param-{header}", _encoded(text)


def modern(message: Mapping[str, Any] | None) -> str | None:
    """Return the version that a message says itself (2026-07-28 and later)."""
    params = message.get("params") if message is not None else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(_VERSION) if isinstance(meta, dict) else None
    return version if isinstance(version, str) and _PLAIN.fullmatch(version) else None


def _mirrored(schema: Any, path: list[str]) -> Iterator[tuple[list[str], str]]:
    """Yield where the arguments are that are sent as headers too, and the headers' names."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or len(path) > _MAX_LEVELS:
        return
    for name, each in properties.items():
        header = each.get("x-mcp-header") if isinstance(each, dict) else None
        if isinstance(header, str) and _TOKEN.fullmatch(header):
            yield [*path, name], header
        yield from _mirrored(each, [*path, name])


def _text(value: Any) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() if abs(value) <= MAX_SAFE_INTEGER:
            return str(value)
        case _:
            return None


def _encoded(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _SENTINEL.fullmatch(text):
        return text
    content = base64.b64encode(text.encode(errors="replace")).decode()
    return f"=?base64?{content}?="
