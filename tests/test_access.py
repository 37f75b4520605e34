"""Registries that are each reached in their own way: certificates, plain HTTP, requests at a time."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import httpx
import pytest
from certificates import Authority, authority
from faulty import Faulty, faulty_server, reply

from imglab.errors import UsageError
from imglab.http import Access, Client, Limits, Request

ONCE = Limits(tries=1)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


def test_what_one_registry_does_not_say_is_as_of_all() -> None:
    """Each part for itself; what is said to be not so is said as well."""
    of_all = Access(plain_http=True, ca_cert=Path("all.pem"), insecure=True, concurrency=16)
    assert Access().over(of_all) == of_all
    assert Access(plain_http=False, concurrency=2).over(of_all) == Access(False, Path("all.pem"), True, 2)


@pytest.mark.parametrize(
    ("access", "options", "url"),
    [
        (Access(), {}, "https://r.example"),
        (Access(plain_http=True), {}, "http://r.example"),
        (Access(plain_http=False), {"plain_http": True}, "https://r.example"),
        (Access(concurrency=1), {"plain_http": True}, "http://r.example"),
    ],
)
def test_plain_http_of_one_registry(access: Access, options: dict[str, bool], url: str) -> None:
    """What it says counts for it alone; loopback speaks TLS where certificates or TLS itself are spoken of."""
    client = Client(access={"r.example": access}, **options)  # type: ignore[arg-type]
    assert client.base_url("r.example") == url
    assert Client(access={"r.example": access}).base_url("other.example") == "https://other.example"
    assert Client(access={"localhost:1": Access(plain_http=False)}).base_url("localhost:1") == "https://localhost:1"
    assert Client(access={"localhost:1": Access(insecure=True)}).base_url("localhost:1") == "https://localhost:1"
    assert Client(access={"localhost:1": Access(insecure=True)}).base_url("localhost:2") == "http://localhost:2"


def test_certificates_of_one_registry(signer: Authority) -> None:
    """Its authority is trusted for it and for nobody else, and so is the lack of verification."""
    with faulty_server(signer.context("one")) as one, faulty_server(signer.context("two")) as two:
        for server in (one, two):
            server.on("/x", reply(200, b"here"))
        for own in (Access(ca_cert=signer.certificate), Access(insecure=True)):
            access = {one.registry: own, two.registry: Access(plain_http=False)}
            with Client(limits=ONCE, access=access) as client:
                answers = [client.answer(Request(f"{client.base_url(name)}/x")) for name in access]
            assert [answer.body for answer in answers] == [b"here", b""]
            assert answers[1].error and answers[1].error.kind == "tls"
        assert two.seen == []


def test_one_registry_may_be_verified_where_others_are_not(signer: Authority) -> None:
    """What the command line leaves unverified, a registry can have verified all the same."""
    with faulty_server(signer.context("verified")) as server:
        server.on("/x", reply(200, b"here"))
        own = Access(plain_http=False, insecure=False)
        with Client(limits=ONCE, insecure=True, access={server.registry: own}) as client:
            answer = client.answer(Request(f"{client.base_url(server.registry)}/x"))
    assert answer.error and answer.error.kind == "tls"


def test_certificates_count_where_a_registry_leads(signer: Authority) -> None:
    """Its token server and its storage have certificates of the same authority."""

    def leading(registry: Faulty, other: Faulty) -> None:
        challenge = f'Bearer realm="https://{other.registry}/token",service="x"'
        registry.on("/v2/", reply(401, www_authenticate=challenge))
        registry.on("/v2/a/blobs/x", reply(307, location=f"https://{other.registry}/kept"))
        other.on("/token", reply(200, json.dumps({"token": "t0ken"}).encode()))
        other.on("/kept", reply(200, b"here"))

    with faulty_server(signer.context("registry")) as registry, faulty_server(signer.context("others")) as other:
        leading(registry, other)
        with Client(limits=ONCE, access={registry.registry: Access(ca_cert=signer.certificate)}) as client:
            url = f"{client.base_url(registry.registry)}/v2/a/blobs/x"
            answer = client.answer(Request(url, scope="repository:a:pull"))
        assert (answer.error, answer.body) == (None, b"here")
        assert registry.paths("/v2/a/blobs/x")[0].headers["authorization"] == "Bearer t0ken"
        assert "authorization" not in other.paths("/kept")[0].headers


def test_requests_at_a_time_of_one_registry() -> None:
    """Each registry has a number of its own, also if it is higher than that of all."""
    inside: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def handler(request: httpx.Request) -> httpx.Response:
        host = request.url.host
        inside[host] += 1
        most[host] = max(most[host], inside[host])
        for _ in range(50):
            await asyncio.sleep(0)
        inside[host] -= 1
        return httpx.Response(200)

    access = {"slow.example": Access(concurrency=1), "fast.example": Access(concurrency=8)}
    with Client(transport=httpx.MockTransport(handler), concurrency=3, access=access) as client:
        hosts = ("slow.example", "fast.example", "other.example")
        answers = list(client.fetch([Request(f"https://{host}/{n}") for n in range(8) for host in hosts]))
    assert len(answers) == 24 and not any(answer.error for answer in answers)
    assert most["slow.example"] == 1
    assert most["other.example"] <= 3 < most["fast.example"] <= 8


def test_unreadable_certificates_of_one_registry_are_misuse(tmp_path: Path) -> None:
    """As they are where they are of all."""
    path = tmp_path / "none.pem"
    path.write_text("no certificate")
    with pytest.raises(UsageError, match="no file of certificates"):
        Client(access={"r.example": Access(ca_cert=path)})
