"""Made-up answers to the questions on architectures and moves, as their charts take them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl

INSTANT = pl.Datetime("us", "UTC")
START = datetime(2017, 1, 1, tzinfo=UTC)
NAME = {"repository": "docker.io/library/python", "tag": "latest"}


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


def architecture_ratios() -> pl.DataFrame:
    """Six stretches of two platforms: one steady, with an outlier and an unknown size; one of Windows."""
    stretches = [("linux/arm64", "linux/arm64", day, size) for day, size in enumerate([90, 91, 90, 150, None])]
    stretches.append(("windows/amd64", "windows/amd64 10.0.26100", 2, 1_600))
    return pl.DataFrame(
        [
            {
                **NAME,
                "platform": platform,
                "series": series,
                "against": "linux/amd64",
                "valid_from": START + timedelta(days=day),
                "valid_to": START + timedelta(days=day + 1) if size != 150 else None,
                "last_observed_at": START + timedelta(days=day, hours=3),
                "compressed_bytes": size and size * 1_000_000,
                "against_bytes": 100_000_000,
                "ratio": size and size / 100,
                "median_ratio": 0.905 if platform == "linux/arm64" else 16.0,
                "is_outlier": size == 150 if platform == "linux/arm64" and size else None,
                "manifest_digest": _digest(day),
                "against_manifest_digest": _digest(99),
            }
            for platform, series, day, size in stretches
        ],
        infer_schema_length=None,
    ).with_columns(pl.col("valid_from", "valid_to", "last_observed_at").cast(INSTANT))


def step_ratios() -> pl.DataFrame:
    """Three steps of arm64, of which one is the same and one of unknown size; two of Windows, one without a label."""
    told = [
        ("linux/arm64", "linux/arm64", "ADD root filesystem", 40, 50, -10),
        ("linux/arm64", "linux/arm64", "RUN apt-get install gcc", 60, 55, 5),
        ("linux/arm64", "linux/arm64", "RUN ln idle", 1, 1, 0),
        ("linux/arm64", "linux/arm64", "COPY app to /app", None, 2, None),
        ("windows/amd64", "windows/amd64 10.0.26100", "RUN Apply image", 1_500, None, 1_500),
        ("windows/amd64", "windows/amd64 10.0.26100", None, None, 50, -50),
    ]
    return pl.DataFrame(
        [
            {
                **NAME,
                "at": START,
                "platform": platform,
                "series": series,
                "against": "linux/amd64",
                "step_position": position,
                "step_label": label,
                "compressed_bytes": size and size * 1_000_000,
                "against_bytes": before and before * 1_000_000,
                "delta_bytes": None if delta is None else delta * 1_000_000,
                "delta_share": None if delta is None else delta / -5,
                "total_bytes": 101_000_000 if platform == "linux/arm64" else 1_500_000_000,
                "against_total_bytes": 106_000_000,
                "layer_digest": size and _digest(position),
                "against_layer_digest": before and _digest(position + 50),
                "manifest_digest": _digest(len(platform)),
            }
            for position, (platform, series, label, size, before, delta) in enumerate(told)
        ],
        infer_schema_length=None,
    ).with_columns(pl.col("at").cast(INSTANT))


def moves() -> pl.DataFrame:
    """A move of each kind but one, of two tags."""
    kinds = ["content", "base only", "rebuild only", "metadata only", "platform set", "attestations only", "unknown"]
    return pl.DataFrame(
        [
            {
                **NAME,
                "tag": "latest" if day % 2 else "3.13-slim",
                "platform": None,
                "moved_at": START + timedelta(days=day),
                "kind": kind,
                "from_digest": _digest(day),
                "to_digest": _digest(day + 1),
                "changed_platforms": None if kind == "unknown" else "linux/amd64, linux/arm64",
                "delta_bytes": None if kind == "unknown" else day * 1_000 - 2_500,
                "pulled_bytes": None if kind == "unknown" else day * 2_000,
            }
            for day, kind in enumerate(kinds)
        ],
        schema_overrides={"platform": pl.String},
        infer_schema_length=None,
    ).with_columns(pl.col("moved_at").cast(INSTANT))


def move_calendar() -> pl.DataFrame:
    """Four days of two years, the first and the last of one among them."""
    counts = ("content", "base", "rebuild", "metadata", "platform_set", "attestation", "unchanged", "unknown")
    days = [date(2017, 1, 1), date(2017, 6, 14), date(2017, 12, 31), date(2019, 10, 17)]
    return pl.DataFrame(
        [
            {
                **NAME,
                "platform": None,
                "move_date": day,
                "weekday": day.isoweekday(),
                "move_count": 2 * number + 1,
                "tag_count": number + 1,
                **{f"{kind}_count": 0 for kind in counts},
                "content_count": number + 1,
                "base_count": number,
            }
            for number, day in enumerate(days)
        ],
        schema_overrides={"platform": pl.String},
    )


def digest_lifetimes() -> pl.DataFrame:
    """Digests of two kinds of tags and one whose start is not known."""
    told = [
        ("latest", "name", 0, True, 3, 1, 0.666667, 5, 1, 0.8),
        ("latest", "name", 9, True, 2, 1, 0.333333, 4, 1, 0.6),
        ("slim", "name", 30, False, 1, 0, 0.333333, 1, 0, 0.3),
        ("3.13", "x.y", 12, True, 2, 1, 0.5, 3, 1, 0.4),
        ("3.13", "x.y", 20, True, 1, 1, 0.0, 2, 1, 0.2),
        ("3.14", "x.y", 400, False, None, None, None, None, None, None),
    ]
    names = ["tag", "tag_kind", "lifetime_days", "is_replaced", "kind_at_risk_count", "kind_replaced_count"]
    names += ["kind_standing_share", "at_risk_count", "replaced_count", "standing_share"]
    frame = pl.DataFrame(told, schema=names, orient="row")
    return frame.with_columns(
        pl.lit(NAME["repository"]).alias("repository"), pl.col("at_risk_count").is_not_null().alias("is_start_known")
    )
