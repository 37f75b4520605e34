"""Where bills of materials are found: beside images, in lists of referrers, under cosign's tags; and fetched once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from bills import BUNDLE, DSSE, IN_TOTO, SPDX_TYPE, envelope, spdx, statement
from faulty import faulty_server, sha256
from made import commit, day, digest
from small_registry import EMPTY, Made

from imglab import oci
from imglab.ahead import Ahead, Origin, abandoned
from imglab.errors import ParseError, SourceError
from imglab.http import Answer, Client, Request
from imglab.journal import Journal
from imglab.oci import Platform, Reference
from imglab.records import Blob, Failure, Layer, Manifest, Package, Record, Sbom
from imglab.runs import Outcome
from imglab.snapshot import Known, snapshot
from imglab.sources.registry import Target
from imglab.sources.sbom import READER, SBOM_LIMIT
from imglab.sources.sbom_layers import Bill, fetch
from imglab.store import Store

REFERENCE = Reference.parse("registry.test/team/app")


@pytest.fixture
def made() -> Iterator[Made]:
    with faulty_server() as server:
        yield Made(server)


def wrapped(image: Mapping[str, Any], package: str) -> dict[str, Any]:
    """A statement that *package* is in *image*."""
    return statement(spdx([f"pkg:pypi/{package}@1"]), str(image["digest"]))


def note(
    made: Made, *layers: Mapping[str, Any], subject: Mapping[str, Any] | None = None, tag: str = "", **more: Any
) -> dict[str, Any]:
    """A manifest of what is attached to an image."""
    content = {"mediaType": oci.OCI_MANIFEST, "config": EMPTY, "layers": layers, **more}
    about = {key: subject[key] for key in ("mediaType", "digest", "size")} if subject else None
    return made.put({**content, **({"subject": about} if about else {})}, oci.OCI_MANIFEST, *([tag] if tag else []))


def layer(made: Made, content: object, media_type: str, **annotations: str) -> dict[str, Any]:
    """A layer that is there."""
    found = made.put(content, media_type, kind="blobs")
    return {**found, "annotations": annotations}


def beside(made: Made, image: Mapping[str, Any], package: str) -> dict[str, Any]:
    """The entry of BuildKit's attestation about *image*."""
    bill = layer(made, wrapped(image, package), IN_TOTO, **{"in-toto.io/predicate-type": SPDX_TYPE})
    attests = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    platform = {"os": "unknown", "architecture": "unknown"}
    return {**note(made, bill), "annotations": attests, "platform": platform}


def taken(data: Path, *targets: Target) -> Outcome:
    return snapshot(data, targets, Client())


def target(made: Made, text: str, **more: Any) -> Target:
    parsed = Target.parse(made.repository + text)
    return Target(parsed.reference, parsed.choice, **{"sbom": True, **more})


def found(data: Path) -> list[tuple[str, str]]:
    """Image and package of each bill of materials."""
    store = Store.in_memory(Journal(data / "journal"))
    return store.sql(
        """
        select distinct image_sbom.manifest_digest, stg_package.name
        from image_sbom
        join stg_package on image_sbom.sbom_digest = stg_package.sbom_digest
        order by all
        """
    ).rows()


# --- places ----------------------------------------------------------------------------------------------------------


def test_bills_are_found_beside_images_and_in_lists(made: Made, tmp_path: Path) -> None:
    """In a statement beside the image; and with referrers in a bundle, or as a document of its own."""
    image = made.image("amd64")
    index = made.index([image, beside(made, image, "beside")], "1.0")
    bundle = layer(made, {"dsseEnvelope": envelope(wrapped(image, "bundle"))}, BUNDLE)
    bundled = note(made, bundle, subject=image, annotations={"dev.sigstore.bundle.predicateType": SPDX_TYPE})
    other = layer(made, {"dsseEnvelope": {}}, BUNDLE)
    signature = note(made, other, subject=image, annotations={"dev.sigstore.bundle.predicateType": "x"})
    bare = layer(made, spdx(["pkg:pypi/bare@1"]), "application/spdx+json")
    made.refer(index)
    made.refer(image, [bundled, signature, note(made, bare, subject=image, artifactType="application/spdx+json")])
    assert taken(tmp_path, target(made, ":1.0")).run.failures == 0
    assert found(tmp_path) == [(image["digest"], "beside")]
    assert taken(tmp_path, target(made, ":1.0", referrers=True)).run.failures == 0
    assert found(tmp_path) == [(image["digest"], name) for name in ("bare", "beside", "bundle")]
    assert other["digest"] not in made.asked("blobs")


def test_bills_are_found_under_tags_of_cosign(made: Made, tmp_path: Path) -> None:
    """In envelopes under `.att`, as documents under `.sbom`; where the tags are listed and referrers are wanted."""
    image = made.image("amd64", "1.0")
    stem = image["digest"].replace(":", "-")
    signed = layer(made, envelope(wrapped(image, "signed")), DSSE, predicateType=SPDX_TYPE)
    note(made, signed, tag=f"{stem}.att")
    note(made, layer(made, spdx(["pkg:pypi/attached@1"]), "text/spdx+json"), tag=f"{stem}.sbom")
    made.list_tags()
    taken(tmp_path, target(made, ""))
    assert found(tmp_path) == []
    taken(tmp_path, target(made, "", referrers=True))
    assert found(tmp_path) == [(image["digest"], "attached"), (image["digest"], "signed")]
    before = len(made.asked("blobs"))
    taken(tmp_path, target(made, "", referrers=True))
    assert len(made.asked("blobs")) == before


def test_nothing_is_fetched_where_it_is_not_wanted(made: Made, tmp_path: Path) -> None:
    """Neither without the option, nor for platforms that were left out."""
    images = [made.image("amd64"), made.image("arm64")]
    made.index([*images, *(beside(made, image, image["digest"][:9]) for image in images)], "1.0")
    taken(tmp_path, target(made, ":1.0", sbom=False))
    assert found(tmp_path) == []
    taken(tmp_path, target(made, ":1.0", platforms=(Platform.parse("linux/arm64"),)))
    assert [image for image, _ in found(tmp_path)] == [images[1]["digest"]]


def test_passes_of_one_run_fetch_a_bill_once(tmp_path: Path) -> None:
    """Two repositories with the same images, of which other platforms are wanted, are two passes."""
    with faulty_server() as server:
        both = [Made(server, "team/one"), Made(server, "team/two")]
        for made in both:
            image = made.image("amd64")
            made.index([image, beside(made, image, "x")], "1.0")
        platforms = (Platform.parse("linux/amd64"),)
        taken(tmp_path, target(both[0], ":1.0"), target(both[1], ":1.0", platforms=platforms))
        bill = sha256(json.dumps(wrapped(image, "x")).encode())
        assert [seen.path for seen in server.seen if bill in seen.path] == [f"/v2/team/one/blobs/{bill}"]
    assert found(tmp_path) == [(image["digest"], "x")]


def test_a_repository_may_share_its_images_with_one_that_is_not_asked(tmp_path: Path) -> None:
    """What leads to a bill was seen before, for a repository of which none is wanted."""
    with faulty_server() as server:
        both = [Made(server, "team/one"), Made(server, "team/two")]
        for made in both:
            image = made.image("amd64")
            made.index([image, beside(made, image, "x")], "1.0")
        taken(tmp_path, target(both[0], ":1.0", sbom=False), target(both[1], ":1.0"))
    assert found(tmp_path) == [(image["digest"], "x")]


# --- what is held ----------------------------------------------------------------------------------------------------


def test_layers_of_before_are_read_in_their_manifests(tmp_path: Path) -> None:
    """Where the journal does not say what a statement states its manifest does; what a manifest lacks is no bill."""
    said = {"annotations": {"in-toto.io/predicate-type": SPDX_TYPE}, "mediaType": IN_TOTO, "size": 7}
    body = json.dumps({"layers": [{**said, "digest": digest("f1")}], "config": EMPTY}).encode()
    commit(
        tmp_path,
        day(1),
        [
            *(Manifest(digest("b1"), None, "attestation"), Manifest(digest("b2"), None, "attestation")),
            *(Layer(digest(f"b{number}"), 0, digest(f"f{number}"), IN_TOTO, 7) for number in (1, 2)),
            *(Blob(digest("b1"), oci.OCI_MANIFEST, body), Blob(digest("b2"), oci.OCI_MANIFEST, b"damaged")),
            Layer(digest("b3"), 0, digest("f3"), IN_TOTO, None, predicate_type=SPDX_TYPE),
            Layer(digest("b4"), 0, digest("f4"), IN_TOTO, None, predicate_type=SPDX_TYPE),
        ],
    )
    known = Known(Journal(tmp_path / "journal"))
    held = known.bills([digest(name) for name in ("b1", "b2", "b3")])
    assert held == {digest("b1"): [Bill(digest("f1"), 7)], digest("b3"): [Bill(digest("f3"), None)]}


def test_what_an_older_reader_read_is_fetched_again(tmp_path: Path) -> None:
    """Once the reader is better; what could not be read counts as read."""
    rows = [Sbom(digest("f1"), READER, 1), Sbom(digest("f2"), READER - 1, 1, "SPDX-2.3")]
    commit(tmp_path, day(1), rows)
    known = Known(Journal(tmp_path / "journal"), told=[Sbom(digest("f3"), READER, 1)])
    assert known.read_sboms([digest(f"f{number}") for number in (1, 2, 3, 4)]) == {digest("f1"), digest("f3")}


def test_a_run_that_dies_keeps_bills_whole(tmp_path: Path) -> None:
    """A bill and its packages are one group: there together, or not at all."""
    rows = [Sbom(digest("f1"), READER, 1), Package(digest("f1"), 0, "a"), Package(digest("f1"), 1, "b")]
    path = tmp_path / "ahead"
    ahead = Ahead(path, Origin("registry", "x", day(1)))
    for row in (*rows, Sbom(digest("f2"), READER, 1), Package(digest("f2"), 0, "cut")):
        ahead.add(row)
    ahead.close()
    left = abandoned("run", path)
    assert left and list(left.records()) == rows


# --- fetching --------------------------------------------------------------------------------------------------------


class Fetched:
    """What answers, and how many bytes it was asked for at a time."""

    def __init__(self) -> None:
        self.at_once: list[list[int]] = []

    def base_url(self, registry: str) -> str:
        return f"https://{registry}"

    def fetch(self, requests: Iterable[Request]) -> Iterator[Answer]:
        requests = list(requests)
        self.at_once.append([request.body_limit for request in requests])
        for request in requests:
            yield Answer(request, 404, {}, b"", SourceError("gone", kind="not-found", status=404))


def rows_of(bills: Sequence[Bill], client: Fetched) -> tuple[list[Record], list[tuple[int, int]]]:
    """What comes of *bills*, and the progress that was told."""

    def fail(repository: str, locator: str, error: SourceError | ParseError) -> Iterator[Record]:
        yield Failure(locator, getattr(error, "kind", "bad-document"), None, str(error), False)

    told: list[tuple[int, int]] = []
    pairs = [(REFERENCE, bill) for bill in bills]
    rows = list(fetch(pairs, client, fail=fail, progress=lambda what, done, total: told.append((done, total))))
    return rows, told


def test_no_more_is_asked_for_at_a_time_than_memory_holds() -> None:
    """However large each is; one of unknown size may be as large as any."""
    half = SBOM_LIMIT // 2
    sizes = [half, half, 1, None, 5, SBOM_LIMIT, 6, 7]
    client = Fetched()
    rows, told = rows_of([Bill(digest(f"f{number}"), size) for number, size in enumerate(sizes)], client)
    assert client.at_once == [[half, half], [1], [SBOM_LIMIT], [5], [SBOM_LIMIT], [6, 7]]
    assert [type(row) for row in rows] == [Failure] * len(sizes)
    assert told == [(2, 8), (3, 8), (4, 8), (5, 8), (6, 8), (8, 8)]


def test_what_cannot_be_verified_is_not_asked_for() -> None:
    """Nor what is too large; both are rows without a format, so that nobody asks again."""
    client = Fetched()
    rows, _ = rows_of([Bill("blake3:" + "a" * 64, None), Bill(digest("f1"), SBOM_LIMIT + 1)], client)
    assert [row.kind for row in rows if isinstance(row, Failure)] == ["unverifiable", "too-large"]
    assert [row for row in rows if isinstance(row, Sbom)] == [
        Sbom("blake3:" + "a" * 64, READER, None),
        Sbom(digest("f1"), READER, SBOM_LIMIT + 1),
    ]
    assert not any(client.at_once)


def test_bills_do_not_come_without_end(made: Made, tmp_path: Path) -> None:
    """Of what one tag leads to no more than a thousand are asked for; the rest is one failure."""
    image = made.image("amd64")
    said = {"annotations": {"in-toto.io/predicate-type": SPDX_TYPE}, "mediaType": IN_TOTO, "size": SBOM_LIMIT + 1}
    layers = [{**said, "digest": digest(f"{number:x}f")} for number in range(4096, 4096 + 1003)]
    attests = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"]}
    made.index([image, {**note(made, *layers), "annotations": attests}], "1.0")
    failures = taken(tmp_path, target(made, ":1.0")).failures
    kinds = [failure.kind for failure in failures]
    assert (kinds.count("too-large"), kinds.count("too-many"), len(kinds)) == (1000, 1, 1001)
    assert "3 documents left to a later run" in next(row.message for row in failures if row.kind == "too-many")
