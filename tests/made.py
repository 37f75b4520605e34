"""Made-up records and runs, small enough to see through."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from imglab.journal import Journal
from imglab.records import (
    Config,
    Definition,
    History,
    IndexEntry,
    Layer,
    Manifest,
    Record,
    Run,
    TagDefinition,
    TagObservation,
)

DAY = timedelta(days=1)
REPOSITORY = "registry.test/team/app"


def day(number: int) -> datetime:
    """Midnight of a day in January 2026."""
    return datetime(2026, 1, 1, tzinfo=UTC) + (number - 1) * DAY


def digest(name: str) -> str:
    """A digest that reads as *name* (hexadecimal digits)."""
    return "sha256:" + name.ljust(64, "0")


def image(name: str, sizes: Iterable[int], *, config: str | None = None, kind: str = "image") -> list[Record]:
    """An image manifest with layers of the given sizes, named after their size."""
    sizes = list(sizes)
    config_digest = digest(config or "c" + name)
    return [
        Manifest(
            digest(name),
            "application/vnd.oci.image.manifest.v1+json",
            kind,
            config_digest,
            None,
            None,
            len(sizes),
            sum(sizes),
        ),
        *(Layer(digest(name), at, digest(f"d{size}"), None, size) for at, size in enumerate(sizes)),
    ]


def config(name: str, steps: Iterable[tuple[str, bool | None]], *, platform: str = "linux/amd64") -> list[Record]:
    """The config of image *name* with its steps: text, and whether it made no layer (None: not stated)."""
    os, architecture, *variant = platform.split("/")
    return [
        Config(digest("c" + name), os, architecture, *variant),
        *(
            History(digest("c" + name), at, None, text, None, None, is_empty, text.split()[0], f"label of {text}")
            for at, (text, is_empty) in enumerate(steps)
        ),
    ]


def index(name: str, children: Iterable[tuple[str, str | None]]) -> list[Record]:
    """An index whose children are images for a platform (None: an attestation of the first child)."""
    children = list(children)
    entries = []
    for position, (child, platform) in enumerate(children):
        os, architecture, *variant = (platform or "unknown/unknown").split("/")
        entries.append(
            IndexEntry(
                digest(name),
                position,
                digest(child),
                "application/vnd.oci.image.manifest.v1+json",
                1000,
                os,
                architecture,
                variant[0] if variant else None,
                attests_digest=None if platform else digest(children[0][0]),
            )
        )
    return [Manifest(digest(name), "application/vnd.oci.image.index.v1+json", "index"), *entries]


def seen(tag: str, name: str | None, at: datetime, **more: object) -> TagObservation:
    """An observation of a tag at digest *name*."""
    return TagObservation(REPOSITORY, tag, at, digest=digest(name) if name else None, **more)  # type: ignore[arg-type]


def defined(tag: str, revision: str | None, at: datetime, **more: Any) -> TagDefinition:
    """A version of a document that says from which commit a tag is built, or (None) that no longer names it."""
    version = {"document": "library/app", "document_revision": f"{at:%d}"} | more
    if revision is None:
        return TagDefinition(REPOSITORY, tag, at, is_dropped=True, **version)
    return TagDefinition(REPOSITORY, tag, at, digest(f"def{revision}"), **version)


def definition(revision: str, **more: Any) -> Definition:
    """What tags *defined* by a commit are built from, for one architecture unless *more* says otherwise."""
    build = {"is_shared": False, "architectures": ["amd64"], "git_repository": "x", "directory": ".", "file": "f"}
    return Definition(digest(f"def{revision}"), 0, git_commit=revision, **{**build, **more})


def commit(data: Path, at: datetime, records: Iterable[Record], *, source: str = "registry") -> str:
    """A committed run of *source* that began at *at*."""
    with Journal(data / "journal").begin(now=at) as writer:
        for record in records:
            writer.add(record)
        return writer.commit(Run(source, "made up", at, at, "complete", 0, 0, 0, 0, 0, 0, "0"))
