"""Pages of repo-info for what a real registry holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import good, imglab, lines
from population import DOCKER_MANIFEST, OCI_INDEX, PLATFORMS, Population, population
from registry import Registry

from imglab.sources.tag_page import Page, parse_page

pytestmark = pytest.mark.registry
APP = "team/app"


@pytest.fixture(scope="module")
def taken(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Population]]:
    """One snapshot of team/app: the data folder, the repository's name and what was pushed."""
    data, made = tmp_path_factory.mktemp("taken") / "data", population(APP)
    for push in made.first:
        registry.push(push)
    good(data, "snapshot", f"{registry.name}/{APP}")
    yield data, f"{registry.name}/{APP}", made


def rendered(data: Path, reference: str) -> Page:
    """The page of *reference* as a reader of repo-info's pages understands it, without any defect."""
    page = parse_page(good(data, "render", "repo-info", reference).encode(), source=reference)
    assert page.defects == ()
    return page


def test_page_of_an_attested_index(taken: tuple[Path, str, Population]) -> None:
    """Every platform and attestation has its section, with the digests, sizes and steps that were pushed."""
    data, repository, made = taken
    page = rendered(data, f"{repository}:1.0")
    (push,) = (push for push in made.first if (push.repository, push.tag) == (APP, "1.0"))
    assert (page.name, page.tag, page.digest, page.media_type) == (repository, "1.0", push.top.digest, OCI_INDEX)
    shown = [(part.platform.os, part.platform.architecture, part.platform.variant) for part in page.sections]
    assert shown == [*PLATFORMS, *[("unknown", "unknown", None)] * len(PLATFORMS)]
    sizes = {blob.digest: len(blob.body) for blob in push.blobs}
    layers = [layer for part in page.sections for layer in part.image.layers]
    assert len(layers) == 3 * len(PLATFORMS)
    assert all(layer.compressed_bytes == sizes[layer.digest] for layer in layers)
    assert {part.image.digest for part in page.sections} == {document.digest for document in push.documents[:-1]}
    assert all(part.image.image_id in sizes for part in page.sections)
    dates = [step.created_at.day for step in page.sections[0].image.steps]
    assert dates == [1, 2] and page.sections[0].image.cmd == ("run",) and page.sections[-1].image.steps == ()


def test_page_of_a_single_manifest(taken: tuple[Path, str, Population]) -> None:
    """A tag at one manifest has one section, whose digest stands on top."""
    data, repository, made = taken
    page = rendered(data, f"{repository}:docker")
    (section,) = page.sections
    assert page.digest == made.tags(APP)["docker"].digest
    assert (page.media_type, section.image.digest, section.image.media_type) == (None, None, DOCKER_MANIFEST)
    assert [layer.last_modified_at for layer in section.image.layers] == [None, None]


def test_every_tag_has_a_page(taken: tuple[Path, str, Population]) -> None:
    """Nested indexes, artifacts, foreign layers and images without history are rendered; unknown tags end with 2."""
    data, repository, made = taken
    for tag, top in made.tags(APP).items():
        page = good(data, "render", "repo-info", f"{repository}:{tag}")
        assert page.startswith(f"## `{repository}:{tag}`\n\n```console\n$ docker pull {repository}@{top.digest}\n```\n")
    done = imglab(data, "render", "repo-info", f"{repository}:nine")
    assert (done.code, done.out) == (2, "")
    assert len(lines(done.err)) == 1 and "no tag nine" in done.err
