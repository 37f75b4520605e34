"""Patterns of repositories, and the lists of registries that say which repositories these are."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from faulty import Behaviour, Faulty, endless, faulty_server, reply

from imglab.errors import InvalidReference, ParseError
from imglab.http import Client, Limits
from imglab.oci import Platform
from imglab.records import Failure
from imglab.sources.catalog import Namespace, expand, parse_catalog, parse_hub_repositories, parse_target
from imglab.sources.registry import Target
from imglab.sources.tag_choice import TagChoice

# --- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "registry", "pattern", "choice"),
    [
        ("r.example/team/*", "r.example", "team/*", TagChoice()),
        ("R.example:5000/*", "r.example:5000", "*", TagChoice()),
        ("localhost:5000/*/base-?:3.*", "localhost:5000", "*/base-?", TagChoice(globs=("3.*",))),
        ("[::1]:5000/team/app-*:latest", "[::1]:5000", "team/app-*", TagChoice(names=("latest",))),
        ("library/*", "docker.io", "library/*", TagChoice()),
        ("index.docker.io/owner/web-*", "docker.io", "owner/web-*", TagChoice()),
    ],
)
def test_patterns_of_repositories(text: str, registry: str, pattern: str, choice: TagChoice) -> None:
    """A registry and a pattern of paths; a tag behind it is looked for in each repository."""
    assert parse_target(text) == Namespace(registry, pattern, choice)


def test_what_is_no_pattern_is_a_reference() -> None:
    """Text without wildcards in its path is read as before, and a pattern from elsewhere narrows both alike."""
    for text in ("python", "r.example/a:1", "r.example/a:3.*", "r.example/a@sha256:" + "0" * 64):
        assert parse_target(text, "x*") == Target.parse(text, "x*")
    assert parse_target("r.example/*", "x*") == Namespace("r.example", "*", TagChoice(globs=("x*",)))
    assert parse_target("r.example/*:y*", "x*") == Namespace("r.example", "*", TagChoice(globs=("y*",)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("*", "the registry must be named"),
        ("*.example/team/x", "the registry must be named"),
        ("docker.io/*", "lists namespaces only"),
        ("docker.io/*/python", "lists namespaces only"),
        ("docker.io/owner/*/x", "lists namespaces only"),
        ("r.example/Team/*", "capitals"),
        ("r.example//*", "is empty"),
        ("r.example/team/*@sha256:" + "0" * 64, "belongs to one repository"),
        ("r.example/team/*:a b", "blanks"),
        ("https://r.example/*", "is a URL"),
    ],
)
def test_patterns_that_cannot_be_asked_for(text: str, reason: str) -> None:
    """The message says why, in one line, and names the text as it was written."""
    with pytest.raises(InvalidReference, match=reason) as raised:
        parse_target(text)
    assert repr(text[:100]) in str(raised.value)


@pytest.mark.parametrize("text", ["r.example/team/*", "r.example/*:3.*", "docker.io/library/*:latest"])
def test_patterns_are_printed_as_people_write_them(text: str) -> None:
    """What a run was asked for can be read in its row, and asked for again."""
    assert str(parse_target(text)) == text


# --- lists -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        faulty.on("/v2/", reply(200))
        yield faulty


def page(*names: str, link: str | None = None) -> Behaviour:
    """A page of a catalogue, and where the next one is."""
    headers = {"link": f'<{link}>; rel="next"'} if link else {}
    return reply(200, json.dumps({"repositories": names}).encode(), **headers)


def expanded(server: Faulty, *patterns: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The repositories of *patterns* without the registry's name, and the failures' kinds and messages."""
    found: list[Target] = []
    wanted = [parse_target(f"{server.registry}/{pattern}") for pattern in patterns]
    limits = Limits(tries=2, backoff_seconds=0.01, pages=5)
    with Client(limits=limits) as client:
        records = list(expand((one for one in wanted if isinstance(one, Namespace)), client, found=found))
    failures = [(row.kind, row.message) for row in records if isinstance(row, Failure)]
    assert len(failures) == len(records)
    return [str(target).partition("/")[2] for target in found], failures


def test_catalogues_are_read_page_by_page(server: Faulty) -> None:
    """Links are followed, from the root or from the page; every pattern of a registry is served by one reading."""
    server.on("/v2/_catalog", page("base", "team/app", link="/v2/_catalog?n=2&last=x"))
    server.on("/v2/_catalog?n=2&last=x", page("team/app", "team/lib/core", link="?last=y"))
    server.on("/v2/_catalog?last=y", page("web"))
    found, failures = expanded(server, "team/*:1.*", "*", "w?b")
    assert found == ["team/app:1.*", "team/lib/core:1.*", "base", "team/app", "team/lib/core", "web", "web"]
    assert failures == []
    assert [seen.path for seen in server.seen] == [
        "/v2/",
        "/v2/_catalog?n=1000",
        "/v2/_catalog?n=2&last=x",
        "/v2/_catalog?last=y",
    ]


def test_targets_of_a_namespace_are_like_it(server: Faulty) -> None:
    """Each repository has the namespace's choice of tags, its platforms, and its wish for artifacts."""
    server.on("/v2/_catalog", page("team/app"))
    platforms = (Platform.parse("linux/arm64"),)
    wanted = Namespace(server.registry, "team/*", TagChoice(("1.*",), newest=2), platforms, referrers=True)
    found: list[Target] = []
    with Client() as client:
        assert not list(expand([wanted], client, found=found))
    (target,) = found
    assert target.reference.repository == f"{server.registry}/team/app"
    assert (target.choice, target.platforms, target.referrers) == (wanted.choice, platforms, True)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_registries_without_a_catalogue_say_what_to_do(server: Faulty, status: int) -> None:
    """One failure for all patterns: there is no list that this user may read."""
    server.on("/v2/_catalog", reply(status))
    found, ((kind, message),) = expanded(server, "team/*", "web/*")
    assert (found, kind) == ([], "no-catalog")
    assert str(status) in message and "name each repository" in message


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_for_the_catalogue_may_be_refused(server: Faulty, status: int) -> None:
    """Where the token server already says no, as ghcr.io's does, there is no list for this user either."""
    challenge = f'Bearer realm="{server.url}/token",service="r"'
    server.on("/v2/", reply(401, www_authenticate=challenge))
    server.on("/v2/_catalog", reply(401, www_authenticate=challenge))
    server.on("/token", reply(status))
    found, ((kind, message),) = expanded(server, "team/*")
    assert (found, kind) == ([], "no-catalog")
    assert f"does not show the list of its repositories: GET {server.url}/token: {status} (" in message


def test_pages_may_not_be_as_long_as_asked_for(server: Faulty) -> None:
    """A registry that refuses the length of a page is asked once more without one."""
    server.on("/v2/_catalog?n=1000", reply(400, b'{"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]}'))
    server.on("/v2/_catalog", page("a", link="/v2/_catalog?last=a"), page("b"))
    assert expanded(server, "*") == (["a", "b"], [])
    server.on("/v2/_catalog", reply(400))
    found, ((kind, _),) = expanded(server, "*")
    assert (found, kind) == ([], "bad-response")


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (reply(500), "server-error"),
        (reply(404), "not-found"),
        (page("c", link="/v2/_catalog?n=1000"), "bad-response"),
        (page("c", link="http://192.0.2.1/v2/_catalog"), "bad-response"),
        (page("c", link="http://["), "bad-response"),
        (reply(200, b"[]"), "bad-document"),
        (reply(200, b'{"repositories": [1]}'), "bad-document"),
        (endless(), "too-large"),
    ],
)
def test_what_was_read_of_a_broken_catalogue_counts(server: Faulty, second: Behaviour, kind: str) -> None:
    """Its repositories are observed; that others may be missing is a failure, and no pattern is said to be wrong."""
    server.on("/v2/_catalog?n=1000", page("a", "b", link="/v2/_catalog?n=2"))
    server.on("/v2/_catalog?n=2", second)
    found, failures = expanded(server, "*", "nothing/*")
    assert found[:2] == ["a", "b"]
    assert [name for name, _ in failures] == [kind]


def test_catalogues_end(server: Faulty) -> None:
    """One that always has another page is given up."""
    for number in range(9):
        server.on(f"/v2/_catalog?last={number}", page(f"x{number}", link=f"?last={number + 1}"))
    server.on("/v2/_catalog?n=1000", page("x", link="?last=0"))
    found, ((kind, message),) = expanded(server, "*")
    assert len(found) == 5
    assert kind == "bad-response" and "do not end" in message


def test_catalogues_of_nothing_new_end(server: Faulty) -> None:
    """One whose pages say the same again and again is given up long before the most pages that are taken."""
    for number in range(30):
        server.on(f"/v2/_catalog?last={number}", page("x", link=f"?last={number + 1}"))
    server.on("/v2/_catalog?n=1000", page("x", link="?last=0"))
    found: list[Target] = []
    with Client() as client:
        (failure,) = expand([Namespace(server.registry, "*")], client, found=found)
    assert isinstance(failure, Failure) and failure.kind == "bad-response"
    assert len(found) == 1 and len(server.seen) < 20


def test_names_that_are_no_repositories(server: Faulty) -> None:
    """What a registry lists is checked before it becomes part of a path; one failure tells of all."""
    server.on("/v2/_catalog", reply(200, rb'{"repositories": ["a", "../x", "B", "\ud800", "a/", "", "x:1", "y@z"]}'))
    found, ((kind, message),) = expanded(server, "*")
    assert (found, kind) == (["a"], "bad-response")
    assert "6 more" in message and message.isprintable()


def test_a_pattern_that_matches_nothing_is_a_failure(server: Faulty) -> None:
    """A name that was written wrong must not look like an empty team; an empty registry answers with null."""
    server.on("/v2/_catalog", reply(200, b'{"repositories": null}'))
    found, ((kind, message),) = expanded(server, "taem/*:1.*")
    assert (found, kind) == ([], "not-found")
    assert f"{server.registry}/taem/* matches none" in message


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"repositories": 1}', b'{"repositories": [1]}', b"[" * 100_000])
def test_pages_that_are_none(body: bytes) -> None:
    """A page without a list of names is no page; of Docker Hub's as well."""
    with pytest.raises(ParseError):
        parse_catalog(body, source="r.example")
    with pytest.raises(ParseError):
        parse_hub_repositories(body.replace(b"repositories", b"results"), source="hub.docker.com")
    assert parse_catalog(b'{"repositories": null}', source="r.example") == []


# --- Docker Hub ------------------------------------------------------------------------------------------------------


class Hub:
    """Docker Hub's list of a namespace's repositories, two a page."""

    def __init__(self, **repositories: list[str]) -> None:
        self.repositories = repositories
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        owner = request.url.path.removeprefix("/v2/namespaces/").removesuffix("/repositories")
        if request.url.host != "hub.docker.com" or owner not in self.repositories:
            return httpx.Response(404, json={"message": "object not found"})
        number = int(request.url.params["page"])
        names = self.repositories[owner]
        page = [{"name": name, "namespace": owner} for name in names[2 * number - 2 : 2 * number]]
        following = "https://hub.docker.com/anything" if len(names) > 2 * number else None
        return httpx.Response(200, json={"count": len(names), "next": following, "results": page})


def of_hub(hub: Hub, *patterns: str) -> tuple[list[str], list[tuple[str, str]]]:
    found: list[Target] = []
    wanted = [one for text in patterns if isinstance(one := parse_target(text), Namespace)]
    with Client(transport=httpx.MockTransport(hub), limits=Limits(pages=3)) as client:
        records = list(expand(wanted, client, found=found))
    return [str(target) for target in found], [(row.kind, row.message) for row in records if isinstance(row, Failure)]


def test_namespaces_of_docker_hub() -> None:
    """They are listed by its own API, page by page; what it says of the next page is not followed."""
    hub = Hub(team=["app", "base", "web"])
    assert of_hub(hub, "team/*", "docker.io/team/?pp:3.*") == (
        ["docker.io/team/app", "docker.io/team/base", "docker.io/team/web", "docker.io/team/app:3.*"],
        [],
    )
    assert hub.asked == [
        f"https://hub.docker.com/v2/namespaces/team/repositories?page={number}&page_size=100" for number in (1, 2)
    ]


def test_namespaces_that_docker_hub_does_not_have() -> None:
    """A failure says so; another namespace is observed all the same."""
    found, failures = of_hub(Hub(team=["app"]), "nobody/*", "team/*")
    assert found == ["docker.io/team/app"]
    assert [kind for kind, _ in failures] == ["no-catalog"]
    assert "no namespace nobody (404)" in failures[0][1]


def test_pages_of_docker_hub_end() -> None:
    """A list that repeats itself, or that goes on for ever, is given up with what it told."""
    found, ((kind, _),) = of_hub(Hub(team=["app", "base"] * 9), "team/*")
    assert (found, kind) == (["docker.io/team/app", "docker.io/team/base"], "bad-response")
    found, ((kind, _),) = of_hub(Hub(team=[f"x{number}" for number in range(9)]), "team/*")
    assert (len(found), kind) == (6, "bad-response")
