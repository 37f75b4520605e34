"""Times that are asked about: to the microsecond, half-open, the same in every question."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from made import REPOSITORY, commit, config, day, defined, definition, digest, image, index, seen
from polars.testing import assert_frame_equal

from imglab import queries
from imglab.cli import QUESTIONS
from imglab.journal import Journal
from imglab.records import DocumentVersion, Layer, Manifest, Package, Record, Sbom
from imglab.store import Store

MOMENT = timedelta(microseconds=1)
DEFINED = "registry.test/team/defined"
MOVES = (day(3), day(5), day(9))

INSTANTS = ("growth_by_step", "package_growth")  # since and until name the two sides
STRETCHES = (  # since and until choose those that have a part in between
    *("layer_growth", "size_over_time", "tag_history", "architecture_support", "step_sizes", "architecture_ratios"),
    *("bases", "base_lag", "base_share", "tag_sources", "update_cost"),
)
EVENTS = (  # since and until choose those that happened in between, since included
    *("tag_churn", "tag_lifetimes", "update_gaps", "moves", "move_calendar", "digest_lifetimes", "media_types"),
    "size_changes",
)


def with_option(*names: str) -> list[str]:
    """The questions that take all of these."""
    return [name for name in QUESTIONS if set(names) <= set(inspect.signature(getattr(queries, name)).parameters)]


def packaged(name: str, image_name: str, version: str) -> list[Record]:
    """A bill of materials that refers to an image, with one package."""
    return [
        Manifest(digest(name), None, "artifact", subject_digest=digest(image_name), layer_count=1),
        Layer(digest(name), 0, digest("f" + name), None, 9),
        Sbom(digest("f" + name), 1, 9, "SPDX-2.3"),
        Package(digest("f" + name), 0, "x", "deb", version),
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Tags that move at midnight: latest on days 3, 5 and 9; old came on day 3 and went on day 5; the base on day 5."""
    steps = [("ADD x", False), ("RUN y", False)]
    amd64 = {"a1": [30, 4], "a2": [30, 5], "a3": [31, 6], "a4": [31, 7]}
    arm64 = {"b1": [20, 4], "b2": [20, 5], "b3": [21, 6], "b4": [21, 7]}
    moves = [("latest", f"e{at}", number) for at, number in enumerate((1, 3, 5, 9), 1)]
    records: list[Record] = [
        *(seen(tag, name, day(number)) for tag, name, number in moves),
        *(seen("old", "a1", day(3)), seen("old", None, day(5), is_absent=True), seen("latest", "e4", day(12))),
        *(seen("base", "d1", day(1)), seen("base", "d2", day(5)), *image("d1", [30]), *image("d2", [31])),
        *(row for name in ("d1", "d2") for row in config(name, steps[:1])),
        *(
            row
            for at in range(1, 5)
            for row in index(f"e{at}", [(f"a{at}", "linux/amd64"), (f"b{at}", "linux/arm64"), (f"f{at}", None)])
        ),
        *(row for name, sizes in amd64.items() for row in (*image(name, sizes), *config(name, steps))),
        *(
            row
            for name, sizes in arm64.items()
            for row in (*image(name, sizes), *config(name, steps, platform="linux/arm64"))
        ),
        *(row for at in range(1, 5) for row in packaged(f"f{at}", f"a{at}", f"{at}")),
        *(definition("1"), definition("2", architectures=["amd64", "arm64v8"])),
        *(definition("3"), definition("4", architectures=["amd64", "s390x"])),
    ]
    for at, number in enumerate((1, 3, 5, 9), 1):
        records.append(dataclasses.replace(defined("latest", f"{at}", day(number)), repository=DEFINED))
        records.append(DocumentVersion("library/app", f"{number}", day(number), DEFINED, form="stanzas", tags=[]))
    data = tmp_path_factory.mktemp("times")
    commit(data, day(40), records)
    return Store.in_memory(Journal(data / "journal"))


def answer(store: Store, name: str, **times: datetime) -> pl.DataFrame:
    """What a question says, without the times that it repeats."""
    function = getattr(queries, name)
    asked: dict[str, Any] = {
        "repository": DEFINED if name in ("tag_sources", "architecture_support") else REPOSITORY,
        "references": [f"{REPOSITORY}:{tag}" for tag in ("latest", "old", "base")],
        "period": "day",
    }
    parameters = inspect.signature(function).parameters
    if "tag" in parameters and (parameters["tag"].default is inspect.Parameter.empty or "digest" in parameters):
        asked["tag"] = "latest"
    given = {key: value for key, value in asked.items() if key in parameters}
    repeated = ["at", "from_at", "to_at", {"update_cost": "pulled_at", "aliases": "last_observed_at"}.get(name, "at")]
    return function(store, **given, **times).drop(repeated, strict=False)


@pytest.mark.parametrize("name", with_option("at"))
def test_a_moment_belongs_to_what_begins_then(store: Store, name: str) -> None:
    """At the instant of a move it has happened, and an instant before it has not."""
    told = []
    for at in MOVES:
        now, before = answer(store, name, at=at), answer(store, name, at=at - MOMENT)
        assert_frame_equal(now, answer(store, name, at=at + MOMENT))
        assert_frame_equal(before, answer(store, name, at=at - timedelta(hours=1)))
        told += [now.rows(), before.rows()]
    assert any(now != before for now, before in zip(told[::2], told[1::2], strict=True)) and all(told)


@pytest.mark.parametrize("name", with_option("since", "until"))
def test_spans_have_their_beginning_and_not_their_end(store: Store, name: str) -> None:
    """What ended at the beginning is not in a span, what began at its end neither; an event at its beginning is."""
    assert name in INSTANTS + STRETCHES + EVENTS
    told = []
    for at in MOVES:
        since, until = answer(store, name, since=at), answer(store, name, until=at)
        assert_frame_equal(since, answer(store, name, since=at - MOMENT if name in EVENTS else at + MOMENT))
        assert_frame_equal(until, answer(store, name, until=at + MOMENT if name in INSTANTS else at - MOMENT))
        told.append((since.rows(), until.rows()))
    assert any(one != told[0] for one in told)
