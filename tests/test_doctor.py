"""What `imglab doctor` says of each thing that can be wrong on the way to a registry, and what it never says."""

from __future__ import annotations

import base64
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from certificates import Authority, authority
from faulty import Faulty, faulty_server, reply

from imglab import doctor
from imglab.cli import main
from imglab.doctor.network import Attempt, Certificate, Network, Resolved, Secured
from imglab.doctor.replies import rights
from imglab.doctor.step import Step
from imglab.errors import ImglabError, ParseError, SourceError, UsageError
from imglab.http import Client, Credentials
from imglab.secrecy import expiry
from imglab.sources.registry import Target

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DATE = "Thu, 01 Jan 2026 12:00:00 GMT"
SECRET = Credentials("user", "p4ssw0rd")
KEPT = Credentials("user", "p4ssw0rd", found_in="/home/user/.docker/config.json")
DIGEST = "sha256:" + "a" * 64
INDEX = {"content-type": "application/vnd.oci.image.index.v1+json", "docker-content-digest": DIGEST}
NAMES = (
    *("reference", "address", "connection", "tls", "proxy", "registry", "credentials", "token"),
    *("rights", "content", "limit", "clock", "history", "cost"),
)
Handler = Callable[[httpx.Request], httpx.Response]


class Near(Network):
    """Every name is a machine nearby, with a certificate that is good."""

    def __init__(
        self,
        resolved: Resolved | None = None,
        attempts: tuple[Attempt, ...] | None = None,
        secured: Secured | None = None,
    ) -> None:
        good = Certificate("r.example", "Good Authority", ("r.example",), NOON, NOON + timedelta(days=90))
        self.resolved = resolved or Resolved(("203.0.113.7",), 0.01)
        self.attempts = attempts or (Attempt("203.0.113.7", 0.01),)
        self.secured = secured or Secured(0.02, "TLSv1.3", good)

    def resolve(self, host: str, port: int, seconds: float) -> Resolved:
        return self.resolved

    def connect(self, addresses: tuple[str, ...], port: int, seconds: float) -> tuple[Attempt, ...]:
        return self.attempts

    def secure(self, address: str, port: int, host: str, context: ssl.SSLContext, seconds: float) -> Secured:
        return self.secured


class Registry:
    """A registry and its token server as a table by path; everything that is sent is kept."""

    def __init__(
        self,
        challenge: str | None = None,
        token: httpx.Response | None = None,
        answer: httpx.Response | Handler | None = None,
        **paths: httpx.Response,
    ) -> None:
        self.challenge = challenge
        self.token = token or httpx.Response(200, json={"token": "t0ken-of-tests", "expires_in": 300})
        self.answer = answer or httpx.Response(200, headers={**INDEX, "date": DATE})
        self.paths = paths
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if found := self.paths.get(request.url.path.rpartition("/")[2]):
            return found
        if request.url.path.endswith("/token"):
            return self.token
        if request.url.path == "/v2/":
            if self.challenge is None:
                return httpx.Response(200, headers={"docker-distribution-api-version": "registry/2.0", "date": DATE})
            return httpx.Response(401, headers={"www-authenticate": self.challenge, "date": DATE})
        return self.answer(request) if callable(self.answer) else self.answer


BASIC = 'Basic realm="all of it"'
BEARER = 'Bearer realm="https://auth.r.example/token",service="registry.r.example"'
REFERENCE = "registry.r.example/team/app:1"


def examined(
    reference: str,
    handler: Handler,
    *,
    credentials: Credentials | None = None,
    trouble: ImglabError | None = None,
    looked_in: Sequence[Path] = (),
    network: Network | None = None,
    link: doctor.Link | None = None,
    environment: Mapping[str, str] | None = None,
    now: datetime = NOON,
) -> dict[str, Step]:
    """The steps to a registry that *handler* plays, by name; they are always the same ones in the same order."""
    steps = list(
        doctor.examine(
            Target.parse(reference),
            link or doctor.Link(),
            credentials=credentials,
            trouble=trouble,
            looked_in=looked_in,
            environment=environment or {},
            now=lambda: now,
            network=network or Near(),
            client=partial(Client, transport=httpx.MockTransport(handler)),
        )
    )
    assert tuple(step.name for step in steps) == NAMES
    assert all(step.advice for step in steps if step.outcome in {"warning", "problem"}), steps
    return {step.name: step for step in steps}


def outcomes(steps: Mapping[str, Step], *wanted: str) -> dict[str, str]:
    """The names of the steps with one of the *wanted* outcomes."""
    return {name: step.outcome for name, step in steps.items() if step.outcome in wanted}


def jwt(**claims: object) -> str:
    """A JSON Web Token that nobody signed."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, "c2lnbmF0dXJl"])


# --- what is well ----------------------------------------------------------------------------------------------------


def test_an_open_registry_is_well() -> None:
    """Every step says what was seen; two requests, one of them a HEAD, and neither is a pull."""
    registry = Registry()
    steps = examined(REFERENCE, registry)
    assert outcomes(steps, "warning", "problem") == {}
    assert [(seen.method, seen.url.path) for seen in registry.seen] == [
        ("GET", "/v2/"),
        ("HEAD", "/v2/team/app/manifests/1"),
    ]
    assert steps["reference"].seen == f"{REFERENCE} at https://registry.r.example: TLS"
    assert steps["address"].seen.startswith("203.0.113.7")
    assert "TLSv1.3, certificate of r.example by Good Authority, ends in 90 days" in steps["tls"].seen
    assert "answers 200" in steps["registry"].seen and "registry/2.0" in steps["registry"].seen
    assert steps["credentials"].seen == "none were given, and none are wanted"
    assert steps["token"].outcome == "skipped"
    assert steps["content"].seen.startswith(f"{DIGEST}, an index of images")
    assert "no pull was spent" in steps["content"].seen
    assert steps["clock"].outcome == "ok"
    assert "a snapshot sends 2 requests" in steps["cost"].seen


def test_a_token_is_told_with_its_rights_and_not_shown() -> None:
    """Where it came from, what was asked, what it allows as far as it says so, and how long it is good."""
    access = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]
    token = jwt(access=access)
    registry = Registry(BEARER, httpx.Response(200, json={"token": token, "expires_in": 300}))
    steps = examined(REFERENCE, registry, credentials=SECRET)
    assert outcomes(steps, "warning", "problem") == {}
    assert "Bearer: tokens of https://auth.r.example/token for registry.r.example" in steps["registry"].seen
    assert steps["credentials"].seen == "user user from --username: taken"
    seen = steps["token"].seen
    assert seen.startswith("auth.r.example answers 200") and "good for 300 s" in seen
    assert seen.endswith("asked for pull of team/app, it allows pull")
    assert "a snapshot sends 3 requests" in steps["cost"].seen
    assert not any(token in step.text or "p4ssw0rd" in step.text for step in steps.values())


def test_a_list_of_tags_is_counted() -> None:
    """Without a tag the first page of the list is asked for, and what a snapshot would cost is known."""
    tags = httpx.Response(200, json={"name": "team/app", "tags": ["3.11", "3.12", "latest"]})
    registry = Registry(BEARER, answer=tags)
    steps = examined("registry.r.example/team/app:3.*", registry)
    assert registry.seen[-1].url.path == "/v2/team/app/tags/list"
    assert "3 tags, of which 2 match 3.*" in steps["content"].seen
    assert "a snapshot sends 5 requests" in steps["cost"].seen
    assert len(registry.seen) == 3
    paged = httpx.Response(200, json={"tags": ["1"]}, headers={"link": '</v2/team/app/tags/list?last=1>; rel="next"'})
    steps = examined("registry.r.example/team/app", Registry(answer=paged))
    assert "1 tag and more pages of them" in steps["content"].seen
    assert "at least 3 requests" in steps["cost"].seen
    assert "(all tags)" in steps["reference"].seen
    signed = httpx.Response(200, json={"tags": ["1", f"sha256-{'a' * 64}.sig"]})
    steps = examined("registry.r.example/team/app", Registry(answer=signed))
    assert "2 tags, of which 1 are of signatures and the like" in steps["content"].seen
    assert "a snapshot sends 3 requests" in steps["cost"].seen


def test_the_registrys_own_history_is_named() -> None:
    """The command to ask it, in quotes where a shell would take it for its own."""
    assert "imglab backfill 'quay.io/team/app:v*'" in examined("quay.io/team/app:v*", Registry())["history"].seen
    assert (
        "docker-hub tells it: imglab backfill docker.io/library/python:3"
        in examined("python:3", Registry())["history"].seen
    )
    assert "--history-api quay" in examined(REFERENCE, Registry())["history"].seen
    assert "only tags move" in examined(f"quay.io/team/app@{DIGEST}", Registry())["history"].seen
    assert "no namespace and name" in examined("docker.io/a/b/c:1", Registry())["history"].seen


# --- the way ---------------------------------------------------------------------------------------------------------


def test_a_name_without_an_address_ends_the_way() -> None:
    """Nothing is sent, what follows is skipped, and what is known without the registry is told."""
    registry = Registry()
    steps = examined(REFERENCE, registry, network=Near(Resolved((), 0.01, "Name or service not known")))
    assert outcomes(steps, "problem") == {"address": "problem"}
    assert "registry.r.example has no address: Name or service not known" in steps["address"].seen
    assert {name for name, step in steps.items() if step.outcome == "skipped"} == {
        *("connection", "tls", "registry", "credentials", "token", "rights", "content", "limit", "clock", "cost")
    }
    assert registry.seen == []


def test_private_and_link_local_addresses_are_named() -> None:
    """A name that leads into one's own network is no fault, and worth seeing."""
    resolved = Resolved(("10.0.0.5", "169.254.1.1", "2001:db8::1", "::1", "8.8.8.8"), 0.01)
    seen = examined(REFERENCE, Registry(), network=Near(resolved))["address"].seen
    assert "10.0.0.5 (private), 169.254.1.1 (link-local), 2001:db8::1 (private), ::1 (this machine), 8.8.8.8" in seen


def test_silent_addresses_before_the_one_that_answers_are_a_warning() -> None:
    """A refusal costs nothing; an address that says nothing is waited for each time."""
    silent = (Attempt("2001:db8::1", 5.0, "no answer within 5.0 s", True), Attempt("203.0.113.7", 0.01))
    step = examined(REFERENCE, Registry(), network=Near(attempts=silent))["connection"]
    assert (step.outcome, "2001:db8::1: no answer" in step.seen) == ("warning", True)
    refused = (Attempt("::1", 0.01, "Connection refused"), Attempt("127.0.0.1", 0.01))
    assert examined(REFERENCE, Registry(), network=Near(attempts=refused))["connection"].outcome == "ok"


@pytest.mark.parametrize(("is_silent", "advice"), [(True, "firewall"), (False, "check the port")])
def test_no_connection_at_all(is_silent: bool, advice: str) -> None:
    """Silence is a firewall's, a refusal is that of a machine on which nobody listens."""
    attempts = (Attempt("203.0.113.7", 0.01, "no", is_silent),)
    step = examined(REFERENCE, Registry(), network=Near(attempts=attempts))["connection"]
    assert step.outcome == "problem" and advice in step.advice


def test_proxies_of_the_environment_are_named_as_not_used() -> None:
    """By their names only, since their values may hold passwords; a hint where the registry was not reached."""
    environment = {"HTTPS_PROXY": "http://me:p4ssw0rd@proxy.example:3128", "no_proxy": "x", "HTTP_PROXY": ""}
    step = examined(REFERENCE, Registry(), environment=environment)["proxy"]
    assert step.outcome == "ok" and step.seen.startswith("HTTPS_PROXY set, which imglab does not use")
    lost = Near(Resolved((), 0.01, "no"))
    step = examined(REFERENCE, Registry(), environment={"https_proxy": "x"}, network=lost)["proxy"]
    assert step.outcome == "warning" and "directly" in step.advice


def test_unverified_and_ending_certificates_are_warnings() -> None:
    """What works today and is not safe, or will not work tomorrow."""
    ends = Certificate("r.example", "Good Authority", (), NOON, NOON + timedelta(days=3))
    step = examined(REFERENCE, Registry(), network=Near(secured=Secured(0.1, "TLSv1.2", ends)))["tls"]
    assert step.outcome == "warning" and "ends in 3 days" in step.seen
    step = examined(REFERENCE, Registry(), link=doctor.Link(insecure=True))["tls"]
    assert step.outcome == "warning" and "not verified" in step.seen


# --- TLS, with real handshakes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def told(reference: str, link: doctor.Link, **options: object) -> dict[str, Step]:
    """The steps to a real server of this machine."""
    steps = doctor.examine(
        Target.parse(reference),
        link,
        credentials=None,
        environment={},
        now=lambda: datetime.now(UTC),
        **options,  # type: ignore[arg-type]
    )
    return {step.name: step for step in steps}


@pytest.mark.parametrize(
    ("name", "options", "words", "advice"),
    [
        ("expired", {"begins": -100, "ends": -10}, "the certificate expired on ", "renew"),
        ("tomorrow", {"begins": 2, "ends": 10}, "the certificate is not valid before ", "clock"),
        (
            "elsewhere",
            {"names": "DNS:other.example"},
            "is for other.example, not for 127.0.0.1",
            "a name that it is for",
        ),
    ],
)
def test_bad_certificates_are_told_apart(
    signer: Authority, name: str, options: dict[str, object], words: str, advice: str
) -> None:
    """Expired, not valid yet, of another name; with whose it is, and nothing is sent over it."""
    with faulty_server(signer.context(name, **options)) as server:
        steps = told(f"{server.registry}/x:1", doctor.Link(ca_cert=signer.certificate))
        assert server.seen == []
    step = steps["tls"]
    assert step.outcome == "problem" and words in step.seen and advice in step.advice
    assert f"certificate of {name} by Nobody, authority of the tests" in step.seen
    assert steps["registry"].outcome == "skipped"


def test_unknown_authorities_are_told_with_what_to_do(signer: Authority, tmp_path: Path) -> None:
    """With an authority of the caller's that did not sign it, too."""
    other = authority(tmp_path / "other", "another").certificate
    with faulty_server(signer.context("unknown")) as server:
        unknown = told(f"{server.registry}/x:1", doctor.Link(ca_cert=other))["tls"]
        assert server.seen == []
    assert unknown.outcome == "problem" and "an authority that this machine does not know" in unknown.seen
    assert f"{other} is not the authority that signed it" in unknown.advice


def test_a_good_certificate_and_an_unverified_one(signer: Authority) -> None:
    """The authority that was given is named; without verification the certificate is read all the same."""
    with faulty_server(signer.context("good")) as server:
        good = told(f"{server.registry}/x:1", doctor.Link(ca_cert=signer.certificate))
        unverified = told(f"{server.registry}/x:1", doctor.Link(insecure=True))
        assert {seen.path for seen in server.seen} == {"/v2/", "/v2/x/manifests/1", "/v2/x/tags/list?n=1"}
    assert good["tls"].outcome == "ok" and str(signer.certificate) in good["tls"].seen
    assert good["tls"].seen.startswith(
        "TLSv1.3, certificate of good by Nobody, authority of the tests, ends in 100 days"
    )
    assert unverified["tls"].outcome == "warning" and "certificate of good by Nobody" in unverified["tls"].seen


def test_no_authority_but_those_of_the_machine(signer: Authority) -> None:
    """The advice is --ca-cert. The handshake is that of a host which is not this machine."""
    with faulty_server(signer.context("private", names="DNS:r.example")) as server:
        secured = Network().secure("127.0.0.1", server.port, "r.example", ssl.create_default_context(), 5.0)
    step = examined(REFERENCE, Registry(), network=Near(secured=secured))["tls"]
    assert step.outcome == "problem" and "--ca-cert FILE" in step.advice
    assert "certificate of private by Nobody" in step.seen


def test_plain_http_where_tls_is_spoken_and_the_other_way_round(signer: Authority) -> None:
    """Each says which option makes it right."""
    with faulty_server() as server:
        step = told(f"{server.registry}/x:1", doctor.Link(insecure=True))["tls"]
    assert step.outcome == "problem" and "no TLS" in step.seen and "--plain-http" in step.advice
    words = b"Client sent an HTTP request to an HTTPS server.\n"
    registry = Registry(answer=httpx.Response(400))
    handler = lambda request: httpx.Response(400, content=words)  # noqa: E731
    step = examined(REFERENCE, handler, link=doctor.Link(plain_http=True))["registry"]
    assert "it wants TLS" in step.seen and "leave out --plain-http" in step.advice
    assert "--ca-cert FILE or --insecure" in examined("localhost:5000/x:1", handler)["registry"].advice
    assert registry.seen == []


def test_a_certificate_authority_that_is_none_is_misuse(tmp_path: Path) -> None:
    """As for every command: nothing is tried."""
    with pytest.raises(UsageError, match="no file of certificates"):
        examined(REFERENCE, Registry(), link=doctor.Link(ca_cert=tmp_path / "nowhere.pem"))


# --- real networks: nobody there, nobody speaks ----------------------------------------------------------------------


def test_real_names_and_refusals() -> None:
    """A name that cannot exist, one that can be none, and a port on which nobody listens."""
    network = Network()
    for name in ("nowhere.invalid", "x" * 64 + ".invalid"):
        resolved = network.resolve(name, 443, 10.0)
        assert resolved.addresses == () and resolved.problem
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert network.resolve("127.0.0.1", port, 10.0).addresses == ("127.0.0.1",)
    (attempt,) = network.connect(("127.0.0.1",), port, 1.0)
    assert attempt.problem == "Connection refused" and not attempt.is_silent


@pytest.fixture
def silent() -> Iterator[str]:
    """A registry that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("link", "name"), [(doctor.Link(), "registry"), (doctor.Link(insecure=True), "tls")])
def test_silence_ends_in_time(silent: str, link: doctor.Link, name: str) -> None:
    """A step takes a quarter of all the time at most; all of it is less than half a minute."""
    began = time.monotonic()
    steps = told(f"{silent}/x:1", link, seconds=1.2)
    assert time.monotonic() - began < 3
    assert outcomes(steps, "problem").keys() >= {name}
    assert "0.3 s" in steps[name].seen
    assert "none are wanted" not in steps["credentials"].seen
    assert doctor.SECONDS < 30


def test_slow_redirects_end_in_time() -> None:
    """However many there are, and however quick each is."""
    waiting = threading.Event()

    def slow(handler: object) -> None:
        waiting.wait(0.25)
        reply(302, location="/v2/")(handler)  # type: ignore[arg-type]

    with faulty_server() as server:
        server.on("/v2/", slow)
        began = time.monotonic()
        steps = told(f"{server.registry}/x:1", doctor.Link(), seconds=1.2)
        assert time.monotonic() - began < 3
    assert steps["registry"].outcome == "problem"


# --- the registry ----------------------------------------------------------------------------------------------------


def page(status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=b"<html>", headers={"content-type": "text/html; charset=utf-8"})


@pytest.mark.parametrize(
    ("ping", "words", "advice"),
    [
        (page(), "answers 200", "a web page, no registry"),
        (page(404), "answers 404", "no registry answers there"),
        (httpx.Response(403), "answers 403", "not for this network"),
        (httpx.Response(500), "answers 500", "in trouble"),
        (httpx.Response(429, headers={"retry-after": "120"}), "asks to wait 2 minutes", "too many requests"),
        (httpx.Response(302, headers={"location": "/v2/"}), "more than 5 redirects", "correct where it sends"),
        (
            httpx.Response(302, headers={"location": "http://r.example/"}),
            "from https to http",
            "correct where it sends",
        ),
        (httpx.Response(401, headers={"www-authenticate": "Negotiate"}), "wants negotiate", "Basic and Bearer only"),
        (httpx.Response(401), "without saying how to log in", "ask"),
    ],
)
def test_what_is_no_registry(ping: httpx.Response, words: str, advice: str) -> None:
    """Web pages, closed doors, servers in trouble, circles of redirects: each is told as what it is."""
    registry = Registry(**{"": ping}, answer=page(404))
    step = examined(REFERENCE, registry)["registry"]
    assert step.outcome == "problem"
    assert words in step.seen and advice in step.advice


def test_a_ping_that_fails_does_not_hide_what_works() -> None:
    """Some registries have nothing at `/v2/`: if the reference can be read, that is a warning."""
    steps = examined(REFERENCE, Registry(**{"": httpx.Response(404)}))
    assert outcomes(steps, "warning", "problem") == {"registry": "warning"}


def test_redirects_to_another_host_are_named() -> None:
    """Who answers in the end is seen, and gets no credentials."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "registry.r.example":
            return httpx.Response(307, headers={"location": f"https://mirror.example{request.url.path}"})
        assert "authorization" not in request.headers
        return httpx.Response(200, headers=INDEX)

    steps = examined(REFERENCE, handler, credentials=SECRET)
    assert "after a redirect to mirror.example" in steps["registry"].seen
    assert "after a redirect to mirror.example" in steps["rights"].seen
    assert "not sent, since none are wanted" in steps["credentials"].seen

    def asking(request: httpx.Request) -> httpx.Response:
        is_there = request.url.host == "mirror.example"
        return httpx.Response(401, headers={"www-authenticate": BASIC}) if is_there else handler(request)

    step = examined(REFERENCE, asking, credentials=SECRET)["registry"]
    assert step.outcome == "problem" and "after a redirect to mirror.example, where a login is wanted" in step.seen


# --- credentials -----------------------------------------------------------------------------------------------------


def test_missing_credentials_are_told_as_missing() -> None:
    """Where a login is wanted and nothing can be read without one; with how to log in at this registry."""
    for registry in (Registry(BASIC, answer=httpx.Response(401)), Registry(BEARER, httpx.Response(401))):
        steps = examined(REFERENCE, registry)
        assert steps["credentials"].outcome == "problem"
        assert steps["credentials"].seen == "missing: none were given"
        assert "--password-stdin" in steps["credentials"].advice
    assert examined(REFERENCE, Registry(BEARER))["credentials"].outcome == "ok"


def test_missing_credentials_are_told_with_where_they_were_looked_for(tmp_path: Path) -> None:
    """The files that may hold some, and which of them are not there: perhaps they are another user's."""
    (tmp_path / "config.json").touch()
    looked_in = (tmp_path / "auth.json", tmp_path / "config.json")
    step = examined(REFERENCE, Registry(BASIC, answer=httpx.Response(401)), looked_in=looked_in)["credentials"]
    places = f"{tmp_path}/auth.json (no such file) or {tmp_path}/config.json"
    assert step.seen == f"missing: none for registry.r.example in {places}"
    assert "docker login registry.r.example" in step.advice


def test_credentials_that_nobody_asks_for_are_not_missed() -> None:
    """A firewall that answers 403 in the registry's place wants none."""
    page = httpx.Response(403, headers={"content-type": "text/html"})
    steps = examined(REFERENCE, lambda request: page)
    assert (steps["registry"].outcome, steps["credentials"].outcome) == ("problem", "skipped")


def test_a_token_that_the_registry_refuses_is_no_lack_of_rights() -> None:
    """It says so itself (RFC 6750, section 3.1): clocks or keys of registry and token server differ."""
    challenge = {"www-authenticate": f'{BEARER},error="invalid_token"'}
    steps = examined(REFERENCE, Registry(BEARER, answer=httpx.Response(401, headers=challenge)), credentials=SECRET)
    assert "does not take the token that its token server gave" in steps["rights"].seen
    assert "clocks" in steps["rights"].advice


def test_a_refused_identity_token_is_a_matter_of_credentials() -> None:
    """Its token server answers 400 with a word for it, which is no fault of the server's."""
    identity = Credentials("<token>", "p4ssw0rd", "identity-token", "/run/auth.json", "podman login registry.r.example")
    refused = httpx.Response(400, json={"error": "invalid_grant"})
    steps = examined(REFERENCE, Registry(BEARER, refused), credentials=identity)
    assert "it is wrong, or it has expired or was revoked" in steps["credentials"].seen
    assert steps["credentials"].advice == "run podman login registry.r.example"
    assert steps["token"].advice == "see credentials"


@pytest.mark.parametrize(
    ("registry", "by"),
    [
        (Registry(BASIC, answer=httpx.Response(401, headers={"www-authenticate": BASIC})), "the registry (401)"),
        (Registry(BEARER, httpx.Response(401)), "auth.r.example (401)"),
        (Registry(BEARER, httpx.Response(403)), "auth.r.example (403)"),
    ],
)
@pytest.mark.parametrize(
    ("credentials", "again"),
    [(SECRET, "type them again"), (KEPT, "log in again where they are kept (/home/user/.docker/config.json)")],
)
def test_refused_credentials_are_told_as_refused(
    registry: Registry, by: str, credentials: Credentials, again: str
) -> None:
    """Whose they are, who refused them, and where to put them right."""
    registry.seen.clear()
    steps = examined(REFERENCE, registry, credentials=credentials)
    step = steps["credentials"]
    assert step.outcome == "problem" and f"refused by {by}" in step.seen
    assert step.seen.startswith(f"user user from {credentials.found_in or '--username'}")
    assert again in step.advice
    assert len(registry.seen) <= 6


def test_what_needs_no_login_is_told_where_one_is_refused() -> None:
    """Old credentials that somebody keeps shut out of what is public: without them it can be read."""

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.path == "/token" and "authorization" in request.headers:
            return httpx.Response(403)
        return Registry(BEARER)(request)

    seen: list[httpx.Request] = []
    for credentials, way in ((KEPT, "set REGISTRY_AUTH_FILE=/dev/null"), (SECRET, "leave out --username")):
        seen.clear()
        step = examined(REFERENCE, handler, credentials=credentials)["credentials"]
        assert step.advice.startswith(f"{way}: what was asked for can be read without a login")
        assert len(seen) == 5


@pytest.mark.parametrize("kind", ["password", "identity-token", "registry-token"])
def test_expired_credentials_are_told_as_expired(kind: str) -> None:
    """Where a secret is a token that says when it ends, that is more than its server says."""
    old = jwt(exp=int((NOON - timedelta(hours=3)).timestamp()))
    registry = Registry(BEARER, httpx.Response(401), httpx.Response(401, headers={"www-authenticate": BEARER}))
    step = examined(REFERENCE, registry, credentials=Credentials("user", old, kind))["credentials"]  # type: ignore[arg-type]
    assert step.outcome == "problem" and "expired 3 hours ago, at 2026-01-01 09:00 UTC" in step.seen
    assert old not in step.text


def test_the_end_of_secrets_that_tell_it() -> None:
    """JSON Web Tokens, and what ECR gives for a password; others tell nothing."""
    later = NOON + timedelta(hours=12)
    ecr = base64.b64encode(json.dumps({"payload": "x", "expiration": int(later.timestamp())}).encode()).decode()
    assert expiry(ecr) == expiry(jwt(exp=int(later.timestamp()))) == later
    for secret in ("p4ssw0rd", "a.b.c", "dckr_pat_x", jwt(), jwt(exp="x"), jwt(exp=10**30), jwt(exp=True), "é" * 9, ""):
        assert expiry(secret) is None
    step = examined(REFERENCE, Registry(BASIC), credentials=Credentials("AWS", ecr))["credentials"]
    assert step.seen == "user AWS from --username, which ends in 12 hours: taken"


def test_credentials_that_cannot_be_had_are_a_problem_of_their_own() -> None:
    """The way is gone on without them, so that the rest is known too."""
    for trouble in (
        ParseError("/home/user/.docker/config.json", "auths", "must be an object"),
        SourceError("docker-credential-x gives none; put that right", kind="credentials"),
    ):
        steps = examined(REFERENCE, Registry(BEARER), trouble=trouble)
        assert outcomes(steps, "warning", "problem") == {"credentials": "problem"}
        assert str(trouble).partition(";")[0] in steps["credentials"].seen


def test_credentials_that_are_not_sent_are_told_so() -> None:
    """To token servers that do not belong to the registry, and where there is no use for a token."""
    hosts: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return Registry('Bearer realm="https://evil.example/token"')(request)

    steps = examined(REFERENCE, handler, credentials=SECRET)
    assert "not sent" in steps["credentials"].seen
    assert "a host that does not belong to it" in steps["token"].seen and steps["token"].outcome == "problem"
    assert set(hosts) == {"registry.r.example"}
    identity = Credentials("<token>", "p4ssw0rd", "identity-token", "docker-credential-x")
    steps = examined(REFERENCE, Registry(BASIC, answer=httpx.Response(401)), credentials=identity)
    assert "is for a token server, and there is none" in steps["credentials"].seen


def test_a_registry_token_is_used_as_it_is() -> None:
    """No token server is asked."""
    token = Credentials("", "p4ssw0rd", "registry-token", "/run/auth.json")
    registry = Registry(BEARER)
    steps = examined(REFERENCE, registry, credentials=token)
    assert steps["token"].seen == "what was given is one already"
    assert steps["credentials"].seen == "a token from /run/auth.json: taken"
    assert outcomes(steps, "warning", "problem") == {}


def test_a_password_without_tls_is_a_warning() -> None:
    """Anywhere but on this machine."""
    link = doctor.Link(plain_http=True)
    assert examined(REFERENCE, Registry(BASIC), credentials=SECRET, link=link)["credentials"].outcome == "warning"
    assert examined("localhost:5000/a:1", Registry(BASIC), credentials=SECRET)["credentials"].outcome == "ok"


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "words", "advice"),
    [
        (page(), "text/html; charset=utf-8, no token", "ask whoever runs it"),
        (httpx.Response(500), "answers 500", "in trouble"),
        (httpx.Response(429, headers={"retry-after": DATE}), f"asks to wait until {DATE}", "too many"),
        (httpx.Response(302, headers={"location": "https://evil.example/"}), "answers 302", "ask"),
        (httpx.Response(403), "answers 403", "look alike"),
    ],
)
def test_token_servers_that_give_none(token: httpx.Response, words: str, advice: str) -> None:
    """What they say instead, and nothing is asked of the registry then."""
    registry = Registry(BEARER, token)
    steps = examined(REFERENCE, registry)
    step = steps["token"]
    assert step.outcome == "problem" and words in step.seen and advice in step.advice
    assert steps["rights"].outcome == "skipped"
    assert not any("manifests" in seen.url.path for seen in registry.seen)


def test_a_token_that_allows_nothing_is_a_warning() -> None:
    """Its server does not say no: the token does, as Docker Hub's do for what is private or missing."""
    token = httpx.Response(200, json={"token": jwt(access=[]), "expires_in": 300})
    steps = examined("team/app:1", Registry(BEARER.replace("r.example", "docker.io"), token, httpx.Response(401)))
    assert steps["token"].outcome == "warning" and "it allows nothing" in steps["token"].seen
    assert (
        steps["rights"].outcome == "problem"
        and "Docker Hub does not tell private from missing" in steps["rights"].advice
    )


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"access": [{"type": "repository", "name": "a", "actions": ["pull", "push"]}]}, {"pull", "push"}),
        ({"access": [{"type": "repository", "name": "b", "actions": ["pull"]}]}, set()),
        ({"access": [{"type": "registry", "name": "a", "actions": ["*"]}]}, set()),
        ({"access": [{"type": "repository", "name": "a", "actions": ["p4ssw0rd!", 1]}, 1]}, set()),
        ({"access": [{"type": "repository", "name": "a", "actions": 1}]}, set()),
        ({"access": None}, set()),
        ({"access": 1}, None),
        ({}, None),
    ],
)
def test_what_tokens_say_of_rights(claims: dict[str, object], expected: set[str] | None) -> None:
    """Only actions on the repository itself count, and only words that can be actions are shown."""
    assert rights({"token": jwt(**claims)}, "a") == expected
    assert rights({"access_token": jwt(**claims)}, "a") == expected


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a." + "[" * 9000 + ".c", 1, None, "", "é.é.é"])
def test_tokens_that_say_nothing(token: object) -> None:
    """Those of GHCR are for nobody to read, and some are no tokens."""
    assert rights({"token": token}, "a") is None


# --- rights and content ----------------------------------------------------------------------------------------------

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("reference", "challenge", "status", "credentials", "words", "advice"),
    [
        (REFERENCE, BEARER, 401, None, "not without a login", "look alike"),
        (REFERENCE, BEARER, 403, SECRET, "may not read it, or it does not exist", "ask its owner"),
        ("ghcr.io/team/app:1", 'Bearer realm="https://ghcr.io/token"', 403, SECRET, "may not read", "GHCR"),
        ("quay.io/team/app:1", 'Bearer realm="https://quay.io/v2/auth/token"', 401, None, "login", "Quay"),
        (f"{ECR}/app:1", BASIC, 403, Credentials("AWS", "x" * 9), "may not read", "12 hours"),
        ("cgr.dev/team/app:1", 'Bearer realm="https://cgr.dev/token"', 403, None, "login", "latest-dev"),
        (REFERENCE, None, 404, None, "no such repository", "check the name"),
        (REFERENCE, None, 500, None, "answers 500", "in trouble"),
        (REFERENCE, None, 429, None, "answers 429", "too many"),
        (REFERENCE, None, 418, None, "answers 418", "no answer that a registry should give"),
    ],
)
def test_refusals_are_told_as_the_registry_means_them(
    reference: str, challenge: str | None, status: int, credentials: Credentials | None, words: str, advice: str
) -> None:
    """Each of the well-known registries has its own meanings; all others those of the specification."""
    registry = Registry(challenge, answer=httpx.Response(status))
    steps = examined(reference, registry, credentials=credentials)
    step = steps["rights"]
    assert step.outcome == "problem" and words in step.seen and advice in step.advice
    assert (steps["content"].outcome, steps["cost"].outcome) == ("skipped", "skipped")
    assert len(registry.seen) <= 6


def test_how_to_log_in_is_that_of_the_registry() -> None:
    """For ECR with the region of its name."""
    advice = examined(f"{ECR}/app:1", Registry(BASIC, answer=httpx.Response(401)))["credentials"].advice
    assert "`aws ecr get-login-password --region eu-west-1`" in advice


def test_a_missing_tag_is_told_from_a_missing_repository() -> None:
    """By the list of tags, which costs one request more and no pull."""

    def handler(request: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(200, json={"tags": ["2"]})
            if request.url.path.endswith("/list")
            else Registry(answer=httpx.Response(404))(request)
        )

    assert "the repository is there, this tag is not" in examined(REFERENCE, handler)["rights"].seen
    assert "this digest is not" in examined(f"registry.r.example/team/app@{DIGEST}", handler)["rights"].seen


@pytest.mark.parametrize("status", [400, 405, 501])
def test_a_registry_that_takes_no_head_is_a_warning(status: int) -> None:
    """A snapshot gets the manifest instead."""
    step = examined(REFERENCE, Registry(answer=httpx.Response(status)))["rights"]
    assert step.outcome == "warning" and "count as a pull" in step.advice


@pytest.mark.parametrize(
    ("media_type", "words"),
    [
        ("application/vnd.oci.image.index.v1+json; charset=utf-8", "an index of images"),
        ("application/vnd.docker.distribution.manifest.v2+json", "one image ("),
        ("application/vnd.oci.image.manifest.v1+json", "one image or artifact"),
        ("application/x", "something of another kind (application/x"),
    ],
)
def test_what_the_reference_points_at(media_type: str, words: str) -> None:
    """Its digest, kind and size, from the headers alone."""
    headers = {"content-type": media_type, "docker-content-digest": DIGEST, "content-length": "1234"}
    step = examined(REFERENCE, Registry(answer=httpx.Response(200, headers=headers)))["content"]
    assert step.outcome == "ok" and words in step.seen and "1,234 bytes" in step.seen


def test_content_that_is_none() -> None:
    """Manifests without a digest, web pages in place of manifests and of lists, lists that are empty."""
    bare = httpx.Response(200, headers={"content-type": INDEX["content-type"]})
    assert examined(REFERENCE, Registry(answer=bare))["content"].outcome == "warning"
    assert examined(REFERENCE, Registry(answer=page()))["content"].outcome == "problem"
    repository = "registry.r.example/team/app"
    steps = examined(repository, Registry(answer=page()))
    assert (steps["content"].outcome, steps["cost"].outcome) == ("problem", "skipped")
    empty = httpx.Response(200, json={"tags": None})
    assert examined(repository, Registry(answer=empty))["content"].outcome == "warning"


# --- limits and clocks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "outcome", "words"),
    [
        (
            {
                "ratelimit-limit": "100;w=21600",
                "ratelimit-remaining": "76;w=21600",
                "docker-ratelimit-source": "192.0.2.1",
            },
            "ok",
            "76 of 100 pulls left in 6 hours, counted for 192.0.2.1",
        ),
        ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "3;w=21600"}, "warning", "3 of 100 pulls left"),
        ({"x-ratelimit-limit": "180", "x-ratelimit-remaining": "179"}, "ok", "179 of 180 requests left"),
        ({"ratelimit-limit": "many", "ratelimit-remaining": "-1"}, "ok", "none told"),
        ({}, "ok", "none told"),
    ],
)
def test_rate_limits_are_told(headers: dict[str, str], outcome: str, words: str) -> None:
    """What is left of how many in how long, and for whom it is counted."""
    step = examined(REFERENCE, Registry(answer=httpx.Response(200, headers={**INDEX, **headers})))["limit"]
    assert (step.outcome, step.seen) == (outcome, words) if outcome == "ok" else words in step.seen


def test_a_limit_that_is_used_up() -> None:
    """How long the registry asks to wait is told, and not waited for."""
    registry = Registry(answer=httpx.Response(429, headers={"retry-after": "21600"}))
    steps = examined(REFERENCE, registry)
    assert steps["limit"].outcome == "problem" and "asks to wait 6 hours" in steps["limit"].seen
    assert len(registry.seen) == 2
    assert "paying users" in examined("python:3", Registry())["limit"].seen


@pytest.mark.parametrize(("seconds", "words"), [(120, "2 minutes ahead of"), (-7200, "2 hours behind")])
def test_clocks_that_differ_are_a_warning(seconds: int, words: str) -> None:
    """By more than a minute, in either direction."""
    step = examined(REFERENCE, Registry(), now=NOON + timedelta(seconds=seconds))["clock"]
    assert step.outcome == "warning" and words in step.seen
    assert examined(REFERENCE, Registry(), now=NOON + timedelta(seconds=59))["clock"].outcome == "ok"


@pytest.mark.parametrize("date", ["", "yesterday", "\xff"])
def test_a_registry_without_a_clock(date: str) -> None:
    """What is no date is none."""
    ping = httpx.Response(200, headers=[(b"date", date.encode("latin-1"))])
    steps = examined(REFERENCE, Registry(**{"": ping}, answer=httpx.Response(200, headers=INDEX)))
    assert steps["clock"].outcome == "skipped"


# --- secrets, and what servers say -----------------------------------------------------------------------------------


def test_a_server_that_repeats_what_it_was_sent_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """Passwords and tokens are taken out of everything that it says, in every step and in the log."""
    token, password = "t0ken-of-tests", "p4ssw0rd"
    basic = base64.b64encode(b"user:p4ssw0rd").decode()

    def handler(request: httpx.Request) -> httpx.Response:
        sent = f"{password} {basic} {token}"
        every = ("content-type", "docker-distribution-api-version", "retry-after", "docker-ratelimit-source", "date")
        headers = dict.fromkeys((*every, "docker-content-digest", "x-ratelimit-limit"), sent)
        headers["location"] = f"https://{password}.example/{token}/{basic}"
        headers["www-authenticate"] = f'Bearer realm="https://auth.r.example/token?{password}",service="{sent}"'
        if request.url.path == "/token":
            return httpx.Response(200, json={"token": token, "refresh_token": sent})
        if request.url.path == "/v2/":
            return httpx.Response(401, headers=headers)
        return httpx.Response(statuses[0], headers=headers, json={"errors": [{"code": sent}]})

    for status in (200, 307, 401, 404, 429, 500):
        statuses = [status]
        for credentials in (SECRET, Credentials("user", password, "identity-token", "x")):
            with caplog.at_level(logging.DEBUG, "imglab"):
                steps = examined(REFERENCE, handler, credentials=credentials).values()
            said = json.dumps([step.text for step in steps]) + caplog.text
            assert not [secret for secret in (password, basic, token) if secret in said]


def test_no_other_host_sees_a_secret() -> None:
    """The registry's redirects lead to hosts that see neither password nor token, in header, address or body."""
    others: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host not in {"registry.r.example", "auth.r.example"}:
            others.append(request)
            return httpx.Response(401, headers={"www-authenticate": BEARER})
        if "manifests" in request.url.path:
            return httpx.Response(307, headers={"location": "https://cdn.example/m"})
        return Registry(BEARER)(request)

    examined(REFERENCE, handler, credentials=SECRET)
    assert others
    for request in others:
        assert "authorization" not in request.headers
        assert not {"p4ssw0rd", "t0ken-of-tests"} & {str(request.url), request.content.decode()}


def test_long_and_wild_words_are_cut() -> None:
    """A server decides how long its headers are, not how long our lines are."""
    headers = {"docker-distribution-api-version": "x" * 5000, "date": DATE}
    steps = examined(REFERENCE, Registry(**{"": httpx.Response(200, headers=headers)}))
    assert len(steps["registry"].text) < 400
    wild = Registry(f'Bearer realm="https://auth.r.example/{"x" * 5000}/token",service="{"y" * 5000}"')
    assert max(len(step.seen) for step in examined(REFERENCE, wild).values()) < 400


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        yield faulty


def run(*words: str) -> int:
    """The exit code of `imglab doctor`."""
    return main(["doctor", *words])


def test_the_command_prints_a_line_for_each_step(server: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    """Aligned, with plain marks, advice indented below; exit code 3 where a snapshot would fail."""
    server.on("/v2/", reply(200))
    assert run(f"{server.registry}/team/app:1") == 3
    lines = capsys.readouterr().out.splitlines()
    marked = [line for line in lines if not line.startswith(" " * 8)]
    assert [line[4:17].strip() for line in marked] == list(NAMES)
    assert {line[:4] for line in marked} == {"ok  ", "x   ", "-   "}
    assert next(line for line in lines if line.startswith(" " * 17)).strip() == "check the name"


def test_exit_codes_and_json(server: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    """0 where all is well, 1 where there are warnings; JSON has the same steps."""
    server.on("/v2/", reply(200))
    server.on("/v2/a/manifests/1", reply(200, content_type="application/x", docker_content_digest=DIGEST))
    assert run(f"{server.registry}/a:1", "--format", "json") == 0
    steps = json.loads(capsys.readouterr().out)
    assert [step["name"] for step in steps] == list(NAMES)
    assert set(steps[0]) == {"name", "outcome", "seen", "advice"}
    server.on("/v2/a/manifests/1", reply(200, content_type="application/x"))
    assert run(f"{server.registry}/a:1") == 1


def test_control_characters_of_servers_are_shown_not_sent(server: Faulty, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal obeys nobody's words."""
    server.on("/v2/", reply(200, docker_distribution_api_version="\x1b[31mred\x9b"))
    for form in ("text", "json"):
        run(f"{server.registry}/a:1", "--format", form)
    assert not {"\x1b", "\x9b"} & set(capsys.readouterr().out)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_in_any_output(
    server: Faulty, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Neither in the steps nor in what --verbose says, right or wrong."""
    import io

    server.on("/v2/", reply(401, www_authenticate=f'Bearer realm="{server.url}/token"'))
    server.on("/token", reply(200, b'{"token": "t0ken-of-tests"}'), reply(401))
    server.on("/v2/a/manifests/1", reply(200, content_type="application/x", docker_content_digest=DIGEST))
    for code in (0, 3):
        monkeypatch.setattr("sys.stdin", io.StringIO("p4ssw0rd\n"))
        login = ("--username", "user", "--password-stdin")
        assert run("--verbose", f"{server.registry}/a:1", "--format", form, *login) == code
        done = capsys.readouterr()
        basic = base64.b64encode(b"user:p4ssw0rd").decode()
        assert not [secret for secret in ("p4ssw0rd", "t0ken-of-tests", basic) if secret in done.out + done.err]
        assert "/token: " in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [(["https://r.example/x"], "https://"), (["x", "--username", "me"], "belong together")],
)
def test_misuse_is_exit_code_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As everywhere: what was asked for, and what to do, before anything is sent."""
    assert run(*words) == 2
    assert message in capsys.readouterr().err
