"""The whole real history of repo-info through the command, and the store made again from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import good, imglab, marts, quickly, rows
from population import index, release
from registry import Registry

pytestmark = [pytest.mark.real_history, pytest.mark.registry]
LATEST = "repos/python/remote/latest.md"


@pytest.fixture(scope="module")
def imported(real_data: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the whole history and two snapshots of a registry whose tag moved between them."""
    data = tmp_path_factory.mktemp("imported") / "data"
    for name in ("one", "two"):
        registry.push(index("team/app", "latest", release(name), attested=True))
        quickly(data, "snapshot", f"{registry.name}/team/app")
    good(data, "import", "repo-info", real_data / "repo-info.bundle")
    yield data


def test_every_version_of_a_document_is_there(imported: Path) -> None:
    """76 versions with 75 different index digests of the page of python:latest."""
    versions = rows(
        imported,
        "select count(*), count(distinct digest), count(distinct document_revision) from journal.tag_observation "
        "where document = $document and tag = 'latest'",
        {"document": LATEST},
    )
    assert versions == [(76, 75, 76)]


def test_every_section_and_layer_is_there(imported: Path) -> None:
    """376 platform sections of python:latest have 542 different layers in 3,045 rows."""
    found = rows(
        imported,
        """
        with version as (
            select digest
            from journal.tag_observation
            where document = $document and tag = 'latest'
        ),
        section as (
            select index_image.index_digest, index_image.manifest_digest
            from version join index_image on version.digest = index_image.index_digest
        )
        select
            (select count(*) from section),
            count(distinct image_layer.layer_digest),
            count(*)
        from section join image_layer using (manifest_digest)
        """,
        {"document": LATEST},
    )
    assert found == [(376, 542, 3_045)]


def test_layers_add_up_in_every_section(imported: Path) -> None:
    """Each image's layers add up to the total that its page states, and each section of the page has an image."""
    wrong = rows(
        imported,
        """
        select image.manifest_digest
        from image left join image_layer using (manifest_digest)
        group by image.manifest_digest, image.compressed_bytes
        having sum(image_layer.compressed_bytes) is distinct from image.compressed_bytes
        """,
    )
    assert wrong == []
    assert rows(imported, "select count(*) from image where source = 'repo-info'")[0][0] == 3_814


def test_the_last_size_is_the_pages_own(imported: Path) -> None:
    """linux/amd64 of python:latest has 274,601,627 bytes in the last document."""
    last = rows(
        imported,
        "select compressed_bytes from tag_image where repository = 'docker.io/library/python' and tag = 'latest' "
        "and platform = 'linux/amd64' and valid_to is null",
    )
    assert last == [(274_601_627,)]


def test_the_checks_find_nothing(imported: Path) -> None:
    """Real history and real snapshots together leave no row that must not exist."""
    assert good(imported, "check").endswith(" checks found nothing\n")


def test_a_second_import_adds_nothing(imported: Path, real_data: Path) -> None:
    """No observation, manifest or layer comes twice, and the marts stay as they are."""
    counted = "select count(*) from journal."
    tables = ("tag_observation", "manifest", "layer", "config", "history", "index_entry")
    before = [rows(imported, counted + table) for table in tables]
    kept = marts(imported)
    good(imported, "import", "repo-info", real_data / "repo-info.bundle")
    assert [rows(imported, counted + table) for table in tables] == before
    assert marts(imported) == kept
    (run,) = rows(imported, "select tags, manifests, outcome from journal.run order by run_id desc limit 1")
    assert run == (0, 0, "complete")


def test_a_deleted_store_is_made_again_row_for_row(imported: Path) -> None:
    """`rm imglab.duckdb; imglab rebuild`: every row of every mart is the same as after loading run by run."""
    before = marts(imported)
    (imported / "imglab.duckdb").unlink()
    out = good(imported, "rebuild")
    assert out.startswith("4 runs with ")
    assert marts(imported) == before
    assert len(before["image_layer"]) > 20_000
    assert before["tag_interval"] and before["tag_image"] and before["index_image"]


def test_a_query_alone_brings_a_deleted_store_back(imported: Path) -> None:
    """Without a rebuild the next question makes the store again."""
    before = marts(imported)
    (imported / "imglab.duckdb").unlink()
    done = imglab(imported, "sql", "select count(*) as intervals from tag_interval", "--format", "csv")
    assert (done.code, done.out.split()) == (0, ["intervals", str(len(before["tag_interval"]))])
    assert marts(imported) == before
