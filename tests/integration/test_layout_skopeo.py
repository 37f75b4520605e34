"""What skopeo copies out of a registry into folders and archives, imported: the rows are those of a snapshot."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from command import Rows, imglab, quickly, rows
from population import PLATFORMS, Document, Image, image, index
from registry import Registry
from test_skopeo import digest_of, packed_anew, skopeo

pytestmark = [pytest.mark.registry, pytest.mark.skopeo]
APP = "team/app"
CONTENT = {
    "manifest": "select * exclude (run_id) from journal.manifest order by all",
    "index_entry": "select * exclude (run_id) from journal.index_entry order by all",
    "layer": "select * exclude (run_id) from journal.layer order by all",
    "config": "select * exclude (run_id) from journal.config order by all",
    "history": "select * exclude (run_id) from journal.history order by all",
    "blob": "select * exclude (run_id) from journal.blob order by all",
    "image": "select * exclude (run_id, source) from image order by all",
    "image_layer": "select * from image_layer order by all",
    "tag_image": "select * exclude (valid_from, last_observed_at) from tag_image order by all",
}


def content(data: Path) -> dict[str, Rows]:
    """Everything that is known of images, whoever told it."""
    return {name: rows(data, query) for name, query in CONTENT.items()}


@pytest.fixture(scope="module")
def images() -> list[Image]:
    """An image for each of four platforms, whose diff ids are true."""
    return [packed_anew(image(["base", f"tool-{at[1]}-{at[2]}"], at)) for at in PLATFORMS[:4]]


@pytest.fixture(scope="module")
def app(registry: Registry, images: list[Image]) -> str:
    """A repository with an attested index and a single image."""
    registry.push(index(APP, "1.0", images, attested=True))
    registry.push(images[0].push(APP, "alone"))
    return f"{registry.name}/{APP}"


@pytest.fixture(scope="module")
def snapshot(app: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    """What a snapshot of the registry tells."""
    data = tmp_path_factory.mktemp("snapshot") / "data"
    quickly(data, "snapshot", app)
    return content(data)


def copied(app: str, target: str) -> None:
    """Both tags copied, byte for byte, into one layout."""
    for tag in ("1.0", "alone"):
        source = ("--src-tls-verify=false", "--all", "--preserve-digests", f"docker://{app}:{tag}")
        skopeo("copy", *source, f"{target}:{tag}")


def test_a_layout_is_told_as_the_registry_is(app: str, snapshot: dict[str, Rows], data: Path, tmp_path: Path) -> None:
    """A folder that skopeo wrote, tags alone as names; the same folder packed by tar, with gzip and with zstd."""
    copied(app, f"oci:{tmp_path / 'layout'}")
    quickly(data, "import", "oci-layout", tmp_path / "layout", "--repository", app)
    assert content(data) == snapshot
    assert rows(data, "select distinct source from tag_interval") == [("oci-layout",)]
    assert quickly(data, "check").endswith(" checks found nothing\n")
    packed = {"layout.tar": [], "layout.tar.gz": ["--gzip"], "layout.tar.zst": ["--use-compress-program=zstd"]}
    for name, options in packed.items():
        if "zst" in name and shutil.which("zstd") is None:
            continue
        subprocess.run(["tar", *options, "-C", tmp_path / "layout", "-cf", tmp_path / name, "."], check=True)
        again = tmp_path / f"data of {name}"
        quickly(again, "import", "oci-layout", tmp_path / name, "--repository", app)
        assert content(again) == snapshot


def test_an_oci_archive_is_told_as_the_registry_is(
    app: str, snapshot: dict[str, Rows], data: Path, tmp_path: Path
) -> None:
    """One archive for each tag, with a whole reference as its name, into a store that knows nothing else."""
    for tag in ("1.0", "alone"):
        path = tmp_path / f"{tag}.tar"
        source = ("--src-tls-verify=false", "--all", "--preserve-digests", f"docker://{app}:{tag}")
        skopeo("copy", *source, f"oci-archive:{path}:registry.test/{APP}:{tag}")
        quickly(data, "import", "oci-layout", path, "--repository", app)
    assert content(data) == snapshot


def test_archives_and_snapshots_go_together(app: str, snapshot: dict[str, Rows], data: Path, tmp_path: Path) -> None:
    """Whichever comes first, the other adds observations alone."""
    copied(app, f"oci:{tmp_path / 'layout'}")
    quickly(data, "import", "oci-layout", tmp_path / "layout", "--repository", app)
    assert ", 0 moves, 0 new documents," in quickly(data, "snapshot", app)
    assert ", 0 moves, 0 new documents," in quickly(
        data, "import", "oci-layout", tmp_path / "layout", "--repository", app
    )
    assert content(data) == snapshot
    assert rows(data, "select tag, observation_count from tag_interval order by tag") == [("1.0", 3), ("alone", 3)]


def test_one_platform_of_an_index(app: str, images: list[Image], data: Path, tmp_path: Path) -> None:
    """What skopeo takes out of an index without --all is a tag at one image."""
    source = ("--override-arch", "arm64", "copy", "--src-tls-verify=false", f"docker://{app}:1.0")
    skopeo(*source, f"oci-archive:{tmp_path / 'arm.tar'}:{app}:1.0")
    quickly(data, "import", "oci-layout", tmp_path / "arm.tar")
    assert rows(data, "select repository, tag, platform, digest from tag_image") == [
        (app, "1.0", "linux/arm64", images[3].manifest.digest)
    ]


def test_a_docker_archive_tells_config_and_steps(
    app: str, images: list[Image], snapshot: dict[str, Rows], data: Path, tmp_path: Path
) -> None:
    """What skopeo writes for docker load: config and steps are the registry's, layers unpacked, sizes not known."""
    config, *layers = images[0].blobs
    for tag in ("1.0", "alone"):
        source = ("copy", "--src-tls-verify=false", f"docker://{app}:{tag}")
        skopeo(*source, f"docker-archive:{tmp_path / tag}.tar:registry.test/{APP}:{tag}")
        quickly(data, "import", "docker-archive", tmp_path / f"{tag}.tar", "--repository", app)
    key = f"config+{config.digest}"
    assert rows(data, "select tag, digest, platform, compressed_bytes, layer_count from tag_image order by tag") == [
        ("1.0", key, "linux/amd64", None, 2),
        ("alone", key, "linux/amd64", None, 2),
    ]
    told = content(data)
    assert len(told["config"]) == 1 and len(told["history"]) == 3
    assert all(row in snapshot[name] for name in ("config", "history") for row in told[name])
    diff_ids = [digest_of(gzip.decompress(layer.body)) for layer in layers]
    chosen = "from image_layer where manifest_digest = $digest order by position"
    steps = f"select step_label, created_by, step_created_at {chosen}"
    query = f"select layer_digest, compressed_bytes {chosen}"
    assert rows(data, query, {"digest": key}) == [(diff_id, None) for diff_id in diff_ids]
    shown = rows(data, steps, {"digest": key})
    quickly(data, "snapshot", f"{app}:alone")
    assert rows(data, steps, {"digest": images[0].manifest.digest}) == shown
    assert quickly(data, "check").endswith(" checks found nothing\n")


def test_what_docker_loads_and_skopeo_packs_again(app: str, images: list[Image], data: Path, tmp_path: Path) -> None:
    """From a docker-archive into a layout layers are packed and the config is written anew: another image."""
    archive, layout = tmp_path / "saved.tar", tmp_path / "layout"
    skopeo("copy", "--src-tls-verify=false", f"docker://{app}:alone", f"docker-archive:{archive}:{app}:alone")
    skopeo("copy", f"docker-archive:{archive}", f"oci:{layout}:{app}:alone")
    quickly(data, "import", "docker-archive", archive, "--observed-at", "2026-01-01")
    quickly(data, "import", "oci-layout", layout, "--observed-at", "2026-01-02")
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    intervals = rows(data, "select digest, valid_to is null from tag_interval order by valid_from")
    assert intervals == [(f"config+{images[0].blobs[0].digest}", False), (entry["digest"], True)]
    assert rows(data, "select count(*), count(compressed_bytes) from image") == [(2, 1)]
    assert rows(data, "select count(distinct diff_ids::varchar) from journal.config") == [(1,)]


def test_a_layout_that_lost_a_document(app: str, images: list[Image], data: Path, tmp_path: Path) -> None:
    """A config that is gone: one failure that names it, exit code 1, everything else as it was."""
    copied(app, f"oci:{tmp_path / 'layout'}")
    lost: Document = images[2].blobs[0]
    (tmp_path / "layout" / "blobs" / "sha256" / lost.digest.partition(":")[2]).unlink()
    done = imglab(data, "import", "oci-layout", tmp_path / "layout", "--repository", app)
    assert done.code == 1
    assert rows(data, "select locator, kind from journal.failure") == [(f"{app}@{lost.digest}", "not-found")]
    assert rows(data, "select count(*) from journal.config") == [(3,)]
    assert f"{app}@{lost.digest}" in done.err or lost.digest.partition(":")[2] in done.err
