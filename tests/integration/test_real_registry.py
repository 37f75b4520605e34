"""`imglab snapshot` against the real registry: what it finds, what it asks for, and what it says of changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import good, quickly, rows
from population import OCI_CONFIG, PLATFORMS, Document, Population, image, index, layer, population, release
from proxy import proxied
from registry import Registry

from imglab.journal import Journal
from imglab.records import Listing, Manifest

pytestmark = pytest.mark.registry
APP, LIB = "team/app", "team/lib"


@dataclasses.dataclass(frozen=True)
class Taken:
    """A registry that was snapshot in its first state, again unchanged, and again in its later state."""

    data: Path
    repository: str
    population: Population

    def ask(self, query: str) -> list[tuple[object, ...]]:
        return rows(self.data, query, {"repository": self.repository} if "$repository" in query else None)


@pytest.fixture(scope="module")
def taken(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """Three snapshots of team/app by the command."""
    data, made = tmp_path_factory.mktemp("taken") / "data", population(APP, LIB)
    for push in made.first:
        registry.push(push)
    repository = f"{registry.name}/{APP}"
    for _ in range(2):
        good(data, "snapshot", repository)
    for push in made.deleted:
        registry.delete(push.repository, push.top)
    for push in made.later:
        registry.push(push)
    good(data, "snapshot", repository)
    yield Taken(data, repository, made)


def documents(made: Population, *, is_later: bool) -> set[Document]:
    """Every manifest and config that the tags of team/app lead to."""
    pushes = [push for push in (*made.first, *(made.later if is_later else ())) if push.repository == APP]
    configs = {blob for push in pushes for blob in push.blobs if ".config." in blob.media_type + "."}
    images = {blob for push in pushes for blob in push.blobs if "container.image" in blob.media_type}
    return {document for push in pushes for document in push.documents} | configs | images


def test_the_first_run_asks_for_each_document_once(taken: Taken) -> None:
    """Ping, list, one request a tag, and one for each manifest and config: attestations' and artifacts' left out."""
    (first, *_) = taken.ask("select requests, tags, tags_changed, manifests, failures, outcome from journal.run")
    requests, tags, *rest, outcome = first
    assert tags == len(taken.population.tags(APP)) == 11
    stored = Journal(taken.data / "journal").run_ids()[0]
    fetched = rows(taken.data, "select count(*) from journal.blob where run_id = $run_id", {"run_id": stored})[0][0]
    assert requests == 2 + tags + fetched
    assert (*rest, outcome) == (0, fetched, 0, "complete")


def test_an_unchanged_tag_costs_one_request(taken: Taken) -> None:
    """The second run sends a ping, a list and one request for each tag, and stores no document."""
    second = taken.ask("select requests, tags, tags_changed, manifests, failures from journal.run order by run_id")[1]
    assert second == (2 + 11, 11, 0, 0, 0)


def test_a_moved_tag_costs_only_what_is_new(taken: Taken) -> None:
    """In the third run `latest` moves to documents that are known, and only 3.0 brings new ones."""
    third = taken.ask("select requests, tags, tags_changed, manifests from journal.run order by run_id")[2]
    new = 1 + 3 * len(PLATFORMS)  # an index; for each platform a manifest, its config and an attestation
    assert third == (2 + 11 + new, 11, 1, new)


def test_no_request_is_superfluous(registry: Registry, tmp_path: Path) -> None:
    """
    As the registry sees it: a ping, a list, one HEAD a tag, and at first one GET for each index, manifest and config.

    That holds where tags share an index and indexes share images.
    """
    path, (one, two) = "team/fewest", (release("fewest-1"), release("fewest-2"))
    pushes = [index(path, "1.0", one), index(path, "latest", one), index(path, "2.0", [*one[:4], *two[4:]])]
    for push in pushes:
        registry.push(push)
    below = {document.digest for push in pushes for document in push.documents}
    configs = {blob.digest for push in pushes for blob in push.blobs if blob.media_type == OCI_CONFIG}
    assert (len(below), len(configs)) == (2 + 12, 12)
    always = [("GET", "/v2/"), ("GET", f"/v2/{path}/tags/list")]
    always += [("HEAD", f"/v2/{path}/manifests/{tag}") for tag in ("1.0", "2.0", "latest")]
    once = [("GET", f"/v2/{path}/manifests/{digest}") for digest in below]
    once += [("GET", f"/v2/{path}/blobs/{digest}") for digest in configs]
    with proxied(registry.port) as proxy:
        for expected in ([*always, *once], always):
            del proxy.served[:]
            quickly(tmp_path / "data", "snapshot", f"{proxy.name}/{path}")
            assert sorted((served.method, served.path) for served in proxy.served) == sorted(expected)


def test_tags_point_where_they_were_pushed(taken: Taken) -> None:
    """The store holds the digest of every tag, at first and later."""
    first = taken.ask("select tag, arg_min(digest, valid_from) from tag_interval where tag <> '3.0' group by tag")
    assert dict(first) == {tag: top.digest for tag, top in taken.population.tags(APP).items()}
    last = taken.ask("select tag, digest from tag_interval where valid_to is null")
    expected = taken.population.tags(APP, is_later=True)
    assert dict(last) == {tag: top.digest for tag, top in expected.items()}
    assert taken.ask("select distinct repository from tag_interval") == [(taken.repository,)]


def test_moved_and_deleted_tags_are_intervals_that_end(taken: Taken) -> None:
    """`latest` has two intervals that meet, `old` one that ends at the listing without it, the others one each."""
    intervals = taken.ask(
        "select tag, digest, valid_from, valid_to from tag_interval where tag in ('latest', 'old') order by all"
    )
    (third,) = taken.ask("select max(observed_at) from journal.listing")
    by_tag: dict[object, list[tuple[object, ...]]] = {}
    for tag, *rest in sorted(intervals, key=lambda row: (str(row[0]), str(row[2]))):
        by_tag.setdefault(tag, []).append(tuple(rest))
    before, after = by_tag["latest"]
    assert before[0] == taken.population.tags(APP)["latest"].digest
    assert after[0] == taken.population.tags(APP, is_later=True)["latest"].digest
    assert before[2] == after[1] and after[2] is None
    ((_, _, ended),) = by_tag["old"]
    assert ended == third[0]
    counted = taken.ask("select tag, count(*) from tag_interval group by tag having count(*) > 1")
    assert counted == [("latest", 2)]


def test_attestations_and_artifacts_are_no_images(taken: Taken) -> None:
    """They are recorded as what they are; no image, and no image of a tag, is one of them."""
    kinds = dict(taken.ask("select kind, count(distinct digest)::bigint from journal.manifest group by kind"))
    assert kinds["attestation"] == 3 * len(PLATFORMS)  # 1.0, latest (another name, so other statements), 3.0
    assert kinds["artifact"] == 1
    assert taken.ask("select count(*) from image where platform like 'unknown%'") == [(0,)]
    others = "select digest from journal.manifest where kind in ('attestation', 'artifact')"
    assert taken.ask(f"select count(*) from tag_image where manifest_digest in ({others})") == [(0,)]
    about = taken.ask("select subject_digest, artifact_type from journal.manifest where kind = 'artifact'")
    assert about == [(taken.population.tags(APP)["alone"].digest, "application/x.report")]
    unattested = "select count(*) from journal.index_entry where os = 'unknown' and attests_digest is null"
    assert taken.ask(unattested) == [(0,)]


def test_every_platform_of_an_index_is_an_image(taken: Taken) -> None:
    """1.0 and 2.0 give eight platforms each, a nested index those of both its levels."""
    found: dict[object, set[object]] = {}
    for tag, platform in taken.ask("select tag, platform from tag_image where valid_to is null"):
        found.setdefault(tag, set()).add(platform)
    expected = {
        *("linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm64"),
        *("linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x"),
    }
    assert found["1.0"] == found["2.0"] == found["3.0"] == expected
    assert found["nested"] == {"linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm64"}
    assert found["foreign"] == {"windows/amd64"}
    assert "report" not in found


def test_sizes_are_those_of_the_blobs(taken: Taken) -> None:
    """Layers that several images share count in each; a foreign layer counts and is marked."""
    parts = [layer("base-linux-amd64-None"), layer("1.0-amd64-None")]
    query = "select compressed_bytes, layer_count from tag_image where tag = '1.0' and platform = 'linux/amd64'"
    assert taken.ask(query) == [(sum(len(part.body) for part in parts), 2)]
    shared = "select count(distinct manifest_digest) from image_layer where layer_digest = "
    assert taken.ask(f"{shared} '{parts[0].digest}'") == [(4,)]  # 1.0, 2.0, 3.0 and old
    foreign = taken.ask(
        "select layer.position, layer.is_foreign, layer.compressed_bytes from image_layer as layer "
        "join tag_image using (manifest_digest) where tag = 'foreign' order by all"
    )
    assert foreign[0] == (0, True, len(b"kept elsewhere"))
    assert foreign[1][:2] == (1, False)


def test_steps_stand_beside_their_layers(taken: Taken) -> None:
    """Steps that made no layer are passed over; without a history the steps are unknown, the layers are not."""
    step = (
        "select image_layer.position, created_by from image_layer join tag_image using (manifest_digest) where tag = "
    )
    steps = taken.ask(f"{step} 'alone' order by all")
    assert steps == [(number - 1, f"RUN install alone-{number}") for number in (1, 2, 3)]
    assert taken.ask(f"{step} 'no-history' order by all") == [(0, None), (1, None)]
    sources = "select step_source from image join tag_image using (manifest_digest) where tag = 'no-history'"
    assert taken.ask(sources) == [(None,)]


def test_media_types_are_kept(taken: Taken) -> None:
    """Layers of gzip and zstd, OCI and Docker keep the type that the manifest states."""
    found = taken.ask(
        "select tag, any_value(image_layer.media_type) from image_layer join tag_image using (manifest_digest) "
        "where tag in ('alone', 'zstd', 'docker') group by tag order by tag"
    )
    assert found == [
        ("alone", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("docker", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ]


def test_the_checks_find_nothing(taken: Taken) -> None:
    """`imglab check` is content with three snapshots of everything."""
    assert good(taken.data, "check").endswith(" checks found nothing\n")


def test_the_bytes_are_kept_as_received(taken: Taken) -> None:
    """Every document of the population that tags lead to is stored, byte for byte."""
    bodies = dict(taken.ask("select digest, body from journal.blob"))
    expected = [document for document in documents(taken.population, is_later=True) if document.digest in bodies]
    assert len(expected) == len(bodies)
    assert all(bodies[document.digest] == document.body for document in expected)
    tops = {push.top for push in (*taken.population.first, *taken.population.later) if push.repository == APP}
    assert {top.digest for top in tops} <= set(bodies)


def test_the_answers_of_ask_are_there(taken: Taken) -> None:
    """A question over the snapshot's store is answered in the terminal."""
    out = good(taken.data, "ask", "tags", "--repository", taken.repository, "--format", "csv")
    assert {line.split(",")[0] for line in out.splitlines()[1:]} or out
    assert all(tag in out for tag in taken.population.tags(APP, is_later=True))


def test_several_references_make_one_run(registry: Registry, taken: Taken, data: Path) -> None:
    """A repository, a glob, a tag and a digest are observed together; only a whole listing says what is gone."""
    digest = taken.population.tags(APP, is_later=True)["docker"].digest
    app, lib = f"{registry.name}/{APP}", f"{registry.name}/{LIB}"
    quickly(data, "snapshot", lib, f"{app}:2.*", f"{app}:alone", f"{app}@{digest}")
    (run,) = rows(data, "select tags, failures, outcome from journal.run")
    assert run == (3, 0, "complete")
    assert {row[0] for row in rows(data, "select tag from tag_interval")} == {"1", "2.0", "alone"}
    assert rows(data, "select kind from journal.manifest where digest = $digest", {"digest": digest}) == [("image",)]
    assert quickly(data, "check").endswith(" checks found nothing\n")


def test_only_the_platforms_that_are_wanted_are_fetched(registry: Registry, taken: Taken, data: Path) -> None:
    """With --platform one image and its attestation come, and the other platforms are known by name."""
    quickly(data, "snapshot", f"{registry.name}/{APP}:1.0", "--platform", "linux/arm64")
    kinds = dict(rows(data, "select kind, count(*) from journal.manifest group by kind"))
    assert kinds == {"index": 1, "image": 1, "attestation": 1}
    assert rows(data, "select count(*), count(compressed_bytes) from tag_image") == [(8, 1)]
    assert Journal(data / "journal").scan(Manifest).collect().height == 3


def test_many_tags_are_observed(registry: Registry, data: Path) -> None:
    """150 tags at one image cost a ping, a list (this registry does not page), one request each and two documents."""
    one = image(["many"])
    for number in range(150):
        registry.push(one.push("team/many", f"build-{number:03}"))
    quickly(data, "snapshot", f"{registry.name}/team/many")
    assert rows(data, "select tags, requests, manifests from journal.run") == [(150, 2 + 150 + 2, 2)]
    assert rows(data, "select count(distinct tag), count(distinct digest) from tag_interval") == [(150, 1)]
    assert Journal(data / "journal").scan(Listing).collect()["is_complete"].to_list() == [True]
