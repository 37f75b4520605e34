"""Bodies: what coding they may have, and how they are read without taking more than was wanted."""

from __future__ import annotations

import zlib

from imglab.errors import SourceError


class Plain:
    """A body that is sent as it is."""

    def decode(self, chunk: bytes, most: int) -> bytes:
        """*chunk* of the body."""
        return chunk

    def end(self) -> None:
        """Nothing can be missing that HTTP itself does not miss."""


class Gzip(Plain):
    """A body that is sent as one gzip stream."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._inflater = zlib.decompressobj(wbits=31)
        self._is_empty = True

    def decode(self, chunk: bytes, most: int) -> bytes:
        """At most so many bytes of the body; what is held back beyond is never asked for, since that ends it."""
        if self._inflater.eof:
            raise self._wrong("goes on after its end")
        self._is_empty = False
        piece = self._inflater.decompress(chunk, most)
        if self._inflater.unused_data:
            raise self._wrong("goes on after its end")
        return piece

    def end(self) -> None:
        """Raises SourceError if the stream was cut off."""
        if not (self._inflater.eof or self._is_empty):
            raise self._wrong("ends too early")

    def _wrong(self, words: str) -> SourceError:
        return SourceError(f"{self._what}: the gzip of the body {words}", kind="bad-response", is_temporary=True)


def decoder_of(coding: str, what: str) -> Plain:
    """What makes the body of received chunks. Raises SourceError for a coding that was not asked for."""
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return Plain()
    if coding not in {"gzip", "x-gzip"}:
        raise SourceError(f"{what}: the body is coded as {coding[:40]!r}, which was not asked for", kind="bad-response")
    return Gzip(what)
