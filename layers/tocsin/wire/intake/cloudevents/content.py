"""What a CloudEvent's ``data`` is: a value of JSON, a text, or bytes, as its content type says."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any, Final

from tocsin.domain.errors import Malformed
from tocsin.wire.intake.cloudevents.attributes import Unfit
from tocsin.wire.intake.strict import Loaded, load

__all__ = ["enclosed", "is_json", "read"]

_JSON: Final = re.compile(r"[^/]+/(?:[^/]+\+)?json", re.IGNORECASE)
_TEXT: Final = re.compile(
    r"text/.+|[^/]+/(?:[^/]+\+)?(?:xml|yaml)|application/(?:x-www-form-urlencoded|javascript|sql)",
    re.IGNORECASE,
)
_LATIN: Final = frozenset({"iso-8859-1", "latin1", "us-ascii"})


def is_json(content_type: str | None) -> bool:
    """Whether a content type is that of JSON: ``*/json``, or ``*/*+json``."""
    return _JSON.fullmatch(_media_type(content_type)) is not None


def read(content: bytes, content_type: str | None) -> Loaded:
    """Return the value that bytes are; it is bytes itself if they are no text.

    Without a content type it is what it looks like.

    Raises:
        Malformed, TooLarge: it is called JSON, and is not.
    """
    if not content:
        return Loaded()
    if is_json(content_type):
        return load(content)
    if content_type is None:
        try:
            return load(content)
        except Malformed:
            return Loaded(_text(content, content_type))
    if _TEXT.fullmatch(_media_type(content_type)) or _charset(content_type):
        return Loaded(_text(content, content_type))
    return Loaded(content)


def enclosed(envelope: Mapping[str, Any], content_type: str | None) -> Loaded:
    """Return the value in the JSON format's ``data`` or ``data_base64``.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#312-payload-deserialization

    Raises:
        Unfit: both are there, or the one is not base64.
        Malformed, TooLarge: it is called JSON, and is not.
    """
    encoded = envelope.get("data_base64")
    if encoded is None:
        return Loaded(envelope.get("data"))
    if envelope.get("data") is not None:
        raise Unfit("data_base64", "send it or data, not both")
    if not isinstance(encoded, str):
        raise Unfit("data_base64", "send a string")
    try:
        content = b64decode(encoded, validate=True)
    except (Base64Error, ValueError) as error:
        raise Unfit("data_base64", "it is not base64") from error
    return Loaded(content) if content_type is None else read(content, content_type)


def _text(content: bytes, content_type: str | None) -> str | bytes:
    """Return a text. API Gateway makes UTF-8 of what it takes for text, so that is tried first."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1") if _charset(content_type) in _LATIN else content


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip()


def _charset(content_type: str | None) -> str:
    for parameter in (content_type or "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip(' "\t').lower()
    return ""
