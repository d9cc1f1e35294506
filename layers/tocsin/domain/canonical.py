"""The canonical JSON bytes of a value (RFC 8785), and their inverse.

``orjson`` with sorted keys writes the same bytes as RFC 8785 unless a number or a key needs
ECMAScript's rules; :func:`is_plain_float` and :func:`has_astral_key` tell when, and then the
``rfc8785`` package, twenty times slower, writes them. A property test holds the two together.
"""

from typing import Any

import orjson
import rfc8785

from tocsin.domain.errors import Malformed

__all__ = ["canonical", "has_astral_key", "is_plain_float", "parse"]


def is_plain_float(number: float) -> bool:
    """Whether ECMAScript writes this float as ``repr`` does: not integral, and no exponent."""
    return 1e-4 <= abs(number) < 1e15 and not number.is_integer()


def has_astral_key(value: Any) -> bool:
    """Whether any key lies beyond the BMP, where UTF-16 and code point order can differ."""
    if isinstance(value, dict):
        return any(max(key, default="") > "\uffff" for key in value) or any(
            has_astral_key(item) for item in value.values()
        )
    return isinstance(value, list) and any(has_astral_key(item) for item in value)


def canonical(value: Any, *, plain: bool = False) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    ``plain`` promises that every float in it is plain and no key is astral.

    Raises:
        Malformed: a lone surrogate, NaN, an infinity, or an integer beyond ±(2^53-1).
    """
    try:
        if plain:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Malformed("a string holds a lone surrogate, which is not Unicode text") from error
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise Malformed(f"not I-JSON (RFC 7493): {error}") from error


def parse(entry: bytes) -> dict[str, Any]:
    """Return the event of canonical bytes; integers stay integers, other numbers are floats."""
    event: dict[str, Any] = orjson.loads(entry)
    return event
