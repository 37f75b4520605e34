"""
Images made from nothing but their names: the same bytes, digests and sizes every time.

Layers are real gzip (or zstd) tar archives of one small file. What the registry is told is kept beside what a reader
of it must find.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
OCI_INDEX, OCI_MANIFEST, OCI_CONFIG = f"{OCI}.index.v1+json", f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json"
DOCKER_LIST = f"{DOCKER}.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = f"{DOCKER}.distribution.manifest.v2+json"
DOCKER_CONFIG = f"{DOCKER}.container.image.v1+json"
OCI_GZIP, OCI_ZSTD = f"{OCI}.layer.v1.tar+gzip", f"{OCI}.layer.v1.tar+zstd"
DOCKER_GZIP = f"{DOCKER}.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN = f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"

PLATFORMS = (
    ("linux", "amd64", None),
    ("linux", "arm", "v5"),
    ("linux", "arm", "v7"),
    ("linux", "arm64", "v8"),
    ("linux", "386", None),
    ("linux", "ppc64le", None),
    ("linux", "riscv64", None),
    ("linux", "s390x", None),
)
Platform = tuple[str, str, str | None]


@dataclass(frozen=True)
class Document:
    """Bytes with a media type, named by their digest."""

    media_type: str
    body: bytes

    @cached_property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.body).hexdigest()

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.body), **more}


@dataclass(frozen=True)
class Push:
    """What goes to a repository together: blobs, then documents of which the last one gets the tag."""

    repository: str
    tag: str | None
    documents: tuple[Document, ...]
    blobs: tuple[Document, ...]

    @property
    def top(self) -> Document:
        return self.documents[-1]


@dataclass(frozen=True)
class Image:
    """One manifest for one platform, with everything below it."""

    manifest: Document
    blobs: tuple[Document, ...]
    platform: Platform

    def push(self, repository: str, tag: str | None) -> Push:
        return Push(repository, tag, (self.manifest,), self.blobs)


def document(media_type: str, content: dict[str, Any]) -> Document:
    """JSON as a document."""
    return Document(media_type, json.dumps(content, indent=1).encode())


def layer(name: str, media_type: str = OCI_GZIP, *, size: int = 600) -> Document:
    """A tar archive with one file of *size* bytes that do not compress."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(f"opt/{name.replace('/', '-')}")
        member.size = size
        archive.addfile(member, io.BytesIO(Random(name).randbytes(size)))
    compress = _zstd if media_type.endswith("zstd") else lambda body: gzip.compress(body, mtime=0)
    return Document(media_type, compress(packed.getvalue()))


def _zstd(body: bytes) -> bytes:
    """A zstd frame (RFC 8878) of one block that is stored as it is: Python has no zstd before 3.14."""
    size = (len(body) - 256).to_bytes(2, "little")
    block = (len(body) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\x60" + size + block + body


def history(names: Iterable[str]) -> list[dict[str, Any]]:
    """A step for each layer, with one between each two that made none."""
    steps: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        if number:
            steps.append({"created_by": f"ENV STEP={number}", "empty_layer": True})
        steps.append({"created": f"2026-01-0{number + 1}T00:00:00Z", "created_by": f"RUN install {name}"})
    return steps


def image(
    names: Iterable[str],
    platform: Platform = PLATFORMS[0],
    *,
    kind: str = "oci",
    layer_type: str | None = None,
    steps: list[dict[str, Any]] | None = None,
    size: int = 600,
    foreign: Document | None = None,
) -> Image:
    """An image with a layer for each of *names*; *foreign* is a layer below them that lies elsewhere."""
    names = list(names)
    is_docker = kind == "docker"
    layers = [layer(name, layer_type or (DOCKER_GZIP if is_docker else OCI_GZIP), size=size) for name in names]
    os, architecture, variant = platform
    content: dict[str, Any] = {
        "os": os,
        "architecture": architecture,
        **({"variant": variant} if variant else {}),
        "created": "2026-01-09T00:00:00Z",
        "config": {"Cmd": ["run"], "Env": ["PATH=/bin"], "Labels": {"made": "up"}},
        "rootfs": {"type": "layers", "diff_ids": [item.digest for item in layers]},
        "history": history(names) if steps is None else steps,
    }
    config = document(DOCKER_CONFIG if is_docker else OCI_CONFIG, content)
    urls = {"urls": ["https://go.microsoft.com/fwlink/?linkid=1"]}
    body = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if is_docker else OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [
            *([foreign.descriptor(**urls)] if foreign else []),
            *(item.descriptor() for item in layers),
        ],
    }
    return Image(document(str(body["mediaType"]), body), (config, *layers), platform)


def attestation(about: Image, name: str) -> Image:
    """What BuildKit puts beside an image: a manifest for unknown/unknown with statements as layers."""
    statement = document("application/vnd.in-toto+json", {"about": about.manifest.digest, "name": name})
    return attested([(statement, "https://spdx.dev/Document")])


def attested(statements: Iterable[tuple[Document, str]]) -> Image:
    """The same, of given statements, each with the type of its predicate."""
    statements = list(statements)
    config = document(OCI_CONFIG, {"os": "unknown", "architecture": "unknown", "rootfs": {"type": "layers"}})
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [
            statement.descriptor(annotations={"in-toto.io/predicate-type": kind}) for statement, kind in statements
        ],
    }
    blobs = (config, *(statement for statement, _ in statements))
    return Image(document(OCI_MANIFEST, body), blobs, ("unknown", "unknown", None))


def artifact(subject: Document, name: str) -> Image:
    """An artifact about *subject* with the empty config."""
    payload = Document("application/x.report", name.encode())
    empty = Document(EMPTY_TYPE, b"{}")
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/x.report",
        "config": empty.descriptor(),
        "layers": [payload.descriptor()],
        "subject": subject.descriptor(),
    }
    return Image(document(OCI_MANIFEST, body), (empty, payload), ("unknown", "unknown", None))


def index(
    repository: str,
    tag: str | None,
    images: Iterable[Image],
    *,
    kind: str = "oci",
    attested: bool = False,
    notes: Iterable[Image] = (),
    nested: Iterable[Push] = (),
) -> Push:
    """An index of *images*, each with its attestation if *attested* or among *notes*, and of *nested* indexes."""
    images, nested = list(images), list(nested)
    entries = [item.manifest.descriptor(platform=_platform(item.platform)) for item in images]
    notes = [attestation(item, str(tag)) for item in images] if attested else list(notes)
    for about, note in zip(images, notes, strict=False):
        annotations = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": about.manifest.digest,
        }
        entries.append(note.manifest.descriptor(platform=_platform(note.platform), annotations=annotations))
    entries += [inner.top.descriptor() for inner in nested]
    media_type = DOCKER_LIST if kind == "docker" else OCI_INDEX
    top = document(media_type, {"schemaVersion": 2, "mediaType": media_type, "manifests": entries})
    below = [document for inner in nested for document in inner.documents]
    return Push(
        repository,
        tag,
        (*below, *(item.manifest for item in (*images, *notes)), top),
        (
            *(blob for inner in nested for blob in inner.blobs),
            *(blob for item in (*images, *notes) for blob in item.blobs),
        ),
    )


def _platform(platform: Platform) -> dict[str, str]:
    os, architecture, variant = platform
    return {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}


def release(name: str, *, kind: str = "oci", shared: str = "base") -> list[Image]:
    """An image for each platform: a layer that all releases share, and one of its own."""
    return [
        image([f"{shared}-{os}-{architecture}-{variant}", f"{name}-{architecture}-{variant}"], platform, kind=kind)
        for platform in PLATFORMS
        for os, architecture, variant in [platform]
    ]


@dataclass(frozen=True)
class Population:
    """Two states of a registry: what is pushed first, and how it changes after."""

    first: tuple[Push, ...]
    later: tuple[Push, ...]
    deleted: tuple[Push, ...]

    def tags(self, repository: str, *, is_later: bool = False) -> dict[str, Document]:
        """Where each tag of *repository* points, first or later."""
        found = {push.tag: push.top for push in self.first if push.repository == repository and push.tag}
        if is_later:
            found |= {push.tag: push.top for push in self.later if push.repository == repository and push.tag}
            gone = {push.top for push in self.deleted if push.repository == repository}
            found = {tag: top for tag, top in found.items() if top not in gone}
        return found


def population(app: str = "team/app", lib: str = "team/lib") -> Population:
    """Every kind of document that a registry of today holds, in two repositories that share layers."""
    one, two = release("1.0"), release("2.0", kind="docker")
    other = release("lib")
    base = index(app, None, one[:2])
    old = index(app, "old", release("old"))
    alone = image(["alone-1", "alone-2", "alone-3"])
    windows: Platform = ("windows", "amd64", None)
    outside = Document(DOCKER_FOREIGN, b"kept elsewhere")
    first = (
        index(app, "1.0", one, attested=True),
        index(app, "latest", one, attested=True),
        index(app, "2.0", two, kind="docker"),
        old,
        alone.push(app, "alone"),
        image(["docker-1", "docker-2"], kind="docker").push(app, "docker"),
        image(["program"], windows, kind="docker", foreign=outside).push(app, "foreign"),
        image(["silent-1", "silent-2"], steps=[]).push(app, "no-history"),
        image(["z-1", "z-2"], layer_type=OCI_ZSTD).push(app, "zstd"),
        index(app, "nested", one[2:4], nested=[base]),
        artifact(alone.manifest, "report").push(app, "report"),
        index(lib, "1", other, attested=True),
    )
    later = (
        index(app, "latest", two, kind="docker"),
        index(app, "3.0", release("3.0"), attested=True),
    )
    return Population(first, later, (old,))
