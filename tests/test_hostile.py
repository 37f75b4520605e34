"""Servers that speak HTTP to do harm: what they send ends early, in one error, and nothing of it is obeyed."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest

from imglab.http import Answer, Client, Limits, Request

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
    "two gzips": (zipped(gzip.compress(b"a") + gzip.compress(b"b")), None),
    "a gzip in a gzip": (zipped(NESTED), None),
    "a gzip of nothing": (zipped(b""), None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_one_error(name: str) -> None:
    """Replies that contradict themselves are none; of gzip one layer is taken off, and one stream is read."""
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
