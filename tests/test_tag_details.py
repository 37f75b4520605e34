"""Documents of many tags are parsed and become records: every form, every broken form, and their real history."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imglab import gitlog
from imglab.errors import ParseError
from imglab.records import Config, History, Layer, Manifest, Record, TagObservation
from imglab.sources import tag_details
from imglab.sources.documents import Defect
from imglab.sources.tag_details import (
    BY_LAYER,
    OF_PAGES,
    WITH_BLANKS,
    LayeredTag,
    TagDetails,
    is_tag_details,
    layered_records,
    newest_date_in,
    parse_tag_details,
    tag_observation,
)
from imglab.sources.tag_page import Page, page_records, parse_page

NOON = datetime(2016, 2, 1, 12, tzinfo=UTC)
R = TypeVar("R", bound=Record)


def digest(digit: str) -> str:
    return "sha256:" + digit * 64


# --- made-up documents -----------------------------------------------------------------------------------------------

HEAD = """\
<!-- THIS FILE IS MADE BY A TEST -->

# Tags of `lantern`

-	[`lantern:1.0`](#lantern10)
-	[`lantern:next`](#lanternnext)
-	[`lantern:2.0`](#lantern20)
"""
ONE = f"""
## `lantern:1.0`

```console
$ docker pull library/lantern@{digest("1")}
```

-	Total Virtual Size: 5.0 KB (5000 bytes)
-	Total v2 Content-Length: 2.0 KB (2007 bytes)

### Layers (3)

#### `{"a" * 64}`

```dockerfile
ADD file:0011 in /
```

-	Created: Tue, 05 Jan 2016 10:00:00 GMT
-	Docker Version: 1.9.1
-	Virtual Size: 4.0 KB (4000 bytes)
-	v2 Blob: `{digest("d")}`
-	v2 Content-Length: 1.5 KB (1500 bytes)
-	v2 Last-Modified: Tue, 05 Jan 2016 11:00:00 GMT

#### `{"b" * 64}`

```dockerfile
RUN light \\
	--now \\

	&& true
```

-	Created: Tue, 05 Jan 2016 10:00:01 GMT
-	Parent Layer: `{"a" * 64}`
-	Docker Version: 1.9.1
-	Virtual Size: 1.0 KB (1000 bytes)
-	v2 Blob: `{digest("e")}`
-	v2 Content-Length: 475.0 B

#### `{"c" * 64}`

-	Parent Layer: `{"b" * 64}`
-	v2 Blob: `{digest("f")}`
-	v2 Content-Length: 32.0 B
-	v2 Last-Modified: Tue, 05 Jan 2016 12:00:00 GMT
"""
ABSENT = """
## `lantern:next`

**does not exist** (yet?)
"""
TWO = f"""
## `lantern:2.0`

```console
$ docker pull library/lantern@{digest("2")}
```

-	Total v2 Content-Length: 700.0 B

### Layers (1)

#### `{"9" * 64}`

```dockerfile
ADD file:0022 in /
```

-	Created: Wed, 06 Jan 2016 10:00:00 GMT
-	v2 Blob: `{digest("8")}`
-	v2 Content-Length: 700.0 B
"""
LAYERED = (HEAD + ONE + ABSENT + TWO).encode()

BREAK = "  "  # ends a line that another one follows
PAGE_ONE = f"""
## `lantern:1.0`

```console
$ docker pull lantern@{digest("3")}
```

-	Platforms:
	-	linux; amd64

### `lantern:1.0` - linux; amd64

-	Docker Version: 1.11.2
-	Manifest MIME: `application/vnd.docker.distribution.manifest.v2+json`
-	Total Size: **2.2 KB (2200 bytes)**{BREAK}
	(compressed transfer size, not on-disk size)
-	Image ID: `{digest("4")}`
-	Default Command: `["light"]`

```dockerfile
# Tue, 14 Jun 2016 10:00:00 GMT
ADD file:0033 in /
# Tue, 14 Jun 2016 10:00:01 GMT
RUN light - x   - y
    - z
```

-	Layers:
	-	`{digest("5")}`{BREAK}
		Last Modified: Tue, 14 Jun 2016 11:00:00 GMT{BREAK}
		Size: 1.5 KB (1500 bytes)
	-	`{digest("6")}`{BREAK}
		Last Modified: Tue, 14 Jun 2016 11:00:01 GMT{BREAK}
		Size: 700.0 B
"""
PAGE_TWO = PAGE_ONE.replace("lantern:1.0", "lantern:2.0").replace(digest("3"), digest("7"))
PAGES = (HEAD + PAGE_ONE + ABSENT + PAGE_TWO).encode()


def with_blanks(body: bytes) -> bytes:
    """A document of pages as it looked for two days of June 2016."""
    steps = b"RUN light - x   - y\n    - z"
    text = body.replace(steps, b"STEPS").replace(b"-\t", b"- ").replace(b"\t", b"  ")
    return text.replace(b"- [", b"-\t[").replace(b"STEPS", steps)


def parsed(body: bytes) -> TagDetails:
    return parse_tag_details(body, source="tag-details.md")


def layered(body: bytes, position: int = 0) -> LayeredTag:
    """What the section at *position* says."""
    (said,) = (section.said for section in parsed(body).sections if section.position == position)
    assert isinstance(said, LayeredTag)
    return said


def of(kind: type[R], records: list[Record]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


# --- forms -----------------------------------------------------------------------------------------------------------


def test_form_by_layer() -> None:
    """Each tag has its digest and its layers, base first, with the steps that made them; what is left out is None."""
    details = parsed(LAYERED)
    assert (details.name, details.repository, details.form) == ("lantern", "docker.io/library/lantern", BY_LAYER)
    assert (details.defects, [section.position for section in details.sections]) == ((), [0, 1, 2])
    said = layered(LAYERED)
    assert (said.name, said.tag, said.digest) == ("lantern", "1.0", digest("1"))
    assert [(layer.layer_id[0], layer.digest, layer.compressed_bytes) for layer in said.layers] == [
        ("a", digest("d"), 1500),
        ("b", digest("e"), 475),
        ("c", digest("f"), 32),
    ]
    assert [layer.text for layer in said.layers] == [
        "ADD file:0011 in /",
        "RUN light \\\n\t--now \\\n\n\t&& true",
        None,
    ]
    assert [layer.docker_version for layer in said.layers] == ["1.9.1", "1.9.1", None]
    assert [layer.created_at and layer.created_at.second for layer in said.layers] == [0, 1, None]
    assert [layer.last_modified_at and layer.last_modified_at.hour for layer in said.layers] == [11, None, 12]


def test_records_of_the_form_by_layer() -> None:
    """A schema 1 manifest of unstated type, and a step for each layer, none without one."""
    said = layered(LAYERED)
    assert tag_observation(said, NOON) == TagObservation("docker.io/library/lantern", "1.0", NOON, digest=digest("1"))
    records = list(layered_records(said, set()))
    assert of(Manifest, records) == [
        Manifest(digest("1"), None, "schema1", f"v1:{'c' * 64}", layer_count=3, compressed_bytes=2007)
    ]
    assert [
        (layer.position, layer.digest, layer.compressed_bytes, layer.media_type) for layer in of(Layer, records)
    ] == [
        (0, digest("d"), 1500, None),
        (1, digest("e"), 475, None),
        (2, digest("f"), 32, None),
    ]
    assert of(Config, records) == [Config(f"v1:{'c' * 64}")]
    assert [(step.position, step.instruction, step.is_empty_layer) for step in of(History, records)] == [
        (0, "ADD", False),
        (1, "RUN", False),
        (2, None, False),
    ]
    assert of(History, records)[0].created_at == datetime(2016, 1, 5, 10, tzinfo=UTC)


def test_known_content_is_not_told() -> None:
    """A manifest may be new while its config is known, and the other way round."""
    said = layered(LAYERED)
    manifest, config = digest("1"), f"v1:{'c' * 64}"
    assert list(layered_records(said, {manifest, config})) == []
    assert of(Config, list(layered_records(said, {config}))) == []
    assert of(Manifest, list(layered_records(said, {manifest}))) == []


def test_section_without_digest() -> None:
    """Until September 2015 it was not said which manifest a tag named: then its content belongs to nothing."""
    said = layered(LAYERED.replace(f"```console\n$ docker pull library/lantern@{digest('1')}\n```\n\n".encode(), b""))
    assert (said.digest, len(said.layers)) == (None, 3)
    assert tag_observation(said, NOON) == TagObservation("docker.io/library/lantern", "1.0", NOON)
    assert list(layered_records(said, set())) == []


def test_absent_tag() -> None:
    """Every form says of a tag that does not exist what a page says of it."""
    for body in (LAYERED, PAGES, with_blanks(PAGES)):
        assert parsed(body).sections[1].said == Page("lantern", "next")


def test_other_repositories() -> None:
    """The heading names the repository; the pull line of the form by layer writes `library/` out."""
    body = LAYERED.replace(b"lantern:", b"harbour/lantern:").replace(b"library/lantern", b"harbour/lantern")
    assert layered(body).repository == "docker.io/harbour/lantern"
    assert parsed(body.replace(b"Tags of `lantern`", b"Tags of `harbour/lantern`")).repository == (
        "docker.io/harbour/lantern"
    )


def test_newest_layer_counted_twice() -> None:
    """Old manifests name their newest layer twice: it counts twice in the total and is shown once."""
    said = layered(LAYERED.replace(b"2.0 KB (2007 bytes)", b"2.0 KB (2039 bytes)"))
    assert [layer.compressed_bytes for layer in said.layers] == [1500, 475, 32]
    assert of(Manifest, list(layered_records(said, set())))[0].compressed_bytes == 2007


def test_form_of_pages() -> None:
    """Each section is a page of its tag; its layers may have no media type."""
    details = parsed(PAGES)
    assert (details.form, details.defects) == (OF_PAGES, ())
    one = details.sections[0].said
    assert one == parse_page(PAGE_ONE.removeprefix("\n").encode(), source="page.md")
    assert isinstance(one, Page) and one.lacks_types
    assert [layer.media_type for layer in of(Layer, page_records(one, NOON))] == [None, None]
    assert [section.said.tag for section in details.sections] == ["1.0", "next", "2.0"]


def test_pages_with_and_without_types() -> None:
    """Two blanks after a size announce the media type: one without the other is an error."""
    typed = PAGES.replace(b" bytes)\n\t-", b" bytes)  \n\t\tMIME: x\n\t-").replace(
        b": 700.0 B\n", b": 700.0 B  \n\t\tMIME: y\n"
    )
    details = parsed(typed)
    assert details.defects == ()
    assert [section.said.lacks_types for section in details.sections if isinstance(section.said, Page)] == [False] * 3
    assert len(parsed(typed.replace(b"\t\tMIME: y\n", b"")).defects) == 2
    assert len(parsed(typed.replace(b"700.0 B  \n", b"700.0 B\n")).defects) == 2


def test_old_manifests_lack_no_types() -> None:
    """The layers of a schema 1 manifest have no media types that could be missing."""
    said = parsed(PAGES.replace(b"manifest.v2+json", b"manifest.v1+json")).sections[0].said
    assert isinstance(said, Page) and not said.lacks_types


def test_form_with_blanks() -> None:
    """Blanks in the place of tabs say the same; the text of steps is not touched."""
    body = with_blanks(PAGES)
    assert b"  - linux; amd64\n" in body and b"    Size: 700.0 B\n" in body
    details = parsed(body)
    assert details.form == WITH_BLANKS
    assert details.sections == parsed(PAGES).sections
    assert details.defects == ()


def test_tags_with_a_page_are_passed_over() -> None:
    """What has a page is not even looked at; the others keep their places."""
    for body in (LAYERED.replace(b"1500 bytes", b"1501 bytes"), PAGES.replace(b"1500 bytes", b"1501 bytes", 1)):
        details = parse_tag_details(body, source="x", has_page=lambda tag: tag == "1.0")
        assert details.defects == ()
        assert [(section.position, section.said.tag) for section in details.sections] == [(1, "next"), (2, "2.0")]


def test_newest_date() -> None:
    """The newest date of steps and layers in all sections; None where there is none."""
    assert newest_date_in(parsed(LAYERED)) == datetime(2016, 1, 6, 10, tzinfo=UTC)
    assert newest_date_in(parsed(PAGES)) == datetime(2016, 6, 14, 11, 0, 1, tzinfo=UTC)
    assert newest_date_in(parsed((HEAD + ABSENT).encode())) is None


def test_document_without_tags() -> None:
    """An image may have none."""
    assert parsed(b"# Tags of `lantern`\n") == TagDetails("lantern", OF_PAGES)


# --- broken documents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1"),
        (b"# Lantern\n\nLights up.\n", "line 1"),
        (b"<!-- THIS FILE IS MADE BY A TEST -->\n\n# Supported tags\n", "line 3"),
        (ONE.removeprefix("\n").encode(), "line 1"),
        (LAYERED.replace(b"Tags of `lantern`", b"Tags of `Lantern`"), "line 3"),
        (LAYERED.replace(b"Tags of `lantern`", b"Tags of `l\xffntern`"), "line 3"),
        (b"\xff\xfe\x00", "line 1"),
    ],
)
def test_other_documents(body: bytes, place: str) -> None:
    """What has not the title of such a document is a ParseError that names document and line."""
    with pytest.raises(ParseError) as caught:
        parse_tag_details(body, source="tag-details.md@1234")
    assert (caught.value.source, caught.value.place) == ("tag-details.md@1234", place)


def test_beginning_tells() -> None:
    """Documents of many tags are told from pages by how they begin, under any name."""
    assert all(is_tag_details(body) for body in (LAYERED, PAGES, b"# Tags of `x`\n"))
    assert not any(is_tag_details(body) for body in (b"", b"## `x:1`\n", b"# Tags\n", b"\xff" * 2000))


TOTAL = "-\tTotal v2 Content-Length: 2.0 KB (2007 bytes)"
PARENT = f"-\tParent Layer: `{'b' * 64}`"
DATE = "-\tCreated: Tue, {} Jan 2016 10:00:01 GMT"
BLOB = f"-\tv2 Blob: `{digest('e')}`"


@pytest.mark.parametrize(
    ("old", "new", "line", "kind", "message"),
    [
        ("1500 bytes", "1501 bytes", TOTAL, "sum-mismatch", "layers add up to 2,008 bytes, stated are 2,007"),
        ("Layers (3)", "Layers (4)", "### Layers (4)", "missing-layers", f"3 of 4 layers are shown of {digest('1')}"),
        ("\n### Layers (3)\n", "", f"#### `{'a' * 64}`", "unreadable", "should be the number of layers"),
        (f"#### `{'b' * 64}`", "#### `b`", "#### `b`", "unreadable", "should be the heading #### `id` of a layer"),
        (PARENT, PARENT.replace("b", "d"), PARENT.replace("b", "d"), "unreadable", "should be the layer above as the"),
        (f"{PARENT}\n", "", f"-\tv2 Blob: `{digest('f')}`", "unreadable", "should be the layer above as the parent"),
        (DATE.format("05"), DATE.format("35"), DATE.format("35"), "unreadable", "should be a date that exists"),
        (BLOB, BLOB.upper(), BLOB.upper(), "unreadable", "should be the layer's digest"),
        ("475.0 B", "475 B", "-\tv2 Content-Length: 475 B", "unreadable", "should be the layer's length"),
        (TOTAL, "-\tTotal: 2.0 KB", "-\tTotal: 2.0 KB", "unreadable", "should be the total of the layers' lengths"),
    ],
)
def test_broken_layers_leave_the_tag(old: str, new: str, line: str, kind: str, message: str) -> None:
    """Layers that cannot be trusted are left out and named by tag and line; where the tag points is kept."""
    body = LAYERED.replace(old.encode(), new.encode(), 1)
    details = parsed(body)
    (defect,) = details.defects
    assert (body.decode().split("\n")[defect.line - 1], defect.kind) == (line, kind)
    assert defect.message.startswith(f"lantern:1.0: {message}")
    assert layered(body) == LayeredTag("lantern", "1.0", digest("1"))
    assert list(layered_records(layered(body), set())) == []
    assert len(layered(body, 2).layers) == 1


PULL = b"$ docker pull library/lantern@"
LINK = b"-\t[`lantern:next`](#lanternnext)"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (PULL, b"$ docker pull library/lantern:", f"$ docker pull library/lantern:{digest('1')}", "docker pull with a"),
        (PULL, b"$ docker pull other@", f"$ docker pull other@{digest('1')}", "docker pull of lantern"),
        (PULL, b"$ docker pull Other@", f"$ docker pull Other@{digest('1')}", "docker pull of lantern"),
        (b"RUN light", b"RUN l\xffght", "RUN l\udcffght \\", "is not UTF-8"),
        (b"## `lantern:1.0`", b"## `lantern:-`", "## `lantern:-`", "a heading that names a repository and a tag"),
        (LINK, LINK[3:], LINK[3:].decode(), "a link to the section of a tag"),
        (LINK, LINK[:-9] + b"\xff)", LINK[:-9].decode() + "\udcff)", ""),
        (b"[`lantern:next`]", b"[`lantern:\xff`]", "-\t[`lantern:\udcff`](#lanternnext)", "a link to the section of"),
    ],
)
def test_broken_tag_is_left_out(old: bytes, new: bytes, line: str, message: str) -> None:
    """A tag that cannot be trusted is left out and named by its line; the others are kept, in their places."""
    body = LAYERED.replace(old, new, 1)
    details = parsed(body)
    found = [defect for defect in details.defects if defect.kind == "unreadable"]
    assert all(body.decode("utf-8", "surrogateescape").split("\n")[defect.line - 1] == line for defect in found)
    assert [message in defect.message for defect in found] == ([True] if message else [])
    assert {1, 2} <= {section.position for section in details.sections}


def test_tag_without_section() -> None:
    """What the list of contents names and the document does not show is missed."""
    defects = parsed(LAYERED.replace(b"## `lantern:1.0`", b"## `lantern:1.1`", 1)).defects
    message = "the document ends without 1 of its 3 tags, such as lantern:1.0"
    assert defects == (Defect(LAYERED.count(b"\n"), message, "truncated"),)


def test_broken_page_in_a_document() -> None:
    """A page's defects are told with the lines of the document."""
    body = PAGES.replace(b"1500 bytes", b"1501 bytes", 1)
    at = body.split(b"\n").index(b"-\tLayers:") + 1
    assert parsed(body).defects == (
        Defect(at, "lantern:1.0: layers add up to 2,201 bytes, stated are 2,200", "sum-mismatch"),
    )
    said = parsed(body).sections[0].said
    assert isinstance(said, Page) and (said.digest, said.sections) == (digest("3"), ())


@pytest.mark.parametrize("body", [LAYERED, PAGES, with_blanks(PAGES)], ids=["layered", "pages", "blanks"])
def test_cut_document_keeps_whole_sections(body: bytes) -> None:
    """What stands before the cut is kept, and what the list of contents names beside it is missed."""
    start = body.index(b"\n## `lantern:2.0`")
    between = parsed(body[:start])
    assert [section.said.tag for section in between.sections] == ["1.0", "next"]
    (defect,) = between.defects
    assert defect == Defect(
        body[:start].count(b"\n"), "the document ends without 1 of its 3 tags, such as lantern:2.0", "truncated"
    )
    for end in (-1, -8, start + 30, start + 120):
        details = parsed(body[:end])
        assert [section.said for section in details.sections[:2]] == [section.said for section in between.sections]
        assert len(details.defects) == 1
        assert [record for section in details.sections[2:] for record in told(section.said)] == []


def told(said: Page | LayeredTag) -> list[Record]:
    """What *said* tells beside its tag."""
    return page_records(said, NOON)[1:] if isinstance(said, Page) else list(layered_records(said, set()))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.sampled_from([LAYERED, PAGES, with_blanks(PAGES)]),
    start=st.floats(0, 1),
    removed=st.integers(0, 80),
    put=st.one_of(
        st.binary(max_size=20),
        st.sampled_from([b"\n", b"```\n", b"\t", b"`", b"\n\n## `", b"\n\n#### `", b"\n### Layers (1)\n", b"9" * 40]),
    ),
)
def test_damage_raises_only_parse_errors(body: bytes, start: float, removed: int, put: bytes) -> None:
    """However a document is cut or changed, it parses or raises ParseError, and what parses adds up and can be kept."""
    at = int(start * len(body))
    try:
        details = parsed(body[:at] + put + body[at + removed :])
    except ParseError as error:
        assert error.place.startswith("line ")
        return
    assert details.repository
    for section in details.sections:
        sums = Counter[str]()
        records = told(section.said)
        for layer in of(Layer, records):
            sums[layer.manifest_digest] += layer.compressed_bytes or 0
        assert all(sums[row.digest] == row.compressed_bytes for row in of(Manifest, records) if row.kind != "index")
        assert section.said.repository and section.said.tag.encode()
    assert all(defect.line > 0 and defect.message.encode() for defect in details.defects)


# --- real documents --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def documents(real_data: Path) -> list[tuple[str, TagDetails]]:
    """Every version of every document of many tags, by its path, oldest first."""
    versions = [
        version
        for bundle in ("docs-tag-details.bundle", "repo-info.bundle")
        for version in gitlog.versions(real_data / bundle, wanted=lambda path: path.endswith("tag-details.md"))
    ]
    return [(version.path, parsed(version.body)) for version in versions if version.body]


@pytest.mark.real_history
def test_real_forms(documents: list[tuple[str, TagDetails]]) -> None:
    """How many versions there are of each document and form, and of how many tags they speak."""
    forms = Counter((path.rpartition("/")[0], details.form) for path, details in documents)
    assert forms == {
        ("python", BY_LAYER): 115,
        ("python", WITH_BLANKS): 1,
        ("python", OF_PAGES): 17,
        ("hello-world", BY_LAYER): 57,
        ("hello-world", WITH_BLANKS): 1,
        ("hello-world", OF_PAGES): 3,
        ("alpine", BY_LAYER): 29,
        ("alpine", WITH_BLANKS): 1,
        ("alpine", OF_PAGES): 2,
        ("repos/alpine", OF_PAGES): 28,
        ("repos/hello-world", OF_PAGES): 37,
    }
    assert sum(len(details.sections) for _, details in documents) == 6_979 + 328


@pytest.mark.real_history
def test_real_defects(documents: list[tuple[str, TagDetails]]) -> None:
    """All layers add up, but for the 15 manifests of November 2015 of which only the first layers are shown."""
    defects = Counter(defect.message for _, details in documents for defect in details.defects)
    assert len(defects) == 15 and defects.total() == 575
    assert all("python:" in message and "layers are shown of sha256:" in message for message in defects)


@pytest.mark.real_history
def test_real_digests(documents: list[tuple[str, TagDetails]]) -> None:
    """The form by layer tells of 1,292 manifests, 39 of which it shows with two totals."""
    shown = [said for _, details in documents for said in layered_tags(details) if said.digest and said.layers]
    totals: dict[str | None, set[int]] = {}
    for said in shown:
        totals.setdefault(said.digest, set()).add(sum(layer.compressed_bytes for layer in said.layers))
    assert len(totals) == 1_292
    assert Counter(len(sizes) for sizes in totals.values()) == {1: 1_253, 2: 39}
    assert max(max(sizes) - min(sizes) for sizes in totals.values()) < 20


def layered_tags(details: TagDetails) -> list[LayeredTag]:
    return [section.said for section in details.sections if isinstance(section.said, LayeredTag)]


def test_module_names_its_reference() -> None:
    """The module says where its format is described and when it last held."""
    assert "generate-tag-details.pl" in str(tag_details.__doc__)
    assert "2026" in str(tag_details.__doc__)
