"""Which packages came, went or changed, where bills of materials tell."""

from __future__ import annotations

import polars as pl

from imglab import queries
from imglab.diff.compared import Compared, Section, Unit
from imglab.store import Store

_SHOWN = 12  # packages in a table for people
_CHANGES = {"came": "new", "went": "gone"}
_WORDS = {"came": "new", "went": "gone", "changed": "of another version", "copies": "in more or fewer places"}
_WORDS |= {"resized": "of another size"}


def packages(store: Store, compared: Compared) -> Section:
    """
    The packages that differ, those first whose installed size changed most, where that is known.

    Rows and columns are those of `queries.package_growth`.
    """
    title = f"Packages{compared.where} that differ"
    missing = _missing(store, compared)
    first, second = compared.first_standing, compared.second_standing
    if missing is not None or first is None or second is None:
        untagged = "Not compared: of a digest that no known tag had, packages are not looked up."
        notes = () if compared.chosen.is_empty() or compared.is_same else (missing or untagged,)
        return Section("packages", title, pl.DataFrame(), notes=notes)
    found = queries.package_growth(
        store,
        repository=compared.first.repository,
        tag=first.tag,
        since=first.at,
        to_repository=compared.second.repository,
        to_tag=second.tag,
        until=second.at,
    )
    return _told(title, compared, compared.of_chosen(found))


def _missing(store: Store, compared: Compared) -> str | None:
    """Of which side no bill of materials is known; None if there is one of both sides of a pair."""
    digests = {side: compared.chosen[f"{side}_manifest_digest"].to_list() for side in ("from", "to")}
    known = set(store.query("diff_sbom", {"digests": [*digests["from"], *digests["to"]]}).to_series())
    has = {side: [digest in known for digest in digests[side]] for side in digests}
    if any(map(all, zip(has["from"], has["to"], strict=True))):
        return None
    which = "A" if any(has["to"]) else "B" if any(has["from"]) else "either"
    return f"No bill of materials of {which} is known; `imglab snapshot --sbom` reads those that are attested."


def _told(title: str, compared: Compared, frame: pl.DataFrame) -> Section:
    if frame.is_empty():
        note = () if compared.is_same else ("None: both lists name the same packages.",)
        return Section("packages", title, frame, notes=note)
    several = [pl.col("to_series").alias("platform")] if compared.chosen.height > 1 else []
    ordered = frame.sort(pl.col("delta_bytes").abs(), descending=True, nulls_last=True, maintain_order=True)
    shown = ordered.head(_SHOWN).select(
        *several,
        pl.format("{}{}", (pl.col("ecosystem") + " ").fill_null(""), "name").alias("package"),
        pl.col("change").replace(_CHANGES),
        pl.col("from_version").alias("before"),
        pl.col("to_version").alias("after"),
        pl.col("delta_bytes").alias("installed"),
    )
    if not shown["installed"].count():
        shown = shown.drop("installed")
    units: dict[str, Unit] = {"installed": "difference"}
    return Section("packages", title, frame, shown, tuple(_notes(frame)), units)


def _notes(frame: pl.DataFrame) -> list[str]:
    """How many there are of each change, and whether what listed them is the same."""
    counts = dict(frame["change"].value_counts().rows())
    told = ", ".join(f"{counts[change]:,} {words}" for change, words in _WORDS.items() if change in counts)
    beside = f", of which {_SHOWN} are shown" if frame.height > _SHOWN else ""
    notes = [f"{frame.height:,} in all{beside}: {told}."]
    tools = frame.filter(pl.col("from_tools").ne_missing(pl.col("to_tools"))).select("from_tools", "to_tools").unique()
    for before, after in tools.sort("from_tools", "to_tools").iter_rows():
        names = f"{before or 'not stated'}; {after or 'not stated'}"
        notes.append(f"Different tools made the lists ({names}), so that they may find different things.")
    return notes
