"""Charts of what tags are made of and called: platforms, builds, aliases, as far back as documents or sightings go."""

from __future__ import annotations

import altair as alt
import polars as pl

from imglab.charts.frames import (
    apart,
    checked,
    counted,
    drawable,
    name_of,
    plain,
    plain_column,
    short_repository,
    subject,
    values,
    when_text,
)
from imglab.charts.theme import (
    ALTERNATE,
    MAIN,
    OTHER,
    REFERENCE,
    UNSEEN_OPACITY,
    WIDTH,
    Chart,
    folded,
    labels,
    nothing,
    titled,
    tooltips,
)
from imglab.charts.timeline import (
    MOST_TAGS,
    UNSEEN_NOTE,
    block,
    covered,
    few_of,
    largest_rows,
    row_axis,
    spans,
    tags_of,
    time_axis,
    time_zoom,
    with_unseen,
)

_ROW_HEIGHT = 22
_WIDTH, _ALIAS_WIDTH = 560, 360  # the figures, or names, stand beside
_TOLD_BY = {
    "definition": "Told by documents that define the tags.",
    "document": "Told by lists of architectures in READMEs.",
    "digest": "Told by the images that the tags gave.",
}


def architecture_support(frame: pl.DataFrame) -> Chart:
    """
    Since when, and until when, each platform was supported: a row per platform, in the order in which they came.

    Needs: repository, tag, platform, basis, valid_from, valid_to, last_observed_at, tag_count, last_tag_count,
    last_all_tag_count. What has ended is grey; beside each row stands how many of the tags have the platform now.
    """
    frame = checked(
        frame,
        "architecture_support",
        "repository tag platform basis valid_from valid_to last_observed_at tag_count last_tag_count"
        " last_all_tag_count",
    )
    if frame.is_empty():
        return nothing("Which platforms were supported, and when?", "architecture_support")
    rows = drawable(frame, "architecture_support").join(_platforms(frame), on="platform", nulls_equal=True)
    drawn = spans(rows.sort("row", "valid_from")).with_columns(
        pl.when(pl.col("valid_to").is_null()).then(pl.lit(MAIN)).otherwise(pl.lit(OTHER)).alias("colour"),
        pl.col("tag_count").cast(pl.String).fill_null("not stated").alias("tags"),
    )
    fields = ("row", "name", "label", "valid_from", "seen_to", "drawn_to", "is_unseen", "colour", "tags", "when")
    base = alt.Chart(
        alt.InlineData(values(drawn.select(fields))), width=_WIDTH, height=_ROW_HEIGHT * drawn["row"].n_unique()
    )
    marks = folded(base, fields).encode(
        y=labels("name", "left"),
        color=alt.Color("colour", type="nominal", scale=None, legend=None),
        tooltip=tooltips(name="platform", when="when", tags="tags in that time"),
    )
    seen = block(marks, "valid_from", "seen_to", alt.value(1)).properties(name="architecture_support")
    unseen = block(marks, "seen_to", "drawn_to", alt.value(UNSEEN_OPACITY))
    return titled(
        _beside(alt.layer(*with_unseen(seen.add_params(time_zoom()), unseen, drawn)), base, "valid_from"),
        f"Which platforms did {subject(frame)} support, and when?",
        " ".join([covered(frame), *(_TOLD_BY.get(basis, "") for basis in frame["basis"].unique().sort())]),
        "Beside each platform: how many of the tags have it." if rows["label"].str.contains(" of ").any() else "",
        UNSEEN_NOTE if drawn["is_unseen"].any() else "",
    )


def _platforms(frame: pl.DataFrame) -> pl.DataFrame:
    """One row for each platform, the oldest first, with its name and what stands beside its row."""
    now = (
        pl.when(pl.col("last_all_tag_count") > 1)
        .then(pl.format("{} of {} tags", "last_tag_count", "last_all_tag_count"))
        .otherwise(pl.lit("now"))
    )
    ended = pl.format("until {}", pl.col("valid_to").dt.strftime("%Y-%m-%d"))
    newest = frame.sort("valid_from").group_by("platform", maintain_order=True)
    return (
        newest.agg(
            pl.col("valid_from").min().alias("first"),
            pl.when(pl.col("valid_to").is_null()).then(now).otherwise(ended).last().alias("label"),
        )
        .sort("first", "platform")
        .with_row_index("row")
        .select("row", "platform", plain_column("platform", 60, "unknown").alias("name"), "label")
        .with_columns(apart("name"), apart("label"))
    )


def _beside(marks: alt.LayerChart | alt.FacetChart, base: alt.Chart, field: str) -> Chart:
    """*marks* with what `label` says beside each row; *field* is an instant of theirs."""
    figures = base.mark_point(opacity=0).encode(x=time_axis(field), y=labels("label", "right"))
    chart: Chart = alt.layer(marks, figures).resolve_scale(y="independent")
    return chart


def tag_sources(frame: pl.DataFrame) -> Chart:
    """
    From which commits tags were built: a row per tag, or for a single tag per directory; a segment for each commit.

    Needs: repository, tag, valid_from, valid_to, last_observed_at, is_main, platforms, git_repository, git_commit,
    directory, file, url, document, document_revision. Only main builds are drawn. A click opens the file, where its
    address is known. Of more than 40 rows those with most segments are drawn; the subtitle says so.
    """
    frame = checked(
        frame,
        "tag_sources",
        "repository tag valid_from valid_to last_observed_at is_main platforms git_repository git_commit directory file"
        " url document document_revision",
    )
    main = frame.filter("is_main")
    if main.is_empty():
        return nothing("What were the tags built from?", "tag_sources")
    is_single = main.select("repository", "tag").n_unique() == 1
    rows, total = largest_rows(main.with_columns(_place(main).alias("tag")) if is_single else main, pl.len())
    drawn = _commits(drawable(rows, "tag_sources"))
    base = alt.Chart(alt.InlineData(values(drawn)), width=WIDTH, height=alt.Step(20 if total > 1 else 48))
    chart = (
        folded(base, drawn.columns)
        .mark_rect()
        .encode(
            x=time_axis("valid_from"),
            x2="drawn_to",
            y=row_axis("tag_name", 0.2),
            color=alt.Color("shade", type="nominal", scale=None, legend=None),
            href=alt.Href("url", type="nominal"),
            tooltip=tooltips(
                tag_name="directory" if is_single else "tag",
                path="file",
                git_commit="commit",
                git_repository="of",
                platforms="platforms",
                when="when",
                said_by="said by",
            ),
        )
        .properties(name="tag_sources")
        .add_params(time_zoom())
    )
    others = frame.height - main.height
    few = few_of(rows, total, "with most commits")
    return titled(
        chart,
        f"What {'was' if is_single else 'were'} {tags_of(frame)} built from?",
        f"{'A row for each directory; the' if is_single else 'The'} shade changes with every commit. {covered(main)}",
        f"Builds for linux/amd64, or the first of a tag; {others:,} others are left out." if others else "",
        few.replace("tags", "directories", 1) if is_single else few,
    )


def _place(frame: pl.DataFrame) -> pl.Expr:
    """Where a build lies: its directory, with its repository where that has none or not alone."""
    directory = pl.col("directory").fill_null("unknown")
    name = pl.col("git_repository").fill_null("unknown").str.replace(r"^\w+://[^/]*/", "")
    name = name.str.replace(r"/$", "").str.replace(r"\.git$", "")
    is_shared = name.n_unique().over("directory") > 1
    return (
        pl.when(directory == ".")
        .then(name)
        .when(is_shared)
        .then(pl.format("{} {}", name, directory))
        .otherwise(directory)
    )


def _commits(rows: pl.DataFrame) -> pl.DataFrame:
    """What is drawn of each build, its shade another than that of the commit before in its row."""
    commit = pl.col("git_commit").fill_null("")
    moves = (commit != commit.shift(1)).fill_null(True).cum_sum().over("row")

    def joined(pattern: str, *columns: pl.Expr) -> pl.Expr:
        return pl.format(pattern, *columns).map_elements(lambda text: plain(text, 100), pl.String)

    return spans(rows.sort("row", "valid_from", maintain_order=True)).select(
        "row",
        "tag_name",
        "valid_from",
        "drawn_to",
        (moves % 2).replace_strict({0: ALTERNATE[1], 1: ALTERNATE[0]}, return_dtype=pl.String).alias("shade"),
        joined("{}/{}", pl.col("directory").fill_null("?"), pl.col("file").fill_null("?")).alias("path"),
        plain_column("git_commit", 64, "not stated"),
        plain_column("git_repository", 100, "not stated"),
        plain_column("platforms", 200, "not stated"),
        "when",
        joined("{} {}", pl.col("document").fill_null("?"), pl.col("document_revision").fill_null("")).alias("said_by"),
        pl.when(pl.col("url").str.starts_with("https://")).then("url").alias("url"),
    )


def aliases(frame: pl.DataFrame) -> Chart:
    """
    Which tags are names of the same thing: a row per group, the largest first, with a mark for each tag that joined it.

    Needs: repository, at, basis, alias_of, tag_count, tag, first_seen_at, last_observed_at, together_from, is_always,
    move_count.
    The darker a row, the more names it has; of a single group each tag has a row. Tags without another name are left
    out and counted in the subtitle; of more than 40 rows the first are drawn.
    """
    frame = checked(
        frame,
        "aliases",
        "repository at basis alias_of tag_count tag first_seen_at last_observed_at together_from is_always move_count",
    )
    grouped = frame.filter(pl.col("tag_count") > 1)
    if grouped.is_empty():
        return nothing("Which tags are names of the same thing?", "aliases", "no tag has another name")
    groups = grouped.select("repository", "alias_of").n_unique()
    rows = _groups(grouped) if groups > 1 else _members(grouped)
    drawn = _joins(drawable(rows.filter(pl.col("row") < MOST_TAGS), "aliases"))
    height = (_ROW_HEIGHT - 2) * drawn["row"].n_unique()
    base = alt.Chart(alt.InlineData(values(drawn)), width=_ALIAS_WIDTH, height=height)
    alone = frame.height - grouped.height
    at = frame.select(when_text("at", "").max()).item()[:10]
    repository = subject(frame.select("repository", pl.lit(None, pl.String).alias("tag")))
    return titled(
        _beside(_joining(base), base, "since"),
        f"Which tags of {repository} are names of the same thing?",
        f"{counted(grouped.height, 'tag')} in {counted(groups, 'group')} on {at}"
        + (f"; {alone:,} more have no other name." if alone else "."),
        "A mark where a tag came to go with the first of its group; orange: they had been apart before.",
        f"The first {MOST_TAGS} rows of {rows['row'].n_unique():,}." if rows["row"].n_unique() > MOST_TAGS else "",
    )


def _joining(base: alt.Chart) -> alt.LayerChart | alt.FacetChart:
    """A band for each tag from when it went with the first of its group, and a mark where that began."""
    marks = folded(base, ["tag_name"]).encode(
        x=time_axis("since"),
        y=labels("name", "left"),
        tooltip=tooltips(
            tag_name="tag",
            since_text="with the first of its group since",
            always="always",
            moves="moves together",
            first_seen="there since",
        ),
    )
    band = marks.mark_rect(color=MAIN).encode(x2="seen_to", opacity=alt.value(0.2))
    joins = marks.mark_tick(thickness=3, size=_ROW_HEIGHT - 6, opacity=1).encode(
        color=alt.Color("colour", type="nominal", scale=None, legend=None)
    )
    return alt.layer(band.properties(name="aliases").add_params(time_zoom()), joins)


def _groups(frame: pl.DataFrame) -> pl.DataFrame:
    """*frame* with a row for each group in its order: its first tag is the name, the others stand beside."""
    several = frame["repository"].n_unique() > 1
    name = pl.format("{}:{}", pl.col("repository").map_elements(short_repository, pl.String), "alias_of")
    shown = name if several else pl.col("alias_of")
    others = pl.col("tag").filter(pl.col("tag") != pl.col("alias_of")).str.join(", ")
    groups = frame.group_by("repository", "alias_of", maintain_order=True).agg(pl.format("= {}", others).alias("label"))
    named = groups.with_row_index("row").with_columns(
        name_of(shown).alias("name"),
        pl.col("label").map_elements(lambda text: plain(text, 48), pl.String),  # each is in a tooltip
    )
    return frame.join(named.with_columns(apart("name"), apart("label")), on=["repository", "alias_of"])


def _members(frame: pl.DataFrame) -> pl.DataFrame:
    """*frame* with a row for each tag: beside it stand the moves that it made with the first."""
    moves = pl.col("move_count").map_elements(lambda count: counted(count, "move"), pl.String)
    return (
        frame.with_row_index("row")
        .with_columns(
            name_of("tag").alias("name"),
            pl.when(pl.col("tag") == pl.col("alias_of"))
            .then(moves)
            .otherwise(moves + pl.lit(" together"))
            .alias("label"),
        )
        .with_columns(apart("name"), apart("label"))
    )


def _joins(frame: pl.DataFrame) -> pl.DataFrame:
    """What is drawn of each tag, in the order of the groups."""
    return frame.sort("row", maintain_order=True).select(
        "row",
        "name",
        "label",
        pl.min_horizontal("together_from", "at").alias("since"),
        pl.max_horizontal("together_from", "last_observed_at").alias("seen_to"),
        pl.when("is_always").then(pl.lit(MAIN)).otherwise(pl.lit(REFERENCE)).alias("colour"),
        name_of("tag").alias("tag_name"),
        when_text("together_from").alias("since_text"),
        pl.when("is_always").then(pl.lit("yes")).otherwise(pl.lit("no, they were apart before")).alias("always"),
        pl.col("move_count").cast(pl.String).alias("moves"),
        when_text("first_seen_at").alias("first_seen"),
    )
