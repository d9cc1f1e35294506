"""Patterns that take time linear in the text, whatever the text is: RE2's, on bytes.

RE2 builds automata and can't backtrack (Cox, https://swtch.com/~rsc/regexp/regexp3.html). What it
can't promise is that *all* matches of a pattern are found in linear time, where a match has to wait
for one that began earlier. So a pattern here either goes on over one class of characters, after
which it has matched, or waits for a bounded number of them; or it stands alone.
"""

from typing import Final

import re2

__all__ = ["AFTER", "BEFORE", "MARK", "Found", "compiled", "marker", "replaced", "spans"]

type Found = tuple[int, int, str]
"""From where to where in a text something is, and what kind it is."""

BEFORE: Final = r"(?:^|[^A-Za-z0-9]|\\[nrtbf]|\\u00[01][0-9a-f])"
"""What may stand before a word: no letter or digit, but JSON's escapes, as in JSON in a string."""

AFTER: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
"""What does not stand behind a number that ends."""

MARK: Final = b"[masked:"
"""With what each marker begins; no pattern matches one."""


def compiled(pattern: str) -> "re2._Regexp":
    """Return a pattern over bytes, each of which is a character: what is looked for is ASCII."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    return re2.compile(pattern.encode("ascii"), options)


def marker(kind: str) -> bytes:
    """Return what stands where something of this kind stood."""
    return b"%s%s]" % (MARK, kind.encode())


def spans(pattern: "re2._Regexp", text: bytes) -> list[tuple[int, int]]:
    """Return where all matches are."""
    return [found.span() for found in pattern.finditer(text)]


def replaced(text: bytes, found: list[Found], kinds: set[str]) -> bytes:
    """Return a text with markers instead of what was found, which ``kinds`` is told."""
    pieces = list[bytes]()
    done = 0
    for start, end, kind in found:
        pieces += (text[done:start], marker(kind))
        kinds.add(kind)
        done = end
    return b"".join((*pieces, text[done:]))
