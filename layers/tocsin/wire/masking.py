"""Masking credentials in what is stored and shown of a call, as Rampart does.

Masked are bearer tokens and other ``Authorization`` headers, API keys of Tocsin, and the values of
what is named ``…api_key`` or ``…_b64``. What is masked reads ``[REDACTED]``.
"""

import re
from typing import Any, Final

__all__ = ["MASK", "masked"]

MASK: Final = "[REDACTED]"

_NAME: Final = re.compile(r"(api[_-]?key|_b64|authorization)$", re.IGNORECASE)
# Each alternative begins with a word of its own and goes on over one class of characters: linear.
_SECRET: Final = re.compile(
    r"""(?P<header>\bauthorization["']?\s{0,8}[:=]\s{0,8}["']?(?:basic|bearer|token|digest)?\s{0,8})
        [^\s"'\\,;]+
      | (?P<scheme>\b(?:bearer|basic)\s{1,8})[A-Za-z0-9._~+/=-]{8,}
      | (?P<named>(?:api[_-]?key|_b64)["']?\s{0,8}[:=]\s{0,8}["']?)[^\s"'\\,;&]+
      | (?P<key>\btocsin_[a-z0-9-]{1,64}_[a-z0-9-]{1,64}_)[A-Za-z0-9]+""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


def masked(value: Any) -> Any:
    """Return a JSON value without the credentials in it."""
    if isinstance(value, str):
        return _SECRET.sub(_replaced, value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {
            name: MASK if item and _NAME.search(name) else masked(item)
            for name, item in value.items()
        }
    return value


def _replaced(found: re.Match[str]) -> str:
    return next(kept for kept in found.groups() if kept is not None) + MASK
