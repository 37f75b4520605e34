"""Folders and archives of images made by hand, and what is told of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from population import OCI_MANIFEST, Document, Image, Push, document, image

from imglab.archive import open_files
from imglab.records import Failure, Record, TagObservation
from imglab.sources.layout import Import, collect_archive, collect_layout

Files = dict[str, bytes]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VERSION = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
APP = "registry.test/team/app"
REF_NAME, CONTAINERD_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"


def blobs(parts: Iterable[Document]) -> Files:
    return {f"blobs/sha256/{part.digest.partition(':')[2]}": part.body for part in parts}


def pointer(to: Document, name: str | None = None, key: str = REF_NAME) -> dict[str, Any]:
    return to.descriptor(**({"annotations": {key: name}} if name else {}))


def layout(entries: Iterable[dict[str, Any]], parts: Iterable[Document]) -> Files:
    """The files of an OCI layout; layers are left out, since nothing may depend on them."""
    top = {"schemaVersion": 2, "manifests": list(entries)}
    documents = [part for part in parts if part.body.startswith(b"{")]
    return {**VERSION, "index.json": json.dumps(top).encode(), **blobs(documents)}


def one(name: str | None = f"{APP}:1.0", item: Image | None = None) -> Files:
    """A layout of one image with two layers."""
    item = item or image(["base", "tool"])
    return layout([pointer(item.manifest, name)], [item.manifest, *item.blobs])


def pushed(push: Push, name: str, *, without: Iterable[Document] = ()) -> Files:
    """A layout of what would be pushed together."""
    missing = set(without)
    parts = [part for part in (*push.documents, *push.blobs) if part not in missing]
    return layout([pointer(push.top, name)], parts)


def tar(files: Files, links: Mapping[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as writer:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            writer.addfile(info, io.BytesIO(body))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            writer.addfile(info)
    return packed.getvalue()


def appended(first: bytes, second: bytes) -> bytes:
    """Two archives as one, as `tar --append` makes it."""
    body = first.rstrip(b"\0")
    return body + bytes(-len(body) % 512) + second


def saved(path: Path, files: Files | bytes, name: str = "images.tar") -> Path:
    path.mkdir(exist_ok=True)
    (path / name).write_bytes(files if isinstance(files, bytes) else tar(files))
    return path / name


def collected(path: Path, *, command: str = "oci-layout", **wanted: Any) -> list[Record]:
    collect = {"oci-layout": collect_layout, "docker-archive": collect_archive}[command]
    with open_files(path) as files:
        return list(collect(files, Import(NOON, **wanted)))


def of(kind: type[Record], records: Iterable[Record]) -> list[Any]:
    return [record for record in records if isinstance(record, kind)]


def failures(records: Iterable[Record]) -> dict[str, str]:
    """Locators without the archive's path, and kinds."""
    return {item.locator.rpartition(".tar: ")[2]: item.kind for item in of(Failure, records)}


def tags(records: Iterable[Record]) -> dict[str, str]:
    return {f"{item.repository}:{item.tag}": item.digest for item in of(TagObservation, records)}


def changed(files: Files, part: Document, body: bytes | None) -> Files:
    """*files* with another body for *part*, or without it."""
    ((name, _),) = blobs([part]).items()
    return {**{key: value for key, value in files.items() if key != name}, **({name: body} if body is not None else {})}


# --- as Docker and others write them ---------------------------------------------------------------------------------


def digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def unpacked(item: Image) -> list[bytes]:
    """The layers of *item* as Docker keeps them."""
    return [gzip.decompress(part.body) for part in item.blobs[1:]]


def local(item: Image) -> Image:
    """*item* with the diff ids that its layers really have."""
    config, *layers = item.blobs
    content = json.loads(config.body)
    content["rootfs"]["diff_ids"] = [digest(body) for body in unpacked(item)]
    config = document(config.media_type, content)
    body = json.loads(item.manifest.body) | {"config": config.descriptor()}
    return Image(document(item.manifest.media_type, body), (config, *layers), item.platform)


def hexadecimal(part: Document) -> str:
    return part.digest.partition(":")[2]


def docker_24(item: Image, *names: str, **more: Any) -> Files:
    """What `docker save` wrote before version 25: folders named by ids of old, layers unpacked."""
    folders = [f"{number:064x}" for number in range(len(item.blobs) - 1)]
    files = {f"{folder}/layer.tar": body for folder, body in zip(folders, unpacked(item), strict=True)}
    files |= {f"{folder}/json": b'{"id": "old"}' for folder in folders}
    entry = {"Config": f"{hexadecimal(item.blobs[0])}.json", "RepoTags": list(names) or None, "Layers": list(files)}
    entry["Layers"] = [name for name in files if name.endswith(".tar")]
    return {
        **files,
        f"{hexadecimal(item.blobs[0])}.json": item.blobs[0].body,
        "manifest.json": json.dumps([entry | more]).encode(),
        "repositories": b"{}",
    }


def crane(item: Image, *names: str) -> Files:
    """What crane, and likewise kaniko and jib, writes: layers as they were transferred."""
    layers = {f"{hexadecimal(part)}.tar.gz": part.body for part in item.blobs[1:]}
    entry = {"Config": item.blobs[0].digest, "RepoTags": list(names), "Layers": list(layers)}
    return {**layers, item.blobs[0].digest: item.blobs[0].body, "manifest.json": json.dumps([entry]).encode()}


def docker_25(item: Image, name: str, *, with_layers: bool = True) -> Files:
    """What `docker save` writes since from its classic store: a layout made up then, of unpacked layers."""
    bodies = [Document("application/vnd.oci.image.layer.v1.tar", body) for body in unpacked(item)]
    layers = [body.descriptor() for body in bodies] if with_layers else []
    content = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": item.blobs[0].descriptor(), "layers": layers}
    manifest = document(OCI_MANIFEST, content)
    annotations = {CONTAINERD_NAME: name, REF_NAME: name.rpartition(":")[2]}
    paths = list(blobs(bodies))
    entry = {"Config": next(iter(blobs([item.blobs[0]]))), "RepoTags": [name], "Layers": paths}
    return {
        **VERSION,
        **blobs([manifest, item.blobs[0], *bodies]),
        "index.json": json.dumps({"manifests": [manifest.descriptor(annotations=annotations)]}).encode(),
        "manifest.json": json.dumps([entry]).encode(),
    }


def docker_containerd(push: Push, name: str, *, platform: int = 0) -> Files:
    """What it writes from containerd's store: the registry's own documents, of one platform."""
    kept = json.loads(push.documents[platform].body)
    there = {kept["config"]["digest"], *(layer["digest"] for layer in kept["layers"])}
    parts = [push.top, push.documents[platform], *(part for part in push.blobs if part.digest in there)]
    annotations = {CONTAINERD_NAME: name, REF_NAME: name.rpartition(":")[2]}
    config = next(part for part in parts if part.digest == kept["config"]["digest"])
    layers = [part for part in parts if part.digest in there and part is not config]
    entry = {"Config": next(iter(blobs([config]))), "RepoTags": [name], "Layers": list(blobs(layers))}
    return {
        **VERSION,
        **blobs(parts),
        "index.json": json.dumps({"manifests": [push.top.descriptor(annotations=annotations)]}).encode(),
        "manifest.json": json.dumps([entry]).encode(),
    }
