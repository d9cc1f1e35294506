"""A request's body: its media type checked, and inflated within the limit."""

import zlib

from tocsin.domain.errors import Malformed, TooLarge, UnsupportedMedia
from tocsin.domain.limits import MAX_BODY_BYTES, MAX_GZIP_MEMBERS

__all__ = ["inflated"]

# What becomes of a gzip header where bytes are taken for UTF-8 text: its second byte is none.
_MANGLED = b"\x1f\xef\xbf\xbd"


def inflated(
    body: bytes,
    content_type: str | None,
    content_encoding: str | None,
    media_types: frozenset[str] | None,
) -> bytes:
    """Return the body as it was before compression, at most 4 MB.

    Without ``media_types`` it may be of any, and ``application/gzip`` is what it is.

    ``Content-Type: application/gzip`` says as well as ``Content-Encoding: gzip`` that it is gzip of
    JSON. API Gateway's HTTP APIs tell text from bytes by the content type alone.

    Raises:
        UnsupportedMedia: it is none of ``media_types``, or compressed with something else.
        Malformed: it says that it is gzip, and is not.
        TooLarge: it is beyond the limit.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    json = media_types is not None and "application/json" in media_types
    of_json = json and media_type == "application/gzip"
    if media_types is not None and media_type not in media_types and not of_json:
        listed = " or ".join(sorted(media_types))
        gzip = ", or application/gzip for JSON in gzip" if json else ""
        raise UnsupportedMedia(f"send Content-Type: {listed}{gzip}")
    if body.startswith(_MANGLED):
        raise Malformed(
            "a gzip body was taken for text on its way and is damaged, as API Gateway does with "
            "application/json: send it with Content-Type: application/gzip"
        )
    encoding = (content_encoding or "identity").strip().lower()
    if encoding == "gzip" or (encoding == "identity" and of_json):
        body = _gunzip(body)
    elif encoding != "identity":
        raise UnsupportedMedia(f"Content-Encoding {encoding!r}: send gzip, or the body as it is")
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(
            f"the body is over {MAX_BODY_BYTES:,} bytes (inflated): send fewer events at once"
        )
    return body


def _gunzip(body: bytes) -> bytes:
    """Inflate all members up to one byte beyond the limit: a small body can't fill the memory."""
    members = list[bytes]()
    room = MAX_BODY_BYTES + 1
    rest = body
    for _ in range(MAX_GZIP_MEMBERS):
        stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            members.append(stream.decompress(rest, room))
        except zlib.error as error:
            if rest is not body:
                raise Malformed("the gzip body is followed by bytes that are not gzip") from error
            raise Malformed(f"the body is not gzip as its headers say: {error}") from error
        room -= len(members[-1])
        if not stream.eof and room > 0:
            raise Malformed("the gzip body is cut short")
        rest = stream.unused_data
        if room <= 0 or not rest:
            return b"".join(members)
    raise Malformed(f"the gzip body has more than {MAX_GZIP_MEMBERS:,} members: send one")
