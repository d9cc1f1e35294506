"""What others wrote, made fit to be shown: nothing hidden, nothing that steers, never too long.

Services count characters in different ways. Here they are counted in UTF-16, as browsers do, and
with their escapes: no service counts more.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["fitted", "line", "units", "unquoted", "visible"]

_CUT: Final = "…"

type Escape = Callable[[str], str]
"""Of one character, to what it is in a markup."""


def units(text: str) -> int:
    """Return how long a text is in UTF-16."""
    return len(text) + sum(each > "\uffff" for each in text)


def visible(char: str) -> str:
    """Return a character, or an escape where it is not seen or steers what follows."""
    return char if char.isprintable() or char in "\n\t" else f"\\u{{{ord(char):x}}}"


def fitted(text: str, limit: int, escape: Escape = str) -> str:
    """Return a text, escaped and no longer than the limit; one that was cut ends in ``…``.

    No escape is ever cut in two. It takes as long as what it returns, however much there is.
    """
    parts, used, kept = list[str](), 0, 0
    for each in text:
        part = "".join(map(escape, visible(each)))
        used += units(part)
        if used > limit:
            return "".join(parts[:kept]) + _CUT
        parts.append(part)
        if used < limit:  # there is room for the mark
            kept = len(parts)
    return "".join(parts)


def line(text: str, limit: int, escape: Escape = str) -> str:
    """Return the same on one line, without blanks around it."""
    begun = text.strip()[: 2 * limit + 2]  # of which a half may be breaks of two characters
    return fitted(begun.replace("\r\n", " ").replace("\n", " ").replace("\t", " "), limit, escape)


def unquoted(char: str) -> str:
    """Return a character of a block of code: three backticks in a row would end it."""
    return "`\u200b" if char == "`" else char
