"""What a server's tools were when they were first seen: a file a server, in the user's home.

::

    pins/<server>.json      its tools: what is pinned of each, and what was seen last
    pins/<server>.lock      held (flock) while the file is changed

A file is read, changed and replaced under its lock, so that relays and commands that run at the
same time lose nothing of each other, and one that is killed leaves the old file or the new one.
Without ``TOCSIN_HOME`` the folder is ``~/.tocsin``, never one in the working directory: that may be
a checkout of somebody else's, with pins in it.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, Self

from tocsin.cli._local import own_home
from tocsin.cli.mcp.definitions import MAX_TOOLS
from tocsin.domain.times import iso

__all__ = ["Pin", "Pins", "Server", "folder", "identity"]

_VERSION: Final = 1
_MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_MAX_SHOWN_BYTES: Final = 16 * 1024  # of a definition that is kept to be looked at
_MAX_SHOWN_IN_ALL_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pin:
    """A tool's definitions: the one that is pinned, and the last that is another; "": none.

    ``pinned`` and ``seen`` are hashes; the definitions stand beside them where they are small.
    """

    pinned: str = ""
    seen: str = ""
    pinned_at: str = ""
    seen_at: str = ""
    pinned_definition: Any = None
    seen_definition: Any = None

    def accepted(self) -> Self:
        """Return it with what was seen last as what is pinned."""
        if not self.seen:
            return self
        return type(self)(self.seen, "", _now(), "", self.seen_definition)


@dataclass(frozen=True, slots=True)
class Server:
    """A server's pins. ``whole`` says that its list of tools was seen to the end once."""

    name: str = ""
    whole: bool = False
    tools: Mapping[str, Pin] = field(default_factory=dict)


class Pins:
    """One server's file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Server:
        """Return what is pinned.

        Raises:
            OSError, ValueError: The file can't be read, or is none of these.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return Server()
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"{self.path} is larger than any file of pins")
        try:
            found = json.loads(content)
            if found["version"] != _VERSION:
                raise ValueError(f"{self.path} is of a newer version of tocsin")
            tools = {name: Pin(**pin) for name, pin in found["tools"].items()}
            return Server(found["name"], found["whole"] is True, tools)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{self.path} is no file of pins") from error

    @property
    def mark(self) -> tuple[int, int, int] | None:
        """What changes when the file does; None: there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing the file.

        Raises:
            OSError: The lock can't be made.
        """
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def write(self, server: Server) -> None:
        """Replace the file; call it while it is locked.

        Raises:
            OSError: The disk refuses it; the old file stays.
        """
        fields = {
            "version": _VERSION,
            "name": server.name,
            "whole": server.whole,
            "tools": {name: asdict(pin) for name, pin in _shown(server.tools).items()},
        }
        content = json.dumps(fields, indent=1).encode()
        new = self.path.with_name(f".{self.path.name}-{token_hex(6)}")
        number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.rename(self.path)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise

    def forget(self) -> bool:
        """Remove the file; return whether there was one."""
        with self.locked():
            try:
                self.path.unlink()
            except FileNotFoundError:
                return False
            return True


def seen(server: Server, tools: Mapping[str, tuple[str, Any]], last: bool, new: bool) -> Server:
    """Return what is pinned after a list, or a part of one, was seen.

    Until its whole list was seen once, and with ``new`` also later, tools that are not known are
    pinned as they are. What differs from what is pinned is kept beside it.
    """
    pins = dict(server.tools)
    for name, (digest, definition) in tools.items():
        pin = pins.get(name)
        if pin is None and len(pins) >= MAX_TOOLS:
            continue
        if pin is None and (new or not server.whole):
            pins[name] = Pin(digest, "", _now(), "", definition)
        elif pin is None:
            pins[name] = Pin(seen=digest, seen_at=_now(), seen_definition=definition)
        elif digest not in (pin.pinned, pin.seen):
            pins[name] = replace(pin, seen=digest, seen_at=_now(), seen_definition=definition)
        elif digest == pin.pinned and pin.seen:
            pins[name] = replace(pin, seen="", seen_at="", seen_definition=None)
    return replace(server, tools=pins, whole=server.whole or last)


def folder() -> Path:
    """Return the folder of the pins, made for this user alone if it is not there.

    Raises:
        Failure: It belongs to another user, or others may write in it.
        OSError: It can't be made.
    """
    home = own_home(Path.home() / ".tocsin") / "pins"
    home.mkdir(mode=0o700, exist_ok=True)
    return home


def identity(name: str | None, where: Sequence[str]) -> str:
    """Return what a server's file is called: by the name that the user gave it, or by its command.

    What the server calls itself does not count: it could call itself something else.
    """
    of = ["name", name] if name else ["command", *where]
    return sha256(json.dumps(of).encode()).hexdigest()[:16]


def _shown(tools: Mapping[str, Pin]) -> dict[str, Pin]:
    """Return the pins with those definitions that there is room for."""
    room, kept = _MAX_SHOWN_IN_ALL_BYTES, dict[str, Pin]()
    for name, pin in tools.items():
        definitions = []
        for each in (pin.pinned_definition, pin.seen_definition):
            size = _size(each)
            fits = size <= min(room, _MAX_SHOWN_BYTES)
            room -= size if fits else 0
            definitions.append(each if fits else None)
        kept[name] = replace(pin, pinned_definition=definitions[0], seen_definition=definitions[1])
    return kept


def _size(definition: Any) -> int:
    try:
        return len(json.dumps(definition, indent=1))
    except (RecursionError, ValueError):
        return _MAX_FILE_BYTES


def _now() -> str:
    return iso(datetime.now(UTC))
