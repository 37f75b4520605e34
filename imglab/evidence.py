"""Where the numbers of an answer come from: the documents, runs and kept bytes behind its digests or its tags."""

from __future__ import annotations

import polars as pl

from imglab.store import Store


def evidence(store: Store, answer: pl.DataFrame) -> pl.DataFrame:
    """
    What the rows of *answer*, a frame that a question gave, stand on.

    One row per digest in its columns whose names end in `digest`; by kind, then digest. Columns: subject (the digest),
    kind (index, image, attestation, artifact, schema1, layer, config, definition; `unread`: where a tag pointed, of
    which no source told the content), source, document and document_revision (where it was seen first; null for a
    registry), observed_at (then; UTC), is_kept (its bytes, verified, are in `blob`), run_id.
    For an answer without digests one row per repository, source and document that told of its tags; by repository, then
    source. Columns: subject (the repository), kind (where tags point, what tags are built from), source, document,
    document_revision (the newest), tag_count, first_observed_at and observed_at (first and newest word; UTC), run_id.
    """
    digests = _digests(answer)
    if digests:
        return store.query("evidence_digest", {"digests": digests})
    repositories, tags = _tags(answer)
    return store.query("evidence_tag", {"repositories": repositories, "tags": tags})


def _digests(answer: pl.DataFrame) -> list[str]:
    names = [name for name, kind in answer.schema.items() if name.endswith("digest") and kind == pl.String]
    return sorted({digest for name in names for digest in answer[name].drop_nulls()})


def _tags(answer: pl.DataFrame) -> tuple[list[str], list[str | None]]:
    names = [name for name in ("repository", "tag") if name in answer.columns]
    if "repository" not in names:
        return [], []
    pairs = answer.select(names).unique(maintain_order=True)
    tags = pairs["tag"].cast(pl.String).to_list() if "tag" in names else [None] * pairs.height
    return pairs["repository"].to_list(), tags
