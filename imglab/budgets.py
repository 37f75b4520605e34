"""
Budgets: limits that images of tags must keep, from a file in TOML, checked against what the store knows.

    [defaults]                        # for every budget that does not say otherwise
    platforms = ["linux/amd64"]

    [[budget]]
    repository = "python"             # or a pattern, ghcr.io/team/*
    tags = ["latest", "3.*"]          # names and patterns; without it all tags
    max_size = "400 MB"
    max_layers = 12
    max_growth = "5 %"                # or "20 MB": against what the tag gave at `since`
    since = 2026-01-01                # or "90 days" before the tag was last looked at
    alarms = true                     # jumps and drifts since then, or of the newest build (see `size_changes`)

    [budget.steps]                    # patterns of step labels: the largest layer that such a step may make
    "RUN apt-get *" = "260 MB"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import polars as pl

from imglab import queries
from imglab.checked_toml import Check, Reading, Wrong, count, flag, key_lines, parse_toml, read_text, texts
from imglab.errors import InvalidReference
from imglab.oci import Platform, canonical_repository
from imglab.store import Store

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_DAYS = re.compile(r"(\d{1,5}) days?")
_WILD = re.compile(r"[*?\[]")

FINDINGS = {
    "budget": pl.Int64,
    "line": pl.Int64,
    "repository": pl.String,
    "tag": pl.String,
    "platform": pl.String,
    "check": pl.String,
    "step_label": pl.String,
    "value": pl.Int64,
    "limit": pl.Int64,
    "unit": pl.String,
    "verdict": pl.String,
    "message": pl.String,
    "digest": pl.String,
    "manifest_digest": pl.String,
}


@dataclass(frozen=True)
class Budget:
    """What images of some tags must keep; None: no such limit. `line` is where it stands in its file."""

    repository: str
    tags: tuple[str, ...] = ("*",)
    platforms: tuple[str, ...] = ()
    max_size: int | None = None
    max_layers: int | None = None
    max_growth: int | float | None = None  # bytes, or a share
    since: datetime | int | None = None  # a time, or days before the last look
    alarms: bool = False
    steps: Mapping[str, int] = field(default_factory=dict)
    line: int = 1


def read_budgets(path: Path) -> list[Budget]:
    """The budgets in the file at *path*. Raises InvalidFile if anything in it is wrong, UsageError if unreadable."""
    return parse_budgets(read_text(path), source=str(path))


def parse_budgets(text: str, *, source: str) -> list[Budget]:
    """The budgets that *text* states, in its order. Raises InvalidFile with every mistake and its line."""
    document = parse_toml(text, source)
    reading, lines = Reading(), key_lines(text)
    reading.refuse_unknown(document, ("budget", "defaults"), (), "")
    defaults = document.get("defaults", {})
    shared = reading.table(defaults, _OF_BUDGET, ("defaults",), "defaults: ") if isinstance(defaults, dict) else {}
    if not isinstance(defaults, dict):
        reading.problem(("defaults",), "`defaults` is a table: write [defaults]")
    budgets = []
    for number, item in enumerate(reading.tables(document.get("budget", []), "budget")):
        place, name = ("budget", number), f"budget {number + 1}: "
        table = reading.table(item, {"repository": _repository, **_OF_BUDGET}, place, name)
        _complete(reading, {**shared, **item}, place, name)
        if "repository" in table:
            budgets.append(Budget(**{**shared, **table}, line=lines.get(place, 1)))
    if not document.get("budget"):
        reading.problem((), "there is no budget: write [[budget]] with a `repository` and a limit")
    reading.refuse(text, source)
    return budgets


def _complete(reading: Reading, given: Mapping[str, Any], place: tuple[str | int, ...], name: str) -> None:
    if "repository" not in given:
        reading.problem(place, f"{name}`repository` is missing")
    if not {"max_size", "max_layers", "max_growth", "alarms", "steps"} & given.keys():
        reading.problem(place, f"{name}limits nothing: give max_size, max_layers, max_growth, steps or alarms")
    if "max_growth" in given and "since" not in given:
        reading.problem(place, f'{name}`max_growth` needs `since`, a date or "90 days"')


# --- values ----------------------------------------------------------------------------------------------------------


def _repository(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong('should be text, such as "python" or "ghcr.io/team/*"')
    if _WILD.search(value):
        return value
    try:
        return canonical_repository(value)
    except InvalidReference as error:
        raise Wrong(f"is wrong: {error}") from None


def _tags(value: object) -> tuple[str, ...]:
    if not texts(value):
        raise Wrong('is empty: write ["*"] for all tags')
    return tuple(texts(value))


def _platforms(value: object) -> tuple[str, ...]:
    try:
        return tuple(str(Platform.parse(text)) for text in texts(value))
    except InvalidReference as error:
        raise Wrong(f"is wrong: {error}") from None


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match:
        return int(float(match[1]) * _UNITS[match[2]])
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Wrong('should be a size such as "400 MB", "1.5 GB" or a number of bytes')


def _growth(value: object) -> int | float:
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match:
        return float(match[1]) / 100
    try:
        return _size(value)
    except Wrong:
        raise Wrong('should be a share such as "5 %" or a size such as "20 MB"') from None


def _since(value: object) -> datetime | int:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    match = _DAYS.fullmatch(value) if isinstance(value, str) else None
    if match:
        return int(match[1])
    raise Wrong('should be a date such as 2026-01-01 (without quotes) or "90 days"')


def _steps(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or not value:
        raise Wrong('should be a table of step labels and sizes: "RUN apt-get *" = "260 MB"')
    return {label: _size(size) for label, size in value.items()}


_OF_BUDGET: dict[str, Check] = {
    "tags": _tags,
    "platforms": _platforms,
    "max_size": _size,
    "max_layers": count,
    "max_growth": _growth,
    "since": _since,
    "alarms": flag,
    "steps": _steps,
}


# --- checks ----------------------------------------------------------------------------------------------------------

_Finding = dict[str, object]


def check_budgets(store: Store, budgets: list[Budget]) -> pl.DataFrame:
    """
    How the images that tags give now keep *budgets*.

    One row per budget, tag, platform and limit of it; what is over or unknown first, then in the order of the budgets.
    Columns: budget (from 1), line (of its file), repository, tag, platform (with the build for Windows), check
    (max_size, max_layers, max_growth, steps, alarms, or `budget` if it is about nothing that is there), step_label (of
    the step that is limited), value and limit (bytes or layers, see unit; null where unknown), unit, verdict, message,
    digest, manifest_digest.
    verdict is `over`, `unknown` (a size or step that no source told, or no such image), `new` (there was no image to
    compare with) or `within`.
    """
    rows = [row for number, budget in enumerate(budgets, 1) for row in _checked(store, number, budget)]
    order = pl.Enum(["over", "unknown", "new", "within"])
    frame = pl.DataFrame(rows, schema=FINDINGS, orient="row")
    return frame.sort(pl.col("verdict").cast(order), "budget", maintain_order=True)


def _checked(store: Store, number: int, budget: Budget) -> Iterator[_Finding]:
    given = {"budget": number, "line": budget.line}
    images = _images(store, budget)
    if images.is_empty():
        what = f"no image of {budget.repository} with tags {', '.join(budget.tags)} is in the store: observe it first"
        yield {**given, "repository": budget.repository, "check": "budget", "verdict": "unknown", "message": what}
    changes = _changes(store, budget, images) if budget.alarms else {}
    layers = _layers(store, images) if budget.steps else {}
    for image in images.iter_rows(named=True):
        about = {key: image[key] for key in ("repository", "tag", "digest", "manifest_digest")}
        for finding in _limits(budget, image, layers, changes):
            yield {**given, **about, "platform": image["series"], **finding}


def _limits(
    budget: Budget, image: dict[str, Any], layers: dict[str, list[Any]], changes: dict[tuple[str, ...], list[Any]]
) -> Iterator[_Finding]:
    size, layer_count = image["compressed_bytes"], image["layer_count"]
    if budget.max_size is not None:
        yield _compared("max_size", size, budget.max_size, "bytes")
    if budget.max_layers is not None:
        yield _compared("max_layers", layer_count, budget.max_layers, "layers")
    if budget.max_growth is not None:
        yield _grown(budget.max_growth, image)
    if budget.steps:
        yield from _stepped(budget.steps, layers.get(image["manifest_digest"]) or [])
    if budget.alarms:
        yield _alarmed(changes.get((image["repository"], image["tag"], image["series"]), []))


def _images(store: Store, budget: Budget) -> pl.DataFrame:
    """The images that a budget is about: each tag and series once."""
    since = budget.since if isinstance(budget.since, datetime) else None
    days = None if isinstance(budget.since, datetime) else budget.since
    frames = [
        store.query("budget_image", {"repository": budget.repository, "tag": tag, "since": since, "days": days})
        for tag in budget.tags
    ]
    found = pl.concat(frames).unique(["repository", "tag", "series"], maintain_order=True)
    if not budget.platforms:
        return found
    return found.filter(pl.col("platform").is_in(budget.platforms) | pl.col("series").is_in(budget.platforms))


def _layers(store: Store, images: pl.DataFrame) -> dict[str, list[Any]]:
    digests = images["manifest_digest"].drop_nulls().unique().to_list()
    found: dict[str, list[Any]] = {}
    for row in store.query("budget_step", {"manifest_digests": digests}).iter_rows(named=True):
        found.setdefault(row["manifest_digest"], []).append(row)
    return found


def _changes(store: Store, budget: Budget, images: pl.DataFrame) -> dict[tuple[str, ...], list[Any]]:
    """The builds since the time of the budget, or the newest one, by repository, tag and series."""
    compared = images.select("repository", "tag", "series", "valid_from", "compared_at")
    frames = [queries.size_changes(store, repository=budget.repository, tag=tag) for tag in budget.tags]
    builds = pl.concat(frames).unique(["repository", "tag", "series", "valid_from"], maintain_order=True)
    joined = builds.join(compared, on=["repository", "tag", "series"], suffix="_now", maintain_order="left")
    wanted = joined.filter(pl.col("valid_from") >= pl.coalesce("compared_at", pl.col("valid_from").max().over("tag")))
    if budget.since is None:
        newest = pl.col("valid_from").max().over("repository", "tag", "series")
        wanted = joined.filter(pl.col("valid_from") == newest)
    found: dict[tuple[str, ...], list[Any]] = {}
    for row in wanted.iter_rows(named=True):
        found.setdefault((row["repository"], row["tag"], row["series"]), []).append(row)
    return found


def _compared(check: str, value: int | None, limit: int, unit: str) -> _Finding:
    finding: _Finding = {"check": check, "value": value, "limit": limit, "unit": unit}
    if value is None:
        return {**finding, "verdict": "unknown", "message": "no source told its layers"}
    over = value - limit
    if over > 0:
        return {**finding, "verdict": "over", "message": f"{_words(value, unit)}: {_words(over, unit)} too much"}
    return {**finding, "verdict": "within", "message": f"{_words(value, unit)} of {_words(limit, unit)}"}


def _grown(allowed: int | float, image: dict[str, Any]) -> _Finding:
    """Growth since the image before: at most so many bytes, or such a share of it."""
    now, before, at = image["compressed_bytes"], image["before_bytes"], image["compared_at"]
    finding: _Finding = {"check": "max_growth", "unit": "bytes"}
    if image["before_manifest_digest"] is None:
        return {**finding, "verdict": "new", "message": f"there was no image on {at:%Y-%m-%d}"}
    if now is None or before is None:
        return {**finding, "verdict": "unknown", "message": "no source told the size, now or then"}
    limit = int(before * allowed) if isinstance(allowed, float) else allowed
    grown = f"{_words(now - before, 'bytes')} more than the {_words(before, 'bytes')} of {at:%Y-%m-%d}"
    if now < before:
        grown = f"{_words(before - now, 'bytes')} less than the {_words(before, 'bytes')} of {at:%Y-%m-%d}"
    verdict = "over" if now - before > limit else "within"
    return {**finding, "value": now - before, "limit": limit, "verdict": verdict, "message": grown}


def _stepped(limits: Mapping[str, int], layers: list[Any]) -> Iterator[_Finding]:
    """The largest layer of the steps that each pattern matches; unknown if a layer's step or size is."""
    for pattern, limit in limits.items():
        matching = [layer for layer in layers if fnmatchcase(layer["step_label"] or "", pattern)]
        if not layers or any(layer["step_label"] is None for layer in layers):
            unknown = "no source told its layers" if not layers else "it cannot be told which steps made its layers"
            yield {**_compared("steps", None, limit, "bytes"), "step_label": pattern, "message": unknown}
        elif not matching:
            yield {**_compared("steps", 0, limit, "bytes"), "step_label": pattern, "message": "no such step"}
        else:
            largest = max(matching, key=lambda layer: layer["compressed_bytes"] or 0)
            sizes = [layer["compressed_bytes"] for layer in matching]
            value = None if None in sizes else largest["compressed_bytes"]
            yield {**_compared("steps", value, limit, "bytes"), "step_label": largest["step_label"]}


def _alarmed(builds: list[Any]) -> _Finding:
    """The newest change that is out of the ordinary."""
    finding: _Finding = {"check": "alarms", "unit": "bytes"}
    unusual = [build for build in builds if build["change"]]
    if not unusual:
        return {**finding, "verdict": "within", "message": "no jump and no drift"}
    last = unusual[-1]
    size = last["step_bytes"] if last["change"] == "jump" else last["drift_bytes"]
    usual = _words(last["usual_step_bytes"], "bytes")
    words = (
        f"{last['change']} of {'+' if size > 0 else '-'}{_words(abs(size), 'bytes')} on {last['valid_from']:%Y-%m-%d}"
    )
    return {**finding, "value": size, "verdict": "over", "message": f"{words}; {usual} a build are usual"}


def _words(value: int, unit: str) -> str:
    """*value* as people read it."""
    if unit != "bytes":
        return f"{value:,} {unit if value != 1 else unit.removesuffix('s')}"
    for name, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= size:
            return f"{value / size:.{2 if name == 'GB' else 1}f} {name}"
    return f"{value} B"
