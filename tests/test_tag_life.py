"""How long tags live, what they are built from, and what else they are called: given rows, expected rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, day, defined, definition, digest, image, index, seen

from imglab import ask, charts, imports, queries
from imglab.errors import UsageError
from imglab.journal import Journal
from imglab.records import DocumentVersion, Listing, Record
from imglab.store import Store, load

HOUR = timedelta(hours=1)


def version(at: datetime, **more: object) -> DocumentVersion:
    """A version of the document that defines the tags of the repository."""
    told = {"document": "library/app", "repository": REPOSITORY, "form": "stanzas", "tags": []} | more
    return DocumentVersion(document_revision=f"{at:%d}", observed_at=at, **told)  # type: ignore[arg-type]


def store_of(tmp_path: Path, *runs: Iterable[Record], source: str = "official-images") -> Store:
    """A store of runs on days 30, 31, …"""
    for number, records in enumerate(runs):
        commit(tmp_path, day(30 + number), records, source=source)
    return Store.in_memory(Journal(tmp_path / "journal"))


# --- tag_lifetimes ---------------------------------------------------------------------------------------------------


def test_a_life_lasts_until_no_version_names_the_tag(tmp_path: Path) -> None:
    """From the version that named it first; of a tag that is still named, up to the newest version."""
    store = store_of(
        tmp_path,
        [
            *(definition("1"), definition("2"), version(day(1)), version(day(2)), version(day(12))),
            *(defined("latest", "1", day(1)), defined("3.1", "1", day(2)), defined("3.1.0", "1", day(2))),
            *(defined("latest", "2", day(9)), defined("3.1.0", None, day(9))),
        ],
    )
    frame = queries.tag_lifetimes(store, repository=REPOSITORY)
    columns = ["tag", "tag_kind", "ended_at", "lifetime_days", "is_from_first_look", "last_observed_at", "basis"]
    assert frame.select(columns).rows() == [
        ("3.1", "x.y", None, 10, False, day(12), "definition"),
        ("3.1.0", "x.y.z", day(9), 7, False, day(12), "definition"),
        ("latest", "name", None, 11, True, day(12), "definition"),
    ]
    assert queries.tag_lifetimes(store, tag="3.1*", since=day(2), until=day(3))["tag"].to_list() == ["3.1", "3.1.0"]
    assert queries.tag_lifetimes(store, since=day(3)).is_empty()


def test_surviving_shares_follow_kaplan_and_meier(tmp_path: Path) -> None:
    """Of five tags two end at two days and one at five; one is followed for three days only, one for ten."""
    ends = {"1.0": day(4), "1.1": day(4), "1.2": day(7)}
    store = store_of(
        tmp_path,
        [
            *(definition("1"), version(day(1)), version(day(12)), defined("latest", "1", day(1))),
            *(defined(tag, "1", day(2)) for tag in (*ends, "1.3")),
            *(defined(tag, None, at) for tag, at in ends.items()),
            *(defined("v2", "1", day(9)), version(day(2))),
        ],
    )
    frame = queries.tag_lifetimes(store, repository=REPOSITORY).sort("lifetime_days", "tag")
    shares = ["tag", "lifetime_days", "kind_at_risk_count", "kind_ended_count", "kind_surviving_share"]
    assert frame.select(shares).rows() == [
        ("1.0", 2, 4, 2, 0.5),
        ("1.1", 2, 4, 2, 0.5),
        ("v2", 3, 1, 0, 1.0),
        ("1.2", 5, 2, 1, 0.25),
        ("1.3", 10, 1, 0, 0.25),
        ("latest", 11, None, None, None),
    ]
    assert frame.select("at_risk_count", "ended_count", "surviving_share").rows() == [
        (5, 2, 0.6),
        (5, 2, 0.6),
        (3, 0, 0.6),
        (2, 1, 0.3),
        (1, 0, 0.3),
        (None, None, None),
    ]


def test_nobody_survives_the_last_end(tmp_path: Path) -> None:
    """Where all that were followed to an age end at it, the share is nothing."""
    store = store_of(
        tmp_path,
        [
            *(definition("1"), version(day(1)), version(day(9)), defined("latest", "1", day(1))),
            *(defined("a", "1", day(2)), defined("b", "1", day(2))),
            *(defined("a", None, day(3)), defined("b", None, day(9))),
        ],
    )
    frame = queries.tag_lifetimes(store, repository=REPOSITORY, tag="[ab]")
    assert frame.select("lifetime_days", "surviving_share").rows() == [(1, 0.5), (7, 0.0)]


def test_a_tag_that_comes_back_has_one_life(tmp_path: Path) -> None:
    """From its first day to its last, with the time in which it was gone."""
    store = store_of(
        tmp_path,
        [
            *(definition("1"), definition("2"), version(day(1)), version(day(20)), defined("latest", "1", day(1))),
            *(defined("a", "1", day(2)), defined("a", "2", day(3)), defined("a", None, day(4))),
            *(defined("a", "1", day(8)), defined("a", None, day(12))),
        ],
    )
    frame = queries.tag_lifetimes(store, repository=REPOSITORY, tag="a")
    assert frame.select("first_seen_at", "ended_at", "lifetime_days", "return_count").rows() == [
        (day(2), day(12), 10, 1)
    ]


def test_without_definitions_sightings_tell(tmp_path: Path) -> None:
    """A tag lives until a listing or a look does not find it; what the first look found may be older."""
    store = store_of(
        tmp_path,
        [
            *(seen("latest", "e1", day(1)), seen("3.1", "e1", day(1) + HOUR)),
            *(seen("3.2", "e2", day(4)), seen("3.2", "e3", day(5)), seen("latest", "e3", day(5))),
        ],
        [Listing(REPOSITORY, day(12), True), seen("latest", "e3", day(12))],
        source="registry",
    )
    frame = queries.tag_lifetimes(store, repository=REPOSITORY)
    assert frame.select("tag", "basis", "ended_at", "lifetime_days", "is_from_first_look").rows() == [
        ("3.1", "digest", day(12), 10, True),
        ("3.2", "digest", day(12), 8, False),
        ("latest", "digest", None, 11, True),
    ]


def test_sightings_tell_how_often_a_tag_came_back(tmp_path: Path) -> None:
    """A move is no return; to be gone and there again is one, whether the tag is there now or not."""
    gone = {"is_absent": True}
    store = store_of(
        tmp_path,
        [
            *(seen("stays", "e1", day(1)), seen("stays", "e2", day(3)), seen("stays", "e1", day(5))),
            *(seen("ends", "e1", day(1)), seen("ends", "e2", day(3)), seen("ends", None, day(4), **gone)),
            *(seen("back", "e1", day(1)), seen("back", None, day(2), **gone), seen("back", "e1", day(4))),
            *(seen("twice", "e1", day(1)), seen("twice", None, day(2), **gone), seen("twice", "e2", day(3))),
            *(seen("twice", None, day(4), **gone), seen("twice", "e2", day(6)), seen("twice", None, day(8), **gone)),
        ],
        source="registry",
    )
    frame = queries.tag_lifetimes(store, repository=REPOSITORY)
    assert frame.select("tag", "first_seen_at", "ended_at", "return_count").rows() == [
        ("back", day(1), None, 1),
        ("ends", day(1), day(4), 0),
        ("stays", day(1), None, 0),
        ("twice", day(1), day(8), 2),
    ]


def test_tags_of_the_first_look_have_no_share(tmp_path: Path) -> None:
    """Also where another tag ended at the same age."""
    looks = [seen("a", "e1", day(1)), seen("b", "e1", day(3))]
    looks += [seen("a", None, day(6), is_absent=True), seen("b", None, day(8), is_absent=True)]
    frame = queries.tag_lifetimes(store_of(tmp_path, looks, source="registry"), repository=REPOSITORY)
    shares = ["kind_at_risk_count", "kind_surviving_share", "at_risk_count", "surviving_share"]
    assert frame.select("tag", "lifetime_days", *shares).rows() == [
        ("a", 5, None, None, None, None),
        ("b", 5, 1, 0.0, 1, 0.0),
    ]


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        ("name", "latest slim slim-trixie alpine3.20 rc rc-alpine rc-buggy 32bit jdk 8bit-3.1"),
        ("x", "3 3-slim v2 17-jdk 3-alpine3.20"),
        ("x.y", "3.14 3.14-slim v1.2 22.04 1.27-windowsservercore-ltsc2025 2.8-32bit"),
        ("x.y.z", "3.14.1 v1.2.3 3.14.1-slim-trixie 8u102-jdk 3.14.1-alpine3.20 1.2.3.4"),
        (
            "pre-release",
            "3.15.0rc1 3.15-rc-slim 3.15.0a7 3.13.0b2-slim 27-ea-3-jdk 10-beta1 1.9beta2 7.2-M01 3.1_rc1",
        ),
        ("dated", "trixie-20260803 20240807 tip-20260109-bookworm noble-20240827.1 trixie-20260803-slim"),
    ],
)
def test_kinds_of_tags(tmp_path: Path, kind: str, tags: str) -> None:
    """What a tag's text promises is read from its beginning, or a date anywhere in it."""
    store = Store.in_memory(Journal(tmp_path))
    frame = store.sql("select tag, tag_kind(tag) from (select unnest($tags) as tag)", {"tags": tags.split()})
    assert frame.rows() == [(tag, kind) for tag in tags.split()]


# --- architecture_support --------------------------------------------------------------------------------------------


def test_support_lasts_while_any_tag_is_built_for_a_platform(tmp_path: Path) -> None:
    """Stretches of tags that touch or overlap are one; after a gap there is another; tags are counted at its end."""
    store = store_of(
        tmp_path,
        [
            *(definition("1"), definition("2", architectures=["amd64", "arm32v7"]), version(day(1)), version(day(20))),
            *(defined("a", "2", day(1)), defined("b", "1", day(1)), defined("b", "2", day(3))),
            *(defined("a", "1", day(5)), defined("b", None, day(7)), defined("a", "2", day(9))),
        ],
    )
    frame = queries.architecture_support(store, repository=REPOSITORY)
    columns = ["platform", "valid_from", "valid_to", "tag_count", "last_tag_count", "last_all_tag_count"]
    assert frame.select(columns).rows() == [
        ("linux/amd64", day(1), None, 2, 1, 1),
        ("linux/arm/v7", day(1), day(7), 2, 1, 2),
        ("linux/arm/v7", day(9), None, 1, 1, 1),
    ]
    assert frame["last_observed_at"].to_list() == [day(20), day(7), day(20)]
    of_a = queries.architecture_support(store, repository=REPOSITORY, tag="a", since=day(6), until=day(8))
    assert of_a.select("tag", "platform", "valid_from", "valid_to").rows() == [("a", "linux/amd64", day(1), None)]


def test_support_counts_the_tags_of_each_stretch(tmp_path: Path) -> None:
    """A tag that comes as a platform goes was not there with it; one that brings it back was not there before."""
    store = store_of(
        tmp_path,
        [
            *(definition("1"), definition("2", architectures=["arm64v8"]), version(day(1)), version(day(20))),
            *(
                defined("a", "2", day(1)),
                defined("a", None, day(5)),
                defined("b", "1", day(5)),
                defined("c", "2", day(9)),
            ),
        ],
    )
    frame = queries.architecture_support(store, repository=REPOSITORY)
    columns = ["platform", "valid_from", "valid_to", "tag_count", "last_tag_count", "last_all_tag_count"]
    assert frame.select(columns).rows() == [
        ("linux/amd64", day(5), None, 1, 1, 2),
        ("linux/arm64", day(1), day(5), 1, 1, 1),
        ("linux/arm64", day(9), None, 1, 1, 2),
    ]


def test_an_image_of_unknown_platform_supports_none(tmp_path: Path) -> None:
    """Nobody knows for whom it is."""
    looks = [seen("a", "a1", day(1)), seen("b", "e1", day(2)), *image("a1", [3]), *index("e1", [("a2", "linux/amd64")])]
    frame = queries.architecture_support(store_of(tmp_path, looks, source="registry"), repository=REPOSITORY)
    assert frame.select("platform", "tag_count", "last_all_tag_count").rows() == [("linux/amd64", 1, 1)]


def test_without_definitions_lists_of_readmes_tell(tmp_path: Path) -> None:
    """From the first version that lists an architecture to the first that does not, whether it lists others or none."""
    builds = [definition("1", architectures=None), defined("a", "1", day(1), document="app/README.md")]
    lists: list[tuple[int, list[str] | None]] = [(1, None), (3, ["amd64", "arm64v8"]), (5, ["amd64"]), (8, ["arm64v8"])]
    versions = [version(day(at), document="app/README.md", architectures=found) for at, found in lists]
    unreadable = version(day(4), document="app/README.md", form=None, tags=None)
    store = store_of(tmp_path, [*builds, *versions, unreadable], source="docs-readme")
    frame = queries.architecture_support(store, repository=REPOSITORY)
    assert frame.select("platform", "basis", "valid_from", "valid_to", "tag_count").rows() == [
        ("linux/amd64", "document", day(3), day(8), None),
        ("linux/arm64", "document", day(3), day(5), None),
        ("linux/arm64", "document", day(8), None, None),
    ]
    assert queries.architecture_support(store, repository=REPOSITORY, tag="a").is_empty()


def test_without_documents_images_tell(tmp_path: Path) -> None:
    """A platform is there while a tag gives an image to it."""
    store = store_of(
        tmp_path,
        [
            *(seen("a", "e1", day(1)), seen("a", "e2", day(5)), seen("b", "e1", day(2))),
            *(seen("b", None, day(9), is_absent=True), *image("a1", [3]), *image("a2", [3])),
            *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm64/v8")]),
            *index("e2", [("a1", "linux/amd64")]),
        ],
        source="registry",
    )
    frame = queries.architecture_support(store, repository=REPOSITORY)
    columns = ["platform", "basis", "valid_from", "valid_to", "last_observed_at", "tag_count", "last_tag_count"]
    assert frame.select(columns).rows() == [
        ("linux/amd64", "digest", day(1), None, day(5), 2, 1),
        ("linux/arm64", "digest", day(1), day(9), day(2), 2, 1),
    ]


@pytest.mark.parametrize(
    ("word", "constraints", "platform"),
    [
        ("amd64", None, "linux/amd64"),
        ("amd64", "!aufs", "linux/amd64"),
        ("amd64", "windowsservercore", "windows/amd64"),
        ("amd64", "!aufs, nanoserver", "windows/amd64"),
        ("arm32v5", None, "linux/arm/v5"),
        ("arm32v7", None, "linux/arm/v7"),
        ("arm64v8", None, "linux/arm64"),
        ("i386", None, "linux/386"),
        ("mips64le", None, "linux/mips64le"),
        ("ppc64le", None, "linux/ppc64le"),
        ("riscv64", None, "linux/riscv64"),
        ("s390x", None, "linux/s390x"),
        ("windows-amd64", "windowsservercore-ltsc2025", "windows/amd64"),
        ("windows-arm64v8", None, "windows/arm64"),
        (None, None, None),
    ],
)
def test_words_of_bashbrew_stand_for_platforms(
    tmp_path: Path, word: str | None, constraints: str | None, platform: str | None
) -> None:
    """Documents have names of their own for architectures, and once had none for Windows."""
    store = Store.in_memory(Journal(tmp_path))
    given = {"word": word, "constraints": constraints}
    assert store.sql("select bashbrew_platform($word::varchar, $constraints::varchar)", given).item() == platform


# --- aliases ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def named(tmp_path: Path) -> Store:
    """`latest`, `3` and `3.2` move together, but `3` went apart once; `3.1` stayed behind, and `old` is gone."""
    return store_of(
        tmp_path,
        [
            *(definition("1"), definition("2"), definition("3"), version(day(1)), version(day(20))),
            *(defined("latest", "1", day(1)), defined("3", "1", day(1)), defined("old", "1", day(1))),
            *(defined("latest", "2", day(5)), defined("3", "2", day(6)), defined("old", None, day(5))),
            *(defined("3.1", "2", day(6)), defined("3.2", "2", day(7))),
            *(defined(tag, "3", day(9)) for tag in ("latest", "3", "3.2")),
        ],
    )


def test_tags_of_the_same_build_are_names_of_the_oldest(named: Store) -> None:
    """Each since when it is what its leader is; differences before it was there do not count."""
    frame = queries.aliases(named, repository=REPOSITORY)
    columns = ["alias_of", "tag_count", "tag", "first_seen_at", "together_from", "is_always", "move_count"]
    assert frame.select(columns).rows() == [
        ("latest", 3, "latest", day(1), day(1), True, 2),
        ("latest", 3, "3", day(1), day(6), False, 1),
        ("latest", 3, "3.2", day(7), day(7), True, 1),
        ("3.1", 1, "3.1", day(6), day(6), True, 0),
    ]
    assert frame["at"].unique().to_list() == frame["last_observed_at"].unique().to_list() == [day(20)]
    assert frame["basis"].unique().to_list() == ["definition"]


def test_aliases_of_the_past_know_nothing_of_what_came_after(named: Store) -> None:
    """At a time, with what is gone since, and only what was seen up to then."""
    frame = queries.aliases(named, repository=REPOSITORY, at=day(3))
    assert frame.select("alias_of", "tag", "is_always", "move_count").rows() == [
        ("latest", "latest", True, 0),
        ("latest", "3", True, 0),
        ("latest", "old", True, 0),
    ]
    assert frame["last_observed_at"].unique().to_list() == [day(3)]
    first = queries.aliases(named, repository=REPOSITORY, at=day(1))
    assert first.select("tag", "together_from").rows() == [(tag, day(1)) for tag in ("latest", "3", "old")]
    assert queries.aliases(named, repository=REPOSITORY, at=day(1) - HOUR).is_empty()


def test_a_glob_chooses_whole_groups(named: Store) -> None:
    """Asked for one name, all others are told."""
    assert queries.aliases(named, repository=REPOSITORY, tag="3.2")["tag"].to_list() == ["latest", "3", "3.2"]
    assert queries.aliases(named, repository=REPOSITORY, tag="3.1")["tag"].to_list() == ["3.1"]


def test_without_definitions_digests_tell_and_a_day_is_forgiven(tmp_path: Path) -> None:
    """Sources look at one tag after the other: tags that differ for hours have moved together."""
    sightings = [
        *(seen("latest", "1", day(1)), seen("slim", "1", day(1)), seen("late", "1", day(1))),
        *(seen("latest", "2", day(5)), seen("slim", "2", day(5) + HOUR), seen("late", "2", day(7))),
        seen("latest", "2", day(9)),
    ]
    frame = queries.aliases(store_of(tmp_path, sightings, source="registry"), repository=REPOSITORY)
    assert frame.select("tag", "together_from", "is_always", "move_count", "basis").rows() == [
        ("latest", day(1), True, 1, "digest"),
        ("slim", day(1), True, 1, "digest"),
        ("late", day(7), False, 0, "digest"),
    ]
    assert frame["digest"].unique().to_list() == [digest("2")]
    assert frame["last_observed_at"].to_list() == [day(9), day(5) + HOUR, day(7)]


# --- tag_sources -----------------------------------------------------------------------------------------------------


def test_a_tag_has_a_row_for_each_build(tmp_path: Path) -> None:
    """The build for linux/amd64 is the main one and comes first; it goes on where only another one changes."""
    linux = definition("1", architectures=["amd64", "arm64v8"], directory="3.1")
    windows = [definition(commit, architectures=["windows-amd64"], directory="3.1/windows") for commit in "12"]
    both = [
        dataclasses.replace(build, digest=digest(f"def{name}"), position=position)
        for name, other in zip("ab", windows, strict=True)
        for position, build in ((0, linux), (2, other))
    ]
    store = store_of(
        tmp_path,
        [*both, version(day(1)), version(day(9)), defined("a", "a", day(1)), defined("a", "b", day(5))],
    )
    frame = queries.tag_sources(store, repository=REPOSITORY)
    columns = ["valid_from", "valid_to", "is_main", "platforms", "git_commit", "directory", "document_revision"]
    assert frame.select(columns).rows() == [
        (day(1), None, True, "linux/amd64, linux/arm64", "1", "3.1", "01"),
        (day(1), day(5), False, "windows/amd64", "1", "3.1/windows", "01"),
        (day(5), None, False, "windows/amd64", "2", "3.1/windows", "05"),
    ]
    assert frame["last_observed_at"].to_list() == [day(9), day(5), day(9)]
    assert queries.tag_sources(store, repository=REPOSITORY, at=day(3))["git_commit"].to_list() == ["1", "1"]
    assert queries.tag_sources(store, repository=REPOSITORY, until=day(4)).height == 2
    assert queries.tag_sources(store, repository=REPOSITORY, tag="b*").is_empty()


@pytest.mark.parametrize(
    ("git_repository", "directory", "file", "url"),
    [
        (
            "https://github.com/team/app.git",
            "3.1/slim",
            "Dockerfile",
            "https://github.com/team/app/blob/c1/3.1/slim/Dockerfile",
        ),
        ("git://github.com/team/app", ".", "Dockerfile", "https://github.com/team/app/blob/c1/Dockerfile"),
        ("https://gitlab.test/a/b/app.git", "x", "f", "https://gitlab.test/a/b/app/-/blob/c1/x/f"),
        (
            "https://git.launchpad.net/a/+oci/b",
            "oci",
            "index.json",
            "https://git.launchpad.net/a/+oci/b/tree/oci/index.json?id=c1",
        ),
        ("https://git.test/app.git", ".", "Dockerfile", None),
        ("https://git.test/github.com/app.git", ".", "Dockerfile", None),
        (None, None, None, None),
        ("https://github.com/team/app.git", None, None, None),
    ],
)
def test_links_lead_to_the_file_where_addresses_are_known(
    tmp_path: Path, git_repository: str | None, directory: str | None, file: str | None, url: str | None
) -> None:
    """On other sites there is no link, nor where a document does not say which file it is."""
    told = definition("c1", architectures=None, git_repository=git_repository, directory=directory, file=file)
    store = store_of(tmp_path, [told, version(day(1)), defined("a", "c1", day(1))])
    frame = queries.tag_sources(store, repository=REPOSITORY)
    assert frame.select("url", "platforms", "is_main").rows() == [(url, None, True)]


# --- update_gaps -----------------------------------------------------------------------------------------------------


def test_gaps_lie_between_moves_of_one_tag(tmp_path: Path) -> None:
    """The first move has none; weekday and hour are those of the later move. 1 January 2026 is a Thursday."""
    sightings = [
        *(seen("a", "1", day(1)), seen("a", "2", day(2) + 3 * HOUR), seen("a", "3", day(4) + 5 * HOUR)),
        *(seen("b", "1", day(1)), seen("b", "2", day(9)), seen("b", "3", day(9) + 3 * HOUR)),
    ]
    store = store_of(tmp_path, sightings, source="registry")
    frame = queries.update_gaps(store, repository=REPOSITORY)
    assert frame.select("weekday", "hour", "gap_class", "gap_from_days", "gap_to_days", "move_count").rows() == [
        (5, 0, None, None, None, 1),
        (5, 3, "1 to 6 hours", 1 / 24, 0.25, 1),
        (5, 3, None, None, None, 1),
        (7, 5, "2 to 4 days", 2, 4, 1),
    ]
    assert frame["median_gap_days"].unique().to_list() == [1.104]
    assert frame["basis"].unique().to_list() == ["digest"]
    late = queries.update_gaps(store, repository=REPOSITORY, tag="a", since=day(3))
    assert late.select("tag", "gap_class", "move_count", "median_gap_days").rows() == [("a", "2 to 4 days", 1, 2.083)]


def test_moves_dated_to_the_day_have_no_hour(tmp_path: Path) -> None:
    """Nobody knows it, also if the page was read on that day."""
    moved = [seen("a", "2", day(6), changed_at=day(4), time_precision="day")]
    moved += [seen("a", "3", day(8) + HOUR, changed_at=day(8), time_precision="day")]
    store = store_of(tmp_path, [seen("a", "1", day(2)), *moved], source="tags-history")
    assert queries.update_gaps(store, repository=REPOSITORY).select("weekday", "hour").rows() == [(4, None), (7, None)]


def test_where_no_tag_moved_changes_of_definitions_count(tmp_path: Path) -> None:
    """Coming back from nowhere with the same definition is no move."""
    told = [definition("1"), definition("2"), version(day(1))]
    told += [
        defined("a", "1", day(1)),
        defined("a", "2", day(4)),
        defined("a", None, day(5)),
        defined("a", "2", day(6)),
    ]
    only = store_of(tmp_path, told)
    assert queries.update_gaps(only, repository=REPOSITORY).select("basis", "move_count").rows() == [("definition", 1)]
    commit(tmp_path, day(2), [seen("b", "1", day(1)), seen("b", "2", day(2)), seen("b", "3", day(3))])
    both = Store.in_memory(Journal(tmp_path / "journal"))
    assert queries.update_gaps(both, repository=REPOSITORY).select("basis", "move_count").rows() == [
        ("digest", 1),
        ("digest", 1),
    ]


def test_tags_that_only_documents_name_are_known(tmp_path: Path) -> None:
    """A question that finds nothing says whether the store knows the name, from wherever it does."""
    commit(tmp_path, day(1), [definition("1"), version(day(1)), defined("latest", "1", day(1))], source="docs-readme")
    load(tmp_path)
    assert ask.answer("tag_history", {"repository": REPOSITORY, "tag": "latest"}, data=tmp_path).is_empty()
    with pytest.raises(UsageError, match="no tag latst in the store; it has 1, among them latest"):
        ask.answer("tag_sources", {"repository": REPOSITORY, "tag": "latst"}, data=tmp_path)


@pytest.fixture(scope="session")
def years(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Ten images of official-images, 2013 to 2026."""
    data = tmp_path_factory.mktemp("years")
    imports.import_documents(data, "official-images", real_data / "official-images.bundle")
    return Store(data)


@pytest.mark.real_history
@pytest.mark.parametrize("name", ["tag_lifetimes", "architecture_support", "aliases", "tag_sources", "update_gaps"])
@pytest.mark.parametrize("given", [{}, {"tag": "latest"}, {"tag": "8*"}], ids=str)
def test_real_answers_can_be_drawn(years: Store, name: str, given: dict[str, str]) -> None:
    """Of the largest history, whole, of a tag or of some: charts take what questions answer, in their order."""
    frame = getattr(queries, name)(years, repository="openjdk", **given)
    chart = charts.specification(getattr(charts, name)(frame))
    assert "openjdk" in charts.title_of(chart) or frame.is_empty()
    assert sum(map(len, chart["datasets"].values())) <= charts.MAX_ROWS


@pytest.mark.real_history
def test_the_real_history_of_python(years: Store) -> None:
    """Figures that were counted otherwise: tags ever and now, platforms, and the newest build."""
    lives = queries.tag_lifetimes(years, repository="python")
    assert (lives.height, lives["ended_at"].null_count(), lives["return_count"].sum()) == (3_914, 150, 91)
    platforms = queries.architecture_support(years, repository="python").filter(pl.col("valid_to").is_null())
    assert platforms["last_all_tag_count"].unique().to_list() == [150]
    assert platforms.height == 10
    after = datetime(2026, 8, 20, tzinfo=UTC)
    latest = queries.tag_sources(years, repository="python", tag="latest", at=after).row(0, named=True)
    built = "228f71e70a42ba9f9a092321b971031603bb88ff"
    assert latest["url"] == f"https://github.com/docker-library/python/blob/{built}/3.14/trixie/Dockerfile"
    names = queries.aliases(years, repository="python", tag="latest")
    assert names["tag"].to_list() == ["latest", "3", "3.14", "3.14.7"]
    assert queries.update_gaps(years, repository="python")["move_count"].sum() > 18_000
