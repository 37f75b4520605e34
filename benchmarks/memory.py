"""
Peak memory of a snapshot of 100,000 manifests, its load included, and of the next one that finds nothing new.

The registry is GENERATED: a server on loopback makes every index, manifest and config from its number, each different.
An index has 8 platforms, a manifest 6 layers, a config of about 2 kB 10 steps of history; with `--shared-configs`
there are 8 configs in all.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measure import Measured, imglab, measured, show
from snapshot import newest_run

OCI = "application/vnd.oci.image"
INDEX_TYPE, MANIFEST_TYPE, CONFIG_TYPE = f"{OCI}.index.v1+json", f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json"
ARCHITECTURES = ("amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x", "mips64le")
LAYERS, STEPS = 6, 10
TAGS_EACH = 1_000  # in a repository
GOAL_BYTES = 400_000_000


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--manifests", type=int, default=100_000, help="indexes and images")
    options.add_argument("--shared-configs", action="store_true")
    given = options.parse_args()
    tags = -(-given.manifests // (1 + len(ARCHITECTURES)))
    with tempfile.TemporaryDirectory() as folder, serving(tags, given.shared_configs) as port:
        names = [f"127.0.0.1:{port}/made/app{number}" for number in range(-(-tags // TAGS_EACH))]
        cold = snapshot("cold", Path(folder) / "data", names)
        warm = snapshot("warm", Path(folder) / "data", names)
    kind = "shared" if given.shared_configs else "own"
    print(f"generated: {tags:,} tags, {tags * (1 + len(ARCHITECTURES)):,} manifests, {kind} configs")
    show([cold, warm], "requests", beside=cold)
    for one in (cold, warm):
        print(f"{one.name}: {one.peak_bytes / GOAL_BYTES:.0%} of 400 MB")


def snapshot(name: str, data: Path, names: list[str]) -> Measured:
    """One command, with the number of its requests."""
    return measured(name, imglab(data, "snapshot", *names)).counting(int(newest_run(data)["requests"]))


@contextmanager
def serving(tags: int, shared_configs: bool) -> Iterator[int]:
    """The port of the generated registry, in a process of its own."""
    command = [sys.executable, __file__, "serve", str(tags), str(int(shared_configs))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


# --- the generated registry ------------------------------------------------------------------------------------------


@dataclass
class Made:
    """What stands where: bodies are made again whenever somebody asks for them."""

    shared_configs: bool
    digests: dict[str, tuple[str, int, int]] = field(default_factory=dict)  # kind, number of the tag, platform
    tops: list[str] = field(default_factory=list)
    below: dict[tuple[int, int], tuple[str, int]] = field(default_factory=dict)  # digest and size of a manifest

    def add(self, tag: int) -> None:
        """An index with everything below it."""
        for platform in range(len(ARCHITECTURES)):
            self.digests[digest_of(self.config(tag, platform))] = ("config", tag, platform)
            body = self.manifest(tag, platform)
            digest = digest_of(body)
            self.digests[digest] = ("manifest", tag, platform)
            self.below[tag, platform] = digest, len(body)
        self.tops.append(digest_of(self.index(tag)))
        self.digests[self.tops[-1]] = ("index", tag, 0)

    def config(self, tag: int, platform: int) -> bytes:
        name = "shared" if self.shared_configs else f"release {tag}"
        command = "apt-get update && apt-get install --yes --no-install-recommends"
        history = [
            {
                "created": f"2026-01-01T00:00:{step:02}Z",
                "created_by": f"RUN {command} package-{step} # {name}",
                **({"empty_layer": True} if step >= LAYERS else {}),
            }
            for step in range(STEPS)
        ]
        layers = [named(f"content {name} {platform} {position}") for position in range(LAYERS)]
        settings = {"Cmd": ["run"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"RELEASE={name}"]}
        return packed(
            {
                "os": "linux",
                "architecture": ARCHITECTURES[platform],
                "created": "2026-01-01T00:00:00Z",
                "config": settings,
                "rootfs": {"type": "layers", "diff_ids": layers},
                "history": history,
            }
        )

    def manifest(self, tag: int, platform: int) -> bytes:
        config = self.config(tag, platform)
        layers = [
            {
                "mediaType": f"{OCI}.layer.v1.tar+gzip",
                "digest": named(f"layer {tag} {platform} {at}"),
                "size": 10**6 + at,
            }
            for at in range(LAYERS)
        ]
        about = {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)}
        return packed({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": about, "layers": layers})

    def index(self, tag: int) -> bytes:
        entries = []
        for platform, architecture in enumerate(ARCHITECTURES):
            digest, size = self.below[tag, platform]
            runs_on = {"os": "linux", "architecture": architecture}
            entries.append({"mediaType": MANIFEST_TYPE, "digest": digest, "size": size, "platform": runs_on})
        return packed({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries})

    def answer(self, path: str) -> tuple[str, str, bytes]:
        """Media type, digest and body of what stands at *path*; a list of tags has no digest."""
        repository, kind, name = path.removeprefix("/v2/").partition("?")[0].rsplit("/", 2)
        number = int(repository.removeprefix("made/app"))
        if kind == "tags":
            first = number * TAGS_EACH
            tags = [f"{tag}.0" for tag in range(first, min(first + TAGS_EACH, len(self.tops)))]
            return "application/json", "", packed({"name": repository, "tags": tags})
        digest = name if ":" in name else self.tops[int(name.removesuffix(".0"))]
        what, tag, platform = self.digests[digest]
        if what == "config":
            return "application/octet-stream", digest, self.config(tag, platform)
        if what == "manifest":
            return MANIFEST_TYPE, digest, self.manifest(tag, platform)
        return INDEX_TYPE, digest, self.index(tag)


def packed(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def named(text: str) -> str:
    """A digest of nothing that exists."""
    return digest_of(text.encode())


class _Connection(asyncio.Protocol):
    """One connection: as little HTTP as a client needs that sends one request after the other."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is there in full."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            method, path, _ = head.decode("latin-1").split("\r\n", 1)[0].split(" ")
            self._transport.write(self._reply(method, path))

    def _reply(self, method: str, path: str) -> bytes:
        if path == "/v2/":
            return b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
        media_type, digest, body = self._made.answer(path)
        stated = f"docker-content-digest: {digest}\r\n" if digest else ""
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n{stated}\r\n"
        return head.encode() + (b"" if method == "HEAD" else body)


async def serve(tags: int, shared_configs: bool) -> None:
    """Make everything once for its digest, print the port, and answer for ever."""
    made = Made(shared_configs)
    for tag in range(tags):
        made.add(tag)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(made), "127.0.0.1")
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2]), sys.argv[3] == "1"))
    else:
        main()
