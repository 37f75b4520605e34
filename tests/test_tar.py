"""Members of tar archives: as Python's tarfile finds them where it can be trusted, and safe where it cannot."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imglab.errors import ParseError
from imglab.tar import BLOCK_BYTES, Member, members

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


class Bytes:
    """Bytes as a stream that counts the largest piece asked for."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0
        self.largest = 0

    def read(self, size: int) -> bytes:
        self.largest = max(self.largest, size)
        piece = self.body[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def skip(self, size: int) -> bool:
        self.at += size
        return self.at <= len(self.body)


def header(name: str = "file", size: int = 0, **changes: object) -> bytes:
    """One ustar header; *changes* are `kind`, or bytes by the offset where they stand as `at_<offset>`."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.type = bytes(changes.pop("kind", b"0"))  # type: ignore[call-overload]
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    for where, value in changes.items():
        offset = int(where.removeprefix("at_"))
        block[offset : offset + len(bytes(value))] = bytes(value)  # type: ignore[call-overload]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % BLOCK_BYTES)


def archive(*pieces: bytes) -> bytes:
    """Headers and contents, and the end of an archive."""
    return b"".join(map(padded, pieces)) + bytes(2 * BLOCK_BYTES)


def listed(body: bytes) -> list[Member]:
    return list(members(Bytes(body), "a.tar"))


names = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
files = st.lists(st.tuples(names, st.binary(max_size=1500), st.booleans()), max_size=6)


@pytest.mark.parametrize("form", FORMATS)
@given(written=files)
def test_members_are_those_that_tarfile_wrote(form: str, written: list[tuple[str, bytes, bool]]) -> None:
    """Names of any length, sizes, offsets of data, and what is a link, in all formats that are written today."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=FORMATS[form]) as writer:
        for number, (name, body, is_link) in enumerate(written):
            long = f"{number}/" + (name if form == "ustar" else name * 30)
            info = tarfile.TarInfo(long if form != "ustar" or len(long.encode()) < 90 else f"{number}/short")
            info.size = 0 if is_link else len(body)
            info.type = tarfile.SYMTYPE if is_link else tarfile.REGTYPE
            info.linkname = "somewhere" * 20 if is_link and form != "ustar" else "somewhere"
            writer.addfile(info, io.BytesIO(body))
    with tarfile.open(fileobj=io.BytesIO(packed.getvalue())) as reader:
        expected = [Member(info.name, info.offset_data, info.size, info.isreg()) for info in reader]
    assert listed(packed.getvalue()) == expected
    assert [member.size for member in expected] == [0 if is_link else len(body) for _, body, is_link in written]


def test_a_reader_may_take_some_of_a_member() -> None:
    """The stream stands at the data of each member; the next one is found whatever was read of it."""
    body = archive(header("one", 5), b"first", header("two", 600), b"s" * 600, header("three"))
    stream = Bytes(body)
    found = [(member.name, stream.read(min(member.size, 7))) for member in members(stream, "a.tar")]
    assert found == [("one", b"first"), ("two", b"s" * 7), ("three", b"")]


def test_names_that_ustar_splits_are_joined() -> None:
    """The prefix field counts in POSIX headers, and is something else in GNU's."""
    parts = {"at_345": b"blobs/sha256\0"}
    assert [member.name for member in listed(archive(header("x", **parts)))] == ["blobs/sha256/x"]
    gnu = header("x", **parts, at_257=b"ustar  \0")
    assert [member.name for member in listed(archive(gnu))] == ["x"]


def test_large_sizes_may_be_binary() -> None:
    """GNU's way of sizes that octal digits cannot hold."""
    stream = Bytes(header("layer", at_124=b"\x80" + (9 << 30).to_bytes(11, "big")))
    assert next(members(stream, "a.tar")).size == 9 << 30


def test_sparse_files_are_passed_over() -> None:
    """The map of a sparse file may go on in further blocks; its data are not what the file holds."""
    more, last = bytes(504) + b"\1" + bytes(7), bytes(512)
    sparse = header("layer", 700, kind=b"S", at_257=b"ustar  \0", at_482=b"\1")
    found = listed(archive(sparse, more, last, b"d" * 700, header("after")))
    assert [(member.name, member.is_regular) for member in found] == [("layer", False), ("after", True)]


def test_what_links_state_as_size_is_not_there() -> None:
    """Some writers give a link the size of its target."""
    found = listed(archive(header("link", 100_000, kind=b"1"), header("after")))
    assert [(member.name, member.size) for member in found] == [("link", 0), ("after", 0)]


def test_an_archive_ends_with_its_mark_or_with_the_file() -> None:
    """Writers that are not closed leave out the blocks of zeros; what follows those does not count."""
    assert listed(bytes(1024)) == []
    assert [member.name for member in listed(header("file", 3) + padded(b"abc"))] == ["file"]
    assert [member.name for member in listed(archive(header("file")) + header("hidden"))] == ["file"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "must be a tar archive"),
        (b"no archive", "must be a tar archive"),
        (b"\0no archive" * 100, "must be a tar archive"),
        (archive(header("file", 3), b"abc", b"\1" * 512), "byte 1,024: must be a tar header"),
        (header("file", 3) + b"abc", "cut off"),
        (header("file", 700) + padded(b"abc"), "cut off"),
        (header("file") + b"\1" * 100, "cut off"),
        (header("x", 30, kind=b"x") + b"30 pa", "cut off"),
        (header("x", 700, kind=b"S", at_482=b"\1"), "cut off"),
        (header("file", at_124=b"12x\0"), "size"),
        (header("file", at_124=b"\xff" * 12), "size"),
        (header("file", at_124=b"\x80" + b"\xff" * 11), "size"),
        (archive(header("x", 2 << 20, kind=b"x"), bytes(2 << 20)), "extended header"),
        (archive(header("x", 13, kind=b"x"), b"13 size=-512\n"), "size"),
        (archive(header("x", 28, kind=b"x"), b"28 size=9999999999999999999\n"), "size"),
        (archive(header("x", 12, kind=b"x"), b"99 path=abc\n"), "record"),
        (archive(header("x", 12, kind=b"x"), b"12 path=abcd"), "record"),
        (archive(header("x", 4, kind=b"x"), b"path"), "record"),
    ],
)
def test_what_is_no_sound_archive_is_said(body: bytes, said: str) -> None:
    """One clear reason, with the archive and where there is one the place."""
    with pytest.raises(ParseError, match=said) as caught:
        listed(body)
    assert str(caught.value).startswith("a.tar: ")


def test_headers_take_no_memory_and_no_time() -> None:
    """An extended header of digits alone, which makes older Pythons try for hours, is refused after one look."""
    stream = Bytes(archive(header("x", 1 << 20, kind=b"x"), b"1" * (1 << 20)))
    with pytest.raises(ParseError):
        list(members(stream, "a.tar"))
    stream = Bytes(archive(*[header("x", 512, kind=b"L"), b"n" * 512] * 5000, header("last")))
    assert [member.name for member in members(stream, "a.tar")] == ["n" * 512]
    assert stream.largest == 512


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_raise_only_parse_errors(body: bytes) -> None:
    """Also behind a sound beginning."""
    for prefix in (b"", header("file", 3) + padded(b"abc"), header("x", 600, kind=b"x")):
        try:
            found = listed(prefix + body)
        except ParseError as error:
            assert str(error).startswith("a.tar")
        else:
            assert sum(member.size for member in found) <= len(prefix + body)


@given(st.integers(0, 10 * BLOCK_BYTES), st.binary(min_size=1, max_size=30))
def test_damaged_archives_raise_only_parse_errors(offset: int, change: bytes) -> None:
    """Any bytes of a real archive replaced."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as writer:
        for name in ("index.json", "blobs/sha512/" + "f" * 128):
            info = tarfile.TarInfo(name)
            info.size = 900
            writer.addfile(info, io.BytesIO(bytes(range(256)) * 4))
    body = bytearray(packed.getvalue())
    body[offset : offset + len(change)] = change
    try:
        found = listed(bytes(body))
    except ParseError:
        return
    assert all(member.offset + member.size <= len(body) for member in found)
