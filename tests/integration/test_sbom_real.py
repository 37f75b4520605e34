"""`imglab snapshot --sbom` against the real registry: the packages of images, without a byte of their layers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from bills import CYCLONEDX_TYPE, IN_TOTO, SPDX_TYPE, component, cyclonedx, spdx, statement
from command import good, imglab, quickly, rows
from population import PLATFORMS, Document, Image, Push, attested, document, image, index
from proxy import Faults, Proxy, proxied
from registry import Registry

from imglab.sources.sbom import SBOM_LIMIT

pytestmark = pytest.mark.registry
PROVENANCE = "https://slsa.dev/provenance/v0.2"


@dataclass(frozen=True)
class Build:
    """An index of images for two platforms, each with its provenance and its bill of materials."""

    push: Push
    images: Sequence[Image]
    bills: Sequence[Document]


def build(repository: str, tag: str, packages: Sequence[str]) -> Build:
    """As BuildKit lays it out; amd64 has SPDX, arm64 CycloneDX."""
    images = [
        image([f"{repository}-{tag}-{architecture}"], (os, architecture, variant))
        for os, architecture, variant in (PLATFORMS[0], PLATFORMS[3])
    ]
    listed = spdx(packages), cyclonedx([component(purl, installedSize="4") for purl in packages])
    bills, notes = [], []
    for about, predicate, kind in zip(images, listed, (SPDX_TYPE, CYCLONEDX_TYPE), strict=True):
        bill = document(IN_TOTO, statement(predicate, about.manifest.digest, kind))
        provenance = document(IN_TOTO, statement({"builder": tag}, about.manifest.digest, PROVENANCE))
        bills.append(bill)
        notes.append(attested([(bill, kind), (provenance, PROVENANCE)]))
    return Build(index(repository, tag, images, notes=notes), images, bills)


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    """What counts the requests for the registry."""
    with proxied(registry.port) as proxy:
        yield proxy


def blobs(proxy: Proxy, since: int = 0) -> list[str]:
    """The digests of blobs that were fetched, in the order of digests."""
    return sorted(served.name for served in proxy.served[since:] if "/blobs/" in served.path)


def configs(images: Sequence[Image]) -> list[str]:
    return [one.blobs[0].digest for one in images]


def packages(data: Path) -> list[tuple[object, ...]]:
    return rows(
        data,
        """
        select image_sbom.format, stg_package.ecosystem, stg_package.name, stg_package.version, installed_bytes
        from image_sbom
        join stg_package on image_sbom.sbom_digest = stg_package.sbom_digest
        join image on image_sbom.manifest_digest = image.manifest_digest
        order by all
        """,
    )


def test_only_bills_are_fetched_and_only_once(registry: Registry, proxy: Proxy, data: Path) -> None:
    """No layer, no provenance; a second run asks where the tag points and nothing else; a move costs what is new."""
    first = build("team/bill", "1", ["pkg:deb/debian/libc6@2.36?arch=amd64", "pkg:npm/ms@2.0.0"])
    registry.push(first.push)
    command = ("snapshot", f"{proxy.name}/team/bill:1", "--sbom")
    good(data, *command)
    assert blobs(proxy) == sorted([*configs(first.images), *(bill.digest for bill in first.bills)])
    assert packages(data) == [
        ("CycloneDX-1.6", "deb", "libc6", "2.36", 4096),
        ("CycloneDX-1.6", "npm", "ms", "2.0.0", None),
        ("SPDX-2.3", "deb", "libc6", "2.36", None),
        ("SPDX-2.3", "npm", "ms", "2.0.0", None),
    ]
    assert rows(data, "select outcome, failures from stg_run") == [("complete", 0)]
    assert rows(data, "select count(*) from stg_blob where media_type like '%in-toto%'") == [(0,)]
    served = proxy.count
    quickly(data, *command)
    assert [(one.method, one.name) for one in proxy.served[served:]] == [("GET", ""), ("HEAD", "1")]
    second = build("team/bill", "2", ["pkg:deb/debian/libc6@2.41?arch=amd64", "pkg:pypi/pip@25"])
    registry.push(second.push)
    registry.tag("team/bill", second.push.top, "1")
    served = proxy.count
    quickly(data, *command)
    assert blobs(proxy, served) == sorted([*configs(second.images), *(bill.digest for bill in second.bills)])
    asked = good(
        data, "ask", "package_growth", "--repository", f"{proxy.name}/team/bill", "--tag", "1", "--format", "json"
    )
    changes = [(row["platform"], row["name"], row["change"], row["to_version"]) for row in json.loads(asked)]
    assert changes == [
        (platform, *change)
        for platform in ("linux/amd64", "linux/arm64")
        for change in (("libc6", "changed", "2.41"), ("ms", "went", None), ("pip", "came", "25"))
    ]
    assert imglab(data, "check").code == 0


def test_bills_may_be_asked_for_later(registry: Registry, proxy: Proxy, data: Path) -> None:
    """Of images that are known a later run fetches the bills alone: those of the platforms that are wanted."""
    made = build("team/later", "1", ["pkg:apk/alpine/musl@1.2"])
    registry.push(made.push)
    quickly(data, "snapshot", f"{proxy.name}/team/later")
    assert blobs(proxy) == sorted(configs(made.images))
    served = proxy.count
    quickly(data, "snapshot", f"{proxy.name}/team/later", "--sbom", "--platform", "linux/arm64")
    assert blobs(proxy, served) == [made.bills[1].digest]
    assert packages(data) == [("CycloneDX-1.6", "apk", "musl", "1.2", 4)]


def test_wrong_bytes_are_refused_and_asked_for_again(registry: Registry, proxy: Proxy, data: Path) -> None:
    """What does not match its digest is a failure, the rest is read, and the next run fetches what is missing."""
    made = build("team/wrong", "1", ["pkg:apk/alpine/musl@1.2"])
    registry.push(made.push)
    wrong = made.bills[0].digest
    proxy.faults = Faults(always_wrong=frozenset({wrong}))
    command = ("snapshot", f"{proxy.name}/team/wrong:1", "--sbom")
    assert imglab(data, *command).code == 1
    assert rows(data, "select locator, kind from stg_failure") == [
        (f"{proxy.name}/team/wrong@{wrong}", "digest-mismatch")
    ]
    assert [row[0] for row in packages(data)] == ["CycloneDX-1.6"]
    proxy.faults = Faults()
    served = proxy.count
    quickly(data, *command)
    assert blobs(proxy, served) == [wrong]
    assert [row[0] for row in packages(data)] == ["CycloneDX-1.6", "SPDX-2.3"]


def test_what_cannot_be_read_is_told_once(registry: Registry, proxy: Proxy, data: Path) -> None:
    """Too large a document is not asked for, one that is none is asked for once; the others are read all the same."""
    about = image(["odd"], PLATFORMS[0])
    none = document(IN_TOTO, statement({"spdxVersion": "SPDX-3.0"}, about.manifest.digest))
    good_one = document(IN_TOTO, statement(spdx(["pkg:pypi/pip@25"]), about.manifest.digest))
    large = document(IN_TOTO, {"large": True})
    note = attested([(none, SPDX_TYPE), (large, SPDX_TYPE), (good_one, SPDX_TYPE)])
    said = json.loads(note.manifest.body)
    said["layers"][1]["size"] = SBOM_LIMIT + 1
    note = Image(document(note.manifest.media_type, said), note.blobs, note.platform)
    registry.push(index("team/odd", "1", [about], notes=[note]))
    command = ("snapshot", f"{proxy.name}/team/odd:1", "--sbom")
    assert imglab(data, *command).code == 1
    assert blobs(proxy) == sorted([*configs([about]), none.digest, good_one.digest])
    failures = rows(data, "select locator, kind, is_temporary from stg_failure order by kind")
    name = f"{proxy.name}/team/odd@"
    assert failures == [(name + none.digest, "bad-document", False), (name + large.digest, "too-large", False)]
    assert packages(data) == [("SPDX-2.3", "pypi", "pip", "25", None)]
    served = proxy.count
    good(data, *command)
    assert blobs(proxy, served) == []
    unread = rows(data, "select digest, document_bytes from stg_sbom where format is null order by document_bytes")
    assert unread == [(none.digest, len(none.body)), (large.digest, SBOM_LIMIT + 1)]
