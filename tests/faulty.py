"""Loopback servers that misbehave on purpose, and answers for tables of request and response."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler], None]


def sha256(body: bytes) -> str:
    """The digest of *body*."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Behaviour:
    """A well-formed reply; underscores in names of *headers* are dashes."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content_length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return behave


def endless(chunk: bytes = b"x" * 1024, pause: float = 0.0, status: int = 200, **headers: str) -> Behaviour:
    """A body that never ends, as fast as it is read or with pauses; *headers* as of `reply`."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        while not handler.server.stopping.wait(pause):  # type: ignore[attr-defined]
            handler.wfile.write(chunk)
            handler.wfile.flush()

    return behave


def reset() -> Behaviour:
    """A connection that breaks off without a word."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()

    return behave


def cut(body: bytes, announced: int) -> Behaviour:
    """A body shorter than its Content-Length."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", str(announced))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return behave


@dataclass(frozen=True)
class Seen:
    """A request that reached a server; names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Faulty:
    """A server under a test: what it does by path (in turn, the last one for ever), and what it saw."""

    routes: dict[str, list[Behaviour]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    @property
    def registry(self) -> str:
        """The name of the server as a registry."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://{self.registry}"

    def on(self, path: str, *behaviours: Behaviour) -> None:
        """Do *behaviours* one after the other when *path* is asked for."""
        self.routes[path] = list(behaviours)

    def paths(self, path: str) -> list[Seen]:
        """The requests for *path*."""
        return [request for request in self.seen if request.path == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stopping: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that hang up are what the tests are about."""


@contextmanager
def faulty_server(tls: ssl.SSLContext | None = None) -> Iterator[Faulty]:
    """A server on a free loopback port that answers 404 where it was not told otherwise; with *tls* behind TLS."""
    faulty = Faulty()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def behave(self) -> None:
            path = self.path.partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            faulty.seen.append(Seen(self.command, self.path, headers, body))
            behaviours = faulty.routes.get(self.path) or faulty.routes.get(path) or [reply(404)]
            behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
            behaviour(self)

        do_GET = do_HEAD = do_POST = behave

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.stopping = threading.Event()
    if tls:  # the handshake comes with the first reading, in the thread of the connection
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    faulty.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
