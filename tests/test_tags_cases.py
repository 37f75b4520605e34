"""Where tags point and what they are built from, in every case: two repositories whose rows are computed by hand."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from made import REPOSITORY, commit, config, day, defined, definition, digest, image, index, seen

from imglab import queries
from imglab.journal import Journal
from imglab.records import DocumentVersion, IndexEntry, Manifest, Record
from imglab.store import Store

HOUR = timedelta(hours=1)
MIRROR = "mirror.test/team/app"
SIGNATURE = f"sha256-{'a1'.ljust(64, '0')}.sig"
TAGS = ["referrers", "reborn tag", "several sources", "shared image", "single image", "two names"]


def mirrored(tag: str, name: str, number: int) -> Record:
    return dataclasses.replace(seen(tag, name, day(number)), repository=MIRROR)


def windows(parent: str, *children: tuple[str, str]) -> list[Record]:
    """The entries of an index for builds of Windows, behind its first two."""
    return [
        IndexEntry(digest(parent), at, digest(name), os="windows", architecture="amd64", os_version=version)
        for at, (name, version) in enumerate(children, 2)
    ]


@pytest.fixture
def pointed(tmp_path: Path) -> Store:
    """
    What a registry saw (h: an hour), with the days on which it looked:

        latest  e1 day 1 · gone 3 · e1 5 · e2 7 · e3 9, 12      slim   e1 day 2 · e2 7 + 1 h · e3 9 + 12 h, 12
        back    a1 day 2 · gone 4 · a2 8, 12                    1.0    a1 day 3 · gone 8
        paged   b1 day 6 · b2 10                                old    a1 day 1 · gone 6

    A page tells of latest at e1 on day 2 and, wrongly, on day 8, and first of paged at b1, on day 3. A history that
    was read on day 11 dates the last move of slim to day 9. The signature of a1 moved on day 6; a mirror has latest at
    e2 on day 1, at e1 on day 4. Index e1 is for amd64 (a1), e2 for arm64 too (b1), e3 for two builds of Windows too.
    """
    looks: dict[str, list[tuple[str | None, timedelta | int]]] = {
        "latest": [("e1", 1), (None, 3), ("e1", 5), ("e2", 7), ("e3", 9), ("e3", 12)],
        "slim": [("e1", 2), ("e2", 6 * 24 * HOUR + HOUR), ("e3", 8 * 24 * HOUR + 12 * HOUR), ("e3", 12)],
        "back": [("a1", 2), (None, 4), ("a2", 8), ("a2", 12)],
        "1.0": [("a1", 3), (None, 8)],
        "paged": [("b1", 6), ("b2", 10)],
        "old": [("a1", 1), (None, 6)],
        SIGNATURE: [("f2", 1), ("f3", 6)],
    }
    told = [
        seen(tag, name, day(at) if isinstance(at, int) else day(1) + at, is_absent=name is None)
        for tag, found in looks.items()
        for name, at in found
    ]
    contents = [
        *index("e1", [("a1", "linux/amd64"), ("f1", None)]),
        *index("e2", [("a2", "linux/amd64"), ("b1", "linux/arm64")]),
        *index("e3", [("a2", "linux/amd64"), ("f1", None)]),
        *windows("e3", ("c1", "10.0.17763.1"), ("c2", "10.0.20348.1")),
        *(row for name in ("a1", "a2") for row in (*image(name, [3]), *config(name, []))),
        *(row for name in ("b1", "b2") for row in (*image(name, [3]), *config(name, [], platform="linux/arm64"))),
        Manifest(digest("f1"), None, "attestation", layer_count=1, compressed_bytes=9),
        Manifest(digest("f2"), None, "artifact", subject_digest=digest("a1")),
    ]
    commit(tmp_path, day(40), [*told, *contents, mirrored("latest", "e2", 1), mirrored("latest", "e1", 4)])
    pages = [("latest", "e1", 2), ("paged", "b1", 3), ("latest", "e1", 8)]
    versions = [seen(tag, name, day(at), document="app.md", document_revision=f"r{at}") for tag, name, at in pages]
    commit(tmp_path, day(41), versions, source="repo-info")
    dated = seen("slim", "e3", day(11), changed_at=day(9), time_precision="day", document="history.md")
    commit(tmp_path, day(42), [dated], source="tags-history")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("tag_history", *TAGS)
def test_tag_history(pointed: Store) -> None:
    """The move of slim lies within the day that the history tells; a page that lags says nothing new."""
    frame = queries.tag_history(pointed, repository=REPOSITORY)
    late, noon = day(7) + HOUR, day(9) + 12 * HOUR
    columns = ["tag", "digest", "valid_from_earliest", "valid_from", "valid_to", "last_observed_at"]
    assert frame.select(columns).rows() == [
        ("1.0", digest("a1"), None, day(3), day(8), day(3)),
        ("back", digest("a1"), None, day(2), day(4), day(2)),
        ("back", digest("a2"), day(4), day(8), None, day(12)),
        ("latest", digest("e1"), None, day(1), day(3), day(2)),
        ("latest", digest("e1"), day(3), day(5), day(7), day(5)),
        ("latest", digest("e2"), day(5), day(7), day(9), day(7)),
        ("latest", digest("e3"), day(7), day(9), None, day(12)),
        ("old", digest("a1"), None, day(1), day(6), day(1)),
        ("paged", digest("b1"), None, day(3), day(10), day(6)),
        ("paged", digest("b2"), day(6), day(10), None, day(10)),
        ("slim", digest("e1"), None, day(2), late, day(2)),
        ("slim", digest("e2"), day(2), late, noon, late),
        ("slim", digest("e3"), day(9), noon, None, day(12)),
    ]
    said = frame.select("tag", "source", "document", "document_revision").unique(maintain_order=True)
    assert said.filter(tag="paged").rows() == [
        ("paged", "repo-info", "app.md", "r3"),
        ("paged", "registry", None, None),
    ]
    assert said.filter(tag="latest").rows() == [("latest", "registry", None, None)]
    gone = queries.tag_history(pointed, repository=REPOSITORY, tag="latest", since=day(3), until=day(5))
    assert gone.is_empty()
    around = queries.tag_history(pointed, repository=REPOSITORY, tag="latest", since=day(2), until=day(6))
    assert around["valid_from"].to_list() == [day(1), day(5)]
    signed = queries.tag_history(pointed, repository=REPOSITORY, tag="sha256-*")
    assert signed.select("tag", "digest").rows() == [(SIGNATURE, digest("f2")), (SIGNATURE, digest("f3"))]


@pytest.mark.case("tag_churn", *TAGS)
def test_tag_churn(pointed: Store) -> None:
    """Back at another digest is a move, back at the same is none."""
    daily = queries.tag_churn(pointed, repository=REPOSITORY, period="day")
    assert daily.select("tag", "period_start", "moves").rows() == [
        ("back", day(8), 1),
        *(("latest", day(7), 1), ("latest", day(9), 1)),
        ("paged", day(10), 1),
        *(("slim", day(7), 1), ("slim", day(9), 1)),
    ]
    weekly = queries.tag_churn(pointed, repository=REPOSITORY, period="week", tag="*l*", since=day(7), until=day(9))
    assert weekly.rows() == [(REPOSITORY, "latest", day(5), 1), (REPOSITORY, "slim", day(5), 1)]
    assert queries.tag_churn(pointed, repository=MIRROR).rows() == [(MIRROR, "latest", day(1), 1)]
    assert queries.tag_churn(pointed, repository=REPOSITORY, tag=SIGNATURE)["moves"].to_list() == [1]


@pytest.mark.case("tag_lifetimes", *TAGS)
def test_tag_lifetimes(pointed: Store) -> None:
    """Of four tags that came after the first look one ended, at five days: three quarters live on."""
    frame = queries.tag_lifetimes(pointed, repository=REPOSITORY)
    columns = ["tag", "first_seen_at", "ended_at", "last_observed_at", "lifetime_days", "return_count"]
    assert frame.select(*columns, "is_from_first_look").rows() == [
        ("1.0", day(3), day(8), day(8), 5, 0, False),
        ("back", day(2), None, day(12), 10, 1, False),
        ("latest", day(1), None, day(12), 11, 1, True),
        ("old", day(1), day(6), day(6), 5, 0, True),
        ("paged", day(3), None, day(10), 7, 0, False),
        ("slim", day(2), None, day(12), 10, 0, False),
    ]
    shares = ["kind_at_risk_count", "kind_ended_count", "kind_surviving_share", "at_risk_count", "ended_count"]
    assert frame.select("tag", *shares, "surviving_share").rows() == [
        ("1.0", 1, 1, 0.0, 4, 1, 0.75),
        ("back", 2, 0, 1.0, 2, 0, 0.75),
        ("latest", *[None] * 6),
        ("old", *[None] * 6),
        ("paged", 3, 0, 1.0, 3, 0, 0.75),
        ("slim", 2, 0, 1.0, 2, 0, 0.75),
    ]
    everywhere = queries.tag_lifetimes(pointed, tag="l*")
    assert everywhere.select("repository", "lifetime_days").rows() == [(MIRROR, 3), (REPOSITORY, 11)]
    assert frame["basis"].unique().to_list() == ["digest"]


@pytest.mark.case("digest_lifetimes", *TAGS)
def test_digest_lifetimes(pointed: Store) -> None:
    """Of seven digests whose start is known three are replaced, all at two days, when six are still followed."""
    frame = queries.digest_lifetimes(pointed, repository=REPOSITORY)
    late, noon = day(7) + HOUR, day(9) + 12 * HOUR
    columns = ["tag", "digest", "valid_from", "followed_to", "is_start_known", "is_replaced", "lifetime_days"]
    assert frame.select(columns).rows() == [
        ("1.0", digest("a1"), day(3), day(3), False, False, 0),
        ("back", digest("a1"), day(2), day(2), False, False, 0),
        ("back", digest("a2"), day(8), day(12), True, False, 4),
        ("latest", digest("e1"), day(1), day(2), False, False, 1),
        ("latest", digest("e1"), day(5), day(7), True, True, 2),
        ("latest", digest("e2"), day(7), day(9), True, True, 2),
        ("latest", digest("e3"), day(9), day(12), True, False, 3),
        ("old", digest("a1"), day(1), day(1), False, False, 0),
        ("paged", digest("b1"), day(3), day(10), False, True, 7),
        ("paged", digest("b2"), day(10), day(10), True, False, 0),
        ("slim", digest("e1"), day(2), late, False, True, 5),
        ("slim", digest("e2"), late, noon, True, True, 2),
        ("slim", digest("e3"), noon, day(12), True, False, 2),
    ]
    known = frame.filter("is_start_known")
    shares = ["at_risk_count", "replaced_count", "standing_share"]
    assert known.select("lifetime_days", *shares).unique().sort("lifetime_days").rows() == [
        (0, 7, 0, 1.0),
        (2, 6, 3, 0.5),
        (3, 2, 0, 0.5),
        (4, 1, 0, 0.5),
    ]
    assert known.select(*(f"kind_{name}" for name in shares)).rows() == known.select(shares).rows()  # all are names
    halves = known.select("tag", "tag_half_life_days", "kind_half_life_days", "half_life_days").unique().sort("tag")
    assert halves.rows() == [("back", None, 2, 2), ("latest", 2, 2, 2), ("paged", None, 2, 2), ("slim", 2, 2, 2)]
    unknown = [*shares, *(f"kind_{name}" for name in shares), "tag_half_life_days", "kind_half_life_days"]
    assert frame.filter(~frame["is_start_known"]).select(unknown).unique().rows() == [(None,) * 8]


@pytest.mark.case("aliases", *TAGS)
def test_aliases(pointed: Store) -> None:
    """Two that move within hours of each other are names of one thing; an end of both at once is no parting."""
    columns = ["alias_of", "tag_count", "tag", "digest", "first_seen_at", "together_from", "is_always", "move_count"]
    frame = queries.aliases(pointed, repository=REPOSITORY)
    assert frame.select(columns).rows() == [
        ("latest", 2, "latest", digest("e3"), day(1), day(1), True, 2),
        ("latest", 2, "slim", digest("e3"), day(2), day(2), True, 2),
        ("back", 1, "back", digest("a2"), day(2), day(2), True, 1),
        ("paged", 1, "paged", digest("b2"), day(3), day(3), True, 1),
    ]
    assert frame["at"].unique().to_list() == [day(12)]
    assert frame["last_observed_at"].to_list() == [day(12), day(12), day(12), day(10)]
    then = queries.aliases(pointed, repository=REPOSITORY, at=day(5) + HOUR)
    assert then.select("alias_of", "tag", "digest", "together_from", "move_count").rows() == [
        ("latest", "latest", digest("e1"), day(1), 0),
        ("latest", "slim", digest("e1"), day(2), 0),
        ("old", "old", digest("a1"), day(1), 0),
        ("old", "1.0", digest("a1"), day(3), 0),
        ("paged", "paged", digest("b1"), day(3), 0),
    ]
    assert queries.aliases(pointed, repository=REPOSITORY, tag="slim")["tag"].to_list() == ["latest", "slim"]


@pytest.mark.case("update_gaps", *TAGS)
def test_update_gaps(pointed: Store) -> None:
    """7 January 2026 is a Wednesday; two days are from two days on."""
    frame = queries.update_gaps(pointed, repository=REPOSITORY)
    assert frame.select("weekday", "hour", "gap_class", "move_count").rows() == [
        (3, 0, None, 1),  # latest
        (3, 1, None, 1),  # slim
        (4, 0, None, 1),  # back
        (5, 0, "2 to 4 days", 1),  # latest
        (5, 12, "2 to 4 days", 1),  # slim, at the hour that the registry saw it
        (6, 0, None, 1),  # paged
    ]
    assert frame["median_gap_days"].unique().to_list() == [2.229]  # of 2 days and of 2 days and 11 hours
    assert queries.update_gaps(pointed, repository=MIRROR).select("weekday", "gap_class").rows() == [(7, None)]


@pytest.mark.case("architecture_support", "attestations", "windows builds", *TAGS)
def test_architecture_support_by_digests(pointed: Store) -> None:
    """Two builds of Windows are one platform, an attestation and a signature none."""
    columns = ["platform", "valid_from", "valid_to", "last_observed_at"]
    counts = ["tag_count", "last_tag_count", "last_all_tag_count"]
    frame = queries.architecture_support(pointed, repository=REPOSITORY)
    assert frame.select(*columns, *counts).rows() == [
        ("linux/amd64", day(1), None, day(12), 5, 3, 4),
        ("linux/arm64", day(3), None, day(10), 3, 1, 4),
        ("windows/amd64", day(9), None, day(12), 2, 2, 4),
    ]
    latest = queries.architecture_support(pointed, repository=REPOSITORY, tag="latest")
    assert latest.select(*columns, *counts).rows() == [
        ("linux/amd64", day(1), day(3), day(2), 1, 1, 1),
        ("linux/amd64", day(5), None, day(12), 1, 1, 1),
        ("linux/arm64", day(7), day(9), day(7), 1, 1, 1),
        ("windows/amd64", day(9), None, day(12), 1, 1, 1),
    ]


@pytest.fixture
def built(tmp_path: Path) -> Store:
    """
    What documents define:

        latest  builds "both" day 1 to 5, then not named, "linux" since day 9
        slim    builds "both" since day 1

    "both" is a build for Linux on two architectures and one for each of two builds of Windows. Versions were read up to
    day 12. A README tells of latest otherwise since day 2, and another repository defines a tag of the same name.
    """
    one = definition("b07", directory="3.1", architectures=["amd64", "arm64v8"])
    both = [
        one,
        dataclasses.replace(one, position=2, directory="3.1/1809", architectures=["windows-amd64"], constraints="1809"),
        dataclasses.replace(one, position=3, directory="3.1/2022", architectures=["windows-amd64"], constraints="2022"),
    ]
    other = dataclasses.replace(defined("latest", "e7", day(1)), repository=MIRROR, document="mirror")
    versions = [
        DocumentVersion("library/app", f"{at}", day(at), REPOSITORY, form="stanzas", tags=[]) for at in (1, 5, 9, 12)
    ]
    told = [
        *(
            *both,
            definition("11", directory="3.2"),
            definition("e7", directory="other", architectures=["s390x"]),
            other,
        ),
        *(defined("latest", "b07", day(1)), defined("latest", None, day(5)), defined("latest", "11", day(9))),
        *(defined("slim", "b07", day(1)), *versions),
    ]
    commit(tmp_path, day(40), told, source="official-images")
    readme = {"document": "app/README.md"}
    said = [definition("ad", directory="readme", architectures=["s390x"]), defined("latest", "ad", day(2), **readme)]
    commit(tmp_path, day(41), [*said, defined("latest", None, day(10), **readme)], source="docs-readme")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("tag_sources", "reborn tag", "several sources")
def test_tag_sources(built: Store) -> None:
    """Of two documents the better one counts; what is not named for a time has no source in it."""
    frame = queries.tag_sources(built, repository=REPOSITORY)
    columns = ["tag", "valid_from", "valid_to", "last_observed_at", "is_main", "platforms", "git_commit", "directory"]
    linux, windows = "linux/amd64, linux/arm64", "windows/amd64"
    assert frame.select(columns).rows() == [
        ("latest", day(1), day(5), day(5), True, linux, "b07", "3.1"),
        ("latest", day(1), day(5), day(5), False, windows, "b07", "3.1/1809"),
        ("latest", day(1), day(5), day(5), False, windows, "b07", "3.1/2022"),
        ("latest", day(9), None, day(12), True, "linux/amd64", "11", "3.2"),
        ("slim", day(1), None, day(12), True, linux, "b07", "3.1"),
        ("slim", day(1), None, day(12), False, windows, "b07", "3.1/1809"),
        ("slim", day(1), None, day(12), False, windows, "b07", "3.1/2022"),
    ]
    assert frame["source"].unique().to_list() == ["official-images"]
    assert frame["document_revision"].to_list() == ["01"] * 3 + ["09"] + ["01"] * 3
    assert queries.tag_sources(built, repository=REPOSITORY, tag="latest", at=day(5)).is_empty()
    between = queries.tag_sources(built, repository=REPOSITORY, tag="latest", since=day(5), until=day(10))
    assert between["directory"].to_list() == ["3.2"]
    assert queries.tag_sources(built, repository=MIRROR)["directory"].to_list() == ["other"]


@pytest.mark.case("architecture_support", "reborn tag", "several sources")
def test_architecture_support_by_definitions(built: Store) -> None:
    """A platform is supported while one tag is built for it; a README that a better document contradicts is silent."""
    columns = ["platform", "basis", "valid_from", "valid_to", "last_observed_at", "tag_count", "last_tag_count"]
    frame = queries.architecture_support(built, repository=REPOSITORY)
    assert frame.select(*columns, "last_all_tag_count").rows() == [
        ("linux/amd64", "definition", day(1), None, day(12), 2, 2, 2),
        ("linux/arm64", "definition", day(1), None, day(12), 2, 1, 2),
        ("windows/amd64", "definition", day(1), None, day(12), 2, 1, 2),
    ]
    latest = queries.architecture_support(built, repository=REPOSITORY, tag="latest")
    assert latest.select("platform", "valid_from", "valid_to", "last_observed_at").rows() == [
        ("linux/amd64", day(1), day(5), day(5)),
        ("linux/amd64", day(9), None, day(12)),
        ("linux/arm64", day(1), day(5), day(5)),
        ("windows/amd64", day(1), day(5), day(5)),
    ]
