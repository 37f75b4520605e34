"""The documents name every command, option, question, table and column; the sample is what they say."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import pytest

import imglab
from imglab.cli import QUESTIONS, parser
from imglab.journal import schema
from imglab.records import RECORDS
from imglab.store import CHECKS, FUNCTIONS, MARTS, STAGING, VIEWS, read_sql

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
DICTIONARY = (ROOT / "data" / "README.md").read_text("utf-8")


def subcommands(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser by name."""
    return {
        name: command
        for action in of._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, command in action.choices.items()
    }


@pytest.mark.parametrize("name", [*subcommands(parser()), *QUESTIONS])
def test_every_command_and_question_is_in_the_readme(name: str) -> None:
    """A reader of the README knows that it exists."""
    assert f"imglab {name}" in README or f"`{name}`" in README


@pytest.mark.parametrize("name", subcommands(parser()))
def test_every_option_explains_itself(name: str) -> None:
    """Each command has a line of help, and its help can be printed."""
    command = subcommands(parser())[name]
    assert f"imglab {name}" in command.format_help()


def test_every_table_and_column_is_in_the_dictionary() -> None:
    """Journal tables and marts, column by column."""
    with imglab.open_sample() as store:
        names = (*(mart.name for mart in MARTS), *VIEWS)
        marts = {name: store.sql(f"select * from {name} limit 0").columns for name in names}
    journal = {record.table: [name for name in schema(record) if name != "run_id"] for record in RECORDS}
    for table, columns in {**journal, **marts}.items():
        (row,) = (line for line in DICTIONARY.splitlines() if line.startswith(f"| `{table}` |"))
        assert [column for column in columns if f"`{column}`" not in row] == [], table


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("staging", STAGING),
        ("marts", [mart.name for mart in MARTS]),
        ("views", VIEWS),
        ("functions", tuple(FUNCTIONS)),
        ("checks", CHECKS),
        ("queries", QUESTIONS),
    ],
)
def test_sql_files_begin_with_what_they_give(folder: str, names: tuple[str, ...]) -> None:
    """Every packaged SQL file is in use and starts with a comment that tells its grain."""
    files = {path.stem for path in (ROOT / "imglab" / "sql" / folder).glob("*.sql")}
    pages = {"repo_info_page", "repo_info_section", "repo_info_layer", "repo_info_step"}
    pages |= {"tags_history_state", "tags_history_page", "tags_history_tag"}
    pages |= {f"supported_tags_{name}" for name in ("document", "definition", "live", "known")}
    pages |= {f"diff_{name}" for name in ("side", "image", "step", "layer", "tag", "sbom")}
    pages |= {"evidence_digest", "evidence_tag", "budget_image", "budget_step"}
    extra = {"runs", "failures", "status", "known_tags", "known_platforms", *pages} if folder == "queries" else set()
    assert files == {*names, *extra}
    for name in files:
        text = read_sql(folder, name)
        assert text.startswith("-- ")
        assert folder == "checks" or "one row" in text.split("\n\n")[0].lower()


def test_the_sample_is_what_the_dictionary_says() -> None:
    """Counts, dates, spot sizes; and no text of a build step but of those that add files named by digest."""
    with imglab.open_sample() as store:
        counts = store.sql(
            """
            select count(*), count(distinct document), min(observed_at)::date::varchar, max(observed_at)::date::varchar
            from stg_tag_observation
            group by run_id
            order by run_id
            """
        ).rows()
        versions = store.sql(
            """
            select document, count(*), min(observed_at)::date::varchar, max(observed_at)::date::varchar
            from stg_document_version
            group by document
            order by document
            """
        ).rows()
        texts = store.sql("select distinct created_by from stg_history where created_by is not null")["created_by"]
        digests = store.sql("select count(distinct text_digest) from stg_history").item()
        sizes = store.sql(
            """
            select compressed_bytes
            from tag_image
            where repository = 'docker.io/library/python' and tag = 'latest' and platform = 'linux/amd64'
            order by valid_from
            """
        ).to_series()
    assert counts == [
        (6241, 353, "2016-09-09", "2018-01-10"),
        (19, 9, "2016-09-09", "2026-09-19"),
        (2, 2, "2019-08-06", "2019-10-17"),
        (1, 1, "2026-09-09", "2026-09-09"),
    ]
    assert versions == [
        ("library/python", 402, "2014-06-23", "2026-08-13"),
        ("postgres/README.md", 405, "2014-07-31", "2026-08-18"),
    ]
    assert texts.str.contains(r"^(ADD|COPY) (file|dir|multi):[0-9a-f]{64} in \S+\s*$").all()
    assert (len(texts), digests) == (189, 277)
    assert (sizes[0], *sizes[-3:]) == (265_384_250, 274_601_627, 349_284_332, 414_967_043)
    assert sum(path.stat().st_size for path in (ROOT / "data" / "sample").rglob("*.parquet")) < 2_000_000


def test_versions_in_the_sample_are_named_after_the_source() -> None:
    """Commits of official-images and docs, not of the bundles that they were taken from."""
    with imglab.open_sample() as store:
        frame = imglab.queries.tag_sources(store, repository="python", tag="2.7.18")
    assert frame["document_revision"].unique().to_list() == ["beb5a97c8803f47a11f42a4ae8897cab2d8febd5"]


def test_the_page_of_facts_is_in_the_sample() -> None:
    """Every image that the facts file states is there, with its total, its layers and its steps in their order."""
    (path,) = (ROOT / "data" / "facts").iterdir()
    told = tomllib.loads(path.read_text("utf-8"))
    with imglab.open_sample() as store:
        entries = "select manifest_digest from stg_index_entry where index_digest = $digest order by position"
        assert store.sql(entries, {"digest": told["digest"]}).rows() == [(image["digest"],) for image in told["image"]]
        for image in told["image"]:
            manifest = store.sql(
                "select compressed_bytes, config_digest from stg_manifest where digest = $digest",
                {"digest": image["digest"]},
            )
            layers = store.sql(
                """
                select digest, compressed_bytes, last_modified_at
                from stg_layer
                where manifest_digest = $digest
                order by position
                """,
                {"digest": image["digest"]},
            )
            steps = store.sql(
                """
                select created_at, instruction, step_label, is_conditional
                from stg_history
                where config_digest = $digest
                order by position
                """,
                {"digest": image["config_digest"]},
            )
            assert manifest.rows() == [(image["compressed_bytes"], image["config_digest"])]
            assert layers.rows() == [tuple(layer) for layer in image["layers"]]
            assert steps.rows() == [tuple(step) for step in image["steps"]]
