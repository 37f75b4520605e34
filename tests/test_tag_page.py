"""Pages of one tag are parsed and become records: every form and every broken form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imglab import gitlog
from imglab.errors import ParseError
from imglab.records import Config, History, IndexEntry, Layer, Manifest, Record, TagObservation
from imglab.sources import tag_page
from imglab.sources.tag_page import Page, PageImage, PagePlatform, page_records, parse_page

PAGES = Path(__file__).parent / "data" / "repo_info"
SINGLE, LIST, SCHEMA1, ABSENT = (
    (PAGES / f"{name}.md").read_bytes() for name in ("single", "list", "schema1", "absent")
)
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
R = TypeVar("R", bound=Record)


def of(kind: type[R], records: list[Record]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


def records_of(body: bytes) -> list[Record]:
    return page_records(parse_page(body, source="page.md"), NOON)


# --- writing pages again: what was parsed is all there is ------------------------------------------------------------


def rendered(page: Page) -> bytes:
    """The page as repo-info writes it."""
    text = f"## `{page.name}:{page.tag}`\n\n"
    if page.digest is None:
        return f"{text}**does not exist** (yet?)\n".encode()
    text += _pull(page.name, page.digest)
    text += f"-\tManifest MIME: `{page.media_type}`\n" if page.media_type else ""
    text += f"-\tPlatforms:{f' {len(page.platforms)}' if page.has_platform_count else ''}\n"
    text += "".join(f"\t-\t{_platform(platform)}\n" for platform in page.platforms)
    for section in page.sections:
        text += f"\n### `{page.name}:{page.tag}` - {_platform(section.platform)}\n\n{_image(page.name, section.image)}"
    return text.encode()


def _image(name: str, image: PageImage) -> str:
    text = _pull(name, image.digest) if image.digest else ""
    text += f"-\tDocker Version: {image.docker_version}\n" if image.docker_version is not None else ""
    text += f"-\tManifest MIME: `{image.media_type}`\n-\tTotal Size: **{_size(image.compressed_bytes)}**  \n"
    text += f"\t(compressed transfer size, not on-disk size)\n-\tImage ID: `{image.image_id}`\n"
    text += (
        _words("Entrypoint", image.entrypoint) + _words("Default Command", image.cmd) + _words("`SHELL`", image.shell)
    )
    text += "\n```dockerfile\n"
    for step in image.steps:
        text += f"# {_date(step.created_at)}\n" + ("" if step.text is None else f"{step.text}\n")
    text += "```\n\n-\tLayers:\n"
    for layer in image.layers:
        text += f"\t-\t`{layer.digest}`  \n"
        text += f"\t\tLast Modified: {_date(layer.last_modified_at)}  \n" if layer.last_modified_at else ""
        text += f"\t\tSize: {_size(layer.compressed_bytes)}  \n\t\tMIME: {layer.media_type}\n"
    return text


def _pull(name: str, digest: str) -> str:
    return f"```console\n$ docker pull {name}@{digest}\n```\n\n"


def _platform(platform: PagePlatform) -> str:
    version = f" version {platform.os_version}" if platform.os_version else ""
    variant = f" variant {platform.variant}" if platform.variant else ""
    return f"{platform.os}{version}; {platform.architecture}{variant}"


def _words(name: str, words: tuple[str, ...] | None) -> str:
    escaped = json.dumps(words, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/")
    return "" if words is None else f"-\t{name}: `{escaped}`\n"


def _size(count: int) -> str:
    unit, scale = next(((u, s) for u, s in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)) if count >= s), ("B", 1))
    return f"{count / scale:.1f} {unit}" + (f" ({count} bytes)" if unit != "B" else "")


def _date(instant: datetime) -> str:
    return instant.strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize("body", [SINGLE, LIST, SCHEMA1, ABSENT], ids=["single", "list", "schema1", "absent"])
def test_page_can_be_written_again(body: bytes) -> None:
    """A parsed page holds all that it shows: written again it is the same, byte for byte."""
    assert rendered(parse_page(body, source="page.md")) == body


# --- forms -----------------------------------------------------------------------------------------------------------


def test_single_manifest() -> None:
    """In the old form the digest on top is that of the one image, and there is no index."""
    records = records_of(SINGLE)
    (observation,) = of(TagObservation, records)
    (manifest,) = of(Manifest, records)
    assert (observation.repository, observation.tag) == ("docker.io/library/lantern", "1.0")
    assert observation.digest == manifest.digest
    assert (manifest.kind, manifest.layer_count, manifest.compressed_bytes) == ("image", 1, 977)
    assert of(IndexEntry, records) == []


def test_index_and_its_entries() -> None:
    """A list is an index with one entry for each section, platforms as the page states them."""
    records = records_of(LIST)
    (observation,) = of(TagObservation, records)
    index = of(Manifest, records)[0]
    assert (observation.repository, observation.digest) == ("docker.io/harbour/ferry", index.digest)
    assert (index.kind, index.media_type) == ("index", "application/vnd.oci.image.index.v1+json")
    entries = of(IndexEntry, records)
    assert [(entry.position, entry.os, entry.architecture, entry.variant, entry.os_version) for entry in entries] == [
        (0, "linux", "amd64", None, None),
        (1, "unknown", "unknown", None, None),
        (2, "linux", "arm", "v7", None),
        (3, "windows", "amd64", None, "10.0.17763.1"),
    ]
    assert [entry.manifest_digest for entry in entries] == [manifest.digest for manifest in of(Manifest, records)[1:]]
    assert {entry.manifest_bytes for entry in entries} == {None}


def test_kinds_of_manifests() -> None:
    """Sections with in-toto layers are attestations; schema 1 is told by its media type."""
    assert [manifest.kind for manifest in of(Manifest, records_of(LIST))] == [
        "index", "image", "attestation", "image", "image",
    ]  # fmt: skip
    assert [manifest.kind for manifest in of(Manifest, records_of(SCHEMA1))] == ["schema1"]


def test_schema1_config_has_the_old_id() -> None:
    """The image ID of a schema 1 image, which is no digest, is marked as the old format's."""
    records = records_of(SCHEMA1)
    (config,) = of(Config, records)
    assert config.digest.startswith("v1:") and len(config.digest) == 3 + 64
    assert of(Manifest, records)[0].config_digest == config.digest
    assert {step.config_digest for step in of(History, records)} == {config.digest}


def test_schema1_layers_begin_with_the_base() -> None:
    """Pages list them newest first."""
    records = records_of(SCHEMA1)
    assert [(layer.position, layer.compressed_bytes) for layer in of(Layer, records)] == [(0, 191), (1, 32)]


def test_layers_by_position() -> None:
    """Layers keep their order, sizes, times and media types; foreign ones are told by their media type."""
    records = records_of(LIST)
    windows = of(Manifest, records)[-1].digest
    layers = [layer for layer in of(Layer, records) if layer.manifest_digest == windows]
    assert [(layer.position, layer.compressed_bytes, layer.is_foreign) for layer in layers] == [
        (0, 4_069_000_000, True),
        (1, 1_197, False),
    ]
    assert [layer.last_modified_at for layer in layers] == [None, datetime(2026, 1, 10, 16, tzinfo=UTC)]


def test_config_facts() -> None:
    """A config has the platform, the date of its last step, and the commands; what a page leaves out is null."""
    linux, attestation, _, windows = of(Config, records_of(LIST))
    assert (linux.os, linux.architecture, linux.created_at) == ("linux", "amd64", datetime(2026, 1, 10, 11, tzinfo=UTC))
    assert (linux.entrypoint, linux.cmd, linux.shell, linux.docker_version) == (["ferry"], [], None, None)
    assert (attestation.created_at, attestation.entrypoint) == (None, None)
    assert (windows.docker_version, windows.os_version, windows.cmd) == ("23.0.6", "10.0.17763.1", ["c:\\ferry.exe"])
    assert windows.shell == ["powershell", "-Command", "$x = 'Stop';"]


def test_history_keeps_the_text() -> None:
    """Steps keep their text with arguments and line ends; the instruction is read below the arguments."""
    records = records_of(LIST)
    first = of(Config, records)[0].digest
    steps = [step for step in of(History, records) if step.config_digest == first]
    assert [step.created_by for step in steps[1:3]] == [
        "# ARGS: A=1 B=two\nRUN make ferry \t&& make install # buildkit",
        "RUN sail -q\\\n     --far*\\\n     && sink",
    ]
    assert [step.instruction for step in steps] == ["RUN", "RUN", "RUN", "ENTRYPOINT"]
    assert all(step.step_label for step in steps)
    assert {step.is_empty_layer for step in steps} == {None}


def test_absent_tag() -> None:
    """A page that says there is no such tag is an observation of its absence."""
    assert records_of(ABSENT) == [
        TagObservation("docker.io/library/lantern", "next", NOON, is_absent=True),
    ]


def test_windows_without_version() -> None:
    """The early form of a Windows platform has no version."""
    page = parse_page(SINGLE.replace(b"linux; amd64", b"windows; amd64"), source="page.md")
    assert (page.platforms, page.defects) == ((PagePlatform("windows", "amd64"),), ())


def test_list_without_media_type() -> None:
    """Sections with digests of their own make an index even where the page does not say so; its type stays null."""
    body = LIST.replace(b"-\tManifest MIME: `application/vnd.oci.image.index.v1+json`\n", b"")
    index = of(Manifest, records_of(body))[0]
    assert (index.kind, index.media_type) == ("index", None)


# --- broken pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1"),
        (b"# A page of another system\n", "line 1"),
        (b"| Tag | Last Changed | Digest |\n", "line 1"),
        (b"## `lantern`\n", "line 1"),
        (b"## `Lantern:1`\n\n**does not exist** (yet?)\n", "line 1"),
        (SINGLE[:60], "line 4"),
        (SINGLE.replace(b"docker pull lantern", b"docker pull other"), "line 4"),
        (SINGLE.replace(b"\tlinux; amd64", b"\tlinux", 1), "line 8"),
        (SINGLE.replace(b"-\tPlatforms:", b"-\tPlatforms: 2"), "line 8"),
        (SINGLE.replace(b"-\tPlatforms:", b"-\tPlatf\xff:"), "line 7"),
        (ABSENT[:-1], "line 3"),
        (ABSENT + b"more\n", "line 4"),
    ],
)
def test_head_that_cannot_be_read(body: bytes, place: str) -> None:
    """A page whose head is broken is a ParseError that names document and line."""
    with pytest.raises(ParseError) as caught:
        parse_page(body, source="page.md@1234")
    assert (caught.value.source, caught.value.place) == ("page.md@1234", place)


@pytest.mark.parametrize(
    ("old", "new", "line", "kind"),
    [
        (b"Size: 2.4 KB (2400 bytes)", b"Size: 2.4 KB (2401 bytes)", 41, "sum-mismatch"),
        (b"RUN make ferry", b"RUN make \xff", 32, "unreadable"),
        (b'Entrypoint: `["ferry"]`', b'Entrypoint: `["ferry"`', 24, "unreadable"),
        (b'Entrypoint: `["ferry"]`', b'Entrypoint: `["\\ud800"]`', 24, "unreadable"),
        (b'Entrypoint: `["ferry"]`', b"Entrypoint: `" + b"[" * 9_999 + b"`", 24, "unreadable"),
        (b"# Sat, 10 Jan 2026 08:00:00 GMT", b"# Sat, 32 Jan 2026 08:00:00 GMT", 28, "unreadable"),
        (b"-\tTotal Size", b"-\tSize", 21, "unreadable"),
        (b"linux; amd64\n\n```", b"linux; 386\n\n```", 14, "unreadable"),
    ],
)
def test_broken_section_is_left_out(old: bytes, new: bytes, line: int, kind: str) -> None:
    """A section that cannot be trusted is left out and named by its line; the other platforms are kept."""
    page = parse_page(LIST.replace(old, new, 1), source="page.md")
    assert [(defect.line, defect.kind) for defect in page.defects] == [(line, kind)]
    assert [section.position for section in page.sections] == [1, 2, 3]


def test_sizes_without_parenthesis() -> None:
    """Up to exactly 1,000 bytes a size is told in bytes alone."""
    for count in (1, 999, 1000):
        page = parse_page(SINGLE.replace(b"977.0 B", f"{count}.0 B".encode()), source="page.md")
        assert [section.image.compressed_bytes for section in page.sections] == [count]


def test_fence_inside_a_step_is_text() -> None:
    """Three backticks within a step do not end the steps: only those before the layers do."""
    page = parse_page(LIST.replace(b"RUN sail", b"```\n\nRUN sail"), source="page.md")
    assert page.defects == ()
    assert str(page.sections[0].image.steps[2].text).startswith("```\n\nRUN sail")


def test_cut_page_keeps_whole_sections() -> None:
    """What stands before the cut is kept, also when it lies between two sections or in the last line."""
    whole = len(parse_page(LIST, source="page.md").sections)
    assert whole == 4
    between = LIST[: LIST.rindex(b"\n### ")]
    for body, count in ((between, 3), (LIST[: len(between) + 200], 3), (LIST[:-3], 3), (LIST[:-1], 3)):
        page = parse_page(body, source="page.md")
        assert len(page.sections) == count
        assert [defect.kind for defect in page.defects] in (["truncated"], ["unreadable"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.sampled_from([SINGLE, LIST, SCHEMA1, ABSENT]),
    start=st.floats(0, 1),
    removed=st.integers(0, 80),
    put=st.one_of(st.binary(max_size=20), st.sampled_from([b"\n", b"```\n", b"\t", b"`", b"\n\n### `", b"9" * 40])),
)
def test_damage_raises_only_parse_errors(body: bytes, start: float, removed: int, put: bytes) -> None:
    """However a page is cut or changed, it parses or raises ParseError, and what parses adds up."""
    at = int(start * len(body))
    try:
        page = parse_page(body[:at] + put + body[at + removed :], source="page.md")
    except ParseError as error:
        assert error.place.startswith("line ")
        return
    assert len(page.sections) + len(page.defects) >= len(page.platforms)
    for section in page.sections:
        assert sum(layer.compressed_bytes for layer in section.image.layers) == section.image.compressed_bytes
    assert page_records(page, NOON)


# --- real documents --------------------------------------------------------------------------------------------------


@pytest.mark.real_history
def test_real_pages_can_be_written_again(real_data: Path) -> None:
    """Every page of the history, every single document and both seeds are parsed without loss."""
    count = 0
    for source in ("repo-info.bundle", "repo-info", "seeds"):
        for version in gitlog.versions(real_data / source, wanted=is_real_page):
            if version.body:
                assert rendered(parse_page(version.body, source=version.path)) == version.body, version
                count += 1
    assert count == 11_094 + 48 + 2


def is_real_page(path: str) -> bool:
    return path.startswith(("001_", "002_")) or (path.endswith(".md") and not path.endswith("tag-details.md"))


def test_module_names_its_reference() -> None:
    """The module says where its format is described and when it last held."""
    assert "docker-library/repo-info" in str(tag_page.__doc__)
    assert "2026" in str(tag_page.__doc__)
