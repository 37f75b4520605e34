"""Numbers lead back to the documents and runs that they stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from made import REPOSITORY, commit, config, day, defined, definition, digest, image, index, seen

import imglab
from imglab import queries
from imglab.ask import explanation
from imglab.errors import UsageError
from imglab.evidence import evidence
from imglab.journal import Journal
from imglab.records import Blob
from imglab.store import Store

PAGE = {"document": "repos/app/remote/latest.md"}


def opened(data: Path) -> Store:
    return Store.in_memory(Journal(data / "journal"))


def test_digests_lead_to_their_documents(tmp_path: Path) -> None:
    """An image below an index, and its layers, were told by the version of the page that first named the index."""
    one = [*index("1", [("a1", "linux/amd64")]), *image("a1", [5, 5, 7])]
    later = [*index("2", [("a2", "linux/amd64")]), *image("a2", [5, 9])]
    run = commit(
        tmp_path,
        day(9),
        [
            *one,
            *later,
            seen("latest", "1", day(2), document_revision="second", **PAGE),
            seen("latest", "1", day(1), document_revision="first", **PAGE),
            seen("latest", "2", day(3), document_revision="third", **PAGE),
        ],
        source="repo-info",
    )
    store = opened(tmp_path)
    told = evidence(store, queries.layers(store, repository=REPOSITORY, tag="latest", at=day(1)))
    assert told.select("subject", "kind", "document_revision", "observed_at", "is_kept").rows() == [
        (digest("a1"), "image", "first", day(1), False),
        (digest("d5"), "layer", "first", day(1), False),
        (digest("d7"), "layer", "first", day(1), False),
    ]
    assert set(told.select("source", "document", "run_id").rows()) == {("repo-info", PAGE["document"], run)}


def test_the_better_source_is_named(tmp_path: Path) -> None:
    """A registry's verified document counts before a page about it, and its bytes are kept."""
    page = [*image("a1", [5]), seen("latest", "a1", day(1), document_revision="first", **PAGE)]
    commit(tmp_path, day(8), page, source="repo-info")
    run = commit(tmp_path, day(9), [*image("a1", [5]), seen("latest", "a1", day(9)), Blob(digest("a1"), "m", b"{}")])
    store = opened(tmp_path)
    told = evidence(store, queries.tags(store, repository=REPOSITORY))
    assert told.rows() == [(digest("a1"), "image", "registry", None, None, day(9), True, run)]


def test_attestations_configs_and_what_nobody_described(tmp_path: Path) -> None:
    """Each kind of digest is found; a digest that is only pointed at is unread; an unknown one has no row."""
    described = [*image("a1", [5]), *config("a1", [("RUN x", False)]), *image("e1", [1], kind="attestation")]
    run = commit(tmp_path, day(1), [*described, seen("latest", "a1", day(1)), seen("old", "b0", day(1))])
    store = opened(tmp_path)
    asked = store.sql(
        "select $a as manifest_digest, $b as config_digest, $c as digest union all select $d, null, $e",
        {"a": digest("a1"), "b": digest("ca1"), "c": digest("e1"), "d": digest("b0"), "e": digest("ff")},
    )
    assert evidence(store, asked).select("subject", "kind", "run_id").rows() == [
        (digest("e1"), "attestation", run),
        (digest("ca1"), "config", run),
        (digest("a1"), "image", run),
        (digest("b0"), "unread", run),
    ]


def test_counts_lead_to_the_documents_about_their_tags(tmp_path: Path) -> None:
    """An answer without digests stands on every document that told of its tags; of others nothing is said."""
    pointed = [seen("1.0", "a1", day(1), document_revision="one", **PAGE), seen("1.0", "a2", day(4), **PAGE)]
    other = [seen("2.0", "a3", day(5), document="repos/app/remote/2.0.md")]
    pages = commit(tmp_path, day(8), [*pointed, *other], source="repo-info")
    defines = [definition("abc"), defined("1.0", "abc", day(2)), defined("1.0", None, day(6))]
    files = commit(tmp_path, day(9), defines, source="official-images")
    store = opened(tmp_path)
    told = evidence(store, queries.tag_churn(store, repository=REPOSITORY, tag="1.*"))
    assert told.rows() == [
        (
            REPOSITORY,
            "what tags are built from",
            "official-images",
            "library/app",
            "06",
            1,
            day(2),
            day(6),
            files,
        ),
        (REPOSITORY, "where tags point", "repo-info", PAGE["document"], None, 1, day(1), day(4), pages),
    ]


def test_definitions_lead_to_the_version_that_said_so_first(tmp_path: Path) -> None:
    """Definitions are named by imglab's own digest, as in the answers of `aliases`."""
    defines = [definition("abc"), defined("1.0", "abc", day(2)), defined("1", "abc", day(3))]
    run = commit(tmp_path, day(9), defines, source="official-images")
    store = opened(tmp_path)
    told = evidence(store, store.sql("select $a as digest", {"a": digest("defabc")}))
    assert told.rows() == [(digest("defabc"), "definition", "official-images", "library/app", "02", day(2), False, run)]


def test_nothing_stands_on_nothing(tmp_path: Path) -> None:
    """An empty answer has no evidence."""
    store = Store.in_memory(Journal(tmp_path))
    assert evidence(store, queries.tag_churn(store, repository=REPOSITORY)).is_empty()
    assert evidence(store, queries.layers(store, repository=REPOSITORY, tag="x")).is_empty()


def test_every_row_of_the_sample_is_explained() -> None:
    """Each digest of an answer has exactly one row, and each row its document and run."""
    with imglab.open_sample() as store:
        answer = queries.layer_growth(store, repository="python", tag="latest")
        told = evidence(store, answer)
    digests = {*answer["manifest_digest"], *answer["layer_digest"]}
    assert sorted(told["subject"]) == sorted(digests)
    assert told.select("document", "run_id", "source").null_count().row(0) == (0, 0, 0)


def test_a_question_is_explained_by_name(tmp_path: Path) -> None:
    """`ask --explain` answers what `ask` would be asked, with the same errors."""
    commit(tmp_path, day(1), [*image("a1", [5]), seen("latest", "a1", day(1))])
    told = explanation("tags", {"repository": REPOSITORY}, data=tmp_path)
    assert told["subject"].to_list() == [digest("a1")]
    with pytest.raises(UsageError, match="needs --repository"):
        explanation("layers", {}, data=tmp_path)
