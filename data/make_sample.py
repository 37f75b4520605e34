"""
Makes data/sample/ from real documents: `make sample REAL_DATA=<folder>`.

The folder holds `repo-info.bundle` (a part of the git history of docker-library/repo-info), `repo-info/` (single pages,
listed in `index.tsv`), `seeds/` (two more pages), `official-images.bundle` and `docs-readme.bundle` (parts of the
histories of docker-library/official-images and docker-library/docs). Of one more page there are the facts alone, in
`facts/` beside this file. What is kept: digests, sizes, times, platforms, media types, names of tags, commits and
directories that they are built from, short step labels of our own, digests of the texts of steps, and the text of those
that add files named by digest. What is left out: all other texts of steps, commands, and all prose.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from imglab import __version__
from imglab.gitlog import open_documents
from imglab.journal import Journal, RunWriter
from imglab.records import (
    Config,
    DocumentVersion,
    Failure,
    History,
    Manifest,
    Record,
    Rows,
    Run,
    TagDefinition,
    TagObservation,
)
from imglab.sources import docs_readme, official_images, repo_info
from imglab.sources.documents import Reading
from imglab.sources.tag_page import (
    Page,
    PageImage,
    PageLayer,
    PagePlatform,
    PageSection,
    PageStep,
    newest_date,
    page_records,
)
from imglab.steps import text_digest

SAMPLE = Path(__file__).parent / "sample"
FACTS = Path(__file__).parent / "facts" / "python-latest-0c376450b2d1.toml"
MADE_AT = datetime(2026, 11, 1, tzinfo=UTC)
IMAGES = ("python", "hello-world")
COPIED = re.compile(r"(?:ADD|COPY) (?:file|dir|multi):[0-9a-f]{64} in \S+\s*$")
SEEDS = ("001_5a6006424bbde431.txt", "002_6fd47c79cbe15362.txt")

Known = set[str]


def main(real_data: Path) -> None:
    """Write the sample's six runs anew."""
    if SAMPLE.exists():
        shutil.rmtree(SAMPLE)
    known: Known = set()
    parts: list[tuple[str, str, Callable[[Path, Known], Iterator[Record | Rows]]]] = [
        ("repo-info", "repo-info.bundle: repos/python", history),
        ("repo-info", "repo-info: single pages of python and hello-world", single_pages),
        ("repo-info", "seeds: python:latest of October 2019, python:3.8-rc of August 2019", seeds),
        ("official-images", "official-images.bundle: library/python", manifest_files),
        ("docs-readme", "docs-readme.bundle: postgres/README.md", readmes),
        ("repo-info", f"facts/{FACTS.name}: python:latest of September 2026", page_of_facts),
    ]
    for number, (source, target, read) in enumerate(parts):
        write_run(number, source, target, read(real_data, known), known)


def history(real_data: Path, known: Known) -> Iterator[Record]:
    """All versions of all pages of python in the bundle, named after the commits of the source repository."""
    bundle = real_data / "repo-info.bundle"
    source_commit = source_commits(bundle)
    with open_documents(bundle) as documents:
        only = Only(documents, "repos/python/")
        for record in repo_info.collect(only, Reading(MADE_AT, known=known)):
            if isinstance(record, TagObservation) and record.document_revision:
                record = dataclasses.replace(record, document_revision=source_commit[record.document_revision])
            yield record


def manifest_files(real_data: Path, known: Known) -> Iterator[Record | Rows]:
    """What every version of python's manifest file says that its tags are built from."""
    bundle = real_data / "official-images.bundle"
    with open_documents(bundle) as documents:
        told = official_images.collect(Only(documents, "library/python"), Reading(MADE_AT, known=known))
        yield from named_after_source(told, source_commits(bundle))


def readmes(real_data: Path, known: Known) -> Iterator[Record | Rows]:
    """The lists of tags and of architectures in every version of the README of postgres."""
    bundle = real_data / "docs-readme.bundle"
    with open_documents(bundle) as documents:
        told = docs_readme.collect(Only(documents, "postgres/README.md"), Reading(MADE_AT, known=known))
        yield from named_after_source(told, source_commits(bundle))


def named_after_source(told: Iterable[Record | Rows], source_commit: dict[str, str]) -> Iterator[Record | Rows]:
    """*told* with versions named after the commits of the source repository."""
    for record in told:
        if isinstance(record, DocumentVersion):
            yield dataclasses.replace(record, document_revision=source_commit[record.document_revision or ""])
        elif isinstance(record, Rows) and record.record is TagDefinition:
            revisions = [source_commit[revision] for revision in record.columns["document_revision"]]
            yield Rows(TagDefinition, {**record.columns, "document_revision": revisions})
        else:
            yield record


class Only:
    """Those documents of a history whose path begins so."""

    is_history, is_single = True, False

    def __init__(self, documents: Any, beginning: str) -> None:
        self.location = documents.location
        self.read = documents.read
        self._changes = documents.changes
        self._beginning = beginning

    def changes(self, wanted: Callable[[str], bool]) -> Any:
        """The changes of these documents."""
        return self._changes(lambda path: path.startswith(self._beginning) and wanted(path))


def source_commits(bundle: Path) -> dict[str, str]:
    """For each commit of the bundle the commit it was made from: its whole message."""
    with tempfile.TemporaryDirectory() as clone:
        subprocess.run(["git", "clone", "--quiet", "--bare", str(bundle), clone], check=True)
        log = subprocess.run(["git", "-C", clone, "log", "--format=%H %s"], check=True, capture_output=True)
    return dict(line.split() for line in log.stdout.decode().splitlines())


def single_pages(real_data: Path, known: Known) -> Iterator[Record]:
    """The single pages that the bundle does not hold, observed at their commit where it is known."""
    with (real_data / "repo-info" / "index.tsv").open() as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["image"] in IMAGES]
    for row in rows:
        committed = None if row["committed"] == "-" else datetime.fromisoformat(row["committed"]).astimezone(UTC)
        if row["image"] == "python" and committed:
            continue  # a version in the bundle
        commit = None if row["commit"] == "-" else row["commit"]
        document = f"repos/{row['image']}/remote/{row['tag']}.md"
        yield from page(real_data / row["path"], document, commit, committed, known)


def seeds(real_data: Path, known: Known) -> Iterator[Record]:
    """The two seed pages, observed at the newest date in their text."""
    for name, tag in zip(SEEDS, ("latest", "3.8-rc"), strict=True):
        yield from page(real_data / "seeds" / name, f"repos/python/remote/{tag}.md", None, None, known)


def page(path: Path, document: str, commit: str | None, at: datetime | None, known: Known) -> Iterator[Record]:
    """The records of one plain file, said to be *document* at *commit*."""
    with open_documents(path) as documents:
        for record in repo_info.collect(documents, Reading(MADE_AT, observed_at=at, known=known)):
            if isinstance(record, TagObservation):
                record = dataclasses.replace(record, document=document, document_revision=commit)
            yield record


def page_of_facts(real_data: Path, known: Known) -> Iterator[Record]:
    """The records of the page of which there are the facts alone, observed at the newest date in them."""
    told = tomllib.loads(FACTS.read_text())
    sections = tuple(section(position, image) for position, image in enumerate(told["image"]))
    shown = Page(told["name"], told["tag"], told["digest"], told["media_type"], sections=sections)
    at = newest_date(shown)
    if at is None:
        raise SystemExit(f"{FACTS}: no date says when the page was observed")
    steps = {image["config_digest"]: image["steps"] for image in told["image"]}
    for record in page_records(shown, at, known):
        if isinstance(record, TagObservation):
            document, revision = told["document"], told["document_revision"]
            record = dataclasses.replace(record, document=document, document_revision=revision)
        if isinstance(record, History):
            _, instruction, label, conditional = steps[record.config_digest][record.position]
            record = dataclasses.replace(record, instruction=instruction, step_label=label, is_conditional=conditional)
        yield record


def section(position: int, told: dict[str, Any]) -> PageSection:
    """The section of a page that states these facts, without the text of its steps; its layers add up to its total."""
    layers = tuple(PageLayer(digest, at, size, told["layer_media_type"]) for digest, size, at in told["layers"])
    if sum(layer.compressed_bytes for layer in layers) != told["compressed_bytes"]:
        raise SystemExit(f"{FACTS}: the layers of {told['digest']} do not add up to its total")
    image = PageImage(
        digest=told["digest"],
        docker_version=told.get("docker_version"),
        media_type=told["media_type"],
        compressed_bytes=told["compressed_bytes"],
        image_id=told["config_digest"],
        entrypoint=None,
        cmd=None,
        shell=None,
        steps=tuple(PageStep(step[0], None) for step in told["steps"]),
        layers=layers,
    )
    platform = PagePlatform(told["os"], told["architecture"], told.get("variant"), told.get("os_version"))
    return PageSection(position, platform, image)


def write_run(number: int, source: str, target: str, records: Iterable[Record | Rows], known: Known) -> None:
    """One run of the sample; its name and times do not depend on when it is made."""
    at = MADE_AT + timedelta(minutes=number)
    run_id = f"{at:%Y%m%dT%H%M%S%f}Z-sample{number}"
    tags = manifests = 0
    with RunWriter(SAMPLE, run_id) as writer:
        for record in records:
            if isinstance(record, Failure):
                raise SystemExit(f"{record.locator}: {record.message}")
            if isinstance(record, DocumentVersion) and source == "repo-info":
                continue  # what its observations do not say is of use to a longer import only
            tags += isinstance(record, TagObservation | DocumentVersion)
            if isinstance(record, Manifest | Config):
                manifests += 1
                known.add(record.digest)
            writer.add(facts_only(record))
        writer.commit(Run(source, target, at, at, "complete", tags, 0, manifests, 0, 0, 0, __version__))
    for path in (SAMPLE / run_id).glob("*.parquet"):
        pl.read_parquet(path).write_parquet(path, compression="zstd", compression_level=22, statistics=False)


def facts_only(record: Record | Rows) -> Record | Rows:
    """*record* without commands and the text of build steps, which a digest stands for."""
    if isinstance(record, History) and record.created_by:
        if COPIED.match(record.created_by):
            return record
        return dataclasses.replace(record, created_by=None, text_digest=text_digest(record.created_by))
    if isinstance(record, Config):
        return dataclasses.replace(record, entrypoint=None, cmd=None, shell=None)
    return record


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    print(f"{SAMPLE}: {len(Journal(SAMPLE).run_ids())} runs")
