"""
The repositories of a registry whose names match a pattern, such as `registry.example/team/*`.

Reference: distribution's `docs/spec/api.md`, "Listing Repositories": `GET /v2/_catalog?n=`, pages by Link; seen to hold
with CNCF distribution 2.8 in November 2026. The OCI specification leaves it out, and public registries mostly do not
have it, GHCR and Quay among them: they answer 404, 405, 401 or 403. Others show it to administrators only. Where more
is asked for than a registry gives at once, distribution answers 400. Docker Hub tells the repositories of a namespace
by an API of its own, `GET /v2/namespaces/<ns>/repositories?page=&page_size=100` (docker/docs
`content/reference/api/hub/latest.yaml`, read in November 2026).

A repository that is no longer there is not asked for again; that is no statement about its tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from imglab import oci
from imglab.errors import InvalidReference, ParseError, SourceError
from imglab.http import Answer, Client, Login, Request, next_page, redacted
from imglab.oci import DOCKER_HUB, Platform, Reference
from imglab.records import Failure, Record
from imglab.sources.history_api import api_host, read_object
from imglab.sources.registry import Target, foreign
from imglab.sources.tag_choice import TagChoice

PAGE_LENGTH = 1000  # what distribution gives at most, unless told otherwise
HUB_PAGE_LENGTH = 100
_SCOPE = "registry:catalog:*"
_LOGIN = Login("/v2/auth/token")
_NO_CATALOG = frozenset({404, 405, 501})
_REFUSED = frozenset({"unauthorized", "denied"})  # by the registry or already by its token server
_WILD = re.compile(r"[*?]")
_MOST = 1_000_000  # repositories of a registry, by far more than any was seen to have
_MOST_IDLE_PAGES = 10  # in a row, without a repository that was not listed before

# --- patterns --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Namespace:
    """The repositories of a registry whose path matches a pattern, in which `*` also stands for slashes."""

    registry: str
    pattern: str  # of paths, such as team/*
    choice: TagChoice = field(default_factory=TagChoice)
    platforms: tuple[Platform, ...] = ()
    referrers: bool = False
    sbom: bool = False

    def target(self, path: str) -> Target:
        """What is wanted of the repository *path*."""
        return Target(Reference(self.registry, path), self.choice, self.platforms, self.referrers, self.sbom)

    def __str__(self) -> str:
        tags = str(self.choice)
        return f"{self.registry}/{self.pattern}{':' if tags else ''}{tags}"


def parse_target(text: str, glob: str | None = None) -> Target | Namespace:
    """
    The target or namespace of *text*; *glob* narrows it where it names no tag.

    A tag of a namespace is no more than a pattern: repositories that lack it are no failures. Raises InvalidReference.
    """
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    name = f"{head}{slash}{name}"
    if not _WILD.search(name):
        return Target.parse(text, glob)
    filled = _WILD.sub("x", name)
    try:
        reference, own = oci.split_target(f"{filled}{colon}{tag}")
    except InvalidReference as error:
        raise _invalid(text, str(error).partition(" is no reference: ")[2] or str(error)) from None
    registry, _, path = name.partition("/")
    if reference.path == filled:
        path = name
    elif _WILD.search(registry):
        raise _invalid(text, "the registry must be named: write registry.example/team/*")
    if reference.digest:
        raise _invalid(text, "a digest belongs to one repository: leave it out")
    if reference.registry == DOCKER_HUB and (path.count("/") != 1 or _WILD.search(path.partition("/")[0])):
        raise _invalid(text, "Docker Hub lists namespaces only: write docker.io/library/* or docker.io/owner/*")
    names = (reference.tag,) if reference.tag else ()
    globs = tuple(filter(None, [own or (None if names else glob)]))
    return Namespace(reference.registry, path, TagChoice(globs, names))


def _invalid(text: str, reason: str) -> InvalidReference:
    return InvalidReference(f"{text[:100]!r} is no pattern of repositories: {reason}")


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_catalog(body: bytes, *, source: str) -> list[str]:
    """The repositories of a page of a catalogue. Raises ParseError."""
    try:
        names = json.loads(body)["repositories"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ParseError(source, "repositories", "must be a JSON object with a list of repositories") from None
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ParseError(source, "repositories", "must be a list of text")
    return names or []


def parse_hub_repositories(body: bytes, *, source: str) -> tuple[list[str], bool]:
    """The names on a page of Docker Hub's repositories, and whether there are more pages. Raises ParseError."""
    document = read_object(body, source=source)
    if "results" not in document.values:
        raise document.wrong("results", "must be a list")
    names = document.listed("results", lambda fields: fields.text("name"))
    if names.defects:
        raise names.defects[0]
    return [name for name in names.rows if name], document.text("next") is not None


# --- collecting ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Catalog:
    """The list of repositories of a registry, or of a namespace of Docker Hub, as it is read."""

    registry: str
    owner: str | None  # the namespace of Docker Hub
    wanted: list[Namespace] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    number: int = 1
    idle: int = 0
    is_plain: bool = False  # asked without saying how long pages may be

    @property
    def locator(self) -> str:
        return f"{self.registry}/{self.owner}/*" if self.owner else f"{self.registry}/*"

    def take(self, names: Iterable[str]) -> None:
        """Add the names of a page. Raises SourceError if there are too many, or none that are new for too long."""
        before = len(self.names)
        self.names |= dict.fromkeys(names)
        self.idle = 0 if len(self.names) > before else self.idle + 1
        if self.idle > _MOST_IDLE_PAGES or len(self.names) > _MOST:
            raise SourceError(f"{self.locator}: its pages do not end", kind="bad-response")


def expand(namespaces: Iterable[Namespace], client: Client, *, found: list[Target]) -> Iterator[Record]:
    """Failures to find the repositories of *namespaces*; *found* receives them as targets."""
    catalogs: dict[tuple[str, str | None], _Catalog] = {}
    for namespace in dict.fromkeys(namespaces):
        owner = namespace.pattern.partition("/")[0] if namespace.registry == DOCKER_HUB else None
        key = namespace.registry, owner
        catalogs.setdefault(key, _Catalog(*key)).wanted.append(namespace)
    requests = [_request(client, catalog) for catalog in catalogs.values()]
    while requests:
        following: list[Request] = []
        for answer in client.fetch(requests):
            yield from _page(client, answer, following, found)
        requests = following


def _request(client: Client, catalog: _Catalog) -> Request:
    base = client.base_url(api_host(catalog.registry))
    if catalog.owner:
        query = f"page={catalog.number}&page_size={HUB_PAGE_LENGTH}"
        url, headers = f"{base}/v2/namespaces/{catalog.owner}/repositories?{query}", {"accept": "application/json"}
        return Request(url, headers=headers, key=catalog, login=_LOGIN)
    url = f"{base}/v2/_catalog{'' if catalog.is_plain else f'?n={PAGE_LENGTH}'}"
    catalog.pages.add(url)
    return Request(url, scope=_SCOPE, key=catalog)


def _page(client: Client, answer: Answer, following: list[Request], found: list[Target]) -> Iterator[Record]:
    """What comes of one page: the next one is asked for, or the list is at its end."""
    catalog: _Catalog = answer.request.key
    if answer.status == 400 and not catalog.owner and not catalog.is_plain and not catalog.names:
        catalog.is_plain = True
        following.append(_request(client, catalog))
        return
    try:
        request = _next(client, answer, catalog)
    except (SourceError, ParseError) as error:
        yield _failure(catalog, answer, error)
        yield from _matched(catalog, found, is_whole=False)
        return
    if request:
        following.append(request)
    else:
        yield from _matched(catalog, found, is_whole=True)


def _next(client: Client, answer: Answer, catalog: _Catalog) -> Request | None:
    """The request for the next page, after *catalog* took the names of this one."""
    if error := answer.error or foreign(answer, "a list of repositories"):
        raise error
    source = redacted(answer.request.url)
    if not catalog.owner:
        catalog.take(parse_catalog(answer.body, source=source))
        return next_page(answer, catalog.pages, client.limits.pages)
    names, has_more = parse_hub_repositories(answer.body, source=source)
    catalog.take(f"{catalog.owner}/{name}" for name in names)
    if not has_more:
        return None
    if catalog.number >= client.limits.pages:
        raise SourceError(f"{source}: its pages do not end", kind="bad-response")
    catalog.number += 1
    return _request(client, catalog)


def _failure(catalog: _Catalog, answer: Answer, error: SourceError | ParseError) -> Failure:
    if isinstance(error, ParseError):
        return Failure(catalog.locator, "bad-document", None, str(error), False)
    what = f"namespace {catalog.owner}" if catalog.owner else "list of its repositories"
    if (answer.status in _NO_CATALOG or error.kind in _REFUSED) and not catalog.names:
        text = f"{catalog.registry} has no {what} ({error.status}): name each repository by itself"
        if error.kind in _REFUSED:
            text = f"{catalog.registry} does not show the {what}: {error}; or name each repository by itself"
        return Failure(catalog.locator, "no-catalog", error.status, text, False)
    return Failure(catalog.locator, error.kind, error.status, str(error), error.is_temporary)


def _matched(catalog: _Catalog, found: list[Target], *, is_whole: bool) -> Iterator[Record]:
    """The repositories that are wanted, into *found*; that there are none, and names that are none, are failures."""
    paths = [name for name in catalog.names if _is_path(catalog.registry, name)]
    if strange := sorted(catalog.names.keys() - set(paths)):
        text = f"{catalog.registry} lists {strange[0][:140]!r}, which is no repository"
        text += f", and {len(strange) - 1:,} more of the kind" if strange[1:] else ""
        yield Failure(catalog.locator, "bad-response", None, text, False)
    for namespace in catalog.wanted:
        matching = [path for path in paths if fnmatchcase(path, namespace.pattern)]
        found += [namespace.target(path) for path in matching]
        if is_whole and not matching:
            locator = str(replace(namespace, choice=TagChoice()))
            text = f"{locator} matches none of {len(paths):,} repositories: check the pattern, or log in to see more"
            yield Failure(locator, "not-found", None, text, False)


def _is_path(registry: str, name: str) -> bool:
    try:
        return Reference.parse(f"{registry}/{name}") == Reference(registry, name)
    except InvalidReference:
        return False
