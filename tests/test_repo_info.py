"""Pages of repo-info become records: every form, every broken form, and their real history."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from imglab import gitlog, snapshot
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

PAGES = Path(__file__).parent / "data" / "repo_info"
SINGLE, LIST, SCHEMA1, ABSENT = (
    (PAGES / f"{name}.md").read_bytes() for name in ("single", "list", "schema1", "absent")
)
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
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


def git(folder: Path, *words: str, at: datetime = NOON) -> str:
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    when = {"GIT_AUTHOR_DATE": at.isoformat(), "GIT_COMMITTER_DATE": at.isoformat()}
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main", *words]
    environment = os.environ | quiet | when
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


class Clone:
    """A repository in the shape of repo-info that grows by commits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        git(folder, "init", "-q")

    def commit(self, at: datetime, files: dict[str, bytes | None]) -> str:
        for name, body in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if body is None:
                path.unlink()
            else:
                path.write_bytes(body)
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "-m", "x", at=at)
        return git(self.folder, "rev-parse", "HEAD").strip()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    folder = tmp_path / "clone"
    folder.mkdir()
    return Clone(folder)


PAGE = "repos/lantern/remote/1.0.md"
OTHER = SINGLE[: SINGLE.index(b"sha256:")] + b"sha256:" + b"0" * 64 + SINGLE[SINGLE.index(b"\n```\n\n-") :]


def test_history_gives_observations_at_commits(clone: Clone) -> None:
    """Each version is an observation at its commit's time, with document and commit; a removal is none."""
    first = clone.commit(NOON, {PAGE: SINGLE})
    second = clone.commit(NOON + timedelta(days=1), {PAGE: OTHER})
    clone.commit(NOON + timedelta(days=2), {PAGE: None})
    observations = of(TagObservation, collected(clone.folder))
    assert [(row.observed_at, row.document, row.document_revision) for row in observations] == [
        (NOON, PAGE, first),
        (NOON + timedelta(days=1), PAGE, second),
    ]
    assert observations[1].digest == "sha256:" + "0" * 64


def test_content_is_told_once(clone: Clone) -> None:
    """A digest that many versions name gives its rows once, and none if it is known already."""
    clone.commit(NOON, {PAGE: SINGLE, "repos/ferry/remote/2.md": LIST})
    clone.commit(NOON + timedelta(days=1), {PAGE: OTHER})
    clone.commit(NOON + timedelta(days=2), {PAGE: SINGLE})
    records = collected(clone.folder)
    assert len(of(TagObservation, records)) == 4
    digests = [record.digest for record in records if isinstance(record, Manifest | Config)]
    assert len(digests) == len(set(digests)) == 2 + 1 + 5 + 4
    again = collected(clone.folder, known=digests)
    assert stated(again) == of(TagObservation, records)


def test_longer_history_reads_only_what_is_new(clone: Clone) -> None:
    """Versions read in former runs are passed over."""
    clone.commit(NOON, {PAGE: SINGLE})
    read = {(str(row.document), str(row.document_revision)) for row in of(TagObservation, collected(clone.folder))}
    assert len(read) == 1
    newest = clone.commit(NOON + timedelta(days=1), {PAGE: OTHER})
    observations = of(TagObservation, collected(clone.folder, read=read))
    assert [row.document_revision for row in observations] == [newest]


def test_only_remote_pages_of_a_clone_are_read(clone: Clone) -> None:
    """Other documents of the repository are left alone without a word."""
    others = {"README.md": b"# x\n", "repos/lantern/tag-details.md": b"x", "repos/lantern/local/1.0.md": b"# x\n"}
    clone.commit(NOON, {PAGE: SINGLE, "notes.md": b"x", **others})
    records = collected(clone.folder)
    assert [row.document for row in of(TagObservation, records)] == [PAGE]
    assert of(Failure, records) == []


def test_two_commits_in_one_second(clone: Clone) -> None:
    """Of versions committed in the same second the last counts: a tag points at one digest at a time."""
    clone.commit(NOON, {PAGE: SINGLE})
    second = clone.commit(NOON, {PAGE: OTHER})
    (observation,) = of(TagObservation, collected(clone.folder))
    assert observation.document_revision == second


def test_every_version_leaves_a_trace(clone: Clone) -> None:
    """What was read is told with its form, also if it is no page, or gone; what a second replaced leaves nothing."""
    other = "repos/harbour/ferry/remote/2.md"
    clone.commit(NOON, {PAGE: SINGLE, other: LIST})
    clone.commit(NOON, {PAGE: ABSENT})
    clone.commit(NOON + timedelta(days=1), {PAGE: b"# x\n", other: None})
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
    clone.commit(NOON, {PAGE: SINGLE, "repos/ferry/remote/2.md": LIST})
    clone.commit(NOON, {PAGE: OTHER})
    clone.commit(NOON + timedelta(days=1), {PAGE: b"# x\n", "repos/ferry/remote/2.md": None})
    first = snapshot.import_documents(tmp_path / "data", "repo-info", clone.folder)
    assert (first.run.tags, first.run.failures) == (2, 1)
    second = snapshot.import_documents(tmp_path / "data", "repo-info", clone.folder)
    folder = tmp_path / "data" / "journal" / second.run_id
    assert [path.name for path in folder.iterdir()] == ["run.parquet"]


def test_index_is_told_whole_where_it_can(clone: Clone) -> None:
    """An index of which one version misses a platform is told from a version that has them all."""
    page = "repos/ferry/remote/2.md"
    clone.commit(NOON, {page: LIST[:-3]})
    broken = collected(clone.folder)
    assert len(of(IndexEntry, broken)) == 3
    clone.commit(NOON + timedelta(days=1), {page: LIST})
    records = collected(clone.folder)
    assert [entry.position for entry in of(IndexEntry, records)] == [0, 1, 2, 3]
    assert [manifest.kind for manifest in of(Manifest, records)].count("index") == 1


def test_failures_name_document_commit_and_line(clone: Clone) -> None:
    """What cannot be read is a failure with its place; the rest is imported."""
    broken = LIST.replace(b"(2400 bytes)", b"(2401 bytes)")
    commit = clone.commit(NOON, {PAGE: b"", "repos/ferry/remote/2.md": broken})
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
    clone.commit(NOON, {PAGE: SINGLE})
    with pytest.raises(UsageError, match="leave out the time"):
        collected(clone.folder, observed_at=NOON)


def test_progress_counts_versions(clone: Clone) -> None:
    """Progress tells how many versions are done and how many there are, to the end."""
    clone.commit(NOON, {PAGE: SINGLE, "repos/ferry/remote/2.md": LIST})
    told: list[tuple[int, int]] = []
    collected(clone.folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


# --- real documents --------------------------------------------------------------------------------------------------

# With rename detection, which hides what came as a rename, python has 27, golang 78 and hello-world 1 version less.
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
        image = str(row.document).split("/")[1]
        documents[image].add(row.document)
        versions[image] += 1
    assert {image: (len(documents[image]), versions[image]) for image in documents} == REAL_COUNTS
    assert of(Failure, history) == []


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
