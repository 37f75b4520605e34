"""What moves of tags changed, on which days they came, and how long digests stay: given rows, expected rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from made import REPOSITORY, commit, day, digest, index, seen

import imglab
from imglab import charts, imports, queries
from imglab.journal import Journal
from imglab.records import Config, History, Layer, Listing, Manifest, Record
from imglab.steps import instruction, step_label, text_digest
from imglab.store import Store

HOUR = timedelta(hours=1)
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
HEX = "ab12" * 16

Step = tuple[str | None, str | None, int | None]  # its text, and the content and size of its layer if it made one

ROOT: Step = (f"ADD file:{HEX} in / ", "1", 50)
NEW_ROOT: Step = (f"ADD file:{HEX[::-1]} in / ", "2", 51)
VERSION: Step = ("ENV VERSION=1.2", None, None)
INSTALL: Step = ("RUN make install", "3", 20)
INSTALLED_AGAIN: Step = ("RUN make install", "4", 21)


def of_steps(
    name: str,
    *steps: Step,
    platform: str = "linux/amd64",
    os_version: str | None = None,
    foreign: int = 0,
    below: Iterable[tuple[str, int]] = (),
    config_name: str | None = None,
    diff_ids: list[str] | None = None,
) -> list[Record]:
    """
    The image *name* with a layer for each step that made one, on layers *below* whose steps nobody tells.

    The first *foreign* layers are kept elsewhere.
    """
    config_digest = digest(config_name or "c" + name)
    layers = [*below, *((content, size) for _, content, size in steps if content)]
    sizes = [size for _, size in layers if size is not None]
    operating_system, architecture, *variant = platform.split("/")
    return [
        Manifest(
            digest(name),
            IMAGE_TYPE,
            "image",
            config_digest,
            layer_count=len(layers),
            compressed_bytes=sum(sizes) if len(sizes) == len(layers) else None,
        ),
        *(
            Layer(digest(name), at, digest("d" + content), None, size, is_foreign=at < foreign)
            for at, (content, size) in enumerate(layers)
        ),
        Config(config_digest, operating_system, architecture, *variant, os_version=os_version, diff_ids=diff_ids),
        *(
            History(
                *(config_digest, at, None, text, None, None, content is None),
                instruction(text) if text else "RUN",
                step_label(text) if text else "RUN something",
            )
            for at, (text, content, _) in enumerate(steps)
        ),
    ]


def unsized(name: str, platform: str = "linux/amd64") -> list[Record]:
    """The image *name* of which nothing but the sum of its layers is known."""
    operating_system, architecture = platform.split("/")
    return [Manifest(digest(name), IMAGE_TYPE, "image", None, None, None, None, 70, operating_system, architecture)]


def store_of(tmp_path: Path, *runs: Iterable[Record], source: str = "registry") -> Store:
    """A store of runs on days 20, 21, …"""
    for number, records in enumerate(runs):
        commit(tmp_path, day(20 + number), records, source=source)
    return Store.in_memory(Journal(tmp_path / "journal"))


def only_move(tmp_path: Path, before: list[Record], after: list[Record]) -> tuple[str, int | None]:
    """Kind and pulled bytes of the one move from the image a1 to the image a2."""
    store = store_of(tmp_path, [*before, *after, seen("latest", "a1", day(1)), seen("latest", "a2", day(2))])
    (row,) = queries.moves(store, repository=REPOSITORY).select("kind", "pulled_bytes").rows()
    return row


# --- moves: the kinds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "kind", "pulled_bytes"),
    [
        ([ROOT, VERSION, INSTALL], [NEW_ROOT, VERSION, INSTALLED_AGAIN], "base only", 72),
        ([ROOT, VERSION, INSTALL], [NEW_ROOT, VERSION, INSTALL], "base only", 51),
        ([ROOT, VERSION, INSTALL], [ROOT, VERSION, INSTALLED_AGAIN], "rebuild only", 21),
        ([ROOT, VERSION, INSTALL], [ROOT, VERSION, INSTALL], "metadata only", 0),
        ([ROOT, VERSION, INSTALL], [ROOT, ("ENV VERSION=1.3", None, None), INSTALLED_AGAIN], "content", 21),
        ([ROOT, VERSION, INSTALL], [NEW_ROOT, INSTALL], "content", 51),
        ([ROOT, VERSION], [NEW_ROOT, VERSION], "content", 51),
        ([INSTALL], [INSTALLED_AGAIN], "rebuild only", 21),
        ([("apko", "5", 30)], [("apko", "6", 31)], "content", 31),
        (
            [ROOT, ("/bin/sh -c apk add \\ git", "5", 9)],
            [NEW_ROOT, ("RUN /bin/sh -c apk add git # buildkit", "6", 9)],
            "base only",
            60,
        ),
        (
            [ROOT, (f"COPY file:{HEX} in /app", "5", 9), INSTALL],
            [NEW_ROOT, (f"COPY file:{HEX} in /app", "6", 9), INSTALL],
            "base only",
            60,
        ),
        (
            [ROOT, (f"COPY file:{HEX} in /app", "5", 9), INSTALL],
            [ROOT, (f"COPY file:{HEX[::-1]} in /app", "6", 9), INSTALL],
            "content",
            9,
        ),
        (
            [ROOT, ("COPY app /app # buildkit", "5", 9), INSTALL],
            [NEW_ROOT, ("COPY app /app # buildkit", "6", 9), INSTALL],
            "content",
            60,
        ),
        (
            [ROOT, ("COPY app /app # buildkit", "5", 9), INSTALL],
            [NEW_ROOT, ("COPY app /app # buildkit", "5", 9), INSTALL],
            "base only",
            51,
        ),
        ([ROOT, (None, "5", 9)], [NEW_ROOT, (None, "6", 9)], "unknown", 60),
        ([ROOT, (None, "5", 9)], [NEW_ROOT, (None, "6", 9), (None, "7", 1)], "content", 61),
        ([ROOT, (None, "5", 9)], [ROOT, (None, "5", 9)], "metadata only", 0),
        ([ROOT, INSTALL], [NEW_ROOT, ("RUN make install", "6", None)], "base only", None),
        ([ROOT, INSTALL], [NEW_ROOT, ("RUN make install", "6", 7), ("RUN true", "6", 7)], "content", 58),
    ],
)
def test_layers_and_steps_tell_what_a_move_changed(
    tmp_path: Path, before: list[Step], after: list[Step], kind: str, pulled_bytes: int | None
) -> None:
    """Only what can be told from texts and digests; a layer that is there twice is pulled once."""
    assert only_move(tmp_path, of_steps("a1", *before), of_steps("a2", *after)) == (kind, pulled_bytes)


def without_texts(records: list[Record]) -> list[Record]:
    """*records* with the digest of the text of each RUN and ENV in its place."""
    return [
        dataclasses.replace(record, created_by=None, text_digest=text_digest(record.created_by))
        if isinstance(record, History) and record.created_by and record.instruction in ("RUN", "ENV")
        else record
        for record in records
    ]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ([ROOT, VERSION, INSTALL], [NEW_ROOT, VERSION, INSTALLED_AGAIN], "base only"),
        ([ROOT, VERSION, INSTALL], [ROOT, VERSION, INSTALLED_AGAIN], "rebuild only"),
        ([ROOT, VERSION, INSTALL], [ROOT, ("ENV VERSION=1.3", None, None), INSTALLED_AGAIN], "content"),
        ([ROOT, INSTALL], [NEW_ROOT, ("/bin/sh -c make  install", "6", 9)], "base only"),
        ([ROOT, INSTALL], [NEW_ROOT, (None, "6", 9)], "content"),
        ([ROOT, (None, "3", 9)], [NEW_ROOT, (None, "6", 9)], "unknown"),
    ],
)
def test_digests_of_texts_tell_as_much_as_texts(
    tmp_path: Path, before: list[Step], after: list[Step], kind: str
) -> None:
    """Where a source left the texts out and kept what tells one from another; mixed with texts, too."""
    digested = without_texts(of_steps("a2", *after))
    assert only_move(tmp_path / "1", without_texts(of_steps("a1", *before)), digested)[0] == kind
    assert only_move(tmp_path / "2", of_steps("a1", *before), digested)[0] == kind


WINDOWS: list[Step] = [("Apply image 10.0.1", "1", 900), ("Install update 10.0.1.5", "2", 90)]
UPDATED: list[Step] = [("Apply image 10.0.1", "1", 900), ("Install update 10.0.1.6", "3", 91)]


@pytest.mark.parametrize(
    ("before", "after", "foreign", "kind"),
    [
        ([*WINDOWS, INSTALL], [*UPDATED, INSTALLED_AGAIN], 2, "base only"),
        ([*WINDOWS, INSTALL], [*UPDATED, INSTALLED_AGAIN], 0, "base only"),
        ([*WINDOWS, INSTALL], [*WINDOWS, INSTALLED_AGAIN], 2, "rebuild only"),
        (WINDOWS, UPDATED, 2, "content"),
    ],
)
def test_the_base_of_windows_has_two_layers(
    tmp_path: Path, before: list[Step], after: list[Step], foreign: int, kind: str
) -> None:
    """The image and its monthly update; told by their steps or by where they are kept."""
    images = [of_steps(name, *steps, foreign=foreign) for name, steps in (("a1", before), ("a2", after))]
    assert only_move(tmp_path, *images)[0] == kind


def test_foreign_layers_are_the_base_without_steps_of_their_own(tmp_path: Path) -> None:
    """Pages of 2016 tell the steps of Windows images from the first one above the base."""
    images = [
        of_steps("a1", INSTALL, below=[("1", 900), ("2", 90)], foreign=2),
        of_steps("a2", INSTALLED_AGAIN, below=[("1", 900), ("9", 91)], foreign=2),
    ]
    assert only_move(tmp_path, *images) == ("base only", 112)


def test_which_step_copied_must_be_known(tmp_path: Path) -> None:
    """Steps that do not fit the layers, and one of them a COPY that does not tell what it copied."""
    copied: Step = ("COPY app /app # buildkit", "7", 5)
    images = [
        of_steps("a1", copied, INSTALL, below=[("1", 900)], foreign=1),
        of_steps("a2", copied, INSTALLED_AGAIN, below=[("1", 900)], foreign=1),
    ]
    assert only_move(tmp_path, *images) == ("unknown", 21)


def test_packed_otherwise_is_metadata(tmp_path: Path) -> None:
    """Equal diff ids are equal contents, whatever the digests of the compressed layers; so is the same config."""
    diff_ids = [digest("f1"), digest("f2")]
    images = [
        of_steps("a1", ROOT, INSTALL, diff_ids=diff_ids),
        of_steps("a2", (ROOT[0], "8", 40), ("RUN make install", "9", 18), diff_ids=diff_ids),
    ]
    assert only_move(tmp_path, *images) == ("metadata only", 58)


def test_the_same_config_is_the_same_image(tmp_path: Path) -> None:
    """Another manifest of it packs it otherwise."""
    images = [
        of_steps("a1", ROOT, INSTALL, config_name="cc"),
        of_steps("a2", (ROOT[0], "8", 40), INSTALLED_AGAIN, config_name="cc")[:3],  # manifest and layers
    ]
    assert only_move(tmp_path, *images)[0] == "metadata only"


def test_contents_that_no_source_told_are_unknown(tmp_path: Path) -> None:
    """Sizes alone are no content, and a digest alone is nothing."""
    sized = store_of(
        tmp_path / "sized", [*unsized("a1"), *unsized("a2"), seen("a", "a1", day(1)), seen("a", "a2", day(2))]
    )
    columns = ["kind", "image_count", "unknown_count", "from_bytes", "to_bytes", "delta_bytes", "pulled_bytes"]
    assert queries.moves(sized, repository=REPOSITORY).select(columns).rows() == [("unknown", 1, 1, 70, 70, 0, None)]
    bare = store_of(tmp_path / "bare", [seen("a", "a1", day(1)), seen("a", "a2", day(2))])
    nothing = [("unknown", None, None, None, None, None, None)]
    assert queries.moves(bare, repository=REPOSITORY).select(columns).rows() == nothing
    assert queries.moves(bare, repository=REPOSITORY, platform="linux/amd64").select(columns).rows() == nothing


# --- moves: of indexes and of platforms ------------------------------------------------------------------------------


@pytest.fixture
def several(tmp_path: Path) -> Store:
    """An index that moves seven times; amd64 at two of them."""
    amd64, arm64 = "linux/amd64", "linux/arm64"
    arm: dict[str, str] = {"platform": arm64}
    stands: dict[str, list[tuple[str, str | None]]] = {
        "e1": [("a1", amd64), ("b1", arm64)],
        "e2": [("a1", amd64), ("b2", arm64)],
        "e3": [("a2", amd64), ("b3", arm64)],
        "e4": [("a2", amd64), ("b3", arm64), ("5390", "linux/s390x")],
        "e5": [("a2", amd64), ("b3", arm64), ("5390", "linux/s390x"), ("f1", None)],
        "e6": [("5390", "linux/s390x"), ("b3", arm64), ("a2", amd64), ("f1", None)],
        "e7": [("a2", amd64), ("b3", arm64)],
        "e8": [("a4", amd64), ("b3", arm64), ("5391", "linux/s390x")],
    }
    records: list[Record] = [
        *of_steps("a1", ROOT, INSTALL),
        *of_steps("a2", NEW_ROOT, INSTALL),
        *of_steps("a4", NEW_ROOT, VERSION, INSTALLED_AGAIN),
        *of_steps("b1", ROOT, INSTALL, **arm),  # type: ignore[arg-type]
        *of_steps("b2", ROOT, INSTALLED_AGAIN, **arm),  # type: ignore[arg-type]
        *of_steps("b3", NEW_ROOT, INSTALLED_AGAIN, **arm),  # type: ignore[arg-type]
        *of_steps("5390", ROOT, platform="linux/s390x"),
        Manifest(digest("f1"), IMAGE_TYPE, "attestation", layer_count=1, compressed_bytes=3),
    ]
    for at, (name, children) in enumerate(stands.items(), 1):
        records += [*index(name, children), seen("latest", name, day(at))]
    return store_of(tmp_path, records)


def test_a_move_is_what_most_matters_of_its_images(several: Store) -> None:
    """Counts tell how many images changed in which way; sizes are those of all images."""
    frame = queries.moves(several, repository=REPOSITORY, tag="latest")
    columns = ["kind", "changed_platforms", "image_count", "unchanged_count", "from_bytes", "to_bytes", "pulled_bytes"]
    assert frame.select(columns).rows() == [
        ("rebuild only", "linux/arm64", 2, 1, 140, 141, 21),
        ("base only", "linux/amd64, linux/arm64", 2, 0, 141, 143, 102),
        ("platform set", "linux/s390x", 3, 2, 143, 193, 50),
        ("attestations only", None, 3, 3, 193, 193, 0),
        ("metadata only", None, 3, 3, 193, 193, 0),
        ("platform set", "linux/s390x", 3, 2, 193, 143, 0),
        ("content", "linux/amd64, linux/s390x", 3, 1, 143, None, None),
    ]
    counts = ["content_count", "base_count", "rebuild_count", "metadata_count", "came_count", "went_count"]
    assert frame.select(counts).rows() == [
        (0, 0, 1, 0, 0, 0),
        (0, 2, 0, 0, 0, 0),
        (0, 0, 0, 0, 1, 0),
        (0, 0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0, 1),
        (1, 0, 0, 0, 1, 0),
    ]
    assert frame["delta_bytes"].to_list() == [1, 2, 50, 0, 0, -50, None]
    assert frame["moved_at"].to_list() == [day(at) for at in range(2, 9)]
    assert frame["moved_at_earliest"].to_list() == [day(at) for at in range(1, 8)]
    assert frame.select("from_digest", "to_digest").row(0) == (digest("e1"), digest("e2"))


def test_an_index_moves_while_a_platform_does_not(several: Store) -> None:
    """With a platform each move is judged by it alone; those that have it on neither side are no rows."""
    kinds = ["moved_at", "kind", "image_count"]
    amd64 = queries.moves(several, repository=REPOSITORY, platform="linux/amd64")
    assert amd64["kind"].to_list() == ["unchanged", "base only", *["unchanged"] * 4, "content"]
    assert amd64["platform"].unique().to_list() == ["linux/amd64"]
    s390x = queries.moves(several, repository=REPOSITORY, platform="linux/s390x").select(kinds)
    assert s390x.rows() == [
        (day(4), "platform set", 1),
        (day(5), "unchanged", 1),
        (day(6), "unchanged", 1),
        (day(7), "platform set", 1),
        (day(8), "platform set", 1),
    ]
    assert queries.moves(several, repository=REPOSITORY, platform="linux/386").is_empty()


def test_times_limit_moves_and_not_what_they_came_from(several: Store) -> None:
    """Since is included, until is not; globs choose tags."""
    frame = queries.moves(several, repository=REPOSITORY, since=day(3), until=day(5))
    assert frame["kind"].to_list() == ["base only", "platform set"]
    assert queries.moves(several, repository=REPOSITORY, tag="lat*").height == 7
    assert queries.moves(several, repository=REPOSITORY, tag="x*").is_empty()


def test_windows_builds_are_told_apart_and_a_lone_one_is_followed(tmp_path: Path) -> None:
    """Of two builds each is compared with itself; where each side has one other, it is that, whatever its build."""
    builds = {"a1": "10.0.1.5", "a2": "10.0.1.5", "b1": "10.0.2.7", "c1": "10.0.3.1"}
    last: dict[str, Step] = {"a1": INSTALL, "a2": ("RUN other", "4", 21), "b1": INSTALL, "c1": INSTALLED_AGAIN}
    records: list[Record] = []
    for name, os_version in builds.items():
        below = UPDATED if name == "c1" else WINDOWS
        records += of_steps(name, *below, last[name], platform="windows/amd64", os_version=os_version)
    for name, children in {"e1": ["a1", "b1"], "e2": ["b1", "a2"], "e3": ["a2", "c1"]}.items():
        entries = index(name, [(child, "windows/amd64") for child in children])
        records.append(entries[0])
        records += [
            dataclasses.replace(entry, os_version=builds[child])  # type: ignore[call-arg]
            for entry, child in zip(entries[1:], children, strict=True)
        ]
    records += [seen("both", name, day(at)) for at, name in enumerate(("e1", "e2", "e3"), 1)]
    records += [seen("one", name, day(at)) for at, name in enumerate(("b1", "c1"), 1)]
    store = store_of(tmp_path, records)
    columns = ["tag", "kind", "changed_platforms", "image_count", "unchanged_count", "came_count", "went_count"]
    assert queries.moves(store, repository=REPOSITORY).select(columns).rows() == [
        ("both", "content", "windows/amd64 10.0.1", 2, 1, 0, 0),
        ("both", "base only", "windows/amd64 10.0.3", 2, 1, 0, 0),
        ("one", "base only", "windows/amd64 10.0.3", 1, 0, 0, 0),
    ]
    by_build = queries.moves(store, repository=REPOSITORY, tag="both", platform="windows/amd64 10.0.2")
    assert by_build["kind"].to_list() == ["unchanged", "base only"]


def test_an_image_of_unknown_platform_is_compared_with_the_only_other(tmp_path: Path) -> None:
    """Old pages name no platform."""
    nameless = [
        dataclasses.replace(record, os=None, architecture=None) if isinstance(record, Config) else record
        for record in of_steps("a1", ROOT, INSTALL)
    ]
    assert only_move(tmp_path, nameless, of_steps("a2", NEW_ROOT, INSTALL)) == ("base only", 51)


def test_moves_are_those_that_churn_counts(tmp_path: Path) -> None:
    """Deleted and reborn elsewhere is a move, reborn as it was none; sources that overlap tell one move once."""
    told = [
        *of_steps("a1", ROOT, INSTALL),
        *of_steps("a2", NEW_ROOT, INSTALL),
        *(seen("latest", "a1", day(1)), seen("latest", None, day(3), is_absent=True), seen("latest", "a2", day(5))),
        *(seen("same", "a1", day(1)), seen("same", None, day(3), is_absent=True), seen("same", "a1", day(5))),
        *(seen("slim", "a1", day(1)), seen("slim", "a2", day(5))),
    ]
    pages = [seen("slim", "a1", day(2), document="slim.md"), seen("slim", "a2", day(5) + HOUR, document="slim.md")]
    commit(tmp_path, day(19), pages, source="repo-info")
    store = store_of(tmp_path, told)
    frame = queries.moves(store, repository=REPOSITORY)
    assert frame.select("tag", "moved_at", "kind").rows() == [
        ("latest", day(5), "base only"),
        ("slim", day(5), "base only"),
    ]
    assert queries.tag_churn(store, repository=REPOSITORY, period="day")["moves"].sum() == frame.height


# --- move_calendar ---------------------------------------------------------------------------------------------------


def test_a_day_counts_its_moves_by_kind(several: Store, tmp_path: Path) -> None:
    """One row per day with moves; 2 January 2026 is a Friday."""
    frame = queries.move_calendar(several, repository=REPOSITORY, tag="lat*")
    assert frame["move_date"].to_list() == [date(2026, 1, at) for at in range(2, 9)]
    assert frame["weekday"].to_list() == [5, 6, 7, 1, 2, 3, 4]
    kinds = [
        "rebuild_count",
        "base_count",
        "platform_set_count",
        "attestation_count",
        "metadata_count",
        "content_count",
    ]
    assert [sum(row) for row in frame.select(kinds).rows()] == [1] * 7
    assert frame.select(kinds).sum().row(0) == (1, 1, 2, 1, 1, 1)
    amd64 = queries.move_calendar(several, repository=REPOSITORY, platform="linux/amd64", since=day(4))
    assert amd64.select("move_count", "tag_count", "unchanged_count", "content_count").rows() == [
        *[(1, 1, 1, 0)] * 4,
        (1, 1, 0, 1),
    ]


def test_tags_that_move_on_one_day_are_counted_once_each(tmp_path: Path) -> None:
    """A tag may move twice a day; a move that is dated to the day counts on it, whenever that was read."""
    moved = [
        *(seen("a", "a1", day(1)), seen("a", "a2", day(2)), seen("a", "a1", day(2) + HOUR)),
        *(seen("b", "a1", day(1)), seen("b", "a2", day(5), changed_at=day(2), time_precision="day")),
    ]
    frame = queries.move_calendar(store_of(tmp_path, moved), repository=REPOSITORY)
    assert frame.select("move_date", "move_count", "tag_count", "unknown_count").rows() == [(date(2026, 1, 2), 3, 2, 3)]


# --- digest_lifetimes ------------------------------------------------------------------------------------------------


def test_digests_live_until_their_tag_moves_on(tmp_path: Path) -> None:
    """Of five digests one is replaced at 2 days and two at 5, two are followed for 3: half are gone at 5."""
    first_look = [Listing(REPOSITORY, day(1), True), seen("old", "f1", day(1))]
    moved = [
        *(seen("1.0", "a1", day(2)), seen("1.0", "a2", day(4)), seen("1.0", "a3", day(9))),
        *(seen("1.1", "a1", day(2)), seen("1.1", "a2", day(7))),
    ]
    store = store_of(tmp_path, first_look, moved, [seen("1.0", "a3", day(12)), seen("1.1", "a2", day(10))])
    frame = queries.digest_lifetimes(store, repository=REPOSITORY)
    columns = ["tag", "digest", "valid_to", "followed_to", "is_start_known", "is_replaced", "lifetime_days"]
    assert frame.select(columns).rows() == [
        ("1.0", digest("a1"), day(4), day(4), True, True, 2),
        ("1.0", digest("a2"), day(9), day(9), True, True, 5),
        ("1.0", digest("a3"), None, day(12), True, False, 3),
        ("1.1", digest("a1"), day(7), day(7), True, True, 5),
        ("1.1", digest("a2"), None, day(10), True, False, 3),
        ("old", digest("f1"), None, day(1), False, False, 0),
    ]
    risks = ["lifetime_days", "kind_at_risk_count", "kind_replaced_count", "kind_standing_share", "standing_share"]
    assert frame.select(risks).rows() == [
        (2, 5, 1, 0.8, 0.8),
        (5, 2, 2, 0.0, 0.0),
        (3, 4, 0, 0.8, 0.8),
        (5, 2, 2, 0.0, 0.0),
        (3, 4, 0, 0.8, 0.8),
        (0, None, None, None, None),
    ]
    halves = ["tag_half_life_days", "kind_half_life_days", "half_life_days"]
    assert frame.select(halves).unique().sort(halves).rows() == [(None, None, None), (5, 5, 5)]
    assert frame["tag_kind"].to_list() == [*["x.y"] * 5, "name"]
    late = queries.digest_lifetimes(store, tag="1.*", since=day(4), until=day(9))
    assert late.select("tag", "lifetime_days", "standing_share").rows() == [("1.0", 5, 0.0), ("1.1", 3, 1.0)]


def test_what_happened_while_nobody_looked_is_not_counted(tmp_path: Path) -> None:
    """A look holds for 90 days: the digest before counts as long as it was seen, that after from no known day."""
    looks = [seen("a", "a1", day(1)), seen("a", "a2", day(3)), seen("a", "a3", day(93)), seen("a", "a4", day(184))]
    frame = queries.digest_lifetimes(store_of(tmp_path, looks), repository=REPOSITORY)
    assert frame.select("digest", "is_start_known", "is_replaced", "lifetime_days").rows() == [
        (digest("a1"), False, True, 2),
        (digest("a2"), True, True, 90),
        (digest("a3"), True, False, 0),
        (digest("a4"), False, False, 0),
    ]


def test_a_tag_that_goes_replaces_no_digest(tmp_path: Path) -> None:
    """It cuts the life short; so does coming back, be it elsewhere."""
    looks = [
        *(
            seen("a", "a1", day(1)),
            seen("a", "a2", day(3)),
            seen("a", "a2", day(5)),
            seen("a", None, day(6), is_absent=True),
        ),
        *(seen("a", "a3", day(8)), seen("a", "a3", day(9))),
    ]
    frame = queries.digest_lifetimes(store_of(tmp_path, looks), repository=REPOSITORY)
    columns = ["digest", "valid_to", "followed_to", "is_start_known", "is_replaced", "lifetime_days"]
    assert frame.select(columns).rows() == [
        (digest("a1"), day(3), day(3), False, True, 2),
        (digest("a2"), day(6), day(5), True, False, 2),
        (digest("a3"), None, day(9), True, False, 1),
    ]


def test_a_history_of_documents_is_followed_from_version_to_version(tmp_path: Path) -> None:
    """A page that does not change says so; what is there stays until the newest page about the repository."""

    def page(tag: str, name: str, at: int) -> Record:
        return seen(tag, name, day(at), document=f"{tag}.md", document_revision=f"{at}")

    other = dataclasses.replace(page("z", "f1", 170), repository="registry.test/team/other")  # type: ignore[call-arg]
    pages = [page("a", "a1", 1), page("b", "f1", 60), page("b", "f2", 120), page("a", "a2", 140), other]
    columns = ["tag", "digest", "followed_to", "is_start_known", "is_replaced", "lifetime_days"]
    whole = queries.digest_lifetimes(store_of(tmp_path / "whole", pages, source="repo-info"), repository=REPOSITORY)
    assert whole.select(columns).rows() == [
        ("a", digest("a1"), day(140), False, True, 139),
        ("a", digest("a2"), day(140), True, False, 0),
        ("b", digest("f1"), day(120), True, True, 60),
        ("b", digest("f2"), day(140), True, False, 20),
    ]
    with_gap = [page("a", "a1", 1), page("b", "f1", 20), page("b", "f2", 115), page("a", "a2", 140)]
    gap = queries.digest_lifetimes(store_of(tmp_path / "gap", with_gap, source="repo-info"), repository=REPOSITORY)
    assert gap.select(columns).rows() == [
        ("a", digest("a1"), day(20), False, False, 19),
        ("a", digest("a2"), day(140), True, False, 0),
        ("b", digest("f1"), day(20), True, False, 0),
        ("b", digest("f2"), day(140), False, False, 25),
    ]


def test_moves_that_a_source_dates_need_no_look(tmp_path: Path) -> None:
    """A history API tells after years when a tag moved."""
    told = [seen("a", f"a{at}", day(at * 200), changed_at=day(at * 200)) for at in (1, 2, 3)]
    told.append(seen("a", "a3", day(900), changed_at=day(600)))
    frame = queries.digest_lifetimes(store_of(tmp_path, told), repository=REPOSITORY)
    assert frame.select("valid_from", "is_start_known", "is_replaced", "lifetime_days").rows() == [
        (day(200), True, True, 200),
        (day(400), True, True, 200),
        (day(600), True, False, 300),
    ]


# --- all of them -----------------------------------------------------------------------------------------------------

NAMES = ("moves", "move_calendar", "digest_lifetimes")


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_can_be_asked_and_drawn(name: str) -> None:
    """All that the sample has of python; digests stand for the texts of steps."""
    with imglab.open_sample() as sample:
        frame = getattr(queries, name)(sample, repository="python")
    assert frame.height > 50
    assert charts.title_of(charts.specification(getattr(charts, name)(frame))).endswith("?")
    if name == "moves":
        kinds = {"content", "base only", "rebuild only", "metadata only", "platform set"}
        assert set(frame["kind"]) == kinds


@pytest.fixture(scope="session")
def pages(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Pages of repo-info, September 2016 to 2018."""
    data = tmp_path_factory.mktemp("pages")
    imports.import_documents(data, "repo-info", real_data / "repo-info.bundle")
    return Store(data)


@pytest.mark.real_history
def test_the_real_moves_of_python(pages: Store) -> None:
    """Figures that a program of its own counted from layers and texts; more than half left linux/amd64 as it was."""
    frame = queries.moves(pages, repository="python")
    assert frame.height == queries.tag_churn(pages, repository="python")["moves"].sum() == 5_588
    kinds = dict(frame["kind"].value_counts().rows())
    assert kinds == {
        "content": 2_064,
        "base only": 2_058,
        "platform set": 1_207,
        "rebuild only": 210,
        "metadata only": 49,
    }
    amd64 = dict(queries.moves(pages, repository="python", platform="linux/amd64")["kind"].value_counts().rows())
    assert (amd64["unchanged"], amd64["base only"], amd64["rebuild only"], amd64["content"]) == (
        2_883,
        1_041,
        273,
        1_066,
    )
    known = frame.drop_nulls(["pulled_bytes", "to_bytes"])
    assert known.height == frame.height
    assert (known["pulled_bytes"] <= known["to_bytes"]).all()
    changes = ("content", "base", "rebuild", "metadata", "unchanged", "unknown", "came", "went")
    assert (frame.select(f"{change}_count" for change in changes).sum_horizontal() == frame["image_count"]).all()


@pytest.mark.real_history
def test_the_sample_tells_the_moves_that_its_documents_do(pages: Store) -> None:
    """The digests that the sample has in place of texts lead to the same kinds, for every move of python."""
    names = ("tag", "moved_at", "from_digest", "to_digest", "kind", "base_count", "rebuild_count", "content_count")
    real = queries.moves(pages, repository="python").select(names)
    with imglab.open_sample() as sample:
        own = queries.moves(sample, repository="python", until=real["moved_at"].max()).select(names)
    assert own.filter(pl.col("moved_at") < real["moved_at"].max()).height > 5_500
    assert own.join(real, on=names, how="anti").height == 0


@pytest.mark.real_history
@pytest.mark.parametrize("repository", ["python", "golang", "debian", "hello-world"])
def test_real_calendars_and_lifetimes_agree_with_the_moves(pages: Store, repository: str) -> None:
    """Each move is on one day and ends one digest; all of it can be drawn."""
    frames = {name: getattr(queries, name)(pages, repository=repository) for name in NAMES}
    calendar, lifetimes = frames["move_calendar"], frames["digest_lifetimes"]
    assert calendar["move_count"].sum() == frames["moves"].height == lifetimes["is_replaced"].sum()
    kinds = [name for name in calendar.columns if name.endswith("_count") and name not in ("move_count", "tag_count")]
    assert (calendar.select(kinds).sum_horizontal() == calendar["move_count"]).all()
    for name, frame in frames.items():
        chart = charts.specification(getattr(charts, name)(frame))
        assert sum(map(len, chart["datasets"].values())) <= charts.MAX_ROWS


@pytest.mark.real_history
def test_the_real_kinds_agree_with_what_tags_were_built_from(real_data: Path, tmp_path: Path) -> None:
    """Where only the base changed, or nothing but that steps ran again, the Dockerfile's commit is mostly the same."""
    for source in ("repo-info", "official-images"):
        imports.import_documents(tmp_path, source, real_data / f"{source}.bundle")
    frame = Store(tmp_path).sql(
        """
        with built as (
            select tag, digest, min(created_at) as created_at from tag_image
            where repository = $python and platform = 'linux/amd64' and tag not like '%onbuild%' group by tag, digest
        ), commits as (
            select distinct move.kind, move.tag, move.moved_at, before.git_commit = after.git_commit as is_same
            from tag_move($python, null::varchar, 'linux/amd64') as move
            join built as old on move.tag = old.tag and move.from_digest = old.digest
            join built as new on move.tag = new.tag and move.to_digest = new.digest
            join tag_definition_interval as before
                on before.repository = $python and before.tag = move.tag and before.directory not like '%windows%'
                and old.created_at >= before.valid_from and old.created_at < coalesce(before.valid_to, 'infinity')
            join tag_definition_interval as after
                on after.repository = $python and after.tag = move.tag and after.directory not like '%windows%'
                and new.created_at >= after.valid_from and new.created_at < coalesce(after.valid_to, 'infinity')
        )
        select kind, count(*) filter (where is_same) / count(*)
        from commits group by kind
        """,
        {"python": "docker.io/library/python"},
    )
    same = dict(frame.rows())
    assert min(same["base only"], same["rebuild only"]) > 0.9
    assert same["content"] < 0.25
