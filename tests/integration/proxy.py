"""
A loopback proxy in front of a registry: it counts what it serves, and misbehaves by seeded chances.

Whether a request meets with a fault depends on the seed, its path and how often that was asked for, not on the order
in which requests arrive.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Faults:
    """Chances of what goes wrong with one request, at most one thing at a time; and what always does."""

    seed: int = 0
    resets: float = 0.0
    unavailable: float = 0.0  # 503
    busy: float = 0.0  # 429, with Retry-After
    busy_seconds: int = 1
    wrong_bytes: float = 0.0  # of documents that are named by a digest
    delays: float = 0.0
    delay_seconds: float = 0.02
    always_unavailable: frozenset[str] = frozenset()  # tags or digests
    always_wrong: frozenset[str] = frozenset()
    page_length: int | None = None  # lists of tags in pages
    repeats_pages: bool = False  # each page leads to itself, under another name
    endless: frozenset[str] = frozenset()  # last parts of paths


@dataclass(frozen=True)
class Served:
    """What came of one request: a fault, or None if it was answered as the registry answers, to the last byte."""

    method: str
    path: str
    fault: str | None
    at: float = 0.0  # seconds, of no clock in particular

    @property
    def name(self) -> str:
        """The tag or digest that was asked for."""
        return self.path.rpartition("/")[2]


@dataclass
class Proxy:
    """A running proxy; `watch` is called with the number of requests so far, before each is answered."""

    upstream: int
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    served: list[Served] = field(default_factory=list)
    watch: Callable[[int], None] = lambda count: None
    pulls: int | None = None  # that are left, where GET of manifests is counted as Docker Hub does
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: Counter[int] = field(default_factory=Counter)  # requests under way, by thread

    @property
    def name(self) -> str:
        """The proxy as a registry."""
        return f"127.0.0.1:{self.port}"

    @property
    def count(self) -> int:
        """How many requests there were so far."""
        return self._asked.total()

    def settle(self) -> None:
        """Wait until no request is under way."""
        deadline = time.monotonic() + 30
        while any(self._busy.values()):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def counted(self, method: str, path: str) -> dict[str, str]:
        """What is told of pulls, after this one."""
        if self.pulls is None or "/manifests/" not in path:
            return {}
        with self._lock:
            self.pulls -= method == "GET"
            return {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": f"{self.pulls};w=21600"}

    def good(self, method: str) -> set[str]:
        """Tags and digests that were at least once answered well."""
        return {served.name for served in self.served if served.method == method and served.fault is None}

    def told_to_wait(self) -> float:
        """The seconds in which some wait that was asked for had not passed yet: those that overlap count once."""
        seconds, until = 0.0, float("-inf")
        for at in sorted(served.at for served in self.served if served.fault == "busy"):
            ends = at + self.faults.busy_seconds
            seconds += max(0.0, ends - max(at, until))
            until = max(until, ends)
        return seconds

    def faults_met(self) -> Counter[str | None]:
        """How often each fault was met."""
        return Counter(served.fault for served in self.served)

    def fault(self, method: str, path: str) -> str | None:
        """What goes wrong with the next request for *path*."""
        with self._lock:
            self._asked[method, path] += 1
            count, total = self._asked[method, path], self._asked.total()
        self.watch(total)
        name, faults = path.rpartition("/")[2].partition("?")[0], self.faults
        for always, fault in (
            (faults.always_unavailable, "unavailable"),
            (faults.always_wrong, "wrong bytes"),
            (faults.endless, "endless"),
        ):
            if name in always:
                return fault
        chance = Random(f"{faults.seed} {method} {path} {count}").random()
        is_document = method == "GET" and name.startswith("sha256:")
        for fault, share in (
            ("reset", faults.resets),
            ("unavailable", faults.unavailable),
            ("busy", faults.busy),
            ("delay", faults.delays),
            ("wrong bytes", faults.wrong_bytes if is_document else 0.0),
        ):
            chance -= share
            if chance < 0:
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    stopping: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that are killed hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream, timeout=30)

    def finish(self) -> None:
        self._upstream.close()
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self.proxy._busy[threading.get_ident()] = 1
        try:
            self._behave()
        finally:
            self.proxy._busy[threading.get_ident()] = 0

    def _behave(self) -> None:
        path = self.path.partition("?")[0]
        fault = self.proxy.fault(self.command, self.path)
        if fault == "delay":
            time.sleep(self.proxy.faults.delay_seconds)
            fault = None
        if fault == "endless":
            self._note(path, fault)
            self._send_for_ever()
            return
        if fault == "reset":
            self._note(path, fault)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if fault in {"unavailable", "busy"}:
            self._note(path, fault)
            told = {"retry-after": str(self.proxy.faults.busy_seconds)} if fault == "busy" else {}
            self._send(503 if fault == "unavailable" else 429, told, b"")
            return
        self._pass_on(path, fault)

    do_HEAD = do_GET

    def _pass_on(self, path: str, fault: str | None) -> None:
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        self._upstream.request(self.command, self.path, headers=kept)
        with self._upstream.getresponse() as response:
            body = response.read()
            headers = {name: value for name, value in response.headers.items() if name.lower() not in _HOP}
            length = response.headers.get("content-length", "0") if self.command == "HEAD" else None
        headers |= self.proxy.counted(self.command, path)
        if fault == "wrong bytes":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if path.endswith("/tags/list") and self.proxy.faults.page_length:
            body, headers = self._paged(body, headers)
        self._send(response.status, headers, body, length)
        self._note(path, fault)

    def _paged(self, body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
        """One page of a list of tags, with the link to the next."""
        faults, document = self.proxy.faults, json.loads(body)
        asked = parse_qs(urlsplit(self.path).query)
        begin = int(asked.get("page", ["0"])[0])
        length = faults.page_length or 1
        at = 0 if faults.repeats_pages else begin * length
        tags = document["tags"][at : at + length]
        if faults.repeats_pages or at + length < len(document["tags"]):
            path = self.path.partition("?")[0]
            headers = {**headers, "link": f'<{path}?page={begin + 1}>; rel="next"'}
        return json.dumps({**document, "tags": tags}).encode(), headers

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "content-length": length or str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _send_for_ever(self) -> None:
        self.send_response_only(200)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while not self.server.stopping.is_set():  # type: ignore[attr-defined]
                self.wfile.write(b'{"tags": ["' + b"x" * 65_536)

    def _note(self, path: str, fault: str | None) -> None:
        self.proxy.served.append(Served(self.command, path, fault, time.monotonic()))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def proxied(upstream: int, faults: Faults | None = None) -> Iterator[Proxy]:
    """A proxy on a free loopback port in front of the registry on the port *upstream*."""
    proxy = Proxy(upstream, faults or Faults())
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.stopping = threading.Event()
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
