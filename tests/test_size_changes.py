"""Changes of size that are out of the ordinary, in made-up series and in real history."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest
from made import DAY, REPOSITORY, commit, config, day, image, index, seen

import imglab
from imglab import charts, queries
from imglab.journal import Journal
from imglab.records import Record
from imglab.store import Store

MB = 1_000_000


def builds(tag: str, sizes: Iterable[int | None], number: int = 0) -> list[Record]:
    """A tag that moves every day to an image of the next of *sizes*; None: it stays where it is."""
    records: list[Record] = []
    name = ""
    for at, size in enumerate(sizes):
        if size is not None:
            name = f"{number:x}{at:03x}f"
            records += [*image(name, [size]), *config(name, [])]
        records.append(seen(tag, name, day(1) + at * DAY))
    return records


def store_of(tmp_path: Path, *records: Record) -> Store:
    commit(tmp_path, day(400), records)
    return Store.in_memory(Journal(tmp_path / "journal"))


def changes(store: Store, **given: str) -> list[tuple[int, str]]:
    """The number of each build that is out of the ordinary, and how."""
    frame = queries.size_changes(store, repository=REPOSITORY, **given).with_row_index("number")
    return frame.filter(pl.col("change").is_not_null()).select("number", "change").rows()  # type: ignore[return-value]


def test_steps_and_what_is_usual(tmp_path: Path) -> None:
    """The first build has no step; a sighting without a move is no build; the median is of the steps before."""
    store = store_of(tmp_path, *builds("a", [100, 104, None, 103, 108]))
    frame = queries.size_changes(store, repository=REPOSITORY)
    assert frame.select("valid_from", "compressed_bytes", "step_bytes", "usual_step_bytes", "drift_bytes").rows() == [
        (day(1), 100, None, None, None),
        (day(2), 104, 4, None, 4),
        (day(4), 103, -1, 4, 3),
        (day(5), 108, 5, 3, 8),  # half of 4 and 1, rounded
    ]
    assert frame["previous_manifest_digest"].to_list()[1:] == frame["manifest_digest"].to_list()[:-1]
    assert queries.size_changes(store, repository=REPOSITORY, since=day(4), until=day(5))["step_bytes"].to_list() == [
        -1
    ]


def test_a_jump_is_more_than_usual(tmp_path: Path) -> None:
    """Steps of 1 MB at 100 MB are usual; 11 MB is a jump, there and back; 10 MB is none."""
    usual = [100 * MB + (number % 2) * MB for number in range(10)]
    there_and_back = [*usual, 112 * MB, 100 * MB]
    assert changes(store_of(tmp_path / "a", *builds("a", there_and_back))) == [(10, "jump"), (11, "jump")]
    assert changes(store_of(tmp_path / "b", *builds("a", [*usual, 111 * MB]))) == []


def test_small_steps_are_no_jumps(tmp_path: Path) -> None:
    """Where nothing ever changes 2 % is needed, and eight steps to know what is usual."""
    steady = [100 * MB + number for number in range(9)]
    assert changes(store_of(tmp_path / "a", *builds("a", [*steady, 102 * MB]))) == []
    assert changes(store_of(tmp_path / "b", *builds("a", [*steady, 103 * MB]))) == [(9, "jump")]
    assert changes(store_of(tmp_path / "c", *builds("a", [*steady[:8], 300 * MB]))) == []


def test_a_drift_is_told_when_it_begins(tmp_path: Path) -> None:
    """Half a percent with every build is no jump, but after 13 builds more than 12 usual steps."""
    rising = [100 * MB + number * MB // 2 for number in range(30)]
    assert changes(store_of(tmp_path / "a", *builds("a", rising))) == [(13, "drift")]
    steady = [rising[-1] + number for number in range(1, 25)]
    falling = [steady[-1] - number * MB // 2 for number in range(1, 30)]
    found = changes(store_of(tmp_path / "b", *builds("a", [*rising, *steady, *falling])))
    assert found[0] == (13, "drift") and len(found) > 1
    assert all(number > len(rising) + len(steady) and change == "drift" for number, change in found[1:])


def test_no_alarm_on_generated_steady_series(tmp_path: Path) -> None:
    """Two hundred generated series of sixty builds, which wobble by up to 3 % around their size: not one alarm."""
    wobble = random.Random(20260101)
    records: list[Record] = []
    for number in range(200):
        level, width = wobble.randrange(5 * MB, 900 * MB), wobble.choice([0.0001, 0.001, 0.01, 0.03])
        sizes = [int(level * (1 + wobble.uniform(-width, width))) for _ in range(60)]
        records += builds(f"t{number}", sizes, number)
    store = store_of(tmp_path, *records)
    frame = queries.size_changes(store, repository="*")
    assert frame.height == 200 * 60
    assert frame.filter(pl.col("change").is_not_null()).is_empty()


def test_series_are_apart(tmp_path: Path) -> None:
    """Two builds of Windows in one index are two series; images of unknown size and artifacts are none."""
    records: list[Record] = []
    for at in range(2):
        first, second = f"a{at}", f"b{at}"
        records += [*image(first, [100 + at]), *image(second, [900 + at])]
        records += index(f"{at + 1}", [(first, "linux/amd64"), (second, "linux/arm64"), (f"e{at}", None)])
        records.append(seen("latest", f"{at + 1}", day(1 + at)))
    records += [seen("latest", "ff", day(3)), seen(f"sha256-{'a' * 64}.sig", "a0", day(1))]
    frame = queries.size_changes(store_of(tmp_path, *records), repository=REPOSITORY)
    assert frame.select("tag", "series", "step_bytes").rows() == [
        ("latest", "linux/amd64", None),
        ("latest", "linux/amd64", 1),
        ("latest", "linux/arm64", None),
        ("latest", "linux/arm64", 1),
    ]


def test_two_images_of_one_series_are_no_builds_of_each_other(tmp_path: Path) -> None:
    """Of several in an index the first is followed, and none where its size is not known."""
    known = [*(row for name, size in (("a1", 100), ("a2", 120), ("a3", 101)) for row in image(name, [size]))]
    indexes = [("e1", "a1"), ("e2", "a3"), ("e3", "ff"), ("e4", "a3")]
    entries = [row for name, first in indexes for row in index(name, [(first, "linux/amd64"), ("a2", "linux/amd64")])]
    moves = [seen("a", name, day(at)) for at, (name, _) in enumerate(indexes, 1)]
    frame = queries.size_changes(store_of(tmp_path, *known, *entries, *moves), repository=REPOSITORY)
    assert frame.select("valid_from", "compressed_bytes", "step_bytes").rows() == [
        (day(1), 100, None),
        (day(2), 101, 1),
    ]


def test_a_tag_that_is_reborn_goes_on(tmp_path: Path) -> None:
    """Its first build after the gap is compared with the last before."""
    gone = seen("a", None, day(2), is_absent=True)
    records = [*image("a1", [10]), *image("a2", [30]), seen("a", "a1", day(1)), gone, seen("a", "a2", day(9))]
    records += [*config("a1", []), *config("a2", [])]
    assert queries.size_changes(store_of(tmp_path, *records), repository=REPOSITORY)["step_bytes"].to_list() == [
        None,
        20,
    ]


def test_back_test_on_the_sample() -> None:
    """Of python:slim the jumps that its pages show, and none of python:latest in the sixteen months of 2016 to 2018."""
    with imglab.open_sample() as store:
        slim = queries.size_changes(store, repository="python", tag="slim", platform="linux/amd64")
        latest = queries.size_changes(
            store, repository="python", tag="latest", platform="linux/amd64", until=day(-2900)
        )
    told = slim.filter(pl.col("change").is_not_null()).select(
        pl.col("valid_from").dt.date().cast(pl.String), "step_bytes"
    )
    assert ("2017-10-23", -23_371_026) in told.rows()
    assert latest.height > 30 and latest["change"].null_count() == latest.height


@pytest.mark.real_history
def test_back_test_on_real_history(real_data: Path, tmp_path: Path) -> None:
    """
    Of 7 images from 2016 to 2018: jumps are rare, and each is at least 2 % of a size that had changed less before.

    Fewer than one build in twenty is out of the ordinary, and these come on few days.
    """
    from imglab import imports

    imports.import_documents(tmp_path, "repo-info", real_data / "repo-info.bundle")
    with imglab.open_store(tmp_path) as store:
        frame = queries.size_changes(store, repository="*")
    unusual = frame.filter(pl.col("change").is_not_null())
    assert unusual.height < frame.height / 20
    jumps = unusual.filter(pl.col("change") == "jump")
    before = jumps["compressed_bytes"] - jumps["step_bytes"]
    assert (jumps["step_bytes"].abs() > before * 0.02).all()
    assert (jumps["step_bytes"].abs() > 9 * jumps["usual_step_bytes"]).all()
    per_day = jumps.group_by("repository", pl.col("valid_from").dt.date()).agg(pl.col("tag").n_unique())
    assert per_day.height < 60  # tags jump together, when what they stand on does


def changed(**columns: object) -> pl.DataFrame:
    """An answer of two builds, the second of which jumped."""
    rows = [
        {"repository": "docker.io/library/python", "tag": "slim", "platform": "linux/amd64", "series": "linux/amd64"}
        | {"valid_from": day(at), "compressed_bytes": size, "step_bytes": step, "usual_step_bytes": 1_000}
        | {"drift_bytes": 0, "change": change, "digest": f"sha256:{at:064}", "manifest_digest": f"sha256:{at:064}"}
        for at, size, step, change in ((1, 50_000_000, None, None), (2, 30_000_000, -20_000_000, "jump"))
    ]
    frame = pl.DataFrame(rows)
    return frame.with_columns(pl.lit(value, frame.schema[name]).alias(name) for name, value in columns.items())


def lines(chart: charts.Chart) -> list[str]:
    """The names of the lines of a chart."""
    found = charts.specification(chart)
    return list(
        dict.fromkeys(row["line_name"] for rows in found["datasets"].values() for row in rows if "line_name" in row)
    )


def test_lines_are_told_apart() -> None:
    """Equal tags of two repositories, and long tags and platforms that differ at their ends, are lines of their own."""
    names = [{"repository": "docker.io/library/postgres"}, {"repository": "quay.io/a/b"}]
    assert lines(charts.size_changes(pl.concat(changed(**name) for name in names))) == [
        "postgres:slim linux/amd64",
        "quay.io/a/b:slim linux/amd64",
    ]
    tags = [{"tag": "t" * 127 + end, "series": series} for end in "ab" for series in ("linux/amd64", "linux/arm64")]
    names = lines(charts.size_changes(pl.concat(changed(**tag) for tag in tags)))
    assert [name.strip() for name in names] == [
        "t" * 127 + end + " " + series for end in "ab" for series in ("linux/amd64", "linux/arm64")
    ]
    assert len(set(names)) == 4


def test_marks_say_which_line_they_are_on() -> None:
    """By its colour, where there are several; a mark of one line stands out from it."""
    one = charts.specification(charts.size_changes(changed()))["layer"][2]["encoding"]["color"]
    assert one == {"value": charts.theme.REFERENCE}
    two = pl.concat([changed(), changed(series="linux/arm64", platform="linux/arm64")])
    layers = charts.specification(charts.size_changes(two))["layer"]
    assert layers[2]["encoding"]["color"] == layers[0]["encoding"]["color"]


def test_windows_has_a_scale_of_its_own() -> None:
    """Its gigabytes would press the lines of all others flat."""
    windows = changed(series="windows/amd64 10.0.26100", platform="windows/amd64", compressed_bytes=5_000_000_000)
    found = charts.specification(charts.size_changes(pl.concat([changed(), windows])))
    titles = [panel["layer"][0]["encoding"]["y"]["title"] for panel in found["vconcat"]]
    assert titles == ["compressed (MB)", "compressed (GB)"]
    assert found["title"]["subtitle"] == [
        "2026-01-01 to 2026-01-02. 4 builds, 2 jumps (triangles) and 0 drifts (diamonds)."
    ]


def test_one_build_has_room_around_it() -> None:
    """A month on the time axis, a percent of its size above and below, and words that count one."""
    found = charts.specification(charts.size_changes(changed().head(1)))
    ends = [row["valid_from"][:10] for row in found["datasets"][found["layer"][2]["data"]["name"]]]
    assert ends == ["2025-12-17", "2026-01-16"]
    assert found["layer"][0]["encoding"]["y"]["scale"]["domain"] == [49.5, 50.5]
    assert found["title"]["subtitle"] == ["On 2026-01-01. 1 build, 0 jumps (triangles) and 0 drifts (diamonds)."]


def test_charts_draw_many_one_and_nothing(tmp_path: Path) -> None:
    """Lines of several tags, one build, none; the same each time."""
    many = store_of(tmp_path / "many", *(row for n in range(12) for row in builds(f"{n}" + "t" * 100, [9, 8, 99], n)))
    one = store_of(tmp_path / "one", *builds("a", [0]))
    for store in (many, one, Store.in_memory(Journal(tmp_path / "none"))):
        frame = queries.size_changes(store, repository="*")
        assert charts.specification(charts.size_changes(frame)) == charts.specification(charts.size_changes(frame))
