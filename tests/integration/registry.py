"""Debian's docker-registry on a free loopback port, and what is pushed to it over its API."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from population import Document, Push

BINARY = shutil.which("docker-registry")
# The bcrypt entry of `PASSWORD` at the lowest cost: the registry computes it anew for each request.
USERNAME, PASSWORD = "reader", "correct horse"
HTPASSWD = f"{USERNAME}:$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n"


@dataclass
class Registry:
    """A running registry; its pushes share one connection per thread."""

    port: int
    process: subprocess.Popen[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    pushed: set[tuple[str, str]] = field(default_factory=set)
    connections: list[http.client.HTTPConnection] = field(default_factory=list)
    _local: threading.local = field(default_factory=threading.local)

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, push: Push) -> None:
        """Everything that *push* holds, parts before what names them, and its tag."""
        for blob in push.blobs:
            self._put_blob(push.repository, blob)
        for document in push.documents:
            if (push.repository, document.digest) not in self.pushed:
                self._put_manifest(push.repository, document, document.digest)
                self.pushed.add((push.repository, document.digest))
        if push.tag:
            self._put_manifest(push.repository, push.top, push.tag)

    def tag(self, repository: str, document: Document, tag: str) -> None:
        """Give a document that is there a tag."""
        self._put_manifest(repository, document, tag)

    def delete(self, repository: str, document: Document) -> None:
        """Remove a manifest, and with it every tag that points at it."""
        self._ask("DELETE", f"/v2/{repository}/manifests/{document.digest}", expected=202)
        self.pushed.discard((repository, document.digest))

    def _put_blob(self, repository: str, blob: Document) -> None:
        if (repository, blob.digest) in self.pushed:
            return
        location = self._ask("POST", f"/v2/{repository}/blobs/uploads/", expected=202)
        path = "/" + location.split("/", 3)[3]
        headers = {"content-type": "application/octet-stream"}
        self._ask("PUT", f"{path}&digest={blob.digest}", blob.body, headers, expected=201)
        self.pushed.add((repository, blob.digest))

    def _put_manifest(self, repository: str, document: Document, reference: str) -> None:
        headers = {"content-type": document.media_type}
        self._ask("PUT", f"/v2/{repository}/manifests/{reference}", document.body, headers, expected=201)

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, expected: int
    ) -> str:
        """The Location of the answer."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self.connections.append(connection)
        connection.request(method, path, body, {**self.headers, **(headers or {})})
        response = connection.getresponse()
        text = response.read()
        if response.status != expected:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:500]!r}")
        return str(response.headers.get("location", ""))


@contextmanager
def running(folder: Path, *, has_password: bool = False) -> Iterator[Registry]:
    """A registry that keeps its content in *folder* and ends with the block."""
    process, port = _started(folder, has_password)
    login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    headers = {"authorization": f"Basic {login}"} if has_password else {}
    registry = Registry(port, process, headers)
    try:
        yield registry
    finally:
        for connection in registry.connections:
            connection.close()
        process.kill()
        process.wait(30)


def _started(folder: Path, has_password: bool) -> tuple[subprocess.Popen[bytes], int]:
    """The process and its port; another port is tried where somebody was quicker to take one."""
    if BINARY is None:
        raise RuntimeError("docker-registry is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(5):
        port = free_port()
        (folder / "config.json").write_text(json.dumps(_configuration(folder, port, has_password)))
        with (folder / "log").open("wb") as log:
            command = [BINARY, "serve", str(folder / "config.json")]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment())
        if _answers(process, port):
            return process, port
        process.kill()
        process.wait(30)
    raise RuntimeError(f"docker-registry does not start: {(folder / 'log').read_text()[-2000:]}")


def clean_environment() -> dict[str, str]:
    """Ours without what the registry would take for its configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}


def _configuration(folder: Path, port: int, has_password: bool) -> dict[str, Any]:
    """The configuration; JSON is YAML too."""
    configuration: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "content")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
        "validation": {"manifests": {"urls": {"allow": ["^https://go\\.microsoft\\.com/"]}}},
    }
    if has_password:
        (folder / "htpasswd").write_text(HTPASSWD)
        configuration["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    return configuration


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/v2/")
                with connection.getresponse() as response:
                    return response.status in {200, 401}
            except OSError:
                time.sleep(0.02)
    return False


def free_port() -> int:
    """A port of the loopback address that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
