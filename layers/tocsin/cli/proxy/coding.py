"""Decodes a copy of a body, by its ``Content-Encoding`` (RFC 9110, section 8.4), within a bound.

What can't be decoded is not read; it passes all the same.
"""

import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final, Protocol

__all__ = ["MAX_DECODED_BYTES", "Decoder"]

MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""Of one body: what comes behind that is not read. A small answer can be an endless one."""

_PIECE_BYTES: Final = 256 * 1024


class _Codec(Protocol):
    def pieces(self, data: bytes) -> Iterator[bytes]: ...


class Decoder:
    """Decodes chunk after chunk; ``broken`` once it can't go on."""

    def __init__(self, encoding: str | None) -> None:
        """``encoding`` is the header's value."""
        self._codecs: list[_Codec] = []
        self._left = MAX_DECODED_BYTES
        self.broken = False
        for name in reversed((encoding or "").lower().split(",")):
            make = _CODECS.get(name.strip())
            if make is not None:
                self._codecs.append(make())
            elif name.strip() not in ("", "identity"):
                self.broken = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what a chunk decodes to, in pieces of bounded size."""
        if self.broken or not self._codecs:
            if not self.broken:
                yield data
            return
        try:
            for piece in self._through(data, 0):
                self._left -= len(piece)
                if self._left < 0:
                    self.broken = True
                    return
                yield piece
        except Exception:  # whatever a codec raises about bytes that are none of its own
            self.broken = True

    def _through(self, data: bytes, level: int) -> Iterator[bytes]:
        if level == len(self._codecs):
            if data:
                yield data
            return
        for piece in self._codecs[level].pieces(data):
            yield from self._through(piece, level + 1)


class _Zlib:
    """Gzip, of one member or several, and deflate, with zlib's header or without."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._inner = zlib.decompressobj(bits)
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        raw = bool(data) and data[0] & 0x0F != 8  # RFC 1950: this is not zlib's header
        if raw and not self._begun and self._bits == zlib.MAX_WBITS:
            self._bits = -zlib.MAX_WBITS
            self._inner = zlib.decompressobj(self._bits)
        self._begun = self._begun or bool(data)
        while data:
            if self._inner.eof:
                self._inner = zlib.decompressobj(self._bits)
            yield self._inner.decompress(data, _PIECE_BYTES)
            data = self._inner.unconsumed_tail or self._inner.unused_data
        while piece := self._inner.decompress(b"", _PIECE_BYTES):
            yield piece


class _Brotli:
    def __init__(self) -> None:
        self._inner: Any = import_module("brotli").Decompressor()  # which has no types

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.process(data, output_buffer_limit=_PIECE_BYTES)
        while piece := self._inner.process(b"", output_buffer_limit=_PIECE_BYTES):
            yield piece


class _Zstd:
    """Frames of zstd (RFC 8878), as Python 3.14 reads them."""

    def __init__(self) -> None:
        from backports import zstd

        self._make = zstd.ZstdDecompressor
        self._inner: Any = self._make()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._inner.needs_input or self._inner.eof):
            if self._inner.eof:
                self._inner = self._make()
            yield self._inner.decompress(data, max_length=_PIECE_BYTES)
            data = self._inner.unused_data if self._inner.eof else b""


def _gzip() -> _Codec:
    return _Zlib(16 + zlib.MAX_WBITS)


def _deflate() -> _Codec:
    return _Zlib(zlib.MAX_WBITS)


_CODECS: Final[dict[str, Any]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
