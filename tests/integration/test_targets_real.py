"""Files of targets, patterns of repositories and artifacts against the real registry, which lists no referrers."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import good, imglab, lines, quickly, rows
from population import OCI_INDEX, PLATFORMS, Document, Image, Push, artifact, document, image, index
from registry import Registry

pytestmark = pytest.mark.registry
IMAGES = [image([f"{platform[1]}-{platform[2]}"], platform) for platform in PLATFORMS[:3]]


def stem(subject: Document) -> str:
    """The tag under which a client keeps what refers to *subject*."""
    return subject.digest.replace(":", "-")


def refer(registry: Registry, repository: str, subject: Document, *artifacts: Image) -> None:
    """Push *artifacts*, and the list of them under the tag that is made for it, as clients do for such a registry."""
    entries = [one.manifest.descriptor(artifactType="application/x.report") for one in artifacts]
    content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    documents = (*(one.manifest for one in artifacts), document(OCI_INDEX, content))
    blobs = tuple(blob for one in artifacts for blob in one.blobs)
    registry.push(Push(repository, stem(subject), documents, blobs))


@pytest.fixture(scope="module")
def signed(registry: Registry) -> str:
    """A repository with an index of three images: two reports about it, one about an image, one of cosign's tags."""
    repository = "team/signed"
    push = index(repository, "1.0", IMAGES)
    registry.push(push)
    refer(registry, repository, push.top, artifact(push.top, "scan"), artifact(push.top, "licences"))
    refer(registry, repository, IMAGES[0].manifest, artifact(IMAGES[0].manifest, "scan of one"))
    cosign = artifact(push.top, "signature")
    registry.push(cosign.push(repository, f"{stem(push.top)}.sig"))
    registry.push(image(["older"]).push(repository, "0.9"))
    registry.push(cosign.push(repository, f"sha256-{'0' * 64}.sig"))
    return f"{registry.name}/{repository}"


def artifacts(data: Path) -> list[tuple[object, ...]]:
    """What each artifact is about, as kinds."""
    query = """
        select subject.kind, count(*)
        from stg_manifest as artifact
        left join stg_manifest as subject on artifact.subject_digest = subject.digest
        where artifact.kind = 'artifact'
        group by subject.kind
        order by subject.kind
    """
    return rows(data, query)


def runs(data: Path) -> list[tuple[object, ...]]:
    return rows(data, "select requests, tags, manifests, failures from journal.run order by run_id")


def test_artifacts_are_found_by_their_tags(signed: str, data: Path) -> None:
    """One request tells that there are no lists; of the tags that are listed only those about images are looked up."""
    good(data, "snapshot", signed, "--referrers")
    good(data, "snapshot", signed, "--referrers")
    images, lists, found = 1 + 2 * len(IMAGES) + 2, 2, 4
    first, second = runs(data)
    assert first == (2 + 2 + images + 1 + 3 + lists + found, 2 + 3, images + lists + found, 0)
    assert second == (2 + 2 + 1 + 3, 2 + 3, 0, 0)
    assert artifacts(data) == [("image", 1), ("index", 3)]
    assert rows(data, "select count(*) from image") == [(len(IMAGES) + 1,)]
    assert rows(data, "select distinct tag from tag_image order by all") == [("0.9",), ("1.0",)]
    assert quickly(data, "check").endswith(" checks found nothing\n")


def test_tags_by_name_try_what_may_be_there(signed: str, data: Path) -> None:
    """Without a list of tags each digest costs a request; what is not there is nothing to tell."""
    good(data, "snapshot", f"{signed}:1.0", "--referrers")
    fetched, guessed = 1 + 2 * len(IMAGES) + 2 + 3, 1 + len(IMAGES)
    assert runs(data) == [(1 + 1 + 1 + guessed + fetched, 1 + 2, fetched, 0)]
    assert artifacts(data) == [("image", 1), ("index", 2)]


def test_artifacts_cost_nothing_by_default(signed: str, data: Path) -> None:
    """Their tags are listed and not looked up, and no question counts them; asked for by name they are artifacts."""
    good(data, "snapshot", signed)
    documents = 1 + 2 * len(IMAGES) + 2
    assert runs(data) == [(2 + 2 + documents, 2, documents, 0)]
    assert rows(data, "select count(*) from journal.tag_observation where digest is null") == [(4,)]
    listed = good(data, "ask", "tags", "--repository", signed, "--format", "csv")
    assert len(lines(listed)) == 1 + 2
    (signature,) = rows(
        data, "select tag from journal.tag_observation where tag like '%.sig' and tag not like '%00.sig'"
    )
    good(data, "snapshot", f"{signed}:{signature[0]}")
    assert artifacts(data) == [("index", 1)]
    assert "sha256" in good(data, "ask", "tag_history", "--repository", signed, "--tag", str(signature[0]))


def test_a_new_signature_is_a_move_of_no_image(registry: Registry, data: Path) -> None:
    """The list under a tag changes and what is new in it is fetched; no question takes that for a move of a tag."""
    subject = image(["moving"])
    repository = f"{registry.name}/team/moving"
    registry.push(subject.push("team/moving", "1.0"))
    one, two = artifact(subject.manifest, "first"), artifact(subject.manifest, "second")
    refer(registry, "team/moving", subject.manifest, one)
    quickly(data, "snapshot", repository, "--referrers")
    refer(registry, "team/moving", subject.manifest, one, two)
    quickly(data, "snapshot", repository, "--referrers")
    assert runs(data)[1] == (2 + 1 + 1 + 1 + 2, 2, 2, 0)
    assert artifacts(data) == [("image", 2)]
    assert rows(data, "select count(*) from tag_interval where tag like 'sha256-%'") == [(2,)]
    assert len(lines(quickly(data, "ask", "tag_churn", "--repository", repository, "--format", "csv"))) == 1


def test_a_pattern_finds_repositories_in_the_catalogue(registry: Registry, data: Path) -> None:
    """`_catalog` is read once, and every repository that matches is observed in the same run."""
    for name in ("one", "two/deep", "three"):
        registry.push(image([name]).push(f"found/{name}", "1.0"))
        registry.push(image([name]).push(f"found/{name}", "1.1"))
    good(data, "snapshot", f"{registry.name}/found/t*:*.0")
    found = rows(data, "select distinct repository, tag from tag_interval order by all")
    assert found == [(f"{registry.name}/found/three", "1.0"), (f"{registry.name}/found/two/deep", "1.0")]
    assert runs(data) == [(2 + 2 * (1 + 1 + 2), 2, 4, 0)]
    done = imglab(data, "--quiet", "snapshot", f"{registry.name}/nobody/*")
    assert done.code == 3
    assert len(lines(done.err)) == 1 and f"{registry.name}/nobody/* matches none of " in done.err


def test_a_timer_with_a_file_of_targets(registry: Registry, signed: str, data: Path) -> None:
    """Everything at once: a namespace, names, the newest versions, platforms, artifacts, and two registries."""
    for tag in ("2.0", "2.1", "2.2", "2.3-rc1", "nightly"):
        registry.push(image([f"app {tag}"]).push("timed/app", tag))
    data.mkdir()
    (data / "targets.toml").write_text(f"""
        [defaults]
        platforms = ["linux/amd64"]

        [[target]]
        repository = "{registry.name}/timed/*"
        tags = ["2.*", "nightly", "missing"]
        newest = 2

        [[target]]
        repository = "{signed}"
        tags = ["1.0"]
        referrers = true

        [registry."{registry.name}"]
        concurrency = 2
        plain_http = true
    """)
    good(data, "snapshot")
    found = rows(data, "select distinct tag from tag_interval where tag not like 'sha256%' order by all")
    assert found == [("1.0",), ("2.1",), ("2.2",), ("nightly",)]
    assert rows(data, "select count(*) from image where compressed_bytes is not null") == [(3 + 1,)]
    assert artifacts(data) == [("image", 1), ("index", 2)]
    asked = [str(row[0]) for row in rows(data, "select target from journal.run")]
    assert asked == [f"{registry.name}/timed/*:nightly,missing,2.*,newest=2 {signed}:1.0"]


def test_a_catalogue_that_others_may_not_read(guarded_registry: Registry, data: Path) -> None:
    """Without a login there is no list; one line says what to do instead."""
    done = imglab(data, "--quiet", "snapshot", f"{guarded_registry.name}/team/*")
    assert done.code == 3
    (line,) = lines(done.err)
    assert "does not show the list of its repositories: " in line and "nobody was logged in" in line
    assert line.endswith("or name each repository by itself")
    assert rows(data, "select kind, status from journal.failure") == [("no-catalog", 401)]
