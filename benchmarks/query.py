"""
Every question over a large store, beside the same SQL run by hand. The store is GENERATED: made up in the shape of a
registry, with 1,000 repositories of 100 tags that each moved 100 times between 500 indexes of two platforms.

That is 1 million images, 10 million layers of them, and 10 million tag intervals. Its journal is written by DuckDB, its
store made by `imglab rebuild`; both are kept in the folder given, and used again.
"""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl

from imglab import charts, queries
from imglab.cli import QUESTIONS
from imglab.store import Paths, Store

RUN = "20260101T000000000000Z-generated"
REPOSITORY, OTHER = "registry.test/team/app1", "registry.test/team/app2"

# One image is `number`; an index has two of them (amd64, arm64), a repository so many indexes one after the other.
# Six layers of ten come from a base that fifty images of a platform share, four are the image's own. The base is the
# first of the fifty, and has six layers only; the second has fourteen.
IMAGE = """
    select
        number, number % 2 as side, number // 2 as index_number, 'sha256:' || sha256('image ' || number) as digest,
        'sha256:' || sha256('config ' || number) as config_digest,
        'sha256:' || sha256('index ' || (number // 2)) as above,
        case number % 100 // 2 when 0 then 6 when 1 then 14 else 10 end as layer_count,
    from range($images) as image(number)
"""
LAYER = f"""
    select
        image.digest as manifest_digest, position,
        'sha256:' || sha256(
            case when position < 6 then 'base ' || (number // 100) || ' ' || side else 'own ' || number end || position
        ) as digest,
        'application/vnd.oci.image.layer.v1.tar+gzip' as media_type,
        (1 + (hash(position, case when position < 6 then number // 100 else number // 10 end) % 50))
        * 1000000 // (1 + position) as compressed_bytes,
    from ({IMAGE}) as image join range(14) as layer(position) on position < image.layer_count
"""
TABLES = {
    "manifest": f"""
        select
            image.digest, 'application/vnd.oci.image.manifest.v1+json' as media_type, 'image' as kind,
            any_value(image.config_digest) as config_digest, count(*)::bigint as layer_count,
            sum(layer.compressed_bytes)::bigint as compressed_bytes,
        from ({IMAGE}) as image join ({LAYER}) as layer on image.digest = layer.manifest_digest
        group by image.digest
        union all by name
        select distinct above as digest, 'application/vnd.oci.image.index.v1+json' as media_type, 'index' as kind,
        from ({IMAGE})
    """,
    "layer": f"select *, false as is_foreign, from ({LAYER})",
    "index_entry": f"""
        select
            above as index_digest, side as position, digest as manifest_digest, 'linux' as os,
            case side when 0 then 'amd64' else 'arm64' end as architecture,
        from ({IMAGE})
    """,
    "config": f"""
        select
            config_digest as digest, 'linux' as os, case side when 0 then 'amd64' else 'arm64' end as architecture,
            timestamptz '2016-01-01' + to_hours((number % 90000)::integer) as created_at,
        from ({IMAGE})
    """,
    "history": f"""
        select
            config_digest, position,
            'RUN step ' || position || ' of ' || (number // 1000) || ' version 1.' || (number // 10) as created_by,
            false as is_empty_layer, 'RUN' as instruction,
            'RUN step ' || position || ' of ' || (number // 1000) as step_label,
        from ({IMAGE}) as image join range(14) as step(position) on position < image.layer_count
    """,
    "tag_observation": """
        select
            'registry.test/team/app' || repository as repository, 'tag-' || tag as tag,
            timestamptz '2016-01-01' + to_hours((move * 800 + tag)::integer) as observed_at,
            'sha256:' || sha256(
                'index ' || (repository * $indexes + (tag * 5 + move * $indexes // 100) % $indexes)
            ) as digest,
            'second' as time_precision, false as is_absent,
        from range($repositories) as a(repository), range(100) as b(tag), range(100) as c(move)
    """,
}


def main() -> None:
    """Make the store unless it is there, then time each question."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--repositories", type=int, default=1_000)
    options.add_argument("--question", action="append", choices=QUESTIONS)
    given = options.parse_args()
    if not (given.folder / "journal" / RUN / "run.parquet").exists():
        generate(given.folder, given.repositories)
    if Paths(given.folder).published() is None:
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "imglab.cli", "--data", given.folder, "rebuild"], check=True)
        print(f"rebuilt in {time.monotonic() - began:.0f} s")
    with Store(given.folder) as store:
        counts = ", ".join(f"(select count(*) from {name})" for name in ("image", "image_layer", "tag_interval"))
        heads = ("cold s", "warm s", "CPU s", "by hand", "ratio", "drawn")
        print(
            "GENERATED store: {:,} images, {:,} layer rows, {:,} tag intervals".format(
                *store.sql(f"select {counts}").row(0)
            )
        )
        print(f"\n{'question':28} {'about':10} {'rows':>9}", *(f"{head:>8}" for head in heads))
        for name in given.question or QUESTIONS:
            timed(store, name, "repository", one_repository(name))
            if "repository" in taken(name) and "repository" not in needed(name):
                timed(store, name, "whole", {})


def generate(folder: Path, repositories: int) -> None:
    """The journal of one made-up run."""
    target = folder / "journal" / RUN
    target.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("set preserve_insertion_order = false")
    sizes = {"images": repositories * 1_000, "indexes": 500, "repositories": repositories}
    for name, text in TABLES.items():
        filled = text
        for key, value in sizes.items():
            filled = filled.replace(f"${key}", str(value))
        began = time.monotonic()
        connection.execute(f"copy (select *, '{RUN}' as run_id, from ({filled})) to '{target / name}.parquet'")
        print(f"generated {name} in {time.monotonic() - began:.0f} s")
    connection.execute(
        f"""
        copy (
            select 'registry' as source, 'generated' as target, timestamptz '2026-01-01' as started_at,
                timestamptz '2026-01-01' as finished_at, 'complete' as outcome, 0::bigint as tags,
                0::bigint as tags_changed, 0::bigint as manifests, 0::bigint as requests, 0::bigint as received_bytes,
                0::bigint as failures, 'generated' as imglab_version, '{RUN}' as run_id
        ) to '{target / "run"}.parquet'
        """
    )


def one_repository(name: str) -> dict[str, object]:
    """What a question about one repository is given, as far as it takes it."""
    known = {
        "repository": REPOSITORY,
        "tag": "tag-7",
        "platform": "linux/amd64",
        "references": [f"{REPOSITORY}:tag-7", f"{REPOSITORY}:tag-8", f"{OTHER}:tag-7"],
        "since": datetime(2018, 1, 1, tzinfo=UTC),
    }
    usual = {"repository", "tag"} & taken(name).keys()
    return {key: value for key, value in known.items() if key in needed(name) | usual}


def taken(name: str) -> Mapping[str, inspect.Parameter]:
    """What a question may be given."""
    return inspect.signature(getattr(queries, name)).parameters


def needed(name: str) -> set[str]:
    """What a question must be given."""
    return {key for key, parameter in taken(name).items() if parameter.default is inspect.Parameter.empty}


def timed(store: Store, name: str, about: str, given: dict[str, object]) -> None:
    """One row: the first time, the best of five more, and the best of the same SQL by hand."""
    function = getattr(queries, name)
    asked: list[tuple[str, dict[str, object]]] = []
    run = store.sql

    def listening(text: str, parameters: object = None) -> pl.DataFrame:
        asked.append((text, dict(parameters or {})))  # type: ignore[call-overload]
        return run(text, parameters)  # type: ignore[arg-type]

    store.sql = listening  # type: ignore[method-assign]
    began = time.monotonic()
    frame = function(store, **given)
    cold = time.monotonic() - began
    store.sql = run  # type: ignore[method-assign]
    warm, busy = best(lambda: function(store, **given))
    by_hand, _ = best(lambda: [pl.DataFrame(store._connection.sql(text, params=values)) for text, values in asked])
    try:
        drawn = f"{largest(charts.specification(getattr(charts, name)(frame))):,}"
    except charts.TooManyRows:
        drawn = "refused"
    figures = (f"{cold:.2f}", f"{warm:.3f}", f"{busy:.3f}", f"{by_hand:.3f}", f"{warm / by_hand:.2f}", drawn)
    print(f"{name:28} {about:10} {frame.height:9,}", *(f"{figure:>8}" for figure in figures), flush=True)


def best(call: Callable[[], object]) -> tuple[float, float]:
    """The shortest of up to five times, and the least processor time (of all threads, which may be more)."""
    seconds, busy = [], []
    for _ in range(5):
        began, worked = time.monotonic(), time.process_time()
        call()
        seconds.append(time.monotonic() - began)
        busy.append(time.process_time() - worked)
        if sum(seconds) > 4:
            break
    return min(seconds), min(busy)


def largest(node: object) -> int:
    """The most rows that one data set of a specification holds."""
    if isinstance(node, dict):
        return max(map(largest, node.values()), default=0)
    if not isinstance(node, list):
        return 0
    own = len(node) if node and isinstance(node[0], dict) else 0
    return max([own, *map(largest, node)])


if __name__ == "__main__":
    main()
