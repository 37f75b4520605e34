"""A run: what it counts, what it keeps, and what the next one need not fetch."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty import Faulty, faulty_server, reply
from made import commit, config, day, digest, image, index, seen
from small_registry import SIGNATURE, Made

from imglab.data import open_store
from imglab.errors import JournalError, SourceError
from imglab.http import Client, Limits
from imglab.journal import Journal
from imglab.oci import Platform, Reference
from imglab.records import Blob, Failure, IndexEntry, Record, Run
from imglab.runs import Outcome, take
from imglab.snapshot import Known, snapshot
from imglab.sources.catalog import Namespace, parse_target
from imglab.sources.registry import Named, Target
from imglab.sources.tag_choice import TagChoice
from imglab.store import CHECKS, Paths


def test_a_run_is_kept_counted_and_loaded(tmp_path: Path) -> None:
    """Observations, moves and documents are counted against what the journal held before."""
    commit(tmp_path, day(1), [seen("a", "e1", day(1)), seen("b", "e1", day(1))])
    records = [seen("a", "e2", day(2)), seen("b", "e1", day(2)), seen("c", "e1", day(2)), *image("e2", [3])]
    outcome = take(tmp_path, source="registry", target="x", records=records, now=lambda: day(2))
    run = outcome.run
    assert (run.tags, run.tags_changed, run.manifests, run.failures, run.outcome) == (3, 1, 1, 0, "complete")
    with open_store(tmp_path) as store:
        assert store.sql("select count(*) from loaded_run").item() == 2


def test_a_failed_item_makes_the_run_partial(tmp_path: Path) -> None:
    """The rest is kept and the failure can be read back."""
    failure = Failure("x:b", "not-found", 404, "x:b is not there", False)
    outcome = take(tmp_path, source="registry", target="x", records=[seen("a", "e1", day(1)), failure])
    assert outcome.run.outcome == "partial"
    with open_store(tmp_path) as store:
        assert store.sql("select locator, kind, status, message from stg_failure").rows() == [
            ("x:b", "not-found", 404, "x:b is not there")
        ]


def test_a_source_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    """The error becomes a failure of the run."""

    def records() -> Iterator[Record]:
        yield seen("a", "e1", day(1))
        raise SourceError("the line went dead", kind="unreachable", is_temporary=True)

    outcome = take(tmp_path, source="registry", target="x", records=records())
    assert outcome.run.outcome == "partial"
    assert [failure.kind for failure in outcome.failures] == ["unreachable"]
    assert outcome.run.tags == 1


def test_a_run_of_failures_only_has_failed(tmp_path: Path) -> None:
    """Nothing could be done, and the journal says so."""
    records = [Failure("x", "unreachable", None, "x cannot be reached", True)]
    assert take(tmp_path, source="registry", target="x", records=records).run.outcome == "failed"


def test_a_store_that_cannot_be_written_does_not_cost_the_run(tmp_path: Path) -> None:
    """What was read waits in the journal, the outcome says why, and the next load catches up."""
    Paths(tmp_path).store.write_text("in the way")
    outcome = take(tmp_path, source="registry", target="x", records=[seen("a", "e1", day(1))])
    assert outcome.load is None
    assert "safe in the journal" in (outcome.load_problem or "")
    Paths(tmp_path).store.unlink()
    with open_store(tmp_path) as store:
        assert store.sql("select tag from tag_interval").rows() == [("a",)]


def test_a_journal_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    """A file in the way of the journal ends the run with nothing kept."""
    Paths(tmp_path).journal.write_text("in the way")
    with pytest.raises(JournalError, match="cannot write the journal"):
        take(tmp_path, source="registry", target="x", records=[seen("a", "e1", day(1))])


def bodies(*names: str) -> list[Blob]:
    """Verified documents of the given names."""
    return [Blob(digest(name), None, b"{}") for name in names]


def test_known_documents_name_their_children(tmp_path: Path) -> None:
    """Only verified bodies count as known; an index names manifests, an image its config."""
    records = [*bodies("e1", "a1"), *index("e1", [("a1", "linux/amd64")]), *image("a1", [3]), *image("a2", [4])]
    commit(tmp_path, day(1), records)
    assert Known(Journal(tmp_path / "journal")).children([digest("e1"), digest("a1"), digest("a2")]) == {
        digest("e1"): [Named(digest("a1"))],
        digest("a1"): [Named(digest("ca1"), is_config=True)],
    }


def test_known_documents_name_only_what_the_platforms_ask_for(tmp_path: Path) -> None:
    """With platforms, other images are not wanted, nor what attests them; configs of attestations never are."""
    entries = [("a1", "linux/arm64/v8"), ("a2", "linux/amd64"), ("ab", None)]
    records = [
        *bodies("e1", "ab"),
        *index("e1", entries),
        *image("a1", [3]),
        *config("a1", []),
        *image("ab", [1], kind="attestation"),
    ]
    commit(tmp_path, day(1), records)
    journal = Journal(tmp_path / "journal")
    arm = Known(journal, [Platform.parse("linux/arm64")]).children([digest("e1"), digest("ab")])
    assert arm == {digest("e1"): [Named(digest("a1")), Named(digest("ab"))], digest("ab"): []}
    amd = Known(journal, [Platform.parse("linux/amd64")]).children([digest("e1")])
    assert amd == {digest("e1"): [Named(digest("a2"))]}


def test_what_is_said_to_be_no_manifest_is_not_wanted(tmp_path: Path) -> None:
    """An index may name anything; a run after the first one asks for no more of it than that did."""
    kinds = [None, "application/vnd.oci.image.manifest.v1+json", "application/vnd.example"]
    entries = [IndexEntry(digest("e1"), at, digest(f"a{at}"), kind) for at, kind in enumerate(kinds)]
    commit(tmp_path, day(1), [*bodies("e1"), *entries])
    known = Known(Journal(tmp_path / "journal")).children([digest("e1")])
    assert known == {digest("e1"): [Named(digest("a0")), Named(digest("a1"))]}


def test_subjects_are_what_artifacts_are_about(tmp_path: Path) -> None:
    """Of what is held the indexes and images, each with the manifests that are wanted in it."""
    records = [
        *bodies("e1", "a1", "ab", "ca1"),
        *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64"), ("ab", None)]),
        *image("a1", [3]),
        *config("a1", []),
        *image("ab", [1], kind="attestation"),
    ]
    commit(tmp_path, day(1), records)
    asked = [digest(name) for name in ("e1", "a1", "a2", "ab", "ca1", "ff")]
    journal = Journal(tmp_path / "journal")
    assert Known(journal).subjects(asked) == {
        digest("e1"): [digest("a1"), digest("a2"), digest("ab")],
        digest("a1"): [],
    }
    only = Known(journal, [Platform.parse("linux/arm64")]).subjects([digest("e1")])
    assert only == {digest("e1"): [digest("a2")]}


def test_the_times_of_a_run_are_its_own(tmp_path: Path) -> None:
    """A run's row holds when it began and ended."""
    moments = iter([day(1), day(2)])
    take(tmp_path, source="registry", target="x", records=[], now=lambda: next(moments))
    rows = Journal(tmp_path / "journal").scan(Run).select("started_at", "finished_at").collect().rows()
    assert rows == [(day(1), day(2))]


# --- targets of several kinds in one run -----------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        yield faulty


def taken(data: Path, *targets: Target | Namespace) -> Outcome:
    """One run of registries on loopback, now."""
    return snapshot(data, targets, Client(limits=Limits(tries=1)))


def asked_for(server: Faulty) -> Counter[str]:
    """How often each path was asked for."""
    return Counter(f"{seen.method} {seen.path}" for seen in server.seen)


ARM, AMD = Platform.parse("linux/arm64"), Platform.parse("linux/amd64")


def test_each_repository_has_its_platforms(tmp_path: Path, server: Faulty) -> None:
    """A document that two repositories share is fetched and told once, and completed for the one that wants more."""
    first, second = Made(server, "team/app"), Made(server, "team/copy")
    for made in (first, second):
        made.index([made.image("amd64"), made.image("arm64")], "1.0")
    targets = [
        Target(Reference.parse(f"{first.repository}:1.0"), platforms=(ARM,)),
        Target(Reference.parse(f"{second.repository}:1.0")),
    ]
    outcome = taken(tmp_path, *targets)
    assert (outcome.run.tags, outcome.run.manifests, outcome.run.failures) == (2, 1 + 2 * 2, 0)
    assert set(asked_for(server).values()) == {1}
    paths = [seen.path for seen in server.seen if "/blobs/" in seen.path]
    assert [path.split("/")[3] for path in paths] == ["app", "copy"]
    with open_store(tmp_path) as store:
        sizes = store.sql("select tag_image.repository, platform, compressed_bytes from tag_image order by all").rows()
        assert store.check("repeated_row").height == 0
    assert sizes == [
        (repository, platform, 9)
        for repository in (first.repository, second.repository)
        for platform in ("linux/amd64", "linux/arm64")
    ]


@pytest.mark.parametrize("lost", ["blobs", "manifests"])
def test_what_one_repository_lost_another_may_have(tmp_path: Path, server: Faulty, lost: str) -> None:
    """Two of three fail, each with a row of its own; the third gives the document, and whatever it names is read."""
    made = [Made(server, f"team/{name}") for name in ("app", "base", "copy")]
    for one in made:
        manifest = one.image("amd64", "1.0")
    (config_path, *_) = [path for path in server.routes if "/blobs/" in path]
    digest = manifest["digest"] if lost == "manifests" else config_path.rpartition("/")[2]
    for one in made[:2]:
        server.on(f"/v2/{one.path}/{lost}/{digest}", reply(404))
    one_by_one = Client(limits=Limits(tries=1), concurrency=1)
    outcome = snapshot(tmp_path, [Target(Reference.parse(f"{one.repository}:1.0")) for one in made], one_by_one)
    assert [(row.locator, row.kind) for row in outcome.failures] == [
        (f"{one.repository}@{digest}", "not-found") for one in made[:2]
    ]
    assert (outcome.run.tags, outcome.run.manifests, outcome.run.outcome) == (3, 2, "partial")
    assert set(asked_for(server).values()) == {1}
    with open_store(tmp_path) as store:
        rows = store.sql("select distinct platform, compressed_bytes from tag_image").rows()
        assert store.check("repeated_row").height == 0
    assert rows == [("linux/amd64", 9)]


def test_platforms_that_nothing_is_for_are_told(
    tmp_path: Path, server: Faulty, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By repository, also where the journal held the index; a tag that has it is enough, and an image states none."""
    monkeypatch.setattr(logging.getLogger("imglab"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("imglab"), "handlers", [])  # of commands that ran before
    first, second, third = (Made(server, f"team/{name}") for name in ("app", "base", "plain"))
    first.index([first.image("amd64"), first.image("s390x")], "1.0")
    second.index([second.image("amd64")], "1.0")
    second.index([second.image("amd64"), second.image("arm64")], "1.1")
    third.image("amd64", "1.0")
    targets = [
        *(Target(Reference.parse(f"{made.repository}:1.0"), platforms=(ARM, AMD)) for made in (first, second, third)),
        Target(Reference.parse(f"{second.repository}:1.1"), platforms=(ARM,)),
    ]
    sentence = f"{first.repository}: nothing there is for linux/arm64; there are images for linux/amd64, linux/s390x"
    for _ in range(2):
        with caplog.at_level(logging.WARNING, "imglab"):
            assert taken(tmp_path, *targets).run.outcome == "complete"
        assert [record.getMessage() for record in caplog.records] == [sentence]
        caplog.clear()


def test_targets_of_one_repository_are_one(tmp_path: Path, server: Faulty) -> None:
    """Its tags are listed and looked up once, for the platforms that any of its targets wants."""
    made = Made(server)
    made.index([made.image(name) for name in ("amd64", "arm64", "s390x")], "1.0", "1.1", "2.0")
    made.list_tags()
    reference = Reference.parse(made.repository)
    targets = [
        Target(reference, TagChoice(("1.*",)), (ARM,)),
        Target(reference, TagChoice(("*.0",)), (AMD,)),
        Target(Reference.parse(f"{made.repository}:2.0"), platforms=(AMD,)),
    ]
    outcome = taken(tmp_path, *targets)
    assert (outcome.run.tags, outcome.run.manifests) == (3, 1 + 2 * 2)
    assert set(asked_for(server).values()) == {1}


def test_namespaces_are_observed_beside_other_targets(tmp_path: Path, server: Faulty) -> None:
    """What a catalogue tells is asked for in the same run; a pattern that matches nothing is one of its failures."""
    made = [Made(server, path) for path in ("team/app", "team/base", "web")]
    for one in made:
        one.image("amd64", "1.0", "2.0")
        one.list_tags()
    server.on("/v2/_catalog", reply(200, b'{"repositories": ["team/app", "team/base", "web"]}'))
    targets = [
        parse_target(f"{server.registry}/team/*:1.*"),
        parse_target(f"{server.registry}/taem/*"),
        parse_target(f"{made[2].repository}:2.0"),
    ]
    outcome = taken(tmp_path, *targets)
    assert (outcome.run.tags, outcome.run.outcome) == (3, "partial")
    assert outcome.run.target == " ".join(map(str, targets))
    assert [(row.kind, row.locator) for row in outcome.failures] == [("not-found", f"{server.registry}/taem/*")]
    with open_store(tmp_path) as store:
        rows = store.sql("select repository, tag from tag_interval order by all").rows()
    assert rows == [(made[0].repository, "1.0"), (made[1].repository, "1.0"), (made[2].repository, "2.0")]


def test_artifacts_are_no_images_in_the_store(tmp_path: Path, server: Faulty) -> None:
    """They are rows of the journal with type and subject; no image and no image of a tag is one of them."""
    made = Made(server)
    index = made.index([made.image("amd64"), made.image("arm64")], "1.0")
    stem = index["digest"].replace(":", "-")
    made.index([made.artifact(index, "statement")], stem)
    made.artifact(index, "signature", f"{stem}.sig")
    made.list_tags()
    taken(tmp_path, Target(Reference.parse(made.repository), referrers=True))
    with open_store(tmp_path) as store:
        artifacts = store.sql("select artifact_type, subject_digest from stg_manifest where kind = 'artifact'").rows()
        assert artifacts == [(SIGNATURE, index["digest"])] * 2
        assert store.sql("select platform from image order by all").rows() == [("linux/amd64",), ("linux/arm64",)]
        assert store.sql("select distinct tag from tag_image").rows() == [("1.0",)]
        assert all(store.check(name).height == 0 for name in CHECKS)


def test_a_config_that_is_not_held_has_the_type_that_its_manifest_says(tmp_path: Path) -> None:
    """A run that broke off between the two leaves the next one nobody else to ask."""
    kind = "application/vnd.oci.image.config.v1+json"
    named = {"mediaType": kind, "digest": digest("ca1"), "size": 2}
    body = json.dumps({"config": named, "layers": []}).encode()
    held = Blob(digest("a1"), "application/vnd.oci.image.manifest.v1+json", body)
    commit(tmp_path, day(1), [held, *image("a1", [])])
    known = Known(Journal(tmp_path / "journal")).children([digest("a1")])
    assert known == {digest("a1"): [Named(digest("ca1"), is_config=True, media_type=kind)]}
