"""Pages of tags written from the store: recorded tables byte for byte, those of live registries in the same form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
from made import DAY, REPOSITORY, commit, day, digest, seen

from imglab import gitlog
from imglab.cli import main
from imglab.errors import InvalidReference, StoreEmpty, UsageError
from imglab.journal import Journal
from imglab.records import DocumentVersion, Listing, Record, TagObservation
from imglab.render.tags_history import tags_history
from imglab.sources.documents import Reading
from imglab.sources.tags_history import collect
from imglab.store import Store

A, B, C = (digest(letter) for letter in "abc")
PUBLIC, PRIVATE = "cgr.dev/chainguard/lantern", "cgr.dev/chainguard-private/lantern"
PAD = " " * 67
TITLE = "lantern Image Tags History"

ONE_TAG_TABLE = f"""\
| Tag    | Last Updated | Digest{PAD} |
|--------|--------------|{"-" * 75}|
| `edge` | January 3rd  | `{A}` |
| `2`    | January 3rd  | `{A}` |
"""
PUBLIC_TABLE = f"""\
| Tag (s)       | Last Changed  | Digest{PAD} |
|---------------|---------------|{"-" * 75}|
|  `edge` `2.0` | January 11th  | `{A}` |
|  `1`          | December 31st | `{B}` |
"""
PRIVATE_TABLE = f"""\
| Tag (s)  | Last Changed | Digest{PAD} |
|----------|--------------|{"-" * 75}|
|  `edge`  | January 1st  | `{C}` |
|  `2`     | January 2nd  | `{C}` |
|  `1-dev` | January 22nd | `{B}` |
|  `0.9`   | January 22nd | `{A}` |
"""
HEAD = f'---\ntitle: "{TITLE}"\n---\n\nWords.\n\n'
SPLIT_TABLES = f"### Public Registry\n\n{PUBLIC_TABLE}\n\n### Private/Dedicated Registry\n\n{PRIVATE_TABLE}"


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "page.md"
    path.write_text(text)
    return path


def imported(data: Path, text: str, at: datetime, *, run_at: datetime | None = None) -> Path:
    """The data folder *data* after the import of a page that stood so at a time."""
    with gitlog.open_documents(written(data / "pages", text)) as documents:
        records = list(collect(documents, Reading(now=at, observed_at=at)))
    commit(data, run_at or at, records, source="tags-history")
    return data


def store_of(data: Path) -> Store:
    return Store.in_memory(Journal(data / "journal"))


def live(data: Path, records: Iterable[Record], *, at: datetime | None = None) -> Store:
    """A store with one run of a registry."""
    commit(data, at or day(40), records)
    return store_of(data)


def rows(page: str) -> list[tuple[str, str, str]]:
    """Tags, day and the first letter of the digest of every row of *page*."""
    found = re.findall(r"^\|  (`.*?`) +\| (.*?) +\| `sha256:(.).*` \|$", page, re.MULTILINE)
    return [(tags.replace("`", ""), when, letter) for tags, when, letter in found]


# --- recorded pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "tables"),
    [
        (HEAD + ONE_TAG_TABLE, ONE_TAG_TABLE),
        (HEAD + PUBLIC_TABLE, PUBLIC_TABLE),
        (HEAD.replace("Words.", "{{< tabs >}}") + PUBLIC_TABLE + "\n", PUBLIC_TABLE),
        (HEAD.replace("\n---\n\n", "\nlastmod: 2026-01-24 01:02:03\n---\n\n") + PUBLIC_TABLE, PUBLIC_TABLE),
        (HEAD + SPLIT_TABLES.replace("Registry\n\n", "Registry\nWords.\n\n"), SPLIT_TABLES),
    ],
    ids=["single", "grouped", "tabbed", "dated", "split"],
)
def test_recorded_tables_are_rendered_again(tmp_path: Path, body: str, tables: str) -> None:
    """Tables of each form come back byte for byte, at their own time and later, below words of our own."""
    with store_of(imported(tmp_path, body, day(24))) as store:
        pages = [tags_history(store, PUBLIC, at=at) for at in (day(24), day(100), None)]
    head = "Where the tags pointed and since when, as the page of 2026-01-24 00:00 UTC told."
    head = f"## Tags history of `{PUBLIC}`\n\n{head}\n\n"
    assert pages == [head + tables] * 3


def test_a_registry_without_tags(tmp_path: Path) -> None:
    """A sentence stands in place of its table, whether the page had one too or a table without rows."""
    nothing = "The page lists no tags here.\n"
    no_rows = PUBLIC_TABLE[: PUBLIC_TABLE.index("|  `edge`")]
    for number, empty in enumerate(("There are no Developer versions.\n", no_rows), 1):
        body = HEAD + SPLIT_TABLES.replace(PUBLIC_TABLE, empty)
        with store_of(imported(tmp_path / str(number), body, day(24))) as store:
            assert tags_history(store, PUBLIC).endswith(SPLIT_TABLES.replace(PUBLIC_TABLE, nothing))
    with store_of(imported(tmp_path / "3", HEAD + no_rows, day(24))) as store:
        assert tags_history(store, PUBLIC).endswith(f"told.\n\n{nothing}")


def test_time_chooses_the_page(tmp_path: Path) -> None:
    """The newest one of that time, be it one with a single table or with two."""
    imported(tmp_path, HEAD + PUBLIC_TABLE, day(24))
    imported(tmp_path, HEAD + SPLIT_TABLES, day(25))
    imported(tmp_path, HEAD + ONE_TAG_TABLE, day(26))
    with store_of(tmp_path) as store:
        shown = [tags_history(store, PUBLIC, at=at).count("| Tag") for at in (day(24), day(25), day(26))]
        assert "2026-01-25 00:00" in tags_history(store, PUBLIC, at=datetime(2026, 1, 25, 23))  # noqa: DTZ001
    assert shown == [1, 2, 1]


def test_the_last_page_that_could_be_read(tmp_path: Path) -> None:
    """A broken version and a removal say nothing of the tags: the page before them stays the newest."""
    imported(tmp_path, HEAD + PUBLIC_TABLE, day(24))
    broken = DocumentVersion("page.md", None, day(25), PUBLIC)
    removed = DocumentVersion("page.md", None, day(26), PUBLIC, is_removed=True)
    commit(tmp_path, day(27), [broken, removed], source="tags-history")
    with store_of(tmp_path) as store:
        assert tags_history(store, PUBLIC).endswith(PUBLIC_TABLE)


def test_pages_that_are_read_again(tmp_path: Path) -> None:
    """Two runs that read one page, and two pages that say the same, make one page."""
    for number in range(2):
        imported(tmp_path, HEAD + SPLIT_TABLES, day(24), run_at=day(30 + number))
    folder = tmp_path / "twice"
    for name in ("a", "b"):
        written(folder / name, HEAD + SPLIT_TABLES).rename(folder / name / "tags_history.md")
    with gitlog.open_documents(folder) as documents:
        records = list(collect(documents, Reading(now=day(25), observed_at=day(25))))
    commit(tmp_path, day(33), records, source="tags-history")
    with store_of(tmp_path) as store:
        pages = [tags_history(store, PUBLIC, at=at) for at in (day(24), day(25))]
    assert [page.split("told.\n\n")[1] for page in pages] == [SPLIT_TABLES] * 2


def test_pages_of_one_name(tmp_path: Path) -> None:
    """Single files are known by their name only; each is still about its own repository."""
    imported(tmp_path, HEAD + PUBLIC_TABLE, day(24), run_at=day(30))
    imported(tmp_path, HEAD.replace("lantern", "ferry") + ONE_TAG_TABLE, day(24), run_at=day(31))
    with store_of(tmp_path) as store:
        assert tags_history(store, PUBLIC).endswith(PUBLIC_TABLE)
        assert tags_history(store, "cgr.dev/chainguard/ferry").endswith(ONE_TAG_TABLE)


def test_the_private_repository_has_a_page_of_its_own(tmp_path: Path) -> None:
    """No document is about it alone: its page is that of any repository."""
    with store_of(imported(tmp_path, HEAD + SPLIT_TABLES, day(24))) as store:
        page = tags_history(store, PRIVATE)
    assert rows(page) == [
        ("0.9", "January 22nd", "a"),
        ("1-dev", "January 22nd", "b"),
        ("2", "January 2nd", "c"),
        ("edge", "January 1st", "c"),
    ]


def test_a_day_that_is_not_known(tmp_path: Path) -> None:
    """It is not made up."""
    sighting = TagObservation(PUBLIC, "1", day(24), digest=A, document="page.md", document_position=0)
    version = DocumentVersion("page.md", None, day(24), PUBLIC, form="dated")
    commit(tmp_path, day(24), [sighting, version], source="tags-history")
    with store_of(tmp_path) as store:
        assert rows(tags_history(store, PUBLIC)) == [("1", "unknown", "a")]


# --- live registries -------------------------------------------------------------------------------------------------


def test_live_repository(tmp_path: Path) -> None:
    """Tags that moved in the last 30 days: those of one digest since one day in a row, newest first, then by name."""
    records = [
        *(seen(tag, "f", day(1)) for tag in ("old", "2", "2.1", "b", "a", "latest")),
        seen("old", "a", day(9)),
        seen("2", "b", day(20)),
        seen("2.1", "b", day(20) + DAY / 2),
        seen("latest", "b", day(21)),
        seen("b", "c", day(20)),
        seen("a", "d", day(20)),
    ]
    with live(tmp_path, records) as store:
        page = tags_history(store, REPOSITORY, at=day(40))
    assert page == (
        f"## Tags history of `{REPOSITORY}`\n\n"
        "Tags that moved in the 30 days before 2026-02-09 00:00 UTC. Last looked at 2026-01-21 00:00 UTC.\n\n"
        f"| Tag (s)    | Last Changed | Digest{PAD} |\n"
        f"|------------|--------------|{'-' * 75}|\n"
        f"|  `latest`  | January 21st | `{B}` |\n"
        f"|  `2` `2.1` | January 20th | `{B}` |\n"
        f"|  `a`       | January 20th | `{digest('d')}` |\n"
        f"|  `b`       | January 20th | `{C}` |\n"
    )


def test_first_sightings(tmp_path: Path) -> None:
    """When such a tag moved nobody knows: it has the day on which it was seen first, and that is said."""
    later = Listing(REPOSITORY, day(5), True), seen("new", "b", day(5))
    commit(tmp_path, day(5), later)
    commit(tmp_path, day(1), [Listing(REPOSITORY, day(1), True), seen("1", "a", day(1)), seen("2", "a", day(1))])
    commit(tmp_path, day(9), [Listing(REPOSITORY, day(9), True), *(seen(tag, "c", day(9)) for tag in ("1", "new"))])
    with store_of(tmp_path) as store:
        first, second, third = (tags_history(store, REPOSITORY, at=day(number)) for number in (1, 5, 9))
    assert rows(first) == [("1 2", "January 1st", "a")]
    assert first.endswith("|\n\nFirst sightings among these: 2. They may have moved before their day.\n")
    assert rows(second) == [("new", "January 5th", "b")] and "First" not in second
    assert rows(third) == [("1 new", "January 9th", "c")] and "First" not in third


def test_without_a_time(tmp_path: Path) -> None:
    """The page is that of the last look, and not of a day on which nobody looked."""
    with live(tmp_path, [seen("1", "a", day(1)), seen("1", "b", day(5))], at=day(400)) as store:
        page = tags_history(store, REPOSITORY)
    assert "before 2026-01-05 00:00 UTC. Last looked at 2026-01-05 00:00 UTC." in page
    assert rows(page) == [("1", "January 5th", "b")]


def test_time_chooses_the_tags(tmp_path: Path) -> None:
    """Each tag has the digest of that time; one that had gone, or had not come yet, has no row."""
    commit(tmp_path, day(8), [Listing(REPOSITORY, day(8), True), seen("1", "b", day(8))])
    with live(tmp_path, [seen("1", "a", day(2)), seen("2", "c", day(4)), seen("1", "b", day(6))]) as store:
        found = {number: rows(tags_history(store, REPOSITORY, at=day(number))) for number in (2, 5, 7, 8, 36)}
    assert found == {
        2: [("1", "January 2nd", "a")],
        5: [("2", "January 4th", "c"), ("1", "January 2nd", "a")],
        7: [("1", "January 6th", "b"), ("2", "January 4th", "c")],
        8: [("1", "January 6th", "b")],
        36: [("1", "January 6th", "b")],
    }


def test_nothing_moved(tmp_path: Path) -> None:
    """That is said, with the number of tags that were there, or that there were none."""
    commit(tmp_path, day(50), [Listing(REPOSITORY, day(50), True)])
    with live(tmp_path, [seen("1", "a", day(2)), seen("2", "c", day(4))]) as store:
        still, gone = (tags_history(store, REPOSITORY, at=day(number)) for number in (49, 51))
    head = f"## Tags history of `{REPOSITORY}`\n\n"
    assert still == (
        f"{head}None of its 2 tags moved in the 30 days before 2026-02-18 00:00 UTC. "
        "Last looked at 2026-01-04 00:00 UTC.\n"
    )
    assert gone == f"{head}It had no tags at 2026-02-20 00:00 UTC. Last looked at 2026-02-19 00:00 UTC.\n"


def test_a_stated_time_before_anybody_looked(tmp_path: Path) -> None:
    """A source may tell of moves before it was asked."""
    with live(tmp_path, [seen("1", "a", day(20), changed_at=day(9))]) as store:
        page = tags_history(store, REPOSITORY, at=day(10))
    assert rows(page) == [("1", "January 9th", "a")]
    assert "Last looked" not in page and "First" not in page


def test_names_are_those_of_docker(tmp_path: Path) -> None:
    """Repositories of Docker Hub have their short names, and may be asked for by them."""
    with live(tmp_path, [TagObservation("docker.io/library/python", "3", day(1), digest=A)]) as store:
        assert tags_history(store, "python").startswith("## Tags history of `python`\n")
        assert tags_history(store, "docker.io/library/python") == tags_history(store, "python")


def test_the_newer_knowledge_counts(tmp_path: Path) -> None:
    """Of a page and a registry that of the later look; a page of the same moment counts."""
    imported(tmp_path, HEAD + SPLIT_TABLES, day(24))
    with live(tmp_path, [TagObservation(PUBLIC, "edge", at, digest=C) for at in (day(23), day(30))]) as store:
        assert tags_history(store, PUBLIC, at=day(29)).endswith(SPLIT_TABLES)
        page = tags_history(store, PUBLIC, at=day(30))
    assert rows(page) == [("edge", "January 30th", "c"), ("2.0", "January 11th", "a"), ("1", "December 31st", "b")]
    imported(tmp_path, HEAD + PUBLIC_TABLE, day(30), run_at=day(50))
    with store_of(tmp_path) as store:
        assert tags_history(store, PUBLIC, at=day(30)).endswith(PUBLIC_TABLE)


# --- what cannot be rendered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "at", "words"),
    [
        ("registry.test/team/apq", None, "no repository registry.test/team/apq in the store; it has 2, among them"),
        (REPOSITORY, day(1), "at 2026-01-01 00:00 UTC: it was first seen at 2026-01-02 00:00 UTC"),
        ("registry.test/unseen", None, "no source said where a tag of registry.test/unseen pointed"),
        ("registry.test/unseen", day(9), "no source said where a tag of registry.test/unseen pointed"),
        (f"{REPOSITORY}:1", None, "leave out the tag"),
    ],
)
def test_what_is_not_known_is_said(tmp_path: Path, repository: str, at: datetime | None, words: str) -> None:
    """The message names what is missing and what is there."""
    unseen = TagObservation("registry.test/unseen", "1", day(2), is_absent=True)
    with live(tmp_path, [seen("1", "a", day(2)), unseen]) as store, pytest.raises(UsageError) as error:
        tags_history(store, repository, at=at)
    assert words in str(error.value)


def test_no_store_and_no_name(tmp_path: Path) -> None:
    """Where nothing was ever loaded there is no page, nor for a text that is no repository."""
    with Store(tmp_path) as store:
        with pytest.raises(StoreEmpty):
            tags_history(store, "python")
        with pytest.raises(InvalidReference):
            tags_history(store, "Python")


# --- the command -----------------------------------------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page that was imported goes to standard output, or to a file with the same bytes; the unknown ends with 2."""
    page = written(tmp_path / "pages", HEAD + SPLIT_TABLES)
    data = ["--data", str(tmp_path / "data"), "--quiet"]
    assert main([*data, "import", "tags-history", str(page), "--observed-at", "2026-01-24"]) == 0
    command = [*data, "render", "tags-history"]
    capsys.readouterr()
    assert main([*command, PUBLIC, "--at", "2026-01-25"]) == 0
    text = capsys.readouterr().out
    assert text.endswith(SPLIT_TABLES)
    assert main([*command, PUBLIC, "--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_bytes() == text.encode()
    assert [main([*command, *wrong]) for wrong in (["ferry"], [PUBLIC, "--at", "2020-01-01"], [f"{PUBLIC}:1"])] == [
        2
    ] * 3
    captured = capsys.readouterr()
    assert captured.out == "" and [line[:8] for line in captured.err.splitlines()] == ["imglab: "] * 3


# --- real pages ------------------------------------------------------------------------------------------------------


def tables(text: str) -> str:
    """The tables of a page below their headings, and everything that parts them but words."""
    return "".join(re.findall(r"^(?:\|.*|### .*)?\n", text, re.MULTILINE)).strip("\n")


@pytest.mark.real_history
def test_real_seed_is_rendered_again(real_data: Path, tmp_path: Path) -> None:
    """Both tables of the page of June 2024, byte for byte, with two empty lines between them."""
    (seed,) = (real_data / "seeds").glob("000_*")
    text = seed.read_text()
    with store_of(imported(tmp_path, text, datetime.fromisoformat("2024-06-10T00:50:47Z"))) as store:
        page = tags_history(store, "cgr.dev/chainguard/python")
    public, private = (text[text.index(f"### {name}") :].split("\n\n")[1] for name in ("Public", "Private"))
    assert f"\n\n### Public Registry\n\n{public}\n\n\n### Private/Dedicated Registry\n\n{private}\n" in page
    assert tables(page) == tables(text).replace("Registry\n\n\n", "Registry\n\n")


@pytest.mark.real_history
def test_real_history_is_rendered_again(real_data: Path, tmp_path: Path) -> None:
    """All versions of python and every sixth of the others come back byte for byte, but tables without rows."""
    bundle = real_data / "chainguard-tags-history.bundle"
    with gitlog.open_documents(bundle) as documents:
        commit(tmp_path, day(1), collect(documents, Reading(now=day(1))), source="tags-history")
    chosen = [
        version
        for number, version in enumerate(gitlog.versions(bundle, wanted=lambda path: True))
        if version.body and (number % 6 == 0 or "/python/" in version.path)
    ]
    others = 0
    with store_of(tmp_path) as store:
        for version in chosen:
            text = (version.body or b"").decode()
            repository = f"cgr.dev/chainguard/{version.path.split('/')[-2]}"
            if blocks(tags_history(store, repository, at=version.committed_at)) != blocks(text):
                assert re.search(r"\|-+\|-+\|-+\|\n(?!\|)", text)
                others += 1
    assert len(chosen) > 500 and others <= len(chosen) // 100


def blocks(text: str) -> list[str]:
    """Every line of every table of a page, and their headings."""
    return [line for line in text.splitlines(keepends=True) if line.startswith(("|", "### "))]
