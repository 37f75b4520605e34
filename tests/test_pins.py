"""The images that files name, and how far behind they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import REPOSITORY, commit, config, day, digest, image, index, seen

import imglab
from imglab import charts, queries
from imglab.cli import main
from imglab.errors import InvalidReference, UsageError
from imglab.journal import Journal
from imglab.pins import Mention, Problem, read_pins
from imglab.pins.dockerfile import parse_dockerfile
from imglab.pins.files import parse_list
from imglab.pins.yaml_files import parse_yaml
from imglab.records import IndexEntry, Layer, Manifest, Record
from imglab.store import Store


def told(found: object) -> list[tuple[int, str]]:
    """Line and reference of each mention; line and message of each problem."""
    return [(one.line, str(one.reference) if isinstance(one, Mention) else one.message) for one in found]  # type: ignore[attr-defined]


# --- files -----------------------------------------------------------------------------------------------------------

DOCKERFILE = """\
# syntax=docker/dockerfile:1.7

arg VERSION=3.12
ARG BASE="python:${VERSION}-slim" OTHER
FROM --platform=$BUILDPLATFORM golang:1.22 AS Build
ARG VERSION=9
RUN <<EOF
FROM nothing:1
EOF
COPY --from=ghcr.io/astral-sh/uv:0.5 \\
  # a remark between
  /uv /bin/
FROM ${BASE}
COPY --from=build --chown=1 /a /b
COPY --from=0 /a /b
RUN --mount=type=bind,from=busybox:1,target=/b --mount=type=cache,target=/c echo --from=no
FROM scratch
FROM alpine:${OTHER:-3.20}${OTHER:+-edge}
from build
ONBUILD COPY --from=redis:7 /a /b
"""


def test_dockerfiles_name_images() -> None:
    """Bases, other images that files come from and the syntax; no stages, here-documents, remarks or nothing."""
    assert told(parse_dockerfile("Dockerfile", DOCKERFILE)) == [
        (1, "docker.io/docker/dockerfile:1.7"),
        (5, "docker.io/library/golang:1.22"),
        (10, "ghcr.io/astral-sh/uv:0.5"),
        (13, "docker.io/library/python:3.12-slim"),
        (16, "docker.io/library/busybox:1"),
        (18, "docker.io/library/alpine:3.20"),
        (20, "docker.io/library/redis:7"),
    ]


def test_another_escape_continues_lines() -> None:
    """A directive may choose the backtick, as on Windows."""
    assert told(parse_dockerfile("Dockerfile", "# escape=`\nFROM `\n  mcr.microsoft.com/windows:ltsc2025\n")) == [
        (2, "mcr.microsoft.com/windows:ltsc2025")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("FROM python:$VERSION", "needs VERSION"),
        ("FROM python:${VERSION#v}", "not understood"),
        ("FROM Python", "Python"),
        ("FROM a b c", "not understood"),
        ("FROM redis@sha256:12", "64"),
        ("COPY --from=$STAGE /a /b", "not put in here"),
    ],
)
def test_what_cannot_be_told_is_a_problem(line: str, reason: str) -> None:
    """With file, line and reason; the rest goes on."""
    (problem, mention) = parse_dockerfile("Dockerfile", f"{line}\nFROM busybox\n")
    assert isinstance(problem, Problem) and isinstance(mention, Mention)
    assert str(problem).startswith("Dockerfile:1: ") and reason in problem.message


COMPOSE = """\
x-common: &common
  image: redis:7
services:
  web:
    image: ${REGISTRY:-docker.io}/library/nginx:${TAG:-1.27}
    build: {image: not-one}
    labels: [image, a]
  base:
    <<: *common
    image: &pg postgres:16
  again: {image: *pg}
  open: {image: "app:${NEEDED}"}
volumes: {image: {}}
"""


def test_compose_files_name_images() -> None:
    """Services and fragments, with defaults put in; an alias stands for what it names."""
    assert told(parse_yaml("compose.yaml", COMPOSE)) == [
        (2, "docker.io/library/redis:7"),
        (5, "docker.io/library/nginx:1.27"),
        (10, "docker.io/library/postgres:16"),
        (11, "docker.io/library/postgres:16"),
        (12, "app:${NEEDED} needs NEEDED, which has no value in this file: give it a default"),
    ]


def test_manifests_name_images() -> None:
    """Every image of a document with apiVersion and kind, at any depth; none of other documents."""
    text = """\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{name: a, image: busybox}]
      containers:
      - name: b
        ? [odd, key]
        : value
        image: "quay.io/team/app@sha256:%s"
---
image: logo.png
---
{apiVersion: monitoring/v1, kind: Prometheus, spec: {image: prom/prometheus:v3}}
""" % ("b" * 64)
    assert told(parse_yaml("deployment.yml", text)) == [
        (6, "docker.io/library/busybox"),
        (11, f"quay.io/team/app@sha256:{'b' * 64}"),
        (15, "docker.io/prom/prometheus:v3"),
    ]


@pytest.mark.parametrize(
    "text", ["a: {{ .Values.image }}\nb: }", "[" * 100_000, "a: \x00", "a: *b\nc: 'd", "- - -\n\t- a"]
)
def test_what_is_no_yaml_is_a_problem(text: str) -> None:
    """Templates, endless nesting, control characters, names that stand for nothing."""
    (problem,) = parse_yaml("values.yaml", text)
    assert isinstance(problem, Problem) and "no YAML" in problem.message


def test_aliases_do_not_grow() -> None:
    """Nine levels of nine names each would be 387 million images if they were put in."""
    levels = "".join(f"x-{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 10))
    assert told(parse_yaml("c.yaml", "x-0: &l0 {image: a}\n" + levels)) == [(1, "docker.io/library/a")]


def test_lists_name_images() -> None:
    """One a line, with remarks."""
    assert told(parse_list("images.txt", "# all of them\npython:3.12  remark\n\n  redis:8 # remark\nA\n"))[:2] == [
        (2, "docker.io/library/python:3.12"),
        (4, "docker.io/library/redis:8"),
    ]


@settings(max_examples=150)
@given(st.text(max_size=300), st.sampled_from([parse_dockerfile, parse_yaml, parse_list]))
def test_any_text_gives_mentions_and_problems(text: str, parse: object) -> None:
    """No file raises."""
    for one in parse("file", text):  # type: ignore[operator]
        assert isinstance(one, (Mention, Problem)) and one.file == "file"


def test_folders_are_searched(tmp_path: Path) -> None:
    """What looks like a file that names images, at any depth, nothing hidden; files that are named in any case."""
    files = {
        "Dockerfile": "FROM a",
        "Dockerfile.test": "FROM b",
        "deep/app.dockerfile": "FROM c",
        "deep/compose.yaml": "services: {x: {image: d}}",
        "deep/config.yml": "image: e.png",
        "deep/notes.txt": "f",
        ".git/Dockerfile": "FROM g",
        ".hidden.yml": "services: {x: {image: h}}",
        "broken.yaml": "}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "Containerfile").write_bytes(b"\xff\xfe")
    mentions, problems = read_pins([tmp_path])
    assert [mention.reference.path for mention in mentions] == ["library/a", "library/b", "library/c", "library/d"]
    assert [Path(problem.file).name for problem in problems] == ["Containerfile", "broken.yaml"]
    named, none = read_pins([tmp_path / "deep" / "notes.txt", tmp_path / "deep" / "config.yml"])
    assert [mention.reference.path for mention in named] == ["library/f"]
    assert [problem.message for problem in none] == ["names no image"]
    with pytest.raises(UsageError, match="not there"):
        read_pins([tmp_path / "nothing"])


# --- what is known of them -------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """
    Tag 1.0 moved from index 1 (image a1: layers 10, 20) on day 3 to 2 (a2: 10, 30) and on day 5 to 3 (a3: 10, 40, 40).

    1.0.0 stayed at index 1; old pointed there until day 2; each index has an image for arm64 as well.
    """
    records = [*image("a1", [10, 20]), *image("a2", [10, 30]), *image("a3", [10, 40, 40]), *image("b1", [7])]
    for name, child in (("1", "a1"), ("2", "a2"), ("3", "a3")):
        records += index(name, [(child, "linux/amd64"), ("b1", "linux/arm64")])
    records += [seen("1.0", "1", day(1)), seen("1.0", "2", day(3)), seen("1.0", "3", day(5)), seen("1.0", "3", day(9))]
    records += [seen("1.0.0", "1", day(1)), seen("1.0.0", "1", day(9))]
    records += [seen("old", "1", day(1)), seen("old", None, day(2), is_absent=True)]
    commit(tmp_path, day(10), records)
    return tmp_path


@pytest.fixture
def store(data: Path) -> Store:
    return Store.in_memory(Journal(data / "journal"))


def looked_up(store: Store, *texts: str, columns: str) -> list[tuple[object, ...]]:
    references = [f"{REPOSITORY}{text}" for text in texts]
    return queries.pins(store, references=references).select(columns.split()).rows()


def test_a_pin_that_is_behind(store: Store) -> None:
    """Two moves, six days; a host with a1 lacks layer 40, which a3 has twice and is pulled once; a3 is 60 larger."""
    columns = "tag state is_there had_by first_seen_at replaced_at behind_days moves_behind move_count pull_bytes"
    assert looked_up(store, f":1.0@{digest('1')}", columns=f"{columns} delta_bytes current_digest") == [
        ("1.0", "behind", True, "1.0, 1.0.0, old", day(1), day(3), 6, 2, 2, 40, 60, digest("3"))
    ]


def test_states_of_references(store: Store) -> None:
    """Without a tag the one that had the digest last is followed: 1.0.0 has it still."""
    texts = [f"@{digest('1')}", f":1.0@{digest('3')}", ":1.0", "", f":old@{digest('1')}", f":1.0.0@{digest('2')}"]
    texts += [f":1.0@{digest('ff')}", ":9.9"]
    there = [is_there for (is_there,) in looked_up(store, *texts, columns="is_there")]
    assert there == [True, True, None, None, True, False, None, None]
    assert looked_up(store, *texts, columns="tag state behind_days moves_behind pull_bytes") == [
        ("1.0.0", "current", 0, 0, 0),
        ("1.0", "current", 0, 0, 0),
        ("1.0", "not pinned", None, None, None),
        ("latest", "unknown tag", None, None, None),
        ("old", "tag gone", 0, 0, None),
        ("1.0.0", "never of this tag", None, None, 20),
        ("1.0", "unknown digest", None, None, None),
        ("9.9", "unknown tag", None, None, None),
    ]
    elsewhere = queries.pins(store, references=["ghcr.io/a/b:1", f"ghcr.io/a/b@{digest('1')}"])
    assert elsewhere["state"].to_list() == ["unknown repository"] * 2


def test_one_image_of_an_index_is_followed_on_its_platform(store: Store) -> None:
    """b1, for arm64, is below all three indexes: its tag moved, it did not change."""
    columns = "state manifest_digest current_manifest_digest pull_bytes delta_bytes"
    assert looked_up(store, f":1.0@{digest('b1')}", columns=columns) == [("current", digest("b1"), digest("b1"), 0, 0)]
    assert looked_up(store, f":1.0@{digest('a2')}", columns=columns) == [("behind", digest("a2"), digest("a3"), 40, 50)]


def test_unknown_sizes_stay_unknown(tmp_path: Path) -> None:
    """Nobody told the layers of the current image."""
    records = [*image("a1", [10]), *config("a1", []), seen("1.0", "a1", day(1)), seen("1.0", "e9", day(2))]
    commit(tmp_path, day(10), records)
    store = Store.in_memory(Journal(tmp_path / "journal"))
    columns = "state moves_behind pull_bytes delta_bytes"
    assert looked_up(store, f":1.0@{digest('a1')}", columns=columns) == [("behind", 1, None, None)]


MIRROR = "mirror.test/team/app"
OLD, NEW = "windows/amd64 10.0.17763", "windows/amd64 10.0.20348"


def windows(parent: str, *children: tuple[str, str]) -> list[Record]:
    """The entries of an index for builds of Windows, behind its two others."""
    return [
        IndexEntry(digest(parent), at, digest(name), os="windows", architecture="amd64", os_version=version)
        for at, (name, version) in enumerate(children, 2)
    ]


@pytest.fixture
def every_case(tmp_path: Path) -> Store:
    """
    Where tags pointed:

        1.0      e1 day 1 to 3, gone, e1 day 5 to 7, e2 day 7 to 9, e3 since day 9, last seen on day 12
        stable   e1 since day 2
        single   a1 day 1 to 4, then a3: images without index
        hub      b9 day 1 to 2, of which only the size is known (36), then a1
        saved    a1 day 1 to 2, then an image of a Docker archive

    A page lags: it saw 1.0 at e1 on day 2 and, wrongly, at e2 on day 10. A mirror had e1 on day 1, then e2.
    For Linux the indexes have a1 (10, 20, 20), a2 (10, size not known), a3 (10, 40, 40, 40); for Windows two builds.
    """
    foreign = {"b1": [91, 6], "b2": [81, 6], "b3": [81, 8]}
    old = ("b1", "10.0.17763.1")
    archived = "config+" + digest("c0")
    unsized = [
        Manifest(digest("a2"), None, "image", digest("ca1"), layer_count=2),
        *(
            Layer(digest("a2"), at, digest(f"d{content}"), None, size)
            for at, (content, size) in enumerate([(10, 10), (30, None)])
        ),
    ]
    moves = [("e1", 1), (None, 3), ("e1", 5), ("e2", 7), ("e3", 9), ("e3", 12)]
    records = [
        *(seen("1.0", name, day(at), is_absent=name is None) for name, at in moves),
        *(seen("stable", "e1", day(2)), seen("single", "a1", day(1)), seen("single", "a3", day(4))),
        *(seen("hub", "b9", day(1)), seen("hub", "a1", day(2)), seen("saved", "a1", day(1))),
        dataclasses.replace(seen("saved", None, day(2)), digest=archived),
        *(dataclasses.replace(seen("1.0", name, day(at)), repository=MIRROR) for at, name in ((1, "e1"), (2, "e2"))),
        *(seen(f"sha256-{'a1'.ljust(64, '0')}.{kind}", name, day(1)) for kind, name in (("sig", "f2"), ("sbom", "a1"))),
        *index("e1", [("a1", "linux/amd64"), ("f1", None)]) + windows("e1", old, ("b2", "10.0.20348.1")),
        *index("e2", [("a2", "linux/amd64"), ("f1", None)]) + windows("e2", old, ("b2", "10.0.20348.1")),
        *index("e3", [("a3", "linux/amd64"), ("f1", None)]) + windows("e3", old, ("b3", "10.0.20348.2")),
        *(*image("a1", [10, 20, 20]), *config("a1", []), *unsized, *image("a3", [10, 40, 40, 40])),
        *(row for name, sizes in foreign.items() for row in image(name, sizes)[:1]),
        *(
            Layer(digest(name), at, digest(f"d{size}"), None, size, is_foreign=at == 0)
            for name, sizes in foreign.items()
            for at, size in enumerate(sizes)
        ),
        *(*image("f1", [999], kind="attestation"), *image("f2", [888], kind="artifact")),
        Manifest(digest("b9"), None, "image", compressed_bytes=36, os="linux", architecture="amd64"),
        Manifest(archived, None, "image", digest("ca1"), layer_count=1, compressed_bytes=7),
        Layer(archived, 0, digest("d7"), None, 7),
    ]
    commit(tmp_path, day(20), records)
    page = [
        seen("1.0", name, day(at), document="app.md", document_revision=f"{at}") for name, at in (("e1", 2), ("e2", 10))
    ]
    commit(tmp_path, day(21), page, source="repo-info")
    return Store.in_memory(Journal(tmp_path / "journal"))


@pytest.mark.case("pins", "repeated layers", "unknown sizes", "attestations", "referrers", "reborn tag")
@pytest.mark.case("pins", "several sources", "shared image", "single image", "two names")
def test_pins_in_every_case(every_case: Store) -> None:
    """A pin that came back was left when it was left last; of an image that nobody described no pull is known."""
    e1, e2, a1, b9 = map(digest, ("e1", "e2", "a1", "b9"))
    columns = "tag state is_there had_by first_seen_at replaced_at behind_days moves_behind move_count"
    texts = [f":1.0@{e1}", f":1.0@{e2}", f"@{e1}", f":single@{a1}", f":hub@{b9}", f":saved@{a1}"]
    assert looked_up(every_case, *texts, columns=columns) == [
        ("1.0", "behind", True, "1.0, stable", day(1), day(7), 5, 2, 2),
        ("1.0", "behind", False, "1.0", day(7), day(9), 3, 1, 2),
        ("stable", "current", True, "1.0, stable", day(1), None, 0, 0, 0),
        ("single", "behind", True, "1.0, hub, saved, single, stable", day(1), day(4), 0, 1, 1),
        ("hub", "behind", False, "hub", day(1), day(2), 0, 1, 1),
        ("saved", "behind", True, "1.0, hub, saved, single, stable", day(1), day(2), 0, 1, 1),
    ]
    assert looked_up(every_case, *texts, columns="pull_bytes delta_bytes compressed_bytes") == [
        (40, 130 - 50, 130),
        (40, None, 130),  # a host with a2 has layer 10, whatever its other one weighs
        (0, 0, 50),
        (40, 80, 130),
        (None, 50 - 36, 50),  # which layers a host with b9 has nobody told
        (None, 7 - 50, 7),  # an archive names the same layers otherwise
    ]
    mirror = queries.pins(every_case, references=[f"{MIRROR}:1.0@{e1}", f"{MIRROR}:stable@{e1}"])
    assert mirror.select("state", "had_by", "last_observed_at", "pull_bytes", "delta_bytes").rows() == [
        ("behind", "1.0", day(2), None, None),
        ("tag gone", "1.0", None, None, None),
    ]


@pytest.mark.case("pins", "windows builds", "foreign layers")
def test_pins_of_builds_of_windows(every_case: Store) -> None:
    """Each is followed by itself; a foreign layer that the host has is not pulled again."""
    pinned = [f"{REPOSITORY}:1.0@{digest('e1')}"]
    told = {name: queries.pins(every_case, references=pinned, platform=name) for name in (OLD, NEW, "windows/amd64")}
    columns = ["manifest_digest", "current_manifest_digest", "pull_bytes", "delta_bytes"]
    assert told[OLD].select(columns).rows() == told["windows/amd64"].select(columns).rows()
    assert told[OLD].select(columns).rows() == [(digest("b1"), digest("b1"), 0, 0)]
    assert told[NEW].select(columns).rows() == [(digest("b2"), digest("b3"), 8, 2)]


def test_an_image_of_no_layers_is_pulled_for_nothing(tmp_path: Path) -> None:
    """It is known to have none."""
    records = [*image("a1", [10]), *config("a1", []), *image("a2", []), *config("a2", [])]
    commit(tmp_path, day(10), [*records, seen("1.0", "a1", day(1)), seen("1.0", "a2", day(2))])
    store = Store.in_memory(Journal(tmp_path / "journal"))
    assert looked_up(store, f":1.0@{digest('a1')}", columns="pull_bytes delta_bytes") == [(0, -10)]


def test_texts_that_are_no_references(store: Store) -> None:
    """They are refused with a reason."""
    with pytest.raises(InvalidReference, match="Python"):
        queries.pins(store, references=["Python"])
    assert queries.pins(store, references=[]).is_empty()


def test_the_command_tells_each_place(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row per place, in order; what cannot be read is told, and the exit code says so."""
    imglab.open_store(data).close()
    file = tmp_path / "Dockerfile"
    file.write_text(f"FROM {REPOSITORY}:1.0@{digest('1')} AS a\nFROM {REPOSITORY}:1.0\nFROM Bad\n")
    assert main(["--data", str(data), "pins", str(file), "--format", "csv"]) == 1
    out, err = capsys.readouterr()
    frame = pl.read_csv(out.encode())
    assert frame.select("file", "line", "is_pinned", "state", "moves_behind").rows() == [
        (str(file), 1, True, "behind", 2),
        (str(file), 2, False, "not pinned", None),
    ]
    assert f"{file}:3: 'Bad'" in err
    file.write_text(f"FROM {REPOSITORY}:1.0\n")
    assert main(["--data", str(data), "pins", str(file)]) == 0
    assert "not pinned" in capsys.readouterr().out
    assert main(["--data", str(data), "pins", str(tmp_path / "none")]) == 2


def test_charts_draw_many_one_and_nothing(store: Store) -> None:
    """Also what is not pinned, and what nothing is known of."""
    texts = [f":1.0@{digest('1')}", ":1.0", ":9.9", f":{'t' * 128}"]
    for number in (0, 1, len(texts)):
        frame = queries.pins(store, references=[f"{REPOSITORY}{text}" for text in texts[:number]])
        assert charts.specification(charts.pins(frame)) == charts.specification(charts.pins(frame))


def test_references_without_a_known_digest_have_no_axis_of_time(store: Store) -> None:
    """A chart of names alone says that there is nothing to draw, and why; beside others they keep their rows."""
    loose = queries.pins(store, references=[f"{REPOSITORY}:1.0", f"{REPOSITORY}:9.9"])
    assert "of 2 references none is pinned to a digest that is known" in str(charts.specification(charts.pins(loose)))
    both = queries.pins(store, references=[f"{REPOSITORY}:1.0", f"{REPOSITORY}:1.0@{digest('1')}"])
    found = charts.specification(charts.pins(both))
    assert {row["state"] for rows in found["datasets"].values() for row in rows} > {"not pinned"}
    assert found["title"]["subtitle"][0].startswith("Of 2 references 1 is pinned to a digest, and ")


def test_a_pin_that_was_seen_only_once_is_drawn(store: Store) -> None:
    """Its band has no width but a stroke, and lies over the band of the time since."""
    frame = queries.pins(store, references=[f"{REPOSITORY}:1.0@{digest('1')}"])
    at_once = frame.with_columns(replaced_at="first_seen_at")
    behind, held = charts.specification(charts.pins(at_once))["layer"][0]["layer"]
    assert held["mark"]["stroke"] == held["mark"]["color"]
    assert held["mark"]["strokeWidth"] > 0
    assert behind["encoding"]["x"]["field"] == held["encoding"]["x2"]["field"] == "held_to"
