"""The one door to the terminal: everything that a command prints goes through here.

What is printed was written by somebody else (a server, a file, an agent), and none of it may steer
the terminal. :func:`guard` puts a filter around standard output and standard error, so that no
line can be printed past it; what is made into lines here is made harmless before.
"""

import errno
import os
import re
import sys
from collections.abc import Iterable, Mapping
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "OutputError",
    "OutputGone",
    "complain",
    "console",
    "escaped",
    "finish",
    "give_up",
    "guard",
    "json_escaped",
    "note",
    "require_output",
    "say",
    "show_json",
    "show_table",
]

_DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# Control characters, lone surrogates, line ends that are not LF, and writing directions.
_UNSAFE: Final = f"\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\u2028\u2029{_DIRECTIONS}"
_UNSAFE_TEXT: Final = re.compile(f"[{_UNSAFE}]")
# What rich itself writes: colours, and the movements of a progress bar.
_OURS: Final = r"\r(?=\x1b\[)|\x1b\[(?:[0-9;]*m|[0-9]*[AK]|\?25[hl])"
_UNSAFE_OUTPUT: Final = re.compile(f"({_OURS}|[\n\t])|[{_UNSAFE}]")
_MARK: Final = "\N{REPLACEMENT CHARACTER}"
_GONE: Final = frozenset({errno.EPIPE, errno.EIO, errno.EBADF})
_ANY_COLUMNS: Final = 1_000_000
_JSON_UNSAFE: Final = re.compile(f"[\x7f-\x9f\u2028\u2029{_DIRECTIONS}]")
_JSON_NOT_ASCII: Final = re.compile("[\x7f-\U0010ffff]")


class OutputError(OSError):
    """Standard output can't be written, for example because the disk is full."""


class OutputGone(OutputError, BrokenPipeError):
    """Nobody reads standard output any more."""


def escaped(text: str) -> str:
    """Return ``text`` as it may be shown within a line: without control over the terminal."""
    return _UNSAFE_TEXT.sub(_MARK, text)


def json_escaped(line: str) -> str:
    """Return the same JSON with what could steer a terminal written as ``\\u009b``.

    If standard output is not in UTF-8, so is everything that is not ASCII: it stays JSON in any
    encoding.
    """
    utf8 = sys.stdout is None or sys.stdout.encoding.lower().replace("-", "") == "utf8"
    return (_JSON_UNSAFE if utf8 else _JSON_NOT_ASCII).sub(_json_escape, line)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class _Guarded(TextIOWrapper):
    """A stream that nothing can steer the terminal through, whoever prints.

    What the stream's encoding lacks is written as an escape (``\\u2026``). An error is an
    :class:`OutputError`, and an :class:`OutputGone` if the reader, or the terminal, is gone.
    """

    def write(self, text: str) -> int:
        try:
            super().write(_UNSAFE_OUTPUT.sub(lambda match: match[1] or _MARK, text))
        except OSError as error:
            raise _named(error) from error
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _named(error) from error


def _named(error: OSError) -> OutputError:
    if error.errno in _GONE:
        return OutputGone(errno.EIO, "nobody reads it")  # typer ends the program at an EPIPE
    return OutputError(error.errno, error.strerror)


def guard() -> None:
    """Guard the standard streams of this process.

    A standard descriptor that is closed is opened on nothing, so that no file or socket gets its
    number and what is meant for the terminal.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def _guarded(stream: TextIO | None) -> Any:
    if not isinstance(stream, TextIOWrapper) or isinstance(stream, _Guarded):
        return stream  # closed, or somebody else's
    encoding, options = stream.encoding, (stream.line_buffering, stream.write_through)
    return _Guarded(stream.detach(), encoding, "backslashreplace", "\n", *options)


def require_output() -> None:
    """Raise an :class:`OutputError` if this process was started without a standard output."""
    if sys.stdout is None:
        raise OutputError(errno.EBADF, "it is closed")


def say(line: str) -> None:
    """Print a line on standard output, at once.

    Raises:
        OutputError: It can't be printed.
    """
    require_output()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Print what is wrong on standard error."""
    note(f"tocsin: {message}")


def note(message: str) -> None:
    """Print a line on standard error; when nobody can see it, there is nobody to tell.

    A message may have lines of its own; everything else in it is made harmless.
    """
    if sys.stderr is None:
        return
    try:
        sys.stderr.write("\n".join(map(escaped, message.split("\n"))) + "\n")
        sys.stderr.flush()
    except OSError:
        _on_nothing(2)


def console(*, stderr: bool = False, columns: int | None = None) -> "Console":
    """Return a console that takes text as it is: ``[bold]`` and ``:bell:`` mean nothing to it.

    It is as wide as the terminal, unless ``columns`` says how wide.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # what rich is handling; by itself it would exit with 1

    return PlainConsole(stderr=stderr, width=columns, highlight=False, markup=False, emoji=False)


def show_table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table on standard output, its cells as they are.

    In a terminal a long cell goes on in the next line. For a file or a program a row is one line.

    Raises:
        OutputError: It can't be printed.
    """
    from rich.table import Table
    from rich.text import Text

    require_output()
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(escaped(cell)) for cell in row))
    console(columns=None if sys.stdout.isatty() else _ANY_COLUMNS).print(table)
    sys.stdout.flush()


def show_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print each as a JSON object on one line.

    Raises:
        OutputError: They can't be printed.
    """
    import orjson

    for row in rows:
        say(json_escaped(orjson.dumps(row).decode()))


def finish() -> None:
    """Write what is still in buffers.

    Raises:
        OutputError: It can't be written.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def give_up() -> None:
    """Print nothing more: Python would complain of what it can't flush at the end."""
    _on_nothing(1)


def _on_nothing(number: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, number)
    os.close(nothing)
