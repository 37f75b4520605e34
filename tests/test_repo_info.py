"""Documents of repo-info and their histories become records, each version and digest once."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from repository import NOON, Clone

from imglab import gitlog, imports
from imglab.data import open_store
from imglab.errors import UsageError
from imglab.records import (
    Config,
    DocumentVersion,
    Failure,
    History,
    IndexEntry,
    Layer,
    Manifest,
    Record,
    TagObservation,
)
from imglab.sources import repo_info
from imglab.sources.documents import Reading
from imglab.sources.repo_info import collect
from imglab.store import CHECKS, MARTS

PAGES = Path(__file__).parent / "data" / "repo_info"
SINGLE, LIST, SCHEMA1, ABSENT = (
    (PAGES / f"{name}.md").read_bytes() for name in ("single", "list", "schema1", "absent")
)
R = TypeVar("R", bound=Record)


def of(kind: type[R], records: list[Record]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


def collected(path: Path, **options: Any) -> list[Record]:
    with gitlog.open_documents(path) as documents:
        return list(collect(documents, Reading(NOON, **options)))


def stated(records: list[Record]) -> list[Record]:
    """What *records* say beside which versions were read."""
    return [record for record in records if not isinstance(record, DocumentVersion)]


# --- collecting ------------------------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


PAGE = "repos/lantern/remote/1.0.md"
OTHER = SINGLE[: SINGLE.index(b"sha256:")] + b"sha256:" + b"0" * 64 + SINGLE[SINGLE.index(b"\n```\n\n-") :]


def test_history_gives_observations_at_commits(clone: Clone) -> None:
    """Each version is an observation at its commit's time, with document and commit; a removal is none."""
    first = clone.commit(at=NOON, files={PAGE: SINGLE})
    second = clone.commit(at=NOON + timedelta(days=1), files={PAGE: OTHER})
    clone.commit(at=NOON + timedelta(days=2), files={PAGE: None})
    observations = of(TagObservation, collected(clone.folder))
    assert [(row.observed_at, row.document, row.document_revision) for row in observations] == [
        (NOON, PAGE, first),
        (NOON + timedelta(days=1), PAGE, second),
    ]
    assert observations[1].digest == "sha256:" + "0" * 64


def test_content_is_told_once(clone: Clone) -> None:
    """A digest that many versions name gives its rows once, and none if it is known already."""
    clone.commit(at=NOON, files={PAGE: SINGLE, "repos/ferry/remote/2.md": LIST})
    clone.commit(at=NOON + timedelta(days=1), files={PAGE: OTHER})
    clone.commit(at=NOON + timedelta(days=2), files={PAGE: SINGLE})
    records = collected(clone.folder)
    assert len(of(TagObservation, records)) == 4
    digests = [record.digest for record in records if isinstance(record, Manifest | Config)]
    assert len(digests) == len(set(digests)) == 2 + 1 + 5 + 4
    again = collected(clone.folder, known=digests)
    assert stated(again) == of(TagObservation, records)


def test_longer_history_reads_only_what_is_new(clone: Clone) -> None:
    """Versions read in former runs are passed over."""
    clone.commit(at=NOON, files={PAGE: SINGLE})
    read = {(str(row.document), str(row.document_revision)) for row in of(TagObservation, collected(clone.folder))}
    assert len(read) == 1
    newest = clone.commit(at=NOON + timedelta(days=1), files={PAGE: OTHER})
    observations = of(TagObservation, collected(clone.folder, read=read))
    assert [row.document_revision for row in observations] == [newest]


def test_only_remote_pages_of_a_clone_are_read(clone: Clone) -> None:
    """Other documents of the repository are left alone without a word."""
    others = {"README.md": b"# x\n", "repos/lantern/README.md": b"x", "repos/lantern/local/1.0.md": b"# x\n"}
    clone.commit(at=NOON, files={PAGE: SINGLE, "notes.md": b"x", **others})
    records = collected(clone.folder)
    assert [row.document for row in of(TagObservation, records)] == [PAGE]
    assert of(Failure, records) == []


def test_two_commits_in_one_second(clone: Clone) -> None:
    """Of versions committed in the same second the last counts: a tag points at one digest at a time."""
    clone.commit(at=NOON, files={PAGE: SINGLE})
    second = clone.commit(at=NOON, files={PAGE: OTHER})
    (observation,) = of(TagObservation, collected(clone.folder))
    assert observation.document_revision == second


def test_every_version_leaves_a_trace(clone: Clone) -> None:
    """What was read is told with its form, also if it is no page, or gone; what a second replaced leaves nothing."""
    other = "repos/harbour/ferry/remote/2.md"
    clone.commit(at=NOON, files={PAGE: SINGLE, other: LIST})
    clone.commit(at=NOON, files={PAGE: ABSENT})
    clone.commit(at=NOON + timedelta(days=1), files={PAGE: b"# x\n", other: None})
    assert [
        (row.document, row.observed_at, row.repository, row.is_removed, row.form, row.tags)
        for row in of(DocumentVersion, collected(clone.folder))
    ] == [
        (other, NOON, "docker.io/harbour/ferry", False, "page", None),
        (PAGE, NOON, "docker.io/library/lantern", False, "absent", None),
        (other, NOON + timedelta(days=1), "docker.io/harbour/ferry", True, None, None),
        (PAGE, NOON + timedelta(days=1), "docker.io/library/lantern", False, None, None),
    ]


def test_second_import_adds_nothing(clone: Clone, tmp_path: Path) -> None:
    """Pages, removals, what cannot be read and what was replaced within a second: none of it is read again."""
    clone.commit(at=NOON, files={PAGE: SINGLE, "repos/ferry/remote/2.md": LIST})
    clone.commit(at=NOON, files={PAGE: OTHER})
    clone.commit(at=NOON + timedelta(days=1), files={PAGE: b"# x\n", "repos/ferry/remote/2.md": None})
    first = imports.import_documents(tmp_path / "data", "repo-info", clone.folder)
    assert (first.run.tags, first.run.failures) == (2, 1)
    second = imports.import_documents(tmp_path / "data", "repo-info", clone.folder)
    folder = tmp_path / "data" / "journal" / second.run_id
    assert [path.name for path in folder.iterdir()] == ["run.parquet"]


def test_index_is_told_whole_where_it_can(clone: Clone) -> None:
    """An index of which one version misses a platform is told from a version that has them all."""
    page = "repos/ferry/remote/2.md"
    clone.commit(at=NOON, files={page: LIST[:-3]})
    broken = collected(clone.folder)
    assert len(of(IndexEntry, broken)) == 3
    clone.commit(at=NOON + timedelta(days=1), files={page: LIST})
    records = collected(clone.folder)
    assert [entry.position for entry in of(IndexEntry, records)] == [0, 1, 2, 3]
    assert [manifest.kind for manifest in of(Manifest, records)].count("index") == 1


def test_failures_name_document_commit_and_line(clone: Clone) -> None:
    """What cannot be read is a failure with its place; the rest is imported."""
    broken = LIST.replace(b"(2400 bytes)", b"(2401 bytes)")
    commit = clone.commit(at=NOON, files={PAGE: b"", "repos/ferry/remote/2.md": broken})
    records = collected(clone.folder)
    assert [(failure.locator, failure.kind) for failure in of(Failure, records)] == [
        (f"repos/ferry/remote/2.md@{commit}:41", "sum-mismatch"),
        (f"{PAGE}@{commit}", "not-a-page"),
    ]
    assert "line 41" in of(Failure, records)[0].message
    assert len(of(TagObservation, records)) == 1
    assert len(of(Manifest, records)) == 4


def copy_of(name: str, folder: Path) -> Path:
    """A plain copy of a test page, outside of any repository."""
    return Path(shutil.copy(PAGES / name, folder / name))


def test_plain_file_counts_at_its_newest_date(tmp_path: Path) -> None:
    """A file without history was observed at the newest date in its text, unless the time is given."""
    (observation,) = of(TagObservation, collected(copy_of("list.md", tmp_path)))
    assert observation.observed_at == datetime(2026, 1, 10, 16, tzinfo=UTC)
    (observation,) = of(TagObservation, collected(copy_of("list.md", tmp_path), observed_at=NOON))
    assert (observation.observed_at, observation.document_revision) == (NOON, None)


def test_plain_page_without_date_needs_a_time(tmp_path: Path) -> None:
    """A page without any date is a failure that says to give the time, and is read if it is given."""
    (failure,) = collected(copy_of("absent.md", tmp_path))
    assert isinstance(failure, Failure) and failure.kind == "no-date" and "say when" in failure.message
    (observation,) = of(TagObservation, collected(copy_of("absent.md", tmp_path), observed_at=NOON))
    assert observation.is_absent


def test_plain_folder(tmp_path: Path) -> None:
    """Every page of a folder is tried but its README; one that is no page is a failure, the others are read."""
    for name in ("list.md", "single.md", "schema1.md"):
        copy_of(name, tmp_path)
    (tmp_path / "README.md").write_text("# x\n")
    (tmp_path / "other.md").write_text("# x\n")
    (tmp_path / "index.tsv").write_text("x\n")
    records = collected(tmp_path)
    assert [(failure.locator, failure.kind) for failure in of(Failure, records)] == [("other.md", "not-a-page")]
    assert [row.document for row in of(TagObservation, records)] == ["list.md", "schema1.md", "single.md"]


def test_contradicting_plain_files(tmp_path: Path) -> None:
    """Two files that say different things about a tag at one time: the first counts, the second is a failure."""
    for name, body in (("a.md", SINGLE), ("b.md", SINGLE), ("c.md", OTHER)):
        (tmp_path / name).write_bytes(body)
    records = collected(tmp_path)
    assert [row.document for row in of(TagObservation, records)] == ["a.md"]
    assert [(failure.locator, failure.kind) for failure in of(Failure, records)] == [("c.md", "contradiction")]


def test_folder_without_pages(tmp_path: Path) -> None:
    """A folder that holds no pages is the caller's mistake."""
    with pytest.raises(UsageError, match="holds no pages"):
        collected(tmp_path)


def test_time_is_not_given_for_a_history(clone: Clone) -> None:
    """A history has its own times: giving one is a mistake."""
    clone.commit(at=NOON, files={PAGE: SINGLE})
    with pytest.raises(UsageError, match="leave out the time"):
        collected(clone.folder, observed_at=NOON)


def test_progress_counts_versions(clone: Clone) -> None:
    """Progress tells how many versions are done and how many there are, to the end."""
    clone.commit(at=NOON, files={PAGE: SINGLE, "repos/ferry/remote/2.md": LIST})
    told: list[tuple[int, int]] = []
    collected(clone.folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_repository_can_be_given(tmp_path: Path) -> None:
    """The repository of pages can be given, for such as were written about another registry."""
    records = collected(copy_of("single.md", tmp_path), repository="example.org/team/lantern")
    assert {row.repository for row in records if isinstance(row, TagObservation | DocumentVersion)} == {
        "example.org/team/lantern"
    }


# --- documents of many tags ------------------------------------------------------------------------------------------

DETAILS = "repos/lantern/tag-details.md"
EARLIER = "lantern/tag-details.md"
LAYERED = b"""\
# Tags of `lantern`

-\t[`lantern:1.0`](#lantern10)
-\t[`lantern:2.0`](#lantern20)

## `lantern:1.0`

```console
$ docker pull library/lantern@sha256:1111111111111111111111111111111111111111111111111111111111111111
```

-\tTotal v2 Content-Length: 977.0 B

### Layers (1)

#### `2222222222222222222222222222222222222222222222222222222222222222`

-\tCreated: Tue, 05 Jan 2016 10:00:00 GMT
-\tv2 Blob: `sha256:3333333333333333333333333333333333333333333333333333333333333333`
-\tv2 Content-Length: 977.0 B

## `lantern:2.0`

**does not exist** (yet?)
"""


def details(*pages: bytes) -> bytes:
    """A document that shows *pages*, each of one tag of lantern."""
    tags = [page.split(b"`")[1] for page in pages]
    contents = b"".join(b"-\t[`%b`](#x)\n" % tag for tag in tags)
    return b"# Tags of `lantern`\n\n" + contents + b"".join(b"\n" + page for page in pages)


def untyped(page: bytes) -> bytes:
    """*page* as documents had it before August 2016: without the media types of layers."""
    return page.replace(b"977.0 B  \n\t\tMIME: application/vnd.docker.image.rootfs.diff.tar.gzip\n", b"977.0 B\n")


TWO = SINGLE.replace(b"lantern:1.0", b"lantern:2.0")


def seen(records: list[Record]) -> list[tuple[str, int, str | None, int | None]]:
    """Tag, day after the first, first part of the document's path and place in it, of each observation."""
    return [
        (row.tag, (row.observed_at - NOON).days, str(row.document).rpartition("/")[2], row.document_position)
        for row in of(TagObservation, records)
    ]


def test_many_tags_of_one_document(clone: Clone) -> None:
    """Each section is an observation at its place; what it describes is told."""
    clone.commit(at=NOON, files={EARLIER: LAYERED})
    clone.commit(at=NOON + timedelta(days=1), files={EARLIER: details(SINGLE, TWO)})
    records = collected(clone.folder)
    assert seen(records) == [
        ("1.0", 0, "tag-details.md", 0),
        ("2.0", 0, "tag-details.md", 1),
        ("1.0", 1, "tag-details.md", 0),
        ("2.0", 1, "tag-details.md", 1),
    ]
    assert [row.is_absent for row in of(TagObservation, records)] == [False, True, False, False]
    assert [manifest.kind for manifest in of(Manifest, records)] == ["schema1", "image"]


def test_only_documents_of_tags_of_a_clone_are_read(clone: Clone, tmp_path: Path) -> None:
    """Beside them lie thousands of other documents, which are left alone: in a history and in plain folders."""
    others = {"lantern/README.md": b"# x\n", "lantern/content.md": b"x", "ferry/logo.md": b"x", "x.md": SINGLE}
    clone.commit(at=NOON, files={EARLIER: LAYERED, **others})
    shutil.copytree(clone.folder, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    for folder in (clone.folder, tmp_path / "plain"):
        records = collected(folder)
        assert {row.document for row in of(TagObservation, records)} == {EARLIER}
        assert of(Failure, records) == []


def test_page_speaks_for_its_tag(clone: Clone) -> None:
    """A document of many tags speaks for those that have no page beside it in its tree."""
    clone.commit(at=NOON, files={PAGE: SINGLE})
    clone.commit(at=NOON + timedelta(days=1), files={DETAILS: details(OTHER, TWO)})
    clone.commit(at=NOON + timedelta(days=2), files={DETAILS: details(SINGLE, TWO), PAGE: None})
    clone.commit(at=NOON + timedelta(days=3), files={"repos/other/remote/2.0.md": SINGLE, DETAILS: details(TWO)})
    records = collected(clone.folder)
    assert [row for row in seen(records) if row[2] != "2.0.md"] == [
        ("1.0", 0, "1.0.md", None),
        ("2.0", 1, "tag-details.md", 1),
        ("1.0", 2, "tag-details.md", 0),
        ("2.0", 2, "tag-details.md", 1),
        ("2.0", 3, "tag-details.md", 0),
    ]
    assert of(Failure, records) == []


def test_document_made_from_pages_is_not_read(clone: Clone) -> None:
    """What a commit writes beside the pages of the same image says nothing that they do not say."""
    clone.commit(at=NOON, files={DETAILS: details(SINGLE, TWO)})
    clone.commit(at=NOON + timedelta(days=1), files={DETAILS: details(OTHER, TWO), PAGE: SINGLE})
    clone.commit(at=NOON + timedelta(days=2), files={DETAILS: b"x", PAGE: OTHER})
    clone.commit(at=NOON + timedelta(days=3), files={DETAILS: None, PAGE: SINGLE})
    records = collected(clone.folder)
    assert of(Failure, records) == []
    assert seen(records) == [
        ("1.0", 0, "tag-details.md", 0),
        ("2.0", 0, "tag-details.md", 1),
        ("1.0", 1, "1.0.md", None),
        ("1.0", 2, "1.0.md", None),
        ("1.0", 3, "1.0.md", None),
    ]
    traces = [row.is_removed for row in of(DocumentVersion, records) if row.document == DETAILS]
    assert traces == [False, True]


def test_page_speaks_in_plain_folders(tmp_path: Path) -> None:
    """The same holds of files without a history, whichever folder is named."""
    folder = tmp_path / "repos" / "lantern"
    (folder / "remote").mkdir(parents=True)
    (folder / "remote" / "1.0.md").write_bytes(SINGLE)
    (folder / "tag-details.md").write_bytes(details(OTHER, TWO))
    for place in (tmp_path, tmp_path / "repos", folder):
        records = collected(place)
        assert of(Failure, records) == []
        assert {(tag, document) for tag, _, document, _ in seen(records)} == {
            ("1.0", "1.0.md"),
            ("2.0", "tag-details.md"),
        }
    assert {row[2] for row in seen(collected(folder / "tag-details.md"))} == {"tag-details.md"}


@pytest.mark.parametrize("name", ["tag-details.md", "saved.txt"])
def test_plain_document_of_many_tags(tmp_path: Path, name: str) -> None:
    """It is known by how it begins, and was observed at the newest date in its text."""
    (tmp_path / name).write_bytes(LAYERED)
    records = collected(tmp_path / name)
    assert {row.observed_at for row in of(TagObservation, records)} == {datetime(2016, 1, 5, 10, tzinfo=UTC)}
    assert of(DocumentVersion, records) == [
        DocumentVersion(
            name,
            None,
            datetime(2016, 1, 5, 10, tzinfo=UTC),
            "docker.io/library/lantern",
            form="tag-details by layer",
        )
    ]


def test_traces_of_documents_of_many_tags(clone: Clone, tmp_path: Path) -> None:
    """Each version is told with its form, removals and unreadable ones too; a second import adds nothing."""
    blanks = details(SINGLE).replace(b"-\t", b"- ").replace(b"\t", b"  ").replace(b"- [", b"-\t[")
    bodies = [LAYERED, blanks, details(SINGLE), b"# Lantern\n", b"", None]
    for day, body in enumerate(bodies):
        clone.commit(at=NOON + timedelta(days=day), files={EARLIER: body})
    versions = of(DocumentVersion, collected(clone.folder))
    assert [(row.form, row.is_removed) for row in versions] == [
        ("tag-details by layer", False),
        ("tag-details with blanks", False),
        ("tag-details", False),
        (None, False),
        (None, False),
        (None, True),
    ]
    assert {(row.document, row.repository) for row in versions} == {(EARLIER, "docker.io/library/lantern")}
    first = imports.import_documents(tmp_path / "data", "repo-info", clone.folder)
    assert [failure.kind for failure in first.failures] == ["not-a-page", "not-a-page"]
    second = imports.import_documents(tmp_path / "data", "repo-info", clone.folder)
    assert [path.name for path in (tmp_path / "data" / "journal" / second.run_id).iterdir()] == ["run.parquet"]


def test_standing_defects_are_told_once(clone: Clone) -> None:
    """A broken section fails with the first version that has it so, and again if it breaks otherwise."""
    broken = LAYERED.replace(b"Layers (1)", b"Layers (3)")
    first = clone.commit(at=NOON, files={EARLIER: broken})
    clone.commit(at=NOON + timedelta(days=1), files={EARLIER: broken.replace(b"yet", b"now")})
    clone.commit(at=NOON + timedelta(days=2), files={EARLIER: LAYERED})
    clone.commit(at=NOON + timedelta(days=3), files={EARLIER: b"\n" + broken})
    last = clone.commit(at=NOON + timedelta(days=4), files={EARLIER: broken.replace(b"sha256:1", b"sha256:4")})
    records = collected(clone.folder)
    told = [(failure.locator, failure.kind) for failure in of(Failure, records)]
    assert told[0] == (f"{EARLIER}@{first}:14", "missing-layers")
    assert told[-1] == (f"{EARLIER}@{last}:14", "missing-layers")
    assert [locator for locator, _ in told].count(f"{EARLIER}@{first}:14") == 1
    assert [row.tag for row in of(TagObservation, records)].count("1.0") == 5
    assert [manifest.digest for manifest in of(Manifest, records)] == ["sha256:" + "1" * 64]


def test_tag_twice_in_one_document(clone: Clone) -> None:
    """The first section counts; one that says something else is a failure."""
    clone.commit(at=NOON, files={EARLIER: details(SINGLE, SINGLE, OTHER)})
    records = collected(clone.folder)
    assert len(of(TagObservation, records)) == 1
    assert [failure.kind for failure in of(Failure, records)] == ["contradiction"]


def test_layers_are_told_with_their_types(clone: Clone) -> None:
    """Content shown without media types of layers waits for a version that shows them."""
    clone.commit(
        at=NOON, files={EARLIER: details(untyped(SINGLE), untyped(TWO.replace(b"80d5b094ab02", b"000000000000")))}
    )
    records = collected(clone.folder)
    assert [layer.media_type for layer in of(Layer, records)] == [None, None]
    clone.commit(at=NOON + timedelta(days=1), files={EARLIER: details(SINGLE)})
    records = collected(clone.folder)
    assert [layer.media_type for layer in of(Layer, records)] == [
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        None,
    ]
    assert len(of(Manifest, records)) == 2 and len(of(Config, records)) == 1


def test_better_description_counts_in_any_order(tmp_path: Path) -> None:
    """Of documents with and without the types of layers the former count, whichever is imported first."""
    (tmp_path / "old.md").write_bytes(details(untyped(SINGLE)))
    (tmp_path / "new.md").write_bytes(SINGLE)
    for order in (("old.md", "new.md"), ("new.md", "old.md")):
        data = tmp_path / order[0].removesuffix(".md")
        for name in order:
            imports.import_documents(data, "repo-info", tmp_path / name)
        with open_store(data) as store:
            types = store.sql("select media_type from image_layer").to_series()
            assert types.to_list() == ["application/vnd.docker.image.rootfs.diff.tar.gzip"]


# --- real documents --------------------------------------------------------------------------------------------------

# With rename detection, which hides what came as a rename, python has 27, golang 78 and hello-world 1 version less.
# Beside these, 4 versions each of two documents of many tags speak for the 7 tags that have no page yet.
REAL_COUNTS = {
    "python": (353, 6_241),
    "golang": (319, 2_629),
    "debian": (120, 1_138),
    "busybox": (60, 676),
    "zookeeper": (9, 227),
    "alpine": (9, 119),
    "hello-world": (6, 64),
}


@pytest.fixture(scope="session")
def history(real_data: Path) -> list[Record]:
    """Everything that the bundle tells."""
    return collected(real_data / "repo-info.bundle")


@pytest.mark.real_history
def test_real_documents_and_versions(history: list[Record]) -> None:
    """Every version of every document is read, and none fails."""
    documents, versions = defaultdict(set), Counter[str]()
    for row in of(TagObservation, history):
        if row.document_position is None:
            image = str(row.document).split("/")[1]
            documents[image].add(row.document)
            versions[image] += 1
    assert {image: (len(documents[image]), versions[image]) for image in documents} == REAL_COUNTS
    assert of(Failure, history) == []
    many = [row for row in of(TagObservation, history) if row.document_position is not None]
    assert Counter(row.document for row in many) == {
        "repos/alpine/tag-details.md": 24,
        "repos/hello-world/tag-details.md": 4,
    }
    assert max(row.observed_at for row in many) < datetime(2016, 9, 9, tzinfo=UTC)


@pytest.mark.real_history
def test_real_traces(history: list[Record]) -> None:
    """Of 11,745 changes all are told, removals too, but for 56 documents that were made from pages."""
    versions = of(DocumentVersion, history)
    assert Counter(row.form for row in versions if not row.is_removed) == {
        "page": 10_637,
        "absent": 457,
        "tag-details": 9,
    }
    assert (len(versions), sum(row.is_removed for row in versions)) == (11_745 - 56, 586)
    assert {row.repository for row in versions} == {f"docker.io/library/{image}" for image in REAL_COUNTS}


@pytest.mark.real_history
def test_real_history_of_python_latest(history: list[Record]) -> None:
    """The figures of `python:latest` in the bundle."""
    rows = [row for row in of(TagObservation, history) if row.document == "repos/python/remote/latest.md"]
    digests = {row.digest for row in rows}
    assert (len(rows), len(digests)) == (76, 75)
    entries = defaultdict(list)
    for entry in of(IndexEntry, history):
        entries[entry.index_digest].append(entry)
    sections = []
    for digest in (str(row.digest) for row in rows):
        stated = [(entry.manifest_digest, entry.os, entry.architecture) for entry in entries[digest]]
        sections += stated or [(digest, "linux", "amd64")]
    assert len(sections) == 376
    layers = defaultdict(list)
    for layer in of(Layer, history):
        layers[layer.manifest_digest].append(layer)
    shown = [layer.digest for digest, _, _ in sections for layer in layers[digest]]
    assert (len(shown), len(set(shown))) == (3_045, 542)
    sizes = {manifest.digest: manifest.compressed_bytes or 0 for manifest in of(Manifest, history)}
    amd64 = [sizes[digest] for digest, system, architecture in sections if (system, architecture) == ("linux", "amd64")]
    assert (min(amd64), max(amd64)) == (265_384_250, 274_997_229)
    (last,) = [e.manifest_digest for e in entries[str(rows[-1].digest)] if (e.os, e.architecture) == ("linux", "amd64")]
    assert sizes[last] == 274_601_627


@pytest.mark.real_history
def test_real_content_is_told_once(history: list[Record]) -> None:
    """No digest gives its rows twice, and everything an index or a manifest names is there."""
    manifests = [manifest.digest for manifest in of(Manifest, history)]
    configs = [config.digest for config in of(Config, history)]
    assert len(manifests) == len(set(manifests)) and len(configs) == len(set(configs))
    assert {entry.manifest_digest for entry in of(IndexEntry, history)} <= set(manifests)
    assert {manifest.config_digest for manifest in of(Manifest, history) if manifest.config_digest} == set(configs)


@pytest.mark.real_history
def test_real_layers_add_up(history: list[Record]) -> None:
    """The layers of every manifest add up to its total."""
    sums: Counter[str] = Counter()
    for layer in of(Layer, history):
        sums[layer.manifest_digest] += layer.compressed_bytes or 0
    images = [manifest for manifest in of(Manifest, history) if manifest.kind != "index"]
    assert len(images) == 3_814
    assert all(sums[manifest.digest] == manifest.compressed_bytes for manifest in images)


@pytest.mark.real_history
def test_real_single_documents(real_data: Path, tmp_path: Path) -> None:
    """All single documents and both seeds are read, but the empty one and the one without a date."""
    shutil.copytree(real_data / "repo-info", tmp_path / "pages")
    for seed in sorted((real_data / "seeds").glob("00[12]_*")):
        shutil.copy(seed, tmp_path / "pages" / f"{seed.stem}.md")
    records = collected(tmp_path / "pages")
    assert [(failure.locator.split("@")[0], failure.kind) for failure in of(Failure, records)] == [
        ("arangodb/latest", "not-a-page"),
        ("zookeeper/3.4", "no-date"),
    ]
    assert len(of(TagObservation, records)) == 49 - 2 + 2
    assert 349_284_332 in {manifest.compressed_bytes for manifest in of(Manifest, records)}


@pytest.fixture(scope="session")
def earlier(real_data: Path) -> list[Record]:
    """Everything that the documents of many tags in the bundle of docs tell."""
    return collected(real_data / "docs-tag-details.bundle")


@pytest.mark.real_history
def test_real_documents_of_many_tags(earlier: list[Record], real_data: Path) -> None:
    """Every version is read, also the removals, and fails only for 15 sections that show a part of their layers."""
    versions = of(DocumentVersion, earlier)
    assert Counter((row.document, row.is_removed) for row in versions) == {
        ("python/tag-details.md", False): 133,
        ("python/tag-details.md", True): 1,
        ("hello-world/tag-details.md", False): 61,
        ("hello-world/tag-details.md", True): 1,
        ("alpine/tag-details.md", False): 32,
        ("alpine/tag-details.md", True): 1,
    }
    assert {failure.kind for failure in of(Failure, earlier)} == {"missing-layers"}
    assert len(of(Failure, earlier)) == 15
    observations = of(TagObservation, earlier)
    assert (len(observations), sum(row.is_absent for row in observations)) == (6_979, 35)
    states = defaultdict(list)
    for row in observations:
        if row.repository.endswith("python"):
            states[row.document_revision].append((row.tag, row.document_position, row.digest))
    bodies = {v.body for v in gitlog.versions(real_data / "docs-tag-details.bundle", wanted=is_python) if v.body}
    assert (len(states), len(bodies)) == (133, 86)


def is_python(path: str) -> bool:
    return path.startswith("python/")


@pytest.mark.real_history
def test_real_content_of_many_tags(earlier: list[Record]) -> None:
    """Content is told once, layers add up, and each layer of a schema 1 manifest has its step."""
    manifests, steps = of(Manifest, earlier), Counter(step.config_digest for step in of(History, earlier))
    assert Counter(manifest.kind for manifest in manifests) == {"schema1": 1_292, "image": 146}
    assert len({manifest.digest for manifest in manifests}) == len(manifests)
    sums: Counter[str] = Counter()
    for layer in of(Layer, earlier):
        sums[layer.manifest_digest] += layer.compressed_bytes or 0
    assert all(sums[manifest.digest] == manifest.compressed_bytes for manifest in manifests)
    old = [manifest for manifest in manifests if manifest.kind == "schema1"]
    assert all(steps[str(manifest.config_digest)] == manifest.layer_count for manifest in old)


@pytest.mark.real_history
def test_real_bundles_in_both_orders(real_data: Path, tmp_path: Path) -> None:
    """Whichever is imported first, the marts are the same and sound, and python:latest has the sizes it had."""
    bundles = ["docs-tag-details.bundle", "repo-info.bundle"]
    marts = []
    for order in (bundles, bundles[::-1]):
        for name in order:
            imports.import_documents(tmp_path / order[0], "repo-info", real_data / name)
        with open_store(tmp_path / order[0]) as store:
            assert {name: len(store.check(name)) for name in CHECKS} == dict.fromkeys(CHECKS, 0)
            marts.append([store.sql(f"from {mart.name} order by all").drop("run_id", strict=False) for mart in MARTS])
            aligned = store.sql("select count(step_source), count(*) from image where kind = 'schema1'").row(0)
            sizes = store.sql(
                """
                select compressed_bytes, layer_count
                from tag_image
                where repository = 'docker.io/library/python' and tag = 'latest'
                order by valid_from
                """
            ).rows()
    assert all(one.equals(other) for one, other in zip(*marts, strict=True))
    assert aligned == (1_292, 1_292)
    assert (sizes[0], sizes[31]) == ((263_057_951, 13), (266_890_649, 7))


@pytest.mark.real_history
def test_real_labels(history: list[Record]) -> None:
    """Every step of the real history has an instruction and a label."""
    steps = of(History, history)
    unknown = [step.created_by for step in steps if step.instruction is None or not step.step_label]
    assert len(steps) > 30_000
    assert len(unknown) < len(steps) / 100, unknown[:5]


def test_module_names_its_reference() -> None:
    """The module says where its format is described and when it last held."""
    assert "docker-library/repo-info" in str(repo_info.__doc__)
    assert "2026" in str(repo_info.__doc__)
