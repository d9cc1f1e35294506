"""The beginning of an answer's body, as it may be shown: whoever answers may send back our secrets.

Left out is whatever stood in the request, as far as its letters and digits go (so also in other
quotes, or escaped), and what looks like a credential of anybody's. What is left out reads ``[…]``.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from tocsin.domain.deliveries import Outgoing
from tocsin.wire.screening import masked

__all__ = ["EXCERPT_BYTES", "LOOKED_AT_BYTES", "excerpt"]

EXCERPT_BYTES: Final = 256
LOOKED_AT_BYTES: Final = 512
"""Of a body: more than is shown, so that a secret at the edge is seen whole."""

_MASK: Final = "[…]"
_MARKS: Final = re.compile(r"\x00+")
_SECRET_RUN: Final = 8  # letters and digits in a row that are as in the URL or in a header
_LEAST_SECRET: Final = 4  # of a header, or of what the URL's query says: shorter ones are no secret
_BODY_RUN: Final = 16  # that are as in the request's body
_TOLD: Final = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})
_IN_A_QUERY: Final = re.compile(r"[?&=]")
_SCHEMED: Final = re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]{8,}")  # also what is a word
# As long as keys are, with a digit and a letter in it: keys, tokens, UUIDs, digests.
_KEY: Final = re.compile(
    r"(?=[\w+=~-]{0,512}?[0-9])(?=[\w+=~-]{0,512}?[A-Za-z])[\w+=~-]{20,}", re.ASCII
)


def excerpt(body: bytes, outgoing: Outgoing) -> str:
    """Return what is shown of an answer's body: 256 bytes of UTF-8 at most, on one line."""
    text = body[:LOOKED_AT_BYTES].decode(errors="replace")
    text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if not text:
        return ""
    for secret in _secrets(outgoing):
        text = _without(text, secret, min(_SECRET_RUN, len(secret)))
    for sent in _bodies(outgoing.body.decode(errors="replace")):
        text = _without(text, sent, _BODY_RUN)
    text = _SCHEMED.sub(rf"\1 {_MASK}", str(masked(_MARKS.sub(_MASK, text))))
    text = _KEY.sub(_MASK, text)
    return text.encode()[:EXCERPT_BYTES].decode(errors="ignore")


def _secrets(outgoing: Outgoing) -> Iterator[str]:
    """Yield the letters and digits of what a request is authorised by, or may be."""
    _, _, target = outgoing.url.partition("://")
    path, *said = _IN_A_QUERY.split(target)
    values = [value for name, value in outgoing.headers if name.lower() not in _TOLD]
    whole = [_letters(path.partition("/")[2])]
    parts = [_letters(each) for each in (*said, *values)]
    yield from (each for each in whole if len(each) >= _SECRET_RUN)
    yield from (each for each in parts if len(each) >= _LEAST_SECRET)


def _bodies(text: str) -> Iterator[str]:
    """Yield the letters and digits of a request's body, also as JSON in ASCII has them."""
    yield _letters(text)
    if not text.isascii():
        yield _letters(json.dumps(text))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _without(text: str, sent: str, run: int) -> str:
    """Return a text with NULs instead of each run of letters and digits that was sent."""
    found = [(letter, at) for at, each in enumerate(text) for letter in _letters(each)]
    letters = "".join(letter for letter, _ in found)
    marked = list(text)
    for start in range(len(letters) - run + 1):
        if letters[start : start + run] in sent:
            begin, end = found[start][1], found[start + run - 1][1] + 1
            marked[begin:end] = "\0" * (end - begin)
    return "".join(marked)
