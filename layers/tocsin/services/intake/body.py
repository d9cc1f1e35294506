"""A request's body as JSON text: its media type checked, and inflated within the limit."""

import zlib

from tocsin.domain.errors import Malformed, TooLarge, UnsupportedMedia
from tocsin.domain.limits import MAX_BODY_BYTES

__all__ = ["inflated"]


def inflated(body: bytes, content_type: str | None, content_encoding: str | None) -> bytes:
    """Return the body as it was before compression, at most 4 MB.

    Raises:
        UnsupportedMedia: it is not JSON, or compressed with something other than gzip.
        Malformed: it says that it is gzip, and is not.
        TooLarge: it is beyond the limit.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMedia("send Content-Type: application/json")
    encoding = (content_encoding or "identity").strip().lower()
    if encoding == "gzip":
        body = _gunzip(body)
    elif encoding != "identity":
        raise UnsupportedMedia(f"Content-Encoding {encoding!r}: send gzip, or the body as it is")
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(
            f"the body is over {MAX_BODY_BYTES:,} bytes (inflated): send fewer events at once"
        )
    return body


def _gunzip(body: bytes) -> bytes:
    """Inflate up to one byte beyond the limit, so that a small body can't fill the memory."""
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = stream.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Malformed(f"the body is not gzip as Content-Encoding says: {error}") from error
    if not stream.eof and len(text) <= MAX_BODY_BYTES:
        raise Malformed("the gzip body is cut short")
    return text
