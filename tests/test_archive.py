"""Files of folders and archives by name, and what an archive cannot do to its reader."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest

from imglab.archive import Files, open_files
from imglab.errors import ParseError, SourceError, UsageError

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdFile, compress
else:
    from backports.zstd import CompressionParameter, ZstdFile, compress

CONTENT = {
    "index.json": b'{"manifests": []}',
    "blobs/sha256/" + "a" * 64: gzip.compress(b"layer" * 1000),
    "blobs/sha256/" + "b" * 64: b'{"config": {}}',
    "blobs/sha512/" + "c" * 128: b"[1, 2]",
    "empty": b"",
}


def tar(files: Iterable[tuple[str, bytes]], *more: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of *files* in their order, and of *more* members without data."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as writer:
        for name, body in files:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            writer.addfile(info, io.BytesIO(body))
        for info in more:
            writer.addfile(info)
    return packed.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def folder(path: Path) -> Path:
    for name, body in CONTENT.items():
        (path / "layout" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "layout" / name).write_bytes(body)
    return path / "layout"


def file(path: Path, body: bytes, name: str = "images.tar") -> Path:
    (path / name).write_bytes(body)
    return path / name


PLACES: dict[str, Callable[[Path], Path]] = {
    "folder": folder,
    "tar": lambda path: file(path, tar(CONTENT.items())),
    "tar with dots": lambda path: file(path, tar((f"./{name}", body) for name, body in CONTENT.items())),
    "gzip": lambda path: file(path, gzip.compress(tar(CONTENT.items()))),
    "zstd": lambda path: file(path, compress(tar(CONTENT.items()))),
    "two frames": lambda path: file(path, b"".join(map(compress, halves(tar(CONTENT.items()))))),
    "two members": lambda path: file(path, b"".join(map(gzip.compress, halves(tar(CONTENT.items()))))),
    "wrong name": lambda path: file(path, compress(tar(CONTENT.items())), "images.tar.gz"),
}


def halves(body: bytes) -> tuple[bytes, bytes]:
    return body[: len(body) // 2], body[len(body) // 2 :]


def bodies(files: Files, names: Iterable[str], limit: int = 10_000) -> dict[str, bytes | str]:
    """What is read; of errors their kind."""
    return {name: body.kind if isinstance(body, SourceError) else body for name, body in files.read(names, limit)}


@pytest.mark.parametrize("place", PLACES)
def test_files_are_read_by_their_names(place: str, tmp_path: Path) -> None:
    """Wherever they are, in whatever order they are asked for, again and again; what is not there is said."""
    with open_files(PLACES[place](tmp_path)) as files:
        backwards = list(reversed(CONTENT))
        assert bodies(files, backwards) == CONTENT
        assert bodies(files, ["index.json", "nothing"]) == {"index.json": CONTENT["index.json"], "nothing": "not-found"}
        assert bodies(files, backwards) == CONTENT
        entries = {name: files.entry(name) for name in CONTENT}
        assert {name: entry.size for name, entry in entries.items() if entry} == {
            name: len(body) for name, body in CONTENT.items()
        }
        assert [name for name, entry in entries.items() if entry and entry.is_packed] == [backwards[-2]]
        assert files.entry("nothing") is None


@pytest.mark.parametrize("place", ["folder", "tar", "gzip", "zstd"])
def test_large_files_are_not_read(place: str, tmp_path: Path) -> None:
    """The limit is on each file; below it and at it they are read."""
    with open_files(PLACES[place](tmp_path)) as files:
        assert bodies(files, ["index.json", "empty"], 17)["index.json"] == CONTENT["index.json"]
        assert bodies(files, ["index.json", "empty"], 16) == {"index.json": "too-large", "empty": b""}


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "blobs/../../secret", "", ".", "..", "a\0b", "x" * 5000]
)
@pytest.mark.parametrize("place", ["folder", "tar", "gzip"])
def test_names_never_lead_out(place: str, name: str, tmp_path: Path) -> None:
    """What an archive names is looked up among its own files only: what is elsewhere is not so much as there."""
    file(tmp_path, b"{}", "secret")
    with open_files(PLACES[place](tmp_path)) as files:
        (found,) = bodies(files, [name]).values()
    assert found == "not-found"


def test_names_are_data(tmp_path: Path) -> None:
    """Members with names that would be dangerous to unpack are there under these names, and nothing is written."""
    names = ["../outside", "/absolute", "a/../../b", "\udcff\udcfe", "new\nline"]
    path = file(tmp_path, tar((name, name.encode("utf-8", "surrogateescape")) for name in names))
    before = sorted(tmp_path.rglob("*"))
    with open_files(path) as files:
        found = bodies(files, [*names, "\x1b[31m" * 1000])
        assert found.pop("\x1b[31m" * 1000) == "not-found"
        assert found == {name: name.encode("utf-8", "surrogateescape") for name in names}
        ((_, missing),) = files.read(["\x1b[31m" * 1000], 10)
        assert "\x1b" not in str(missing) and len(str(missing)) < 2000
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_not_read(kind: bytes, tmp_path: Path) -> None:
    """They are there, and cannot be had."""
    path = file(tmp_path, tar([("real", b"{}")], link("index.json", "real", kind)))
    with open_files(path) as files:
        assert bodies(files, ["index.json"]) == {"index.json": "unreadable"}


def test_links_out_of_a_folder_are_not_read(tmp_path: Path) -> None:
    """Those within it are; neither are pipes, which would never end."""
    place = folder(tmp_path)
    file(tmp_path, b"{}", "secret")
    (place / "out").symlink_to("../secret")
    (place / "in").symlink_to("index.json")
    (place / "broken").symlink_to("nowhere")
    os.mkfifo(place / "pipe")
    with open_files(place) as files:
        found = bodies(files, ["out", "in", "broken", "pipe", "blobs"])
    assert found == {
        "out": "unreadable",
        "in": CONTENT["index.json"],
        "broken": "not-found",
        "pipe": "unreadable",
        "blobs": "unreadable",
    }


@pytest.mark.parametrize("pack", [bytes, gzip.compress, compress], ids=["tar", "gzip", "zstd"])
def test_of_a_repeated_name_the_first_file_is_read(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """That it is repeated is told, also where a link repeats it."""
    body = tar([("a", b'{"first": 1}'), ("b", b"{}"), ("a", b'{"second": 2}')], link("./b", "a"))
    with open_files(file(tmp_path, pack(body))) as files:
        assert bodies(files, ["a", "b"]) == {"a": b'{"first": 1}', "b": b"{}"}
        assert [getattr(files.entry(name), "is_repeated", None) for name in ("a", "b")] == [True, True]


def opened(path: Path) -> None:
    with open_files(path):
        pass


UNREADABLE = {
    "empty": (b"", "must be a tar archive"),
    "text": (b"{}", "must be a tar archive"),
    "noise": (Random(1).randbytes(2000), "must be a tar archive"),
    "packed text": (gzip.compress(b"{}"), "must be a tar archive"),
    "cut tar": (tar(CONTENT.items())[:1000], "cut off"),
    "cut gzip": (gzip.compress(tar(CONTENT.items()))[:-300], "cut off"),
    "cut zstd": (compress(tar(CONTENT.items()))[:-300], "cut off"),
    "packed cut tar": (gzip.compress(tar(CONTENT.items())[:1000]), "cut off"),
    "damaged gzip": (gzip.compress(tar(CONTENT.items()))[:40] + b"\xff" * 400, "cannot be unpacked after 0 bytes"),
    "damaged zstd": (compress(tar(CONTENT.items()))[:40] + b"\xff" * 400, "cannot be unpacked after 0 bytes"),
    "xz": (b"\xfd7zXZ\0 and so on", "packed with xz: unpack it first"),
    "bzip2": (b"BZh9 and so on", "packed with bzip2: unpack it first"),
    "zip": (b"PK\3\4 and so on", "packed with zip: unpack it first"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_read_is_said(what: str, tmp_path: Path) -> None:
    """One clear reason with the path, whatever the name of the file says."""
    body, said = UNREADABLE[what]
    path = file(tmp_path, body, "images.tar.gz")
    with pytest.raises((ParseError, SourceError, UsageError), match=said) as caught:
        opened(path)
    assert str(caught.value).startswith(str(path))
    assert getattr(caught.value, "kind", "unreadable") == "unreadable"


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    """A path that is not there, and one that would never end."""
    with pytest.raises(UsageError, match=r"cannot open .*nothing: No such file"):
        opened(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a folder nor a file"):
        opened(tmp_path / "pipe")


def test_zstd_is_wanted_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its library other archives are read, and what to install is said."""
    path = PLACES["zstd"](tmp_path)
    for module in ("backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=r"pip install 'imglab\[zstd\]'"):
        opened(path)
    opened(PLACES["gzip"](tmp_path))


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    """Gigabytes of zeros, as the data of a member or as headers."""
    zeros = compress(bytes(1 << 24))
    layer, extension = tarfile.TarInfo("layer"), tarfile.TarInfo("x")
    layer.size, extension.size, extension.type = 1 << 40, 1 << 19, tarfile.GNUTYPE_LONGNAME
    headers = compress((extension.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 19)) * 32)
    for body in (compress(layer.tobuf(tarfile.GNU_FORMAT)) + zeros * 257, headers * 257):
        with pytest.raises(SourceError, match="more than 250 times its size"):
            opened(file(tmp_path, body))


def test_a_zstd_window_of_gigabytes_is_not_allocated(tmp_path: Path) -> None:
    """A frame may ask for it; readers refuse beyond 128 MB."""
    with ZstdFile(tmp_path / "images.tar", "w", options={CompressionParameter.window_log: 31}) as writer:
        writer.write(tar(CONTENT.items()))
    with pytest.raises(SourceError, match="cannot be unpacked"):
        opened(tmp_path / "images.tar")


def test_little_is_kept_in_memory(tmp_path: Path) -> None:
    """Of a packed archive with many documents some, and the others are read from it again."""
    body = b'{"x": "' + b" " * 900_000 + b'"}'
    names = [f"{number}" for number in range(80)]
    path = file(tmp_path, gzip.compress(tar((name, body) for name in names), 1))
    tracemalloc.start()
    with open_files(path) as files:
        assert tracemalloc.get_traced_memory()[1] < 45_000_000
        tracemalloc.stop()
        assert sum(found == body for _, found in files.read(names, 1 << 20)) == 80


def test_an_archive_of_endless_members_is_refused(tmp_path: Path) -> None:
    """Two hundred thousand names are more than any archive of images has."""
    member = tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(SourceError, match="more than 200,000 members"):
        opened(file(tmp_path, gzip.compress(member * 200_001, 1)))


def test_going_through_a_packed_archive_is_reported(tmp_path: Path) -> None:
    """In bytes of the file, up to its size."""
    seen: list[tuple[str, int, int]] = []
    path = file(tmp_path, gzip.compress(tar([("layer", os.urandom(3_000_000))])))
    with open_files(path, lambda *progress: seen.append(progress)):
        pass
    assert {what for what, _, _ in seen} == {"bytes"}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[-1][1] <= seen[-1][2] == path.stat().st_size
