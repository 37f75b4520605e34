"""References, platforms, digests, and the documents of registries in every kind met."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imglab import oci
from imglab.errors import InvalidReference, ParseError
from imglab.oci import Child, Platform, Reference, check_digest, parse_config, parse_manifest, parse_time, split_target
from imglab.records import Config, History, IndexEntry, Layer, Manifest, Record

A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def descriptor(digest: str, size: object = 10, media_type: str | None = GZIP, **more: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": oci.OCI_INDEX,
    "manifests": [
        descriptor(A, 100, oci.OCI_MANIFEST, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
        descriptor(
            B,
            200,
            oci.OCI_MANIFEST,
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": A},
        ),
    ],
}
ABOUT = {"vnd.docker.reference.digest": A}
IMAGE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": oci.OCI_MANIFEST,
    "config": descriptor(C, 30, OCI_CONFIG),
    "layers": [descriptor(A, 5), descriptor(B, 7), descriptor(A, 5)],
}
CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2024-02-29T12:00:00.123456789+02:00",
    "config": {"Env": ["A=b"], "Cmd": ["sh"], "Entrypoint": None, "Labels": {"z": "1", "a": "2"}, "User": ""},
    "rootfs": {"type": "layers", "diff_ids": [A]},
    "history": [
        {"created": "2024-02-29T12:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:0123456789ab in / "},
        {"created_by": 'CMD ["sh"]', "empty_layer": True, "comment": "buildkit.dockerfile.v0"},
    ],
}


# --- references ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("python", "docker.io/library/python"),
        ("python:3.14", "docker.io/library/python:3.14"),
        ("grafana/grafana", "docker.io/grafana/grafana"),
        ("index.docker.io/python", "docker.io/library/python"),
        ("registry-1.docker.io/library/python", "docker.io/library/python"),
        ("registry.hub.docker.com/library/python", "docker.io/library/python"),
        ("docker.io/grafana/grafana", "docker.io/grafana/grafana"),
        ("ghcr.io/python", "ghcr.io/python"),
        ("GHCR.io/owner/name", "ghcr.io/owner/name"),
        ("rocket.chat:10", "docker.io/library/rocket.chat:10"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/team/app:x", "localhost:5000/team/app:x"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app"),
        ("[::1]:5000/app:x", "[::1]:5000/app:x"),
        (f"python@{A}", f"docker.io/library/python@{A}"),
        (f"python:3@{A}", f"docker.io/library/python:3@{A}"),
        ("quay.io/a__b/c--d/e.f_g", "quay.io/a__b/c--d/e.f_g"),
        ("quay.io/a/b:_" + "x" * 127, "quay.io/a/b:_" + "x" * 127),
        ("ghcr.io/" + "a" * 247, "ghcr.io/" + "a" * 247),
    ],
)
def test_reference_is_canonical(text: str, canonical: str) -> None:
    """Short names are expanded, and the canonical text names the same thing."""
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert Reference.parse(canonical) == reference
    assert canonical.startswith(reference.repository)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty text"),
        ("Python", "capitals"),
        ("ghcr.io/Owner/name", "capitals"),
        ("ghcr.io//name", "empty"),
        ("ghcr.io/name/", "empty"),
        ("/name", "empty"),
        ("a..b/", "no host name"),
        ("10.0.0.256:5000/x", "no host name"),
        ("010.0.0.1/x", "no host name"),
        ("[10.0.0.1]:5000/x", "no host name"),
        ("[::1::]/x", "no host name"),
        ("python:", "no tag"),
        ("127.0.0.1:5000", "it is a registry: add a repository, as in 127.0.0.1:5000/owner/name"),
        ("localhost", "it is a registry"),
        ("[::1]:5000", "it is a registry: add a repository"),
        ("registry.example.com:5000", "it is a registry"),
        ("python:-x", "no tag"),
        ("python:.x", "no tag"),
        ("python:..", "no tag"),
        ("python:" + "x" * 129, "no tag"),
        ("py thon", "blanks"),
        ("python\n", "blanks"),
        ("https://ghcr.io/a/b", "URL"),
        ("ghcr.io/" + "a" * 248, "longer than 255"),
        ("a" * 3000, "too long"),
        ("python@sha256:abc", "64 lower-case"),
        ("python@sha256:" + "A" * 64, "64 lower-case"),
        ("python@sha256:../../etc", "no digest"),
        ("python@", "no digest"),
        ("localhost:99999/x", "port"),
        ("-bad-.io/x", "no host name"),
        ("a_b/c_/d", "joined by"),
        ("quay.io/a..b", "joined by"),
        ("quay.io/a___b", "joined by"),
        ("quay.io/a._b", "joined by"),
        ("quay.io/../x", "joined by"),
    ],
)
def test_what_is_no_reference_says_why(text: str, reason: str) -> None:
    """Every invalid form has one clear line."""
    with pytest.raises(InvalidReference, match=reason) as caught:
        Reference.parse(text)
    assert "\n" not in str(caught.value)


component = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
registry = st.sampled_from(["docker.io", "ghcr.io", "localhost:5000", "127.0.0.1:1", "[::1]:65535", "a-b.example"])
tag = st.none() | st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)
digest = st.none() | st.sampled_from([A, "sha512:" + "0" * 128, "blake3:" + "e" * 64, "a+b.c:xyz="])


@given(registry, st.lists(component, min_size=2, max_size=4), tag, digest)
def test_reference_survives_print_and_parse(
    registry: str, path: list[str], tag: str | None, digest: str | None
) -> None:
    """Parsing what was printed gives the same reference."""
    reference = Reference(registry, "/".join(path), tag, digest)
    assert Reference.parse(str(reference)) == reference


@example("Z/0")  # a word in capitals is no registry: written in small letters it would be another repository
@given(st.text(alphabet="abZ0:/@.[]-_ *?\né", max_size=40))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    """No text breaks the parser, and what it takes is stable."""
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)) == reference


def test_tag_patterns_are_split_off() -> None:
    """A pattern is no reference; it stands beside one without a tag."""
    assert split_target("python:3.*") == (Reference("docker.io", "library/python"), "3.*")
    assert split_target("localhost:5000/a/b:[ab]?") == (Reference("localhost:5000", "a/b"), "[ab]?")
    assert split_target("[::1]:5000/a") == (Reference("[::1]:5000", "a"), None)
    assert split_target("python:3") == (Reference("docker.io", "library/python", "3"), None)
    with pytest.raises(InvalidReference):
        Reference.parse("python:3.*")
    with pytest.raises(InvalidReference, match="one of them"):
        split_target(f"python:*@{A}")


def test_digests() -> None:
    """Known algorithms are checked in full, unknown ones by the grammar."""
    body = b"{}"
    assert oci.digest_of(body) == "sha256:" + hashlib.sha256(body).hexdigest()
    assert oci.digest_of(body, "sha512") == "sha512:" + hashlib.sha512(body).hexdigest()
    blake3 = "blake3:" + "c" * 64
    for text in (A, "sha512:" + "b" * 128, blake3, "md5:abc", "multihash+base58:QmRZxt2b", "sha256+b64u:LCa0_a-j="):
        assert check_digest(text) == text
    assert oci.is_verifiable(A) and not oci.is_verifiable(blake3)
    for text in (
        "sha256:" + "a" * 63,
        "sha256:" + "A" * 64,
        "sha512:" + "a" * 64,
        "x",
        ":",
        "a:b/c",
        "a:..",
        "a:" + "b" * 511,
        "blake3:abc",
        "blake3:" + "C" * 64,
        "sha512:" + "a" * 127 + "A",
        "a..b:c",
        "+a:c",
        "SHA256:" + "a" * 64,
    ):
        with pytest.raises(InvalidReference):
            check_digest(text)
    with pytest.raises(InvalidReference):
        oci.digest_of(body, "md5")


# --- platforms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("linux", "x86_64", None), "linux/amd64"),
        (("linux", "amd64", "v1"), "linux/amd64"),
        (("linux", "amd64", "v3"), "linux/amd64/v3"),
        (("linux", "aarch64", "v8"), "linux/arm64"),
        (("linux", "arm64", "8"), "linux/arm64"),
        (("linux", "arm64", "v9"), "linux/arm64/v9"),
        (("linux", "arm", None), "linux/arm/v7"),
        (("linux", "arm", "5"), "linux/arm/v5"),
        (("linux", "armhf", None), "linux/arm/v7"),
        (("linux", "armel", None), "linux/arm/v6"),
        (("linux", "i386", "x"), "linux/386"),
        (("Linux", "S390X", None), "linux/s390x"),
        (("macos", "arm64", None), "darwin/arm64"),
        ((None, None, None), "unknown/unknown"),
    ],
)
def test_platforms_are_normalised_as_containerd_does(parts: tuple[str | None, ...], text: str) -> None:
    """One platform has one text, and that text parses to itself."""
    platform = Platform.normalised(*parts)
    assert str(platform) == text
    assert Platform.parse(text) == platform


def test_windows_version_is_beside_the_text() -> None:
    """Two Windows versions are two platforms with one text."""
    old, new = (Platform.normalised("windows", "amd64", None, version) for version in ("10.0.1", "10.0.2"))
    assert old != new and str(old) == str(new) == "windows/amd64"
    for text in ("linux", "a/b/c/d", "linux/", "linux/a b", ""):
        with pytest.raises(InvalidReference):
            Platform.parse(text)


# --- documents -------------------------------------------------------------------------------------------------------


def test_index() -> None:
    """An index gives a row of its own, one per entry, and its manifests as children; attestations name their image."""
    document = parse_manifest(encoded(INDEX), digest=D, media_type=f"{oci.OCI_INDEX}; charset=utf-8")
    row, first, second = document.records
    assert row == Manifest(D, oci.OCI_INDEX, "index")
    assert isinstance(first, IndexEntry) and isinstance(second, IndexEntry)
    assert (first.manifest_digest, first.manifest_bytes, first.variant, first.attests_digest) == (A, 100, "v8", None)
    assert (second.position, second.attests_digest) == (1, A)
    assert document.children[0] == Child(A, oci.OCI_MANIFEST, 100, Platform("linux", "arm64"))
    assert document.children[1].attests_digest == A
    assert document.config is None


def test_index_in_its_poorest_forms() -> None:
    """Empty and null lists, a missing platform, a nested index and a child of unknown type are all fine."""
    for manifests in ([], None):
        body = encoded({"mediaType": oci.DOCKER_LIST, "manifests": manifests})
        assert len(parse_manifest(body, digest=D, media_type=None).records) == 1
    entries = [
        {"digest": A, "size": 1, "platform": None, "annotations": None},
        descriptor(B, None, oci.OCI_INDEX),
        descriptor(C, 3, "application/vnd.example.thing"),
        descriptor(D, 3, oci.OCI_MANIFEST, artifactType="application/vnd.docker.attestation.manifest.v1+json"),
    ]
    document = parse_manifest(encoded({"manifests": entries}), digest=D, media_type=oci.OCI_INDEX)
    assert [child.digest for child in document.children] == [A, B, D]
    assert document.children[0].platform is None
    assert len(document.records) == 5


def test_all_that_tells_platforms_apart_is_kept() -> None:
    """Five parts, as they were written: normalising is for those who compare."""
    platform = {"os": "windows", "architecture": "x86_64", "variant": "v1", "os.version": "10.0.20348.1"}
    platform |= {"os.features": ["win32k"], "features": ["sse4"]}
    document = parse_manifest(encoded({"manifests": [descriptor(A, platform=platform)]}), digest=D, media_type=None)
    row = document.records[1]
    assert isinstance(row, IndexEntry)
    assert (row.os, row.architecture, row.variant) == ("windows", "x86_64", "v1")
    assert (row.os_version, row.os_features, row.features) == ("10.0.20348.1", ["win32k"], ["sse4"])
    typed = [descriptor(A, 1, oci.OCI_MANIFEST, platform=platform)]
    children = parse_manifest(encoded({"manifests": typed}), digest=D, media_type=None).children
    assert [child.platform for child in children] == [Platform("windows", "amd64", "", "10.0.20348.1")]


@pytest.mark.parametrize(
    ("entry", "attests"),
    [
        ({"annotations": {"vnd.docker.reference.type": "attestation-manifest", **ABOUT}}, A),
        ({"artifactType": "application/vnd.docker.attestation.manifest.v1+json", "annotations": ABOUT}, A),
        ({"annotations": {"vnd.docker.reference.type": "other", **ABOUT}}, None),
        ({"artifactType": "application/vnd.example", "annotations": ABOUT}, None),
        ({"annotations": ABOUT}, None),
        ({"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}, None),
        ({"annotations": {"vnd.docker.reference.type": ["attestation-manifest"], "x": 1, "y": None, **ABOUT}}, None),
    ],
)
def test_who_attests_says_so(entry: dict[str, Any], attests: str | None) -> None:
    """By its type as an annotation or an artifact; other annotations, text or not, mean nothing here."""
    body = encoded({"manifests": [{**descriptor(B, 1, oci.OCI_MANIFEST), **entry}]})
    document = parse_manifest(body, digest=D, media_type=None)
    assert [row.attests_digest for row in document.records if isinstance(row, IndexEntry)] == [attests]
    assert [child.attests_digest for child in document.children] == [attests]


def test_image() -> None:
    """An image has its layers by position, repeats counted, and its config to fetch."""
    document = parse_manifest(encoded(IMAGE), digest=D, media_type=oci.OCI_MANIFEST)
    row, *layers = document.records
    assert row == Manifest(D, oci.OCI_MANIFEST, "image", C, layer_count=3, compressed_bytes=17)
    assert [(layer.position, layer.digest) for layer in layers if isinstance(layer, Layer)] == [(0, A), (1, B), (2, A)]
    assert document.config == Child(C, OCI_CONFIG, 30)
    assert document.kind == "image"


def test_docker_image_with_foreign_and_zstd_layers() -> None:
    """Foreign is what the media type says, not the presence of URLs; unknown types are kept."""
    layers = [
        descriptor(A, 1, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["https://x.example/a"]),
        descriptor(B, 2, "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
        descriptor(C, 3, GZIP, urls=["https://x.example/b"]),
        descriptor(D, 4, "application/x-new"),
    ]
    config = descriptor(C, 9, "application/vnd.docker.container.image.v1+json")
    body = encoded({"mediaType": oci.DOCKER_MANIFEST, "config": config, "layers": layers})
    document = parse_manifest(body, digest=D, media_type=oci.DOCKER_MANIFEST)
    found = [layer for layer in document.records if isinstance(layer, Layer)]
    assert [layer.is_foreign for layer in found] == [True, True, False, False]
    assert [layer.compressed_bytes for layer in found] == [1, 2, 3, 4]
    assert found[0].foreign_urls == ["https://x.example/a"]
    assert found[3].media_type == "application/x-new"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"layers": [descriptor(A, 1, "application/vnd.in-toto+json")]}, "attestation"),
        ({"artifactType": "application/vnd.docker.attestation.manifest.v1+json"}, "attestation"),
        ({"artifactType": "application/vnd.example.sbom", "config": descriptor(C, 2, oci.EMPTY_TYPE)}, "artifact"),
        ({"config": descriptor(C, 2, "application/vnd.cncf.helm.config.v1+json")}, "artifact"),
        ({"config": descriptor(C, 2, None)}, "artifact"),
        ({"config": None}, "artifact"),
        ({"config": descriptor(C, 2, "application/vnd.oci.empty.v1+json")}, "artifact"),
        ({"artifactType": "application/vnd.example"}, "artifact"),
        ({"layers": [descriptor(A, 1, "application/vnd.dev.cosign.simplesigning.v1+json")]}, "artifact"),
        ({"layers": [descriptor(A, 1, "application/vnd.dsse.envelope.v1+json")]}, "artifact"),
        ({"layers": [descriptor(A, 1, "text/spdx+json")]}, "artifact"),
    ],
)
def test_what_is_not_an_image_has_no_config_to_read(changes: dict[str, Any], kind: str) -> None:
    """Attestations and artifacts are recorded as such, and their configs are left alone."""
    body = encoded({**IMAGE, "subject": descriptor(B), **changes})
    document = parse_manifest(body, digest=D, media_type=oci.OCI_MANIFEST)
    row = document.records[0]
    assert isinstance(row, Manifest)
    assert (document.kind, row.kind, row.subject_digest, document.config) == (kind, kind, B, None)


@pytest.mark.parametrize(
    "types",
    [
        [],
        [None],
        ["application/vnd.oci.image.layer.v1.tar"],
        ["application/vnd.oci.image.layer.v1.tar+zstd"],
        ["application/vnd.docker.image.rootfs.diff.tar.gzip"],
        ["application/vnd.docker.image.rootfs.diff.tar.zstd"],
        ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
        ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"],
        ["application/vnd.in-toto+json", "application/vnd.oci.image.layer.v1.tar"],
        ["application/x-new", "application/vnd.docker.image.rootfs.diff.tar"],
    ],
)
def test_layers_of_files_make_an_image(types: list[str | None]) -> None:
    """However they are packed, and whatever lies beside them; an image may have no layer at all."""
    layers = [descriptor(A, number + 1, media_type) for number, media_type in enumerate(types)]
    document = parse_manifest(encoded({**IMAGE, "layers": layers}), digest=D, media_type=oci.OCI_MANIFEST)
    assert (document.kind, document.config) == ("image", Child(C, OCI_CONFIG, 30))
    found = [(layer.media_type, layer.compressed_bytes) for layer in document.records if isinstance(layer, Layer)]
    assert found == [(media_type, number + 1) for number, media_type in enumerate(types)]


def schema1() -> dict[str, Any]:
    newest = {
        "id": "2",
        "os": "linux",
        "architecture": "amd64",
        "created": "2015-01-02T00:00:00Z",
        "throwaway": True,
        "container_config": {"Cmd": ["/bin/sh", "-c", '#(nop) CMD ["sh"]']},
        "config": {"Cmd": ["sh"]},
    }
    oldest = {
        "id": "1",
        "created": "2015-01-01T00:00:00Z",
        "container_config": {"Cmd": ["/bin/sh -c #(nop) ADD x in /"]},
    }
    return {
        "schemaVersion": 1,
        "fsLayers": [{"blobSum": B}, {"blobSum": A}],
        "history": [{"v1Compatibility": json.dumps(entry)} for entry in (newest, oldest)],
    }


def test_schema1_is_read_base_first() -> None:
    """Old manifests list their newest layer first; rows start at the base."""
    document = parse_manifest(encoded(schema1()), digest=D, media_type=oci.SCHEMA1_SIGNED)
    row = document.records[0]
    assert row == Manifest(D, oci.SCHEMA1_SIGNED, "schema1", f"v1:2@{D}", layer_count=2)
    assert [r.digest for r in document.records if isinstance(r, Layer)] == [A, B]
    steps = [r for r in document.records if isinstance(r, History)]
    assert [(s.config_digest, s.instruction, s.is_empty_layer) for s in steps] == [
        (f"v1:2@{D}", "ADD", False),
        (f"v1:2@{D}", "CMD", True),
    ]
    assert [r.cmd for r in document.records if isinstance(r, Config)] == [["sh"]]
    assert document.config is None and document.children == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"history": None},
        {"history": [{"v1Compatibility": "{"}]},
        {"history": [{"v1Compatibility": None}]},
        {"history": [1]},
        {"history": []},
        {"history": [{"v1Compatibility": "[]"}]},
        {"history": [{}], "fsLayers": [{"blobSum": 1}]},
        {"fsLayers": "x"},
    ],
)
def test_unreadable_schema1_is_still_recorded(changes: dict[str, Any]) -> None:
    """What cannot be read of an old manifest is left out; the manifest is there."""
    row = parse_manifest(encoded({**schema1(), **changes}), digest=D, media_type=None).records[0]
    assert isinstance(row, Manifest)
    assert (row.kind, row.media_type) == ("schema1", oci.SCHEMA1)


def test_digest_of_signed_schema1_is_that_of_the_payload() -> None:
    """The signature is cut out as Docker's registry does before it names the manifest."""
    payload = b'{\n   "schemaVersion": 1\n}'
    frame = {
        "formatLength": len(payload) - 2,
        "formatTail": base64.urlsafe_b64encode(payload[-2:]).decode().rstrip("="),
    }
    protected = base64.urlsafe_b64encode(encoded(frame)).decode().rstrip("=")
    signed = payload[:-2] + b',\n   "signatures": ' + encoded([{"protected": protected}]) + b"}"
    assert oci.signed_payload(signed) == payload
    for other in (payload, b'{"signatures": 1}', b'"signatures"', b'{"signatures": [{"protected": "e30"}]}'):
        assert oci.signed_payload(other) == other


@pytest.mark.parametrize(
    ("body", "media_type", "place"),
    [
        (encoded({**IMAGE, "manifests": []}), None, "manifests"),
        *((encoded({"manifests": [], key: []}), None, "manifests") for key in ("config", "layers", "fsLayers")),
        *(
            (encoded({"mediaType": oci.OCI_INDEX, key: []}), None, "is that of an index")
            for key in ("config", "layers", "fsLayers")
        ),
        *(
            (encoded({"manifests": []}), media_type, "must not stand in a document of the type")
            for media_type in (oci.OCI_MANIFEST, f"{oci.DOCKER_MANIFEST};x=y", oci.SCHEMA1, oci.SCHEMA1_SIGNED)
        ),
        (encoded({"mediaType": oci.OCI_MANIFEST, "manifests": []}), None, "must not stand in a document of the type"),
        (encoded({**IMAGE, "mediaType": None}), oci.DOCKER_LIST, "is that of an index"),
        (encoded(IMAGE), f"{oci.DOCKER_MANIFEST}; charset=utf-8", "mediaType"),
        (encoded(IMAGE), oci.DOCKER_MANIFEST.upper(), "mediaType"),
        (encoded({**INDEX, "mediaType": oci.OCI_MANIFEST}), oci.OCI_INDEX, "mediaType"),
        (encoded({"manifests": [descriptor(A, -1)]}), None, "size"),
        (encoded({"manifests": [descriptor(A, 1.5)]}), None, "size"),
        (encoded({"manifests": [descriptor(A, True)]}), None, "size"),
        (encoded({"manifests": [descriptor(A, 2**63)]}), None, "size"),
        (encoded({"manifests": [descriptor(A, "1")]}), None, "size"),
        (encoded({**IMAGE, "layers": [descriptor(A, 2**62)] * 2}), None, "2\\^63"),
        (encoded({"manifests": [{"size": 1}]}), None, "digest"),
        (encoded({"manifests": [descriptor("sha256:../../x")]}), None, "digest"),
        (encoded({"manifests": {}}), None, "list of objects"),
        (encoded({"manifests": [1]}), None, "list of objects"),
        (encoded({"manifests": [descriptor(A, platform=[])]}), None, "platform"),
        (encoded({"manifests": [descriptor(A, platform={"os": 1})]}), None, "os"),
        (encoded({}), oci.OCI_MANIFEST, "config and layers"),
        (encoded([]), None, "object"),
        (b"", None, "JSON"),
        (b"\xff", None, "UTF-8"),
        (b'{"a":' * 100_000, None, "nested"),
        (b"1" * 10_000, None, "JSON"),
    ],
)
def test_bad_documents_are_refused(body: bytes, media_type: str | None, place: str) -> None:
    """A document that is not what it says, or holds what cannot be, names the place."""
    with pytest.raises(ParseError, match=place):
        parse_manifest(body, digest=D, media_type=media_type)


def test_config() -> None:
    """A config gives its facts and its steps with their labels."""
    row, *steps = parse_config(encoded(CONFIG), digest=C)
    assert isinstance(row, Config)
    assert row.created_at == datetime(2024, 2, 29, 10, 0, 0, 123456, tzinfo=UTC)
    assert (row.labels, row.cmd, row.entrypoint, row.user, row.diff_ids) == (["a=2", "z=1"], ["sh"], None, None, [A])
    first, second = steps
    assert isinstance(first, History) and isinstance(second, History)
    assert (first.instruction, first.step_label, first.is_empty_layer) == ("ADD", "ADD root filesystem", False)
    assert (second.position, second.is_empty_layer, second.comment) == (1, True, "buildkit.dockerfile.v0")


def test_config_of_nulls() -> None:
    """Every optional field may be null, and an empty object is a config too."""
    nothing = dict.fromkeys(CONFIG)
    assert parse_config(encoded(nothing), digest=C) == parse_config(b"{}", digest=C) == [Config(C)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-01-02T03:04:05.999999999Z", datetime(2024, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)),
        ("2024-01-02T03:04:05.5-07:00", datetime(2024, 1, 2, 10, 4, 5, 500000, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("2024-02-30T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (12, None),
    ],
)
def test_times(text: object, moment: datetime | None) -> None:
    """Times are UTC to the microsecond; what says nothing is null."""
    assert parse_time(text) == moment


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([A, OCI_CONFIG]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted({*INDEX, *IMAGE, *CONFIG})), inner)
    ),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One of the good documents with a part replaced, or cut, or with bytes changed."""
    document = draw(st.sampled_from([INDEX, IMAGE, CONFIG, schema1()]))
    document = json.loads(json.dumps(document))
    place: Any = document
    for _ in range(draw(st.integers(0, 3))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        inner = [key for key in keys if isinstance(place[key], dict | list)]
        if inner:
            place = place[draw(st.sampled_from(inner))]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    if keys:
        place[draw(st.sampled_from(keys))] = draw(json_value)
    body = bytearray(encoded(document))
    if draw(st.booleans()):
        body = body[: draw(st.integers(0, len(body)))]
    if body and draw(st.booleans()):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body)


@given(mutated(), st.sampled_from([None, *oci.MANIFEST_TYPES]))
def test_any_body_is_read_or_refused(body: bytes, media_type: str | None) -> None:
    """Parsers raise nothing but ParseError, and every text that they give can be stored."""
    rows: list[Record] = []
    for parse in (
        lambda: list(parse_manifest(body, digest=D, media_type=media_type).records),
        lambda: parse_config(body, digest=D),
    ):
        try:
            rows += parse()
        except ParseError as error:
            assert "\n" not in str(error)
    values = [value for row in rows for value in dataclasses.astuple(row)]
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    assert all(text.encode() is not None for text in texts if isinstance(text, str))


def test_lone_surrogates_are_replaced() -> None:
    """JSON can name half a character; no table can hold it."""
    rows = parse_config(
        b'{"author": "x", "docker_version": "\\ud800", "config": {"Labels": {"a": "\\udfff"}}}', digest=C
    )
    assert isinstance(rows[0], Config)
    assert (rows[0].docker_version, rows[0].labels) == ("?", ["a=?"])


@pytest.mark.parametrize("attested", ["\ud800", "latest", "sha256:AB", 7, None])
def test_what_is_attested_is_a_digest_or_unknown(attested: object) -> None:
    """An annotation is anybody's text; a lone surrogate in it would fail a whole run."""
    annotations = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": attested}
    entry = {"mediaType": "x", "digest": "sha256:" + "a" * 64, "size": 1, "annotations": annotations}
    body = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    document = oci.parse_manifest(body, digest="sha256:" + "b" * 64, media_type=None)
    assert [record.attests_digest for record in document.records if isinstance(record, IndexEntry)] == [None]
