"""Bodies: what coding they may have, and how they are read without taking more than was wanted."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx

from imglab.errors import SourceError

_CODING_COSTS = 65_536  # bytes that a coded body may be longer than the body


async def pieces(response: httpx.Response, limit: int, what: str) -> AsyncIterator[bytes]:
    """
    The decoded body as it comes. Raises SourceError as soon as it is longer than *limit*.

    Decoding is done here because httpx would decode a bomb before it could be counted.
    """
    text = f"{what}: the body is larger than the {limit:,} bytes that are taken"
    too_large = SourceError(text, kind="too-large", status=response.status_code)
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise too_large
    decoder = _decoder(response.headers.get("content-encoding", ""), what)
    taken = received = 0
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - transports of asyncio give no other
    async for chunk in response.stream:
        piece = decoder.decode(chunk, limit - taken + 1)
        received, taken = received + len(chunk), taken + len(piece)
        yield piece
        if taken > limit or received > limit + _CODING_COSTS:
            raise too_large
    decoder.end()


class _Plain:
    """A body that is sent as it is."""

    def decode(self, chunk: bytes, most: int) -> bytes:
        """*chunk* of the body."""
        return chunk

    def end(self) -> None:
        """Nothing can be missing that HTTP itself does not miss."""


class _Gzip(_Plain):
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


def _decoder(coding: str, what: str) -> _Plain:
    """What makes the body of received chunks. Raises SourceError for a coding that was not asked for."""
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        return _Plain()
    if coding not in {"gzip", "x-gzip"}:
        raise SourceError(f"{what}: the body is coded as {coding[:40]!r}, which was not asked for", kind="bad-response")
    return _Gzip(what)
