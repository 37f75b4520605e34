"""The parts of a difference between two references: given records, expected rows and lines."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from built import Made, built
from made import REPOSITORY, commit, day, digest, index, seen

from imglab import diff as diffs
from imglab import evidence, queries
from imglab.data import open_sample
from imglab.diff import Section
from imglab.journal import Journal
from imglab.records import Config, Layer, Manifest, Package, Record, Sbom, TagObservation
from imglab.store import Store

ROOT = "ADD file:12ab34cd56ef in / "
NAME = f"{REPOSITORY}:latest"
DEBIAN = "docker.io/library/debian"
NAMES = ("platforms", "steps", "bases", "packages", "settings", "layers", "moves", "update_cost", "sources")
SPDX = "https://spdx.dev/Document"


def store_of(tmp_path: Path, records: Iterable[Record]) -> Store:
    """A store of one run."""
    commit(tmp_path, day(20), records)
    return Store.in_memory(Journal(tmp_path / "journal"))


def of_debian(name: str, at: Any) -> TagObservation:
    """A sighting of debian:12."""
    return dataclasses.replace(seen("12", name, at), repository=DEBIAN)


def followed() -> list[Record]:
    """
    A tag that moved on day 4 to other steps and on day 7 to another base; the base, debian:12, moved on day 6.

    Layers by their first digit: b1 is 1 (60 bytes), b2 is 5 (61); a1 is 1 and 2 (15), a2 is 1 and 3 (25), a3 is 5 and 4
    (25).
    """
    return [
        *(of_debian("b1", day(1)), of_debian("b2", day(6))),
        *(seen("latest", "a1", day(2)), seen("latest", "a2", day(4)), seen("latest", "a3", day(7))),
        *(*built("b1", [Made("1", 60, ROOT)]), *built("b2", [Made("5", 61, ROOT)])),
        *built("a1", [Made("1", 60, ROOT), Made("2", 15, "RUN make one")]),
        *built("a2", [Made("1", 60, ROOT), Made("3", 25, "RUN make two")]),
        *built("a3", [Made("5", 61, ROOT), Made("4", 25, "RUN make two")]),
    ]


def told(store: Store, first: str, second: str, **options: Any) -> dict[str, Section]:
    """The sections by name."""
    return {section.name: section for section in diffs.diff(store, first, second, **options)[1]}


def page(store: Store, first: str, second: str, *, width: int | None = None, **options: Any) -> str:
    """The page for a terminal."""
    return diffs.as_text(*diffs.diff(store, first, second, **options), width=width)


# --- bases -----------------------------------------------------------------------------------------------------------


def test_bases_are_named_with_what_they_bring(tmp_path: Path) -> None:
    """60 of 75 bytes and 61 of 86; the base moved on day 6, and the tag followed a day later."""
    found = told(store_of(tmp_path, followed()), f"{NAME}@2026-01-02", "now")["bases"]
    (row,) = found.frame.iter_rows(named=True)
    assert (row["platform"], row["change"], row["delta_bytes"]) == ("linux/amd64", "moved", 1)
    assert (row["from_manifest_digest"], row["to_manifest_digest"]) == (digest("a1"), digest("a3"))
    columns = ("evidence", "base_repository", "base_tag", "base_manifest_digest", "base_layer_count", "base_bytes")
    assert [row[f"from_{name}"] for name in columns] == ["layers", DEBIAN, "12", digest("b1"), 1, 60]
    assert [row[f"to_{name}"] for name in columns] == ["layers", DEBIAN, "12", digest("b2"), 1, 61]
    assert (row["from_base_share"], row["to_base_share"]) == (0.8, 61 / 86)
    assert (row["from_lag_days"], row["from_outdated_from"], row["from_outdated_days"]) == (None, day(6), 1)
    assert (row["to_base_moved_at"], row["to_lag_days"], row["to_outdated_days"]) == (day(6), 1, 0)


def test_bases_for_people(tmp_path: Path) -> None:
    """What was out of date only later was not then."""
    store = store_of(tmp_path, followed())
    bases = told(store, f"{NAME}@2026-01-02", "now")["bases"]
    assert bases.shown.rows() == [
        ("A", "debian:12 b10000000000", 60, 0.8, "layers", None, "no"),
        ("B", "debian:12 b20000000000", 61, 61 / 86, "layers", "24 h", "no"),
    ]
    assert bases.notes == ("The base is the same tag, which has moved: it brings +1 B of the difference of +11 B.",)
    outdated = told(store, f"{NAME}@2026-01-06T12:00:00Z", "now")["bases"]
    assert outdated.shown["outdated"].to_list() == ["2026-01-06", "no"]
    same = told(store, f"{NAME}@2026-01-02", f"{NAME}@2026-01-04")["bases"]
    assert same.notes == ("Both are built on the same base image.",)
    assert same.frame["change"].to_list() == ["same"]


def test_another_base_is_another_one(tmp_path: Path) -> None:
    """Where it had another name."""
    other = [dataclasses.replace(row, tag="13") if isinstance(row, TagObservation) else row for row in followed()[1:2]]
    found = told(store_of(tmp_path, [followed()[0], *other, *followed()[2:]]), f"{NAME}@2026-01-02", "now")["bases"]
    assert found.frame["change"].to_list() == ["other"]
    assert found.notes[0].startswith("The base is another one: ")


def test_of_digests_that_a_tag_had_bases_are_told(tmp_path: Path) -> None:
    """As for the tag, and which tag that was is said."""
    store = store_of(tmp_path, followed())
    first, second = (f"{REPOSITORY}@{digest(name)}" for name in ("a1", "a3"))
    found = told(store, first, second)["bases"]
    assert found.frame.equals(told(store, f"{NAME}@2026-01-02", "now")["bases"].frame)
    assert "\n  a digest that the tag latest had since 2026-01-02 UTC\n" in page(store, first, second)


def test_of_digests_without_a_tag_it_says_what_is_not_known(tmp_path: Path) -> None:
    """Neither an empty table nor a section about moves."""
    records = [*built("a1", [Made("1", 60, ROOT)]), *built("a2", [Made("2", 70, ROOT)])]
    store = store_of(tmp_path, records)
    found = told(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}")
    assert found["bases"].frame["change"].to_list() == [None]
    assert [found[name].shown.is_empty() for name in ("bases", "packages", "moves", "update_cost")] == [True] * 4
    text = page(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}")
    assert "a digest of no tag that is known" in text
    assert "\nBases of linux/amd64. Not known: bases are looked up by tag, and no tag is known that gave either" in text
    assert "Moves" not in text and "Following" not in text


# --- moves and their cost --------------------------------------------------------------------------------------------


def test_moves_between_two_times_of_a_tag(tmp_path: Path) -> None:
    """The one to the first side is not between them."""
    found = told(store_of(tmp_path, followed()), f"{NAME}@2026-01-02", "now")["moves"]
    assert found.title == f"Moves of {NAME} between the two, for linux/amd64"
    assert found.frame.select("moved_at", "kind", "from_digest", "to_digest").rows() == [
        (day(4), "content", digest("a1"), digest("a2")),
        (day(7), "base only", digest("a2"), digest("a3")),
    ]
    assert found.shown.rows() == [("content", 1, day(4), day(4)), ("base only", 1, day(7), day(7))]
    assert found.notes == ()


def test_following_every_move_costs_what_each_brings(tmp_path: Path) -> None:
    """25 bytes on day 4, then 61 and 25; at once it is 86, two layers."""
    found = told(store_of(tmp_path, followed()), f"{NAME}@2026-01-02", "now")
    assert found["update_cost"].frame.select("pulled_at", "pull_bytes", "pull_layer_count").rows() == [
        (day(4), 25, 1),
        (day(7), 86, 2),
    ]
    assert found["update_cost"].notes == ("2 pulls, 111 B in all.",)
    assert found["layers"].frame.select("fetched_count", "fetched_bytes").rows() == [(2, 86)]


def test_nobody_follows_a_tag_back(tmp_path: Path) -> None:
    """The moves are the same, seen from the later side; no host pulled anything."""
    store = store_of(tmp_path, followed())
    back, on = told(store, NAME, "@2026-01-02"), told(store, f"{NAME}@2026-01-02", NAME)
    assert back["moves"].frame.equals(on["moves"].frame)
    assert (back["update_cost"].frame.height, back["update_cost"].notes) == (0, ())


def test_two_tags_have_no_moves_between_them(tmp_path: Path) -> None:
    """Of one repository or of two; what they share is told."""
    found = told(store_of(tmp_path, followed()), "debian:12", NAME)
    assert [(found[name].frame.height, found[name].notes) for name in ("moves", "update_cost")] == [(0, ())] * 2
    assert found["layers"].frame.select("shared_count", "shared_bytes").rows() == [(1, 61)]
    assert found["bases"].shown.select("side", "base").rows() == [("A", "not known"), ("B", "debian:12 b20000000000")]


def test_moves_that_nobody_may_have_seen_are_named(tmp_path: Path) -> None:
    """Eight days without a look may have held more than one."""
    records = [
        *(seen("latest", "a1", day(1)), seen("latest", "a1", day(2)), seen("latest", "a2", day(10))),
        *(*built("a1", [Made("1", 60, ROOT)]), *built("a2", [Made("2", 70, ROOT)])),
    ]
    (note,) = told(store_of(tmp_path, records), f"{NAME}@2026-01-02", "now")["moves"].notes
    assert note.startswith("One move was seen a week or more after the look before")
    assert note.endswith("the longest such time is 2026-01-02 to 2026-01-10.")


def test_moves_for_other_platforms_are_told_as_such(tmp_path: Path) -> None:
    """The image that is compared stayed."""
    records = [
        *(seen("latest", "e1", day(1)), seen("latest", "e2", day(2)), seen("latest", "e3", day(3))),
        *index("e1", [("a1", "linux/amd64"), ("c1", "linux/arm64")]),
        *index("e2", [("a1", "linux/amd64"), ("c2", "linux/arm64")]),
        *index("e3", [("a2", "linux/amd64"), ("c2", "linux/arm64")]),
        *(*built("a1", [Made("1", 60, ROOT)]), *built("a2", [Made("2", 70, ROOT)])),
        *built("c1", [Made("3", 50, ROOT)], platform="linux/arm64"),
        *built("c2", [Made("4", 51, ROOT)], platform="linux/arm64"),
    ]
    found = told(store_of(tmp_path, records), f"{NAME}@2026-01-01", "now")
    assert found["moves"].shown.select("what changed", "moves").rows() == [("content", 1), ("for other platforms", 1)]
    assert found["update_cost"].notes == ("1 pull, 70 B in all.",)
    ratios = found["platforms"].shown.select("platform", "× amd64").rows()
    assert ratios == [("linux/amd64", "1.00 → 1.00"), ("linux/arm64", "0.83 → 0.73")]


def test_a_cost_of_other_images_is_no_cost_of_these(tmp_path: Path) -> None:
    """An index with two images for a platform: what is followed is the first, and the second has no figures."""
    records = [
        *(seen("latest", "e1", day(1)), seen("latest", "e2", day(2))),
        *index("e1", [("a1", "linux/arm64"), ("c1", "linux/arm64")]),
        *index("e2", [("a2", "linux/arm64"), ("c2", "linux/arm64")]),
        *(
            record
            for number, name in enumerate(("a1", "a2", "c1", "c2"), 1)
            for record in built(name, [Made(f"{number}", number * 10, ROOT)], platform="linux/arm64")
        ),
    ]
    found = told(store_of(tmp_path, records), f"{NAME}@2026-01-01", "now")["update_cost"]
    assert found.notes == ("linux/arm64: 1 pull, 20 B in all.", "linux/arm64: Not known.")
    assert found.frame["to_manifest_digest"].to_list() == [digest("a2")]


def test_a_tag_that_is_gone_is_told_with_the_day(tmp_path: Path) -> None:
    """Compared is what it was last."""
    store = store_of(tmp_path, [*followed(), seen("latest", None, day(9), is_absent=True)])
    text = page(store, f"{NAME}@2026-01-02", "now")
    assert "since 2026-01-07 UTC, last seen then, and gone since 2026-01-09" in text
    assert "since 2026-01-02 UTC, last seen then, until 2026-01-04" in text


# --- packages --------------------------------------------------------------------------------------------------------

Given = tuple[str, str, str, int | None]  # ecosystem, name, version, installed bytes


def listed(number: int, packages: Iterable[Given], tool: str = "a tool") -> list[Record]:
    """Index `e<n>` of image `a<n>`, with an attestation that holds the bill of materials `f<n>`."""
    rows = [
        Package(digest(f"f{number}"), at, name, ecosystem, version, installed_bytes=size)
        for at, (ecosystem, name, version, size) in enumerate(packages)
    ]
    return [
        *index(f"e{number}", [(f"a{number}", "linux/amd64"), (f"d{number}", None)]),
        *built(f"a{number}", [Made(f"{number}", number, ROOT)]),
        Manifest(digest(f"d{number}"), None, "attestation", layer_count=1),
        Layer(digest(f"d{number}"), 0, digest(f"f{number}"), "application/vnd.in-toto+json", 9, predicate_type=SPDX),
        Sbom(digest(f"f{number}"), 1, 9, "SPDX-2.3", "sbom", tools=[tool], package_count=len(rows)),
        *rows,
    ]


def moved(*parts: Iterable[Record]) -> list[Record]:
    """A tag that moved from `e1` to `e2`, and what these are."""
    return [seen("latest", "e1", day(1)), seen("latest", "e2", day(5)), *(record for part in parts for record in part)]


BEFORE: list[Given] = [("deb", "libc6", "2.36", 1000), ("deb", "gone", "1", 7), ("deb", "same", "1", 5)]
AFTER: list[Given] = [("deb", "libc6", "2.41", 3100), ("deb", "new", "3", 11), ("deb", "same", "1", 5)]


def test_packages_that_differ(tmp_path: Path) -> None:
    """What changed most first; how many there are is said."""
    store = store_of(tmp_path, moved(listed(1, BEFORE), listed(2, AFTER)))
    found = told(store, f"{NAME}@2026-01-02", "now")["packages"]
    assert found.shown.rows() == [
        ("deb libc6", "changed", "2.36", "2.41", 2100),
        ("deb new", "new", None, "3", 11),
        ("deb gone", "gone", "1", None, -7),
    ]
    assert found.notes == ("3 in all: 1 new, 1 gone, 1 of another version.",)
    assert found.frame.height == 3
    lines = (line.split() for line in page(store, f"{NAME}@2026-01-02", "now").splitlines())
    assert ["deb", "libc6", "changed", "2.36", "2.41", "+2.1", "kB"] in lines
    digests = [f"{REPOSITORY}@{digest(name)}" for name in ("e1", "a2")]
    assert told(store, *digests)["packages"].shown.equals(found.shown)


def test_of_many_packages_some_are_shown(tmp_path: Path) -> None:
    """All of them are in the frame; other tools may have found other things."""
    many = [("deb", f"p{number}", "1", None) for number in range(20)]
    store = store_of(tmp_path, moved(listed(1, []), listed(2, many, "another")))
    found = told(store, f"{NAME}@2026-01-02", "now")["packages"]
    assert (found.frame.height, found.shown.height) == (20, 12)
    assert found.shown.columns == ["package", "change", "before", "after"]
    assert found.notes == (
        "20 in all, of which 12 are shown: 20 new.",
        "Different tools made the lists (a tool; another), so that they may find different things.",
    )


def test_the_same_packages_are_no_table(tmp_path: Path) -> None:
    """Known not to differ is something else than not known."""
    store = store_of(tmp_path, moved(listed(1, BEFORE), listed(2, BEFORE)))
    assert told(store, f"{NAME}@2026-01-02", "now")["packages"].notes == ("None: both lists name the same packages.",)


@pytest.mark.parametrize(("without", "which"), [((1,), "A"), ((2,), "B"), ((1, 2), "either")])
def test_a_missing_list_of_packages_is_said(tmp_path: Path, without: tuple[int, ...], which: str) -> None:
    """Of which side there is none."""
    parts = [
        [row for row in listed(number, BEFORE) if number not in without or not isinstance(row, (Sbom, Package))]
        for number in (1, 2)
    ]
    found = told(store_of(tmp_path, moved(*parts)), f"{NAME}@2026-01-02", "now")["packages"]
    assert found.notes[0].startswith(f"No bill of materials of {which} is known")
    assert found.shown.is_empty() and found.frame.is_empty()


# --- the page --------------------------------------------------------------------------------------------------------


def test_of_many_steps_the_largest_are_shown(tmp_path: Path) -> None:
    """In the order of the build; the others are one line."""
    before = [Made("1", 100, ROOT)]
    steps = [Made(f"2{at:x}", 1 + at, f"RUN make step{at:02}") for at in range(14)]
    store = store_of(tmp_path, [*built("a1", before), *built("a2", [*before, *steps])])
    found = told(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}")["steps"]
    assert found.shown["difference"].to_list() == list(range(3, 15))
    assert found.notes[:2] == (
        "Together +105 bytes: 100 became 205.",
        "2 more steps, each with less of a difference: +3 B together.",
    )
    assert found.frame.height == 15


def test_every_section_has_the_rows_that_are_documented(tmp_path: Path) -> None:
    """By name, in this order; each column is in the function's docstring or in that of the question it names."""
    store = store_of(tmp_path, [*followed(), *listed(7, BEFORE), *listed(8, AFTER)])
    page = json.loads(diffs.as_json(*diffs.diff(store, f"{NAME}@2026-01-02", "now")))
    assert tuple(page["sections"]) == NAMES == tuple(function.__name__ for function in diffs.SECTIONS)
    assert {frozenset(section) for section in page["sections"].values()} == {frozenset({"rows", "notes"})}
    for function in diffs.SECTIONS:
        words = inspect.getdoc(function) or ""
        for question in re.findall(r"`queries\.(\w+)`", words):
            words += inspect.getdoc(getattr(queries, question)) or ""
        words += (inspect.getdoc(evidence.evidence) or "") if "`evidence`" in words else ""
        known = set(re.findall(r"\w+", words))
        columns = {name for row in page["sections"][function.__name__]["rows"] for name in row}
        unknown = {name for name in columns if name not in known and re.sub("^(from|to)_", "", name) not in known}
        assert unknown == set(), function.__name__


def test_json_has_every_section_also_where_nothing_is_known(tmp_path: Path) -> None:
    """So that programs need not ask whether it is there."""
    store = store_of(tmp_path, [seen("latest", "e1", day(1)), seen("other", "e2", day(1))])
    found = json.loads(diffs.as_json(*diffs.diff(store, NAME, f"{REPOSITORY}:other")))
    assert tuple(found["sections"]) == NAMES
    assert {name: len(section["rows"]) for name, section in found["sections"].items() if section["rows"]} == {
        "sources": 2
    }


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_page_is_no_wider_than_the_terminal(width: int) -> None:
    """Nor longer than a page, and without anything of what is in wider ones left out."""
    with open_sample() as store:
        found = diffs.diff(store, "python:latest@2019-10-17", "now")
        text, whole = diffs.as_text(*found, width=width), diffs.as_text(*found)
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) <= 80
    assert sorted(text.split()) == sorted(whole.split())


def test_markdown_takes_nothing_from_a_registry_for_markup(tmp_path: Path) -> None:
    """Pipes, backticks, tags, links and what would tell somebody on GitHub stay text of one cell."""
    hostile = "a|b `c` <img src=x> [x](y) *z* ~~k~~ &amp; @octocat #1\n| new | row |"
    before, after = (
        [dataclasses.replace(row, labels=[f"note={text}"]) if isinstance(row, Config) else row for row in rows]
        for rows, text in ((built("a1", [Made("1", 5, ROOT)]), "x"), (built("a2", [Made("1", 5, ROOT)]), hostile))
    )
    store = store_of(tmp_path, [*before, *after])
    found = diffs.diff(store, f"{REPOSITORY}@{digest('a1')}", f"{REPOSITORY}@{digest('a2')}")
    (line,) = (line for line in diffs.as_markdown(*found).splitlines() if line.startswith("| label note"))
    assert len(re.findall(r"(?<!\\)\|", line)) == 5
    assert r"a\|b \`c\` \<img src=x\> \[x\](y) \*z\* \~\~k\~\~ \&amp; @<!-- -->octocat" in line


def test_one_image_twice_is_short(tmp_path: Path) -> None:
    """Its sizes, its base and who says so."""
    text = page(store_of(tmp_path, followed()), NAME, "now")
    titles = [line for line in text.splitlines() if line[:1].isupper() and line[1:2] not in (" ", ",")]
    assert titles == [
        "Both are the same digest.",
        "Platforms (compressed)",
        "Bases of linux/amd64",
        "Where these numbers come from",
    ]
    assert "both debian:12 b20000000000 61 B 70.9 % layers" in " ".join(text.split())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (-1_040_612, "-1.0 MB"),
        (5_435_372_570, "5.44 GB"),
    ],
)
def test_sizes_are_decimal(value: int, words: str) -> None:
    """As registries' pages have them."""
    assert diffs.words.size(value) == words
