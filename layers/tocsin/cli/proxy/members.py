"""The members of a JSON object that comes in chunks, however large it is.

What is small is read at once, when it is whole. Of a large object only those members at its top are
kept that are asked for and small themselves: its images and vectors are passed over.
"""

import json
import re
from collections.abc import Collection
from typing import Any, Final

import orjson

from tocsin.cli.mcp.values import messages

__all__ = ["WHOLE_BYTES", "Members"]

WHOLE_BYTES: Final = 1024 * 1024
"""Up to here an object is kept whole."""

_MEMBER_BYTES: Final = 64 * 1024
_STRUCTURE: Final = re.compile(rb'["{}\[\],:]')
_IN_STRING: Final = re.compile(rb'["\\]')


class Members:
    """Feed it chunks, and ask for the object at the end."""

    def __init__(self, names: Collection[str], *, exact: bool = False) -> None:
        """``names`` are the members that are kept of a large object.

        If it is to be ``exact``, integers of over 64 bits stay what they are, at the cost of time.
        """
        self._exact = exact
        self._whole: bytearray | None = bytearray()
        self._scan = _Scan(frozenset(names))

    def feed(self, data: bytes) -> None:
        """Take the next chunk."""
        if self._whole is None:
            self._scan.feed(data)
            return
        self._whole += data
        if len(self._whole) > WHOLE_BYTES:
            data, self._whole = bytes(self._whole), None
            self._scan.feed(data)

    def read(self) -> dict[str, Any]:
        """Return the members; none if this is no object, or an object that has no end yet."""
        if self._whole is None:
            return self._scan.found
        content = bytes(self._whole)
        if self._exact:
            try:
                value = json.loads(content)
            except (ValueError, RecursionError):
                return {}
            return value if isinstance(value, dict) else {}
        found = messages(content) if content else []
        return found[0] if len(found) == 1 else {}


class _Scan:
    """Walks along the structure of a JSON object."""

    def __init__(self, names: frozenset[str]) -> None:
        self.found: dict[str, Any] = {}
        self._names = names
        self._depth = 0
        self._in_string = self._escaped = False
        self._name: str | None = None  # of the member that is passed, if it is asked for
        self._kept = bytearray()  # a name, or the value of a member that is kept
        self._keeping = False
        self._in_value = False

    def feed(self, data: bytes) -> None:
        at, begin = 0, 0  # what is kept begins at ``begin``
        if self._escaped and data:
            at, self._escaped = 1, False
        while found := (_IN_STRING if self._in_string else _STRUCTURE).search(data, at):
            at = found.end()
            mark = found[0]
            if mark == b"\\":
                if at == len(data):
                    self._escaped = True
                at += 1
            elif mark == b'"':
                self._in_string = not self._in_string
                if self._depth == 1 and not self._in_value:
                    if self._in_string:
                        self._keeping, begin = True, at
                        self._kept.clear()
                    else:
                        self._keep(data[begin : at - 1])
                        self._named()
            elif mark in b"{[":
                self._depth += 1
            elif mark == b":":
                if self._depth == 1 and not self._in_value:
                    self._in_value = True
                    self._keeping, begin = self._name is not None, at
                    self._kept.clear()
            else:
                if self._depth == 1 and self._in_value and mark in b",}":
                    self._keep(data[begin : at - 1])
                    self._valued()
                if mark in b"}]":
                    self._depth -= 1
        self._keep(data[begin:])

    def _keep(self, data: bytes) -> None:
        if self._keeping:
            self._kept += data
            if len(self._kept) > _MEMBER_BYTES:
                self._keeping = False
                self._name = None
                self._kept.clear()

    def _named(self) -> None:
        try:
            name = orjson.loads(b'"' + self._kept + b'"') if self._keeping else None
        except orjson.JSONDecodeError:
            name = None
        self._name = name if name in self._names else None
        self._keeping = False

    def _valued(self) -> None:
        if self._name is not None and self._keeping:
            try:
                self.found[self._name] = orjson.loads(bytes(self._kept))
            except orjson.JSONDecodeError:
                self.found.pop(self._name, None)
        self._in_value = self._keeping = False
        self._name = None
        self._kept.clear()
