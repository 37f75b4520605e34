"""
What is attached to an image: signatures, attestations, bills of material, as registries list them for its digest.

Reference: opencontainers/distribution-spec v1.1.1 and its main branch of 2026, "Listing Referrers" and "Referrers Tag
Schema". A registry that has no such lists answers 404; then a tag named after the digest points at one. CNCF
distribution 2.8, of November 2026, is such a registry. Oddities: Artifactory answered 406 (google/go-containerregistry
#1962), others 400, 405 or a page for people. Quay answers 400 for a manifest that it does not hold (quay/quay #3071).
The list is no content: it has no digest and changes, so that nothing but what it names is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from imglab import oci
from imglab.errors import ParseError, SourceError
from imglab.http import MEBIBYTE, Answer, Request, next_page
from imglab.oci import Child, Reference
from imglab.records import Record

LIST_LIMIT = 8 * MEBIBYTE
_HEADERS = {"accept": oci.OCI_INDEX}
_NO_LISTS = frozenset({400, 404, 405, 406, 501})
_MOST = 1_000  # documents in one list, by far more than anybody was seen to attach
_MOST_IDLE_PAGES = 10  # in a row, without a document that was not listed before

Fail = Callable[[str, str, SourceError | ParseError], Iterator[Record]]  # about a repository: locator and reason


class Fetcher(Protocol):
    """What answers requests for documents: registries through `http.Client`, or an archive."""

    def base_url(self, registry: str) -> str:
        """Where the API of *registry* is."""
        ...

    def fetch(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The answers, as they arrive."""
        ...


@dataclass(slots=True)
class Lists:
    """What was found: documents that the lists name, and digests for which the registry has none."""

    documents: list[tuple[Reference, Child]] = field(default_factory=list)
    missing: dict[Reference, list[str]] = field(default_factory=dict)  # by repository


@dataclass(slots=True)
class _List:
    repository: Reference
    digest: str
    pages: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    idle: int = 0

    @property
    def source(self) -> str:
        return f"the referrers of {self.repository.repository}@{self.digest}"

    def new(self, children: Sequence[Child]) -> list[Child]:
        """Those of *children* that no page before had. Raises SourceError if there are too many pages of too little."""
        found = [child for child in children if child.digest not in self.digests]
        self.digests.update(child.digest for child in found)
        self.idle = 0 if found else self.idle + 1
        if self.idle > _MOST_IDLE_PAGES or len(self.digests) > _MOST:
            raise SourceError(f"{self.source}: its pages do not end", kind="bad-response")
        return found


def fallback_tag(digest: str) -> str:
    """The tag that points at the list of referrers of *digest* where a registry has no lists."""
    algorithm, _, value = digest.partition(":")
    return re.sub(r"[^a-zA-Z0-9._-]", "-", f"{algorithm[:32]}-{value[:64]}")


def parse_referrers(body: bytes, *, source: str, media_type: str | None) -> Sequence[Child]:
    """The documents that a page of a list names. Raises ParseError if it is none."""
    document = oci.parse_manifest(body, digest=source, media_type=media_type)
    if document.kind != "index":
        raise ParseError(source, "", "must be an image index")
    return document.children


def ask(
    subjects: Mapping[Reference, Sequence[str]], client: Fetcher, *, most_pages: int, fail: Fail, found: Lists
) -> Iterator[Record]:
    """
    The lists for the digests in each repository of *subjects* into *found*; failures are told.

    Of each repository one digest is tried first: that says whether the registry has lists.
    """
    first = [_List(repository, digest) for repository, digests in subjects.items() for digest in digests[:1]]
    answered: set[Reference] = set()
    yield from _pages(first, client, most_pages, fail, found, answered)
    rest = {repository: digests[1:] for repository, digests in subjects.items()}
    for repository, digests in found.missing.items():
        digests += rest[repository]
    lists = [_List(repository, digest) for repository in rest if repository in answered for digest in rest[repository]]
    yield from _pages(lists, client, most_pages, fail, found, answered)


def _pages(
    lists: Iterable[_List], client: Fetcher, most_pages: int, fail: Fail, found: Lists, answered: set[Reference]
) -> Iterator[Record]:
    """The pages of *lists* into *found*; *answered* receives the repositories whose registry has lists."""
    requests = [_request(client, wanted) for wanted in lists]
    while requests:
        following: list[Request] = []
        for answer in client.fetch(requests):
            wanted: _List = answer.request.key
            if _is_no_list(answer):
                found.missing.setdefault(wanted.repository, []).append(wanted.digest)
                continue
            try:
                request = _page(answer, most_pages, found)
            except (SourceError, ParseError) as error:
                repository = wanted.repository.repository
                yield from fail(repository, f"{repository}@{wanted.digest}", error)
                continue
            answered.add(wanted.repository)
            following += [request] if request else []
        requests = following


def _request(client: Fetcher, wanted: _List) -> Request:
    repository = wanted.repository
    url = f"{client.base_url(repository.registry)}/v2/{repository.path}/referrers/{wanted.digest}"
    wanted.pages.add(url)
    scope = f"repository:{repository.path}:pull"
    return Request(url, headers=_HEADERS, scope=scope, key=wanted, body_limit=LIST_LIMIT)


def _is_no_list(answer: Answer) -> bool:
    if answer.error:
        return answer.status in _NO_LISTS
    return _media_type(answer) not in {oci.OCI_INDEX, None}


def _page(answer: Answer, most_pages: int, found: Lists) -> Request | None:
    """The request for the next page; *found* receives the documents of this one."""
    wanted: _List = answer.request.key
    if answer.error is None:
        children = parse_referrers(answer.body, source=wanted.source, media_type=_media_type(answer))
        found.documents += [(wanted.repository, child) for child in wanted.new(children)]
    request = next_page(answer, wanted.pages, most_pages)
    if "oci-filters-applied" in answer.headers and not request:
        text = f"{wanted.source} are not all there: the registry says that it left some out, which nobody asked for"
        raise SourceError(text, kind="bad-response", status=answer.status)
    return request


def _media_type(answer: Answer) -> str | None:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() or None
