"""Bytes on the wire: given rows, expected rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import made_answers
import polars as pl
import pytest
from made import REPOSITORY, commit, day, digest, image, index, seen

from imglab import charts, queries
from imglab.errors import InvalidReference, UsageError
from imglab.journal import Journal
from imglab.records import Config, IndexEntry, Layer, Manifest, Record, TagObservation
from imglab.store import Store

HOUR = timedelta(hours=1)
BYTES = ["cadence", "pulled_at", "pull_bytes", "full_bytes", "kept_bytes"]
CADENCES = ["every move", "day", "week", "month", "quarter", "year"]


def store_of(tmp_path: Path, *runs: Iterable[Record], source: str = "registry") -> Store:
    """A store of runs on days 40, 41, …"""
    for number, records in enumerate(runs):
        commit(tmp_path, day(40 + number), records, source=source)
    return Store.in_memory(Journal(tmp_path / "journal"))


def amd64(*images: Record) -> list[Record]:
    """These images, of a source that tells the platform without a config."""
    return [
        Manifest(
            record.digest,
            record.media_type,
            record.kind,
            layer_count=record.layer_count,
            compressed_bytes=record.compressed_bytes,
            os="linux",
            architecture="amd64",
        )
        if isinstance(record, Manifest)
        else record
        for record in images
    ]


# --- update_cost -----------------------------------------------------------------------------------------------------


@pytest.fixture
def moving(tmp_path: Path) -> Store:
    """
    A tag that moves thrice: twice on Monday the 5th, and on Wednesday the 14th.

    The base (30) stays until the last move; the image of the 5th at noon lasts six hours.
    """
    return store_of(
        tmp_path,
        [
            *(seen("latest", "a1", day(1)), seen("latest", "a2", day(5) + 12 * HOUR)),
            *(seen("latest", "a3", day(5) + 18 * HOUR), seen("latest", "a4", day(14)), seen("latest", "a4", day(35))),
            *amd64(*image("a1", [30, 4]), *image("a2", [30, 5]), *image("a3", [30, 5, 2]), *image("a4", [31, 5, 2])),
        ],
    )


def test_each_move_costs_the_layers_that_the_host_lacks(moving: Store) -> None:
    """The first image is pulled whole, then only what the one before had not; sums go on."""
    frame = queries.update_cost(moving, repository=REPOSITORY, tag="latest")
    every = frame.filter(frame["cadence"] == "every move")
    assert every.select(BYTES[1:]).rows() == [
        (day(1), 34, 34, 0),
        (day(5) + 12 * HOUR, 5, 35, 30),
        (day(5) + 18 * HOUR, 2, 37, 35),
        (day(14), 31, 38, 7),
    ]
    assert every.select("cumulative_pull_bytes", "cumulative_full_bytes", "unknown_count").rows() == [
        (34, 34, 0),
        (39, 69, 0),
        (41, 106, 0),
        (72, 144, 0),
    ]
    assert every.select("pull_layer_count", "full_layer_count").rows() == [(2, 2), (1, 2), (1, 3), (1, 3)]
    assert every["from_manifest_digest"].to_list() == [None, digest("a1"), digest("a2"), digest("a3")]
    assert every["to_manifest_digest"].to_list() == [digest("a1"), digest("a2"), digest("a3"), digest("a4")]
    assert frame["cadence"].unique(maintain_order=True).to_list() == CADENCES


def test_slower_cadences_skip_images(moving: Store) -> None:
    """Daily at midnight, weekly on Mondays, monthly on the first: what is replaced before is never pulled."""
    frame = queries.update_cost(moving, repository=REPOSITORY, tag="latest")
    assert frame.filter(frame["cadence"] != "every move").select(BYTES).rows() == [
        ("day", day(1), 34, 34, 0),
        ("day", day(6), 7, 37, 30),
        ("day", day(15), 31, 38, 7),
        ("week", day(1), 34, 34, 0),
        ("week", day(12), 7, 37, 30),
        ("week", day(19), 31, 38, 7),
        ("month", day(1), 34, 34, 0),
        ("month", day(32), 38, 38, 0),
        ("quarter", day(1), 34, 34, 0),
        ("year", day(1), 34, 34, 0),
    ]
    assert queries.update_cost(moving, repository=REPOSITORY, tag="latest", period="month").height == 2
    with pytest.raises(UsageError, match="fortnight"):
        queries.update_cost(moving, repository=REPOSITORY, tag="latest", period="fortnight")  # type: ignore[arg-type]


def test_a_span_begins_with_a_whole_image(moving: Store) -> None:
    """At *since* the host has nothing; it pulls up to *until*, which is not in it."""
    frame = queries.update_cost(moving, repository=REPOSITORY, tag="latest", since=day(4), until=day(14))
    assert frame.select(BYTES[:3]).rows() == [
        ("every move", day(4), 34),
        ("every move", day(5) + 12 * HOUR, 5),
        ("every move", day(5) + 18 * HOUR, 2),
        ("day", day(4), 34),
        ("day", day(6), 7),
        ("week", day(4), 34),
        ("week", day(12), 7),
        ("month", day(4), 34),
        ("quarter", day(4), 34),
        ("year", day(4), 34),
    ]


def test_a_move_at_midnight_belongs_to_the_day_that_begins(tmp_path: Path) -> None:
    """A day ends as the next begins: its last image is the one before."""
    store = store_of(
        tmp_path,
        [
            *(
                seen("a", "a1", day(1)),
                seen("a", "a2", day(2) + HOUR),
                seen("a", "a3", day(3)),
                seen("a", "a3", day(9)),
            ),
            *amd64(*image("a1", [1]), *image("a2", [2]), *image("a3", [3])),
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a", period="day")
    assert frame.select("pulled_at", "pull_bytes").rows() == [(day(1), 1), (day(3), 2), (day(4), 3)]


def test_an_image_that_comes_back_in_time_is_not_pulled_again(tmp_path: Path) -> None:
    """Each move there and back costs what differs; who looks once a day sees nothing of it."""
    store = store_of(
        tmp_path,
        [
            *(seen("a", "a1", day(1)), seen("a", "a2", day(5) + HOUR), seen("a", "a1", day(5) + 2 * HOUR)),
            *(seen("a", "a1", day(9)), *amd64(*image("a1", [30, 4]), *image("a2", [30, 5]))),
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a")
    assert frame.filter(frame["cadence"] == "every move")["pull_bytes"].to_list() == [34, 5, 4]
    assert frame.filter(frame["cadence"] == "day")["pull_bytes"].to_list() == [34]


def test_a_layer_that_an_image_has_twice_is_pulled_once(tmp_path: Path) -> None:
    """Both in what is fetched and in the whole; an image of no layers costs nothing."""
    store = store_of(
        tmp_path,
        [
            *(seen("a", "a1", day(1)), seen("a", "a2", day(2)), seen("a", "a3", day(3))),
            *amd64(*image("a1", [30]), *image("a2", [30, 4, 4, 30]), *image("a3", [])),
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a")
    every = frame.filter(frame["cadence"] == "every move")
    counts = ["pull_bytes", "full_bytes", "pull_layer_count", "full_layer_count"]
    assert every.select(counts).rows() == [(30, 30, 1, 1), (4, 34, 1, 2), (0, 0, 0, 0)]


def test_what_nobody_described_costs_nobody_knows_what(tmp_path: Path) -> None:
    """Neither that pull nor the next, of which the whole is known; sums go on without them and say so."""
    hub = Manifest(digest("b1"), None, "image", compressed_bytes=36, os="linux", architecture="amd64")
    store = store_of(
        tmp_path,
        [
            *(seen("a", "a1", day(1)), seen("a", "b1", day(2)), seen("a", "a2", day(3)), seen("a", "a3", day(4))),
            *amd64(*image("a1", [30, 4]), *image("a2", [30, 5]), *image("a3", [30, 6])),
            hub,
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a")
    sums = ["cumulative_pull_bytes", "cumulative_full_bytes", "unknown_count"]
    assert frame.filter(frame["cadence"] == "every move").select(*BYTES[2:], "pull_layer_count", *sums).rows() == [
        (34, 34, 0, 2, 34, 34, 0),
        (None, None, None, None, 34, 34, 1),
        (None, 35, None, None, 34, 34, 2),
        (6, 36, 30, 1, 40, 70, 2),
    ]


def test_a_layer_of_unknown_size_matters_only_if_it_is_fetched(tmp_path: Path) -> None:
    """The whole is unknown, what was fetched beside it is not."""
    manifests = [
        Manifest(digest(name), None, "image", layer_count=2, os="linux", architecture="amd64") for name in "ab"
    ]
    layers = [Layer(digest("a"), 0, digest("1")), Layer(digest("a"), 1, digest("2"), None, 5)]
    layers += [Layer(digest("b"), 0, digest("1")), Layer(digest("b"), 1, digest("3"), None, 6)]
    store = store_of(tmp_path, [seen("t", "a", day(1)), seen("t", "b", day(2)), *manifests, *layers])
    frame = queries.update_cost(store, repository=REPOSITORY, tag="t")
    assert frame.filter(frame["cadence"] == "every move").select(*BYTES[2:], "pull_layer_count").rows() == [
        (None, None, None, 2),
        (6, None, None, 1),
    ]


def test_images_that_name_layers_differently_are_not_compared(tmp_path: Path) -> None:
    """What Docker kept unpacked has other digests than what a registry has of the same layers."""
    unpacked = "config+" + digest("c1")
    archived = [Manifest(unpacked, None, "image", layer_count=1, os="linux", architecture="amd64")]
    layer = Layer(unpacked, 0, digest("f1"), None, 7)
    store = store_of(
        tmp_path,
        [
            TagObservation(REPOSITORY, "a", day(1), digest=unpacked),
            *(seen("a", "a1", day(2)), *archived, layer, *amd64(*image("a1", [7]))),
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a")
    every = frame.filter(frame["cadence"] == "every move")
    assert every.select("pull_bytes", "full_bytes").rows() == [(7, 7), (None, 7)]


def test_a_tag_that_was_gone_finds_the_host_as_it_was(tmp_path: Path) -> None:
    """Reborn elsewhere it costs the difference to the last image; reborn the same, nothing."""
    store = store_of(
        tmp_path,
        [
            *(seen("a", "a1", day(1)), seen("a", None, day(2), is_absent=True), seen("a", "a2", day(5))),
            *(seen("a", None, day(6), is_absent=True), seen("a", "a2", day(8)), seen("a", "a2", day(20))),
            *amd64(*image("a1", [30, 4]), *image("a2", [30, 5])),
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a")
    assert frame.select(BYTES[:3]).rows() == [
        ("every move", day(1), 34),
        ("every move", day(5), 5),
        ("day", day(1), 34),
        ("day", day(6), 5),
        ("week", day(1), 34),
        ("week", day(12), 5),
        *((cadence, day(1), 34) for cadence in ("month", "quarter", "year")),
    ]


def test_moves_of_other_platforms_cost_nothing(tmp_path: Path) -> None:
    """Only arm64 changed, and an attestation: amd64 is not pulled again, and counts from what was pulled."""
    store = store_of(
        tmp_path,
        [
            *(seen("a", "e1", day(1)), seen("a", "e2", day(2)), seen("a", "e3", day(3))),
            *index("e1", [("a1", "linux/amd64"), ("b1", "linux/arm64")]),
            *index("e2", [("a1", "linux/amd64"), ("b2", "linux/arm64"), ("f1", None)]),
            *index("e3", [("a2", "linux/amd64"), ("b2", "linux/arm64"), ("f1", None)]),
            *(*image("a1", [30, 4]), *image("a2", [30, 5]), *image("b1", [20]), *image("b2", [21])),
            *image("f1", [999], kind="attestation"),
        ],
    )
    frame = queries.update_cost(store, repository=REPOSITORY, tag="a")
    columns = ["from_digest", "to_digest", "from_manifest_digest", "to_manifest_digest", "pull_bytes"]
    assert frame.filter(frame["cadence"] == "every move").select(columns).rows() == [
        (None, digest("e1"), None, digest("a1"), 34),
        (digest("e1"), digest("e3"), digest("a1"), digest("a2"), 5),
    ]


def test_windows_builds_are_followed_one_at_a_time(tmp_path: Path) -> None:
    """The platform alone stands for its first build; foreign layers are fetched too."""
    layers = {"a1": (30, 4), "b1": (50, 4), "a2": (30, 5), "b2": (51, 4)}
    records: list[Record] = [seen("w", "e1", day(1)), seen("w", "e2", day(2))]
    for parent, children in (("e1", ("a1", "b1")), ("e2", ("a2", "b2"))):
        records.append(Manifest(digest(parent), None, "index"))
        for position, (child, build) in enumerate(zip(children, ("10.0.17763.1", "10.0.20348.1"), strict=True)):
            windows = {"os": "windows", "architecture": "amd64", "os_version": build}
            records.append(IndexEntry(digest(parent), position, digest(child), **windows))  # type: ignore[arg-type]
            base, top = layers[child]
            records += image(child, [base, top])[:1]
            records += [Layer(digest(child), 0, digest(f"f{base}"), None, base, None, ["https://x.test"], True)]
            records += [Layer(digest(child), 1, digest(f"d{top}"), None, top)]
    store = store_of(tmp_path, records)
    costs = {
        platform: queries.update_cost(store, repository=REPOSITORY, tag="w", platform=platform)
        for platform in ("windows/amd64", "windows/amd64 10.0.20348")
    }
    pulled = {name: frame.filter(frame["cadence"] == "every move")["pull_bytes"] for name, frame in costs.items()}
    assert pulled["windows/amd64"].to_list() == [34, 5]
    assert pulled["windows/amd64 10.0.20348"].to_list() == [54, 51]


def test_sources_that_overlap_tell_of_one_history(tmp_path: Path) -> None:
    """A page and a registry that saw the same moves, and two tags of one image, cost what one of them says."""
    sightings = [seen("a", "a1", day(1)), seen("a", "a2", day(5)), seen("b", "a2", day(2))]
    images = amd64(*image("a1", [30, 4]), *image("a2", [30, 5]))
    one = store_of(tmp_path / "one", [*sightings, *images])
    both = store_of(tmp_path / "both", [*sightings, *images], [*sightings, *images])
    asked = {"repository": REPOSITORY, "tag": "a"}
    assert queries.update_cost(both, **asked).rows() == queries.update_cost(one, **asked).rows()  # type: ignore[arg-type]


def test_the_chart_draws_one_bar_for_each_cadence(moving: Store) -> None:
    """What was fetched in front of what whole images are; of one cadence alone there is a line of these too."""
    asked = {"repository": REPOSITORY, "tag": "latest"}
    everything = charts.specification(charts.update_cost(queries.update_cost(moving, **asked)))  # type: ignore[arg-type]
    bars = [row for rows in everything["datasets"].values() for row in rows if "pulls" in row]
    assert [(row["cadence"], row["pulls"], row["label"].strip()) for row in bars][:3] == [
        ("every move", "4", "72 B of 144 B · 4 pulls"),
        ("day", "3", "72 B of 109 B · 3 pulls"),
        ("week", "3", "72 B of 109 B · 3 pulls"),
    ]
    x = everything["vconcat"][1]["layer"][0]["encoding"]["x"]
    assert x["field"] == "pulled_at"
    pulls = [row["pulled_at"] for rows in everything["datasets"].values() for row in rows if "pulled_at" in row]
    ends = [datetime.fromtimestamp(int(x["scale"][end]["expr"]) / 1000, UTC) for end in ("domainMin", "domainMax")]
    assert ends[0].isoformat() < min(pulls) and max(pulls) < ends[1].isoformat()  # the last point is drawn whole
    monthly = queries.update_cost(moving, repository=REPOSITORY, tag="latest", period="month")
    assert '"strokeDash": [4, 3]' in charts.update_cost(monthly).to_json(indent=None)
    assert '"strokeDash"' not in charts.update_cost(queries.update_cost(moving, **asked)).to_json()  # type: ignore[arg-type]


# --- fleet_cost and common_bases -------------------------------------------------------------------------------------


def fleet(store: Store, *tags: str, at: object = None) -> list[tuple[object, ...]]:
    """Tag, all bytes, those that only it has, and those that it adds to the ones before it."""
    references = [f"{REPOSITORY}{tag}" for tag in tags]
    frame = queries.fleet_cost(store, references=references, at=at)  # type: ignore[arg-type]
    return frame.select("tag", "total_bytes", "unique_bytes", "added_bytes").rows()


@pytest.fixture
def shared(tmp_path: Path) -> Store:
    """A base, two images on it and one on another; `a` was elsewhere before, `twice` has a layer twice."""
    return store_of(
        tmp_path,
        [
            *(seen("base", "a1", day(1)), seen("a", "a5", day(1)), seen("a", "a2", day(2)), seen("b", "a3", day(1))),
            *(seen("other", "a4", day(1)), seen("alias", "a2", day(2)), seen("twice", "a6", day(1))),
            *amd64(*image("a1", [60]), *image("a2", [60, 5]), *image("a3", [60, 5, 7]), *image("a4", [44, 9])),
            *amd64(*image("a5", [60, 8]), *image("a6", [60, 9, 9])),
        ],
    )


def test_each_image_adds_what_those_before_it_lack(shared: Store) -> None:
    """Layers count once; another order adds otherwise, and comes to the same."""
    assert fleet(shared, ":a", ":b", ":other", ":base") == [
        ("a", 65, 0, 65),
        ("b", 72, 7, 7),
        ("other", 53, 53, 53),
        ("base", 60, 0, 0),
    ]
    assert fleet(shared, ":base", ":b", ":a", ":other") == [
        ("base", 60, 0, 60),
        ("b", 72, 7, 12),
        ("a", 65, 0, 0),
        ("other", 53, 53, 53),
    ]
    frame = queries.fleet_cost(shared, references=[f"{REPOSITORY}:{tag}" for tag in ("a", "b", "other", "base")])
    sums = ["shared_bytes", "cumulative_bytes", "fleet_bytes", "added_layer_count", "unique_layer_count"]
    assert frame.select(sums).rows() == [
        (65, 65, 125, 2, 0),
        (65, 72, 125, 1, 1),
        (0, 125, 125, 2, 2),
        (60, 125, 125, 0, 0),
    ]
    assert frame["manifest_digest"].to_list() == [digest(name) for name in ("a2", "a3", "a4", "a1")]


def test_two_names_of_an_image_cost_one(shared: Store) -> None:
    """A tag and its alias, or a digest; neither has anything alone. A layer twice in an image is one layer."""
    assert fleet(shared, ":a", ":alias", f"@{digest('a2')}") == [
        ("a", 65, 0, 65),
        ("alias", 65, 0, 0),
        (None, 65, 0, 0),
    ]
    assert fleet(shared, ":twice") == [("twice", 69, 69, 69)]


def test_a_fleet_is_as_it_was_at_a_time(shared: Store) -> None:
    """Tags point where they pointed then; one that was not there yet is not known."""
    assert fleet(shared, ":a", ":base", at=day(1)) == [("a", 68, 8, 68), ("base", 60, 0, 0)]
    assert fleet(shared, ":a", ":alias", at=day(1)) == [("a", 68, 68, 68), ("alias", None, None, None)]


def test_what_is_not_known_is_left_out_of_a_fleet(tmp_path: Path) -> None:
    """Repositories, tags, platforms, layers and sizes; each keeps its row, and the others are told without it."""
    unsized = Manifest(digest("b2"), None, "image", layer_count=1, os="linux", architecture="amd64")
    hub = Manifest(digest("b1"), None, "image", compressed_bytes=65, os="linux", architecture="amd64")
    store = store_of(
        tmp_path,
        [
            *(
                seen("a", "a1", day(1)),
                seen("hub", "b1", day(1)),
                seen("unsized", "b2", day(1)),
                seen("empty", "b3", day(1)),
            ),
            *(hub, unsized, Layer(digest("b2"), 0, digest("d60")), *amd64(*image("a1", [60, 5]), *image("b3", []))),
            *(seen("arm", "e1", day(1)), *index("e1", [("b4", "linux/arm64")]), *image("b4", [60])),
        ],
    )
    tags = (":a", ":hub", ":unsized", ":arm", ":nosuch", "", ":empty")
    assert fleet(store, *tags) == [
        ("a", 65, 65, 65),
        ("hub", None, None, None),
        ("unsized", None, None, None),
        ("arm", None, None, None),
        ("nosuch", None, None, None),
        ("latest", None, None, None),
        ("empty", 0, 0, 0),
    ]
    frame = queries.fleet_cost(store, references=[f"{REPOSITORY}{tag}" for tag in tags])
    assert frame.select("unknown_count", "fleet_bytes").unique().rows() == [(5, 65)]
    with pytest.raises(InvalidReference, match="Python"):
        queries.fleet_cost(store, references=["Python"])


def test_bases_save_what_would_come_again(tmp_path: Path) -> None:
    """Once less than there are images on a base, which may be one of these; bases on bases save a part of the same."""
    sightings = (("base", "a1"), ("middle", "a2"), ("a", "b1"), ("b", "b2"), ("c", "b3"))
    store = store_of(
        tmp_path,
        [
            *(seen(tag, name, day(1)) for tag, name in sightings),
            *amd64(*image("a1", [60]), *image("a2", [60, 15]), *image("b1", [60, 15, 1]), *image("b2", [60, 15, 2])),
            *amd64(*image("b3", [60, 3, 3]), *image("b4", [9])),
        ],
    )

    def told(*tags: str) -> list[tuple[object, ...]]:
        frame = queries.common_bases(store, references=[f"{REPOSITORY}:{tag}" for tag in tags])
        return frame.select("base_tag", "base_bytes", "image_count", "saved_bytes").rows()

    assert told("a", "b", "c", "nosuch") == [("base", 60, 3, 120), ("middle", 75, 2, 75)]
    assert told("a", "base") == [("base", 60, 2, 60), ("middle", 75, 1, 0)]
    assert told("base") == told() == []
    frame = queries.common_bases(store, references=[f"{REPOSITORY}:a", f"{REPOSITORY}:c"])
    assert frame["image_references"].to_list() == [f"{REPOSITORY}:a, {REPOSITORY}:c", f"{REPOSITORY}:a"]
    assert frame["base_manifest_digest"].to_list() == [digest("a1"), digest("a2")]


def test_a_base_that_was_packed_anew_saves_nothing(tmp_path: Path) -> None:
    """The same unpacked, and other bytes on the wire; of a base of unknown size nobody knows."""
    configs = [
        Config(digest("c" + name), "linux", "amd64", diff_ids=[digest("f1"), digest("f2")][:count])
        for name, count in (("a1", 1), ("b1", 2), ("b2", 2))
    ]
    unsized = Manifest(digest("e1"), None, "image", layer_count=1, os="linux", architecture="amd64")
    grown = Manifest(digest("e2"), None, "image", layer_count=2, os="linux", architecture="amd64")
    layers = [
        Layer(digest("e1"), 0, digest("aa")),
        Layer(digest("e2"), 0, digest("aa")),
        Layer(digest("e2"), 1, digest("ab")),
    ]
    store = store_of(
        tmp_path,
        [
            *(seen("base", "a1", day(1)), seen("a", "b1", day(1)), seen("b", "b2", day(1)), *configs),
            *(*image("a1", [60]), *image("b1", [60, 1]), *image("b2", [55, 2])),
            *(seen("unsized", "e1", day(1)), seen("grown", "e2", day(1)), unsized, grown, *layers),
        ],
    )
    frame = queries.common_bases(store, references=[f"{REPOSITORY}:{tag}" for tag in ("a", "b", "grown")])
    assert frame.select("base_tag", "base_bytes", "image_count", "saved_bytes").rows() == [
        ("base", 115, 2, 0),
        ("unsized", None, 1, None),
    ]


def test_the_chart_of_a_fleet_adds_up(shared: Store) -> None:
    """The parts of a bar are what was there, what comes and is shared, and what comes and is alone."""
    frame = queries.fleet_cost(shared, references=[f"{REPOSITORY}:{tag}" for tag in ("a", "b")])
    drawn = charts.specification(charts.fleet_cost(frame))
    parts = [(row["name"], row["from"], row["to"]) for rows in drawn["datasets"].values() for row in rows]
    first, second = f"{REPOSITORY}:a", f"{REPOSITORY}:b"
    assert parts == [
        (first, 0, 0),
        (first, 0, 65),
        (first, 65, 65),
        (second, 0, 65),
        (second, 65, 65),
        (second, 65, 72),
    ]
    assert "72 B together, 137 B each for itself: 47 % is shared" in drawn["title"]["subtitle"][0]


@pytest.mark.parametrize(
    ("references", "whose"),
    [
        (["docker.io/library/python", "docker.io/library/python:3.5"], "python and python:3.5"),
        (
            ["docker.io/library/python", "docker.io/library/python:3", "docker.io/library/python:2"],
            "3 images of python",
        ),
        (["host:5000/a/b", "host:5000/a/b:1", "host:5000/a/c@sha256:1"], "3 images of host:5000/a/b and host:5000/a/c"),
    ],
)
def test_common_bases_names_whose_they_are(references: list[str], whose: str) -> None:
    """Also of references without a tag, and of a host with a port."""
    frame = made_answers.common_bases().head(1).with_columns(image_references=pl.lit(", ".join(references)))
    title = charts.title_of(charts.specification(charts.common_bases(frame)))
    assert title == f"Which bases do {whose} share?"
