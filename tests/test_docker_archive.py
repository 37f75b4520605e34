"""Archives of `docker save` and its like: images without a manifest, and those that kept theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from archives import (
    APP,
    VERSION,
    Files,
    appended,
    collected,
    crane,
    digest,
    docker_24,
    docker_25,
    docker_containerd,
    failures,
    hexadecimal,
    local,
    of,
    saved,
    tags,
    tar,
    unpacked,
)
from population import (
    DOCKER_FOREIGN,
    document,
    image,
    index,
    release,
)

from imglab.errors import ParseError, SourceError, UsageError
from imglab.records import Blob, Config, History, Layer, Manifest, TagObservation


def test_an_image_of_docker_is_known_by_its_config(tmp_path: Path) -> None:
    """Config and steps as they are, layers by their diff ids; no manifest digest, and no size of what is unpacked."""
    item = local(image(["base", "tool"]))
    key = f"config+{item.blobs[0].digest}"
    path = saved(tmp_path, docker_24(item, f"{APP}:1.0", f"{APP}:latest"))
    records = collected(path, command="docker-archive")
    assert tags(records) == {f"{APP}:1.0": key, f"{APP}:latest": key}
    assert of(Manifest, records) == [
        Manifest(key, None, "image", item.blobs[0].digest, layer_count=2, compressed_bytes=None)
    ]
    assert of(Layer, records) == [Layer(key, at, digest(body)) for at, body in enumerate(unpacked(item))]
    assert of(Blob, records) == [Blob(item.blobs[0].digest, None, item.blobs[0].body)]
    assert len(of(History, records)) == 3 and len(of(Config, records)) == 1
    assert failures(records) == {}


def test_sizes_are_told_of_layers_that_lie_there_packed(tmp_path: Path) -> None:
    """They are what would be transferred; the layer is named by its diff id all the same."""
    item = local(image(["base", "tool"]))
    records = collected(saved(tmp_path, crane(item, f"{APP}:1.0")), command="docker-archive")
    sizes = [len(part.body) for part in item.blobs[1:]]
    assert [(layer.digest, layer.compressed_bytes) for layer in of(Layer, records)] == [
        (digest(body), size) for body, size in zip(unpacked(item), sizes, strict=True)
    ]
    assert [manifest.compressed_bytes for manifest in of(Manifest, records)] == [sum(sizes)]


def test_where_one_size_is_not_known_the_sum_is_not(tmp_path: Path) -> None:
    """A layer that is a link, or not there at all, may have any size."""
    item = local(image(["base", "tool"]))
    files = crane(item, f"{APP}:1.0")
    name = next(iter(files))
    without = {key: body for key, body in files.items() if key != name}
    for path in (saved(tmp_path, without), saved(tmp_path, tar(without, {name: "elsewhere"}))):
        records = collected(path, command="docker-archive")
        assert [layer.compressed_bytes for layer in of(Layer, records)] == [None, len(item.blobs[2].body)]
        assert [manifest.compressed_bytes for manifest in of(Manifest, records)] == [None]


def test_layers_kept_elsewhere_are_told(tmp_path: Path) -> None:
    """Docker describes them beside the archive's layers, with their size."""
    item = local(image(["base", "tool"]))
    diff_id = digest(unpacked(item)[0])
    urls = ["https://go.microsoft.com/fwlink/?linkid=1"]
    source = {"mediaType": DOCKER_FOREIGN, "size": 1234, "digest": digest(b"elsewhere"), "urls": urls}
    files = docker_24(item, f"{APP}:1.0", LayerSources={diff_id: source})
    first, second = of(Layer, collected(saved(tmp_path, files), command="docker-archive"))
    assert first == Layer(first.manifest_digest, 0, diff_id, DOCKER_FOREIGN, 1234, None, urls, True)
    assert (second.compressed_bytes, second.is_foreign) == (None, False)


def test_a_config_may_have_any_name(tmp_path: Path) -> None:
    """Jib calls it config.json; its digest is computed."""
    item = local(image(["base"]))
    files = crane(item, f"{APP}:1.0")
    entry = json.loads(files["manifest.json"])[0] | {"Config": "config.json"}
    files = {**files, "config.json": item.blobs[0].body, "manifest.json": json.dumps([entry]).encode()}
    assert tags(collected(saved(tmp_path, files), command="docker-archive")) == {
        f"{APP}:1.0": f"config+{item.blobs[0].digest}"
    }
    twice = appended(tar(files), tar({"config.json": b"{}"}))
    with_two = collected(saved(tmp_path, twice), command="docker-archive")
    assert failures(with_two) == {"config.json": "ambiguous"} and tags(with_two) == {}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"body": b"{}"}, "digest-mismatch"),
        ({"body": None}, "not-found"),
        ({"entry": {"Layers": []}}, "bad-document"),
        ({"entry": {"Layers": None}}, "bad-document"),
        ({"config": {"rootfs": None}}, "bad-document"),
        ({"config": {"rootfs": {"diff_ids": ["x", "y"]}}}, "bad-document"),
        ({"config": {"history": "none"}}, "bad-document"),
        ({"entry": {"Config": "../../etc/hostname"}}, "not-found"),
    ],
    ids=str,
)
def test_a_bad_image_is_a_failure_beside_the_others(change: dict[str, Any], kind: str, tmp_path: Path) -> None:
    """Each image of an archive is told by itself; a tag of one that could not be read is not observed."""
    good, bad = local(image(["good"])), local(image(["bad", "worse"]))
    if "config" in change:
        config = document(bad.blobs[0].media_type, json.loads(bad.blobs[0].body) | change["config"])
        bad = replace(bad, blobs=(config, *bad.blobs[1:]))
    files = {**docker_24(good, f"{APP}:good"), **docker_24(bad, f"{APP}:bad", **change.get("entry", {}))}
    entries = [*json.loads(docker_24(good, f"{APP}:good")["manifest.json"]), *json.loads(files["manifest.json"])]
    files["manifest.json"] = json.dumps(entries).encode()
    name = f"{hexadecimal(bad.blobs[0])}.json"
    if "body" in change:
        files = {key: body for key, body in files.items() if key != name}
        files |= {name: change["body"]} if change["body"] else {}
    records = collected(saved(tmp_path, files), command="docker-archive")
    assert list(failures(records).values()) == [kind]
    assert list(tags(records)) == [f"{APP}:good"]


def test_an_image_saved_under_two_files_is_told_once(tmp_path: Path) -> None:
    """By its digest; all of its names count."""
    item = local(image(["base"]))
    first, second = docker_24(item, f"{APP}:1"), crane(item, f"{APP}:2")
    entries = json.loads(first["manifest.json"]) + json.loads(second["manifest.json"])
    files = {**first, **second, "manifest.json": json.dumps(entries).encode()}
    records = collected(saved(tmp_path, files), command="docker-archive")
    assert len(of(Config, records)) == len(of(Manifest, records)) == 1
    assert set(tags(records)) == {f"{APP}:1", f"{APP}:2"}


@pytest.mark.parametrize("command", ["oci-layout", "docker-archive"])
@pytest.mark.parametrize("with_layers", [True, False], ids=["25.0.1", "25.0.0"])
def test_what_docker_made_up_when_saving_is_not_told(command: str, with_layers: bool, tmp_path: Path) -> None:
    """From its classic store Docker 25 writes manifests that no registry has, of unpacked layers; 25.0.0 of none."""
    item = local(image(["base", "tool"]))
    path = saved(tmp_path, docker_25(item, f"{APP}:1.0", with_layers=with_layers))
    records = collected(path, command=command)
    old = collected(saved(tmp_path, docker_24(item, f"{APP}:1.0"), "old.tar"), command="docker-archive")
    assert [replace(record, document=None) if isinstance(record, TagObservation) else record for record in records] == [
        replace(record, document=None) if isinstance(record, TagObservation) else record for record in old
    ]


@pytest.mark.parametrize("command", ["oci-layout", "docker-archive"])
def test_what_docker_kept_of_a_registry_is_told(command: str, tmp_path: Path) -> None:
    """From containerd's store it saves the registry's documents: the tag is at the index, sizes are known."""
    push = index("", None, release("app"), attested=True)
    records = collected(saved(tmp_path, docker_containerd(push, f"{APP}:1.0", platform=3)), command=command)
    assert tags(records) == {f"{APP}:1.0": push.top.digest}
    assert [manifest.digest for manifest in of(Manifest, records)] == [push.top.digest, push.documents[3].digest]
    assert all(layer.compressed_bytes for layer in of(Layer, records))
    assert failures(records) == {}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no manifest.json in it; Docker before 1.10 wrote none"),
        ({"repositories": b"{}"}, "no manifest.json in it; Docker before 1.10"),
        ({**VERSION, "index.json": b"{}"}, "try imglab import oci-layout"),
        ({"manifest.json": b""}, "manifest.json: must be JSON"),
        ({"manifest.json": b"[" * 100_000}, "nested so deeply"),
        ({"manifest.json": b'{"schemaVersion": 2}'}, "skopeo's dir: format"),
        ({"manifest.json": b'"x"'}, "must be a list of objects"),
        ({"manifest.json": b"[1]"}, "must be a list of objects"),
        ({"manifest.json": b"[]"}, "holds no image"),
        ({"manifest.json": b"null"}, "holds no image"),
        ({"manifest.json": b"[{}]"}, r"\[0\].Config: must name a file"),
        ({"manifest.json": b'[{"Config": "c", "Layers": "l"}]'}, r"\[0\].Layers: must be a list of text"),
        ({"manifest.json": b'[{"Config": "c", "RepoTags": [1]}]'}, r"\[0\].RepoTags: must be a list of text"),
        ({"manifest.json": b'[{"Config": "c", "LayerSources": [1]}]'}, r"\[0\].LayerSources: must be an object"),
        ({"manifest.json": b'[{"Config": "c", "LayerSources": {"a": {"size": 1}}}]'}, r"LayerSources: layers\[0\].dig"),
        ({"manifest.json": b'[{"Config": "c", "RepoTags": null}]'}, "c has no name: say with --repository"),
    ],
)
def test_what_is_no_archive_of_docker_is_said(files: Files, said: str, tmp_path: Path) -> None:
    """With the path, the file in it, and what should be there."""
    path = saved(tmp_path, files)
    with pytest.raises((UsageError, ParseError, SourceError), match=said) as caught:
        collected(path, command="docker-archive")
    assert str(path) in str(caught.value)


def test_a_repeated_manifest_json_is_not_read(tmp_path: Path) -> None:
    """Tools differ in which one they take."""
    body = appended(tar(docker_24(local(image(["good"])), f"{APP}:1")), tar({"manifest.json": b"[]"}))
    with pytest.raises(SourceError, match=r"holds manifest\.json more than once"):
        collected(saved(tmp_path, body), command="docker-archive")
