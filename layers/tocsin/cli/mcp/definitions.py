"""How an MCP server describes its tools: a hash of each definition, told when it is new."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from tocsin.cli.mcp.values import label
from tocsin.domain.canonical import canonical
from tocsin.domain.errors import Malformed
from tocsin.domain.limits import MAX_AGENT_LABELS

__all__ = ["MAX_TOLD", "MAX_TOOLS", "Definitions", "annotations", "digest_of"]

MAX_TOOLS: Final = 1_000
"""Whose definitions a relay remembers; those of others are not told of."""

MAX_TOLD: Final = 10_000
"""Definitions that one relay tells of: a server may send another one with each list."""

_MAX_CANONICAL_BYTES: Final = 64 * 1024


class Definitions:
    """Those that a relay has seen, by the tool's name."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}
        self._told = 0

    def new(self, tools: Any) -> Iterator[tuple[str, str]]:
        """Yield the name and the hash of each tool of a list whose definition is new.

        The hash is that of :func:`digest_of`. Of two tools with one name the first counts.
        """
        seen = set[str]()
        for name, tool in _named(tools):
            if name in seen or self._told >= MAX_TOLD:
                continue
            if name not in self._known and len(self._known) >= MAX_TOOLS:
                continue
            seen.add(name)
            text = _sorted(tool)
            mark = sha256(text).digest()
            if self._known.get(name) == mark:
                continue
            self._known[name] = mark
            self._told += 1
            yield name, _digest(tool, text)


def _named(tools: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tools of a list, as far as they are any, with their names."""
    for tool in tools if isinstance(tools, list) else ():
        name = label(tool.get("name")) if isinstance(tool, dict) else None
        if name is not None:
            yield name, tool


def annotations(tools: Any) -> Iterator[tuple[str, dict[str, bool | str]]]:
    """Yield the name of each tool of a list, and its annotations as policies can see them."""
    for name, tool in _named(tools):
        declared = tool.get("annotations")
        found = declared.items() if isinstance(declared, dict) else ()
        kept = {
            key: value
            for key, value in found
            if label(key) == key and (isinstance(value, bool) or (label(value) or "") == value)
        }
        yield name, dict(list(kept.items())[:MAX_AGENT_LABELS])


def digest_of(tool: Any) -> str:
    """Return the hash of a definition.

    It is SHA-256 (in hex) of its RFC 8785 bytes; of one over 64 KB, or one that is not I-JSON, of
    its JSON with sorted keys.
    """
    return _digest(tool, _sorted(tool))


def _sorted(tool: Any) -> bytes:
    try:
        return json.dumps(tool, sort_keys=True, separators=(",", ":")).encode()
    except RecursionError:
        return b"nested too deeply"


def _digest(tool: Any, text: bytes) -> str:
    if len(text) <= _MAX_CANONICAL_BYTES:
        try:
            return sha256(canonical(tool)).hexdigest()
        except (Malformed, RecursionError):
            pass
    return sha256(text).hexdigest()
