"""How what an event says of a person is stored under that person's key, and read again.

The fields of :data:`~tocsin.domain.subjects.PARTS`, as canonical JSON, compressed with Zstandard
(RFC 8878) and encrypted with AES-256-SIV (RFC 5297), whose associated data are a name and the
event's id: so no ciphertext can stand for another event's. The entry has
``"protected": {"key": <the key's id>, "text": <base64>}`` in their place. The same event under the
same id and key always has the same bytes, as a repetition must.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tocsin.domain import canonical
from tocsin.domain.limits import MAX_EVENT_BYTES
from tocsin.domain.subjects import ERASED, PARTS, SubjectKey

if TYPE_CHECKING:
    from tocsin.domain.segment import SealedEvent

__all__ = [
    "Unopened",
    "is_protected",
    "key_of",
    "opened",
    "protected",
    "tells_of_erasure",
    "unopened",
]

_MEMBER: Final = "protected"
_SIGN: Final = b'"protected":{"key":"'
_ERASURE: Final = b'"type":"%b"' % ERASED.encode()
_NAME: Final = b"tocsin/v1/protected"
_LEVEL: Final = 3


class Unopened(Exception):
    """What is stored is not what was encrypted under this key."""


def protected(event: Mapping[str, Any], id: str, key: SubjectKey, *, plain: bool) -> dict[str, Any]:
    """Return an event, which is to have this id, with ciphertext in place of what it says.

    The id of the response that it reports stays, since calls are known by it. ``plain`` is that of
    :func:`.canonical.canonical`.

    Raises:
        Malformed: it is not I-JSON.
    """
    from backports import zstd
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    said = {name: event[name] for name in PARTS if name in event}
    if not said:
        return dict(event)
    text = zstd.compress(canonical.canonical(said, plain=plain), _LEVEL)
    sealed = AESSIV(key.secret).encrypt(text, [_NAME, id.encode()])
    left = {name: value for name, value in event.items() if name not in said}
    metadata = said.get("metadata")
    response = metadata.get("response_id") if isinstance(metadata, Mapping) else None
    if isinstance(response, str):  # or what is counted would depend on who has the key
        left["metadata"] = {"response_id": response}
    return left | {_MEMBER: {"key": key.id, "text": b64encode(sealed).decode()}}


def is_protected(entry: bytes) -> bool:
    """Whether a part of an entry may be ciphertext; no other entry takes more than a search."""
    return _SIGN in entry


def tells_of_erasure(event: "SealedEvent") -> bool:
    """Whether an event tells that a key was destroyed; no other takes more than a search."""
    return _ERASURE in event.entry and canonical.parse(event.entry)["type"] == ERASED


def key_of(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return whose key an event's ciphertext is under, and the key's id; None: it has none."""
    held, user = event.get(_MEMBER), event.get("user_id")
    if isinstance(held, Mapping) and isinstance(user, str) and isinstance(held.get("key"), str):
        return user, held["key"]
    return None


def opened(event: Mapping[str, Any], key: SubjectKey) -> bytes:
    """Return an event as it came, from the one that is stored, as JSON with sorted members.

    Raises:
        Unopened: its ciphertext is not under this key.
    """
    from backports import zstd
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    try:
        sealed = b64decode(event[_MEMBER]["text"], validate=True)
        text = AESSIV(key.secret).decrypt(sealed, [_NAME, event["id"].encode()])
        stream = zstd.ZstdDecompressor()
        said = canonical.parse(stream.decompress(text, max_length=MAX_EVENT_BYTES + 1))
    except (InvalidTag, KeyError, TypeError, ValueError, zstd.ZstdError) as error:
        raise Unopened(str(error) or type(error).__name__) from error
    return canonical.canonical(_bare(event) | said, plain=True)


def unopened(event: Mapping[str, Any], *, erased: bool) -> bytes:
    """Return an event whose ciphertext nobody reads as JSON with sorted members, without it.

    It says ``"erased": true``; or, where nobody erased the key, ``"unreadable": true``.
    """
    what = "erased" if erased else "unreadable"
    return canonical.canonical(_bare(event) | {what: True}, plain=True)


def _bare(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != _MEMBER}
