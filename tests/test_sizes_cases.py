"""Sizes and layers in every case: one tag whose rows are computed by hand, question by question."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from built import Made, built
from cases import EMPTY
from made import REPOSITORY, commit, day, digest, seen

from imglab import queries
from imglab.budgets import Budget, check_budgets
from imglab.journal import Journal
from imglab.records import IndexEntry, Manifest, Record
from imglab.store import Store

AMD64, WINDOWS, OLD, NEW = "linux/amd64", "windows/amd64", "windows/amd64 10.0.17763", "windows/amd64 10.0.20348"
MIRROR = "mirror.test/team/app"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
ALL = [
    *("repeated layers", "unknown steps", "unknown sizes", "attestations", "referrers", "foreign layers"),
    *("reborn tag", "several sources", "windows builds", "shared image", "single image", "two names"),
]


def layer(content: str, size: int | None, label: str | None = None, *, is_foreign: bool = False) -> Made:
    return Made(content, size, None, label, is_foreign)


def index(name: str, amd64: str, *windows: tuple[str, str]) -> list[Record]:
    """An index of an image for Linux, an attestation of it (f1) and images for builds of Windows."""
    return [
        Manifest(digest(name), INDEX_TYPE, "index"),
        IndexEntry(digest(name), 0, digest(amd64), os="linux", architecture="amd64"),
        IndexEntry(digest(name), 1, digest("f1"), os="unknown", architecture="unknown", attests_digest=digest(amd64)),
        *(
            IndexEntry(digest(name), at, digest(child), os="windows", architecture="amd64", os_version=version)
            for at, (child, version) in enumerate(windows, 2)
        ),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """
    Where tags pointed:

        latest   e1 day 1 to 3, gone, e1 day 5 to 7, e2 day 7 to 9, e4 since day 9, last seen on day 10
        same     e1 since day 2
        single   a3 since day 4, an image without index

    A page lags: it saw latest at e1 on day 2 and, wrongly, on day 8. A mirror has e2 since day 1. Index e1 has
    a1, b1 and b2, e2 has a2, b1 and b2, e4 has a4, b1 and b3; all have the attestation f1, and a1 has a signature.
    """
    old, new = layer("f9", 90, "Apply image", is_foreign=True), layer("f8", 80, "Apply image", is_foreign=True)
    images = {
        "a1": [layer("30", 30, "ADD x"), layer("4", 4, "COPY y"), layer("4", 4, "COPY z")],
        "a2": [layer("30", 30, "ADD x"), layer("9", None, "COPY y"), layer("5", 5, "RUN w")],
        "a3": [layer("30", 30), layer("7", 7)],
        "a4": [layer("30", 30, "ADD x"), layer("14", 14, "RUN w")],
        "b1": [old, layer("6", 6, "RUN p")],
        "b2": [new, layer("6", 6, "RUN p")],
        "b3": [new, layer("8", 8, "RUN p")],
    }
    first, second, third = ("b1", "10.0.17763.1"), ("b2", "10.0.20348.1"), ("b3", "10.0.20348.2")
    moves = [("e1", 1), (None, 3), ("e1", 5), ("e2", 7), ("e4", 9), ("e4", 10)]
    told = [
        *(seen("latest", name, day(at), is_absent=name is None) for name, at in moves),
        *(seen("same", "e1", day(2)), seen("single", "a3", day(4))),
        seen(f"sha256-{'a1'.ljust(64, '0')}.sig", "f2", day(1)),
        seen(f"sha256-{'a1'.ljust(64, '0')}.sbom", "a1", day(1)),  # by mistake
        dataclasses.replace(seen("latest", "e2", day(1)), repository=MIRROR),
        *(*index("e1", "a1", first, second), *index("e2", "a2", first, second), *index("e4", "a4", first, third)),
        *(
            record
            for name, layers in images.items()
            for record in built(name, layers, platform=AMD64 if name.startswith("a") else WINDOWS)
        ),
        Manifest(digest("f1"), None, "attestation", layer_count=1, compressed_bytes=999),
        Manifest(digest("f2"), None, "artifact", subject_digest=digest("a1"), layer_count=1, compressed_bytes=888),
    ]
    page = [seen("latest", "e1", day(at), document="app.md", document_revision=f"{at}") for at in (2, 8)]
    commit(tmp_path, day(40), told)
    commit(tmp_path, day(41), [*page, *built("a1", [layer("1", 777)])], source="repo-info")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("size_over_time", *ALL)
def test_size_over_time(store: Store) -> None:
    """A row for each interval and image, none while the tag was gone; the attestation is no image."""
    frame = queries.size_over_time(store, repository=REPOSITORY, tag="latest")
    columns = ["valid_from", "valid_to", "last_observed_at", "series", "manifest_digest", "compressed_bytes"]
    a1, a2, a4, b1, b2, b3 = map(digest, ("a1", "a2", "a4", "b1", "b2", "b3"))
    assert frame.select(*columns, "layer_count").rows() == [
        (day(1), day(3), day(2), AMD64, a1, 30 + 4 + 4, 3),
        (day(1), day(3), day(2), OLD, b1, 90 + 6, 2),
        (day(1), day(3), day(2), NEW, b2, 80 + 6, 2),
        (day(5), day(7), day(5), AMD64, a1, 38, 3),
        (day(5), day(7), day(5), OLD, b1, 96, 2),
        (day(5), day(7), day(5), NEW, b2, 86, 2),
        (day(7), day(9), day(7), AMD64, a2, None, 3),
        (day(7), day(9), day(7), OLD, b1, 96, 2),
        (day(7), day(9), day(7), NEW, b2, 86, 2),
        (day(9), None, day(10), AMD64, a4, 30 + 14, 2),
        (day(9), None, day(10), OLD, b1, 96, 2),
        (day(9), None, day(10), NEW, b3, 80 + 8, 2),
    ]
    assert frame["digest"].unique(maintain_order=True).to_list() == [digest("e1"), digest("e2"), digest("e4")]
    assert frame["os_version"].to_list()[:3] == [None, "10.0.17763.1", "10.0.20348.1"]
    single = queries.size_over_time(store, repository=REPOSITORY, tag="single")
    assert single.select(*columns, "digest").rows() == [(day(4), None, day(4), AMD64, digest("a3"), 37, digest("a3"))]


@pytest.mark.case("layer_growth", *ALL)
def test_layer_growth(store: Store) -> None:
    """A layer that is there twice lies twice in the stack; what lies on one of unknown size is at no known height."""
    columns = ["valid_from", "valid_to", "position", "compressed_bytes", "stack_from_bytes", "stack_to_bytes"]
    frame = queries.layer_growth(store, repository=REPOSITORY, tag="latest")
    assert frame.select(*columns, "step_group").rows() == [
        (day(1), day(3), 0, 30, 0, 30, "ADD x"),
        (day(1), day(3), 1, 4, 30, 34, "COPY y"),
        (day(1), day(3), 2, 4, 34, 38, "COPY z"),
        (day(5), day(7), 0, 30, 0, 30, "ADD x"),
        (day(5), day(7), 1, 4, 30, 34, "COPY y"),
        (day(5), day(7), 2, 4, 34, 38, "COPY z"),
        (day(7), day(9), 0, 30, 0, 30, "ADD x"),
        (day(7), day(9), 1, None, 30, None, "COPY y"),
        (day(7), day(9), 2, 5, None, None, "RUN w"),
        (day(9), None, 0, 30, 0, 30, "ADD x"),
        (day(9), None, 1, 14, 30, 44, "RUN w"),
    ]
    builds = {
        name: queries.layer_growth(store, repository=REPOSITORY, tag="latest", platform=name) for name in (OLD, NEW)
    }
    assert builds[OLD].select(columns).rows() == [
        *((since, until, 0, 90, 0, 90) for since, until in ((day(1), day(3)),)),
        (day(1), day(3), 1, 6, 90, 96),
        (day(5), None, 0, 90, 0, 90),  # the moves of days 7 and 9 left it as it was
        (day(5), None, 1, 6, 90, 96),
    ]
    assert builds[NEW].filter(position=1).select(columns).rows() == [
        (day(1), day(3), 1, 6, 80, 86),
        (day(5), day(9), 1, 6, 80, 86),
        (day(9), None, 1, 8, 80, 88),
    ]
    both = queries.layer_growth(store, repository=REPOSITORY, tag="latest", platform=WINDOWS)
    assert both.select(columns).rows() == builds[OLD].select(columns).rows()  # the first of the two in the index
    single = queries.layer_growth(store, repository=REPOSITORY, tag="single")
    assert single.select(*columns[3:], "step_label", "step_group").rows() == [
        (30, 0, 30, None, "unknown step"),
        (7, 30, 37, None, "unknown step"),
    ]


@pytest.mark.case("architecture_sizes", *ALL)
def test_architecture_sizes(store: Store) -> None:
    """At a time at which the size for linux/amd64 is not known nothing is compared with it; that size comes last."""
    columns = ["series", "compressed_bytes", "layer_count", "ratio_to_amd64", "manifest_digest"]

    def told(at: int | None, tag: str = "latest") -> list[tuple[object, ...]]:
        moment = day(at) if at else None
        return queries.architecture_sizes(store, repository=REPOSITORY, tag=tag, at=moment).select(columns).rows()

    a1, a2, a3, a4, b1, b2, b3 = map(digest, ("a1", "a2", "a3", "a4", "b1", "b2", "b3"))
    assert told(2) == [(AMD64, 38, 3, 1.0, a1), (NEW, 86, 2, 86 / 38, b2), (OLD, 96, 2, 96 / 38, b1)]
    assert told(3) == told(4) == []  # gone
    assert told(8) == [(NEW, 86, 2, None, b2), (OLD, 96, 2, None, b1), (AMD64, None, 3, None, a2)]
    assert told(None) == [(AMD64, 44, 2, 1.0, a4), (NEW, 88, 2, 2.0, b3), (OLD, 96, 2, 96 / 44, b1)]
    assert told(None, "same") == told(2)
    assert told(None, "single") == [(AMD64, 37, 2, 1.0, a3)]
    newest = queries.architecture_sizes(store, repository=REPOSITORY, tag="latest")
    assert newest["at"].unique().to_list() == [day(10)]
    assert queries.architecture_sizes(store, repository=MIRROR, tag="latest")["at"].unique().to_list() == [day(1)]


@pytest.mark.case("layers", *ALL)
def test_layers(store: Store) -> None:
    """Each as often as it is there, with what is known of it; of Windows the first build unless one is named."""
    columns = ["position", "layer_digest", "compressed_bytes", "is_foreign", "step_label"]

    def told(**given: object) -> list[tuple[object, ...]]:
        return queries.layers(store, **{"repository": REPOSITORY, **given}).select(columns).rows()  # type: ignore[arg-type]

    d30, d4, d9, d5, d7 = (digest("d" + content) for content in ("30", "4", "9", "5", "7"))
    first = [(0, d30, 30, False, "ADD x"), (1, d4, 4, False, "COPY y"), (2, d4, 4, False, "COPY z")]
    assert told(tag="latest", at=day(2)) == told(tag="latest", at=day(6)) == told(tag="same") == first
    assert told(digest=digest("a1")) == first
    assert told(tag="latest", at=day(3)) == []
    unsized = [(0, d30, 30, False, "ADD x"), (1, d9, None, False, "COPY y"), (2, d5, 5, False, "RUN w")]
    assert told(tag="latest", at=day(8)) == told(repository=MIRROR, tag="latest") == unsized
    assert told(tag="single") == [(0, d30, 30, False, None), (1, d7, 7, False, None)]
    assert told(tag="latest", platform=NEW) == [
        (0, digest("df8"), 80, True, "Apply image"),
        (1, digest("d8"), 8, False, "RUN p"),
    ]
    assert (
        told(tag="latest", platform=WINDOWS)
        == told(digest=digest("b1"), platform=NEW)
        == [
            (0, digest("df9"), 90, True, "Apply image"),
            (1, digest("d6"), 6, False, "RUN p"),
        ]
    )
    assert queries.layers(store, repository=REPOSITORY, digest=digest("f1")).is_empty()


@pytest.mark.case("tags", *ALL)
def test_tags(store: Store) -> None:
    """By repository; sizes of linux/amd64 or of the only image, foreign layers and attestations aside."""
    columns = ["repository", "tag", "digest", "valid_from", "last_observed_at", "image_count", "compressed_bytes"]
    e1, e2, e4, a3 = map(digest, ("e1", "e2", "e4", "a3"))
    rows = [
        (MIRROR, "latest", e2, day(1), day(1), 3, None, 3),
        (REPOSITORY, "latest", e4, day(9), day(10), 3, 44, 2),
        (REPOSITORY, "same", e1, day(2), day(2), 3, 38, 3),
        (REPOSITORY, "single", a3, day(4), day(4), 1, 37, 2),
    ]
    assert queries.tags(store).select(*columns, "layer_count").rows() == rows
    assert queries.tags(store)["source"].unique().to_list() == ["registry"]
    assert queries.tags(store, repository=REPOSITORY, tag="s*").select(*columns, "layer_count").rows() == rows[2:]


@pytest.mark.case("step_sizes", *ALL)
def test_step_sizes(store: Store) -> None:
    """Builds of Windows are apart; a stretch ends where the tag was gone and where the layer is another."""
    columns = ["step_group", "step_rank", "valid_from", "valid_to", "last_observed_at", "compressed_bytes"]
    frame = queries.step_sizes(store, repository=REPOSITORY, tag="latest")
    assert frame.filter(series=AMD64).select(*columns, "change_bytes").rows() == [
        ("ADD x", 1, day(1), day(3), day(2), 30, 0),
        ("ADD x", 1, day(5), None, day(10), 30, 0),
        ("RUN w", 2, day(7), day(9), day(7), 5, 0),
        ("RUN w", 2, day(9), None, day(10), 14, 9),
        ("COPY y", 3, day(1), day(3), day(2), 4, 0),
        ("COPY y", 3, day(5), day(7), day(5), 4, 0),
        ("COPY y", 3, day(7), day(9), day(7), None, None),
        ("COPY z", 4, day(1), day(3), day(2), 4, 0),
        ("COPY z", 4, day(5), day(7), day(5), 4, 0),
    ]
    told = ["step_group", "valid_from", "valid_to", "compressed_bytes", "change_bytes", "layer_digest"]
    assert frame.filter(series=NEW).select(told).rows() == [
        ("Apply image", day(1), day(3), 80, 0, digest("df8")),
        ("Apply image", day(5), None, 80, 0, digest("df8")),
        ("RUN p", day(1), day(3), 6, 0, digest("d6")),
        ("RUN p", day(5), day(9), 6, 0, digest("d6")),
        ("RUN p", day(9), None, 8, 2, digest("d8")),
    ]
    assert frame["series"].unique(maintain_order=True).to_list() == [AMD64, OLD, NEW]
    single = queries.step_sizes(store, repository=REPOSITORY, tag="single")
    assert single.select(*columns, "layer_count", "layer_digest").rows() == [
        ("unknown step", None, day(4), None, day(4), 37, 2, None)
    ]


@pytest.mark.case("size_changes", *ALL)
def test_size_changes(store: Store) -> None:
    """A build after one of unknown size is compared with the last known; one that came back is none."""
    frame = queries.size_changes(store, repository=REPOSITORY)
    columns = ["tag", "series", "valid_from", "compressed_bytes", "step_bytes", "usual_step_bytes", "drift_bytes"]
    assert frame.select(columns).rows() == [
        ("latest", AMD64, day(1), 38, None, None, None),
        ("latest", AMD64, day(9), 44, 6, None, 6),
        ("latest", OLD, day(1), 96, None, None, None),
        ("latest", NEW, day(1), 86, None, None, None),
        ("latest", NEW, day(9), 88, 2, None, 2),
        ("same", AMD64, day(2), 38, None, None, None),
        ("same", OLD, day(2), 96, None, None, None),
        ("same", NEW, day(2), 86, None, None, None),
        ("single", AMD64, day(4), 37, None, None, None),
    ]
    digests = ["digest", "manifest_digest", "previous_manifest_digest"]
    assert frame.select(digests).row(1) == (digest("e4"), digest("a4"), digest("a1"))
    mirrored = queries.size_changes(store, repository="mirror.test/*")
    assert mirrored.select("series", "step_bytes").rows() == [(OLD, None), (NEW, None)]  # of amd64 no size is known


def checked(store: Store, *columns: str, tag: str = "latest", **limits: object) -> list[tuple[object, ...]]:
    """What a budget of REPOSITORY finds: platform, value and verdict."""
    budget = Budget(REPOSITORY, (tag,), (), **limits)  # type: ignore[arg-type]
    return check_budgets(store, [budget]).select(columns or ("platform", "value", "verdict")).rows()


@pytest.mark.case("budget_image", *ALL)
def test_budgets_of_images(store: Store) -> None:
    """Each build of Windows keeps its own; growth counts from what the tag gave then, which may be nothing."""
    assert checked(store, max_size=88) == [(OLD, 96, "over"), (AMD64, 44, "within"), (NEW, 88, "within")]
    assert checked(store, max_layers=1, tag="s*") == [
        *((AMD64, 3, "over"), (OLD, 2, "over"), (NEW, 2, "over")),
        (AMD64, 2, "over"),
    ]
    assert checked(store, max_growth=5, since=day(2)) == [(AMD64, 6, "over"), (OLD, 0, "within"), (NEW, 2, "within")]
    assert checked(store, max_growth=5, since=day(4)) == [(name, None, "new") for name in (AMD64, OLD, NEW)]
    assert checked(store, max_growth=5, since=day(8)) == [
        (AMD64, None, "unknown"),
        *((OLD, 0, "within"), (NEW, 2, "within")),
    ]
    assert checked(store, max_growth=1, since=3) == checked(store, max_growth=1, since=day(7))
    assert checked(store, "digest", "manifest_digest", max_size=1)[0] == (digest("e4"), digest("a4"))
    mirror = check_budgets(store, [Budget("mirror.test/*", ("*",), (), max_size=1)])
    assert mirror.select("platform", "value", "verdict").rows() == [
        (OLD, 96, "over"),
        (NEW, 86, "over"),
        (AMD64, None, "unknown"),
    ]


@pytest.mark.case("budget_step", *ALL)
def test_budgets_of_steps(store: Store) -> None:
    """A foreign layer is its step's; of two layers of a pattern the larger counts; no step is guessed."""
    columns = ("platform", "step_label", "value", "verdict")
    assert checked(store, *columns, steps={"* image": 85, "RUN *": 8}) == [
        (AMD64, "RUN w", 14, "over"),
        (OLD, "Apply image", 90, "over"),
        (AMD64, "* image", 0, "within"),
        (OLD, "RUN p", 6, "within"),
        (NEW, "Apply image", 80, "within"),
        (NEW, "RUN p", 8, "within"),
    ]
    assert checked(store, *columns, steps={"COPY *": 3}, tag="same")[0] == (AMD64, "COPY y", 4, "over")
    assert checked(store, *columns, steps={"*": 3}, tag="single") == [(AMD64, "*", None, "unknown")]
    mirror = check_budgets(store, [Budget("mirror.test/*", ("*",), (AMD64,), steps={"COPY *": 9, "RUN *": 9})])
    assert mirror.select("step_label", "value", "verdict").rows() == [
        ("COPY y", None, "unknown"),
        ("RUN w", 5, "within"),
    ]


@pytest.mark.case("budget_image", EMPTY)
@pytest.mark.case("budget_step", EMPTY)
def test_budgets_of_nothing(tmp_path: Path) -> None:
    """Where nothing is known no limit is kept."""
    nothing = Store.in_memory(Journal(tmp_path / "journal"))
    assert checked(nothing, "check", "value", "verdict", max_size=1, steps={"*": 1}) == [("budget", None, "unknown")]
    assert nothing.query("budget_step", {"manifest_digests": []}).is_empty()


@pytest.mark.case("architecture_ratios", *ALL)
def test_architecture_ratios(store: Store) -> None:
    """Of each build of Windows; where a size is not known there is no ratio, and the median is of the others."""
    frame = queries.architecture_ratios(store, repository=REPOSITORY, tag="latest")
    columns = ["series", "valid_from", "valid_to", "compressed_bytes", "against_bytes", "ratio", "median_ratio"]
    old, new = 96 / 38, 86 / 38
    assert frame.select(*columns, "is_outlier").rows() == [
        (OLD, day(1), day(3), 96, 38, old, old, None),
        (OLD, day(5), day(7), 96, 38, old, old, None),
        (OLD, day(7), day(9), 96, None, None, old, None),
        (OLD, day(9), None, 96, 44, 96 / 44, old, None),
        (NEW, day(1), day(3), 86, 38, new, new, None),
        (NEW, day(5), day(7), 86, 38, new, new, None),
        (NEW, day(7), day(9), 86, None, None, new, None),
        (NEW, day(9), None, 88, 44, 2.0, new, None),
    ]
    assert queries.architecture_ratios(store, repository=REPOSITORY, tag="single").is_empty()
    between = queries.architecture_ratios(store, repository=REPOSITORY, tag="same", against=WINDOWS)
    assert between.select("series", "against_bytes", "ratio").rows() == [(AMD64, 96, 38 / 96), (NEW, 96, 86 / 96)]
