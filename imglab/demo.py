"""The demonstration: the bundled sample loaded, three questions answered, one page drawn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from imglab import charts, queries
from imglab.data import sample_journal
from imglab.errors import StoreError
from imglab.output import text
from imglab.report import Section, page
from imglab.store import Paths, Store, load

END_OF_HISTORY = datetime(2018, 2, 1, tzinfo=UTC)  # from here on the sample has single sightings
AUTUMN_2019 = datetime(2019, 10, 18, tzinfo=UTC)
MEGABYTE = 1_000_000


def run(folder: Path, say: Callable[[str], None]) -> Path:
    """
    The page that answers the sample's questions; *say* is told the answers on the way.

    *folder* becomes a data folder with the sample in it, in place of what an earlier demonstration left there.
    """
    say(f"Loading the sample into {folder}: what docker-library keeps about python, hello-world and postgres.")
    _fill(folder)
    with Store(folder) as store:
        for title, frame in (
            ("Which layer of python:latest grew? (linux/amd64, MB)", growth(store)),
            ("How large is python:slim on each platform? (September 2026)", platforms(store)),
            ("Which tags of python moved most often, and when?", churn(store)),
        ):
            say(f"\n{title}\n\n{text(frame, 'table')}")
        return page("Python images, 2014 to 2026", sections(store), folder / "report.html", lead=LEAD)


def _fill(folder: Path) -> None:
    journal = Paths(folder).journal
    try:
        if journal.exists():
            shutil.rmtree(journal)
        shutil.copytree(sample_journal(), journal)
    except OSError as error:
        raise StoreError(f"cannot copy the sample to {journal}: {error}") from error
    load(folder, rebuild=True)


def growth(store: Store) -> pl.DataFrame:
    """First and last size of each step of python:latest on linux/amd64, in MB; the parts add up to the whole."""
    frame = queries.layer_growth(store, repository="python", tag="latest")
    sizes = frame.select("valid_from", "step_label", (pl.col("compressed_bytes") / MEGABYTE).alias("size"))
    first, last = (
        sizes.filter(pl.col("valid_from") == end) for end in (frame["valid_from"].min(), frame["valid_from"].max())
    )
    joined = last.join(first, on="step_label", how="full", coalesce=True, suffix="_first", maintain_order="left_right")
    before, after = (f"{end['valid_from'][0]:%Y-%m-%d}" for end in (first, last))
    steps = joined.select(
        pl.col("step_label").alias("step"),
        pl.col("size_first").fill_null(0.0).alias(before),
        pl.col("size").fill_null(0.0).alias(after),
    )
    steps = pl.concat([steps, steps.select(pl.lit("all layers").alias("step"), pl.col(before, after).sum())])
    return steps.with_columns((pl.col(after) - pl.col(before)).alias("growth"))


def platforms(store: Store) -> pl.DataFrame:
    """The newest images of python:slim, smallest first."""
    frame = queries.architecture_sizes(store, repository="python", tag="slim")
    return frame.select("series", "compressed_bytes", "layer_count", "ratio_to_amd64")


def churn(store: Store) -> pl.DataFrame:
    """Moves per year of the tags that moved most, as long as the sample has their whole history."""
    frame = queries.tag_churn(store, repository="python", period="year", until=END_OF_HISTORY)
    years = frame.with_columns(pl.col("period_start").dt.year().cast(pl.String)).pivot(
        "period_start", index="tag", values="moves", sort_columns=True
    )
    table = years.fill_null(0).with_columns(pl.sum_horizontal(pl.exclude("tag")).alias("moves"))
    return table.sort("moves", "tag", descending=[True, False]).head(8)


def sections(store: Store) -> list[Section]:
    """The page's questions, each with a chart and what is seen in it."""
    python, amd64 = "python", "linux/amd64"
    grown = queries.growth_by_step(store, repository=python, tag="latest", platform=amd64, since=AUTUMN_2019)
    return [
        Section(
            "Which layer of python:latest grew?",
            GROWTH,
            [charts.layer_growth(queries.layer_growth(store, repository=python, tag="latest"))],
            growth(store),
        ),
        Section(
            "Which build steps made it grow?",
            STEPS,
            [charts.growth_by_step(grown)],
        ),
        Section(
            "How large is python:latest, platform by platform?",
            SIZES,
            [charts.size_over_time(queries.size_over_time(store, repository=python, tag="latest"))],
        ),
        Section(
            "What became of python:slim?",
            SLIM,
            [
                charts.layer_growth(queries.layer_growth(store, repository=python, tag="slim")),
                charts.architecture_sizes(queries.architecture_sizes(store, repository=python, tag="slim")),
            ],
        ),
        Section(
            "What is in one image?",
            LAYERS,
            [charts.layers(queries.layers(store, repository=python, tag="latest"))],
        ),
        Section(
            "How often do tags move?",
            CHURN,
            [
                charts.tag_churn(queries.tag_churn(store, repository=python, until=END_OF_HISTORY)),
                charts.tag_history(queries.tag_history(store, repository=python, tag="3.?", until=END_OF_HISTORY)),
            ],
            churn(store),
        ),
        Section(
            "What does it cost to keep up?",
            COST,
            [
                charts.moves(queries.moves(store, repository=python, tag="latest", until=END_OF_HISTORY)),
                charts.update_cost(queries.update_cost(store, repository=python, tag="latest", until=END_OF_HISTORY)),
            ],
        ),
        Section(
            "What became of twelve years of tags?",
            YEARS,
            [
                charts.tag_lifetimes(queries.tag_lifetimes(store, repository=python)),
                charts.tag_sources(queries.tag_sources(store, repository=python, tag="latest")),
                charts.architecture_support(queries.architecture_support(store, repository=python)),
            ],
        ),
    ]


LEAD = """
What docker-library/repo-info says about the images of docker.io/library/python: every version of every page from
September 2016 to January 2018, and single pages up to September 2026. Sizes are compressed, as transferred. And what
docker-library/official-images says that the tags were built from, since June 2014.
"""
GROWTH = """
On linux/amd64 the image grew from 265.4 MB in September 2016 to 349.3 MB in October 2019 and to 415.0 MB in September
2026. Of these 149.6 MB, 106.6 MB are one step: the `apt-get install` of compilers and development headers
(`autoconf automake …`) that `python:latest` takes over from its base. It made up half of the image, and 57 % of it in
September 2026.

After January 2018 the sample saw the tag twice: the pale parts are what was seen last, not what is known.
"""
STEPS = """
Between the builds of October 2019 and September 2026 the image for linux/amd64 grew by 65.7 MB. Two thirds of it,
44.3 MB, are compilers and headers again. Python's own build, `make install`, is among the other steps: it gained 0.1 MB
in seven years.
"""
SIZES = """
Until 12 September 2017 the tag held one platform. Then it became an index of six Linux platforms, and two weeks later
of Windows images too, which are five to twenty times as large: the base of Windows is part of them. In September 2026
there are eight Linux platforms; riscv64, the newest of them, is the largest, 21 % larger than amd64.
"""
SLIM = """
`python:slim` went the other way: from 75.5 MB in 2016 to 54.7 MB on 23 October 2017, when its root filesystem changed,
and to 43.5 MB in September 2026. Its platforms lie close together; the largest, ppc64le, is 17 % larger than amd64.
"""
LAYERS = """
`python:latest` of September 2026 for linux/amd64: seven layers, of which one holds more than half of the bytes.
"""
CHURN = """
All tags together moved 33 to 218 times a month, until indexes came in September 2017: from then on about 1,000 times.
An index moves when any of its platforms is rebuilt, even where the reader's own image stays as it was.
"""
COST = """
`python:latest` moved 74 times in sixteen months. 28 moves brought other build steps, 27 the same steps on another base,
and 16 nothing but a platform more or less. A host on linux/amd64 that followed them pulled 6.25 GB, for an image of
less than 0.28 GB: where the base is new, everything above it is too.
"""
YEARS = """
Of 3,914 tags that the manifest file of python ever named, 150 are left. What a tag promises tells how long it is kept:
half of the full versions such as `3.14.7` are gone after 62 days, half of `3.14` and its like after 481.

`python:latest` came from eighteen directories and 208 commits. Five platforms were added in one commit on 16 June 2017,
and 88 days later the tag became an index that has them.
"""
