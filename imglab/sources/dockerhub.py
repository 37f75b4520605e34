"""
Docker Hub's tags API: where tags point now and since when, and what each platform's image weighs, without a pull.

Reference: docker/docs `content/reference/api/hub/latest.yaml` and answers that others published, read in November 2026;
nothing was asked of the real service. `GET /v2/namespaces/<ns>/repositories/<repo>/tags?page=&page_size=100`, or
`/tags/<tag>`; public repositories need no login. It is no history: what tags pointed at before is not told. Oddities:

- `images` is an object in the schema and a list in answers, in an order of its own, mostly without the attestations
  that an index has beside its images; some appear as `unknown`. So rows of an index entry are numbered by platform
  here, and what somebody read from the index itself takes their place.
- Old tags have no `digest`; that of the image is the tag's only where there is but one.
- `media_type` of a tag that is no index may be that of a config, and says nothing then.
- `inactive` means not pulled for a while; the image is there all the same.
- Numbers of a page's tags change while pages are read, and a page past the end is a 404. Only if all pages agree on
  how many there are, and so many came, does the run know that other tags are gone.
- It limits requests, apart from pulls, and says how long to wait.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from imglab.errors import ParseError, SourceError
from imglab.http import MEBIBYTE, Answer, Login, Request, redacted
from imglab.oci import INDEX_TYPES, MANIFEST_TYPES, Reference
from imglab.records import IndexEntry, Listing, Manifest, Record, TagObservation
from imglab.sources.history_api import (
    Entries,
    Fields,
    Pass,
    api_host,
    by_repository,
    is_wanted,
    missing,
    read_object,
)
from imglab.sources.registry import Target

PAGE_LENGTH = 100
_BODY_LIMIT = 8 * MEBIBYTE
_LOGIN = Login("/v2/auth/token")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a tag: what an index would say of it, and the sum of its layers."""

    digest: str
    os: str
    architecture: str
    variant: str | None
    os_version: str | None
    os_features: tuple[str, ...]
    features: tuple[str, ...]
    compressed_bytes: int | None


@dataclass(frozen=True, slots=True)
class Tag:
    """What is said of one tag. `digest` is None where it cannot be told what the tag points at."""

    name: str
    pushed_at: datetime | None
    digest: str | None
    media_type: str | None  # None if it is none of a manifest
    images: tuple[Image, ...]  # by platform, without those of which too little is told


@dataclass(frozen=True, slots=True)
class Page:
    """One page of tags, and how many there are in all."""

    tags: Entries[Tag]
    count: int
    has_more: bool


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_page(body: bytes, *, source: str, now: datetime) -> Page:
    """What one page says. Raises ParseError if it is none."""
    document = read_object(body, source=source)
    count = document.whole("count")
    if count is None or "results" not in document.values:
        raise document.wrong("results", "must be a list, with its count")
    return Page(document.listed("results", lambda fields: _tag(fields, now)), count, document.text("next") is not None)


def parse_tag(body: bytes, *, source: str, now: datetime) -> Tag:
    """What is said of a tag that was asked for alone. Raises ParseError."""
    return _tag(read_object(body, source=source), now)


def _tag(fields: Fields, now: datetime) -> Tag:
    listed = fields.values.get("images")
    listed = [listed] if isinstance(listed, dict) else listed
    images = Fields({"images": listed}, fields.source, fields.place).listed("images", _image)
    if images.defects:
        raise images.defects[0]
    described = tuple(sorted({image for image in images.rows if image}, key=_platform_order))
    media_type = fields.media_type("media_type")
    digest = fields.digest("digest")
    if digest is None and media_type not in INDEX_TYPES and images.count == len(described) == 1:
        digest = described[0].digest
    if media_type in INDEX_TYPES and digest in {image.digest for image in described}:
        raise fields.wrong("digest", "must not be that of an image if the tag is an index")
    return Tag(
        name=fields.tag("name"),
        pushed_at=fields.instant("tag_last_pushed", now),
        digest=digest,
        media_type=media_type if media_type in MANIFEST_TYPES else None,
        images=described if fields.text("content_type") in {"image", None} else (),
    )


def _image(fields: Fields) -> Image | None:
    """One image; None if too little is told of it, or it is none."""
    digest, os, architecture = fields.digest("digest"), fields.word("os"), fields.word("architecture")
    is_there = fields.word("status") in {"active", "inactive", None}
    if digest is None or os is None or architecture is None or "unknown" in (os, architecture) or not is_there:
        return None
    return Image(
        digest=digest,
        os=os,
        architecture=architecture,
        variant=fields.word("variant"),
        os_version=fields.word("os_version"),
        os_features=fields.words("os_features"),
        features=fields.words("features"),
        compressed_bytes=fields.whole("size") or None,  # no layer weighs nothing: 0 stands for unknown
    )


def _platform_order(image: Image) -> tuple[str, ...]:
    return image.os, image.architecture, image.variant or "", image.os_version or "", image.digest


# --- collecting ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Listed:
    """A repository whose tags are being read, or one tag of it."""

    reference: Reference
    targets: list[Target]
    page: int = 1
    counts: set[int] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    is_sound: bool = True  # every entry could be read

    @property
    def is_complete(self) -> bool:
        """Whether no tag can be missing among those that were read."""
        return self.is_sound and self.counts == {len(self.tags)}


def collect(targets: Iterable[Target], state: Pass) -> Generator[Record, None, None]:
    """Where the tags of *targets* point, images and indexes that the journal does not describe, and failures."""
    described = set(state.described)
    requests = [_request(state, _Listed(reference, wanted)) for reference, wanted in by_repository(targets)]
    while requests:
        following: list[Request] = []
        for answer in state.client.fetch(requests):
            listed: _Listed = answer.request.key
            try:
                if listed.reference.tag:
                    yield from _one(state, answer, described)
                else:
                    yield from _page(state, answer, described, following)
            except (SourceError, ParseError) as error:
                yield from state.failure(listed.reference.repository, str(listed.reference), error)
        requests = following


def _request(state: Pass, listed: _Listed) -> Request:
    reference = listed.reference
    namespace, name = reference.path.split("/")
    url = f"{state.client.base_url(api_host(reference.registry))}/v2/namespaces/{namespace}/repositories/{name}/tags"
    url += f"/{reference.tag}" if reference.tag else f"?page={listed.page}&page_size={PAGE_LENGTH}"
    headers = {"accept": "application/json"}
    return Request(url, headers=headers, key=listed, body_limit=_BODY_LIMIT, login=_LOGIN)


def _one(state: Pass, answer: Answer, described: set[str]) -> Iterator[Record]:
    """The records of a tag that was asked for alone."""
    reference, moment = answer.request.key.reference, state.now()
    if answer.error:
        raise answer.error
    state.reached(reference.repository)
    source = redacted(answer.request.url)
    tag = parse_tag(answer.body, source=source, now=moment)
    if tag.name != reference.tag:
        raise ParseError(source, "name", f"must be {reference.tag}")
    yield from _records(reference.repository, tag, moment, described)


def _page(state: Pass, answer: Answer, described: set[str], following: list[Request]) -> Iterator[Record]:
    """The records of a page of tags; after the last one, whether these are all."""
    listed: _Listed = answer.request.key
    repository, moment = listed.reference.repository, state.now()
    if answer.status == 404 and listed.page > 1:  # tags were removed meanwhile
        yield Listing(repository, moment, False)
        return
    if answer.error:
        raise answer.error
    state.reached(repository)
    page = parse_page(answer.body, source=redacted(answer.request.url), now=moment)
    yield from page.tags.failures(str(listed.reference))
    before = len(listed.tags)
    yield from _tags(listed, page, moment, described)
    state.progress("tags", len(listed.tags), page.count)
    if page.has_more:
        is_new = len(listed.tags) > before or page.tags.defects
        if not is_new or listed.page >= state.client.limits.pages:
            raise SourceError(f"{repository}: its pages do not end", kind="bad-response")
        listed.page += 1
        following.append(_request(state, listed))
        return
    yield Listing(repository, moment, listed.is_complete)
    if listed.is_complete:
        yield from missing(listed.targets, listed.tags, moment)


def _tags(listed: _Listed, page: Page, moment: datetime, described: set[str]) -> Iterator[Record]:
    """The records of tags that no page before had; those that nobody asked for are there, without a digest."""
    listed.counts.add(page.count)
    listed.is_sound &= not page.tags.defects
    for tag in page.tags.rows:
        if tag.name in listed.tags:
            continue
        listed.tags.add(tag.name)
        if is_wanted(tag.name, listed.targets):
            yield from _records(listed.reference.repository, tag, moment, described)
        else:
            yield TagObservation(listed.reference.repository, tag.name, moment)


def _records(repository: str, tag: Tag, moment: datetime, described: set[str]) -> Iterator[Record]:
    """Where *tag* points, and what is said of images and an index that are not *described* yet."""
    yield TagObservation(repository, tag.name, moment, changed_at=tag.pushed_at, digest=tag.digest)
    for image in tag.images:
        if image.digest not in described:
            described.add(image.digest)
            yield _manifest(image, tag.media_type if tag.digest == image.digest else None)
    if tag.digest and tag.media_type in INDEX_TYPES and tag.images and tag.digest not in described:
        described.add(tag.digest)
        yield Manifest(tag.digest, tag.media_type, "index")
        yield from (_entry(tag.digest, position, image) for position, image in enumerate(tag.images))


def _manifest(image: Image, media_type: str | None) -> Manifest:
    return Manifest(
        digest=image.digest,
        media_type=media_type,
        kind="image",
        compressed_bytes=image.compressed_bytes,
        os=image.os,
        architecture=image.architecture,
        variant=image.variant,
        os_version=image.os_version,
    )


def _entry(index_digest: str, position: int, image: Image) -> IndexEntry:
    return IndexEntry(
        index_digest=index_digest,
        position=position,
        manifest_digest=image.digest,
        os=image.os,
        architecture=image.architecture,
        variant=image.variant,
        os_version=image.os_version,
        os_features=list(image.os_features) or None,
        features=list(image.features) or None,
    )
