"""
The data contract: one class per journal table, its fields are the columns.

Content is keyed by digest and learnt once; observations say what a source stated at a time. Fields are flat scalars
(text, int64, bool, UTC instant, bytes, list of text). Null means that the source did not say. The journal adds the
column `run_id` in front of each table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A row of the journal; `table` names its file and `key` its identifying columns (beside run_id)."""

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]


@dataclasses.dataclass(frozen=True, slots=True)
class Run(Record):
    """One pass of one source. Written last: a run folder without it does not count."""

    table = "run"
    key = ()

    source: str  # registry, oci-layout, docker-archive, chainguard, quay, docker-hub, repo-info, official-images, …
    target: str  # what was asked for, as the caller wrote it
    started_at: datetime
    finished_at: datetime
    outcome: str  # complete, partial, failed
    tags: int  # tags observed (of documents that observe none: versions read)
    tags_changed: int  # of these, seen at another digest than the journal knew before
    manifests: int  # indexes, manifests and configs new to the journal
    requests: int | None  # HTTP requests sent, retries and tokens included; null of a run that was stopped
    received_bytes: int | None  # bytes of response bodies as decoded; null likewise
    failures: int
    imglab_version: str


@dataclasses.dataclass(frozen=True, slots=True)
class Listing(Record):
    """A repository's tags were listed; if complete, a tag not observed in the same run is gone."""

    table = "listing"
    key = ("repository",)

    repository: str
    observed_at: datetime
    is_complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class TagObservation(Record):
    """A source said where a tag pointed at a time (or that it is not there)."""

    table = "tag_observation"
    key = ("repository", "tag", "observed_at")

    repository: str
    tag: str
    observed_at: datetime
    changed_at: datetime | None = None  # when the tag moved there, if the source states it
    digest: str | None = None  # index or manifest; null if the source states none
    time_precision: str = "second"  # of changed_at where that is stated, else of observed_at: second, day
    is_absent: bool = False  # asked for by name, and the source says there is none
    document: str | None = None  # path of the document that says so; null for a registry
    document_revision: str | None = None  # commit of that document, where it has one
    foreign_layer_dates: list[str] | None = None  # `digest instant` where a page dates them; null: no such layer
    document_position: int | None = None  # place among the tags that the document states; null if it is about one


@dataclasses.dataclass(frozen=True, slots=True)
class TagDefinition(Record):
    """A version of a document builds a tag otherwise than the version before it, or no longer names it."""

    table = "tag_definition"
    key = ("repository", "tag", "observed_at")

    repository: str
    tag: str
    observed_at: datetime
    definition_digest: str | None = None  # null if dropped
    is_dropped: bool = False  # the document no longer names the tag, which may live on in the registry
    document: str | None = None
    document_revision: str | None = None  # commit of that document, where it has one


@dataclasses.dataclass(frozen=True, slots=True)
class Definition(Record):
    """
    What tags are built from: one row for each source, with the architectures that are built from it.

    Content, like a manifest: its digest names it, and most of a document's versions and tags share it.
    """

    table = "definition"
    key = ("digest", "position")

    digest: str  # imglab's own, of the sorted builds
    position: int  # of the source's first build; builds are sorted by source, then architecture
    is_shared: bool  # a tag over several stanzas, such as Linux and Windows
    architectures: list[str] | None = None  # in the document's words: amd64, arm32v7, windows-amd64; null: not stated
    git_repository: str | None = None  # URL as stated
    git_commit: str | None = None  # as stated: old documents also name a tag or a branch
    directory: str | None = None  # without a final slash; `.` is the root
    file: str | None = None
    builder: str | None = None
    constraints: str | None = None  # as stated, with commas between


@dataclasses.dataclass(frozen=True, slots=True)
class DocumentVersion(Record):
    """One version of a document that a run read, also if nothing in it could be understood."""

    table = "document_version"
    key = ("document", "document_revision", "observed_at")

    document: str
    document_revision: str | None  # commit, where it has one
    observed_at: datetime
    repository: str | None  # what the document is about; null if neither its text nor its place says
    is_removed: bool = False  # the commit removed the document
    form: str | None = None  # which of its forms it has, such as lines or stanzas; null if nothing was understood
    tags: list[str] | None = None  # every tag that it defines, in its order; null if it states where tags point
    architectures: list[str] | None = None  # that it says the repository supports as a whole; null: not stated


@dataclasses.dataclass(frozen=True, slots=True)
class IndexEntry(Record):
    """One descriptor of an image index or manifest list."""

    table = "index_entry"
    key = ("index_digest", "position")

    index_digest: str
    position: int
    manifest_digest: str
    media_type: str | None = None
    manifest_bytes: int | None = None
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os_version: str | None = None
    os_features: list[str] | None = None
    features: list[str] | None = None
    attests_digest: str | None = None  # the image that an attestation manifest is about
    artifact_type: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest(Record):
    """One manifest or index, or (`config+` and a config's digest) an image that is known by its config alone."""

    table = "manifest"
    key = ("digest",)

    digest: str
    media_type: str | None
    kind: str  # index, image, attestation, artifact, schema1
    config_digest: str | None = None
    artifact_type: str | None = None
    subject_digest: str | None = None
    layer_count: int | None = None  # null for an index
    compressed_bytes: int | None = None  # sum of its layers, repeats included; null for an index
    # The platform of an image of which a source tells no config; null where an index or a config says it.
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os_version: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Layer(Record):
    """One layer of one manifest, in the order in which they are applied."""

    table = "layer"
    key = ("manifest_digest", "position")

    manifest_digest: str
    position: int
    digest: str
    media_type: str | None = None
    compressed_bytes: int | None = None
    last_modified_at: datetime | None = None
    foreign_urls: list[str] | None = None
    is_foreign: bool = False
    predicate_type: str | None = (
        None  # of a statement about an image: what it states, such as https://spdx.dev/Document
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Config(Record):
    """
    One image config. Schema 1 images have none: theirs is keyed `v1:` and the id of the old format.

    Where the manifest itself says so, its digest follows after an `@`: ids are not content's own.
    """

    table = "config"
    key = ("digest",)

    digest: str
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os_version: str | None = None
    created_at: datetime | None = None
    docker_version: str | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    shell: list[str] | None = None
    env: list[str] | None = None  # NAME=value
    labels: list[str] | None = None  # name=value, sorted by name
    working_dir: str | None = None
    user: str | None = None
    diff_ids: list[str] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class History(Record):
    """One build step as the config (or a page) tells it."""

    table = "history"
    key = ("config_digest", "position")

    config_digest: str
    position: int
    created_at: datetime | None = None
    created_by: str | None = None  # as given
    comment: str | None = None
    author: str | None = None
    is_empty_layer: bool | None = None  # null where the source does not say (pages)
    instruction: str | None = None  # RUN, COPY, ADD, ENV, …; read from created_by
    step_label: str | None = None  # short label for charts; read from created_by
    is_conditional: bool | None = None  # pages only: every command stands under a condition; read from created_by
    text_digest: str | None = None  # `steps.text_digest` of created_by, where the text itself was left out


@dataclasses.dataclass(frozen=True, slots=True)
class Blob(Record):
    """Index, manifest or config JSON exactly as received and verified."""

    table = "blob"
    key = ("digest",)

    digest: str
    media_type: str | None
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Sbom(Record):
    """
    A software bill of materials that was fetched and verified; its bytes are not kept.

    It is a layer of an attestation or artifact: that and an index say which image it is about.
    """

    table = "sbom"
    key = ("digest",)

    digest: str
    reader: int  # version of what read it: what an older one read is fetched and read again
    document_bytes: int | None  # as the layer that holds it says; null if that does not
    format: str | None = None  # SPDX-2.3, CycloneDX-1.6; null if it could not be read
    name: str | None = None  # as it says: of BuildKit's `sbom`, or `sbom-base` for a stage named base
    created_at: datetime | None = None
    tools: list[str] | None = None  # what made it: name and version
    subject_digests: list[str] | None = None  # what the statement says that it is about
    package_count: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Package(Record):
    """A package that an SBOM lists; one that is installed in several places may stand there several times."""

    table = "package"
    key = ("sbom_digest", "position")

    sbom_digest: str
    position: int
    name: str  # as its ecosystem writes it: @scope/name, group:name; without the distribution
    ecosystem: str | None = None  # the type of its purl: deb, apk, rpm, pypi, npm, golang, generic, …
    version: str | None = None
    purl: str | None = None
    architecture: str | None = None  # in the words of its ecosystem: amd64, x86_64, all, noarch
    source_name: str | None = None  # the source package that it was built from, if that is stated
    installed_bytes: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Failure(Record):
    """One item that a run could not read."""

    table = "failure"
    key = ("locator",)

    locator: str  # the reference, document or URL; never with secrets
    kind: str  # the short word of the error, such as not-found or digest-mismatch
    status: int | None  # HTTP status where there was one
    message: str
    is_temporary: bool


RECORDS: tuple[type[Record], ...] = (
    Run,
    Listing,
    TagObservation,
    TagDefinition,
    Definition,
    DocumentVersion,
    IndexEntry,
    Manifest,
    Layer,
    Config,
    History,
    Blob,
    Sbom,
    Package,
    Failure,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """
    Many rows of one table at once, column by column, for a source that has too many to make an object of each.

    Columns that are not named are null.
    """

    record: type[Record]
    columns: Mapping[str, Sequence[Any]]
