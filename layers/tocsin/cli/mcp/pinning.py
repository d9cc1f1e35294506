"""Holds what a server says of its tools against what is pinned."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, Final

from tocsin.cli.mcp import pins
from tocsin.cli.mcp.definitions import MAX_TOOLS, digest_of
from tocsin.cli.mcp.pins import Pins, Server
from tocsin.cli.mcp.values import label

__all__ = ["CHANGED", "UNPINNED", "Pinning"]

CHANGED: Final = "definition_changed"
"""Why a call is refused: the tool is not described as it was."""

UNPINNED: Final = "not_pinned"
"""Why a call is refused: the tool was not there, or was not listed."""


_MAX_LISTED: Final = 4 * MAX_TOOLS
_UNREAD: Final = (0, 0, 0)


class Pinning:
    """The relay's pins. Where the file can't be used, nothing counts as pinned."""

    def __init__(
        self, file: Pins, name: str, new: bool, refuses: bool, say: Callable[[str], None]
    ) -> None:
        """``name`` is for people; with ``new`` tools are pinned whenever they appear.

        ``refuses`` says whether calls are refused by what is pinned.
        """
        self._file = file
        self._name = name
        self._new = new
        self._refuses = refuses
        self._say = say
        self._lock = Lock()
        self._mark: tuple[int, int, int] | None = _UNREAD
        self._server = Server()
        self._listed: dict[str, str] = {}  # what this relay's server says now
        self._forgotten = False  # it says too much, or what can't be read
        self._told = set[str]()

    def seen(self, tools: list[Any], last: bool) -> dict[str, str]:
        """Take a list of tools, or a part; return the hashes that are pinned, by name."""
        found = dict[str, tuple[str, Any]]()
        known = self._server.tools
        for name, tool in _by_any_name(tools):
            if len(found) >= MAX_TOOLS and name not in found and name not in known:
                continue  # the list is longer than is remembered
            digest = digest_of(tool)
            if name in found and found[name][0] != digest:
                digest = f"{digest}, and another"  # two tools of one name: neither is the pinned
            found[name] = digest, tool
        with self._lock:
            self._listed |= {name: digest for name, (digest, _) in found.items()}
            while len(self._listed) > _MAX_LISTED:
                del self._listed[next(iter(self._listed))]
                self._forgotten = True
            try:
                with self._file.locked():
                    before = self._file.read()
                    after = pins.seen(before, found, last, self._new)
                    if after != before:
                        self._file.write(Server(self._name, after.whole, after.tools))
                self._server, self._mark = after, self._file.mark
            except (OSError, ValueError) as error:
                self._server, self._mark = Server(), _UNREAD
                self._once(f"tools can't be pinned: {error}")
            for name in found:
                self._tell(name)
            return {name: pin.pinned for name, pin in self._server.tools.items() if pin.pinned}

    def blind(self) -> None:
        """Note that the server said what could not be read: nothing counts as pinned any more."""
        with self._lock:
            self._forgotten = True
            if self._refuses:
                self._once("the server said what can't be read: no tool counts as pinned any more")

    def wrong_with(self, tool: Any) -> str | None:
        """Return why calls of a tool are to be refused, or None."""
        name = label(tool)
        with self._lock:
            self._look()
            pin = self._server.tools.get(name or "")
            if name is None or name != tool or pin is None or not pin.pinned or self._forgotten:
                return UNPINNED
            if not self._server.whole:
                self._close()
            return None if self._listed.get(name, pin.pinned) == pin.pinned else CHANGED

    def _look(self) -> None:
        """Read the file again if somebody has changed it."""
        mark = self._file.mark
        if mark == self._mark and self._mark != _UNREAD:
            return
        try:
            self._server, self._mark = self._file.read(), mark
        except (OSError, ValueError) as error:
            self._server, self._mark = Server(), _UNREAD
            self._once(f"no tool counts as pinned: {error}")

    def _close(self) -> None:
        """Pin nothing more unasked: the first call comes, so the list was seen."""
        try:
            with self._file.locked():
                server = self._file.read()
                self._file.write(Server(server.name, True, server.tools))
        except (OSError, ValueError) as error:
            self._once(f"tools can't be pinned: {error}")

    def _tell(self, name: str) -> None:
        pin, digest = self._server.tools.get(name), self._listed.get(name)
        if pin is None or digest in (None, pin.pinned):
            return
        what = "is not described as it was" if pin.pinned else "is new"
        self._once(f"the tool {name!r} {what}: `tocsin pins show {self._file.path.stem}` says more")

    def _once(self, line: str) -> None:
        if line not in self._told and len(self._told) < MAX_TOOLS:
            self._told.add(line)
            self._say(line)


def _by_any_name(tools: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the tools of a list by each name that some client could take for theirs.

    Go's JSON takes ``Name`` for ``name``.
    """
    for tool in tools:
        for key, value in tool.items() if isinstance(tool, dict) else ():
            if key.casefold() == "name" and (name := label(value)) is not None:
                yield name, tool
