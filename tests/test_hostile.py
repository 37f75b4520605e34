"""Servers that speak HTTP to do harm: what they send ends early, in one error, and nothing of it is obeyed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from faulty import sha256

from imglab import oci
from imglab.cli import main
from imglab.data import open_store
from imglab.http import Answer, Client, Limits, Request
from imglab.journal import Journal
from imglab.records import Blob
from imglab.runs import Outcome
from imglab.snapshot import snapshot
from imglab.sources.registry import Target
from imglab.store import CHECKS

LIMIT = 100_000
MOST = 8_000_000  # bytes that buffers on the way may swallow
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
Script = Callable[[], Iterator[bytes]]


@dataclass
class Raw:
    """A server that sends whatever it likes to whoever connects."""

    port: int
    sent: int = 0


@contextmanager
def sending(script: Script) -> Iterator[Raw]:
    """A loopback server that reads one request from each connection and sends what *script* gives."""
    listener = socket.create_server(("127.0.0.1", 0))
    raw, stopping = Raw(listener.getsockname()[1]), threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            for piece in script():
                if stopping.is_set():
                    return
                connection.sendall(piece)
                raw.sent += len(piece)

    def listen() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield raw
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def asked(raw: Raw, **limits: float) -> Answer:
    with Client(limits=Limits(tries=1, **limits)) as client:  # type: ignore[arg-type]
        return client.answer(Request(f"http://127.0.0.1:{raw.port}/x", body_limit=LIMIT))


def for_ever(head: bytes, piece: bytes) -> Script:
    def script() -> Iterator[bytes]:
        yield head
        while True:
            yield piece

    return script


def once(*pieces: bytes) -> Script:
    return lambda: iter(pieces)


def headers_for_ever(head: bytes) -> Script:
    def script() -> Iterator[bytes]:
        yield head
        number = 0
        while True:
            yield b"".join(b"x-%d: a\r\n" % (number + at) for at in range(100))
            number += 100

    return script


def chunk(body: bytes) -> bytes:
    return b"%x\r\n" % len(body) + body + b"\r\n"


def zipped(body: bytes) -> bytes:
    """A whole reply with a gzip body."""
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


GZIP_CHUNKS = CHUNKED + b"Content-Encoding: gzip\r\n\r\n"
BEGUN = zlib.compressobj(wbits=31)
BEGUN_CHUNK = chunk(BEGUN.compress(b"x") + BEGUN.flush(zlib.Z_FULL_FLUSH))
NESTED = gzip.compress(gzip.compress(bytes(50_000_000)))

ENDLESS: dict[str, Script] = {
    "headers": headers_for_ever(OK),
    "a header": for_ever(OK + b"x: ", b"a" * 4_096),
    "a status line": for_ever(b"HTTP/1.1 200 ", b"a" * 4_096),
    "a body": for_ever(OK + b"\r\n", b"a" * 4_096),
    "chunks of a byte": for_ever(CHUNKED + b"\r\n", b"1\r\na\r\n" * 1_000),
    "a chunk of 2^64 bytes": for_ever(CHUNKED + b"\r\nffffffffffffffff\r\n", b"a" * 4_096),
    "trailers": headers_for_ever(CHUNKED + b"\r\n1\r\na\r\n0\r\n"),
    "bytes after the end of a gzip": for_ever(GZIP_CHUNKS + chunk(gzip.compress(b"x")), chunk(b"a" * 4_096)),
    "empty blocks of a gzip": for_ever(GZIP_CHUNKS + BEGUN_CHUNK, chunk(b"\0\0\0\xff\xff" * 800)),
    "garbage": for_ever(b"", bytes(range(256)) * 16),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_ended(name: str) -> None:
    """Neither memory nor time is spent on it: the connection is closed after what the limit and buffers hold."""
    with sending(ENDLESS[name]) as raw:
        answer = asked(raw)
        assert answer.error is not None and answer.error.kind in {"bad-response", "too-large", "unreachable"}
        assert (answer.body, raw.sent < MOST) == (b"", True)


@pytest.mark.parametrize(
    "script",
    [
        for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        for_ever(CHUNKED + b"\r\n1;", b"a" * 4_096),
    ],
    ids=["interim replies", "an extension of a chunk"],
)
def test_what_never_begins_is_ended_by_time(script: Script) -> None:
    """Where nothing is kept that could be counted, the time for one request is the end."""
    with sending(script) as raw:
        answer = asked(raw, request_seconds=0.5)
        assert answer.error is not None and answer.error.kind == "timeout"


BROKEN = {
    "a length below zero": (OK + b"Content-Length: -1\r\n\r\nabc", "bad-response"),
    "a length that is no number": (OK + b"Content-Length: 1e9\r\n\r\nabc", "bad-response"),
    "a length of 10 GB": (OK + b"Content-Length: 10000000000\r\n\r\nabc", "too-large"),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nabc", "bad-response"),
    "a length and chunks": (CHUNKED + b"Content-Length: 1\r\n\r\n1\r\na\r\n0\r\n\r\n", "bad-response"),
    "a body that is cut off": (OK + b"Content-Length: 10\r\n\r\nabc", "unreachable"),
    "control characters in a header": (OK + b"Docker-Content-Digest: \0x\r\nContent-Length: 0\r\n\r\n", "bad-response"),
    "a gzip that is cut off": (zipped(gzip.compress(bytes(5_000))[:-9]), "bad-response"),
    "a gzip that is none": (zipped(b"\x1f\x8b\x08garbage" * 9), "bad-response"),
    "a gzip bomb": (zipped(gzip.compress(bytes(50_000_000))), "too-large"),
    "two gzips": (zipped(gzip.compress(b"a") + gzip.compress(b"b")), "bad-response"),
    "bytes behind a gzip": (zipped(gzip.compress(b"a") + b"b"), "bad-response"),
    "a chunk behind a gzip": (GZIP_CHUNKS + chunk(gzip.compress(b"a")) + chunk(b"b") + b"0\r\n\r\n", "bad-response"),
    "a gzip in a gzip": (zipped(NESTED), None),
    "a gzip of nothing": (zipped(b""), None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_one_error(name: str) -> None:
    """Replies that contradict themselves are none; of gzip one layer is taken off, and nothing is left out."""
    reply, kind = BROKEN[name]
    with sending(once(reply)) as raw:
        answer = asked(raw)
    assert (answer.error.kind if answer.error else None) == kind
    assert len(answer.body) < LIMIT
    assert "\n" not in str(answer.error) and str(answer.error).isprintable()


def test_words_beside_a_status_are_not_read() -> None:
    """They may be in any coding, or say anything to a terminal."""
    with sending(once(b"HTTP/1.1 404 \xff\x1b[2J\r\nContent-Length: 0\r\n\r\n")) as raw:
        answer = asked(raw)
    assert (answer.status, answer.error and answer.error.kind) == (404, "not-found")
    assert str(answer.error).isprintable()


# --- a registry whose every word is hostile --------------------------------------------------------------------------

NASTY: tuple[object, ...] = (
    "\ud800",  # half a character: JSON can write it, no table can hold it
    "=cmd()\x1b[2J\r\n\"`|'; drop table image; --<img src=x onerror=alert(1)>${7*7}{{7*7}}\u202e",
    "../../../../etc/passwd",
    "x" * 100_000,
    10**400,
    -(2**63) - 1,
    True,
    [],
    {"\ud800": "\ud800"},
    None,
)
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = {
    "mediaType": oci.OCI_INDEX,
    "artifactType": "x/y",
    "subject": {"digest": A, "size": 1, "mediaType": oci.OCI_MANIFEST},
    "manifests": [
        {
            "mediaType": "application/vnd.example",  # not fetched
            "digest": A,
            "size": 1,
            "artifactType": "x/y",
            "platform": {
                "os": "linux",
                "architecture": "amd64",
                "variant": "v1",
                "os.version": "1",
                "os.features": ["x"],
            },
            "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": B},
        }
    ],
    "annotations": {"a": "b"},
}
IMAGE = {
    "schemaVersion": 2,
    "mediaType": oci.OCI_MANIFEST,
    "config": {"mediaType": "application/vnd.example", "digest": A, "size": 1},
    "layers": [{"mediaType": GZIP, "digest": B, "size": 1, "urls": ["https://x.example/"], "annotations": {"a": "b"}}],
    "annotations": {"a": "b"},
}
CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "variant": "v1",
    "os.version": "1",
    "created": "2026-01-01T00:00:00Z",
    "author": "x",
    "docker_version": "1",
    "config": {
        "Cmd": ["x"],
        "Entrypoint": ["x"],
        "Env": ["A=b"],
        "Labels": {"a": "b"},
        "Shell": ["x"],
        "User": "x",
        "WorkingDir": "/",
    },
    "rootfs": {"type": "layers", "diff_ids": [A]},
    "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "RUN x", "comment": "x", "author": "x"}],
}
SCHEMA1 = {
    "schemaVersion": 1,
    "fsLayers": [{"blobSum": A}],
    "history": [{"v1Compatibility": json.dumps({"id": "1", "os": "linux", "container_config": {"Cmd": ["x"]}})}],
    "signatures": [{"protected": "e30"}],
}


def spoilt(document: Any) -> Iterator[Any]:
    """*document* with each of its parts in turn replaced by each nasty value; and with nasty keys."""
    yield from NASTY
    if isinstance(document, dict):
        yield {**document, "\ud800": "\ud800", "\x1b": "x"}
        for key, value in document.items():
            yield from ({**document, key: part} for part in spoilt(value))
    elif isinstance(document, list):
        yield from ([part] for part in spoilt(document[0]))


def body_of(document: object) -> bytes:
    """JSON, in which infinity and numbers without end are possible too."""
    return json.dumps(document).encode()


class Hostile:
    """A registry with a tag for each way in which a document can be spoilt; its headers and lists are no better."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[str, bytes]] = {}
        self.asked: list[httpx.Request] = []
        for media_type, good in ((oci.OCI_INDEX, INDEX), (oci.OCI_MANIFEST, IMAGE), (oci.SCHEMA1_SIGNED, SCHEMA1)):
            for document in spoilt(good):
                self._add(media_type, body_of(document))
        for document in spoilt(CONFIG):
            config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": self._blob(body_of(document))}
            self._add(oci.OCI_MANIFEST, body_of({**IMAGE, "config": config}))
        self.tags = [f"t{number}" for number in range(len(self.documents))]
        self.digests = dict(zip(self.tags, self.documents, strict=True))

    def _add(self, media_type: str, body: bytes) -> None:
        self.documents[sha256(oci.signed_payload(body))] = (media_type, body)

    def _blob(self, body: bytes) -> str:
        self.blobs = getattr(self, "blobs", {}) | {sha256(body): body}
        return sha256(body)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        name = request.url.path.rpartition("/")[2]
        if name == "list":
            odd = ["../x", "\ud800", "=1+1", "\x1b[2J", "", "x" * 500, "?a=b", "t0#", "%2e%2e"]
            return httpx.Response(200, content=json.dumps({"tags": [*odd, *self.tags]}).encode())
        if name in self.blobs:
            return httpx.Response(200, content=self.blobs[name], headers=[(b"content-type", b"\x7f\x80\xff")])
        digest = self.digests.get(name, name)
        if digest not in self.documents:
            return httpx.Response(404 if name else 200)
        media_type, body = self.documents[digest]
        headers = {"docker-content-digest": digest, "content-type": f"{media_type}; \x1b[2J", "warning": '299 - "\x1b"'}
        return httpx.Response(200, headers=headers, content=b"" if request.method == "HEAD" else body)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Hostile, Outcome]:
    """A snapshot of a hostile registry, in the store."""
    data, registry = tmp_path_factory.mktemp("hostile") / "data", Hostile()
    client = Client(transport=httpx.MockTransport(registry))
    return data, registry, snapshot(data, [Target.parse("r.example/evil/app")], client)


def test_hostile_documents_end_no_run(taken: tuple[Path, Hostile, Outcome]) -> None:
    """Each is stored as it came, or a failure; the run is loaded, and no check finds anything."""
    data, registry, outcome = taken
    assert (outcome.run.outcome, outcome.load_problem) == ("partial", None)
    assert outcome.run.tags == len(registry.tags) > 500
    stored = Journal(data / "journal").scan(Blob).select("digest", "body").collect().rows()
    failed = {failure.locator.partition("@")[2] for failure in outcome.failures}
    assert {digest for digest, _ in stored} | failed >= {*registry.documents, *registry.blobs}
    assert all(digest in {sha256(body), sha256(oci.signed_payload(body))} for digest, body in stored)
    with open_store(data) as store:
        assert not any(store.check(name).height for name in CHECKS)


def test_nothing_is_asked_for_but_what_was_named(taken: tuple[Path, Hostile, Outcome]) -> None:
    """Neither a path out of the repository nor another host; layers and their URLs are never fetched."""
    _, registry, _ = taken
    assert {request.url.host for request in registry.asked} == {"r.example"}
    known = {*registry.tags, *registry.documents, *registry.blobs, "list", ""}
    others = {request.url.path.rpartition("/")[2] for request in registry.asked} - known
    assert others == {A}  # a manifest that some index names, and that is not there
    places = {request.url.path.rpartition("/")[0] for request in registry.asked}
    assert places == {"/v2", "/v2/evil/app/tags", "/v2/evil/app/manifests", "/v2/evil/app/blobs"}
    assert not any(request.url.query and request.url.path.rpartition("/")[2] != "list" for request in registry.asked)


@pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
@pytest.mark.parametrize(
    "question",
    [
        ("failures",),
        ("runs",),
        ("ask", "tags"),
        ("ask", "aliases", "--repository", "r.example/evil/app"),
        ("sql", "select * from image"),
        ("sql", "select * from image_layer"),
    ],
)
def test_hostile_words_are_shown_not_obeyed(
    taken: tuple[Path, Hostile, Outcome], question: tuple[str, ...], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No escape sequence reaches a terminal, no formula a spreadsheet, no markup a page."""
    data, *_ = taken
    assert main(["--data", str(data), *question, "--format", form]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out
    assert "\x1b" not in out if form in {"table", "markdown", "json"} else "\n=cmd" not in out
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(out)) for cell in row]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "@", "\t", "\r"}]
    if form == "markdown":
        assert not re.search(r"(?<!\\)[<`]", out)
