"""OCI image layouts: what is told of them, by which names, and what damaged ones leave behind."""

from __future__ import annotations

import contextlib
import gzip
import json
from dataclasses import astuple
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from archives import (
    APP,
    CONTAINERD_NAME,
    NOON,
    REF_NAME,
    VERSION,
    Files,
    appended,
    blobs,
    changed,
    collected,
    docker_24,
    failures,
    layout,
    local,
    of,
    one,
    pointer,
    pushed,
    saved,
    tags,
    tar,
)
from hypothesis import given
from hypothesis import strategies as st
from population import (
    OCI_INDEX,
    OCI_MANIFEST,
    Document,
    artifact,
    document,
    image,
    index,
    release,
)

from imglab.errors import ParseError, SourceError, UsageError
from imglab.records import Blob, Config, History, IndexEntry, Layer, Manifest, TagObservation
from imglab.sources.layout import Name, parse_index, parse_saved, parse_saved_config, parse_version

# --- what a layout tells ---------------------------------------------------------------------------------------------


def test_an_image_is_told_as_a_registry_tells_it(tmp_path: Path) -> None:
    """Its documents as they are, its layers by their descriptors, its tag at the entry of index.json."""
    item = image(["base", "tool"])
    path = saved(tmp_path, one(item=item))
    records = collected(path)
    assert of(TagObservation, records) == [
        TagObservation(APP, "1.0", NOON, digest=item.manifest.digest, document=str(path))
    ]
    config, *layers = item.blobs
    assert of(Blob, records) == [
        Blob(item.manifest.digest, OCI_MANIFEST, item.manifest.body),
        Blob(config.digest, config.media_type, config.body),
    ]
    (manifest,) = of(Manifest, records)
    assert (manifest.digest, manifest.kind, manifest.config_digest) == (item.manifest.digest, "image", config.digest)
    assert [(layer.digest, layer.compressed_bytes) for layer in of(Layer, records)] == [
        (layer.digest, len(layer.body)) for layer in layers
    ]
    assert [step.created_by for step in of(History, records)] == ["RUN install base", "ENV STEP=1", "RUN install tool"]
    assert len(of(Config, records)) == 1 and not failures(records)


def test_indexes_attestations_and_artifacts_are_told(tmp_path: Path) -> None:
    """Through indexes of indexes, each document once; of what is no image no config is read."""
    inner = index("", None, release("inner")[:2])
    outer = index("", None, release("outer")[:2], attested=True, nested=[inner])
    report = artifact(outer.top, "report")
    files = layout(
        [
            pointer(outer.top, f"{APP}:1"),
            pointer(outer.top, f"{APP}:latest"),
            pointer(report.manifest, f"{APP}:report"),
        ],
        [*outer.documents, *outer.blobs, report.manifest],
    )
    records = collected(saved(tmp_path, files))
    assert tags(records) == {
        f"{APP}:1": outer.top.digest,
        f"{APP}:latest": outer.top.digest,
        f"{APP}:report": report.manifest.digest,
    }
    kinds = sorted(manifest.kind for manifest in of(Manifest, records))
    assert kinds == ["artifact", "attestation", "attestation", *["image"] * 4, "index", "index"]
    assert len(of(Config, records)) == 4
    assert len({blob.digest for blob in of(Blob, records)}) == len(of(Blob, records)) == 9 + 4
    assert len(of(IndexEntry, records)) == 5 + 2
    assert failures(records) == {}


def test_entries_of_unknown_types_are_not_read(tmp_path: Path) -> None:
    """The specification allows them: what they point at is seen, and no failure."""
    thing = Document("application/vnd.example.thing", b"{}")
    records = collected(saved(tmp_path, layout([pointer(thing, f"{APP}:thing")], [thing])))
    assert records == of(TagObservation, records) and tags(records) == {f"{APP}:thing": thing.digest}


def test_an_index_may_name_more_than_is_there(tmp_path: Path) -> None:
    """Copies of one platform keep the whole index: its other images are known by their entries, and no failures."""
    push = index("", None, release("app"), attested=True)
    records = collected(saved(tmp_path, pushed(push, f"{APP}:1", without=push.documents[1:-1])))
    assert failures(records) == {}
    assert [manifest.digest for manifest in of(Manifest, records)] == [push.top.digest, push.documents[0].digest]
    assert len(of(IndexEntry, records)) == 16


def test_an_index_without_any_image_is_a_failure(tmp_path: Path) -> None:
    """Then something was lost; the index itself and its tag are told."""
    push = index("", None, release("app")[:2])
    records = collected(saved(tmp_path, pushed(push, f"{APP}:1", without=push.documents[:-1])))
    assert failures(records) == {f"{APP}@{part.digest}": "not-found" for part in push.documents[:-1]}
    assert tags(records) == {f"{APP}:1": push.top.digest}


def test_what_is_held_is_not_told_again(tmp_path: Path) -> None:
    """But gone through: what it names may be new."""
    push = index("", None, release("app")[:2])
    records = collected(saved(tmp_path, pushed(push, f"{APP}:1")), held={push.top.digest, push.documents[0].digest})
    assert [blob.digest for blob in of(Blob, records)] == [
        push.documents[1].digest,
        *(part.digest for part in push.blobs if part.body.startswith(b"{")),
    ]
    assert of(IndexEntry, records) == [] and len(of(Layer, records)) == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"schemaVersion": 2}', "digest-mismatch"),
        (None, "not-found"),
        (b" " * (8 * 2**20 + 1), "too-large"),
    ],
    ids=["changed", "missing", "too large"],
)
@pytest.mark.parametrize("which", ["manifest", "config"])
def test_documents_that_are_not_what_was_announced(which: str, body: bytes | None, kind: str, tmp_path: Path) -> None:
    """A failure that names the image; the others are told."""
    bad, good = image(["bad"]), image(["good"])
    part = bad.manifest if which == "manifest" else bad.blobs[0]
    entries = [pointer(bad.manifest, f"{APP}:bad"), pointer(good.manifest, f"{APP}:good")]
    files = layout(entries, [bad.manifest, *bad.blobs, good.manifest, *good.blobs])
    records = collected(saved(tmp_path, changed(files, part, body)))
    assert failures(records) == {f"{APP}@{part.digest}": kind}
    assert tags(records) == {f"{APP}:bad": bad.manifest.digest, f"{APP}:good": good.manifest.digest}
    assert good.blobs[0].digest in {config.digest for config in of(Config, records)}


def test_sizes_are_verified(tmp_path: Path) -> None:
    """Also the one that index.json announces."""
    item = image(["one"])
    entry = {**pointer(item.manifest, f"{APP}:1"), "size": 1}
    records = collected(saved(tmp_path, layout([entry], [item.manifest, *item.blobs])))
    assert failures(records) == {f"{APP}@{item.manifest.digest}": "digest-mismatch"}


def test_a_document_that_is_none_is_a_failure(tmp_path: Path) -> None:
    """Verified bytes that say nothing sensible, and digests that cannot be verified."""
    unknown = "blake3:" + "a" * 64
    broken = Document(OCI_MANIFEST, b"{" * 100_000)
    wrong = document(OCI_MANIFEST, {"mediaType": OCI_INDEX, "manifests": []})
    other = {"mediaType": OCI_MANIFEST, "digest": unknown, "size": 1, "annotations": {REF_NAME: f"{APP}:b3"}}
    entries = [pointer(broken, f"{APP}:broken"), pointer(wrong, f"{APP}:wrong"), other]
    records = collected(saved(tmp_path, layout(entries, [broken, wrong])))
    assert failures(records) == {
        f"{APP}@{broken.digest}": "bad-document",
        f"{APP}@{wrong.digest}": "bad-document",
        f"{APP}@{unknown}": "unverifiable",
    }


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({REF_NAME: "1.0"}, Name("1.0", is_tag=True)),
        ({REF_NAME: "python"}, Name("python", is_tag=True)),
        ({REF_NAME: "python:1.0"}, Name("python:1.0")),
        ({REF_NAME: "team/app"}, Name("team/app")),
        ({CONTAINERD_NAME: "docker.io/library/app:1.0", REF_NAME: "1.0"}, Name("docker.io/library/app:1.0")),
        ({CONTAINERD_NAME: "sha256:" + "a" * 64, REF_NAME: "a"}, None),
        ({CONTAINERD_NAME: "", REF_NAME: ""}, None),
        ({REF_NAME: 1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_names_stand_in_annotations(annotations: dict[str, Any] | None, name: Name | None) -> None:
    """A reference, or by the specification a tag alone; containerd's own annotation says more."""
    entry = {**image(["a"]).manifest.descriptor(), "annotations": annotations}
    body = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    assert [found.name for found in parse_index(body, source="index.json")] == [name]


@pytest.mark.parametrize(
    ("name", "repository", "expected"),
    [
        ("1.0", APP, f"{APP}:1.0"),
        (f"{APP}:1.0", None, f"{APP}:1.0"),
        (f"{APP}:1.0", "registry.test/other", "registry.test/other:1.0"),
        ("python:1.0", None, "docker.io/library/python:1.0"),
        (f"{APP}:1.0@sha256:{'a' * 64}", None, f"{APP}:1.0"),
    ],
)
def test_a_tag_is_observed_in_its_repository(name: str, repository: str | None, expected: str, tmp_path: Path) -> None:
    """The one in the name, or the one that was given."""
    records = collected(saved(tmp_path, one(name)), repository=repository)
    assert list(tags(records)) == [expected]


@pytest.mark.parametrize(
    ("name", "repository"), [(None, APP), (APP, None), (f"{APP}@sha256:{'a' * 64}", None), ("team/app", None)]
)
def test_an_image_without_a_tag_is_told_alone(name: str | None, repository: str | None, tmp_path: Path) -> None:
    """Its content, and no observation: no tag is implied."""
    records = collected(saved(tmp_path, one(name)), repository=repository)
    assert tags(records) == {} and failures(records) == {}
    assert len(of(Manifest, records)) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "has no name: say with --repository"),
        ("1.0", "is named by the tag 1.0 alone: give its repository with --repository"),
        ("v1+build", "has a name that is none"),
        ("Team/App:1", "has capitals"),
        ("\udcff", "has a name that is none"),
        ("a b", "has a name that is none"),
        ("x" * 100_000, "has a name that is none"),
    ],
)
def test_nothing_that_can_be_named_is_an_error(name: str | None, said: str, tmp_path: Path) -> None:
    """It says what to do, on one line."""
    path = saved(tmp_path, one(name))
    with pytest.raises(UsageError, match=said) as caught:
        collected(path)
    assert len(str(caught.value)) < 1000 and "\n" not in str(caught.value)
    str(caught.value).encode()


def test_some_that_cannot_be_named_are_failures(tmp_path: Path) -> None:
    """One for each, beside the images that have a name; an entry without one is none if another names its image."""
    named, bare, bad, silent = (image([name]) for name in ("named", "bare", "bad", "silent"))
    entries = [
        pointer(named.manifest),
        pointer(named.manifest, f"{APP}:1"),
        pointer(bare.manifest, "2"),
        pointer(bad.manifest, "v1+build"),
        pointer(silent.manifest),
    ]
    parts = [part for item in (named, bare, bad, silent) for part in (item.manifest, *item.blobs)]
    records = collected(saved(tmp_path, layout(entries, parts)))
    assert failures(records) == {
        bare.manifest.digest: "no-repository",
        bad.manifest.digest: "bad-name",
        silent.manifest.digest: "no-repository",
    }
    assert [manifest.digest for manifest in of(Manifest, records)] == [named.manifest.digest]


def test_a_tag_that_stands_for_two_images_is_a_failure(tmp_path: Path) -> None:
    """Readers differ in which they take; both images are told, and other tags."""
    first, second = image(["first"]), image(["second"])
    entries = [pointer(first.manifest, f"{APP}:1"), pointer(second.manifest, f"{APP}:1")]
    entries += [pointer(first.manifest, f"{APP}:2"), pointer(first.manifest, f"{APP}:2")]
    files = layout(entries, [first.manifest, *first.blobs, second.manifest, *second.blobs])
    records = collected(saved(tmp_path, files))
    assert failures(records) == {f"{APP}:1": "ambiguous"}
    assert tags(records) == {f"{APP}:2": first.manifest.digest}
    assert len(of(Manifest, records)) == 2


def test_one_repository_does_not_stand_for_several(tmp_path: Path) -> None:
    """Tags of different repositories would become one history."""
    first, second = image(["first"]), image(["second"])
    entries = [pointer(first.manifest, f"{APP}:1"), pointer(second.manifest, "registry.test/other:1")]
    path = saved(tmp_path, layout(entries, [first.manifest, *first.blobs, second.manifest, *second.blobs]))
    with pytest.raises(UsageError, match=r"images of 2 repositories .*leave out --repository"):
        collected(path, repository=APP)
    assert len(tags(collected(path))) == 2


# --- what is no layout -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no oci-layout file"),
        ({"index.json": b"{}"}, "no oci-layout file"),
        ({"manifest.json": b"[]"}, "try imglab import docker-archive"),
        ({"oci-layout": b"{}", "index.json": b"{}"}, "imageLayoutVersion: must be 1.0.0"),
        ({"oci-layout": b'{"imageLayoutVersion": "2.0.0"}', "index.json": b"{}"}, "must be 1.0.0"),
        ({"oci-layout": b"[1]", "index.json": b"{}"}, "must be 1.0.0"),
        ({"oci-layout": b"\xff", "index.json": b"{}"}, "must be UTF-8"),
        (VERSION, "no index.json"),
        ({**VERSION, "index.json": b""}, "index.json: must be JSON"),
        ({**VERSION, "index.json": b"[]"}, "index.json: must be a JSON object"),
        ({**VERSION, "index.json": b'{"schemaVersion": 1}'}, "must be an image index"),
        ({**VERSION, "index.json": b'{"manifests": ' + b"[" * 100_000}, "nested so deeply"),
        ({**VERSION, "index.json": b'{"manifests": [{"digest": "../../x"}]}'}, "must be a digest"),
        ({**VERSION, "index.json": b'{"manifests": [], "layers": []}'}, "must not stand beside"),
        ({**VERSION, "index.json": b'{"manifests": null}'}, "holds no image"),
        ({**VERSION, "index.json": b" " * (8 * 2**20 + 1)}, "more than the 8,388,608"),
    ],
)
def test_what_is_no_layout_is_said(files: Files, said: str, tmp_path: Path) -> None:
    """With the path, the file in it, and what should be there; nothing is told."""
    path = saved(tmp_path, files)
    with pytest.raises((UsageError, ParseError, SourceError), match=said) as caught:
        collected(path)
    assert str(path) in str(caught.value)
    assert getattr(caught.value, "kind", "unreadable") == "unreadable"


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_a_repeated_index_is_not_read(name: str, tmp_path: Path) -> None:
    """Unpacking takes the last one, reading in a stream the first: nobody is to be shown another image."""
    path = saved(tmp_path, appended(tar(one()), tar({name: one("evil:1")[name]})))
    with pytest.raises(SourceError, match=f"holds {name} more than once"):
        collected(path)


def test_a_repeated_blob_is_verified(tmp_path: Path) -> None:
    """Its digest tells which one is meant; the first is looked at."""
    item = image(["one"])
    files = one(item=item)
    ((name, body),) = blobs([item.manifest]).items()
    path = saved(tmp_path, appended(tar({name: body}), tar(files)))
    assert failures(collected(path)) == {}
    path = saved(tmp_path, appended(tar({name: b"{}"}), tar(files)))
    assert failures(collected(path)) == {f"{APP}@{item.manifest.digest}": "digest-mismatch"}


def test_a_layout_may_hold_a_manifest_json_of_its_own(tmp_path: Path) -> None:
    """Other files are allowed there, and mean nothing."""
    for other in (b"{}", b"no JSON", b'[{"Config": 1}]'):
        records = collected(saved(tmp_path, {**one(), "manifest.json": other}))
        assert list(tags(records)) == [f"{APP}:1.0"]


def test_a_folder_and_a_packed_archive_give_the_same(tmp_path: Path) -> None:
    """Unpacked, as a tar, and packed: the rows are one another's."""
    files = pushed(index("", None, release("app")[:3], attested=True), f"{APP}:1")
    (tmp_path / "layout").mkdir()
    for name, body in files.items():
        (tmp_path / "layout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "layout" / name).write_bytes(body)
    places = [
        tmp_path / "layout",
        saved(tmp_path, files),
        saved(tmp_path, {f"./{name}": body for name, body in files.items()}, "dots.tar"),
        saved(tmp_path, gzip.compress(tar(files)), "images.tgz"),
    ]
    told = [{str(record) for record in collected(path) if not isinstance(record, TagObservation)} for path in places]
    assert told[0] and all(records == told[0] for records in told)


# --- arbitrary input -------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
KEYS = ("manifests", "digest", "size", "annotations", "Config", "Layers", "RepoTags", "LayerSources", REF_NAME)
like_ours = st.recursive(
    json_values | st.sampled_from(["sha256:" + "a" * 64, "app:1", "x/../y", f"{APP}:1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=30,
)


@given(st.binary() | like_ours.map(lambda value: json.dumps(value).encode()))
def test_parsers_raise_only_parse_errors(body: bytes) -> None:
    """Whatever stands in the documents of an archive."""
    for parse in (parse_index, parse_saved, parse_version):
        try:
            assert parse(body, source="x") is not None
        except ParseError as error:
            assert str(error).startswith("x")
    digest = "sha256:" + "a" * 64
    try:
        rows, diff_ids = parse_saved_config(body, digest=digest, layer_count=1)
    except ParseError as error:
        assert str(error).startswith(digest)
    else:
        assert rows
        assert len(diff_ids) == 1


@given(like_ours, like_ours)
def test_archives_of_anything_raise_only_our_errors(index_json: object, manifest_json: object) -> None:
    """Or give records that can be stored."""
    files = {**VERSION, "index.json": json.dumps(index_json).encode()}
    files["manifest.json"] = json.dumps(manifest_json).encode()
    for command, without in (("oci-layout", ""), ("docker-archive", ""), ("docker-archive", "oci-layout")):
        with TemporaryDirectory() as folder:
            path = saved(Path(folder), {name: body for name, body in files.items() if name != without})
            try:
                records = collected(path, command=command, repository=APP)
            except (UsageError, ParseError, SourceError) as error:
                str(error).encode()
            else:
                assert all(str(value).encode() for record in records for value in astuple(record))


@given(st.data())
def test_damaged_archives_raise_only_our_errors(data: st.DataObject) -> None:
    """Or tell what is sound in them."""
    item = local(image(["base"]))
    command, files = data.draw(
        st.sampled_from([("oci-layout", one(item=item)), ("docker-archive", docker_24(item, f"{APP}:1"))])
    )
    name = data.draw(st.sampled_from(sorted(files)))
    offset, change = data.draw(st.integers(0, len(files[name]))), data.draw(st.binary(max_size=8))
    body = files[name][:offset] + change + files[name][offset + data.draw(st.integers(0, 20)) :]
    with TemporaryDirectory() as folder:
        path = saved(Path(folder), {**files, name: body})
        with contextlib.suppress(UsageError, ParseError, SourceError):
            told = collected(path, command=command, repository=APP)
            assert {blob.body for blob in of(Blob, told)} <= {*files.values(), body}
