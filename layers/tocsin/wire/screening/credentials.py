"""All credentials in a text: of vendors, JSON Web Tokens, private keys, URLs, and named ones."""

import re
from collections.abc import Callable
from typing import Final

from tocsin.wire.screening.engine import BEFORE, MARK, Found, compiled, replaced, spans
from tocsin.wire.screening.names import NAME
from tocsin.wire.screening.pairs import PAIRS, pairs
from tocsin.wire.screening.vendors import TOKENS, tokens

__all__ = ["HINT", "credentials_masked"]

# RFC 7519: a header that is a JSON object, which in base64 begins so, and two or four parts more.
_JWT: Final = r"eyJ[A-Za-z0-9_=-]{12,}(?:\.[A-Za-z0-9_=-]+)+\.[A-Za-z0-9_=-]*"
# RFC 7468, and PGP's.
_PEM_HEAD: Final = r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
_PEM: Final = (
    _PEM_HEAD
    + r"(?:-?[A-Za-z0-9+/=\s\\:,.])*(?:-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----)?"
)
_LINE: Final = re.compile(rb"[A-Za-z0-9+/=]{40}")  # of a key: without one, it is only its head
# RFC 3986, 3.2.1: user:password@ before a host, or a token alone.
_USERINFO: Final = r"://[^\s/?#\"'<>\\@]*@"
_URL: Final = r"://[^\s/?#\"'<>\\]*@"
_LEAST_TOKEN: Final = 20

_PATTERNS: Final = tuple(map(compiled, (_JWT, _PEM, _URL)))
_jwt, _pem, _url = _PATTERNS
_PASSWORD: Final = re.compile(rb"://[^:]*:(.+)@", re.DOTALL)

# In JSON alone: a header as an object with a name and a value, and arguments of a program.
_HEADER: Final = rf'"(?:name|key)":"[A-Za-z0-9_-]*(?i:{NAME})"'
_ARGUMENT: Final = rf'"-{{1,2}}[A-Za-z0-9_-]*(?i:{NAME})",'

HINT: Final = "|".join(
    (TOKENS, BEFORE + "eyJ[A-Za-z0-9_-]{8}", _PEM_HEAD, _USERINFO, PAIRS, _HEADER, _ARGUMENT)
)
"""The pattern that matches wherever anything here does, also in JSON; and where nothing does."""


def credentials_masked(text: bytes, kinds: set[str]) -> bytes:
    """Return a text with markers instead of credentials, and add to ``kinds`` what they were."""
    for find in _FINDERS:
        found = find(text)
        if found:
            text = replaced(text, found, kinds)
    return text


def _jwts(text: bytes) -> list[Found]:
    return [(start, end, "jwt") for start, end in spans(_jwt, text)]


def _private_keys(text: bytes) -> list[Found]:
    return [
        (start, end, "private_key")
        for start, end in spans(_pem, text)
        if _LINE.search(text, start, end)
    ]


def _urls(text: bytes) -> list[Found]:
    found = list[Found]()
    for start, end in spans(_url, text):
        if MARK in text[start:end]:  # found already, by another rule
            continue
        said = _PASSWORD.fullmatch(text, start, end)
        if said is None and end - start - 4 >= _LEAST_TOKEN:
            found.append((start + 3, end - 1, "url_token"))
        elif said is not None and said[1][:1] not in (b"$", b"{", b"<", b"*", b"%"):
            found.append((*said.span(1), "url_password"))
    return found


_FINDERS: Final[tuple[Callable[[bytes], list[Found]], ...]] = (
    _private_keys,
    tokens,
    _jwts,
    _urls,
    pairs,
)
"""In this order: what is known better is looked for first."""
