"""Snapshots of registries: what is asked for, what becomes of it, and what a registry's faults leave behind."""

from __future__ import annotations

import base64
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from faulty import Faulty, endless, faulty_server, reply, sha256

from imglab import oci
from imglab.errors import InvalidReference, ParseError
from imglab.http import Client, Limits
from imglab.oci import Platform
from imglab.records import (
    Blob,
    Config,
    Failure,
    History,
    IndexEntry,
    Layer,
    Listing,
    Manifest,
    Record,
    TagObservation,
)
from imglab.sources.registry import Counts, Named, Target, collect, list_tags, parse_tags
from imglab.sources.tag_choice import TagChoice

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "1" * 64, "size": 1000}


class Journal:
    """What runs before left, as the journal would tell it."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.held: dict[str, list[Named]] = {}
        for record in records:
            match record:
                case IndexEntry():
                    self.held.setdefault(record.index_digest, []).append(Named(record.manifest_digest))
                case Manifest(kind="image", config_digest=str(config)):
                    self.held[record.digest] = [Named(config, is_config=True)]
                case Manifest() | Config():
                    self.held.setdefault(record.digest, [])

    def children(self, digests: Collection[str]) -> Mapping[str, Sequence[Named]]:
        return {digest: self.held[digest] for digest in digests if digest in self.held}


class Registry:
    """A registry as a table: repositories with tags and documents, and what was asked of it."""

    def __init__(self) -> None:
        self.tags: dict[str, dict[str, str]] = {}
        self.documents: dict[str, tuple[str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.requests: list[httpx.Request] = []
        self.override: dict[tuple[str, str], Callable[[httpx.Request], httpx.Response]] = {}

    def add(self, document: object, media_type: str) -> dict[str, Any]:
        body = json.dumps(document).encode()
        self.documents[sha256(body)] = (media_type, body)
        return {"mediaType": media_type, "digest": sha256(body), "size": len(body)}

    def image(self, architecture: str = "amd64", **changes: Any) -> dict[str, Any]:
        config = {
            "os": "linux",
            "architecture": architecture,
            "history": [{"created_by": "/bin/sh -c #(nop) ADD file:0123456789ab in / "}],
        }
        document = {
            "mediaType": oci.OCI_MANIFEST,
            "config": self.add(config, CONFIG_TYPE),
            "layers": [LAYER],
            **changes,
        }
        return {**self.add(document, oci.OCI_MANIFEST), "platform": {"os": "linux", "architecture": architecture}}

    def index(self, *entries: dict[str, Any]) -> str:
        return str(self.add({"mediaType": oci.OCI_INDEX, "manifests": list(entries)}, oci.OCI_INDEX)["digest"])

    def tag(self, name: str, digest: str, repository: str = "team/app") -> None:
        self.tags.setdefault(repository, {})[name] = digest

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append((request.method, path))
        self.requests.append(request)
        special = self.override.get((request.method, path))
        if special:
            return special(request)
        if path == "/v2/":
            return httpx.Response(200)
        repository, kind, name = path.removeprefix("/v2/").rsplit("/", 2)
        tags = self.tags.get(repository)
        if tags is None:
            return httpx.Response(404, json={"errors": [{"code": "NAME_UNKNOWN"}]})
        if (kind, name) == ("tags", "list"):
            return self.page(request, repository, sorted(tags))
        if name not in tags and name not in self.documents:
            return httpx.Response(404, json={"errors": [{"code": "MANIFEST_UNKNOWN"}]})
        digest = tags.get(name, name)
        media_type, body = self.documents[digest]
        headers = {"docker-content-digest": digest, "content-type": media_type}
        return httpx.Response(200, headers=headers, content=b"" if request.method == "HEAD" else body)

    def page(self, request: httpx.Request, repository: str, tags: list[str]) -> httpx.Response:
        after = request.url.params.get("last")
        start = tags.index(after) + 1 if after else 0
        page = tags[start : start + 2]
        more = start + 2 < len(tags)
        headers = {"link": f'</v2/{repository}/tags/list?n=2&last={page[-1]}>; rel="next"'} if more else {}
        return httpx.Response(200, json={"name": repository, "tags": page or None}, headers=headers)

    def fetched(self) -> Counter[str]:
        return Counter(path.rpartition("/")[2] for method, path in self.asked if method == "GET" and "sha256:" in path)


async def no_sleep(seconds: float) -> None:
    """No time passes."""


def snapshot(
    registry: Registry, *texts: str, known: Journal | None = None, counts: Counts | None = None, **options: Any
) -> list[Record]:
    targets = [Target.parse(text) for text in texts]
    transport = httpx.MockTransport(registry)
    with Client(transport=transport, sleep=no_sleep, now=lambda: NOON, limits=Limits(tries=2)) as client:
        return list(collect(targets, client, known or Journal(), now=lambda: NOON, counts=counts, **options))


def of(kind: type[Any], records: list[Record]) -> list[Any]:
    return [record for record in records if isinstance(record, kind)]


def failures(records: list[Record]) -> list[tuple[str, str]]:
    return [(failure.kind, failure.locator) for failure in of(Failure, records)]


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    index = registry.index(registry.image("amd64"), registry.image("arm64"))
    for name in ("1.0", "1.1", "2.0", "latest"):
        registry.tag(name, index)
    registry.tag("old", registry.image("s390x")["digest"])
    return registry


def test_whole_repository(registry: Registry) -> None:
    """Every listed tag is looked up, and every document fetched once however many tags share it."""
    counts = Counts()
    records = snapshot(registry, "r.example/team/app", counts=counts)
    assert of(Listing, records) == [Listing("r.example/team/app", NOON, True)]
    observed = {tag.tag: tag.digest for tag in of(TagObservation, records)}
    assert observed == registry.tags["team/app"]
    assert len(of(IndexEntry, records)) == 2
    assert sorted(manifest.kind for manifest in of(Manifest, records)) == ["image", "image", "image", "index"]
    assert {config.architecture for config in of(Config, records)} == {"amd64", "arm64", "s390x"}
    assert {step.step_label for step in of(History, records)} == {"ADD root filesystem"}
    assert len(of(Layer, records)) == 3
    assert {blob.digest: blob.body for blob in of(Blob, records)} == {d: b for d, (_, b) in registry.documents.items()}
    assert set(registry.fetched().values()) == {1}
    assert (counts.tags, counts.documents, counts.failures, counts.repositories) == (5, 7, 0, 1)


def test_every_type_of_manifest_is_asked_for(registry: Registry) -> None:
    """Of tags and of documents, by HEAD and by GET: `*/*` may give schema 1, or one platform of an index."""
    registry.override["HEAD", "/v2/team/app/manifests/old"] = lambda request: httpx.Response(405)
    snapshot(registry, "r.example/team/app:old", "r.example/team/app:latest")
    asked = [request for request in registry.requests if "/manifests/" in request.url.path]
    assert Counter(request.method for request in asked) == {"HEAD": 2, "GET": 1 + 3}
    accepted = {frozenset(request.headers.get("accept", "").split(", ")) for request in asked}
    assert accepted == {
        frozenset(
            {
                "application/vnd.oci.image.index.v1+json",
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.docker.distribution.manifest.list.v2+json",
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "application/vnd.docker.distribution.manifest.v1+json",
            }
        )
    }


def test_pages_have_a_length_that_every_registry_takes(registry: Registry) -> None:
    """ECR refuses more than a thousand tags at a time; a page with fewer is the last one only if no link leads on."""
    snapshot(registry, "r.example/team/app:none*")
    asked = [request.url.query for request in registry.requests if request.url.path.endswith("/tags/list")]
    assert asked == [b"n=1000", b"n=2&last=1.1", b"n=2&last=latest"]


def test_second_snapshot_costs_one_request_per_tag(registry: Registry) -> None:
    """What the journal holds is not fetched again; a tag that moved costs its new documents only."""
    first = snapshot(registry, "r.example/team/app")
    registry.asked.clear()
    second = snapshot(registry, "r.example/team/app", known=Journal(first))
    assert Counter(method for method, _ in registry.asked) == {"HEAD": 5, "GET": 1 + 3}  # ping and three pages
    assert {record.table for record in second} == {"listing", "tag_observation"}
    moved = registry.image("riscv64")["digest"]
    registry.tag("latest", moved)
    registry.asked.clear()
    third = snapshot(registry, "r.example/team/app:latest", known=Journal(first))
    assert [tag.digest for tag in of(TagObservation, third)] == [moved]
    assert sum(registry.fetched().values()) == 2


def test_what_failed_last_time_is_completed(registry: Registry) -> None:
    """A known index with unknown children, and a known manifest with an unknown config, are completed."""
    first = snapshot(registry, "r.example/team/app:latest")
    images = [record.digest for record in of(Manifest, first) if record.kind == "image"]
    configs = [record.digest for record in of(Config, first)]
    known = Journal(first)
    del known.held[images[0]], known.held[configs[1]]
    registry.asked.clear()
    records = snapshot(registry, "r.example/team/app:latest", known=known)
    assert {record.digest for record in of(Blob, records)} == {images[0], configs[1]}
    assert of(Failure, records) == []
    at = "/v2/team/app"
    assert [path for method, path in registry.asked if method == "GET"] == [
        "/v2/",
        f"{at}/manifests/{images[0]}",
        f"{at}/blobs/{configs[1]}",
    ]


def test_patterns_look_up_only_what_matches(registry: Registry) -> None:
    """Tags that do not match are known to exist, without a digest."""
    records = snapshot(registry, "r.example/team/app:1.*")
    observed = {tag.tag: tag.digest is not None for tag in of(TagObservation, records)}
    assert observed == {"1.0": True, "1.1": True, "2.0": False, "latest": False, "old": False}
    assert Target.parse("r.example/a:x", "1.*") == Target.parse("r.example/a:x")
    assert Target.parse("r.example/a", "1.*") == Target.parse("r.example/a:1.*")
    with pytest.raises(InvalidReference):
        Target.parse("r.example/A")


def test_choices_of_one_repository_are_united(registry: Registry) -> None:
    """Each pattern for itself with what it leaves out; a tag that several want is asked for once."""
    targets = [
        Target(oci.Reference.parse("r.example/team/app"), TagChoice(("1.*", "2.*"), exclude=("*.1",), newest=1)),
        Target.parse("r.example/team/app:2.0"),
        Target.parse("r.example/team/app:o*"),
    ]
    with Client(transport=httpx.MockTransport(registry), sleep=no_sleep) as client:
        records = list(collect(targets, client, Journal(), now=lambda: NOON))
    observed = {tag.tag: tag.digest is not None for tag in of(TagObservation, records)}
    assert observed == {"1.0": False, "1.1": False, "2.0": True, "latest": False, "old": True}
    assert [path.rpartition("/")[2] for method, path in registry.asked if method == "HEAD"] == ["2.0", "old"]


def test_tags_named_beside_a_listing_are_told_once(registry: Registry) -> None:
    """A tag by name that is listed as well has one row; if it cannot be looked up it is there all the same."""
    records = snapshot(registry, "r.example/team/app:1.*", "r.example/team/app:old", "r.example/team/app:gone")
    observed = [(tag.tag, tag.digest is not None) for tag in of(TagObservation, records) if not tag.is_absent]
    assert sorted(observed) == [("1.0", True), ("1.1", True), ("2.0", False), ("latest", False), ("old", True)]
    assert failures(records) == [("not-found", "r.example/team/app:gone")]
    registry.override["HEAD", "/v2/team/app/manifests/1.0"] = lambda request: httpx.Response(500)
    records = snapshot(registry, "r.example/team/app:1.*", "r.example/team/app:1.0")
    assert [tag.digest for tag in of(TagObservation, records) if tag.tag == "1.0"] == [None]


def test_tags_of_artifacts_are_there_and_not_looked_up(registry: Registry) -> None:
    """Signatures and lists of referrers are listed beside images; they cost no request unless they are asked for."""
    digest = registry.tags["team/app"]["latest"].replace(":", "-")
    for tag in (digest, f"{digest}.sig"):
        registry.tag(tag, registry.tags["team/app"]["old"])
    records = snapshot(registry, "r.example/team/app")
    observed = {tag.tag for tag in of(TagObservation, records) if tag.digest is None}
    assert observed == {digest, f"{digest}.sig"}
    assert [method for method, path in registry.asked].count("HEAD") == 5
    for text in (f"{digest}.sig", f"{digest}*"):
        records = snapshot(registry, f"r.example/team/app:{text}")
        observed = {tag.tag for tag in of(TagObservation, records) if tag.digest}
        assert observed == {f"{digest}.sig"} | ({digest} if text.endswith("*") else set())


def test_tags_can_be_listed_alone(registry: Registry) -> None:
    """For sources that ask something else about them: the listing, and every tag without a digest."""
    listed: list[oci.Reference] = []
    targets = [Target.parse(text) for text in ("r.example/team/app:1.*", "r.example/team/app:old", "r.example/no/such")]
    with Client(transport=httpx.MockTransport(registry), sleep=no_sleep) as client:
        records = list(list_tags(targets, client, now=lambda: NOON, listed=listed))
    assert [str(reference) for reference in listed] == ["r.example/team/app:1.0", "r.example/team/app:1.1"]
    assert of(Listing, records) == [Listing("r.example/team/app", NOON, True)]
    assert {tag.tag: tag.digest for tag in of(TagObservation, records)} == dict.fromkeys(registry.tags["team/app"])
    assert failures(records) == [("not-found", "r.example/no/such")]
    assert {method for method, _ in registry.asked} == {"GET"}


def test_platforms_restrict_what_is_fetched(registry: Registry) -> None:
    """Other platforms stay entries of the index; the attestation of a chosen image comes along."""
    chosen, left = registry.image("amd64"), registry.image("arm64")
    annotations = {"vnd.docker.reference.type": "attestation-manifest"}
    proofs = [
        {
            **registry.image(f"unknown{n}", layers=[{**LAYER, "mediaType": "application/vnd.in-toto+json"}]),
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {**annotations, "vnd.docker.reference.digest": about["digest"]},
        }
        for n, about in enumerate((chosen, left))
    ]
    registry.tag("p", registry.index(chosen, left, *proofs))
    records = snapshot(registry, "r.example/team/app:p", platforms=[Platform.parse("linux/amd64")])
    kinds = {manifest.digest: manifest.kind for manifest in of(Manifest, records) if manifest.kind != "index"}
    assert kinds == {chosen["digest"]: "image", proofs[0]["digest"]: "attestation"}
    assert len(of(IndexEntry, records)) == 4
    assert [config.architecture for config in of(Config, records)] == ["amd64"]


def test_digest_targets_are_fetched_without_a_tag(registry: Registry) -> None:
    """A digest is content: there is nothing to observe about it."""
    digest = registry.tags["team/app"]["latest"]
    records = snapshot(registry, f"r.example/team/app@{digest}")
    assert of(TagObservation, records) == [] and of(Listing, records) == []
    assert len(of(Config, records)) == 2
    records = snapshot(
        registry, f"r.example/team/app@{digest}", f"r.example/team/app:x@{digest}", "r.example/team/app:old"
    )
    assert of(Listing, records) == []


def test_nested_indexes_and_odd_children(registry: Registry) -> None:
    """Indexes within indexes are followed; children of unknown types and algorithms are not fetched."""
    inner, unknown = registry.index(registry.image("arm")), "blake3:" + "a" * 64
    entries = [
        {"mediaType": oci.OCI_INDEX, "digest": inner, "size": len(registry.documents[inner][1])},
        {"mediaType": "application/vnd.example", "digest": "sha256:" + "2" * 64, "size": 1},
        {"mediaType": oci.OCI_MANIFEST, "digest": unknown, "size": 1},
    ]
    registry.tag("n", registry.index(*entries))
    records = snapshot(registry, "r.example/team/app:n")
    assert [config.architecture for config in of(Config, records)] == ["arm"]
    assert failures(records) == [("unverifiable", f"r.example/team/app@{unknown}")]
    assert unknown in [entry.manifest_digest for entry in of(IndexEntry, records)]
    assert registry.fetched()[unknown] == registry.fetched()["sha256:" + "2" * 64] == 0


def test_indexes_end_somewhere(registry: Registry) -> None:
    """A chain of indexes is not followed for ever."""
    digest = registry.index()
    for _ in range(20):
        entry = {"mediaType": oci.OCI_INDEX, "digest": digest, "size": len(registry.documents[digest][1])}
        digest = registry.index(entry)
    registry.tag("deep", digest)
    records = snapshot(registry, "r.example/team/app:deep")
    assert [kind for kind, _ in failures(records)] == ["unverifiable"]
    assert len(of(Manifest, records)) < 12


def test_absent_and_vanished_tags(registry: Registry) -> None:
    """A tag that is asked for by name or was listed, and is not there, is an absence and a failure."""
    records = snapshot(registry, "r.example/team/app:nothing")
    assert of(TagObservation, records) == [TagObservation("r.example/team/app", "nothing", NOON, is_absent=True)]
    assert failures(records) == [("not-found", "r.example/team/app:nothing")]
    registry.override["HEAD", "/v2/team/app/manifests/2.0"] = lambda request: httpx.Response(404)
    records = snapshot(registry, "r.example/team/app")
    assert [tag.tag for tag in of(TagObservation, records) if tag.is_absent] == ["2.0"]
    assert failures(records) == [("vanished", "r.example/team/app:2.0")]
    assert len(of(Config, records)) == 3


def test_a_missing_token_server_makes_no_tag_vanish(registry: Registry) -> None:
    """Tags of a complete listing are there, though no token can be had any more by the time that they are asked for."""
    header = 'Bearer realm="https://r.example/token",service="r"'
    refused = httpx.Response(401, headers={"www-authenticate": header})
    registry.override["GET", "/token"] = lambda request: httpx.Response(404)
    for name in registry.tags["team/app"]:
        registry.override["HEAD", f"/v2/team/app/manifests/{name}"] = lambda request: refused
    records = snapshot(registry, "r.example/team/app")
    assert [tag.tag for tag in of(TagObservation, records) if tag.is_absent] == []
    assert len(of(TagObservation, records)) == len(registry.tags["team/app"])
    assert {kind for kind, _ in failures(records)} == {"bad-response"}


def test_missing_repository_is_a_failure(registry: Registry) -> None:
    """A repository that is not there says nothing about tags."""
    for text in ("r.example/no/such", "r.example/no/such:x"):
        records = snapshot(registry, text)
        assert [kind for kind, _ in failures(records)] == ["not-found"]
        assert len(records) == 1


@pytest.mark.parametrize("stated", [None, "sha256:../../x", "SHA256:" + "a" * 64])
def test_without_a_usable_digest_the_tag_is_fetched(registry: Registry, stated: str | None) -> None:
    """Where HEAD states no digest, or one that is none, the document itself is asked for, and not twice."""
    digest = registry.tags["team/app"]["latest"]
    media_type, body = registry.documents[digest]
    headers = {"content-type": media_type, **({"docker-content-digest": stated} if stated else {})}
    for method in ("HEAD", "GET"):
        answer = httpx.Response(200, headers=headers, content=body if method == "GET" else b"")
        registry.override[method, "/v2/team/app/manifests/latest"] = lambda request, answer=answer: answer  # type: ignore[misc]
    records = snapshot(registry, "r.example/team/app:latest")
    assert [tag.digest for tag in of(TagObservation, records)] == [digest]
    assert len(of(Config, records)) == 2
    assert registry.fetched()[digest] == 0


def test_a_page_in_place_of_a_manifest_moves_no_tag(registry: Registry) -> None:
    """A proxy that answers 200 in a registry's place says nothing of tags: neither where they point, nor which."""
    page = httpx.Response(200, headers={"content-type": "text/html; charset=utf-8"}, content=b"<html>Log in</html>")
    for method, name in (("HEAD", "manifests/latest"), ("GET", "manifests/latest"), ("GET", "tags/list")):
        registry.override[method, f"/v2/team/app/{name}"] = lambda request: page
    records = snapshot(registry, "r.example/team/app:latest")
    assert failures(records) == [("bad-response", "r.example/team/app:latest")]
    assert "text/html came in place of a manifest: check host and port" in of(Failure, records)[0].message
    assert len(records) == 1
    (failure,) = snapshot(registry, "r.example/team/app")
    assert (failure.kind, failure.locator) == ("bad-response", "r.example/team/app")
    assert "text/html came in place of a list of tags" in failure.message


def test_a_pattern_that_matches_nothing_is_told(
    registry: Registry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a slip; it is no failure, for there may be such tags tomorrow."""
    monkeypatch.setattr(logging.getLogger("imglab"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("imglab"), "handlers", [])  # of commands that ran before
    with caplog.at_level(logging.INFO, "imglab"):
        assert of(Failure, snapshot(registry, "r.example/team/app:4.*")) == []
    assert "r.example/team/app: none of its 5 tags matches 4.*" in caplog.text


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_refused_head_leads_to_get(registry: Registry, status: int) -> None:
    """A registry without HEAD is read with GET; a digest that it states must hold."""
    registry.override["HEAD", "/v2/team/app/manifests/old"] = lambda request: httpx.Response(status)
    records = snapshot(registry, "r.example/team/app:old")
    assert [tag.digest for tag in of(TagObservation, records)] == [registry.tags["team/app"]["old"]]
    wrong = httpx.Response(200, headers={"docker-content-digest": "sha256:" + "9" * 64}, content=b"{}")
    registry.override["GET", "/v2/team/app/manifests/old"] = lambda request: wrong
    records = snapshot(registry, "r.example/team/app:old")
    assert failures(records) == [("digest-mismatch", "r.example/team/app:old")]
    assert len(records) == 1


def test_a_tag_may_be_named_by_another_algorithm(registry: Registry) -> None:
    """A registry may state a digest of sha512: the document is asked for and verified by it, whatever GET says."""
    digest = registry.tags["team/app"]["old"]
    media_type, body = registry.documents[digest]
    long = oci.digest_of(body, "sha512")
    registry.documents[long] = (media_type, body)
    head = httpx.Response(200, headers={"docker-content-digest": long, "content-type": media_type})
    registry.override["HEAD", "/v2/team/app/manifests/old"] = lambda request: head
    other = httpx.Response(200, headers={"docker-content-digest": digest, "content-type": media_type}, content=body)
    registry.override["GET", f"/v2/team/app/manifests/{long}"] = lambda request: other
    records = snapshot(registry, "r.example/team/app:old")
    assert [tag.digest for tag in of(TagObservation, records)] == [long]
    assert long in {blob.digest for blob in of(Blob, records)} and of(Failure, records) == []
    wrong = httpx.Response(200, headers={"docker-content-digest": sha256(b"{}")}, content=b"{}")
    registry.override["GET", f"/v2/team/app/manifests/{long}"] = lambda request: wrong
    records = snapshot(registry, "r.example/team/app:old")
    assert failures(records) == [("digest-mismatch", f"r.example/team/app@{long}")]


def test_documents_of_megabytes_are_taken(registry: Registry) -> None:
    """Registries take manifests of 4 MiB at least, so these are read, and so are configs; what is far beyond is not."""
    padding = "x" * 4 * 1024 * 1024
    for tag, size in (("large", 1), ("huge", 3)):
        registry.tag(tag, registry.image(annotations={"padding": padding * size})["digest"])
    config = registry.add({"os": "linux", "architecture": "arm", "padding": padding}, CONFIG_TYPE)
    registry.tag("config", registry.image(config=config)["digest"])
    records = snapshot(registry, *(f"r.example/team/app:{tag}" for tag in ("large", "huge", "config")))
    assert failures(records) == [("too-large", f"r.example/team/app@{registry.tags['team/app']['huge']}")]
    assert sorted(config.architecture for config in of(Config, records)) == ["amd64", "arm"]


def test_what_is_hashed_is_what_came(registry: Registry) -> None:
    """Neither blanks nor the order of keys are put right before a digest is computed."""
    config = b' {"os":  "linux"}\n'
    registry.documents[sha256(config)] = (CONFIG_TYPE, config)
    content = {"config": {"mediaType": CONFIG_TYPE, "digest": sha256(config), "size": len(config)}, "layers": [LAYER]}
    body = b" \n" + json.dumps(content, indent=3).encode() + b"\r\n"
    registry.documents[sha256(body)] = (oci.OCI_MANIFEST, body)
    registry.tag("odd", sha256(body))
    records = snapshot(registry, "r.example/team/app:odd")
    assert of(Failure, records) == []
    assert [blob.body for blob in of(Blob, records)] == [body, config]


def test_data_in_a_descriptor_are_not_taken(registry: Registry) -> None:
    """What a descriptor brings along in place of a fetch is not read: the document itself is."""
    other = base64.b64encode(b'{"os": "linux", "architecture": "evil"}').decode()
    config = {**registry.add({"os": "linux", "architecture": "arm"}, CONFIG_TYPE), "data": other}
    image = {**registry.image(config=config), "data": base64.b64encode(b"{}").decode()}
    registry.tag("data", registry.index(image))
    records = snapshot(registry, "r.example/team/app:data")
    assert [row.architecture for row in of(Config, records)] == ["arm"]
    assert registry.fetched()[config["digest"]] == registry.fetched()[image["digest"]] == 1
    assert of(Failure, records) == []


@pytest.mark.parametrize(
    ("stated", "is_taken"),
    [
        (oci.OCI_MANIFEST, True),
        (f"{oci.OCI_MANIFEST}; charset=utf-8", True),
        ("Application/Vnd.OCI.Image.Manifest.V1+JSON", True),
        ("text/plain", True),
        (oci.DOCKER_MANIFEST, False),
        (f"{oci.OCI_INDEX};charset=utf-8", False),
    ],
)
def test_types_are_compared_without_their_parameters(registry: Registry, stated: str, is_taken: bool) -> None:
    """It is the type of the reply itself that counts, not what an index said; one of no manifest says nothing."""
    child = registry.image("arm")
    registry.documents[child["digest"]] = (stated, registry.documents[child["digest"]][1])
    registry.tag("n", registry.index(child))
    records = snapshot(registry, "r.example/team/app:n")
    assert failures(records) == ([] if is_taken else [("bad-document", f"r.example/team/app@{child['digest']}")])
    assert (child["digest"] in {blob.digest for blob in of(Blob, records)}) == is_taken


def test_what_is_sent_under_another_type_is_not_taken(registry: Registry) -> None:
    """A document that says it is an index and comes as an image, or is both at once, is stored nowhere."""
    index = registry.tags["team/app"]["latest"]
    registry.documents[index] = (oci.OCI_MANIFEST, registry.documents[index][1])
    both = registry.image(manifests=[])["digest"]
    registry.tag("both", both)
    records = snapshot(registry, "r.example/team/app:latest", "r.example/team/app:both")
    at = "r.example/team/app@"
    assert sorted(failures(records)) == sorted([("bad-document", at + index), ("bad-document", at + both)])
    assert of(Blob, records) == []


def test_content_types_are_words(registry: Registry) -> None:
    """What a registry says that is no media type is not kept; the document's own word counts."""
    digest = registry.tags["team/app"]["old"]
    for stated in ("\x7f/\x7f", "a/b\tc", "x" * 300 + "/y", "text", ""):
        registry.documents[digest] = (stated, registry.documents[digest][1])
        records = snapshot(registry, "r.example/team/app:old")
        (manifest,) = of(Manifest, records)
        assert manifest.media_type == oci.OCI_MANIFEST
        assert [blob.media_type for blob in of(Blob, records) if blob.digest == digest] == [None]


def test_bad_documents_are_failures_and_the_rest_goes_on(registry: Registry) -> None:
    """Wrong bytes, lying sizes and broken JSON are stored nowhere; their siblings are."""
    good, lost, short = registry.image("amd64"), registry.image("arm64"), registry.image("riscv64")
    broken = registry.add([1, 2], oci.OCI_MANIFEST)
    index = registry.index(good, lost, {**short, "size": 7}, broken)
    registry.tag("bad", index)
    evil = httpx.Response(200, headers={"docker-content-digest": lost["digest"]}, content=b"x" * lost["size"])
    registry.override["GET", f"/v2/team/app/manifests/{lost['digest']}"] = lambda request: evil
    records = snapshot(registry, "r.example/team/app:bad")
    at = "r.example/team/app@"
    assert sorted(failures(records)) == sorted(
        [
            ("digest-mismatch", at + lost["digest"]),
            ("digest-mismatch", at + short["digest"]),
            ("bad-document", at + broken["digest"]),
        ]
    )
    assert {blob.digest for blob in of(Blob, records)} >= {index, good["digest"]}
    assert not {blob.digest for blob in of(Blob, records)} & {lost["digest"], short["digest"], broken["digest"]}


def test_signed_schema1_is_taken(registry: Registry) -> None:
    """The digest of an old manifest is that of what was signed, whether its tag or its digest is asked for."""
    payload = json.dumps({"schemaVersion": 1, "fsLayers": [{"blobSum": LAYER["digest"]}], "history": []}).encode()
    frame = json.dumps({"formatLength": len(payload) - 1, "formatTail": base64.urlsafe_b64encode(b"}").decode()})
    signature = {"protected": base64.urlsafe_b64encode(frame.encode()).decode()}
    body = payload[:-1] + b', "signatures": ' + json.dumps([signature]).encode() + b"}"
    registry.documents[sha256(payload)] = (oci.SCHEMA1_SIGNED, body)
    registry.tag("v1", sha256(payload))
    for status in (None, 405):
        if status:
            registry.override["HEAD", "/v2/team/app/manifests/v1"] = lambda request: httpx.Response(405)
        records = snapshot(registry, "r.example/team/app:v1")
        assert [(m.kind, m.media_type, m.digest) for m in of(Manifest, records)] == [
            ("schema1", oci.SCHEMA1_SIGNED, sha256(payload))
        ]
        assert len(of(Layer, records)) == 1 and of(Failure, records) == []
    registry.documents[sha256(payload)] = (oci.SCHEMA1_SIGNED, body.replace(b"history", b"History"))
    records = snapshot(registry, f"r.example/team/app@{sha256(payload)}")
    assert failures(records) == [("digest-mismatch", f"r.example/team/app@{sha256(payload)}")]


def test_broken_listing_keeps_what_was_read(registry: Registry) -> None:
    """A page that fails makes the listing incomplete; its tags are looked up all the same."""
    broken = iter([registry.page(httpx.Request("GET", "http://x/"), "team/app", ["1.0", "1.1", "2.0"])])
    registry.override["GET", "/v2/team/app/tags/list"] = lambda request: next(broken, httpx.Response(500))
    records = snapshot(registry, "r.example/team/app")
    assert of(Listing, records) == [Listing("r.example/team/app", NOON, False)]
    assert {tag.tag for tag in of(TagObservation, records)} == {"1.0", "1.1"}
    assert failures(records) == [("server-error", "r.example/team/app")]


def test_listed_texts_that_are_no_tags(registry: Registry) -> None:
    """What a registry lists is checked before it becomes part of a path, and shown as any table can hold it."""
    listing = httpx.Response(200, content=rb'{"tags": ["../../x", "1.0", "1.0", "\ud800"]}')
    registry.override["GET", "/v2/team/app/tags/list"] = lambda request: listing
    records = snapshot(registry, "r.example/team/app")
    at = "r.example/team/app:"
    assert failures(records) == [("bad-response", at + "'../../x'"), ("bad-response", at + r"'\ud800'")]
    assert [tag.tag for tag in of(TagObservation, records)] == ["1.0"]


@pytest.mark.parametrize("status", [500, 403, 400])
def test_listed_tags_that_cannot_be_looked_up_are_there(registry: Registry, status: int) -> None:
    """A tag of a complete listing that HEAD and GET refuse is not taken for gone."""
    for method in ("HEAD", "GET"):
        registry.override[method, "/v2/team/app/manifests/2.0"] = lambda request: httpx.Response(status)
    records = snapshot(registry, "r.example/team/app")
    assert [kind for kind, _ in failures(records)] == [{500: "server-error", 403: "denied"}.get(status, "bad-response")]
    assert {tag.tag: tag.digest is None for tag in of(TagObservation, records)} == {
        **dict.fromkeys(registry.tags["team/app"], False),
        "2.0": True,
    }
    assert of(TagObservation, snapshot(registry, "r.example/team/app:2.0")) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"tags": 1}', b'{"tags": [1]}', b"[" * 100_000])
def test_pages_that_are_none(body: bytes) -> None:
    """A page without a list of tags is no page; null is an empty one."""
    with pytest.raises(ParseError):
        parse_tags(body, source="r.example/x")
    assert parse_tags(b'{"tags": null}', source="r.example/x") == []


def test_unreachable_repository_is_one_failure(registry: Registry) -> None:
    """A registry that is down, or that refuses us, is told once for a repository, however many tags were named."""

    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    tags = [f"r.example/team/app:{n}" for n in range(20)]
    for answer, kind, unreachable in ((down, "unreachable", 1), (lambda request: httpx.Response(403), "denied", 0)):
        counts = Counts()
        with Client(transport=httpx.MockTransport(answer), sleep=no_sleep, limits=Limits(tries=1)) as client:
            targets = [Target.parse(text) for text in tags]
            records = list(collect(targets, client, Journal(), now=lambda: NOON, counts=counts))
        assert failures(records) == [(kind, "r.example/team/app")]
        assert (counts.unreachable, counts.repositories, counts.failures) == (unreachable, 0, 1)


def test_progress_is_told(registry: Registry) -> None:
    """Whoever draws a bar hears how far it is."""
    told: list[tuple[str, int, int]] = []
    snapshot(registry, "r.example/team/app", progress=lambda *parts: told.append(parts))
    assert ("tags", 5, 5) in told
    assert told[-1][0] == "documents" and told[-1][1] == told[-1][2]


# --- limits ----------------------------------------------------------------------------------------------------------


class Limited(Registry):
    """A registry that counts GET of manifests as Docker Hub does, and refuses them when none are left."""

    def __init__(self, pulls: int, *, is_silent: bool = False) -> None:
        super().__init__()
        self.pulls = pulls
        self._is_silent = is_silent

    def __call__(self, request: httpx.Request) -> httpx.Response:
        reply = super().__call__(request)
        if "/manifests/" not in request.url.path:
            return reply
        self.pulls -= request.method == "GET"
        if self.pulls < 0 and request.method == "GET":
            return httpx.Response(429, content=b"You have reached your unauthenticated pull rate limit.")
        told = {"ratelimit-remaining": f"{self.pulls};w=21600", "ratelimit-limit": "100;w=21600"}
        reply.headers.update({} if self._is_silent else told)
        return reply

    def fill(self, tags: int) -> None:
        """Tags of two platforms each: three pulls and two blobs for each tag."""
        for number in range(tags):
            images = [self.image(f"{architecture}{number}") for architecture in ("amd64", "arm64")]
            self.tag(f"t{number:03}", self.index(*images))


def test_a_limit_of_pulls_is_one_failure_and_the_next_run_goes_on() -> None:
    """Every tag is observed, pulls end at the reserve, one row says when to resume; nothing is fetched twice."""
    registry, told, rows = Limited(0), list[Record](), list[list[Failure]]()
    registry.fill(40)
    for _ in range(3):
        registry.pulls, counts = 60, Counts()
        records = snapshot(registry, "r.example/team/app", known=Journal(told), counts=counts)
        told += records
        assert len([tag for tag in of(TagObservation, records) if tag.digest]) == 40
        rows.append(of(Failure, records))
        assert counts.failures == len(rows[-1])
    assert [len(found) for found in rows] == [1, 1, 0]
    assert (len(of(Manifest, told)), len(of(Config, told)), registry.pulls) == (3 * 40, 2 * 40, 60 - 20)
    assert set(registry.fetched().values()) == {1}
    (row,) = rows[0]
    assert (row.locator, row.kind, row.status, row.is_temporary) == ("r.example", "rate-limited", None, True)
    assert row.message == (
        "r.example: 70 documents left to a later run: r.example counts pulls, and 10 pulls are left there of 100 in "
        "6 hours, which are kept (--reserve 10): resume after 2026-01-01 18:00:00 UTC"
    )


def test_a_tag_that_has_to_be_fetched_is_a_pull() -> None:
    """Where HEAD is refused, GET of tags takes pulls, and the reserve is left to others as with documents."""
    registry = Limited(30)
    registry.fill(40)
    for tag in registry.tags["team/app"]:
        registry.override["HEAD", f"/v2/team/app/manifests/{tag}"] = lambda request: httpx.Response(405)
    records = snapshot(registry, "r.example/team/app")
    assert registry.pulls == 10
    assert [(row.locator, row.kind) for row in of(Failure, records)] == [("r.example", "rate-limited")]
    assert {tag.tag for tag in of(TagObservation, records)} == set(registry.tags["team/app"])


def test_pulls_that_are_used_up_are_one_failure() -> None:
    """Nobody said so before: the first refusals end it, HEADs go on, the row has the registry's status."""
    registry = Limited(0, is_silent=True)
    registry.fill(200)
    records = snapshot(registry, "r.example/team/app")
    assert [(row.locator, row.kind, row.status) for row in of(Failure, records)] == [("r.example", "rate-limited", 429)]
    assert len([tag for tag in of(TagObservation, records) if tag.digest]) == 200
    assert sum(method == "GET" and "/manifests/" in path for method, path in registry.asked) <= 16


def test_a_registry_that_is_to_be_left_alone_is_one_failure(registry: Registry) -> None:
    """Tags of a complete listing that are not looked up for that are there all the same; other registries go on."""
    listed = {f"t{number}": registry.tags["team/app"]["latest"] for number in range(300)}
    registry.tags["team/app"] = listed
    registry.page = lambda request, repository, tags: httpx.Response(200, json={"tags": tags})  # type: ignore[method-assign]

    def busy(request: httpx.Request) -> httpx.Response:
        is_tag = request.url.host == "r.example" and "/manifests/t" in request.url.path
        return httpx.Response(503, headers={"retry-after": "7200"}) if is_tag else registry(request)

    with Client(transport=httpx.MockTransport(busy), sleep=no_sleep, now=lambda: NOON) as client:
        targets = [Target.parse(text) for text in ("r.example/team/app", "other.example/team/app")]
        records = list(collect(targets, client, Journal(), now=lambda: NOON))
    (row,) = of(Failure, records)
    assert (row.locator, row.kind, row.status) == ("r.example", "server-error", 503)
    assert row.message.startswith("r.example: 300 tags left to a later run: ")
    assert "resume after 2026-01-01 14:00:00 UTC" in row.message
    seen = Counter((tag.repository, tag.digest is None) for tag in of(TagObservation, records))
    assert seen == {("r.example/team/app", True): 300, ("other.example/team/app", False): 300}


@pytest.mark.parametrize("most", [1, 2, 5, 9, 13, 15])
def test_a_run_of_few_requests_is_cut_short_in_order(registry: Registry, most: int) -> None:
    """Wherever the limit strikes: what came is kept, listings that broke off say so, one row tells what is left."""
    with Client(transport=httpx.MockTransport(registry), limits=Limits(requests=most)) as client:
        records = list(collect([Target.parse("r.example/team/app")], client, Journal(), now=lambda: NOON))
    assert len(registry.asked) == most
    (row,) = of(Failure, records)
    assert (row.locator, row.kind, row.is_temporary) == ("r.example", "request-limit", True)
    assert f"--limit-requests {most} is reached" in row.message
    assert [listing.is_complete for listing in of(Listing, records)] == ([most >= 4] if most > 1 else [])
    absent = [tag for tag in of(TagObservation, records) if tag.is_absent]
    assert absent == []


def test_an_index_of_too_many_is_not_followed_for_ever(registry: Registry) -> None:
    """A tag leads to some dozens of documents: beyond a thousand the rest is one failure, and other tags are read."""
    entries = [{"mediaType": oci.OCI_MANIFEST, "digest": f"sha256:{n:064x}", "size": 1} for n in range(30_000)]
    digest = registry.index(*entries)
    registry.tags["hostile/app"] = {"many": digest}
    records = snapshot(registry, "r.example/hostile/app", "r.example/team/app:latest")
    rest = [row for row in of(Failure, records) if row.kind == "too-many"]
    assert [row.message.partition(" left")[0] for row in rest] == ["r.example: 29,000 documents"]
    assert sum("hostile" in path and "sha256:0" in path for _, path in registry.asked) == 1_000
    assert len(of(Config, records)) == 2


def test_each_tag_that_is_fetched_may_lead_to_as_many(registry: Registry) -> None:
    """The end of what is followed grows with what was asked for, whether HEAD or GET told where it points."""
    for tag in ("first", "second"):
        names = [sha256(f"{tag}{number}".encode()) for number in range(600)]
        entries = [{"mediaType": oci.OCI_MANIFEST, "digest": name, "size": 1} for name in names]
        registry.tag(tag, registry.index(*entries), "wide/app")
        registry.override["HEAD", f"/v2/wide/app/manifests/{tag}"] = lambda request: httpx.Response(405)
    records = snapshot(registry, "r.example/wide/app")
    assert [row for row in of(Failure, records) if row.kind == "too-many"] == []
    assert sum("sha256:" in path for _, path in registry.asked) == 1_200


def test_a_list_of_too_many_tags_is_left(registry: Registry) -> None:
    """A registry that goes on listing new tags: what it listed until then is there, and the listing broke off."""

    def page(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("at", "0"))
        link = {"link": f"</v2/team/app/tags/list?at={at + 1}>; rel=next"}
        return httpx.Response(200, json={"tags": [f"{at}-{number}" for number in range(10)]}, headers=link)

    registry.override["GET", "/v2/team/app/tags/list"] = page
    limits = Limits(tries=1, tags=35)
    with Client(transport=httpx.MockTransport(registry), sleep=no_sleep, limits=limits) as client:
        targets = [Target.parse("r.example/team/app:none*")]
        records = list(collect(targets, client, Journal(), now=lambda: NOON))
    assert [listing.is_complete for listing in of(Listing, records)] == [False]
    assert failures(records) == [("bad-response", "r.example/team/app")]
    assert len(of(TagObservation, records)) == 40
    assert sum(path.endswith("/list") for _, path in registry.asked) == 4


@pytest.mark.parametrize(("idle", "is_complete"), [(0, True), (10, True), (11, False)])
def test_pages_that_tell_nothing_new_are_followed_for_a_while(registry: Registry, idle: int, is_complete: bool) -> None:
    """Pages may be empty (a registry that filters); many of them in a row lead nowhere."""
    pages = [["1.0"], *[[]] * idle, ["2.0"]]

    def page(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("at", "0"))
        headers = {"link": f"</v2/team/app/tags/list?at={at + 1}>; rel=next"} if at + 1 < len(pages) else {}
        return httpx.Response(200, json={"tags": pages[at] or None}, headers=headers)

    registry.override["GET", "/v2/team/app/tags/list"] = page
    records = snapshot(registry, "r.example/team/app")
    assert [listing.is_complete for listing in of(Listing, records)] == [is_complete]
    assert {tag.tag for tag in of(TagObservation, records)} == ({"1.0", "2.0"} if is_complete else {"1.0"})


# --- real connections ------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        faulty.on("/v2/", reply(200))
        yield faulty


def over_the_wire(server: Faulty, text: str) -> list[Record]:
    limits = Limits(tries=2, backoff_seconds=0.01, request_seconds=0.5)
    with Client(limits=limits) as client:
        return list(collect([Target.parse(f"{server.registry}/a/b{text}")], client, Journal(), now=lambda: NOON))


def test_a_repository_over_the_wire(server: Faulty) -> None:
    """Listing, HEAD, manifest and config over plain HTTP of loopback."""
    config = b'{"os": "linux", "architecture": "amd64"}'
    manifest = json.dumps(
        {"config": {"mediaType": CONFIG_TYPE, "digest": sha256(config), "size": len(config)}, "layers": [LAYER]}
    ).encode()
    server.on("/v2/a/b/tags/list", reply(200, b'{"tags": ["x"]}'))
    head = reply(200, content_length=str(len(manifest)), docker_content_digest=sha256(manifest))
    server.on("/v2/a/b/manifests/x", head)
    server.on(f"/v2/a/b/manifests/{sha256(manifest)}", reply(200, manifest, content_type=oci.OCI_MANIFEST))
    server.on(f"/v2/a/b/blobs/{sha256(config)}", reply(200, config))
    records = over_the_wire(server, "")
    assert [record.table for record in records] == [
        "listing",
        "tag_observation",
        "blob",
        "manifest",
        "layer",
        "blob",
        "config",
    ]
    accept = server.paths("/v2/a/b/manifests/x")[0].headers["accept"]
    assert all(media_type in accept for media_type in oci.MANIFEST_TYPES)


def test_endless_bodies_are_failures(server: Faulty) -> None:
    """Neither a listing nor a manifest without end holds up a run or fills the memory."""
    server.on("/v2/a/b/tags/list", endless())
    assert [kind for kind, _ in failures(over_the_wire(server, ""))] == ["too-large"]
    digest = "sha256:" + "3" * 64
    server.on(f"/v2/a/b/manifests/{digest}", endless(b"x", pause=0.05))
    assert failures(over_the_wire(server, f"@{digest}")) == [("timeout", f"{server.registry}/a/b@{digest}")]


@pytest.mark.parametrize(
    ("text", "glob", "printed"),
    [
        ("python", None, "docker.io/library/python"),
        ("python", "3.*", "docker.io/library/python:3.*"),
        ("r.example/a:*-slim", None, "r.example/a:*-slim"),
        ("r.example/a:1.2", "3.*", "r.example/a:1.2"),
    ],
)
def test_targets_are_printed_as_people_write_them(text: str, glob: str | None, printed: str) -> None:
    """What a run was asked for can be read in its row."""
    assert str(Target.parse(text, glob)) == printed
