"""Chainguard's pages of tags become observations: every form, broken or whole, and real history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from repository import Clone, git

from imglab import gitlog, imports
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import ParseError, UsageError
from imglab.journal import Journal
from imglab.oci import check_digest, is_tag
from imglab.records import DocumentVersion, Failure, Record, TagObservation
from imglab.sources import tags_history
from imglab.sources.documents import Defect, Reading
from imglab.sources.tags_history import Page, Row, day_before, day_text, parse_page
from imglab.store import CHECKS, Paths, Store

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
NOW = Reading(now=NOON)
A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
HERE = "docs/reference/lantern/tags_history.md"
PUBLIC, PRIVATE = "cgr.dev/chainguard/lantern", "cgr.dev/chainguard-private/lantern"

SINGLE = f"""\
---
title: "lantern Image Tags History"
date: 2023-06-22T11:07:52+02:00
lastmod: 2023-06-22T11:07:52+02:00
menu:
  docs:
    parent: "made-up"
---

Where the tags are.

| Tag   | Last Updated | Digest |
|-------|--------------|--------|
| `2`   | February 9th | `{A}` |
| `2.0` | February 9th | `{A}` |
| `1`   | January 31st | `{B}` |
""".encode()

GROUPED = SINGLE.replace(b"| Tag   | Last Updated | Digest |", b"| Tag (s) | Last Changed | Digest |").replace(
    b"| `2`   |", b"|  `2` `2.0` |"
)
GROUPED = b"\n".join(line for line in GROUPED.split(b"\n") if not line.startswith(b"| `2.0`"))
MENU = b'menu:\n  docs:\n    parent: "made-up"\n---\n'
TABBED = GROUPED.replace(MENU, b"unlisted: true\n---\n\n{{< tabs >}}\n") + b"\n"
DATED = TABBED.replace(b"lastmod: 2023-06-22T11:07:52+02:00", b"lastmod: 2026-02-10 00:50:47")
SPLIT = (
    DATED.split(b"Where")[0]
    + f"""\
### Public Registry
What anybody may have.

| Tag (s) | Last Changed | Digest |
|---------|--------------|--------|
|  `2` `2.0` | February 9th | `{A}` |
|  `1` | January 31st | `{B}` |


### Private/Dedicated Registry
What customers have.

| Tag (s) | Last Changed | Digest |
|---------|--------------|--------|
|  `1` `1.0` `1.0.4` | February 8th | `{C}` |

""".encode()
)
FORMS = {"single": SINGLE, "grouped": GROUPED, "tabbed": TABBED, "dated": DATED, "split": SPLIT}
TWO = (Row(("2", "2.0"), 2, 9, A), Row(("1",), 1, 31, B))


def parsed(body: bytes) -> Page:
    return parse_page(body, source=HERE)


def changed(old: bytes | str, new: bytes | str, body: bytes = SPLIT) -> bytes:
    """*body* with its one *old* replaced by *new*."""
    old, new = (text.encode() if isinstance(text, str) else text for text in (old, new))
    assert body.count(old) == 1
    return body.replace(old, new)


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    """Each form has its name, the image of its title, and the rows of its public table in their order."""
    page = parsed(FORMS[form])
    rows = TWO if form != "single" else (Row(("2",), 2, 9, A), Row(("2.0",), 2, 9, A), TWO[1])
    assert (page.form, page.name, page.public, page.defects) == (form, "lantern", rows, ())


def test_two_registries() -> None:
    """The private table stands apart; the same tag may be elsewhere there."""
    assert parsed(SPLIT).private == (Row(("1", "1.0", "1.0.4"), 2, 8, C),)
    assert parsed(DATED).private == ()


def test_when_a_page_was_written() -> None:
    """A `lastmod` with a blank is a time in UTC; the form that never changed tells nothing."""
    assert [parsed(body).written_at for body in (SPLIT, TABBED)] == [datetime(2026, 2, 10, 0, 50, 47, tzinfo=UTC), None]


TABLE = SPLIT[SPLIT.index(b"| Tag (s)") : SPLIT.index(b"\n\n\n### Private")]


@pytest.mark.parametrize(
    ("body", "public", "private"),
    [
        (changed(TABLE, "There are no Developer versions."), 0, 1),
        (changed(TABLE, TABLE.split(b"|  `2`")[0]), 0, 1),
        (SPLIT[: SPLIT.rindex(b"| Tag (s)")] + b"There are no Production versions.\n", 2, 0),
        (changed(TABLE, "no Developer versions").partition(b"What cust")[0] + b"no Production versions", 0, 0),
        (SINGLE[: SINGLE.index(b"| `2` ")], 0, 0),
    ],
    ids=["no public", "no rows", "no private", "neither", "single without rows"],
)
def test_pages_without_rows(body: bytes, public: int, private: int) -> None:
    """A sentence in place of a table, or a table without rows, is a page in order that tells nothing."""
    page = parsed(body)
    assert (len(page.public), len(page.private), page.defects) == (public, private, ())


def test_line_ends_of_windows_and_none() -> None:
    """They make no difference."""
    assert parsed(SPLIT.replace(b"\n", b"\r\n")) == parsed(SPLIT) == parsed(SPLIT.rstrip(b"\n"))


def test_every_day_has_one_name() -> None:
    """The ordinals of English, February 29th among them."""
    names = [day_text(date(2024, 1, 1) + timedelta(number)) for number in range(366)]
    assert names[:4] == ["January 1st", "January 2nd", "January 3rd", "January 4th"]
    assert names[10:13] == ["January 11th", "January 12th", "January 13th"]
    assert names[20:23] == ["January 21st", "January 22nd", "January 23rd"]
    assert names[59] == "February 29th" and len(set(names)) == 366


# --- years -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "day", "reference", "year"),
    [
        (6, 9, "2024-06-09", 2024),
        (6, 10, "2024-06-09", 2023),
        (12, 31, "2024-01-01", 2023),
        (2, 29, "2024-03-01", 2024),
        (2, 29, "2024-02-28", 2020),
        (2, 29, "1904-02-28", 1896),
        (1, 2, "0001-01-01", None),
    ],
)
def test_the_year_that_a_day_was_in(month: int, day: int, reference: str, year: int | None) -> None:
    """It puts the day nearest to the reference, and not after it; February 29th needs a leap year."""
    expected = year and datetime(year, month, day, tzinfo=UTC)
    assert day_before(month, day, date.fromisoformat(reference)) == expected


# --- broken pages ----------------------------------------------------------------------------------------------------

FIRST = "|  `2` `2.0` | February 9th |"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (FIRST, "|  `2` `2.0` | February 30th |", "'February 30th' is no day"),
        (FIRST, "|  `2` `2.0` | Februar 9th |", "'Februar 9th' is no day"),
        (FIRST, "|  `2` `2.0` | February 9st |", "'February 9st' is no day"),
        (FIRST, "|  `2` `2.0` | February 9th, 2026 |", "is no day"),
        (FIRST, "|  `2` `2.0` | |", "'' is no day"),
        (FIRST, "|  2 `2.0` | February 9th |", "is no list of tags in backticks"),
        (FIRST, "| | February 9th |", "is no list of tags in backticks"),
        (FIRST, "| `-x` `` | February 9th |", "'-x', '' can be no tag"),
        (FIRST, "|  `2` `2.0` | February 9th ", "a row of tags, day and digest"),
        (FIRST, "  `2` `2.0` | February 9th |", "a row of tags, day and digest"),
        (A, A[:-1], "is no digest"),
        (f"`{A}`", A, "is no digest"),
        (A, A.upper(), "is no digest"),
        (f"{A}` |", f"{A[:20]}", "a row of tags, day and digest"),
        (FIRST, b"|  `2\xff` | February 9th |", "it is not UTF-8; '2\\udcff' can be no tag"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_left_out(old: str, new: str | bytes, words: str) -> None:
    """The defect names its line, and all other rows count."""
    page = parsed(changed(old, new))
    assert [(defect.line, words in defect.message) for defect in page.defects] == [(15, True)], page.defects
    assert page.public == TWO[1:]
    assert page.private == parsed(SPLIT).private


def test_other_tags_of_a_row_count() -> None:
    """A text that can be no tag costs the row nothing else."""
    page = parsed(changed("`2` `2.0`", "`2` `a:b` `2.0`"))
    assert (page.public, [defect.message for defect in page.defects]) == (TWO, ["'a:b' can be no tag"])


def test_a_tag_twice_in_a_table() -> None:
    """The same digest and day is told once; of what contradicts itself the first row counts, and it is a defect."""
    assert (parsed(changed("`2.0` |", "`2.0` `2` |")).public, parsed(SPLIT).defects) == (TWO, ())
    page = parsed(changed("|  `1` | Jan", f"|  `2` | February 9th | `{A}` |\n|  `1` | Jan"))
    assert (page.public, page.defects) == (TWO, ())
    page = parsed(changed("|  `1` |", "|  `2` `1` |"))
    assert (page.public, page.defects) == (TWO, (Defect(16, "2 stands in line 15 with another digest"),))
    page = parsed(changed("|  `1` | Jan", f"|  `2` | February 7th | `{A}` |\n|  `1` | Jan"))
    assert (page.public, page.defects) == (TWO, (Defect(16, "2 stands in line 15 with another day"),))


BOTH, PUBLIC_ONLY = ("2 2.0 1", "1 1.0 1.0.4"), ("2 2.0 1", "")


@pytest.mark.parametrize(
    ("body", "line", "words", "tags"),
    [
        (changed("### Private/Dedicated Registry", "### Secret Registry"), 22, "which registry", PUBLIC_ONLY),
        (changed(b"### Private", b"### Priv\xffte"), 19, "not UTF-8", PUBLIC_ONLY),
        (changed("### Private/Dedicated Registry\n", "\n"), 22, "its second", PUBLIC_ONLY),
        (SPLIT[: SPLIT.index(b"### Private")], 18, "private registry is missing", PUBLIC_ONLY),
        (SPLIT[: SPLIT.rindex(b"What")], 19, "private registry is missing", PUBLIC_ONLY),
        (SPLIT[: SPLIT.index(b"### Private") - 9], 16, "a row of tags, day and digest; the table", ("2 2.0", "")),
        (changed("2026-02-10 00:50:47", "2026-02-30 00:50:47"), 4, "a time that exists", BOTH),
        (changed(b"What anybody", b"\xc3"), 11, "not UTF-8", BOTH),
    ],
)
def test_what_else_is_wrong_with_a_page(body: bytes, line: int, words: str, tags: tuple[str, str]) -> None:
    """Tags of an unknown registry are of none; a table that is missing was not empty; the rest counts."""
    page = parsed(body)
    assert (page.defects[0].line, words in page.defects[0].message) == (line, True), page.defects
    assert tuple(" ".join(tag for row in table for tag in row.tags) for table in (page.public, page.private)) == tags


REPO_INFO = f"""\
## `lantern:2`

```console
$ docker pull lantern@{A}
```

-\tPlatforms: 1
\t-\tlinux; amd64
"""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"\xff\xfe\x00",
        b"# Lantern\n\nA README.\n\n| Tag | Size |\n|---|---|\n| `2` | 3 MB |\n",
        REPO_INFO.encode(),
        f"GitRepo: x\n\nTags: 2\nGitCommit: {A[7:47]}\n".encode(),
        SPLIT[: SPLIT.index(b"###")],
        SINGLE[: SINGLE.index(b"| Tag")],
    ],
    ids=["empty", "blank", "bytes", "readme", "repo-info", "official-images", "cut off", "prose"],
)
def test_what_is_no_page(body: bytes) -> None:
    """A document without a table of tags is a ParseError that names it."""
    with pytest.raises(ParseError) as caught:
        parsed(body)
    assert caught.value.source == HERE and caught.value.place.startswith("line ")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_only_parse_errors(body: bytes) -> None:
    """Whatever a file holds, it parses or raises ParseError."""
    with pytest.raises(ParseError):
        parsed(body)


PIECES = [b"\n", b"\n\n", b"\r\n", b"|", b"`", b"### ", b"---\n", b"sha256:", b"|  `2` | May 5th |"]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.sampled_from(list(FORMS.values())),
    start=st.floats(0, 1),
    removed=st.integers(0, 120),
    put=st.one_of(st.binary(max_size=20), st.sampled_from(PIECES)),
)
def test_damage_raises_only_parse_errors(body: bytes, start: float, removed: int, put: bytes) -> None:
    """However a page is cut or changed, it parses or raises ParseError, and what parses can be kept."""
    at = int(start * len(body))
    try:
        page = parsed(body[:at] + put + body[at + removed :])
    except ParseError as error:
        assert error.place.startswith("line ")
        return
    for table in (page.public, page.private):
        tags = [tag for row in table for tag in row.tags]
        assert len(tags) == len(set(tags))
        assert all(is_tag(tag) for tag in tags)
        assert all(row.digest == check_digest(row.digest) for row in table)
    assert all(defect.line >= 1 and defect.message.encode() for defect in page.defects)
    assert len({defect.line for defect in page.defects}) == len(page.defects)


# --- records ---------------------------------------------------------------------------------------------------------


def written(folder: Path, body: bytes, path: str = HERE) -> Path:
    """*body* as a file in *folder*."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


def collected(path: Path, reading: Reading = NOW) -> list[Record]:
    with gitlog.open_documents(path) as documents:
        return list(tags_history.collect(documents, reading))


def observations(records: Iterable[Record]) -> list[TagObservation]:
    return [record for record in records if isinstance(record, TagObservation)]


def versions(records: Iterable[Record]) -> list[DocumentVersion]:
    return [record for record in records if isinstance(record, DocumentVersion)]


def sightings(records: Iterable[Record]) -> list[tuple[str, str, str]]:
    """Registry, tag and the first letter of the digest of every observation."""
    return [(one.repository.split("/")[1], one.tag, str(one.digest)[7]) for one in observations(records)]


def failures(records: Iterable[Record]) -> list[tuple[str, str]]:
    return [(record.locator, record.kind) for record in records if isinstance(record, Failure)]


def test_records_of_a_plain_file(tmp_path: Path) -> None:
    """An observation for each registry and tag, with its day and its place in the table; then the version."""
    written_at = datetime(2026, 2, 10, 0, 50, 47, tzinfo=UTC)
    *observations, version = collected(written(tmp_path, SPLIT))
    assert version == DocumentVersion("tags_history.md", None, written_at, PUBLIC, False, "split")
    facts = {"observed_at": written_at, "time_precision": "day", "document": "tags_history.md"}
    expected = [
        (PUBLIC, "2", (2, 9), A, 0),
        (PUBLIC, "2.0", (2, 9), A, 1),
        (PUBLIC, "1", (1, 31), B, 2),
        (PRIVATE, "1", (2, 8), C, 0),
        (PRIVATE, "1.0", (2, 8), C, 1),
        (PRIVATE, "1.0.4", (2, 8), C, 2),
    ]
    assert observations == [
        TagObservation(
            repository,
            tag,
            changed_at=datetime(2026, *day, tzinfo=UTC),  # type: ignore[arg-type]
            digest=digest,
            document_position=position,
            **facts,  # type: ignore[arg-type]
        )
        for repository, tag, day, digest, position in expected
    ]


def test_times_of_plain_files(tmp_path: Path) -> None:
    """The given time counts; days belong to the time at which the page says that it was written, else to the given."""
    given = replace(NOW, observed_at=datetime(2027, 1, 31, tzinfo=UTC))
    for body, year in ((SPLIT, 2026), (TABBED, 2027)):
        (observation, version) = (collected(written(tmp_path, body), given)[position] for position in (2, -1))
        assert isinstance(observation, TagObservation) and isinstance(version, DocumentVersion)
        assert observation.observed_at == version.observed_at == given.observed_at
        assert observation.changed_at == datetime(year, 1, 31, tzinfo=UTC)


def test_a_plain_file_without_a_time(tmp_path: Path) -> None:
    """It is a failure that says what to do, and no version."""
    (failure,) = collected(written(tmp_path, TABBED))
    assert isinstance(failure, Failure)
    assert (failure.locator, failure.kind) == ("tags_history.md", "no-date")
    assert "--observed-at" in failure.message


def test_a_day_before_the_calendar(tmp_path: Path) -> None:
    """Where no year can be found the digest counts, without a day, and it is a failure."""
    records = collected(written(tmp_path, TABBED), replace(NOW, observed_at=datetime(1, 2, 1, tzinfo=UTC)))
    assert failures(records) == [("tags_history.md", "no-date")]
    assert sightings(records) == [("chainguard", "2", "a"), ("chainguard", "2.0", "a"), ("chainguard", "1", "b")]
    first, _, last = (record for record in records if isinstance(record, TagObservation))
    assert (first.changed_at, first.time_precision) == (None, "second")
    assert (last.changed_at, last.time_precision) == (datetime(1, 1, 31, tzinfo=UTC), "day")


UNTITLED = changed("lantern Image Tags History", "Tags")


@pytest.mark.parametrize("given", ["docs/reference/ferry/tags_history.md", "docs/reference/ferry", "docs", "."])
def test_the_path_names_the_image(tmp_path: Path, given: str) -> None:
    """Be it the path that was given or the one below it, and whatever the title says."""
    for body in (UNTITLED, SPLIT):
        written(tmp_path, body, "docs/reference/ferry/tags_history.md")
        assert [one.repository for one in versions(collected(tmp_path / given))] == ["cgr.dev/chainguard/ferry"]


def test_the_title_names_the_image(tmp_path: Path) -> None:
    """A file of another name is about the image of its title."""
    assert [one.repository for one in versions(collected(written(tmp_path, SPLIT, "page.md")))] == [PUBLIC]


@pytest.mark.parametrize("title", ["", "Lantern", "a:b", "x/y", "x" * 240])
def test_nothing_names_the_image(tmp_path: Path, title: str) -> None:
    """Without any name, or with one that no repository can have, the page is a failure and nothing else."""
    body = changed('"lantern Image', f'"{title} Image')
    (failure,) = collected(written(tmp_path, body, "page.md"))
    assert isinstance(failure, Failure) and "--repository" in failure.message
    assert (failure.locator, failure.kind) == ("page.md", "no-name")


def test_a_repository_of_ones_own(tmp_path: Path) -> None:
    """It takes the place of the public one; the private one is beside it, in a namespace that says so."""
    given = replace(NOW, repository="registry.test/team/sub/ferry")
    records = collected(written(tmp_path, SPLIT, "other.md"), given)
    assert {record.repository for record in observations(records)} == {
        "registry.test/team/sub/ferry",
        "registry.test/team/sub-private/ferry",
    }
    with pytest.raises(UsageError, match="has no namespace"):
        collected(tmp_path / "other.md", replace(NOW, repository="registry.test:5000/ferry"))
    written(tmp_path / "two", SPLIT)
    written(tmp_path / "two", SPLIT, "reference/ferry/tags_history.md")
    with pytest.raises(UsageError, match="several pages"):
        collected(tmp_path / "two", given)


def test_folders(tmp_path: Path) -> None:
    """Pages are found by their name; what is beside them is not read."""
    written(tmp_path, SPLIT)
    written(tmp_path, DATED, "docs/reference/ferry/tags_history.md")
    written(tmp_path, b"nothing\n", "docs/reference/ferry/image_specs.md")
    seen: list[tuple[int, int]] = []
    records = collected(tmp_path, replace(NOW, progress=lambda done, total: seen.append((done, total))))
    assert [version.document for version in versions(records)] == [
        "docs/reference/ferry/tags_history.md",
        HERE,
    ]
    assert (len(observations(records)), failures(records)) == (9, [])
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_two_pages_about_one_image(tmp_path: Path) -> None:
    """What both say of a time is told once; where they contradict each other the first counts, and it is a failure."""
    written(tmp_path, SPLIT, "a/reference/lantern/tags_history.md")
    written(tmp_path, SPLIT, "b/reference/lantern/tags_history.md")
    records = collected(tmp_path)
    assert (len(observations(records)), len(versions(records)), failures(records)) == (6, 2, [])
    more = changed("`1.0.4`", "`1.0.5`", changed(f"January 31st | `{B}`", f"January 31st | `{D}`"))
    written(tmp_path, more, "c/reference/lantern/tags_history.md")
    records = collected(tmp_path)
    assert failures(records) == [(f"c/reference/lantern/tags_history.md:{PUBLIC}", "contradiction")]
    assert sightings(records)[6:] == [("chainguard-private", "1.0.5", "c")]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "holds no pages"),
        (lambda path: None, "there is no"),
        (lambda path: path.write_text("# prose\n"), "none could be read"),
        (lambda path: path.write_text(""), "none could be read"),
        (lambda path: written(path, b"# prose\n"), "none could be read"),
    ],
)
def test_nothing_to_import_is_misuse(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    """Where nothing is such a page that is said, and nothing is kept."""
    make(tmp_path / "place")
    with pytest.raises(UsageError, match=words):
        collected(tmp_path / "place")


def test_one_page_among_others(tmp_path: Path) -> None:
    """Documents that are no pages are failures beside those that are."""
    written(tmp_path, SPLIT)
    written(tmp_path, b"# prose\n", "docs/reference/ferry/tags_history.md")
    records = collected(tmp_path)
    assert failures(records) == [("docs/reference/ferry/tags_history.md", "not-a-page")]
    assert len(sightings(records)) == 6


# --- histories -------------------------------------------------------------------------------------------------------


class Pages(Clone):
    """A repository of pages."""

    def commit(self, body: bytes | None, *, path: str = HERE, at: datetime | None = None) -> str:  # type: ignore[override]
        return super().commit({path: body}, at)


@pytest.fixture
def clone(tmp_path: Path) -> Pages:
    return Pages(tmp_path / "clone", NOON)


def test_a_history(clone: Pages) -> None:
    """Versions count at their commit's time, which also gives pages their year that do not tell it."""
    first = clone.commit(TABBED)
    second = clone.commit(changed("2026-02-10", "2025-12-31"))
    records = collected(clone.folder)
    assert versions(records) == [
        DocumentVersion(HERE, first, NOON, PUBLIC, False, "tabbed"),
        DocumentVersion(HERE, second, NOON + timedelta(days=1), PUBLIC, False, "split"),
    ]
    days = {
        (one.observed_at.day, one.changed_at and one.changed_at.date().isoformat(), one.document_revision)
        for one in records
        if isinstance(one, TagObservation) and one.tag == "1" and one.repository == PUBLIC
    }
    assert days == {(10, "2026-01-31", first), (11, "2025-01-31", second)}


def test_what_is_gone_is_not_told(clone: Pages) -> None:
    """A tag that a page no longer lists, and a page that is removed, make no observation; the removal is a version."""
    clone.commit(SPLIT)
    clone.commit(changed(f"|  `1` | January 31st | `{B}` |\n", ""))
    removal = clone.commit(None)
    records = collected(clone.folder)
    assert records[-1] == DocumentVersion(HERE, removal, NOON + timedelta(days=2), PUBLIC, True, None)
    assert not any(one.is_absent for one in observations(records))
    assert len(sightings(records)) == 6 + 5


def test_versions_that_were_read_are_passed_over(clone: Pages) -> None:
    """Only the new ones are told; with none of them there is nothing to say, and no mistake."""
    first = clone.commit(SPLIT)
    second = clone.commit(b"<<<<<<< conflict\n")
    records = collected(clone.folder, replace(NOW, read={(HERE, first)}))
    assert failures(records) == [(f"{HERE}@{second}", "not-a-page")]
    assert versions(records) == [DocumentVersion(HERE, second, NOON + timedelta(days=1), PUBLIC, False, None)]
    assert collected(clone.folder, replace(NOW, read={(HERE, first), (HERE, second)})) == []


def test_failures_name_document_commit_and_line(clone: Pages) -> None:
    """And what is wrong there."""
    revision = clone.commit(changed("January 31st", "January 32nd"))
    (failure,) = (record for record in collected(clone.folder) if isinstance(record, Failure))
    assert isinstance(failure, Failure)
    assert (failure.locator, failure.kind) == (f"{HERE}@{revision}:16", "malformed")
    assert failure.message == f"{HERE}@{revision}: line 16: 'January 32nd' is no day such as June 9th"


def test_pages_that_only_their_title_names(clone: Pages) -> None:
    """Nobody knows what its removal, or a broken version, is about: a version that was read, of no repository."""
    clone.commit(SPLIT, path="tags_history.md")
    clone.commit(b"broken\n", path="tags_history.md")
    clone.commit(None, path="tags_history.md")
    found = versions(collected(clone.folder))
    assert [(one.repository, one.form, one.is_removed) for one in found] == [
        (PUBLIC, "split", False),
        (None, None, False),
        (None, None, True),
    ]


def test_clocks_that_go_back(clone: Pages) -> None:
    """A version is never older than the one before it, and of a time the last state counts."""
    clone.commit(SPLIT)
    clone.commit(changed(A, D), at=NOON - timedelta(days=5))
    records = collected(clone.folder)
    assert [one.observed_at for one in versions(records)] == [NOON]
    assert ("chainguard", "2", "d") in sightings(records)


def test_a_time_for_a_history_is_misuse(clone: Pages) -> None:
    """Its commits say when."""
    clone.commit(SPLIT)
    with pytest.raises(UsageError, match="leave out the time"):
        collected(clone.folder, replace(NOW, observed_at=NOON))


def test_a_bundle_and_one_file_of_a_history(clone: Pages, tmp_path: Path) -> None:
    """Both give what the whole repository gives."""
    clone.commit(SPLIT)
    clone.commit(DATED)
    git(clone.folder, "bundle", "create", "-q", str(tmp_path / "pages.bundle"), "HEAD", "main")
    records = collected(clone.folder)
    assert len(records) == 6 + 3 + 2
    assert collected(tmp_path / "pages.bundle") == collected(clone.folder / HERE) == records


def test_a_blob_that_is_missing_is_read_later(clone: Pages) -> None:
    """It is a failure, and not a version that was read."""
    clone.commit(SPLIT)
    second = clone.commit(DATED)
    blob = git(clone.folder, "rev-parse", f"HEAD:{HERE}").strip()
    (clone.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    records = collected(clone.folder)
    assert failures(records) == [(f"{HERE}@{second}", "missing-document")]
    assert len(versions(records)) == 1


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_imports(tmp_path: Path, clone: Pages, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and what was done; 1 where a line was malformed; what was read before is not read again."""
    clone.commit(SPLIT)
    command = ["--data", str(tmp_path / "data"), "import", "tags-history", str(clone.folder)]
    assert main(command) == 0
    assert "complete" in capsys.readouterr().out
    clone.commit(changed("January 31st", "Januar 31st"))
    assert main(command) == 1
    assert "line 16" in capsys.readouterr().err
    with open_store(tmp_path / "data") as store:
        assert store.sql("select tags, failures from stg_run order by started_at").rows() == [(6, 0), (5, 1)]
        assert store.sql("select digest from tag_interval where tag = '1.0.4' and valid_to is null").rows() == [(C,)]
        assert [name for name in CHECKS if store.check(name).height] == []


@pytest.mark.parametrize("body", [b"# prose\n", b"", REPO_INFO.encode()])
def test_misuse_ends_with_2(tmp_path: Path, body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence, and no run."""
    path = written(tmp_path, body)
    assert main(["--data", str(tmp_path / "data"), "--quiet", "import", "tags-history", str(path)]) == 2
    assert "holds no pages of a tags history" in capsys.readouterr().err
    assert Journal(Paths(tmp_path / "data").journal).run_ids() == []


# --- real documents --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def real_store(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Store]:
    """The whole bundle."""
    data = tmp_path_factory.mktemp("tags-history")
    imports.import_documents(data, "tags-history", real_data / "chainguard-tags-history.bundle")
    with open_store(data) as store:
        yield store


INTERVALS = "select * exclude (run_id) from tag_interval order by all"


@pytest.mark.real_history
def test_real_history_in_two_steps(real_data: Path, real_store: Store, tmp_path: Path) -> None:
    """A part of it, all of it, all of it again: the same as at once."""
    clone, data = tmp_path / "clone", tmp_path / "data"
    git(tmp_path, "clone", "-q", str(real_data / "chainguard-tags-history.bundle"), str(clone))
    head = git(clone, "rev-parse", "HEAD").strip()
    git(clone, "reset", "-q", "--hard", "HEAD~100")
    outcomes = [imports.import_documents(data, "tags-history", clone)]
    git(clone, "reset", "-q", "--hard", head)
    outcomes += [imports.import_documents(data, "tags-history", clone) for _ in range(2)]
    assert [outcome.run.outcome for outcome in outcomes] == ["complete"] * 3
    first, second, third = (outcome.run.tags for outcome in outcomes)
    assert first + second == 39_406 and min(first, second) > 5_000 and third == 0
    with open_store(data) as store:
        assert store.sql(INTERVALS).equals(real_store.sql(INTERVALS))


@pytest.mark.real_history
def test_real_versions(real_store: Store) -> None:
    """Every version of every page is read, in its form, without a failure."""
    assert real_store.sql("select count(*) from stg_failure").item() == 0
    forms = real_store.sql("select form, count(*) from stg_document_version where not is_removed group by form").rows()
    assert dict(forms) == {"single": 22, "grouped": 362, "tabbed": 456, "dated": 507, "split": 1252}
    assert real_store.sql("select count(*) from stg_document_version where is_removed").item() == 26
    assert real_store.sql("select count(distinct repository) from stg_document_version").item() == 25
    assert [name for name in CHECKS if real_store.check(name).height] == []


@pytest.mark.real_history
def test_real_days(real_store: Store) -> None:
    """Every row is 0 to 31 days older than its commit, the whole history's 0 to 32; none is of the future."""
    ages = real_store.sql(
        """
        select
            min(date_diff('day', changed_at, observed_at)),
            max(date_diff('day', changed_at, observed_at)),
            count(*) filter (where changed_at > observed_at or changed_at is null or time_precision != 'day'),
            count(*) filter (where changed_at = '2024-02-29'),
        from stg_tag_observation
        """
    ).rows()
    assert [(first, last, wrong) for first, last, wrong, _ in ages] == [(0, 31, 0)]
    assert ages[0][3] > 0


CHANGES = """
    with page as (
        select
            document_revision,
            row_number() over (order by observed_at) as number,
        from stg_document_version
        where repository = 'cgr.dev/chainguard/python' and not is_removed
    ),

    said as (
        select
            page.number,
            stg_tag_observation.repository || ':' || stg_tag_observation.tag as pair,
            stg_tag_observation.digest,
            lag(page.number) over by_time as number_before,
            lag(stg_tag_observation.digest) over by_time as digest_before,
            lead(page.number) over by_time as number_after,
        from stg_tag_observation
        join page using (document_revision)
        where stg_tag_observation.document like '%/python/tags_history.md'
        window by_time as (
            partition by stg_tag_observation.repository, stg_tag_observation.tag
            order by page.number
        )
    )

    select
        (select count(*) from page) as versions,
        count(distinct pair) as pairs,
        count(distinct split_part(pair, ':', 1) || digest) as digests,
        count(*) filter (where number_before is distinct from number - 1) as appear,
        count(*) filter (
            where number < (select count(*) from page) and number_after is distinct from number + 1
        ) as vanish,
        count(*) filter (where number_before = number - 1 and digest != digest_before) as change,
        count(*) filter (where digest != digest_before) as change_since,
    from said
"""


@pytest.mark.real_history
def test_real_changes_of_python(real_store: Store) -> None:
    """
    Versions, pairs of registry and tag, and of registry and digest; pairs that appear (the first ones among them),
    vanish, change from one version to the next, and change also while they are away.
    """
    (row,) = real_store.sql(CHANGES).rows(named=True)
    assert row == {
        "versions": 143,
        "pairs": 60,
        "digests": 635,
        "appear": 82,
        "vanish": 56,
        "change": 1_210,
        "change_since": 1_232,
    }


@pytest.mark.real_history
def test_real_seed(real_data: Path, tmp_path: Path) -> None:
    """A page of June 2024 as a plain file under another name."""
    (seed,) = (real_data / "seeds").glob("000_*")
    file = tmp_path / "page.txt"
    file.write_bytes(seed.read_bytes())
    records = collected(file)
    assert failures(records) == []
    assert records[-1] == DocumentVersion(
        "page.txt", None, datetime(2024, 6, 10, 0, 50, 47, tzinfo=UTC), "cgr.dev/chainguard/python", False, "split"
    )
    assert len(sightings(records)) == 2 + 16


def test_module_names_its_reference() -> None:
    """The module says where its format is described and when it last held."""
    assert "chainguard-dev/edu" in str(tags_history.__doc__)
    assert "2024" in str(tags_history.__doc__)
