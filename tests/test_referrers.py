"""What is attached to images: asked for by digest, or by tag where a registry has no lists, and told as artifacts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from faulty import Behaviour, faulty_server, reply, sha256
from small_registry import CONFIG_TYPE, SIGNATURE, Made

from imglab import oci
from imglab.errors import ParseError
from imglab.http import Client, Limits
from imglab.oci import Platform
from imglab.records import Blob, Config, Failure, IndexEntry, Listing, Manifest, Record, TagObservation
from imglab.sources.referrers import fallback_tag, parse_referrers
from imglab.sources.registry import Named, Target, collect

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = "team/app"


class Journal:
    """What the journal holds after *records*."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        held = {blob.digest for blob in records if isinstance(blob, Blob)}
        self._named: dict[str, list[Named]] = {digest: [] for digest in held}
        self._kinds = {row.digest: row.kind for row in records if isinstance(row, Manifest)}
        for row in records:
            match row:
                case IndexEntry():
                    self._named[row.index_digest].append(Named(row.manifest_digest))
                case Manifest(kind="image", config_digest=str(config)):
                    self._named[row.digest].append(Named(config, is_config=True))

    def children(self, digests: Collection[str]) -> Mapping[str, Sequence[Named]]:
        return {digest: self._named[digest] for digest in digests if digest in self._named}

    def subjects(self, digests: Collection[str]) -> Mapping[str, Sequence[str]]:
        kinds = {"index", "image"}
        named = self.children([digest for digest in digests if self._kinds.get(digest) in kinds])
        return {digest: [one.digest for one in below if not one.is_config] for digest, below in named.items()}


@pytest.fixture
def made() -> Iterator[Made]:
    with faulty_server() as server:
        yield Made(server)


def snapshot(made: Made, text: str, known: Journal | None = None, **options: Any) -> list[Record]:
    """What a pass with referrers tells of `:tag`, `@digest` or the whole repository."""
    target = replace(Target.parse(f"{made.repository}{text}"), referrers=options.pop("referrers", True))
    limits = Limits(tries=2, backoff_seconds=0.01)
    with Client(limits=limits) as client:
        return list(collect([target], client, known or Journal(), now=lambda: NOON, **options))


def of(kind: type[Any], records: Sequence[Record]) -> list[Any]:
    return [record for record in records if isinstance(record, kind)]


def artifacts(records: Sequence[Record]) -> dict[str, tuple[str | None, str | None]]:
    """The type and subject of each artifact by digest."""
    rows = [row for row in of(Manifest, records) if row.kind == "artifact"]
    return {row.digest: (row.artifact_type, row.subject_digest) for row in rows}


# --- lists -----------------------------------------------------------------------------------------------------------


def test_lists_are_read_page_by_page(made: Made) -> None:
    """An index and its images are each asked about once; what refers to them is verified and told as artifacts."""
    one, two = made.image("amd64"), made.image("arm64")
    index = made.index([one, two], "1.0")
    about_index = [made.artifact(index, name) for name in ("signature", "statement", "bill")]
    about_one = made.artifact(one, "other")
    made.refer(index, about_index[:2], about_index[2:])
    made.refer(one, [about_one])
    made.refer(two)
    records = snapshot(made, ":1.0")
    assert artifacts(records) == {
        **{item["digest"]: (SIGNATURE, index["digest"]) for item in about_index},
        about_one["digest"]: (SIGNATURE, one["digest"]),
    }
    digests = [item["digest"] for item in (index, one, two)]
    assert sorted(made.asked("referrers")) == sorted([*digests, index["digest"]])
    assert [tag.tag for tag in of(TagObservation, records)] == ["1.0"]
    assert len(of(Config, records)) == 2 and len(of(IndexEntry, records)) == 2
    assert {row.digest for row in of(Blob, records)} >= {item["digest"] for item in about_index}
    assert of(Failure, records) == []


def test_lists_are_all_that_a_second_run_asks_for(made: Made) -> None:
    """Documents that are held are not fetched again, whether tags or lists lead to them; what is new is."""
    one, two = made.image("amd64"), made.image("arm64")
    index = made.index([one, two], "1.0")
    made.refer(index, [made.artifact(index, "signature")])
    made.refer(one)
    made.refer(two)
    first = snapshot(made, ":1.0")
    made.server.seen.clear()
    second = snapshot(made, ":1.0", Journal(first))
    methods = Counter(seen.method for seen in made.server.seen)
    assert methods == {"HEAD": 1, "GET": 1 + 3}  # a ping, and a list for each digest
    assert {record.table for record in second} == {"tag_observation"}
    new = made.artifact(two, "later")
    made.refer(two, [new])
    third = snapshot(made, ":1.0", Journal(first))
    assert artifacts(third) == {new["digest"]: (SIGNATURE, two["digest"])}


def test_nothing_is_asked_for_by_default(made: Made) -> None:
    """Lists cost a request for each digest: only who wants them pays."""
    index = made.index([made.image("amd64")], "1.0")
    made.refer(index, [made.artifact(index, "signature")])
    assert artifacts(snapshot(made, ":1.0", referrers=False)) == {}
    assert made.asked("referrers") == []


def test_digests_and_platforms_say_what_is_asked_for(made: Made) -> None:
    """A digest that was named counts as one that a tag points at; images that are not wanted are not asked about."""
    one, two = made.image("amd64"), made.image("arm64")
    index = made.index([one, two])
    signature = made.artifact(one, "signature")
    for subject, found in ((index, []), (one, [signature]), (two, [made.artifact(two, "unwanted")])):
        made.refer(subject, found)
    records = snapshot(made, f"@{index['digest']}", platforms=[Platform.parse("linux/amd64")])
    assert artifacts(records) == {signature["digest"]: (SIGNATURE, one["digest"])}
    assert made.asked("referrers") == [index["digest"], one["digest"]]


def test_attestations_and_artifacts_are_no_subjects(made: Made) -> None:
    """What stands in an index beside its images, and what is attached, has no list of its own that is asked for."""
    image = made.image("amd64")
    note = made.artifact(image, "beside")
    index = made.index([image, note], "1.0")
    made.refer(index)
    made.refer(image, [made.artifact(image, "attached")])
    records = snapshot(made, ":1.0")
    assert len(artifacts(records)) == 2
    assert sorted(made.asked("referrers")) == sorted([index["digest"], image["digest"]])


def test_cosigns_signatures_are_artifacts_here_too(made: Made) -> None:
    """One with the config of an image is no image: its config is not read."""
    image = made.image("amd64", "1.0")
    layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": sha256(b"s"), "size": 1}
    config = {"mediaType": CONFIG_TYPE, "digest": sha256(b"{}"), "size": 2}
    signature = made.put({"config": config, "layers": [layer], "subject": image}, oci.OCI_MANIFEST)
    made.refer(image, [signature])
    records = snapshot(made, ":1.0")
    assert artifacts(records) == {signature["digest"]: (None, image["digest"])}
    assert of(Failure, records) == [] and len(of(Config, records)) == 1


def test_lies_of_a_list_are_failures(made: Made) -> None:
    """Documents that are not what the list says, or are not there, are stored nowhere; the others are."""
    image = made.image("amd64", "1.0")
    good, short, lost = made.artifact(image, "a"), made.artifact(image, "b"), made.artifact(image, "c")
    made.server.on(f"/v2/{PATH}/manifests/{lost['digest']}", reply(404))
    made.refer(image, [good, {**short, "size": 3}, lost])
    records = snapshot(made, ":1.0")
    assert set(artifacts(records)) == {good["digest"]}
    assert sorted((row.kind, row.locator) for row in of(Failure, records)) == sorted(
        [
            ("digest-mismatch", f"{made.repository}@{short['digest']}"),
            ("not-found", f"{made.repository}@{lost['digest']}"),
        ]
    )


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(500), "server-error"),
        (reply(403), "denied"),
        (reply(200, b"[]", content_type=oci.OCI_INDEX), "bad-document"),
        (reply(200, b'{"config": {}, "layers": []}', content_type=oci.OCI_INDEX), "bad-document"),
        (reply(200, b'{"manifests": [{"digest": "sha256:../x"}]}', content_type=oci.OCI_INDEX), "bad-document"),
        (reply(200, b"{}" + b" " * 9_000_000, content_type=oci.OCI_INDEX), "too-large"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_failure(made: Made, answer: Behaviour, kind: str) -> None:
    """The first digest of a repository is tried alone; if that fails the others are left to another run."""
    index = made.index([made.image("amd64"), made.image("arm64")], "1.0")
    made.server.on(made.referrers(index), answer)
    records = snapshot(made, ":1.0")
    assert [(row.kind, row.locator) for row in of(Failure, records)] == [(kind, f"{made.repository}@{index['digest']}")]
    assert set(made.asked("referrers")) == {index["digest"]}
    assert len(of(Config, records)) == 2


@pytest.mark.parametrize("link", ["http://192.0.2.1/v2/", "?page=1", "http://[", "//localhost/"])
def test_links_that_lead_nowhere_end_a_list(made: Made, link: str) -> None:
    """To another server, in a circle or to no address: what was read is kept, and the rest is a failure."""
    image = made.image("amd64", "1.0")
    entry = made.artifact(image, "signature")
    body = json.dumps({"manifests": [entry]}).encode()
    made.server.on(made.referrers(image), reply(200, body, content_type=oci.OCI_INDEX, link=f'<{link}>; rel="next"'))
    records = snapshot(made, ":1.0")
    assert set(artifacts(records)) == {entry["digest"]}
    assert [row.kind for row in of(Failure, records)] == ["bad-response"]
    assert len(made.asked("referrers")) <= 2


def test_lists_that_do_not_end_are_left(made: Made) -> None:
    """Pages that tell the same for ever, or too many documents: what was read is kept."""
    image = made.image("amd64", "1.0")
    entry = made.artifact(image, "signature")
    made.refer(image, *[[entry]] * 30)
    records = snapshot(made, ":1.0")
    assert set(artifacts(records)) == {entry["digest"]}
    assert [row.kind for row in of(Failure, records)] == ["bad-response"]
    assert len(made.asked("referrers")) < 20
    entries = [{**entry, "digest": f"sha256:{number:064}"} for number in range(2_000)]
    made.refer(image, [entry], entries)
    made.server.seen.clear()
    assert "its pages do not end" in of(Failure, snapshot(made, ":1.0"))[0].message
    assert made.asked("manifests") == [image["digest"], entry["digest"]]


def test_a_list_that_leaves_something_out_is_a_failure(made: Made) -> None:
    """A registry that filters what nobody asked it to filter has more than it tells."""
    image = made.image("amd64", "1.0")
    entry = made.artifact(image, "signature")
    made.refer(image, [entry], oci_filters_applied="artifactType")
    records = snapshot(made, ":1.0")
    assert set(artifacts(records)) == {entry["digest"]}
    assert [row.kind for row in of(Failure, records)] == ["bad-response"]


def test_pages_of_lists() -> None:
    """Descriptors of manifests are what is looked for; an empty list is one, and what is no list is an error."""
    digest = "sha256:" + "a" * 64
    entries = [{"mediaType": oci.OCI_MANIFEST, "digest": digest, "size": 3, "artifactType": SIGNATURE}]
    entries.append({"mediaType": "application/vnd.example.unknown", "digest": digest, "size": 3})
    (child,) = parse_referrers(json.dumps({"manifests": entries}).encode(), source="x", media_type=oci.OCI_INDEX)
    assert (child.digest, child.size) == (digest, 3)
    assert not parse_referrers(b'{"manifests": []}', source="x", media_type=oci.OCI_INDEX)
    image = b'{"config": {"digest": "sha256:' + b"a" * 64 + b'"}, "layers": []}'
    others = ((b'{"manifests": 1}', oci.OCI_INDEX), (image, oci.OCI_INDEX), (image, None), (b"{}", None))
    for body, media_type in others:
        with pytest.raises(ParseError):
            parse_referrers(body, source="x", media_type=media_type)


# --- tags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        ("sha256:" + "a" * 64, "sha256-" + "a" * 64),
        ("sha512:" + "b" * 128, "sha512-" + "b" * 64),
        ("blake3:" + "c" * 64, "blake3-" + "c" * 64),
        ("a+b.c:x=y", "a-b.c-x-y"),
        ("long" * 20 + ":x", "long" * 8 + "-x"),
    ],
)
def test_tags_that_point_at_lists(digest: str, tag: str) -> None:
    """Algorithm and value are cut to 32 and 64 characters, and what no tag can hold becomes a dash."""
    assert fallback_tag(digest) == tag
    assert oci.is_tag(tag)


def test_a_tag_that_should_point_at_a_list_and_does_not(made: Made) -> None:
    """What stands there in its place, an image or nothing that can be read, is told as it is and refers to nothing."""
    image, other = made.image("amd64"), made.image("arm64")
    made.index([image, other], "1.0")
    made.image("s390x", fallback_tag(image["digest"]))
    made.put([1], oci.OCI_INDEX, fallback_tag(other["digest"]))
    records = snapshot(made, ":1.0")
    assert artifacts(records) == {}
    assert sorted(row.architecture for row in of(Config, records)) == ["amd64", "arm64", "s390x"]
    lost = made.tags[fallback_tag(other["digest"])]
    assert [(row.kind, row.locator) for row in of(Failure, records)] == [("bad-document", f"{made.repository}@{lost}")]


PAGE_FOR_PEOPLE = reply(200, b"<html>", content_type="text/html")


@pytest.mark.parametrize("answer", [*map(reply, (400, 404, 405, 406, 501)), PAGE_FOR_PEOPLE])
def test_without_lists_a_tag_points_at_one(made: Made, answer: Behaviour) -> None:
    """Where a registry has no lists, which one request tells, tags named after the digests are tried."""
    one, two = made.image("amd64"), made.image("arm64")
    index = made.index([one, two], "1.0")
    signature = made.artifact(index, "signature")
    tag = fallback_tag(index["digest"])
    made.index([signature], tag)
    made.server.on(made.referrers(index), answer)
    records = snapshot(made, ":1.0")
    assert artifacts(records) == {signature["digest"]: (SIGNATURE, index["digest"])}
    assert set(made.asked("referrers")) == {index["digest"]}
    tried = made.asked("manifests", "HEAD")
    assert made.asked("manifests").count(fallback_tag(one["digest"])) == 0
    assert sorted(set(tried)) == sorted(["1.0", *(fallback_tag(item["digest"]) for item in (index, one, two))])
    assert {row.tag: row.digest for row in of(TagObservation, records)} == made.tags
    assert of(Failure, records) == [] and len(of(Config, records)) == 2


def test_listed_tags_need_not_be_tried(made: Made) -> None:
    """Where all tags are known, only those that are there are looked up: of what is observed, by digest or signed."""
    image, other = made.image("amd64", "1.0"), made.image("arm64", "0.9")
    stem, old = fallback_tag(image["digest"]), fallback_tag(other["digest"])
    signature, bill = made.artifact(image, "signature", f"{stem}.sig"), made.artifact(image, "bill")
    made.index([bill], stem)
    made.artifact(other, "old", f"{old}.sig")
    made.list_tags()
    records = snapshot(made, ":1.*")
    assert artifacts(records) == {item["digest"]: (SIGNATURE, image["digest"]) for item in (signature, bill)}
    assert sorted(made.asked("manifests", "HEAD")) == sorted(["1.0", stem, f"{stem}.sig"])
    assert of(Listing, records) == [Listing(made.repository, NOON, True)]
    seen = {row.tag: row.digest for row in of(TagObservation, records)}
    assert seen == {**made.tags, "0.9": None, f"{old}.sig": None}
    assert len(of(TagObservation, records)) == len(seen)


def test_lists_take_the_place_of_tags_that_point_at_lists(made: Made) -> None:
    """Where the registry has lists, only what cosign keeps under tags is looked up besides."""
    image = made.image("amd64", "1.0")
    stem = fallback_tag(image["digest"])
    signature = made.artifact(image, "signature", f"{stem}.sig")
    made.index([made.artifact(image, "older")], stem)
    made.refer(image)
    made.list_tags()
    records = snapshot(made, "")
    assert set(artifacts(records)) == {signature["digest"]}
    assert {row.tag for row in of(TagObservation, records) if row.digest is None} == {stem}


def test_a_broken_listing_is_no_reason_not_to_try(made: Made) -> None:
    """Tags that may have been left out are tried; those that are listed are not tried twice."""
    image, other = made.image("amd64", "1.0"), made.image("arm64", "2.0")
    stems = [fallback_tag(item["digest"]) for item in (image, other)]
    made.index([made.artifact(image, "signature")], stems[0])
    body = json.dumps({"tags": ["1.0", "2.0", stems[0]]}).encode()
    made.server.on(f"/v2/{PATH}/tags/list", reply(200, body, link='<http://192.0.2.1/>; rel="next"'))
    records = snapshot(made, "")
    assert len(artifacts(records)) == 1
    assert sorted(made.asked("manifests", "HEAD")) == sorted(["1.0", "2.0", *stems])
    assert [row.kind for row in of(Failure, records)] == ["bad-response"]


def test_tags_that_are_listed_and_gone_are_failures(made: Made) -> None:
    """A tag that only may be there is none; one that was listed is."""
    image = made.image("amd64", "1.0")
    stem = fallback_tag(image["digest"])
    made.tags[stem] = made.tags[f"{stem}.sig"] = "gone"
    made.list_tags()
    records = snapshot(made, "")
    assert [(row.kind, row.locator) for row in of(Failure, records)] == [
        ("vanished", f"{made.repository}:{stem}"),
        ("vanished", f"{made.repository}:{stem}.sig"),
    ]
    assert of(Failure, snapshot(made, ":1.0")) == []
