"""
Load and rebuild of a journal in rows a second. The journal is GENERATED: made up in the shape of real runs.

One case has few large runs, as an import leaves them; the other many small ones, as ten years of a daily snapshot do.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import Measured, measured, show

from imglab.journal import Journal
from imglab.records import Config, History, IndexEntry, Layer, Listing, Manifest, Record, Run, TagObservation

START = datetime(2016, 1, 1, tzinfo=UTC)
PLATFORMS = ("amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x", "mips64le")
LAYERS, STEPS = 9, 15


def main() -> None:
    """Generate both journals, then print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=120_000, help="in the large runs; 26 rows each")
    options.add_argument("--small-runs", type=int, default=3_650)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large", Path(folder) / "small"
        indexes = given.images // len(PLATFORMS)
        rows = sum(generate(large, number, indexes // 10, moved=indexes // 10) for number in range(10))
        few = sum(generate(small, number, 1, moved=1) for number in range(given.small_runs))
        print(f"generated: 10 runs with {rows:,} rows; {given.small_runs:,} runs with {few:,} rows")
        table = [
            timed("10 large runs: rebuild", large, "rebuild", rows),
            timed("10 large runs: load of one more", large, "load", one_more(large, 10, indexes // 10)),
            timed("10 large runs: load of nothing", large, "load", 0),
            timed(f"{given.small_runs:,} small runs: rebuild", small, "rebuild", few),
            timed(f"{given.small_runs:,} small runs: load of one more", small, "load", one_more(small, 9_999, 1)),
        ]
        show(table, "rows", beside=table[0])


def timed(name: str, data: Path, command: str, rows: int) -> Measured:
    """One command in a process of its own."""
    if command == "rebuild":
        shutil.rmtree(data / "store", ignore_errors=True)
    return measured(name, [sys.executable, "-m", "imglab.cli", "--data", data, "--quiet", command]).counting(rows)


def one_more(data: Path, number: int, indexes: int) -> int:
    return generate(data, number, indexes, moved=indexes)


def generate(data: Path, number: int, indexes: int, *, moved: int) -> int:
    """One run with *indexes* new indexes at which *moved* tags point from now on; the number of its rows."""
    at = START + timedelta(days=number)
    count = 1
    with Journal(data / "journal").begin(now=at) as writer:
        for record in generated(number, indexes, moved, at):
            writer.add(record)
            count += 1
        writer.commit(Run("registry", "generated", at, at, "complete", moved, moved, 0, 0, 0, 0, "generated"))
    return count


def generated(number: int, indexes: int, moved: int, at: datetime) -> Iterator[Record]:
    """A listing, an observation for each tag, and every document below the indexes."""
    yield Listing("registry.test/team/app", at, False)
    for tag in range(moved):
        digest = named(f"index {number} {tag % indexes}")
        yield TagObservation("registry.test/team/app", f"tag-{tag}", at, digest=digest)
    for index in range(indexes):
        yield from index_records(f"{number} {index}", at)


def index_records(name: str, at: datetime) -> Iterator[Record]:
    digest = named(f"index {name}")
    yield Manifest(digest, "application/vnd.oci.image.index.v1+json", "index")
    for position, architecture in enumerate(PLATFORMS):
        manifest = named(f"image {name} {architecture}")
        kind = "application/vnd.oci.image.manifest.v1+json"
        yield IndexEntry(digest, position, manifest, kind, 1_000, "linux", architecture)
        yield from image_records(f"{name} {architecture}", architecture, at)


def image_records(name: str, architecture: str, at: datetime) -> Iterator[Record]:
    manifest, config = named(f"image {name}"), named(f"config {name}")
    sizes = [1_000_000 + (hash_number(name) + at) % 50_000_000 for at in range(LAYERS)]
    kind = "application/vnd.oci.image.manifest.v1+json"
    yield Manifest(manifest, kind, "image", config, layer_count=LAYERS, compressed_bytes=sum(sizes))
    for position, size in enumerate(sizes):
        yield Layer(manifest, position, named(f"layer {name} {position}"), None, size)
    yield Config(config, "linux", architecture, created_at=at)
    for position in range(STEPS):
        text = f"RUN install package-{position} of {name}"
        yield History(config, position, at, text, None, None, position >= LAYERS, "RUN", f"install {position}")


def named(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def hash_number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


if __name__ == "__main__":
    main()
