"""Charts from small made-up frames in the shape of real ones: ten platforms, long steps, unknown steps, Windows."""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import altair as alt
import made_frames
import polars as pl
import pytest
import vl_convert

from imglab import charts

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
every_chart = pytest.mark.parametrize("name", MADE)


def draw(name: str, frame: pl.DataFrame | None = None) -> dict[str, Any]:
    return charts.specification(getattr(charts, name)(MADE[name]() if frame is None else frame))


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a specification."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(inner)


def rows(specification: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for found in specification["datasets"].values() for row in found]


@every_chart
def test_specification_is_valid_and_asks_the_question(name: str) -> None:
    """Vega-Lite's schema accepts every chart, and its title is a question."""
    specification = draw(name)
    alt.Chart.from_dict(specification, validate=True)
    assert re.fullmatch(r"\w.*python.*\?( \(linux/amd64\))?", charts.title_of(specification))


def views(part: dict[str, Any], data: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Each view that draws, with the name of its data."""
    data = part.get("data", {}).get("name", data)
    if "mark" in part:
        yield part, data
    for inner in (*part.get("layer", ()), *part.get("vconcat", ())):
        yield from views(inner, data)


@every_chart
def test_encoded_fields_are_in_the_data(name: str) -> None:
    """Every field that is encoded is in each row, or calculated from one that is."""
    specification = draw(name)
    drawn = list(views(specification))
    for view, data in drawn:
        calculated = {part["as"]: part["calculate"] for part in view.get("transform", ()) if "calculate" in part}
        encoded = {part["field"] for part in parts(view["encoding"]) if isinstance(part.get("field"), str)}
        assert encoded and not any("." in field for field in encoded)
        for row in specification["datasets"][data]:
            assert encoded - set(calculated) <= set(row)
            assert all(set(re.findall(r"datum\.(\w+)", text)) <= set(row) for text in calculated.values())
    assert {data for _, data in drawn} == set(specification["datasets"])


@every_chart
def test_a_fixed_time_has_marks_with_an_end(name: str) -> None:
    """Without one a browser draws all at one instant (Vega-Lite 6.4), though pictures are right."""
    specification = draw(name)
    for panel in specification.get("vconcat", [specification]):
        encodings = [view["encoding"] for view, _ in views(panel)]
        times = [one["x"] for one in encodings if one.get("x", {}).get("type") == "temporal"]
        is_fixed = any("domain" in (x.get("scale") or {}) for x in times)
        assert not is_fixed or any("x2" in one for one in encodings)


@every_chart
def test_same_frame_gives_same_specification(name: str) -> None:
    """Nothing is counted, timed or random: a second drawing is the first, and no name is one that Altair counted."""
    first, second = draw(name), draw(name)
    assert json.dumps(first) == json.dumps(second)
    assert not re.search(r'"(view|param|concat|layer)_\d+"', json.dumps(first))


@every_chart
@pytest.mark.parametrize("many", ["many", "one", "none"])
def test_old_and_new_vega_lite_draw_alike(name: str, many: str) -> None:
    """JupyterLab's Vega-Lite 5 and the pages' Vega-Lite 6 give the same picture; only counted ids may differ."""
    frame = MADE[name]()
    specification = draw(name, {"many": frame, "one": frame.head(1), "none": frame.clear()}[many])
    pictures = {
        re.sub(r"(clip|gradient_)\d+", r"\1", vl_convert.vegalite_to_svg(specification, vl_version=version))
        for version in ("5.8", "6.4")
    }
    assert len(pictures) == 1


@every_chart
def test_empty_frame_says_so(name: str) -> None:
    """A frame without rows gives a chart with a title and a message."""
    specification = draw(name, MADE[name]().clear())
    assert charts.title_of(specification).endswith("?")
    assert "nothing to draw" in vl_convert.vegalite_to_svg(specification)


@every_chart
def test_docstring_names_the_columns_and_each_is_asked_for(name: str) -> None:
    """A missing column raises an error that names it; the docstring lists them all."""
    frame = MADE[name]()
    needs = re.search(r"Needs: ([^.]*)\.", getattr(charts, name).__doc__, re.S)
    assert needs is not None
    assert set(re.findall(r"\w+", needs[1])) == set(frame.columns)
    for column in frame.columns:
        with pytest.raises(charts.MissingColumn, match=f"charts.{name} needs the column '{column}'"):
            draw(name, frame.drop(column))


@every_chart
def test_columns_that_are_not_needed_do_not_matter(name: str) -> None:
    """A query may answer more than its chart draws."""
    assert draw(name, MADE[name]().with_columns(pl.lit([1, 2]).alias("more"))) == draw(name)


@every_chart
def test_text_from_registries_is_never_an_expression(name: str) -> None:
    """Hostile text stays in rows, scale domains and the title: nothing else in what Vega runs holds any of it."""
    frame = MADE[name]()
    texts = [column for column, kind in frame.schema.items() if kind == pl.String and column != "platform"]
    hostile = "\"'+alert(1)+{{}}</script>\u202e"
    specification = draw(name, frame.with_columns(pl.col(texts).fill_null("").str.replace("^", hostile)))
    compiled = vl_convert.vegalite_to_vega(specification, vl_version="6.4")
    shown = [compiled["title"], *(data.get("values", []) for data in compiled["data"])]
    assert any("alert(1)" in json.dumps(part) for part in shown)
    assert "\u202e" not in json.dumps(compiled["title"], ensure_ascii=False)
    compiled["title"] = None
    for part in parts(compiled):
        part.pop("values", None)
        if isinstance(part.get("domain"), list) and all(isinstance(text, str) for text in part["domain"]):
            part["domain"] = []
    assert "alert" not in json.dumps(compiled)


@every_chart
def test_tooltips_load_nothing(name: str) -> None:
    """vega-tooltip takes a line called `image` for a picture's address; no chart has one."""
    titles = [tip["title"] for part in parts(draw(name)) for tip in part.get("tooltip", []) if isinstance(tip, dict)]
    assert titles and "image" not in titles and "title" not in titles


@every_chart
def test_times_are_utc(name: str) -> None:
    """Instants carry their zone, and time scales are in UTC wherever the reader is."""
    specification = draw(name)
    for part in parts(specification):
        if part.get("type") == "temporal":
            assert part["scale"]["type"] == "utc"
            instants = [row[part["field"]] for row in rows(specification) if part["field"] in row]
            assert instants and all(instant.endswith("Z") for instant in instants)


def test_too_many_rows_are_refused() -> None:
    """Above 5,000 rows the error says how many there are and what to do."""
    frame = pl.concat([layers()] * 1_667)
    with pytest.raises(charts.TooManyRows, match="5,001 rows to draw and draws at most 5,000: narrow"):
        charts.layers(frame)


def test_layer_growth_stacks_in_megabytes() -> None:
    """Rectangles run from the bytes below to the bytes with the layer; the current one ends when last observed."""
    found = rows(draw("layer_growth"))
    assert (found[1]["stack_from"], found[1]["stack_to"]) == (10.0, 30.0)
    assert found[1]["layer_size"] == "20.0 MB (20000000 bytes)"
    assert [row["drawn_to"][:10] for row in found[::3]] == ["2017-09-02", "2017-09-03", "2017-09-04", "2017-09-06"]
    assert not any(row["is_unseen"] for row in found)


def test_layer_growth_legend_is_by_size_and_greys_are_no_step() -> None:
    """The step with the largest layer comes first, what is no step comes last and is grey."""
    frame = layer_growth().with_columns(
        pl.when(pl.col("position") == 0).then(pl.lit("other steps")).otherwise("step_group").alias("step_group")
    )
    scale = next(part for part in parts(draw("layer_growth", frame)) if part.get("field") == "step_group")["scale"]
    assert scale["domain"] == ["RUN apt-get install autoconf automake …", "other steps", "unknown step"]
    assert scale["range"][1:] == ["#A0A0A0", "#767676"]


def test_layer_growth_draws_one_tag_and_platform() -> None:
    """Stacks of two tags would cover each other."""
    frame = layer_growth()
    with pytest.raises(charts.ChartError, match="one tag on one platform"):
        charts.layer_growth(pl.concat([frame, frame.with_columns(tag=pl.lit("slim"))]))


def test_what_nobody_looked_at_is_pale() -> None:
    """What ended more than 90 days after it was last seen is drawn in two parts, and the title says so."""
    frame = layer_growth().filter(pl.col("valid_from") == START).with_columns(valid_to=START + 200 * DAY)
    specification = draw("layer_growth", frame)
    assert {(row["seen_to"][:10], row["drawn_to"][:10]) for row in rows(specification)} == {
        ("2017-09-02", "2018-03-20")
    }
    assert all(row["is_unseen"] for row in rows(specification))
    assert any("90 days" in line for line in specification["title"]["subtitle"])


def test_one_sighting_is_wide_enough_to_see() -> None:
    """What was observed once, at one instant, is drawn a day wide."""
    frame = layer_growth().head(1).with_columns(valid_to=pl.lit(None, INSTANT), last_observed_at=START)
    assert rows(draw("layer_growth", frame))[0]["drawn_to"].startswith("2017-09-02")


def test_windows_has_a_panel_of_its_own() -> None:
    """Windows images are ten times larger: they do not flatten the others, and both panels cover the same time."""
    linux, windows = draw("size_over_time")["vconcat"]
    domains = [
        [part["scale"]["domain"] for part in parts(panel) if part.get("title") == "time (UTC)"]
        for panel in (linux, windows)
    ]
    assert domains[0] == domains[1] and domains[0]
    colours = [part["scale"]["domain"] for part in parts(windows) if part.get("field") == "line" and "scale" in part]
    assert colours[0] == ["windows/amd64 10.0.17763"]
    assert "vconcat" not in draw("size_over_time", size_over_time().filter(pl.col("platform") == "linux/amd64"))


def test_size_lines_connect_only_what_follows() -> None:
    """A step joins an interval to the one before only where one ends as the other begins."""
    frame = size_over_time().filter(pl.col("platform") == "linux/amd64")
    sizes = [row["size_before"] for row in rows(draw("size_over_time", frame))]
    assert sizes == [None, 271.0, 271.000001, 271.000002]
    gap = frame.filter(pl.int_range(pl.len()) != 1)
    assert [row["size_before"] for row in rows(draw("size_over_time", gap))] == [None, None, 271.000002]


def test_sizes_that_nobody_stated_are_left_out_and_counted() -> None:
    """An image without a size has no place on a line; the subtitle says how many there are."""
    frame = size_over_time().with_columns(
        pl.when(pl.col("platform") == "linux/386").then(None).otherwise("compressed_bytes").alias("compressed_bytes")
    )
    specification = draw("size_over_time", frame)
    assert "4 images of unknown size" in specification["title"]["subtitle"][0]
    assert "linux/386" not in json.dumps(specification)


def test_architectures_are_sorted_and_compared() -> None:
    """The largest comes first, each with its size and its ratio to linux/amd64, which has none."""
    found = rows(draw("architecture_sizes", architecture_sizes().head(3)))
    assert [(row["name"], row["label"]) for row in found] == [
        ("linux/arm/v5", "120.0 MB · 1.09×"),
        ("linux/amd64", "110.0 MB"),
        ("linux/386", "100.0 MB · 0.91×"),
    ]


def test_layers_keep_their_order() -> None:
    """Bars are in the order of the layers, the base first, whatever the order of the rows."""
    found = rows(draw("layers", layers().reverse()))
    assert [row["name"] for row in found] == [
        "0 · ADD root filesystem",
        "1 · RUN apt-get install autoconf automake …",
        "2 · unknown step",
    ]
    assert [row["label"] for row in found] == ["10.0 MB", "5.0 MB", "3.3 MB · foreign"]
    assert all(len(row["step"]) <= 240 for row in found)


def test_two_bars_of_one_name_stay_two() -> None:
    """Two images of one platform have a bar each."""
    frame = architecture_sizes().head(1)
    found = rows(draw("architecture_sizes", pl.concat([frame, frame])))
    assert len({row["name"] for row in found}) == len({row["label"] for row in found}) == 2
    assert {row["name"].strip() for row in found} == {"linux/386"}


def test_tags_of_unknown_size_come_last() -> None:
    """A tag without a size keeps its row."""
    found = rows(draw("tags"))
    assert [row["label"] for row in found] == ["274.6 MB · 8 layers", "55.0 MB · 5 layers", "size unknown"]


@pytest.mark.parametrize("name", ["tags", "tag_churn", "tag_history", "tag_sources"])
def test_forty_tags_at_most(name: str) -> None:
    """Of many tags the largest or busiest 40 are drawn, even of more than 5,000 rows; the title says so."""
    frame = pl.concat([MADE[name]().with_columns(tag=pl.format("{}.{}", "tag", pl.lit(n))) for n in range(900)])
    specification = draw(name, frame)
    assert len({row.get("tag_name") or row["name"] for row in rows(specification)}) == 40
    assert any("40" in line and f"{frame['tag'].n_unique():,}" in line for line in specification["title"]["subtitle"])


def test_busiest_tag_is_on_top() -> None:
    """The heat map is sorted by moves in all, and cells are as wide as their month."""
    found = rows(draw("tag_churn"))
    assert [row["tag_name"] for row in found] == ["latest"] * 3 + ["3.6"] * 3
    assert (found[0]["period_start"][:10], found[0]["period_end"][:10]) == ("2017-09-01", "2017-10-01")
    assert found[0]["tag_moves"] == "93"


@pytest.mark.parametrize(
    ("starts", "period"),
    [
        (["2026-01-01", "2026-01-02"], "day"),
        (["2026-01-05", "2026-01-19"], "week"),
        (["2026-01-05"], "week"),
        (["2026-01-01", "2026-03-01"], "month"),
        (["2026-01-01"], "month"),
        (["2026-01-01", "2026-04-01"], "quarter"),
        (["2024-01-01", "2026-01-01"], "year"),
    ],
)
def test_period_is_read_from_its_starts(starts: list[str], period: str) -> None:
    """The legend names the period that the starts stand for."""
    frame = pl.DataFrame({"period_start": starts}).with_columns(
        pl.col("period_start").str.to_datetime(time_unit="us", time_zone="UTC"),
        repository=pl.lit("registry.test/app"),
        tag=pl.lit("latest"),
        moves=pl.lit(1),
    )
    assert f"moves per {period}" in json.dumps(draw("tag_churn", frame))


def test_shades_alternate() -> None:
    """Neighbouring segments of a tag differ in shade."""
    found = [row["shade"] for row in rows(draw("tag_history")) if row["tag_name"] == "latest"]
    assert len(found) == 4
    assert all(one != two for one, two in itertools.pairwise(found))


def test_tags_are_left_out_until_the_rest_can_be_drawn() -> None:
    """Of tags with many rows fewer than 40 are drawn, and the title says how many."""
    frame = tag_history().filter(pl.col("tag") == "latest")
    many = pl.concat([frame.with_columns(tag=pl.lit(f"3.{n}")) for n in range(3) for _ in range(500)])
    assert draw("tag_history", many)["title"]["subtitle"][1] == "The 2 tags with most moves, of 3."
    with pytest.raises(charts.TooManyRows, match="6,000 rows"):
        charts.tag_history(pl.concat([frame] * 1_500))


def test_survival_begins_whole_and_falls_where_tags_ended() -> None:
    """Each line begins at 100 % and ends at the oldest tag; the legend tells its size and half; all tags come last."""
    found = rows(draw("tag_lifetimes"))
    assert [(row["line"], row["age_days"], row["share"]) for row in found] == [
        ("x.y (3.6) · 1 · more than half live on", 0.0, 1.0),
        ("x.y (3.6) · 1 · more than half live on", 20.0, 1.0),
        ("x.y.z (3.6.3) · 4 · half gone at 10 days", 0.0, 1.0),
        ("x.y.z (3.6.3) · 4 · half gone at 10 days", 4.0, 0.75),
        ("x.y.z (3.6.3) · 4 · half gone at 10 days", 10.0, 0.5),
        ("x.y.z (3.6.3) · 4 · half gone at 10 days", 30.0, 0.5),
        ("all tags · 4 · half gone at 10 days", 0.0, 1.0),
        ("all tags · 4 · half gone at 10 days", 4.0, 0.75),
        ("all tags · 4 · half gone at 10 days", 10.0, 0.5),
        ("all tags · 4 · half gone at 10 days", 30.0, 0.5),
    ]
    assert draw("tag_lifetimes")["title"]["subtitle"] == [
        "4 tags, 2 still there. Estimated by Kaplan and Meier's method.",
        "1 that were there at the first look may be older and are left out.",
    ]


def test_several_repositories_have_a_line_each() -> None:
    """Of more than nine those with most tags."""
    one = tag_lifetimes()
    frame = pl.concat([one.with_columns(repository=pl.lit(f"registry.test/app{n}")).head(4 - n % 2) for n in range(12)])
    specification = draw("tag_lifetimes", frame)
    assert len({row["line"] for row in rows(specification)}) == 9
    assert "The 9 repositories with most tags, of 12." in specification["title"]["subtitle"]


def test_tags_of_unknown_age_have_no_line() -> None:
    """Where all tags were there at the first look the chart says why it draws nothing."""
    frame = tag_lifetimes().filter("is_from_first_look")
    assert "may be older" in rows(draw("tag_lifetimes", frame))[0]["message"]


def test_platforms_are_in_the_order_in_which_they_came() -> None:
    """Beside each stands how many tags have it, or until when it was there; what has ended is grey."""
    found = rows(draw("architecture_support"))
    names = [row["name"] for row in found]
    assert names[:4] == ["linux/386", "linux/386", "linux/arm/v7", "linux/arm/v7"]
    labels = {row["name"]: (row["label"], row["colour"]) for row in found}
    assert labels["linux/amd64"] == ("3 of 12 tags", "#5B7FC7")
    assert labels["linux/arm64"] == ("until 2017-09-03", "#A0A0A0")
    readme = architecture_support().with_columns(pl.lit(None, pl.Int64).alias("last_all_tag_count"))
    assert "now" in {row["label"].strip() for row in rows(draw("architecture_support", readme))}


def test_one_tag_has_a_row_for_each_directory() -> None:
    """Of several tags each has one. The shade changes with the commit, and only main builds are drawn."""
    several, one = (rows(draw("tag_sources", frame)) for frame in (tag_sources(), tag_sources().head(8)))
    assert [row["tag_name"] for row in several] == ["3.6"] * 4 + ["latest"] * 4
    assert [row["tag_name"] for row in one] == ["3.6", "3.6", "3.6", "3.7"]
    assert [one[0]["shade"] == row["shade"] for row in one[:3]] == [True, True, False]
    assert {row["platforms"] for row in several} == {"linux/amd64"}


def test_places_in_several_repositories_are_told_apart() -> None:
    """A directory that two repositories have is named with them; the root of one by its name alone."""
    frame = tag_sources().filter(pl.col("is_main")).head(4)
    places = [("a.git", "3.6"), ("b", "3.6"), ("b", "."), ("b", "3.7")]
    moved = frame.with_columns(
        pl.Series("git_repository", [f"https://github.com/team/{name}" for name, _ in places]),
        pl.Series("directory", [directory for _, directory in places]),
    )
    assert [row["tag_name"] for row in rows(draw("tag_sources", moved))] == [
        "team/a 3.6",
        "team/b 3.6",
        "team/b",
        "3.7",
    ]


def test_only_web_addresses_can_be_clicked() -> None:
    """What is not https leads nowhere."""
    frame = tag_sources().with_columns(url=pl.lit("javascript:alert(1)"))
    assert {row["url"] for row in rows(draw("tag_sources", frame))} == {None}


def test_groups_of_names_have_a_row_each() -> None:
    """The first of a group names it, the others stand beside. Who is alone is counted; of one group each has a row."""
    specification = draw("aliases")
    found = rows(specification)
    assert [(row["row"], row["name"], row["label"].strip(), row["tag_name"]) for row in found] == [
        (0, "latest", "= 3, 3.6", "latest"),
        (0, "latest", "= 3, 3.6", "3"),
        (0, "latest", "= 3, 3.6", "3.6"),
        (1, "slim", "= 3-slim", "slim"),
        (1, "slim", "= 3-slim", "3-slim"),
    ]
    assert "1 more have no other name" in specification["title"]["subtitle"][0]
    single = rows(draw("aliases", aliases().head(3)))
    assert [(row["name"], row["label"]) for row in single] == [
        ("latest", "9 moves"),
        ("3", "8 moves together"),
        ("3.6", "7 moves together"),
    ]


def test_gaps_and_hours_add_up_to_the_cells() -> None:
    """Moves without an hour are not in the week, first moves not among the gaps; both are counted."""
    specification = draw("update_gaps")
    week, gaps = (specification["datasets"][panel["data"]["name"]] for panel in specification["vconcat"])
    assert [(row["day"], row["hour"], row["move_count"]) for row in week] == [
        ("Mon", 0, 3),
        ("Tue", 17, 5),
        ("Sun", 23, 1),
    ]
    assert [(row["gap_class"], row["moves"]) for row in gaps] == [
        ("1 to 6 hours", "5 (71.4 %)"),
        ("1 to 2 weeks", "1 (14.3 %)"),
        ("over a year", "1 (14.3 %)"),
    ]
    assert specification["title"]["subtitle"] == [
        "10 moves to another digest; half of the gaps between two are shorter than 4.8 hours."
        " 3 are the first of their tag and end no gap.",
        "1 are dated to the day only and have no hour.",
    ]
    assert "vconcat" not in draw("update_gaps", update_gaps().head(1))
    assert "vconcat" not in draw("update_gaps", update_gaps()[2])


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (239, "239 B"),
        (977_000, "977.0 kB"),
        (274_601_627, "274.6 MB"),
        (5_435_372_570, "5.44 GB"),
        (None, "size unknown"),
    ],
)
def test_sizes_are_decimal(size: int | None, text: str) -> None:
    """Sizes read as on the registries' pages, and the axis has the unit of the largest."""
    frame = tags().head(1).with_columns(compressed_bytes=pl.lit(size, pl.Int64), layer_count=pl.lit(None, pl.Int64))
    specification = draw("tags", frame)
    assert rows(specification)[0]["label"] == text
    unit = "bytes" if text.endswith(" B") else text.split()[-1] if size else "MB"
    assert f"compressed ({unit})" in json.dumps(specification)


@every_chart
def test_notebook_output_is_small_and_complete(name: str) -> None:
    """A notebook holds Vega-Lite 5 for JupyterLab, a small PNG, and a line with title and digest."""
    specification = draw(name)
    bundle = charts.mime_bundle(specification)
    assert set(bundle) == {"application/vnd.vegalite.v5+json", "image/png", "text/plain"}
    assert bundle["application/vnd.vegalite.v5+json"] == specification | {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json"
    }
    picture = base64.b64decode(bundle["image/png"])
    assert picture.startswith(b"\x89PNG") and len(picture) < 150_000
    assert charts.title_of(specification) in bundle["text/plain"]
    assert re.search(r"sha256:[0-9a-f]{16}", bundle["text/plain"])


def test_notebook_output_is_the_same_again() -> None:
    """Strict comparison of notebooks passes: what is drawn again is the same, and another chart's text differs."""
    first, second = (charts.mime_bundle(draw("tags")) for _ in range(2))
    assert first == second
    other = charts.mime_bundle(draw("tags", tags().with_columns(pl.col("compressed_bytes") + 1)))
    assert first["text/plain"] != other["text/plain"]


def test_importing_charts_makes_notebooks_draw() -> None:
    """`from imglab import charts` is enough: the renderer is ours from then on."""
    program = "from imglab import charts; import altair; print(altair.renderers.active)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "imglab"


def test_packed_pictures_show_the_same(tmp_path: Path) -> None:
    """The PNG that is written holds the header and pixels that vl-convert drew, in fewer bytes."""
    specification = draw("layers")
    config = charts.PAGE_THEMES["light"]
    drawn = vl_convert.vegalite_to_png(specification, vl_version="6.4", scale=2, config=config)
    packed = charts.save(charts.layers(layers()), tmp_path / "layers.png").read_bytes()
    assert pixels(packed) == pixels(drawn)
    assert len(packed) < len(drawn) / 2


def pixels(picture: bytes) -> tuple[bytes, bytes]:
    found, place, head = b"", 8, b""
    while place < len(picture):
        length = int.from_bytes(picture[place : place + 4], "big")
        kind, body = picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(picture[place + 8 + length : place + 12 + length], "big")
        head, found = (body if kind == b"IHDR" else head), found + (body if kind == b"IDAT" else b"")
        place += 12 + length
    return head, zlib.decompress(found)


def test_saved_files_are_what_their_names_say(tmp_path: Path) -> None:
    """One chart as a page, a picture, a drawing, or its specification."""
    chart = charts.tags(tags())
    assert charts.save(chart, tmp_path / "a.svg").read_text("utf-8").startswith("<svg")
    assert json.loads(charts.save(chart, tmp_path / "a.JSON").read_text("utf-8")) == draw("tags")
    assert charts.save(chart, str(tmp_path / "a.html")).read_text("utf-8").startswith("<!doctype html>")
    dark = charts.save(chart, tmp_path / "b.svg", theme="dark").read_text("utf-8")
    assert "#16191d" in dark


@pytest.mark.parametrize("name", ["chart.pdf", "chart", "chart.png.txt"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    """A name that says no format raises an error that lists them, and writes nothing."""
    with pytest.raises(charts.ChartError, match=r"\.html, \.png, \.svg or \.json"):
        charts.save(charts.tags(tags()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
