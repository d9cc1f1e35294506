"""Which requests may come in, and which headers go on.

A web page can have a browser send requests to this machine, also under a name of its own that leads
here (DNS rebinding). So ``Host`` has to name this machine, and ``Origin``, where there is one, has
to be of this machine or allowed.
See https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.cli._passing import Raw, end_to_end

__all__ = ["mismatch", "passed_on", "passed_up", "stranger"]

_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
# The answer is read on its way, so it comes as it is.
_NOT_UP: Final = ("host", "expect", "content-length", "accept-encoding", "origin", "referer")
_NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def stranger(headers: Mapping[str, str], origins: frozenset[str]) -> str | None:
    """Return why a request may not come in, or None."""
    host = headers.get("host", "")
    if _hostname(f"http://{host}") not in _HERE:
        return "this relay is at 127.0.0.1, and nowhere else"
    origin = headers.get("origin")
    if origin is None or origin in origins or _hostname(origin) in _HERE:
        return None
    return "web pages of this origin may not call: see --allow-origin"


def passed_up(raw: Raw) -> list[tuple[str, str]]:
    """Return a request's headers as the server gets them, but for the length of its body."""
    kept = end_to_end(raw, _NOT_UP)
    if any(name.lower() == b"origin" for name, _ in raw):  # a browser's cookies are not for it
        kept = [(name, value) for name, value in kept if name.lower() != "cookie"]
    return [*kept, ("Accept-Encoding", "identity")]


def passed_on(raw: Raw) -> list[tuple[str, str]]:
    """Return an answer's headers as the client gets them."""
    return end_to_end(raw)


def mismatch(headers: Mapping[str, str], message: dict[str, Any]) -> str | None:
    """Return which header says something else than the message, or None.

    Who routes by headers must not see another call than who reads the body.
    """
    params = message.get("params")
    field = _NAMED.get(str(message.get("method")))
    pairs = {"Mcp-Method": message.get("method")}
    if field is not None:
        pairs["Mcp-Name"] = params.get(field) if isinstance(params, dict) else None
    for name, value in pairs.items():
        said = headers.get(name)
        if said is not None and _decoded(said) != value:
            return f"Header mismatch: {name} is not what the body says"
    return None


def _decoded(value: str) -> str | None:
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        text = value.removeprefix("=?base64?").removesuffix("?=")
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _hostname(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if "@" not in parts.netloc else None
    except ValueError:
        return None
