"""Charts from small made-up frames in the shape of real ones: ten platforms, long steps, unknown steps, Windows."""

from __future__ import annotations

import base64
import itertools
import json
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import pytest
import vl_convert
from made_answers import (
    DAY,
    INSTANT,
    MADE,
    START,
    aliases,
    architecture_sizes,
    architecture_support,
    layer_growth,
    layers,
    size_over_time,
    tag_history,
    tag_lifetimes,
    tag_sources,
    tags,
    update_gaps,
)

from imglab import charts

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
def test_ends_of_a_time_axis_are_numbers(name: str) -> None:
    """Of calls of `datetime` the pages' interpreter makes no time, and nothing is drawn, though pictures are right."""
    compiled = vl_convert.vegalite_to_vega(draw(name), vl_version="6.4")
    scales = [scale for part in parts(compiled) for scale in part.get("scales", ()) if scale["type"] == "utc"]
    assert all("datetime" not in json.dumps(scale) and "signal" not in json.dumps(scale["domain"]) for scale in scales)
    ends = [scale[end]["signal"] for scale in scales for end in ("domainMin", "domainMax") if end in scale]
    assert all(re.fullmatch(r"\d+", end) for end in ends)


@every_chart
@pytest.mark.parametrize("many", ["many", "one"])
def test_marks_are_of_something(name: str, many: str) -> None:
    """A filter leaves rows, and bands stay bands: of anything else a browser warns."""
    frame = MADE[name]()
    specification = draw(name, frame if many == "many" else frame.head(1))
    for view, data in views(specification):
        for filtered in re.findall(r'"filter": "datum\.(\w+)( !== null)?"', json.dumps(view.get("transform", []))):
            values = [row[filtered[0]] for row in specification["datasets"][data]]
            assert any(value is not None if filtered[1] else value for value in values)
    compiled = vl_convert.vegalite_to_vega(specification, vl_version="6.4")
    assert not [scale for part in parts(compiled) for scale in part.get("scales", ()) if scale["type"] == "point"]


def longest(frame: pl.DataFrame) -> pl.DataFrame:
    """*frame* with names as long as registries allow, alike but for their ends."""
    sizes = {"repository": 255, "to_repository": 255, "base_repository": 255, "alias_of": 128, "tag": 128}
    sizes |= {"to_tag": 128, "base_tag": 128, "step_label": 48, "step_group": 48, "from_step_label": 48}
    present = {column: size for column, size in sizes.items() if column in frame.columns}
    return frame.with_columns(
        pl.when(pl.col(column).is_in(["other steps", "unknown step"]))
        .then(column)
        .otherwise(pl.col(column).str.pad_start(size, "a").str.slice(-size))
        for column, size in present.items()
    )


@every_chart
def test_charts_fit_a_page(name: str) -> None:
    """With the longest names no chart is wider than a notebook's cell by much, and its title is still a question."""
    specification = draw(name, longest(MADE[name]()))
    picture = vl_convert.vegalite_to_svg(specification, vl_version="6.4")
    width, height = (int(re.search(rf'<svg[^>]* {side}="(\d+)', picture)[1]) for side in ("width", "height"))  # type: ignore[index]
    assert width <= 1_000 and height <= 2_000
    assert charts.title_of(specification).rpartition("?")[1] == "?"
    lines = specification["title"]["text"]
    assert all(len(line) <= 100 for line in ([lines] if isinstance(lines, str) else lines))


@pytest.mark.parametrize("name", ["tag_history", "tag_churn", "moves", "bases", "tags", "layers", "aliases"])
def test_long_names_alike_stay_apart_and_whole(name: str) -> None:
    """What differs at its end only has a row of its own; labels leave out the middle, tooltips have all of it."""
    frame = MADE[name]()
    one, two = ("v" * 126 + end for end in ("-a", "-b"))
    column = "step_label" if name == "layers" else "tag"
    rest = frame.with_columns(pl.lit(two).alias(column))
    specification = draw(name, pl.concat([frame.with_columns(pl.lit(one).alias(column)), rest]))
    field = "tag_name" if "tag_name" in rows(specification)[0] else "name"
    shown = {row[field].strip() for row in rows(specification)}
    if name != "layers":
        assert {one, two} <= shown
    axes = [
        part["axis"] for part in parts(specification) if part.get("field") in ("name", "tag_name") and "axis" in part
    ]
    assert axes and all("'…'" in axis["labelExpr"] for axis in axes)
    tips = [tip["field"] for part in parts(specification) for tip in part.get("tooltip", []) if isinstance(tip, dict)]
    assert f"{field}_folded" in tips


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
    assert scale["range"][1:] == ["#B4B4B4", "#6A6A6A"]


def test_layer_growth_draws_one_tag_and_platform() -> None:
    """Stacks of two tags would cover each other."""
    frame = layer_growth()
    with pytest.raises(charts.ChartError, match="one tag on one platform"):
        charts.layer_growth(pl.concat([frame, frame.with_columns(tag=pl.lit("slim"))]))


def test_what_nobody_looked_at_is_pale() -> None:
    """What ended more than 90 days after it was last seen is drawn in two parts, and the title says so."""
    first = layer_growth().filter(pl.col("valid_from") == START).with_columns(valid_to=START + 200 * DAY)
    then = first.with_columns(
        valid_from=START + 200 * DAY, valid_to=pl.lit(None, INSTANT), last_observed_at=START + 210 * DAY
    )
    specification = draw("layer_growth", pl.concat([first, then]))
    drawn = {(row["seen_to"][:10], row["drawn_to"][:10], row["is_unseen"]) for row in rows(specification)}
    assert drawn == {("2017-09-02", "2018-03-20", True), ("2018-03-30", "2018-03-30", False)}
    assert any("90 days" in line for line in specification["title"]["subtitle"])


def test_a_question_that_ends_in_the_past_shows_no_years_after_it() -> None:
    """Of what stayed on after the last look, and nothing came after, a fiftieth of the whole time is drawn."""
    frame = layer_growth().with_columns(
        valid_to=pl.when(pl.col("valid_to").is_null()).then(START + 900 * DAY).otherwise("valid_to")
    )
    specification = draw("layer_growth", frame)
    assert max(row["drawn_to"] for row in rows(specification)) == "2017-09-07T00:00:00.000Z"
    assert specification["title"]["subtitle"][0] == "2017-09-01 to 2017-09-06."


def test_one_sighting_is_wide_enough_to_see() -> None:
    """What was observed once, at one instant, is drawn a day wide."""
    frame = layer_growth().head(1).with_columns(valid_to=pl.lit(None, INSTANT), last_observed_at=START)
    assert rows(draw("layer_growth", frame))[0]["drawn_to"].startswith("2017-09-02")


def test_windows_has_a_panel_of_its_own() -> None:
    """Windows images are ten times larger: they do not flatten the others, and both panels cover the same time."""
    linux, windows = draw("size_over_time")["vconcat"]
    domains = [
        [
            (scale["domainMin"], scale["domainMax"])
            for scale in (part["scale"] for part in parts(panel) if part.get("title") == "time (UTC)")
            if "domainMin" in scale
        ]
        for panel in (linux, windows)
    ]
    assert domains[0] == domains[1] and domains[0]
    colours = [
        part["scale"]["domain"] for part in parts(windows) if part.get("field") == "line_name" and "scale" in part
    ]
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


def test_sizes_far_apart_have_a_logarithmic_scale() -> None:
    """One platform a hundred times larger than the others does not press them flat; the axis says so."""
    frame = size_over_time().filter(~pl.col("platform").str.starts_with("windows"))
    large = pl.when(pl.col("platform") == "linux/386").then(pl.col("compressed_bytes") * 100)
    y = [
        next(part for part in parts(draw("size_over_time", given)) if part.get("field") == "size")
        for given in (frame, frame.with_columns(large.otherwise("compressed_bytes").alias("compressed_bytes")))
    ]
    assert [one["title"] for one in y] == ["compressed (MB)", "compressed (GB, logarithmic)"]
    assert [one["scale"].get("type") for one in y] == [None, "log"]


def test_platforms_that_no_source_names_are_grey_and_last() -> None:
    """No colour of a platform stands for what may be any of them."""
    frame = size_over_time().filter(pl.col("platform").is_in(["linux/386", "linux/amd64"]))
    unnamed = pl.when(pl.col("platform") == "linux/amd64").then(None).otherwise("series").alias("series")
    specification = draw("size_over_time", frame.with_columns(unnamed))
    scale = next(part["scale"] for part in parts(specification) if part.get("field") == "line_name" and "scale" in part)
    assert (scale["domain"], scale["range"][-1]) == (["linux/386", "unknown"], "#6A6A6A")


def test_few_moves_have_whole_numbers_in_the_legend() -> None:
    """Between none and one there is nothing; more moves have as many labels as there is room for."""
    frame = MADE["tag_churn"]()
    legends = [
        next(part["legend"] for part in parts(draw("tag_churn", given)) if part.get("field") == "moves")
        for given in (frame.with_columns(pl.lit(1).alias("moves")), frame)
    ]
    assert [found.get("values") for found in legends] == [[0, 1], None]


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
    assert labels["linux/arm64"] == ("until 2017-09-03", "#B4B4B4")
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
    assert " ".join(specification["title"]["subtitle"]) == " ".join(
        [
            "10 moves to another digest; half of the gaps between two are shorter than 4.8 hours."
            " 3 are the first of their tag and end no gap.",
            "1 are dated to the day only and have no hour.",
        ]
    )
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
