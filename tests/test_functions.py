"""Functions that give the rows of a table for some keys: the same rows as a plain join finds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import imglab
from imglab.store import Store

BY_KEY = {
    "image_of": ("image", ("manifest_digest",)),
    "image_layer_of": ("image_layer", ("manifest_digest",)),
    "index_image_of": ("index_image", ("index_digest",)),
    "history_of": ("stg_history", ("config_digest",)),
    "tag_interval_of": ("tag_interval", ("repository", "tag")),
    "tag_image_of": ("tag_image", ("repository", "tag")),
}


@pytest.fixture(scope="module")
def sample() -> Iterator[Store]:
    with imglab.open_sample() as store:
        yield store


@pytest.mark.parametrize("name", BY_KEY)
def test_rows_of_some_keys_are_those_of_a_join(sample: Store, name: str) -> None:
    """A key that is wanted twice counts once; one that is null or not known gives nothing."""
    table, keys = BY_KEY[name]
    named = {"index_digest": "digest"}
    some = f"select distinct {', '.join(keys)} from {table} order by all limit 5"
    nothing, unknown = (", ".join(f"{word} as {key}" for key in keys) for word in ("null", "'of nowhere'"))
    wanted = f"({some}) union all ({some}) union all (select {nothing}) union all (select {unknown})"
    columns = ", ".join(f"{key} as {named.get(key, key)}" for key in keys)
    given = sample.sql(
        f"with key as ({wanted}), wanted as (select {columns} from key) select * from {name}('wanted') order by all"
    )
    joined = sample.sql(f"select * from {table} semi join ({some}) as key using ({', '.join(keys)}) order by all")
    assert given.height >= 5
    assert given.select(joined.columns).equals(joined)


def test_nothing_wanted_gives_nothing(sample: Store) -> None:
    """A relation without rows has no images."""
    text = "with wanted as (select manifest_digest from image where false) select * from image_layer_of('wanted')"
    assert sample.sql(text).is_empty()
