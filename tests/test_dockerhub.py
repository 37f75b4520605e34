"""Docker Hub's tags API: what its answers mean, how its pages are read, and what its faults leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from faulty import Behaviour, cut, endless, reply
from history_servers import INDEX_TYPE, NOW, PASSWORD, USERNAME, DockerHub, collected, hub_image, running, said
from hypothesis import given
from hypothesis import strategies as st
from made import day, digest

from imglab.errors import ParseError
from imglab.http import Credentials, Limits
from imglab.records import Failure, IndexEntry, Listing, Manifest, Record, TagObservation
from imglab.sources.dockerhub import collect, parse_page, parse_tag

PATH = "team/app"
SECRET = Credentials(USERNAME, PASSWORD)
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"


@pytest.fixture
def server() -> Iterator[DockerHub]:
    """A repository with a tag of two platforms and one of a single image."""
    hub = DockerHub()
    hub.push(
        PATH,
        "1",
        day(1),
        "b1",
        hub_image("b1", "windows/amd64", 50, os_version="10.0.17763.805"),
        media_type=CONFIG_TYPE,
    )
    images = [hub_image("a2", "linux/arm64/v8", 20), hub_image("a1", "linux/amd64", 10)]
    hub.push(PATH, "2", day(2), "e1", *images, media_type=INDEX_TYPE)
    with running(hub):
        yield hub


def repository(server: DockerHub) -> str:
    """The canonical name of the repository."""
    return f"{server.registry}/{PATH}"


def tags(records: list[Record]) -> list[tuple[str, str | None, datetime | None]]:
    """Tag, beginning of the digest and time of the push, of all tags that are there."""
    return [
        (record.tag, record.digest and record.digest[7:9], record.changed_at)
        for record in records
        if isinstance(record, TagObservation) and not record.is_absent
    ]


def failures(records: list[Record]) -> list[tuple[str, str]]:
    """Kind and locator of all failures."""
    return [(record.kind, record.locator) for record in records if isinstance(record, Failure)]


def listings(records: list[Record]) -> list[bool]:
    """Which listings are complete."""
    return [record.is_complete for record in records if isinstance(record, Listing)]


def test_tags_with_their_images(server: DockerHub) -> None:
    """Where a tag points now and since when; images with their platform and size; an index with its images."""
    records = collected(collect, repository(server))
    at = repository(server)
    assert records == [
        TagObservation(at, "2", NOW, changed_at=day(2), digest=digest("e1")),
        Manifest(digest("a1"), None, "image", compressed_bytes=10, os="linux", architecture="amd64"),
        Manifest(digest("a2"), None, "image", compressed_bytes=20, os="linux", architecture="arm64", variant="v8"),
        Manifest(digest("e1"), INDEX_TYPE, "index"),
        IndexEntry(digest("e1"), 0, digest("a1"), os="linux", architecture="amd64"),
        IndexEntry(digest("e1"), 1, digest("a2"), os="linux", architecture="arm64", variant="v8"),
        TagObservation(at, "1", NOW, changed_at=day(1), digest=digest("b1")),
        Manifest(
            digest("b1"),
            None,
            "image",
            compressed_bytes=50,
            os="windows",
            architecture="amd64",
            os_version="10.0.17763.805",
        ),
        Listing(at, NOW, True),
    ]


def test_the_order_of_images_means_nothing(server: DockerHub) -> None:
    """The same images in another order are the same rows."""
    first = collected(collect, repository(server))
    server.tags[PATH][0]["images"].reverse()
    assert collected(collect, repository(server)) == first


def test_what_is_described_already_is_not_told_again(server: DockerHub) -> None:
    """Neither what the journal describes nor what another tag had."""
    server.push(PATH, "latest", day(3), "e1", *server.tags[PATH][0]["images"], media_type=INDEX_TYPE)
    records = collected(collect, repository(server))
    assert len([record for record in records if isinstance(record, Manifest)]) == 4
    known = {digest(name) for name in ("a1", "e1", "b1")}
    records = collected(collect, repository(server), described=known)
    assert [record.digest for record in records if isinstance(record, Manifest)] == [digest("a2")]
    assert [record for record in records if isinstance(record, IndexEntry)] == []


def test_one_tag_is_asked_for_alone(server: DockerHub) -> None:
    """Named tags cost a request each and no listing; other tags are seen where the repository is read anyway."""
    records = collected(collect, f"{repository(server)}:1", f"{repository(server)}:2")
    assert sorted(tags(records)) == [("1", "b1", day(1)), ("2", "e1", day(2))]
    assert listings(records) == []
    assert sorted(server.asked()) == [f"/v2/namespaces/team/repositories/app/tags/{tag}" for tag in "12"]
    server.seen.clear()
    records = collected(collect, f"{repository(server)}:[1]", f"{repository(server)}:none")
    assert sorted(tags(records)) == [("1", "b1", day(1)), ("2", None, None)]
    assert server.asked() == ["/v2/namespaces/team/repositories/app/tags?page=1&page_size=100"]
    assert failures(records) == [("not-found", f"{repository(server)}:none")]
    assert [record.digest for record in records if isinstance(record, Manifest)] == [digest("b1")]


def fill(server: DockerHub, count: int = 250) -> None:
    """*count* tags more."""
    for number in range(count):
        server.push(PATH, f"tag-{number:03}", day(3), "b1", hub_image("b1"))


def test_all_pages_are_read(server: DockerHub) -> None:
    """A hundred tags at a time, until there are no more."""
    fill(server)
    records = collected(collect, repository(server))
    assert len(tags(records)) == 252
    assert listings(records) == [True]
    assert [path.partition("?")[2] for path in server.asked()] == [f"page={n}&page_size=100" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda server: server.push(PATH, "new", day(4), "b1", hub_image("b1")), 252),
        (lambda server: server.push(PATH, "1", day(4), "b1", hub_image("b1")), 251),
        (lambda server: server.remove(PATH, "tag-249"), 251),
        (lambda server: [server.remove(PATH, f"tag-{number:03}") for number in range(200)], 200),
    ],
)
def test_tags_that_move_between_pages_make_a_listing_incomplete(server: DockerHub, change: Any, count: int) -> None:
    """What was missed is not taken for gone; what came twice counts once; a page past the end is no failure."""
    fill(server)
    server.before_page[3] = lambda: change(server)
    records = collected(collect, repository(server))
    assert (len(tags(records)), failures(records), listings(records)) == (count, [], [False])


def single(**changes: object) -> dict[str, Any]:
    """A tag as it is answered alone."""
    tag = {"name": "v", "tag_last_pushed": "2026-01-01T00:00:00.000000Z", "content_type": "image", "digest": None}
    return {**tag, "images": [hub_image("a1")], **changes}


def parsed(**changes: object) -> Any:
    """What is made of such a tag."""
    return parse_tag(json.dumps(single(**changes)).encode(), source="x", now=NOW)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"digest": digest("e1")}, "e1"),
        ({}, "a1"),
        ({"images": hub_image("a1")}, "a1"),
        ({"images": [hub_image("a1", status="inactive")]}, "a1"),
        ({"images": [hub_image("a1"), hub_image("a2", "linux/arm64")]}, None),
        ({"images": [hub_image("a1"), hub_image("ab", "unknown/unknown")]}, None),
        ({"images": [hub_image("a1"), hub_image("a1")]}, None),
        ({"images": [hub_image("a1", "unknown/unknown")]}, None),
        ({"images": [hub_image("a1", architecture="")]}, None),
        ({"images": [hub_image(None)]}, None),
        ({"images": [hub_image("a1", status="stale")]}, None),
        ({"images": []}, None),
        ({"images": None}, None),
        ({"media_type": INDEX_TYPE}, None),
        ({"media_type": CONFIG_TYPE}, "a1"),
        ({"digest": digest("e1"), "images": [hub_image(None)]}, "e1"),
    ],
)
def test_the_digest_of_a_tag(changes: dict[str, object], expected: str | None) -> None:
    """That of the tag; else that of its one image, if nothing about it is doubtful; else unknown."""
    tag = parsed(**changes)
    assert (tag.digest and tag.digest[7:9]) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (hub_image("a1", size=0), [None]),
        (hub_image("a1", size=None), [None]),
        (hub_image("a1", status=None), [1000]),
        (hub_image("a1", status="inactive"), [1000]),
        (hub_image("a1", status="deleted"), []),
        (hub_image(None), []),
        (hub_image("ab", "unknown/unknown"), []),
        (hub_image("ab", architecture=None), []),
        (hub_image("a1", variant=""), [1000]),
    ],
)
def test_images_of_which_too_little_is_told(image: dict[str, Any], expected: list[int | None]) -> None:
    """They are left out; a size that is none is unknown."""
    assert [image.compressed_bytes for image in parsed(images=[image]).images] == expected


def test_features_are_words(server: DockerHub) -> None:
    """They come as one text."""
    image = hub_image("a1", "windows/amd64", os_features="win32k, other", features="sse4")
    server.push(PATH, "w", day(3), "e2", image, media_type=INDEX_TYPE)
    (entry,) = [record for record in collected(collect, f"{repository(server)}:w") if isinstance(record, IndexEntry)]
    assert (entry.os_features, entry.features) == (["win32k", "other"], ["sse4"])


@pytest.mark.parametrize("content_type", ["helm", "plugin", "unrecognized"])
def test_what_is_no_image_is_not_described(content_type: str) -> None:
    """A chart has a digest and no platform that counts."""
    tag = parsed(digest=digest("a1"), content_type=content_type)
    assert (tag.digest, tag.images) == (digest("a1"), ())


@pytest.mark.parametrize("media_type", [None, CONFIG_TYPE, "application/vnd.oci.image.manifest.v1+json"])
def test_an_index_is_one_if_it_says_so(server: DockerHub, media_type: str | None) -> None:
    """A digest that is none of the images' may be anything: only its images are described."""
    server.push(PATH, "v", day(3), "e9", hub_image("a1"), media_type=media_type)
    records = collected(collect, f"{repository(server)}:v")
    assert [record.digest for record in records if isinstance(record, Manifest)] == [digest("a1")]


def test_an_image_has_the_media_type_of_its_tag(server: DockerHub) -> None:
    """If that is one of a manifest."""
    media_type = "application/vnd.oci.image.manifest.v1+json"
    server.push(PATH, "v", day(3), "a1", hub_image("a1"), media_type=media_type)
    (manifest,) = [r for r in collected(collect, f"{repository(server)}:v") if isinstance(r, Manifest)]
    assert (manifest.digest, manifest.media_type) == (digest("a1"), media_type)


# --- who asks --------------------------------------------------------------------------------------------------------


def test_nobody_logs_in_for_what_is_public(server: DockerHub) -> None:
    """Without credentials no word about them."""
    collected(collect, repository(server))
    assert [seen.method for seen in server.seen] == ["GET"]
    assert "authorization" not in server.seen[0].headers


def test_a_name_and_a_secret_become_a_token(server: DockerHub) -> None:
    """Once; when the token is refused between pages, once more."""
    fill(server)
    server.is_private = True
    server.before_page[2] = lambda: None

    def ends(asked: Any) -> bool:
        if asked.query.get("page") == "2" and server.tokens == {"hub-token-1"}:
            server.tokens = {"hub-token-1-ended"}
        return False

    server.fault(ends, reply(500))
    records = collected(collect, repository(server), credentials={server.registry: SECRET})
    assert (len(tags(records)), failures(records)) == (252, [])
    assert [seen.method for seen in server.seen] == ["POST", "GET", "GET", "POST", "GET", "GET"]


def test_a_wrong_secret_is_told_once(server: DockerHub) -> None:
    """One failure for the repository, one login in all, and the secret nowhere."""
    server.is_private = True
    wrong = {server.registry: Credentials(USERNAME, "wrong-secret")}
    records = collected(collect, f"{repository(server)}:1", f"{repository(server)}:2", credentials=wrong)
    assert failures(records) == [("unauthorized", repository(server))]
    assert [seen.method for seen in server.seen] == ["POST"]
    assert "wrong-secret" not in str(records)
    assert failures(collected(collect, repository(server))) == [("unauthorized", repository(server))]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_limit_that_lasts_keeps_what_came_before(server: DockerHub) -> None:
    """The failure says when to go on; nothing is waited for."""
    fill(server)
    server.fault(lambda asked: asked.query.get("page") == "2", said({}, 429, retry_after="3600"))
    records = collected(collect, repository(server))
    (failure,) = [record for record in records if isinstance(record, Failure)]
    assert (failure.kind, failure.status, failure.is_temporary) == ("rate-limited", 429, True)
    assert "resume after" in failure.message
    assert (len(tags(records)), listings(records), len(server.seen)) == (100, [], 2)


def test_a_short_limit_is_waited_for(server: DockerHub) -> None:
    """By either header that says how long."""
    fill(server)
    now = int(datetime.now().timestamp())  # noqa: DTZ005
    server.fault(lambda asked: asked.query.get("page") == "2", said({}, 429, retry_after="5"))
    server.fault(lambda asked: asked.query.get("page") == "3", said({}, 429, x_ratelimit_reset=str(now + 5)))
    records = collected(collect, repository(server))
    assert (len(tags(records)), failures(records), listings(records)) == (252, [], [True])


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (reply(500), "server-error"),
        (reply(403), "denied"),
        (cut(b'{"results": [', 1000), "unreachable"),
        (reply(200, b'{"results": ['), "bad-document"),
        (reply(200, b"[" * 100_000), "bad-document"),
        (reply(200, b'{"results": [], "next": null}'), "bad-document"),
        (reply(200, b'{"count": 1, "next": null}'), "bad-document"),
        (reply(200, b'{"count": -1, "results": []}'), "bad-document"),
        (reply(200, b'{"count": 1, "results": {}}'), "bad-document"),
        (reply(200, b'{"count": 1, "results": [], "next": 7}'), "bad-document"),
        (endless(), "too-large"),
        (reply(302, location="ftp://127.0.0.1/"), "redirect"),
    ],
)
def test_a_page_that_fails_keeps_what_came_before(server: DockerHub, fault: Behaviour, kind: str) -> None:
    """The first hundred tags are told, with one failure; nothing is taken for gone."""
    fill(server)
    server.push("team/other", "v", day(1), "a1", hub_image("a1"))
    server.fault(lambda asked: asked.query.get("page") == "2", *[fault] * 4)
    records = collected(collect, repository(server), f"{server.registry}/team/other")
    assert failures(records) == [(kind, repository(server))]
    assert (len(tags(records)), listings(records)) == (101, [True])


def test_what_is_not_there(server: DockerHub) -> None:
    """A repository or tag that the API does not know is a failure; it may as well be private."""
    texts = [f"{server.registry}/no/such", f"{repository(server)}:nothing", f"{repository(server)}:1"]
    records = collected(collect, *texts)
    assert sorted(failures(records)) == [("not-found", text) for text in sorted(texts[:2])]
    assert len(tags(records)) == 1


@pytest.mark.parametrize("following", ["https://evil.example/v2/tags?page=2", "/x", "?"])
def test_the_link_of_a_page_is_not_followed(server: DockerHub, following: str) -> None:
    """It says that there is a next page; where that is we know."""
    fill(server)
    page = {"count": 252, "next": following, "results": [single(name=f"t{number}") for number in range(100)]}
    server.fault(lambda asked: asked.query.get("page") == "1", said(page))
    collected(collect, repository(server))
    assert [path.partition("?")[2] for path in server.asked()] == [f"page={n}&page_size=100" for n in (1, 2, 3)]


def test_pages_that_repeat_or_do_not_end_are_left(server: DockerHub) -> None:
    """What was said stays."""
    page = said({"count": 1, "next": "more", "results": [single()]})
    server.fault(lambda asked: True, *[page] * 5)
    records = collected(collect, repository(server))
    assert failures(records) == [("bad-response", repository(server))]
    assert (len(server.seen), tags(records)) == (2, [("v", "a1", day(1))])
    server._faults.clear()
    fill(server)
    records = collected(collect, repository(server), limits=Limits(pages=2))
    assert failures(records) == [("bad-response", repository(server))]
    assert len(tags(records)) == 200


BAD_TAGS: list[object] = [
    None,
    {},
    single(name=None),
    single(name="../x"),
    single(name="\ud800"),
    single(digest="sha256:abc"),
    single(digest=7),
    single(tag_last_pushed="soon"),
    single(tag_last_pushed="9999-12-31T23:59:59Z"),
    single(tag_last_pushed=1767225600),
    single(media_type="a\nb"),
    single(images=7),
    single(images=[None]),
    single(images=[hub_image("a1", size="10")]),
    single(images=[hub_image("a1", size=-1)]),
    single(images=[hub_image("a1", size=2**63)]),
    single(images=[hub_image("a1", size=1.5)]),
    single(images=[hub_image("a1", digest="sha256:../x")]),
    single(images=[hub_image("a1", os="lin\x00ux")]),
    single(images=[hub_image("a1", architecture="\ud800")]),
    single(images=[hub_image("a1", os_version="10 0")]),
    single(images=[hub_image("a1", os_features="a,\x07")]),
    single(digest=digest("a1"), media_type=INDEX_TYPE),
]


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_a_tag_that_is_none_is_left_out(tag: object) -> None:
    """It is named; its neighbours are kept."""
    body = json.dumps({"count": 3, "next": None, "results": [single(), tag, single(name="w")]}).encode()
    page = parse_page(body, source="x", now=NOW)
    assert [row.name for row in page.tags.rows] == ["v", "w"]
    assert str(page.tags.defects[0]).startswith("x: results[1]")


def test_broken_tags_make_a_listing_incomplete(server: DockerHub) -> None:
    """They are there, whatever their names; one failure stands for all of a page."""
    server.tags[PATH].append(single(name="broken", digest="?"))
    records = collected(collect, repository(server))
    assert failures(records) == [("malformed", repository(server))]
    assert (len(tags(records)), listings(records)) == (2, [False])
    records = collected(collect, f"{repository(server)}:broken")
    assert failures(records) == [("bad-document", f"{repository(server)}:broken")]


def test_another_tag_than_was_asked_for_is_no_answer(server: DockerHub) -> None:
    """It is not taken for the one that was meant."""
    server.fault(lambda asked: True, said(single(name="other")))
    records = collected(collect, f"{repository(server)}:1")
    assert (failures(records), tags(records)) == ([("bad-document", f"{repository(server)}:1")], [])


@pytest.mark.parametrize("pushed", [None, "", "0001-01-01T00:00:00Z"])
def test_a_push_at_no_time(pushed: str | None) -> None:
    """Null, nothing and Go's zero time say nothing."""
    assert parsed(tag_last_pushed=pushed).pushed_at is None


KEYS = st.sampled_from(["count", "results", "next", "images", "digest", "name", "size", "os", "tag_last_pushed"])


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ).map(lambda document: json.dumps(document).encode())
)
def test_any_page_is_survived(body: bytes) -> None:
    """Whatever comes, it is read or it is a ParseError."""
    for parse in (parse_page, parse_tag):
        try:
            assert parse(body, source="x", now=NOW)
        except ParseError:
            continue
