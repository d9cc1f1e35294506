"""Events without what must not be stored: each is looked at once, and most need no more than that.

Credentials are masked wherever they stand, names of objects included. Personal data is looked for
in what an event says: ``request``, ``data``, ``metadata`` and ``decision``, and not in whose it is,
by which events are found again (``user_id``, ``session_id`` …).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from tocsin.domain.limits import MAX_NAME_CHARS
from tocsin.domain.privacy import Pii
from tocsin.wire.screening import credentials, personal
from tocsin.wire.screening.engine import compiled, marker
from tocsin.wire.screening.walk import Change, Walk

__all__ = ["MASKED", "masked", "screen"]

MASKED: Final = "masked"
"""The field that says which kinds of things were masked in an event; no sender can set it."""

_SAID: Final = ("request", "data", "metadata", "decision")
_CREDENTIALS: Final = compiled(credentials.HINT)
_PERSONAL: Final = compiled(personal.HINT)
_ANY: Final = compiled(f"{credentials.HINT}|{personal.HINT}")


def screen(events: Sequence[dict[str, Any]], pii: Pii) -> Mapping[int, Sequence[str]]:
    """Mask and flag events in place; return which are to be refused, and for which types of data.

    Whatever was found in an event is masked also where it is to be refused.
    """
    refused: dict[int, Sequence[str]] = {}
    if _ANY.search(_written(events)) is None:
        return refused
    for at, event in enumerate(events):
        text = _written(event)
        if _CREDENTIALS.search(text):
            _mask(event)
        if _PERSONAL.search(text) and (types := _look(event, pii)) and pii is Pii.REFUSE:
            refused[at] = types
    return refused


def masked(value: Any, pii: Pii = Pii.FLAG) -> Any:
    """Return a JSON value without the credentials in it, and without personal data if so asked."""
    kinds = set[str]()
    value = Walk(_credentials(kinds), kinds)(value)
    return value if pii is Pii.FLAG else Walk(_personal(kinds, mask=True))(value)


def _written(value: Any) -> bytes:
    """Return a value as JSON without escapes but of control characters, quotes and backslashes."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate: whoever stores it refuses it
        return repr(value).encode(errors="replace")


def _mask(event: dict[str, Any]) -> None:
    kinds = set[str]()
    now = Walk(_credentials(kinds), kinds)(event)
    if not kinds:
        return
    for name, value in now.items():
        if isinstance(value, str) and name != "data" and len(value) > MAX_NAME_CHARS:
            now[name] = marker(sorted(kinds)[0]).decode()
    event.update(now)
    _note(event, kinds)


def _look(event: dict[str, Any], pii: Pii) -> Sequence[str]:
    """Flag an event, or mask what it says; return the types of personal data that it has."""
    types = set[str]()
    walk = Walk(_personal(types, mask=pii is not Pii.FLAG))
    for name in _SAID:
        if name in event:
            event[name] = walk(event[name])
    if types:
        if event.setdefault("pii_detected", True):
            event.setdefault("pii_types", sorted(types))
        if pii is not Pii.FLAG:
            _note(event, types)
    return sorted(types)


def _note(event: dict[str, Any], kinds: set[str]) -> None:
    event[MASKED] = sorted({*event.get(MASKED, ()), *kinds})


def _credentials(kinds: set[str]) -> Change:
    def changed(text: str) -> str:
        raw = text.encode(errors="surrogatepass")
        if _CREDENTIALS.search(raw) is None:
            return text
        now = credentials.credentials_masked(raw, kinds)
        return text if now is raw else now.decode(errors="surrogatepass")

    return changed


def _personal(types: set[str], *, mask: bool) -> Change:
    def changed(text: str) -> str:
        raw = text.encode(errors="surrogatepass")
        if _PERSONAL.search(raw) is None:
            return text
        now = personal.personal(raw, types, mask=mask)
        return text if now is raw else now.decode(errors="surrogatepass")

    return changed
