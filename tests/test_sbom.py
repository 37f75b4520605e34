"""Bills of materials: the packages of an image as SPDX and CycloneDX list them, however they are wrapped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bills import BUNDLE, CYCLONEDX_TYPE, DSSE, IN_TOTO, SPDX_TYPE, component, cyclonedx, envelope, spdx, statement
from made import digest

from imglab.errors import ParseError
from imglab.oci import OCI_MANIFEST, parse_manifest
from imglab.records import Layer, Package, Sbom
from imglab.sources.purl import parse_purl
from imglab.sources.sbom import READER, is_sbom, parse_sbom

SBOM, ABOUT = digest("50"), digest("a1")
LIBC = "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&upstream=glibc%402.36&distro=debian-12"


def parsed(document: Any) -> tuple[Sbom, list[Package]]:
    """The row of a document, and those of its packages."""
    body = json.dumps(document).encode()
    first, *packages = parse_sbom(body, digest=SBOM)
    assert isinstance(first, Sbom) and first.document_bytes == len(body)
    rows = [row for row in packages if isinstance(row, Package)]
    assert first.package_count == len(rows) == len(packages)
    assert [row.position for row in rows] == list(range(len(rows)))
    return first, rows


def told(document: Any) -> list[tuple[str | None, str, str | None]]:
    """Ecosystem, name and version of each package."""
    return [(row.ecosystem, row.name, row.version) for row in parsed(document)[1]]


# --- formats ---------------------------------------------------------------------------------------------------------


def test_an_spdx_statement_of_buildkit() -> None:
    """Every package in its order, with what its purl says; the directory that was scanned is none."""
    row, packages = parsed(statement(spdx([LIBC, "pkg:npm/%40babel/core@7.1.0"]), ABOUT))
    assert row == Sbom(
        digest=SBOM,
        reader=READER,
        document_bytes=row.document_bytes,
        format="SPDX-2.3",
        name="sbom",
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        tools=["made-up-1.0"],
        subject_digests=[ABOUT],
        package_count=2,
    )
    assert packages[0] == Package(
        sbom_digest=SBOM,
        position=0,
        name="libc6",
        ecosystem="deb",
        version="2.36-9+deb12u4",
        purl=LIBC,
        architecture="amd64",
        source_name="glibc",
    )
    assert (packages[1].ecosystem, packages[1].name, packages[1].version) == ("npm", "@babel/core", "7.1.0")


def test_sizes_of_cyclonedx_have_the_unit_of_their_ecosystem() -> None:
    """Debian counts KiB, others bytes; where no property tells a size none is guessed."""
    document = cyclonedx(
        [
            component(LIBC, installedSize="12345", source="other"),
            component("pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64", installedSize="4096", originPackage="musl"),
            component("pkg:rpm/fedora/bash@5.2?arch=noarch", size="777"),
            component("pkg:alpm/arch/zlib@1.3", size="0"),
            component("pkg:npm/left-pad@1.3.0", installedSize="9", size="9"),
            component("pkg:apk/alpine/odd@1", installedSize="-1"),
            component("pkg:apk/alpine/huge@1", installedSize="9" * 400),
            component("pkg:apk/alpine/silent@1", size="8"),
        ]
    )
    row, packages = parsed(statement(document, ABOUT, CYCLONEDX_TYPE))
    assert (row.format, row.name, row.tools) == ("CycloneDX-1.6", None, ["made-up-2.0"])
    assert [(package.name, package.installed_bytes) for package in packages] == [
        ("libc6", 12345 * 1024),
        ("musl", 4096),
        ("bash", 777),
        ("zlib", 0),
        ("left-pad", None),
        ("odd", None),
        ("huge", None),
        ("silent", None),
    ]
    assert [package.source_name for package in packages[:3]] == ["glibc", "musl", None]
    assert [package.architecture for package in packages[:4]] == ["amd64", "x86_64", "noarch", None]


def test_components_within_components_count() -> None:
    """Those of an application that is listed as one; tools as lists of before CycloneDX 1.5 are read too."""
    inner = component("pkg:maven/org.test/core@2.0")
    application = {"type": "application", "name": "app.jar", "components": [inner]}
    document = cyclonedx([application, component("pkg:pypi/x@1")], metadata={"tools": [{"name": "old"}]})
    row, packages = parsed(document)
    assert row.tools == ["old"]
    assert [(package.ecosystem, package.name) for package in packages] == [
        (None, "app.jar"),
        ("pypi", "x"),
        ("maven", "org.test:core"),
    ]


def test_images_files_and_operating_systems_are_no_packages() -> None:
    """Nor is what nothing names; what has no purl but a name is one, of an ecosystem that is not known."""
    document = spdx(["pkg:oci/app@sha256%3A12?arch=amd64", "pkg:generic/node@22.1.0"])
    document["packages"] += [
        {"name": "debian", "versionInfo": "12", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {"name": "layer", "primaryPackagePurpose": "CONTAINER"},
        {"versionInfo": "1"},
        {"name": "NOASSERTION"},
        {"name": "tool", "versionInfo": "NOASSERTION", "sourceInfo": "built package from: tools 1-1"},
        {"name": "odd", "externalRefs": [{"referenceType": "purl", "referenceLocator": "no purl"}]},
    ]
    assert told(document) == [("generic", "node", "22.1.0"), (None, "tool", None), (None, "odd", None)]
    assert parsed(document)[1][1].source_name == "tools"
    system = {"type": "operating-system", "name": "debian", "version": "12"}
    assert told(cyclonedx([system, {"type": "container", "name": "app"}, {"type": "library"}])) == []


def test_what_old_tools_list_beside_packages_is_none() -> None:
    """Layers by digest, the system and lock files without a purpose, and the image that the document is about."""
    document = spdx(["pkg:deb/debian/libc6@2.31"])
    document["packages"] += [
        {"SPDXID": "SPDXRef-1", "name": "ab12" * 16},
        {"SPDXID": "SPDXRef-2", "name": "sha256:" + "ab12" * 16},
        {"SPDXID": "SPDXRef-OperatingSystem-100fd27dbdf9d366", "name": "debian", "versionInfo": "10.8"},
        {"SPDXID": "SPDXRef-Application-441a648f2aeeee72", "name": "gemspec"},
        {"SPDXID": "SPDXRef-app", "name": "team/app", "versionInfo": "latest"},
        {"SPDXID": "SPDXRef-shell", "name": "busybox", "versionInfo": "1.31"},
    ]
    named = [("deb", "libc6", "2.31"), (None, "busybox", "1.31")]
    assert told(document | {"documentDescribes": ["SPDXRef-app"]}) == named
    about = {"spdxElementId": "SPDXRef-DOCUMENT", "relatedSpdxElement": "SPDXRef-app"}
    for kind in ("DESCRIBES", "DESCRIBE"):
        assert told(document | {"relationships": [about | {"relationshipType": kind}]}) == named
    assert len(told(document | {"relationships": [about | {"relationshipType": "OTHER"}]})) == 3


def test_a_package_in_several_places_stands_there_as_often() -> None:
    """As npm installs it: in different versions, and twice in one."""
    purls = ["pkg:npm/ms@2.0.0", "pkg:npm/ms@2.1.3", "pkg:npm/ms@2.0.0"]
    assert told(spdx(purls)) == [("npm", "ms", "2.0.0"), ("npm", "ms", "2.1.3"), ("npm", "ms", "2.0.0")]


def test_a_document_without_packages_is_one() -> None:
    """An image from scratch has none."""
    assert parsed(spdx([], packages=None))[0].package_count == 0
    assert parsed(cyclonedx([]))[0].package_count == 0


WRAPPED = statement(spdx(["pkg:pypi/x@1"]), ABOUT)


@pytest.mark.parametrize(
    "document",
    [
        WRAPPED["predicate"],
        WRAPPED,
        envelope(WRAPPED),
        {"mediaType": BUNDLE, "dsseEnvelope": envelope(WRAPPED), "verificationMaterial": {}},
        statement({"Data": WRAPPED["predicate"], "Timestamp": ""}, ABOUT),
        statement({"Data": json.dumps(WRAPPED["predicate"])}, ABOUT),
    ],
    ids=["bare", "statement", "envelope", "bundle", "old cosign", "older cosign"],
)
def test_wrappings_are_taken_off(document: Any) -> None:
    """A document may come by itself, in a statement, an envelope, a bundle, or as cosign wrapped it once more."""
    row, packages = parsed(document)
    assert [package.name for package in packages] == ["x"]
    assert row.subject_digests == (None if document is WRAPPED["predicate"] else [ABOUT])


# --- bad documents ---------------------------------------------------------------------------------------------------


def nested(document: Any, times: int) -> Any:
    for _ in range(times):
        document = envelope(document)
    return document


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"spdxVersion": "SPDX-3.0", "@graph": []},
        {"spdxVersion": 2},
        {"bomFormat": "CycloneDX", "specVersion": "2.0"},
        {"bomFormat": "CycloneDX"},
        spdx([], packages={}),
        spdx([], packages=["x"]),
        spdx([], packages=[{"name": 1}]),
        spdx([], packages=[{"name": "x" * 5000}]),
        spdx([], packages=[{"name": "x", "externalRefs": {}}]),
        spdx([], packages=[{"name": "x", "externalRefs": [{"referenceType": "purl", "referenceLocator": []}]}]),
        spdx([], creationInfo=[]),
        spdx([], creationInfo={"creators": "Tool: x"}),
        cyclonedx([{"name": "x", "properties": {"a": "b"}}]),
        cyclonedx([{"name": "x", "components": "y"}]),
        cyclonedx([], metadata={"tools": ["x"]}),
        statement("text", ABOUT),
        statement({"Data": 1}, ABOUT),
        statement({"Data": "no JSON"}, ABOUT),
        {**WRAPPED, "subject": {}},
        {**WRAPPED, "subject": [{"digest": "x"}]},
        {**envelope(WRAPPED), "payload": "ä"},
        {**envelope(WRAPPED), "payload": 1},
        {"payloadType": IN_TOTO},
        {"dsseEnvelope": "x"},
        nested(WRAPPED, 5),
    ],
)
def test_what_is_none_is_refused(document: Any) -> None:
    """With the digest of the document in the reason, and as nothing but a ParseError."""
    with pytest.raises(ParseError, match=SBOM):
        parse_sbom(json.dumps(document).encode(), digest=SBOM)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b'{"spdxVersion":' + b"1" * 9999])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """Cut off, nested beyond all measure, or with numbers that no machine holds."""
    with pytest.raises(ParseError, match=SBOM):
        parse_sbom(body, digest=SBOM)


def test_a_document_may_not_list_packages_without_end() -> None:
    """Half a million is by far more than any image holds."""
    body = json.dumps(spdx([], packages=[{"name": "x"}] * 500_001)).encode()
    with pytest.raises(ParseError, match="500,000"):
        parse_sbom(body, digest=SBOM)


def test_texts_are_such_as_tables_hold() -> None:
    """Control characters stay as they were stated; lone surrogates, which no table holds, are replaced."""
    document = spdx([], packages=[{"name": "a\x00\n\x1b[31m", "versionInfo": "\ud800"}])
    assert told(document) == [(None, "a\x00\n\x1b[31m", "?")]


# --- package URLs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "name", "version"),
    [
        (LIBC, "deb", "libc6", "2.36-9+deb12u4"),
        ("pkg:deb/debian/dpkg@1%3A1.2", "deb", "dpkg", "1:1.2"),
        ("pkg:npm/%40babel/core@7.1.0", "npm", "@babel/core", "7.1.0"),
        ("pkg:npm/@babel/core@7.1.0", "npm", "@babel/core", "7.1.0"),
        ("pkg:npm/@babel/core", "npm", "@babel/core", None),
        ("pkg:golang/github.com/gorilla/mux@v1.8.0#sub/path", "golang", "github.com/gorilla/mux", "v1.8.0"),
        ("pkg:maven/org.slf4j/slf4j-api@2.0", "maven", "org.slf4j:slf4j-api", "2.0"),
        ("PKG:PyPI/requests@2?x&y=", "pypi", "requests", "2"),
        ("pkg://apk/wolfi/busybox@1.36", "apk", "busybox", "1.36"),
        ("pkg:rpm/fedora/bash@", "rpm", "bash", None),
    ],
)
def test_purls(text: str, kind: str, name: str, version: str | None) -> None:
    """Type, the name as its ecosystem writes it, and version."""
    purl = parse_purl(text)
    assert purl and (purl.type, purl.full_name, purl.version) == (kind, name, version)


@pytest.mark.parametrize("text", ["", "x", "pkg:", "pkg:deb", "pkg:/x", "pkg:1/x", "http://deb/x", "pkg:deb/"])
def test_what_is_no_purl(text: str) -> None:
    """Is none, and nothing is made of it."""
    assert parse_purl(text) is None


# --- layers ----------------------------------------------------------------------------------------------------------


def layers(*given: dict[str, Any], **more: Any) -> list[Layer]:
    """The rows of the layers of an artifact."""
    described = [{"digest": digest(f"d{number}"), "size": 1, **layer} for number, layer in enumerate(given)]
    body = json.dumps({"mediaType": OCI_MANIFEST, "artifactType": "a/b", "layers": described, **more}).encode()
    found = parse_manifest(body, digest=ABOUT, media_type=None).records
    return [row for row in found if isinstance(row, Layer)]


def test_layers_say_what_they_state() -> None:
    """BuildKit and cosign annotate each layer, Sigstore bundles their manifest; other layers state nothing."""
    slsa = "https://slsa.dev/provenance/v1"
    rows = layers(
        {"mediaType": IN_TOTO, "annotations": {"in-toto.io/predicate-type": SPDX_TYPE}},
        {"mediaType": IN_TOTO, "annotations": {"in-toto.io/predicate-type": slsa}},
        {"mediaType": IN_TOTO, "annotations": "odd"},
        {"mediaType": DSSE, "annotations": {"predicateType": CYCLONEDX_TYPE}},
        {"mediaType": "text/plain", "annotations": {"predicateType": CYCLONEDX_TYPE}},
        {"mediaType": "application/spdx+json"},
    )
    assert [row.predicate_type for row in rows] == [SPDX_TYPE, slsa, None, CYCLONEDX_TYPE, None, None]
    assert [is_sbom(row.media_type, row.predicate_type) for row in rows] == [True, False, False, True, False, True]
    note = {"dev.sigstore.bundle.predicateType": f"{SPDX_TYPE}/v2.3"}
    (bundled,) = layers({"mediaType": BUNDLE}, annotations=note)
    assert bundled.predicate_type == f"{SPDX_TYPE}/v2.3" and is_sbom(bundled.media_type, bundled.predicate_type)
    (odd,) = layers({"mediaType": BUNDLE}, annotations=["odd"])
    assert odd.predicate_type is None and not is_sbom(odd.media_type, odd.predicate_type)


@pytest.mark.parametrize("kind", [f"{SPDX_TYPE}s", "https://spdx.dev", "https://cyclonedx.org/bomb", ""])
def test_other_statements_are_no_bills(kind: str) -> None:
    """However much alike they look."""
    assert not is_sbom(IN_TOTO, kind)
