"""Credentials known by what stands before them: ``password=…``, ``Bearer …``, ``--token …``.

What is written in prose or in code (``password: required``, ``password = getpass()``,
``password=$PASSWORD``) is none.
"""

import re
from typing import Final

from tocsin.wire.screening.engine import MARK, Found, compiled
from tocsin.wire.screening.names import NAME, kind_of_name, looks_random

__all__ = ["PAIRS", "pairs"]

_SCHEME: Final = r"(?:(?:basic|bearer|token|digest|apikey|negotiate)[ \t]{1,8})?"
_QUOTE: Final = r"(?:\\{0,3}[\"'])?"
_PAIR: Final = (
    rf"(?:{NAME}){_QUOTE}[ \t]{{0,8}}(?:=>|:=|[:=])(?:[ \t]|\\[nt]){{0,8}}{_QUOTE}{_SCHEME}"
)
_FLAG: Final = rf"--[a-z0-9-]{{0,32}}(?:{NAME})[ \t]{{1,8}}{_QUOTE}"
_BEARER: Final = r"(?:bearer|basic)[ \t]{1,8}[A-Za-z0-9._~+/=-]"
_CURL: Final = r"[ \t](?:-u|--user)(?:[ \t]{1,8}|=)[\"']?[^\s:\"'\\]{1,64}:[^\s:\"'\\/]"
PAIRS: Final = f"(?i:{_PAIR}|{_FLAG}|{_BEARER}|{_CURL})"
"""The pattern of what stands before, up to the value or its first character."""

_PAIRS: Final = compiled(PAIRS)
_NAME_ENDS: Final = re.compile(rb"[A-Za-z0-9_-]+")
_CREDENTIALS: Final = re.compile(rb"[A-Za-z0-9._~+/=-]+")
_UNQUOTED: Final = re.compile(rb"[^\s\"'`,;&<>(){}\[\]|\\]+")
_QUOTED: Final = {
    b'"': re.compile(rb'(?:[^"\\]|\\.)*+', re.DOTALL),
    b"'": re.compile(rb"(?:[^'\\]|\\.)*+", re.DOTALL),
}
_OPENS: Final = re.compile(rb"(\\{0,3}[\"'])(?:[A-Za-z]+[ \t]+)?$")
_SCHEMED: Final = re.compile(rb"[:=][ \t]*\\{0,3}[\"']?[A-Za-z]+[ \t]+$")
_PLACEHOLDER: Final = frozenset(b"$<{%*")
_IDENTIFIER: Final = re.compile(rb"[A-Za-z_][A-Za-z_.]*")
_LONGEST_IDENTIFIER: Final = 64
_LEAST: Final = 4  # characters: shorter values are taken for words, unless they are quoted
_WORDS: Final = frozenset(
    b"none null nil true false str string text bytes undefined required optional empty missing "
    b"hidden redacted masked secret password changeme token example placeholder xxxx".split()
)


def pairs(text: bytes) -> list[Found]:
    """Return the values in a text that its names, flags and schemes say to be credentials."""
    found = list[Found]()
    done = 0
    for head in _PAIRS.finditer(text):
        start, end = head.span()
        if start < done:
            continue
        value = _value(text, start, end)
        if isinstance(value, int):
            done = value
        elif value is not None:
            found.append(value)
            done = value[1]
    return found


def _value(text: bytes, start: int, end: int) -> Found | int | None:
    """Return the credential behind a head; a place: it is none, and none begins before that."""
    head = text[start:end]
    lower = head[:8].lower()
    if lower.startswith((b"bearer", b"basic")):
        return _scheme(text, start, end, lower)
    if head[:1] in b" \t":
        if b"curl" not in text[max(0, start - 512) : start]:
            return None
        return _as_found(text, end - 1, _UNQUOTED, "password")
    named = _NAME_ENDS.match(head)
    kind = kind_of_name((named[0] if named else b"").decode("ascii"))
    opens = _OPENS.search(head, max(0, len(head) - 24))
    return _told(text, end, opens[1] if opens else b"", kind or ("secret", False), head)


def _scheme(text: bytes, start: int, end: int, lower: bytes) -> Found | None:
    if start and chr(text[start - 1]).isalnum():
        return None
    value = _as_found(text, end - 1, _CREDENTIALS, "bearer_token")
    if value is None:
        return None
    said = text[value[0] : value[1]]
    random = any(48 <= each <= 57 for each in said) or said.endswith(b"=")
    if len(said) < 8 or not (random or len(said) >= 24):
        return None
    return (*value[:2], "bearer_token" if lower.startswith(b"bearer") else "basic_auth")


def _as_found(text: bytes, at: int, pattern: re.Pattern[bytes], kind: str) -> Found | None:
    value = pattern.match(text, at)
    return (value.start(), value.end(), kind) if value else None


def _told(
    text: bytes, at: int, opened: bytes, named: tuple[str, bool], head: bytes
) -> Found | int | None:
    """Return the value at ``at``, behind the quote that was ``opened``, if it is a credential."""
    if text[at : at + 1] and text[at] in _PLACEHOLDER:
        return None
    kind, random = named
    schemed = kind == "authorization" and head.endswith((b" ", b"\t")) and _SCHEMED.search(head)
    end = _closed(text, at, opened)
    if end is None:
        opened = b""
        plain = _UNQUOTED.match(text, at)
        end = plain.end() if plain else at
        if text[end : end + 1] in (b"(", b"["):  # a call, as in code
            return None
    said = text[at:end]
    if not said or said.startswith(MARK):
        return None
    if schemed or _is_credential(said, opened, random, head):
        return at, end, kind
    # One word without a quote in it is not looked at again and again.
    return end if not opened and len(said) > _LONGEST_IDENTIFIER else None


def _closed(text: bytes, at: int, opened: bytes) -> int | None:
    """Return where the value ends that a quote has opened; None: there is no such place."""
    if not opened:
        return None
    if opened in _QUOTED:
        value = _QUOTED[opened].match(text, at)
        return value.end() if value and value.end() < len(text) else None
    end = text.find(opened, at)
    return end if end >= 0 else None


def _is_credential(said: bytes, opened: bytes, random: bool, head: bytes) -> bool:
    if random:
        return looks_random(said[:512].decode(errors="replace"))
    if said.lower() in _WORDS:
        return False
    if opened:
        return True
    if len(said) < _LEAST:
        return False
    if len(said) > _LONGEST_IDENTIFIER or _IDENTIFIER.fullmatch(said) is None:
        return True
    # A word: a value in an environment (PASSWORD=hunter) or behind a flag, else a name in code.
    if head.startswith(b"--") or (head.endswith(b"=") and head.isupper()):
        return True
    return head.endswith(b"=") and b"." not in said and b"_" not in said
