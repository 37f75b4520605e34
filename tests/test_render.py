"""Pages written from the store: recorded ones byte for byte, those of live registries in the same form."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made import DAY, REPOSITORY, commit, day, digest, image, index, seen

from imglab import gitlog, imports, render
from imglab.cli import main
from imglab.data import open_store
from imglab.errors import StoreEmpty, UsageError
from imglab.journal import Journal
from imglab.records import Config, History, IndexEntry, Layer, Listing, Manifest, Record, TagObservation
from imglab.sources.tag_page import newest_date, parse_page
from imglab.store import Store

PAGES = Path(__file__).parent / "data" / "repo_info"
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


def imported(data: Path, page: Path, at: datetime) -> Store:
    """A store that knows one page, seen at a time."""
    copy = shutil.copy(page, data.parent / "copy.md")  # beside its git history a page has no time of its own
    imports.import_documents(data, "repo-info", Path(copy), observed_at=at)
    return open_store(data)


def live(folder: Path, records: Iterable[Record], *, at: datetime | None = None) -> Store:
    """A store with one run of a registry."""
    commit(folder, at or day(20), records)
    return Store.in_memory(Journal(folder / "journal"))


def program(
    name: str, steps: Iterable[tuple[str, bool]] = (), *, sizes: Iterable[int] = (1000, 1_500_000), **facts: object
) -> list[Record]:
    """A described image as a registry gives it, with the raw steps of its config."""
    facts = {"os": "linux", "architecture": "amd64", **facts}
    manifest, *layers = image(name, sizes)
    return [
        manifest,
        *(
            dataclasses.replace(layer, media_type="application/vnd.oci.image.layer.v1.tar+gzip")
            for layer in layers
            if isinstance(layer, Layer)
        ),
        Config(digest("c" + name), **facts),  # type: ignore[arg-type]
        *(
            History(digest("c" + name), at, day(at + 1) + timedelta(microseconds=7), text, is_empty_layer=is_empty)
            for at, (text, is_empty) in enumerate(steps)
        ),
    ]


def fence(page: str) -> list[str]:
    """The lines of the only fence of steps of *page*."""
    return page.split("```dockerfile\n")[1].split("\n```\n")[0].splitlines()


# --- recorded pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["single", "list", "schema1", "absent"])
def test_recorded_page_is_rendered_again(tmp_path: Path, name: str) -> None:
    """Each form of page comes back byte for byte from the store: at its own time, and later."""
    body = (PAGES / f"{name}.md").read_bytes()
    page = parse_page(body, source=name)
    reference = f"{page.name}:{page.tag}"
    at = NOON if page.has_platform_count or page.digest is None else datetime(2019, 1, 1, tzinfo=UTC)
    with imported(tmp_path / "data", PAGES / f"{name}.md", at) as store:
        assert render.repo_info(store, reference, at=at).encode() == body
        assert render.repo_info(store, reference, at=at + DAY).encode() == body


def test_dates_of_foreign_layers_are_those_of_the_time(tmp_path: Path) -> None:
    """The server of a foreign layer dates it at times: each page has what it had, though its image is told once."""
    undated = (PAGES / "list.md").read_bytes()
    layer = b"\t\tSize: 4.1 GB (4069000000 bytes)  \n"
    assert undated.count(layer) == 1
    dated, redated = (undated.replace(layer, f"\t\tLast Modified: {date}  \n".encode() + layer) for date in DATES)
    bodies = [undated, dated, undated, redated]
    for number, body in enumerate(bodies, 1):
        (tmp_path / "page.md").write_bytes(body)
        imported(tmp_path / "data", tmp_path / "page.md", day(number)).close()
    with open_store(tmp_path / "data") as store:
        assert store.sql("select count(*) from stg_layer where is_foreign").item() == 1
        for number, body in enumerate(bodies, 1):
            assert render.repo_info(store, "harbour/ferry:2", at=day(number)).encode() == body
        assert render.repo_info(store, "harbour/ferry:2", at=day(9)).encode() == redated


DATES = "Tue, 13 Dec 2016 10:47:17 GMT", "Wed, 14 Dec 2016 10:47:17 GMT"


def test_platforms_are_counted_from_2021_on(tmp_path: Path) -> None:
    """The same content at an earlier time has the page of that time, and without a time the page of today."""
    with live(tmp_path, [seen("1", "a1", datetime(2020, 5, 1, tzinfo=UTC)), *program("a1")]) as store:
        page = f"{REPOSITORY}:1"
        assert "-\tPlatforms:\n" in render.repo_info(store, page, at=datetime(2020, 12, 31, tzinfo=UTC))
        assert "-\tPlatforms: 1\n" in render.repo_info(store, page, at=datetime(2021, 1, 1))  # noqa: DTZ001
        assert "-\tPlatforms: 1\n" in render.repo_info(store, page)


# --- live registries -------------------------------------------------------------------------------------------------


def test_live_index(tmp_path: Path) -> None:
    """Raw steps of a config become the steps of a page; what the registry does not say has no line."""
    steps = [
        ("/bin/sh -c #(nop) ADD file:ab12 in / ", False),
        ('/bin/sh -c #(nop)  CMD ["bash"]', True),
        ("RUN /bin/sh -c apt-get update; \tapt-get install curl # buildkit", False),
    ]
    one = program("a1", steps, entrypoint=["/bin/tini", "--"], cmd=["run"])
    records = [seen("1.2", "e1", day(1)), *index("e1", [("a1", "linux/amd64"), ("a2", "linux/arm/v7")]), *one]
    with live(tmp_path, records) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1.2")
    assert page == (
        f"## `{REPOSITORY}:1.2`\n\n```console\n$ docker pull {REPOSITORY}@{digest('e1')}\n```\n\n"
        "-\tManifest MIME: `application/vnd.oci.image.index.v1+json`\n-\tPlatforms: 2\n"
        "\t-\tlinux; amd64\n\t-\tlinux; arm variant v7\n\n"
        f"### `{REPOSITORY}:1.2` - linux; amd64\n\n```console\n$ docker pull {REPOSITORY}@{digest('a1')}\n```\n\n"
        "-\tManifest MIME: `application/vnd.oci.image.manifest.v1+json`\n"
        "-\tTotal Size: **1.5 MB (1501000 bytes)**  \n\t(compressed transfer size, not on-disk size)\n"
        f"-\tImage ID: `{digest('ca1')}`\n"
        '-\tEntrypoint: `["\\/bin\\/tini","--"]`\n-\tDefault Command: `["run"]`\n\n'
        "```dockerfile\n# Thu, 01 Jan 2026 00:00:00 GMT\nADD file:ab12 in / \n# Fri, 02 Jan 2026 00:00:00 GMT\n"
        'CMD ["bash"]\n# Sat, 03 Jan 2026 00:00:00 GMT\n'
        "RUN apt-get update; \tapt-get install curl # buildkit\n```\n\n-\tLayers:\n"
        f"\t-\t`{digest('d1000')}`  \n\t\tSize: 1000.0 B  \n\t\tMIME: application/vnd.oci.image.layer.v1.tar+gzip\n"
        f"\t-\t`{digest('d1500000')}`  \n\t\tSize: 1.5 MB (1500000 bytes)  \n"
        "\t\tMIME: application/vnd.oci.image.layer.v1.tar+gzip\n\n"
        f"### `{REPOSITORY}:1.2` - linux; arm variant v7\n\n```console\n$ docker pull {REPOSITORY}@{digest('a2')}\n"
        "```\n\n-\tManifest MIME: `application/vnd.oci.image.manifest.v1+json`\n"
    )


def test_live_page_is_a_page_of_repo_info(tmp_path: Path) -> None:
    """What is written from a registry can be imported as a page, and gives the same page again."""
    steps = [("RUN |2 A=b C=d /bin/sh -c echo '# hi' # buildkit", False), ("COPY x / # buildkit", False)]
    layers = [Layer(digest("b1"), 0, digest("d9"), "application/vnd.in-toto+json", 9)]
    attestation = Manifest(digest("b1"), None, "attestation", digest("cb1"), layer_count=1, compressed_bytes=9)
    parts = [*index("e1", [("a1", "windows/amd64"), ("b1", None)]), *program("a1", steps), attestation, *layers]
    with live(tmp_path / "live", [seen("1", "e1", day(1)), *parts]) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1", at=day(2))
    (tmp_path / "page.md").write_text(page)
    with imported(tmp_path / "data", tmp_path / "page.md", day(2)) as store:
        assert store.query("failures", {"run_id": None}).is_empty()
        assert render.repo_info(store, f"{REPOSITORY}:1", at=day(2)) == page
    assert "# ARGS: A=b C=d\nRUN echo '# hi' # buildkit\n" in page


@pytest.mark.parametrize(
    ("created_by", "lines"),
    [
        ("/bin/sh -c set -eux; \tmake", ["RUN set -eux; \tmake"]),
        ("/bin/sh -c #(nop)  ENV A=b", ["ENV A=b"]),
        ("|1 A=b c /bin/sh -c echo $A", ["# ARGS: A=b c", "RUN echo $A"]),
        ("|0 /bin/sh -c echo", ["# ARGS: ", "RUN echo"]),
        ("|2 A=b C=d sh -x", ["# unable to parse image command string further:", "|2 A=b C=d sh -x"]),
        ("# debian.sh --arch 'amd64' out/", ["RUN # debian.sh --arch 'amd64' out/"]),
        ("powershell -Command dir", ["RUN dir"]),
        ("cmd /S /C #(nop) COPY x in y", ["RUN cmd /S /C #(nop) COPY x in y"]),
        ("WORKDIR /srv", ["WORKDIR /srv"]),
        ("bazel build", ["RUN bazel build"]),
    ],
)
def test_steps_of_configs(tmp_path: Path, created_by: str, lines: list[str]) -> None:
    """Each form of step of a config reads as the pages have it."""
    records = program("a1", [(created_by, False)], shell=["powershell", "-Command"])
    with live(tmp_path, [seen("1", "a1", day(1)), *records]) as store:
        assert fence(render.repo_info(store, f"{REPOSITORY}:1"))[1:] == lines


def test_image_that_was_not_described(tmp_path: Path) -> None:
    """A tag whose documents could not be had still has a page: where it points, and nothing else."""
    with live(tmp_path, [seen("1", "a1", day(1))]) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1")
    assert page.endswith(
        f"@{digest('a1')}\n```\n\n-\tPlatforms: 1\n\t-\tunknown; unknown\n\n### `{REPOSITORY}:1` - unknown; unknown\n\n"
    )


def test_image_without_its_config(tmp_path: Path) -> None:
    """Steps that are not known have no fence, which would say that there are none."""
    with live(tmp_path, [seen("1", "a1", day(1)), *image("a1", [5])]) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1")
    assert "dockerfile" not in page
    assert f"-\tImage ID: `{digest('ca1')}`\n\n-\tLayers:\n\t-\t`{digest('d5')}`  \n\t\tSize: 5.0 B  \n" in page


def test_nested_index_is_flattened(tmp_path: Path) -> None:
    """Images of an index inside an index stand where it stands; a platform that no index states is the config's."""
    inner = index("e2", [("a1", "linux/arm64/v8"), ("a2", "linux/386")])
    outer = [
        Manifest(digest("e1"), None, "index"),
        IndexEntry(digest("e1"), 0, digest("e2")),
        IndexEntry(digest("e1"), 1, digest("a3")),
        IndexEntry(digest("e1"), 2, digest("a4"), os="linux", architecture="amd64", os_features=["f"], features=["g"]),
    ]
    alone = program("a3", os="windows", os_version="10.0.1")
    with live(tmp_path, [seen("1", "e1", day(1)), *outer, *inner, *alone]) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1")
    platforms = ["linux; arm64 variant v8", "linux; 386", "windows version 10.0.1; amd64", "linux ft. f; amd64 ft. g"]
    assert "\n\n-\tPlatforms: 4\n" + "".join(f"\t-\t{platform}\n" for platform in platforms) in page
    assert page.count("### `") == 4


def test_names_of_repositories(tmp_path: Path) -> None:
    """Pages name a repository as docker does: short for those of Docker Hub, whole for all others."""
    names = {
        "docker.io/library/python": "python",
        "docker.io/owner/name": "owner/name",
        "ghcr.io/o/r": "ghcr.io/o/r",
        "127.0.0.1:5000/library/app": "127.0.0.1:5000/library/app",
    }
    sightings = [TagObservation(name, "1.2", day(1), digest=digest("a1")) for name in names]
    with live(tmp_path, [*sightings, *program("a1")]) as store:
        for repository, name in names.items():
            page = render.repo_info(store, f"{repository}:1.2")
            assert page.startswith(f"## `{name}:1.2`\n\n```console\n$ docker pull {name}@{digest('a1')}\n")


def test_page_of_a_digest(tmp_path: Path) -> None:
    """A digest needs no tag, and beats one."""
    with live(tmp_path, [seen("1", "a1", day(1)), *program("a1"), *program("a2")]) as store:
        alone = render.repo_info(store, f"{REPOSITORY}@{digest('a2')}")
        beside = render.repo_info(store, f"{REPOSITORY}:1@{digest('a2')}")
    assert alone.startswith(f"## `{REPOSITORY}@{digest('a2')}`\n")
    assert f"docker pull {REPOSITORY}@{digest('a2')}\n" in alone
    assert beside == alone.replace(REPOSITORY + "@", f"{REPOSITORY}:1@").replace(
        f"pull {REPOSITORY}:1@", f"pull {REPOSITORY}@"
    )


def test_time_chooses_the_state(tmp_path: Path) -> None:
    """A tag's page is that of the digest it had; once it is gone the page says that there is none."""
    commit(tmp_path, day(9), [Listing(REPOSITORY, day(9), True)])
    with live(tmp_path, [seen("1", "a1", day(1)), seen("1", "a2", day(5)), *program("a1"), *program("a2")]) as store:
        pages = [render.repo_info(store, f"{REPOSITORY}:1", at=day(number)) for number in (1, 4, 5, 8, 9)]
        pages.append(render.repo_info(store, f"{REPOSITORY}:1"))
    shown = [next((name for name in ("a1", "a2") if digest(name) in page), None) for page in pages]
    assert shown == ["a1", "a1", "a2", "a2", None, None]
    assert pages[-1] == f"## `{REPOSITORY}:1`\n\n**does not exist** (yet?)\n"


# --- text of anybody -------------------------------------------------------------------------------------------------


def test_steps_cannot_leave_their_fence(tmp_path: Path) -> None:
    """Line feeds and control characters are escapes; a step that is a fence, a date or arguments begins with one."""
    steps = [
        ("RUN <<EOF\n```\n# <script>\nEOF # buildkit", False),
        ("/bin/sh -c #(nop) ```", True),
        ("/bin/sh -c #(nop)   ```\x1b[2J\u202e", True),
        ("/bin/sh -c #(nop) # Thu, 01 Jan 2026 00:00:00 GMT", True),
        ("/bin/sh -c #(nop) # ARGS: A=b", True),
        ("|1 A=\n``` /bin/sh -c x", True),
    ]
    with live(tmp_path, [seen("1", "a1", day(1)), *program("a1", steps)]) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1")
    assert [line for line in fence(page) if not line.startswith("# ") or "ARGS" in line] == [
        "RUN <<EOF\\n```\\n# <script>\\nEOF # buildkit",
        "\\x60``",
        "\\x60``\\x1b[2J\\u202e",
        "\\x23 Thu, 01 Jan 2026 00:00:00 GMT",
        "\\x23 ARGS: A=b",
        "# ARGS: A=\\n```",
        "RUN x",
    ]
    (section,) = parse_page(page.encode(), source="page").sections
    assert len(section.image.steps) == len(steps)


def test_other_facts_cannot_become_markdown(tmp_path: Path) -> None:
    """Platforms, versions, media types and commands hold no line feed, backtick or tag on the page."""
    nasty = "x`\n## <b>*[y](z)|\x1b\u2028"
    facts = {
        **dict.fromkeys(["os", "architecture", "variant", "os_version", "docker_version"], nasty),
        **{
            name: [nasty, "/é\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\U000e0001"]
            for name in ("entrypoint", "cmd", "shell")
        },
    }
    entry = IndexEntry(digest("e1"), 0, digest("a1"), nasty)
    records = [Manifest(digest("e1"), nasty, "index"), entry, *program("a1", **facts)]
    with live(tmp_path, [seen("1", "e1", day(1)), *records]) as store:
        page = render.repo_info(store, f"{REPOSITORY}:1")
    assert "\x1b" not in page and "\u2028" not in page and "<b>*[y](z)" not in page.partition("-\tEntrypoint")[0]
    written = "x\\x60\\n## \\x3cb\\x3e\\x2a\\x5by\\x5d(z)\\x7c\\x1b\\u2028"
    assert f"\n\t-\t{written} version {written}; {written} variant {written}\n" in page
    assert f"-\tDocker Version: {written}\n-\tManifest MIME: `{written}`\n" in page
    words = '["x\\u0060\\n## <b>*[y](z)|\\u001B\\u2028","\\/é😀","\\uDB40\\uDC01"]'
    assert f"-\tEntrypoint: `{words}`\n-\tDefault Command: `{words}`\n-\t`SHELL`: `{words}`\n" in page
    assert page.count("```") == 6 and page.count("`") % 2 == 0


# --- what cannot be rendered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "at", "words"),
    [
        ("registry.test/team/apq:1", None, "no repository registry.test/team/apq in the store; it has 1, among them"),
        (f"{REPOSITORY}:2", None, "no tag 2 in the store; it has 2, among them 1, unseen"),
        (f"{REPOSITORY}:1", day(1), "at 2026-01-01T00:00:00Z: it was first seen at 2026-01-02T00:00:00Z"),
        (f"{REPOSITORY}:unseen", None, f"no source said where {REPOSITORY}:unseen pointed"),
        (f"{REPOSITORY}:unseen", day(1), f"no source said where {REPOSITORY}:unseen pointed"),
        (f"{REPOSITORY}@{digest('b')}", None, f"no manifest {digest('b')} in the store"),
        (REPOSITORY, None, f"write one such as {REPOSITORY}:latest"),
    ],
)
def test_what_is_not_known_is_said(tmp_path: Path, reference: str, at: datetime | None, words: str) -> None:
    """The message names what is missing and what is there."""
    unseen = TagObservation(REPOSITORY, "unseen", day(2))
    with live(tmp_path, [seen("1", "a1", day(2)), unseen, *program("a1")]) as store, pytest.raises(UsageError) as error:
        render.repo_info(store, reference, at=at)
    assert words in str(error.value)


def test_empty_store(tmp_path: Path) -> None:
    """Where nothing was ever loaded there is no page."""
    with Store(tmp_path) as store, pytest.raises(StoreEmpty):
        render.repo_info(store, "python:latest")


# --- the command -----------------------------------------------------------------------------------------------------


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page goes to standard output, or to a file with the same bytes; what is not known ends with 2."""
    commit(tmp_path / "data", day(20), [seen("1", "a1", day(2)), *program("a1", cmd=["é"])])
    command = ["--data", str(tmp_path / "data"), "render", "repo-info"]
    assert main([*command, f"{REPOSITORY}:1", "--at", "2026-01-03"]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"## `{REPOSITORY}:1`\n") and "é" in page
    assert main([*command, f"{REPOSITORY}:1", "--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_bytes() == page.encode()
    assert main([*command, f"{REPOSITORY}:2"]) == 2
    assert main([*command, f"{REPOSITORY}:1", "--at", "2026-01-01"]) == 2
    assert main([*command, f"{REPOSITORY}:1", "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and [line[:8] for line in captured.err.splitlines()] == ["imglab: "] * 3


# --- real pages ------------------------------------------------------------------------------------------------------

UNDATED = datetime(2016, 9, 12, 21, 42, 23, tzinfo=UTC)  # when the page without any date was committed


@pytest.mark.real_history
def test_real_single_documents_are_rendered_again(real_data: Path, tmp_path: Path) -> None:
    """All 49 single documents and both seeds come back byte for byte, each at its own time, but the empty one."""
    pages = shutil.copytree(real_data / "repo-info", tmp_path / "pages")
    for seed in (real_data / "seeds").glob("00[12]_*"):
        shutil.copy(seed, pages / f"{seed.stem}.md")
    imports.import_documents(tmp_path / "data", "repo-info", pages)
    imports.import_documents(tmp_path / "data", "repo-info", next(pages.glob("zookeeper/3.4@*")), observed_at=UNDATED)
    same, others = [], []
    with open_store(tmp_path / "data") as store:
        for path in sorted(pages.rglob("*.md")):
            (same if is_rendered_again(store, path.read_bytes()) else others).append(path)
    assert [path.parent.name for path in others] == ["arangodb"]  # a document of 0 bytes names no tag
    assert len(same) == 48 + 2


def is_rendered_again(store: Store, body: bytes) -> bool:
    """Whether *store* gives the page *body* back as of its own time."""
    if not body:
        return False
    page = parse_page(body, source="page")
    at = newest_date(page) or UNDATED
    return render.repo_info(store, f"{page.name}:{page.tag}", at=at).encode() == body


REAL_VERSIONS = {"python": 76, "hello-world": 64, "alpine": 119}


@pytest.mark.real_history
def test_real_history_is_rendered_again(real_data: Path, tmp_path: Path) -> None:
    """Every version of python:latest and of all pages of hello-world and alpine is the one in git, byte for byte."""
    imports.import_documents(tmp_path / "data", "repo-info", real_data / "repo-info.bundle")
    counts, others = dict.fromkeys(REAL_VERSIONS, 0), []
    with open_store(tmp_path / "data") as store:
        for version in gitlog.versions(real_data / "repo-info.bundle", wanted=is_chosen):
            if version.body:
                _, name, _, page = version.path.split("/")
                text = render.repo_info(store, f"{name}:{page.removesuffix('.md')}", at=version.committed_at)
                counts[name] += 1
                others += [] if text.encode() == version.body else [f"{version.path}@{version.commit}"]
    assert counts == REAL_VERSIONS
    assert others == []


def is_chosen(path: str) -> bool:
    return path == "repos/python/remote/latest.md" or path.startswith(
        ("repos/hello-world/remote/", "repos/alpine/remote/")
    )
