"""A made-up answer to each question, small and in the shape of real ones, as the charts take them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import made_frames
import polars as pl

START = datetime(2017, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
INSTANT = pl.Datetime("us", "UTC")
STEPS = [
    ("ADD root filesystem", "ADD file:0e0565652aa852f62033d99f84892216020d30f64521ded5e72d4940bc4c9697 in /"),
    ("RUN apt-get install autoconf automake …", "RUN apt-get update && apt-get install -y autoconf " + "gcc " * 300),
    (None, None),
]
PLATFORMS = ["linux/386", "linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm64", "linux/mips64le"]
PLATFORMS += ["linux/ppc64le", "linux/riscv64", "linux/s390x", "windows/amd64"]


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def series(platform: str) -> str:
    return platform + (" 10.0.17763" if platform.startswith("windows") else "")


def stretch(number: int, last: int) -> dict[str, Any]:
    """The interval that begins on day *number*; day *last* begins the current one, seen for two days."""
    begin = START + number * DAY
    end = None if number == last else begin + DAY
    return {"valid_from": begin, "valid_to": end, "last_observed_at": end or begin + 2 * DAY}


def layer_growth() -> pl.DataFrame:
    rows = []
    for number in range(4):
        below = 0
        for position, (label, step) in enumerate(STEPS):
            size = 10_000_000 * (position + 1) + number * 1_000
            rows.append(
                {"repository": "docker.io/library/python", "tag": "latest", "platform": "linux/amd64"}
                | stretch(number, 3)
                | {"manifest_digest": digest(number), "position": position, "layer_digest": digest(100 + position)}
                | {"compressed_bytes": size, "stack_from_bytes": below, "stack_to_bytes": below + size}
                | {"step_label": label, "step_group": label or "unknown step", "created_by": step}
            )
            below += size
    return made(rows)


def size_over_time() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": platform, "series": series(platform)}
        | {"os_version": "10.0.17763.1" if platform.startswith("windows") else None}
        | stretch(number, 3)
        | {"digest": digest(number), "manifest_digest": digest(10 * number + place)}
        | {"compressed_bytes": (270_000_000 + place * 1_000_000 + number) * (10 if place == 9 else 1)}
        | {"layer_count": 9}
        for number in range(4)
        for place, platform in enumerate(PLATFORMS)
    )


def architecture_sizes() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "at": START, "platform": platform}
        | {"series": series(platform), "compressed_bytes": 100_000_000 + place * 10_000_000, "layer_count": 9}
        | {"ratio_to_amd64": (100 + place * 10) / 110, "manifest_digest": digest(place), "created_at": START}
        for place, platform in enumerate(PLATFORMS)
    )


def tag_history() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": tag, "digest": digest(number)}
        | {"valid_from_earliest": None if number == 0 else START + (number - 1) * DAY}
        | stretch(number, 3)
        | {"source": "repo-info"}
        for tag in ("3.6", "3.6-slim-stretch", "latest")
        for number in range(4)
    )


def tag_churn() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": tag, "period_start": datetime(2017, month, 1, tzinfo=UTC)}
        | {"moves": moves * month}
        for tag, moves in (("3.6", 1), ("latest", 3))
        for month in (9, 10, 12)
    )


def layers() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": "linux/amd64", "position": position}
        | {"layer_digest": digest(position), "compressed_bytes": 10_000_000 // (position + 1)}
        | {"media_type": "application/vnd.oci.image.layer.v1.tar+gzip", "step_label": label, "created_by": step}
        | {"step_created_at": START, "is_foreign": position == 2}
        for position, (label, step) in enumerate(STEPS)
    )


def tags() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": tag, "digest": digest(place), "valid_from": START}
        | {"last_observed_at": START + DAY, "image_count": 9, "compressed_bytes": size, "layer_count": count}
        for place, (tag, size, count) in enumerate(
            [("3.6-slim", 55_000_000, 5), ("latest", 274_601_627, 8), ("windows", None, None)]
        )
    )


def tag_lifetimes() -> pl.DataFrame:
    """Four tags of two kinds, two of them gone, and one from the first look."""
    lives = [("3.6.1", "x.y.z", 10, 3, 2, 0.5), ("3.6.2", "x.y.z", 4, 4, 1, 0.75), ("3.6", "x.y", 20, 1, 0, 1.0)]
    lives += [("3.6.3", "x.y.z", None, 1, 0, 0.5), ("latest", "name", None, None, None, None)]
    return made(
        {"repository": "docker.io/library/python", "tag": tag, "tag_kind": kind, "lifetime_days": days or 30}
        | {"ended_at": START + days * DAY if days in (4, 10) else None, "is_from_first_look": at_risk is None}
        | {"kind_at_risk_count": at_risk, "kind_ended_count": ended, "kind_surviving_share": share}
        | {"at_risk_count": at_risk, "ended_count": ended, "surviving_share": share}
        for tag, kind, days, at_risk, ended, share in lives
    )


def architecture_support() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "tag": None, "platform": platform, "basis": "definition"}
        | stretch(number + place % 3, 3)
        | {"tag_count": 7, "last_tag_count": 2 + place, "last_all_tag_count": 12}
        for place, platform in enumerate(PLATFORMS)
        for number in (0, 2)
        if place != 4 or number == 0
    ).with_columns(tag=pl.lit(None, pl.String))


def aliases() -> pl.DataFrame:
    return made(
        {"repository": "docker.io/library/python", "at": START + 90 * DAY, "basis": "definition", "alias_of": leader}
        | {"tag_count": count, "tag": tag, "first_seen_at": START, "together_from": START + number * DAY}
        | {"last_observed_at": START + 80 * DAY}
        | {"is_always": number != 1, "move_count": 9 - number}
        for number, (leader, tag, count) in enumerate(
            [
                *(("latest", "latest", 3), ("latest", "3", 3), ("latest", "3.6", 3)),
                *(("slim", "slim", 2), ("slim", "3-slim", 2), ("2.7", "2.7", 1)),
            ]
        )
    )


def tag_sources() -> pl.DataFrame:
    commits = [(0, "a", "3.6"), (1, "a", "3.6"), (2, "b", "3.6"), (3, "c", "3.7")]
    return made(
        {"repository": "docker.io/library/python", "tag": tag}
        | stretch(number, 3)
        | {"is_main": is_main, "platforms": "linux/amd64" if is_main else "windows/amd64"}
        | {"git_repository": "https://github.com/docker-library/python.git", "git_commit": commit * 40}
        | {"directory": directory, "file": "Dockerfile", "document": "library/python", "document_revision": "d" * 40}
        | {"url": f"https://github.com/docker-library/python/blob/{commit * 40}/{directory}/Dockerfile"}
        for tag in ("3.6", "latest")
        for number, commit, directory in commits
        for is_main in (True, False)
    )


def update_gaps() -> pl.DataFrame:
    cells = [(1, 0, None, None, None, 3), (2, 17, 1 / 24, 0.25, "1 to 6 hours", 5), (2, None, 7, 14, "1 to 2 weeks", 1)]
    cells += [(7, 23, 365, None, "over a year", 1)]
    return made(
        {"repository": "docker.io/library/python", "tag": None, "basis": "digest", "weekday": weekday, "hour": hour}
        | {"gap_from_days": start, "gap_to_days": end, "gap_class": name, "move_count": count, "median_gap_days": 0.2}
        for weekday, hour, start, end, name, count in cells
    ).with_columns(pl.col("gap_from_days", "gap_to_days").cast(pl.Float64), tag=pl.lit(None, pl.String))


def growth_by_step() -> pl.DataFrame:
    """Two platforms; steps that grew, shrank, came, went, stayed, and one that was rewritten."""
    steps: list[tuple[str, str | None, str | None, int | None, int | None]] = [
        ("shrank", "normal text", "ADD root filesystem", 50_000_000, 48_000_000),
        ("went", None, None, 9_000_000, None),
        ("grew", "label", "RUN apt-get install autoconf automake …", 190_000_000, 236_000_000),
        ("grew", "position", "RUN ln python", 100, 150),
        ("same layer", "layer", "COPY app to /app", 700, 700),
        ("came", None, "RUN useradd app", None, 4_000),
    ]
    first, second = (sum(step[side] or 0 for step in steps) for side in (3, 4))  # type: ignore[misc]
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": platform, "to_series": series(platform)}
        | {"to_repository": "docker.io/library/python", "to_tag": "latest", "from_at": START, "to_at": START + 90 * DAY}
        | {"from_manifest_digest": digest(place), "to_manifest_digest": digest(10 + place)}
        | {"from_total_bytes": first, "to_total_bytes": second, "step_position": position}
        | {"from_layer_digest": before and digest(before), "to_layer_digest": after and digest(after)}
        | {"step_label": label, "from_step_label": "RUN ln idle" if match == "position" else label}
        | {"match": match, "change": change, "from_bytes": before, "to_bytes": after}
        | {"delta_bytes": (after or 0) - (before or 0)}
        | {"delta_share": ((after or 0) - (before or 0)) / (second - first)}
        for place, platform in enumerate(("linux/amd64", "windows/amd64"))
        for position, (change, match, label, before, after) in enumerate(steps)
    )


def step_sizes() -> pl.DataFrame:
    """Two platforms with a step each that changes daily, and one that stays."""
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": platform, "series": series(platform)}
        | {"step_group": group, "step_rank": rank}
        | stretch(number, 3)
        | {"manifest_digest": digest(number), "layer_digest": digest(100 + number), "layer_count": 1}
        | {"compressed_bytes": 40_000_000 + 1_000 * number, "change_bytes": 1_000 * number}
        for platform in ("linux/amd64", "windows/amd64")
        for group, rank in (("ADD root filesystem", 1), ("other steps", None))
        for number in range(4)
    )


def package_growth() -> pl.DataFrame:
    changes = [("libc6", "2.36", "2.41", "changed", 100_000), ("new", None, "1", "came", None)]
    changes += [("gone", "1:1", None, "went", -30_000), ("ms", "2.0", "2.0", "copies", None)]
    changes += [("same", "1", "1", "resized", 7)]
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "to_repository": "docker.io/library/python"}
        | {"to_tag": "latest", "platform": "linux/amd64", "to_series": "linux/amd64", "from_at": START}
        | {"to_at": START + DAY, "from_tools": "made-up-1", "to_tools": "made-up-2", "ecosystem": "deb", "name": name}
        | {"from_version": before, "to_version": after, "change": change, "from_count": int(before is not None)}
        | {"to_count": int(after is not None), "from_installed_bytes": 1_000_000 if before else None}
        | {"to_installed_bytes": 1_000_000 if after else None, "delta_bytes": delta}
        | {"from_sbom_digest": digest(1), "to_sbom_digest": digest(2)}
        for name, before, after, change, delta in changes
    )


def update_cost() -> pl.DataFrame:
    """Two cadences, the second of one pull only; of one pull nothing is known."""
    pulls = [("every move", 0, 90, 90, 90, 90, 0), ("every move", 1, 20, 95, 110, 185, 0)]
    pulls += [("every move", 2, None, 95, 110, 185, 1), ("month", 0, 90, 90, 90, 90, 0)]
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": "linux/amd64", "cadence": cadence}
        | {"pulled_at": START + number * DAY, "from_manifest_digest": digest(number - 1) if number else None}
        | {"to_manifest_digest": digest(number), "pull_bytes": pulled, "full_bytes": whole}
        | {"kept_bytes": None if pulled is None else whole - pulled, "pull_layer_count": 3, "full_layer_count": 9}
        | {"cumulative_pull_bytes": pulled_so_far, "cumulative_full_bytes": whole_so_far, "unknown_count": unknown}
        for cadence, number, pulled, whole, pulled_so_far, whole_so_far, unknown in pulls
    )


def bases() -> pl.DataFrame:
    """Two tags on a base that changes; of one image none is known, of another only a name."""
    told = [("jessie", "layers", None), ("stretch", "layers", None), (None, None, None), (None, "label", "corp/base:1")]
    return made(
        {"repository": "docker.io/library/python", "tag": tag, "platform": "linux/amd64"}
        | stretch(number, 3)
        | {"manifest_digest": digest(number), "evidence": evidence, "base_name": name}
        | {"base_repository": base and "docker.io/library/debian", "base_tag": base, "base_tags": base}
        | {"base_manifest_digest": base and digest(50), "base_bytes": 60 if base else None}
        | {"base_share": 0.6 if base else None}
        for tag in ("3.6", "3.6-slim")
        for number, (base, evidence, name) in enumerate(told)
    )


def base_share() -> pl.DataFrame:
    """An image on a base on a base, and one of which none is known."""
    parts = [(0, 2, "jessie", 0, 60, 0.6), (0, 1, "curl", 60, 75, 0.15), (0, 0, None, 75, 100, 0.25)]
    parts += [(1, 0, None, 0, 44, 1.0)]
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": "linux/amd64"}
        | stretch(number, 1)
        | {"manifest_digest": digest(number), "level": level, "base_repository": base and "docker.io/library/debian"}
        | {"base_tag": base, "base_manifest_digest": base and digest(50 + level), "part_bytes": above - below}
        | {"stack_from_bytes": below, "stack_to_bytes": above, "part_share": share}
        | {"base_share": None if number else 0.75}
        for number, level, base, below, above, share in parts
    )


def base_lag() -> pl.DataFrame:
    """Three stays on a base, the second two days late, the third out of date."""
    late = [(None, None, 0.0), (2.0, None, 0.0), (12.5, START + 3 * DAY, 1.0)]
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": "linux/amd64"}
        | stretch(number, 2)
        | {"manifest_digest": digest(number), "base_repository": "docker.io/library/debian", "base_tag": "jessie"}
        | {"base_manifest_digest": digest(50 + number), "base_moved_at": lag and START, "lag_days": lag}
        | {"outdated_from": outdated_from, "outdated_days": outdated}
        for number, (lag, outdated_from, outdated) in enumerate(late)
    )


def fleet_cost() -> pl.DataFrame:
    """Two images that share a base, one by digest, and one that is not known."""
    told = [("3.6", 100, 40, 100), (None, 80, 20, 20), ("9.9", None, None, None)]
    return made(
        {"position": position, "repository": "docker.io/library/python", "tag": tag, "platform": "linux/amd64"}
        | {"digest": total and digest(position), "manifest_digest": total and digest(10 + position)}
        | {"total_bytes": total, "unique_bytes": unique, "shared_bytes": total and total - unique}
        | {"added_bytes": added, "layer_count": total and 3, "added_layer_count": total and 2}
        | {"fleet_bytes": 120, "unknown_count": 1}
        for position, (tag, total, unique, added) in enumerate(told)
    )


def common_bases() -> pl.DataFrame:
    """A base of two images, one of one image without a name, and one of unknown size."""
    told = [("jessie", 60, 2, 60), (None, 75, 1, 0), ("wheezy", None, 2, None)]
    return made(
        {"base_repository": tag and "docker.io/library/debian", "base_tag": tag, "base_manifest_digest": digest(number)}
        | {"base_layer_count": number + 1, "base_bytes": size, "image_count": images, "saved_bytes": saved}
        | {"image_references": "docker.io/library/python:3.6" + ", ghcr.io/a/b:1" * (images - 1)}
        for number, (tag, size, images, saved) in enumerate(told)
    )


def made(rows: Any) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    times = [name for name in frame.columns if name.endswith("_at") or name.startswith(("valid_", "period_"))]
    times += [name for name in ("at", "together_from", "outdated_from") if name in frame.columns]
    return frame.with_columns(pl.col(times).cast(INSTANT))


def size_changes() -> pl.DataFrame:
    """A jump, a drift and what is usual, for Linux and for Windows."""
    told = [(None, None, 0), (1_000, None, 1_000), (50_000, "jump", 1_000), (-2_000, "drift", -90_000)]
    return made(
        {"repository": "docker.io/library/python", "tag": "latest", "platform": platform, "series": series(platform)}
        | {"valid_from": START + number * DAY, "compressed_bytes": 90_000_000 + number, "step_bytes": step}
        | {"usual_step_bytes": 1_000 if step else None, "drift_bytes": drift, "change": change}
        | {"digest": digest(number), "manifest_digest": digest(number)}
        for platform in ("linux/amd64", "windows/amd64")
        for number, (step, change, drift) in enumerate(told)
    )


MADE: dict[str, Callable[[], pl.DataFrame]] = {
    function.__name__: function
    for function in (
        *(layer_growth, size_over_time, architecture_sizes, tag_history, tag_churn, layers, tags),
        *(tag_lifetimes, architecture_support, aliases, tag_sources, update_gaps, growth_by_step, step_sizes),
        *(made_frames.architecture_ratios, made_frames.step_ratios),
        *(made_frames.moves, made_frames.move_calendar, made_frames.digest_lifetimes),
        *(package_growth, size_changes),
        *(update_cost, bases, base_share, base_lag, fleet_cost, common_bases),
    )
}
