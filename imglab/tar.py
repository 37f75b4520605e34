"""
The members of a tar archive, of which nothing is unpacked and no header can fill memory or take long.

Formats: POSIX.1-1988 (ustar) and -2001 (pax) and GNU's, as Go's archive/tar, GNU tar and bsdtar write them. Python's
tarfile is not used because archives come from anywhere: it reads an extended header whole whatever length it states,
follows sizes below zero, and in Python 3.11 spends quadratic time on some (CVE-2024-6232, CVE-2025-8194).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from imglab.errors import ParseError

BLOCK_BYTES = 512
_EXTENSION_BYTES = 1 << 20  # of one extended header; real ones have some hundred
_LARGEST = 2**63 - 1
_REGULAR = frozenset((b"\0", b"0", b"7"))  # before POSIX, since, and contiguous; a sparse one is not stored as it is
_WITHOUT_DATA = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))  # links, devices, folders, pipes, whatever their size
_PAX, _PAX_FOR_ALL, _GNU_NAME, _GNU_LINK, _GNU_SPARSE = b"x", b"g", b"L", b"K", b"S"
_OCTAL = re.compile(rb"[0-7]*")
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,9}) ([^=\n]{1,200})=")


class Stream(Protocol):
    """What the archive is read from, from its beginning on."""

    @property
    def at(self) -> int:
        """How many bytes were passed."""

    def read(self, size: int) -> bytes:
        """The next *size* bytes, fewer only at the end."""

    def skip(self, size: int) -> bool:
        """Pass over *size* bytes; false if the end comes first."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive: its name as it stands there, and where its data are."""

    name: str  # with surrogates for what is not UTF-8
    offset: int
    size: int
    is_regular: bool  # not a link, device, folder or pipe, nor sparse


@dataclass(slots=True)
class _Extension:
    """What extended headers say about the member that follows them."""

    name: bytes | None = None
    size: int | None = None


def members(stream: Stream, source: str) -> Iterator[Member]:
    """
    The members of the archive, in its order; the stream then stands at their data, of which as much may be read.

    An archive ends with a block of zeros, or with the stream. Raises ParseError if it is none, damaged or cut off.
    """
    extension = _Extension()
    while block := _header(stream, source):
        kind, size, at = block[156:157], _number(block[124:136], source, stream), stream.at
        if kind in (_PAX, _PAX_FOR_ALL, _GNU_NAME, _GNU_LINK):
            _extend(extension, kind, _extension(stream, size, source), source, at)
            continue
        if kind == _GNU_SPARSE:
            _pass_sparse_map(stream, block, source)
        size = extension.size if extension.size is not None else size
        size = 0 if kind in _WITHOUT_DATA else size
        name = extension.name or _name(block)
        offset = stream.at
        yield Member(name.decode("utf-8", "surrogateescape"), offset, size, kind in _REGULAR)
        if not stream.skip(offset + _padded(size) - stream.at):
            raise _cut_off(source, stream)
        extension = _Extension()


def _header(stream: Stream, source: str) -> bytes | None:
    """The next header; None at the end of the archive."""
    at = stream.at
    block = stream.read(BLOCK_BYTES)
    if (block or at) and not block.strip(b"\0"):
        return None
    if len(block) < BLOCK_BYTES or not _is_header(block):
        if not at:
            raise ParseError(source, "", "must be a tar archive, plain or packed with gzip or zstd")
        if len(block) < BLOCK_BYTES:
            raise _cut_off(source, stream)
        raise ParseError(source, f"byte {at:,}", "must be a tar header: the archive is damaged, copy it again")
    return block


def _is_header(block: bytes) -> bool:
    """Whether the checksum is right; some old writers added up signed bytes."""
    stated = block[148:156].strip(b" \0")
    if not stated or not _OCTAL.fullmatch(stated):
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    difference = sum(rest) - int(stated, 8)
    return difference == 0 or difference == 256 * sum(byte > 127 for byte in rest)


def _name(block: bytes) -> bytes:
    name, prefix = (part.split(b"\0", 1)[0] for part in (block[:100], block[345:500]))
    is_posix = block[257:263] == b"ustar\0"  # GNU keeps times where POSIX has the prefix
    return prefix + b"/" + name if is_posix and prefix else name


def _number(field: bytes, source: str, stream: Stream) -> int:
    """The size in a header: octal, or in GNU's way for large ones binary."""
    digits = field.strip(b" \0")
    if field[0] == 0x80:
        number = int.from_bytes(field[1:], "big")
    elif _OCTAL.fullmatch(digits):
        number = int(digits or b"0", 8)
    else:
        number = -1
    if not 0 <= number <= _LARGEST:
        raise ParseError(source, f"byte {stream.at - BLOCK_BYTES:,}", "must state a size from 0 to 2^63 - 1")
    return number


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _extension(stream: Stream, size: int, source: str) -> bytes:
    if size > _EXTENSION_BYTES:
        raise ParseError(
            source, f"byte {stream.at:,}", f"must be an extended header of up to {_EXTENSION_BYTES:,} bytes"
        )
    body = stream.read(_padded(size))
    if len(body) < _padded(size):
        raise _cut_off(source, stream)
    return body[:size]


def _extend(extension: _Extension, kind: bytes, body: bytes, source: str, at: int) -> None:
    """Note the name or size that an extended header states; those for all members state neither in practice."""
    if kind == _GNU_NAME:
        extension.name = body.split(b"\0", 1)[0]
    elif kind == _PAX:
        for key, value in _pax_records(body, source, at):
            if key == b"path":
                extension.name = value
            elif key == b"size":
                extension.size = _pax_size(value, source, at)


def _pax_records(body: bytes, source: str, at: int) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header: `length key=value` and a newline, where the length counts all of it."""
    position = 0
    while position < len(body):
        head = _PAX_RECORD.match(body, position)
        end = position + int(head[1]) if head else 0
        if head is None or not head.end() < end <= len(body) or body[end - 1] != 0x0A:
            raise ParseError(source, f"byte {at + position:,}", "must be a record of a pax header")
        yield head[2], body[head.end() : end - 1]
        position = end


def _pax_size(value: bytes, source: str, at: int) -> int:
    if not value.isdigit() or len(value) > 19 or int(value) > _LARGEST:
        raise ParseError(source, f"byte {at:,}", "must state a size from 0 to 2^63 - 1")
    return int(value)


def _pass_sparse_map(stream: Stream, block: bytes, source: str) -> None:
    """Pass over the blocks in which GNU tar goes on with the map of a sparse file."""
    is_more = block[482]
    while is_more:
        block = stream.read(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            raise _cut_off(source, stream)
        is_more = block[504]


def _cut_off(source: str, stream: Stream) -> ParseError:
    return ParseError(source, "", f"is cut off after {stream.at:,} bytes: copy it again")
