"""What history APIs share: who is asked what, and how fields are read."""

from __future__ import annotations

import argparse
import json

import httpx
import pytest
from history_servers import NOW
from made import day, digest

from imglab.cli import parser
from imglab.errors import ParseError, UsageError
from imglab.http import Client, Credentials
from imglab.sources import chainguard, dockerhub, quay
from imglab.sources.history_api import (
    APIS,
    Fields,
    Pass,
    Window,
    api_host,
    by_repository,
    check_username,
    plan,
    read_object,
)
from imglab.sources.registry import Target


def targets(*texts: str) -> list[Target]:
    """The targets that *texts* name."""
    return [Target.parse(text) for text in texts]


def planned(*texts: str, named: str | None = None, window: Window | None = None) -> dict[str, list[str]]:
    """The plan for *texts*, as text."""
    asked = plan(targets(*texts), named, window or Window())
    return {api: [str(target) for target in found] for api, found in asked.items()}


def test_the_registry_tells_the_api() -> None:
    """One plan for each API, in the order of the references."""
    assert planned("quay.io/a/b", "cgr.dev/chainguard/python:latest", "quay.io/a/c:v*", "python") == {
        "quay": ["quay.io/a/b", "quay.io/a/c:v*"],
        "chainguard": ["cgr.dev/chainguard/python:latest"],
        "docker-hub": ["docker.io/library/python"],
    }


def test_another_registry_is_named() -> None:
    """What it speaks is said by an option; one that speaks it anyway may stand beside it."""
    assert planned("r.example/a/b", "quay.io/a/b", named="quay") == {"quay": ["r.example/a/b", "quay.io/a/b"]}
    assert planned("r.example/one", named="chainguard") == {"chainguard": ["r.example/one"]}


@pytest.mark.parametrize(
    ("text", "named", "window", "message"),
    [
        ("ghcr.io/a/b", None, Window(), "known are chainguard (cgr.dev), quay (quay.io), docker-hub (docker.io)"),
        ("ghcr.io/a/b", None, Window(), "--history-api"),
        ("quay.io/a/b", "docker-hub", Window(), "quay.io speaks quay, not docker-hub"),
        (f"quay.io/a/b@{digest('a1')}", None, Window(), "content, which has no history"),
        ("quay.io/a", None, Window(), "no namespace"),
        ("docker.io/a/b/c", None, Window(), "no namespace"),
        ("python", None, Window(since=day(1)), "leave out --since"),
        ("python", None, Window(until=day(1)), "leave out --since"),
        ("quay.io/a/b", None, Window(day(2), day(1)), "--since lies after --until"),
    ],
)
def test_what_cannot_be_asked_is_misuse(text: str, named: str | None, window: Window, message: str) -> None:
    """Before anything is sent, with what to do instead."""
    with pytest.raises(UsageError) as raised:
        planned("cgr.dev/chainguard/python" if named is None else text, text, named=named, window=window)
    assert message in str(raised.value)


def test_docker_hub_answers_elsewhere() -> None:
    """Its API is not where its images are."""
    assert (api_host("docker.io"), api_host("quay.io"), api_host("127.0.0.1:1")) == (
        "hub.docker.com",
        "quay.io",
        "127.0.0.1:1",
    )


def test_the_command_knows_the_same_names() -> None:
    """Each API can be named."""
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    (option,) = (action for action in commands.choices["backfill"]._actions if action.dest == "history_api")
    assert tuple(option.choices or ()) == tuple(APIS.values())


CGR = "https://cgr.dev"
QUAY = "https://quay.io/api/v1/repository/owner/name/tag/?limit=100&page=1&specificTag=v1"
HUB = "https://hub.docker.com"
HUB_TAGS = f"{HUB}/v2/namespaces/library/repositories/python/tags"


@pytest.mark.parametrize(
    ("text", "login", "expected"),
    [
        (
            "cgr.dev/chainguard/python:latest",
            "me",
            [
                ("GET", f"{CGR}/v2/", None),
                ("GET", f"{CGR}/token?service=cgr.dev&scope=repository%3Achainguard%2Fpython%3Apull", "Basic"),
                ("GET", f"{CGR}/v2/chainguard/python/_chainguard/history/latest", "Bearer"),
            ],
        ),
        ("quay.io/owner/name:v1", "$oauthtoken", [("GET", QUAY, "Bearer")]),
        ("quay.io/owner/name:v1", "owner+robot", [("GET", QUAY, None)]),
        (
            "python",
            "me",
            [("POST", f"{HUB}/v2/auth/token", None), ("GET", f"{HUB_TAGS}?page=1&page_size=100", "Bearer")],
        ),
        ("python:3.13", None, [("GET", f"{HUB_TAGS}/3.13", None)]),
    ],
)
def test_services_are_asked_where_they_answer(
    text: str, login: str | None, expected: list[tuple[str, str, str | None]]
) -> None:
    """With a name and secret, where there are some, as each of them takes it; a 404 there is told."""
    asked: list[tuple[str, str, str | None]] = []

    def service(request: httpx.Request) -> httpx.Response:
        scheme = request.headers.get("authorization", "").partition(" ")[0] or None
        asked.append((request.method, str(request.url), scheme))
        if "token" in request.url.path:
            return httpx.Response(200, json={"token": "t"})
        challenge = f'Bearer realm="{CGR}/token",service="cgr.dev"'
        is_ping = request.url.path == "/v2/"
        return httpx.Response(401, headers={"www-authenticate": challenge}) if is_ping else httpx.Response(404)

    ((api, found),) = plan(targets(text), None, Window()).items()
    collect = {"chainguard": chainguard.collect, "quay": quay.collect, "docker-hub": dockerhub.collect}[api]
    host = api_host(found[0].reference.registry)
    credentials = {host: Credentials(login, "s3cret")} if login else {}
    with Client(transport=httpx.MockTransport(service), credentials=credentials) as client:
        (failure,) = collect(found, Pass(client, lambda: NOW))
    assert asked == expected
    assert getattr(failure, "kind", None) == "not-found" and text.partition(":")[0] in str(failure)


def test_quay_knows_one_user_name() -> None:
    """That of tokens."""
    check_username(["quay"], "$oauthtoken")
    check_username(["quay"], None)
    check_username(["chainguard", "docker-hub"], "me")
    with pytest.raises(UsageError, match=r"--username '\$oauthtoken'"):
        check_username(["quay"], "me")


def test_repositories_are_asked_once() -> None:
    """A tag each, or the repository if any target is about more; each target once."""
    found = by_repository(targets("q.io/a/b:1", "q.io/a/b:2", "q.io/a/b:1", "q.io/a/c:1", "q.io/a/c"))
    assert [(str(reference), [str(target) for target in wanted]) for reference, wanted in found] == [
        ("q.io/a/b:1", ["q.io/a/b:1"]),
        ("q.io/a/b:2", ["q.io/a/b:2"]),
        ("q.io/a/c", ["q.io/a/c:1", "q.io/a/c"]),
    ]


def test_a_window_says_what_it_is() -> None:
    """As the options that ask for it; its ends belong to it."""
    window = Window(day(1), day(2))
    assert str(window) == " --since 2026-01-01T00:00:00+00:00 --until 2026-01-02T00:00:00+00:00"
    assert [moment in window for moment in (day(1), day(2), day(3))] == [True, True, False]
    assert (str(Window()), Window().is_whole, window.is_whole, day(1) in Window()) == ("", True, False, True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b'"x"', b"[" * 100_000, b"9" * 10_000])
def test_documents_that_are_none(body: bytes) -> None:
    """A body that is no JSON object."""
    with pytest.raises(ParseError, match="must be"):
        read_object(body, source="x")


def test_fields_say_where_they_are() -> None:
    """An entry within an entry is named by the way to it."""
    document = read_object(json.dumps({"a": [{}, {"b": [{"c": 1}]}]}).encode(), source="x")
    outer = document.listed("a", lambda fields: fields.listed("b", lambda inner: inner.text("c")))
    assert [str(defect) for entries in outer.rows for defect in entries.defects] == ["x: a[1].b[0].c: must be text"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, "text"),
        ("", "word"),
        (None, "whole"),
        ("", "digest"),
        ("0001-01-01T00:00:00Z", "instant"),
        (None, "media_type"),
    ],
)
def test_what_is_missing_is_none(value: object, read: str) -> None:
    """Null, missing and empty mean the same."""
    arguments = [day(1)] if read == "instant" else []
    assert getattr(Fields({"x": value}, "s"), read)("x", *arguments) is None
    assert getattr(Fields({}, "s"), read)("x", *arguments) is None
