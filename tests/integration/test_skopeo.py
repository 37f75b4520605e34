"""Skopeo as the independent witness: what it reports of tags, platforms, layers and sizes is what the store holds."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import environment, good, quickly, rows
from population import OCI_INDEX, PLATFORMS, Document, Image, document, image, population
from registry import Registry

pytestmark = [pytest.mark.registry, pytest.mark.skopeo]
APP = "team/app"


def skopeo(*arguments: str) -> bytes:
    """What skopeo prints."""
    command = ["skopeo", "--insecure-policy", *arguments]
    own = {name: value for name, value in environment().items() if name != "REGISTRY_AUTH_FILE"}  # it wants JSON there
    done = subprocess.run(command, capture_output=True, timeout=60, env=own, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def raw(reference: str) -> bytes:
    """The manifest or index of *reference* as skopeo receives it."""
    return skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{reference}")


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


@dataclass(frozen=True)
class Witnessed:
    """One image as skopeo sees it: where it stands, its platform by its config, its layers in order."""

    tag: str
    top: str
    manifest: str
    platform: str
    layers: tuple[tuple[str, int], ...]


def witnessed(repository: str, tag: str) -> list[Witnessed]:
    """Every image that *tag* leads to, by skopeo alone."""
    body = raw(f"{repository}:{tag}")
    return [
        Witnessed(tag, digest_of(body), digest_of(manifest), platform(repository, manifest), layers(manifest))
        for manifest in manifests(repository, body)
    ]


def manifests(repository: str, body: bytes) -> Iterator[bytes]:
    """The image manifests in a document: itself, or those of its entries, without attestations and artifacts."""
    content = json.loads(body)
    if "artifactType" in content:
        return
    if "manifests" not in content:
        yield body
    for entry in content.get("manifests", ()):
        if entry.get("platform", {}).get("os") != "unknown":
            below = raw(f"{repository}@{entry['digest']}")
            assert (digest_of(below), len(below)) == (entry["digest"], entry["size"])
            yield from manifests(repository, below)


def platform(repository: str, manifest: bytes) -> str:
    """The platform that the config states, as containerd writes it."""
    reference = f"docker://{repository}@{digest_of(manifest)}"
    config = json.loads(skopeo("inspect", "--config", "--raw", "--tls-verify=false", reference))
    variant = config.get("variant")
    parts = [config["os"], config["architecture"], *([variant] if variant and variant != "v8" else [])]
    return "/".join(parts)


def layers(manifest: bytes) -> tuple[tuple[str, int], ...]:
    return tuple((layer["digest"], layer["size"]) for layer in json.loads(manifest)["layers"])


def stored(data: Path, repository: str) -> list[Witnessed]:
    """The same from the store."""
    query = """
        select
            tag_image.tag,
            tag_image.digest,
            tag_image.manifest_digest,
            tag_image.platform,
            list(image_layer.layer_digest order by image_layer.position),
            list(image_layer.compressed_bytes order by image_layer.position),
        from tag_image
        join image_layer using (manifest_digest)
        where tag_image.repository = $repository and tag_image.valid_to is null
        group by all
    """
    found = rows(data, query, {"repository": repository})
    return [
        Witnessed(str(tag), str(top), str(manifest), str(platform), tuple(zip(digests, sizes, strict=True)))  # type: ignore[call-overload]
        for tag, top, manifest, platform, digests, sizes in found
    ]


def in_order(images: list[Witnessed]) -> list[Witnessed]:
    return sorted(images, key=lambda image: (image.tag, image.platform, image.manifest))


def tags_of(repository: str) -> list[str]:
    return list(json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{repository}"))["Tags"])


def test_the_store_agrees_with_skopeo(registry: Registry, data: Path) -> None:
    """Tags, digests, platforms, and each layer's digest and size, for every image of every tag; sums as well."""
    for push in population(APP).first:
        registry.push(push)
    repository = f"{registry.name}/{APP}"
    good(data, "snapshot", repository)
    tags = tags_of(repository)
    assert sorted(tags) == sorted(str(row[0]) for row in rows(data, "select tag from tag_interval"))
    with ThreadPoolExecutor(4) as pool:
        seen = [image for images in pool.map(lambda tag: witnessed(repository, tag), tags) for image in images]
    assert len(seen) > 4 * len(PLATFORMS)
    assert in_order(stored(data, repository)) == in_order(seen)
    sums = rows(data, "select manifest_digest, compressed_bytes, layer_count from tag_image")
    assert set(sums) == {(image.manifest, sum(size for _, size in image.layers), len(image.layers)) for image in seen}


def layout(folder: Path, images: list[Image]) -> str:
    """An OCI image layout with an index of *images*, as skopeo's `oci:` reads it."""
    entries = [
        item.manifest.descriptor(
            platform={"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}
        )
        for item in images
        for os, architecture, variant in [item.platform]
    ]
    top = document(OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    name = {"org.opencontainers.image.ref.name": "made"}
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for part in [top, *(item.manifest for item in images), *(blob for item in images for blob in item.blobs)]:
        (blobs / part.digest.partition(":")[2]).write_bytes(part.body)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    beside: dict[str, Any] = {"schemaVersion": 2, "manifests": [top.descriptor(annotations=name)]}
    (folder / "index.json").write_text(json.dumps(beside))
    return f"oci:{folder}:made"


def packed_anew(item: Image) -> Image:
    """*item* with the diff ids that its layers really have, as skopeo wants when it packs them in another way."""
    config, *parts = item.blobs
    content = json.loads(config.body)
    content["rootfs"]["diff_ids"] = [digest_of(gzip.decompress(part.body)) for part in parts]
    true_config = document(config.media_type, content)
    body = json.loads(item.manifest.body) | {"config": true_config.descriptor()}
    return Image(document(item.manifest.media_type, body), (true_config, *parts), item.platform)


COPIES = {
    "v2s2": ("--format", "v2s2", "--dest-compress-format", "gzip"),
    "oci-gzip": ("--format", "oci", "--dest-compress-format", "gzip"),
    "oci-zstd": ("--format", "oci", "--dest-compress-format", "zstd"),
}


def made(folder: Path, name: str) -> str:
    """A layout of an image for two platforms; each name has its own layers, or skopeo would use those it copied."""
    images = [packed_anew(image([f"{name}-1", f"{name}-{at[1]}"], at)) for at in (PLATFORMS[0], PLATFORMS[3])]
    return layout(folder / name, images)


def test_images_that_skopeo_made_are_read(registry: Registry, data: Path, tmp_path: Path) -> None:
    """Copies of layouts in both formats and both compressions, whole and one, through a folder, agree with skopeo."""
    repository = f"{registry.name}/team/copied"
    copy = ("copy", "--dest-tls-verify=false")
    for tag, options in COPIES.items():
        source = made(tmp_path, tag)
        skopeo(*copy, "--all", *options, source, f"docker://{repository}:{tag}-all")
        skopeo("--override-arch", "arm64", *copy, *options, source, f"docker://{repository}:{tag}-one")
    skopeo("copy", "--format", "v2s2", made(tmp_path, "folder"), f"dir:{tmp_path / 'copy'}")
    skopeo(*copy, f"dir:{tmp_path / 'copy'}", f"docker://{repository}:folder")
    quickly(data, "snapshot", repository)
    seen = [image for tag in tags_of(repository) for image in witnessed(repository, tag)]
    assert in_order(stored(data, repository)) == in_order(seen)
    assert len(seen) == 3 * 2 + 3 + 1
    types = rows(data, "select distinct media_type from image_layer order by all")
    assert [str(row[0]).rpartition(".")[2] for row in types] == ["gzip", "tar+gzip", "tar+zstd"]
    assert rows(data, "select distinct step_source from image") == [("stated",)]
    assert quickly(data, "check").endswith(" checks found nothing\n")


def test_documents_are_witnessed_byte_for_byte(registry: Registry, data: Path) -> None:
    """The stored body of a tag's document is what skopeo receives."""
    one: Document = image(["witnessed"]).manifest
    registry.push(image(["witnessed"]).push("team/bytes", "1"))
    repository = f"{registry.name}/team/bytes"
    quickly(data, "snapshot", repository)
    stored_body = rows(data, "select body from journal.blob where digest = $digest", {"digest": one.digest})
    assert stored_body == [(raw(f"{repository}:1"),)]
