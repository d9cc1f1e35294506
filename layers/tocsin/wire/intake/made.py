"""Values of formats that are not JSON, as I-JSON (RFC 7493) can carry them."""

from base64 import b64encode
from math import isfinite
from typing import Any

from tocsin.domain.canonical import is_plain_float
from tocsin.domain.errors import TooLarge
from tocsin.domain.limits import MAX_DEPTH, MAX_SAFE_INTEGER
from tocsin.wire.intake.strict import Loaded, too_deep

__all__ = ["made"]


def made(value: Any) -> Loaded:
    """Return a value that was read from something other than JSON, as I-JSON can carry it.

    It is made of dicts with strings as keys, lists, and plain values; strings are Unicode text.

    Integers beyond ±(2^53-1), NaN and infinities become strings, bytes base64.

    Raises:
        TooLarge: it is nested deeper than an event may be.
    """
    loaded = Loaded()

    def carried(value: Any, levels: int) -> Any:
        if isinstance(value, str):  # most are
            if not value.isascii() and max(value) > "\uffff":
                loaded.astral = True
            return value
        if isinstance(value, dict):
            if levels == 0:
                raise TooLarge(too_deep())
            return {carried(n, 0): carried(item, levels - 1) for n, item in value.items()}
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else str(value)
        if isinstance(value, float):
            if not isfinite(value):
                return str(value)
            if is_plain_float(value):
                return value
            if value.is_integer() and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
                return int(value)
            loaded.plain = False
            return value
        if isinstance(value, bytes):
            return b64encode(value).decode()
        if levels == 0:
            raise TooLarge(too_deep())
        return [carried(item, levels - 1) for item in value]

    loaded.value = carried(value, MAX_DEPTH + 3)
    return loaded
