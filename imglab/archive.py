"""
The files of a folder or of a tar archive, plain or packed with gzip or zstd, read by name and never unpacked.

What an archive holds is somebody else's: names are looked up and never become paths, links are not followed, and
neither a small file that unpacks to a huge one nor one with endless members fills memory or takes for ever. A packed
archive can only be gone through from its beginning, so that small JSON files are kept while it is listed.
"""

from __future__ import annotations

import gzip
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol, cast

from imglab.errors import SourceError, UsageError
from imglab.tar import members

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OTHER_PACKINGS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\3\4": "zip", b"\x04\x22\x4d\x18": "lz4"}
MOST_MEMBERS = 200_000
_MOST_EXPANSION = 250  # layers of text shrink to a tenth, gzip cannot go below a thousandth
_EXPANSION_COUNTS_FROM = 4 << 30  # bytes: a layer of zeros may be real
_KEPT_BYTES = 32 << 20  # of JSON in a packed archive, in all
_KEPT_FILE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20

Report = Callable[[str, int, int], None]  # what is counted, how many are done, of how many


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive or folder."""

    size: int
    start: bytes = b""  # its first bytes
    is_regular: bool = True  # a link, device or folder otherwise
    is_repeated: bool = False  # its name stands there more than once, and tools differ in which one they take
    offset: int = 0  # of its data in the unpacked archive

    @property
    def is_packed(self) -> bool:
        """Whether it is packed with gzip or zstd."""
        return self.start.startswith((GZIP, ZSTD))


class Files(Protocol):
    """Files that are read by their names, such as blobs/sha256/…"""

    @property
    def location(self) -> str:
        """The path that was opened, as text that can be printed and stored."""

    def entry(self, name: str) -> Entry | None:
        """What is known of the file *name*; None if there is none."""

    def read(self, names: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | SourceError]]:
        """
        Each of *names*, as suits the archive, with the file's body, or with the reason why it cannot be had.

        Of a repeated name the first file counts. Files above *limit* bytes are refused.
        """


@contextmanager
def open_files(path: Path, progress: Report = lambda what, done, total: None) -> Iterator[Files]:
    """
    The files of the folder or archive *path*.

    Raises UsageError if there is none, SourceError or ParseError if it is no archive that can be read.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot open {path}: {reason}; name a folder or an archive") from None
    location = os.fsencode(path).decode("utf-8", "replace")
    if stat.S_ISDIR(mode):
        yield _Folder(location, path)
    elif stat.S_ISREG(mode):
        with _opened(path) as raw:
            yield _Archive(_Stream(location, raw, _packing(path, raw), progress))
    else:
        raise UsageError(f"{path} is neither a folder nor a file: save the archive to a file first")


def shown(name: str) -> str:
    """*name* as it can be printed and stored: an archive's names may hold anything."""
    return name if name.isprintable() and len(name) <= 500 else ascii(name[:200])


def _refusal(location: str, name: str, entry: Entry | None, limit: int) -> SourceError | None:
    """Why the file *name* is not to be read."""
    if entry is None:
        return SourceError(f"{location}: there is no {shown(name)} in it", kind="not-found")
    if not entry.is_regular:
        text = f"{location}: {shown(name)} is no regular file, and links are not followed"
        return SourceError(text, kind="unreadable")
    if entry.size > limit:
        text = f"{location}: {shown(name)} has {entry.size:,} bytes, more than the {limit:,} that a document may have"
        return SourceError(text, kind="too-large")
    return None


# --- folders ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folder:
    location: str
    root: Path

    def entry(self, name: str) -> Entry | None:
        path = self._path(name)
        if path is None:
            return None
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        is_inside = path.resolve().is_relative_to(self.root.resolve())
        if not stat.S_ISREG(status.st_mode) or not is_inside:
            return Entry(0, is_regular=False)
        return Entry(status.st_size, self._start(path))

    def read(self, names: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | SourceError]]:
        for name in names:
            refusal = _refusal(self.location, name, self.entry(name), limit)
            yield name, refusal or self._body(name, limit)

    def _path(self, name: str) -> Path | None:
        """Where *name* would be; None if it leads out of the folder."""
        parts = PurePosixPath(name).parts
        is_below = bool(parts) and not name.startswith("/") and ".." not in parts
        return self.root.joinpath(*parts) if is_below else None

    def _start(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(len(ZSTD))
        except OSError:
            return b""

    def _body(self, name: str, limit: int) -> bytes | SourceError:
        try:
            with (self.root / name).open("rb") as file:
                return file.read(limit)
        except OSError as error:
            return SourceError(f"{self.location}: cannot read {shown(name)}: {error.strerror}", kind="unreadable")


# --- archives --------------------------------------------------------------------------------------------------------


class _Archive:
    """A tar archive, listed once; its files are then read where they stand, in that order."""

    def __init__(self, stream: _Stream) -> None:
        self.location = stream.location
        self._stream = stream
        self._entries: dict[str, Entry] = {}
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0
        self._list()

    def entry(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def read(self, names: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | SourceError]]:
        there: list[tuple[str, Entry]] = []
        for name in names:
            entry = self._entries.get(name)
            refusal = _refusal(self.location, name, entry, limit)
            if refusal or entry is None:
                yield name, refusal or b""
            else:
                there.append((name, entry))
        for name, entry in sorted(there, key=lambda item: item[1].offset):
            yield name, self._kept[name] if name in self._kept else self._body(entry)

    def _list(self) -> None:
        for number, member in enumerate(members(self._stream, self.location)):
            if number == MOST_MEMBERS:
                raise SourceError(f"{self.location} has more than {MOST_MEMBERS:,} members", kind="unreadable")
            name = _plain(member.name)
            if name in self._entries:
                self._entries[name] = replace(self._entries[name], is_repeated=True)
                continue
            start = self._stream.read(min(member.size, len(ZSTD))) if member.is_regular else b""
            self._entries[name] = Entry(member.size, start, member.is_regular, offset=member.offset)
            if self._is_worth_keeping(member.size, start):
                self._kept[name] = start + self._stream.read(member.size - len(start))
                self._kept_bytes += member.size

    def _is_worth_keeping(self, size: int, start: bytes) -> bool:
        is_small = size <= _KEPT_FILE_BYTES and self._kept_bytes + size <= _KEPT_BYTES
        return self._stream.is_packed and is_small and start.startswith((b"{", b"["))

    def _body(self, entry: Entry) -> bytes:
        self._stream.seek(entry.offset)
        body = self._stream.read(entry.size)
        if len(body) < entry.size:
            raise SourceError(f"{self.location} has changed while it was read", kind="unreadable")
        return body


def _plain(name: str) -> str:
    """*name* without the `./` that tar puts in front where it was given a folder."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


class _Stream:
    """
    An archive from its beginning on: read through where it is packed, else sought in.

    Raises SourceError if it cannot be unpacked, or unpacks to more than any real one.
    """

    def __init__(self, location: str, raw: BinaryIO, packing: _Packing | None, progress: Report) -> None:
        self.at = 0
        self.is_packed = packing is not None
        self.location, self._raw, self._progress = location, raw, progress
        self._file, self._faults = packing or _Packing(raw, (OSError,))
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int) -> bytes:
        """The next *size* bytes, fewer only at the end."""
        try:
            body = self._file.read(size)
        except EOFError:
            raise self._unreadable(f"is cut off after {self._size:,} bytes: copy it again") from None
        except self._faults as error:
            raise self._unreadable(f"cannot be unpacked after {self.at:,} bytes: {error}") from None
        self.at += len(body)
        if self.is_packed and self.at > max(_EXPANSION_COUNTS_FROM, _MOST_EXPANSION * self._raw.tell()):
            raise self._unreadable(f"unpacks to more than {_MOST_EXPANSION} times its size: no archive of images does")
        return body

    def skip(self, size: int) -> bool:
        """Pass over *size* bytes; false if the end comes first."""
        if not self.is_packed:
            self.seek(self.at + size)
            return self.at <= self._size
        while size > 0:
            passed = len(self.read(min(size, _CHUNK_BYTES)))
            size -= passed
            self._progress("bytes", min(self._raw.tell(), self._size), self._size)
            if not passed:
                return False
        return True

    def seek(self, offset: int) -> None:
        """Go to *offset*, in a packed archive by way of its beginning if that is before."""
        if self.is_packed and offset >= self.at:
            self.skip(offset - self.at)
            return
        try:
            self.at = self._file.seek(0 if self.is_packed else offset)
        except self._faults as error:
            raise self._unreadable(f"cannot be read: {error}") from None
        if self.is_packed:
            self.skip(offset)

    def _unreadable(self, what: str) -> SourceError:
        return SourceError(f"{self.location} {what}", kind="unreadable")


class _Packing(NamedTuple):
    """What unpacks an archive, and the exceptions that it raises on what cannot be unpacked."""

    file: BinaryIO
    faults: tuple[type[Exception], ...]


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot open {path}: {error.strerror}") from None
    with file:
        yield file


def _packing(path: Path, raw: BinaryIO) -> _Packing | None:
    """How the archive is packed by its first bytes, whatever its name says; None if it is not."""
    start = raw.read(6)
    raw.seek(0)
    for magic, name in _OTHER_PACKINGS.items():
        if start.startswith(magic):
            raise UsageError(f"{path} is packed with {name}: unpack it first; tar, gzip and zstd are read as they are")
    if start.startswith(GZIP):
        return _Packing(cast(BinaryIO, gzip.GzipFile(fileobj=raw)), (OSError, zlib.error))
    return _zstd(path, raw) if start.startswith(ZSTD) else None


def _zstd(path: Path, raw: BinaryIO) -> _Packing:
    try:
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdError, ZstdFile
        else:
            from backports.zstd import ZstdError, ZstdFile
    except ImportError:
        text = f"{path} is packed with zstd: pip install 'imglab[zstd]', or unpack it first with zstd -d"
        raise UsageError(text) from None
    return _Packing(cast(BinaryIO, ZstdFile(raw)), (OSError, ZstdError))
