"""Lists of tags, page by page: which tags there are, and which of them are looked up."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from imglab import oci
from imglab.errors import ParseError, SourceError
from imglab.http import Answer, Request, next_page
from imglab.oci import Reference
from imglab.records import Listing, Record, TagObservation
from imglab.sources.registry.state import Pass, Tag, base, failure, foreign, reached, scope
from imglab.sources.registry.target import Target
from imglab.sources.tag_choice import TagChoice, is_artifact_tag

PAGE_LENGTH = 1000  # ECR refuses more
# No end of a hostile registry's: what is more than these is no registry's that was ever seen.
_MOST_IDLE_PAGES = 10  # in a row, without a tag that was not listed before
_logger = logging.getLogger("imglab")


def parse_tags(body: bytes, *, source: str) -> list[str]:
    """The tags of a page of tags/list. Raises ParseError."""
    try:
        tags = json.loads(body)["tags"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ParseError(source, "tags", "must be a JSON object with a list of tags") from None
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise ParseError(source, "tags", "must be a list of text")
    return tags or []


@dataclass(slots=True)
class _Listed:
    """A repository whose tags are being listed."""

    reference: Reference
    choices: list[TagChoice] = field(default_factory=list)
    tags: dict[str, None] = field(default_factory=dict)  # in the order of the registry
    pages: set[str] = field(default_factory=set)
    idle: int = 0  # pages in a row that told nothing new

    def take(self, tags: Iterable[str], most: int) -> None:
        """Add the tags of a page. Raises SourceError if all are more than *most*, or none are new for too long."""
        before = len(self.tags)
        self.tags.update(dict.fromkeys(tags))
        self.idle = 0 if len(self.tags) > before else self.idle + 1
        if self.idle > _MOST_IDLE_PAGES or len(self.tags) > most:
            raise SourceError(f"{self.reference}: its pages do not end", kind="bad-response")

    def wanted(self) -> set[str]:
        """The tags that any of the choices takes."""
        tags = list(filter(oci.is_tag, self.tags))
        return {tag for choice in self.choices for tag in choice.choose(tags)}


def with_named(targets: Sequence[Target]) -> Iterator[Target]:
    """*targets*, and tags that are asked for by name as wanted ones of a listing, where there is one."""
    listed = {target.reference for target in targets if not target.reference.tag}  # a digest is no listing
    for target in targets:
        yield target
        repository, tag = replace(target.reference, tag=None), target.reference.tag
        if tag and repository in listed:
            yield Target(repository, TagChoice(names=(tag,)))


def listings(state: Pass, targets: Iterable[Target], listed: list[Tag]) -> Iterator[Record]:
    """The listings, page by page over all repositories at once; *listed* receives the tags to look up."""
    repositories: dict[str, _Listed] = {}
    for target in targets:
        if not (target.reference.tag or target.reference.digest):
            found = repositories.setdefault(target.reference.repository, _Listed(target.reference))
            found.choices.append(target.choice)
    requests = [_list_request(state, repository) for repository in repositories.values()]
    while requests:
        following: list[Request] = []
        for answer in state.client.fetch(requests):
            yield from _listing_page(state, answer, listed, following)
        requests = following


def _list_request(state: Pass, listed: _Listed) -> Request:
    url = f"{base(state, listed.reference)}/tags/list?n={PAGE_LENGTH}"
    listed.pages.add(url)
    return Request(url, scope=scope(listed.reference), key=listed)


def _listing_page(state: Pass, answer: Answer, tags: list[Tag], following: list[Request]) -> Iterator[Record]:
    listed: _Listed = answer.request.key
    repository = listed.reference.repository
    try:
        if error := answer.error or foreign(answer, "a list of tags"):
            raise error
        reached(state, repository)
        listed.take(parse_tags(answer.body, source=repository), state.most_tags)
        request = next_page(answer, listed.pages, state.most_pages)
    except (SourceError, ParseError) as error:
        yield from failure(state, repository, repository, error)
        if repository in state.reached:
            yield from _listed_tags(state, listed, False, tags)
        return
    if request:
        following.append(request)
    else:
        yield from _listed_tags(state, listed, True, tags)


def _listed_tags(state: Pass, listed: _Listed, is_complete: bool, tags: list[Tag]) -> Iterator[Record]:
    repository, moment = listed.reference.repository, state.now()
    yield Listing(repository, moment, is_complete)
    wanted, attached = listed.wanted(), state.attached.get(repository)
    if is_complete and not wanted and any(map(str, listed.choices)):
        text = " or ".join(map(str, listed.choices))
        _logger.info("%s: none of its %s tags matches %s", repository, f"{len(listed.tags):,}", text)
    if attached:
        attached.is_listed = is_complete
    for tag in listed.tags:
        if not oci.is_tag(tag):
            error = SourceError(f"{repository}: {tag[:140]!r} is listed but is no tag", kind="bad-response")
            yield from failure(state, repository, f"{repository}:{tag[:140]!r}", error)
        elif tag in wanted:
            tags.append(Tag(replace(listed.reference, tag=tag), True))
        elif attached and is_artifact_tag(tag):
            attached.tags.append(replace(listed.reference, tag=tag))
        else:
            yield TagObservation(repository, tag, moment)
