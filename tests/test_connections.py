"""Connections: which addresses a stranger may lead to, what is not remembered, what is not looked at."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from faulty import Faulty, faulty_server, reply

from imglab.connections import Connections, ForbiddenAddress, Reach, is_loopback, reach
from imglab.errors import SourceError
from imglab.http import Client, Credentials, Limits, Request

METADATA = "169.254.169.254"
SCOPE = "repository:a/b:pull"


@pytest.fixture
def server() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        yield faulty


@pytest.fixture
def other() -> Iterator[Faulty]:
    with faulty_server() as faulty:
        yield faulty


def names(table: Mapping[str, Sequence[str]]) -> Connections:
    """Connections in a world with these names."""

    async def lookup(name: str) -> Sequence[str]:
        return table[name]

    return Connections(ssl.create_default_context(), lookup)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("registry.example", Reach.PUBLIC),
        ("93.184.216.34", Reach.PUBLIC),
        ("[2606:2800:21f:cb07::1]", Reach.PUBLIC),
        ("10.1.2.3", Reach.PRIVATE),
        ("172.17.0.1", Reach.PRIVATE),
        ("192.168.0.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd00::1", Reach.PRIVATE),
        ("::ffff:10.0.0.1", Reach.PRIVATE),
        ("64:ff9b::a00:1", Reach.PRIVATE),
        ("2002:0a00:0001::", Reach.PRIVATE),
        ("localhost", Reach.LOOPBACK),
        ("LOCALHOST.", Reach.LOOPBACK),
        ("a.localhost", Reach.LOOPBACK),
        ("127.9.9.9", Reach.LOOPBACK),
        ("[::1]", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("64:ff9b::7f00:1", Reach.LOOPBACK),
        (METADATA, Reach.NOWHERE),
        ("::ffff:169.254.169.254", Reach.NOWHERE),
        ("fe80::1%eth0", Reach.NOWHERE),
        ("0.0.0.0", Reach.NOWHERE),
        ("[::]", Reach.NOWHERE),
        ("224.0.0.1", Reach.NOWHERE),
        ("ff02::1", Reach.NOWHERE),
    ],
)
def test_reach_of_a_host(host: str, expected: Reach) -> None:
    """By its text, in every way in which an address can be written."""
    assert reach(host) is expected
    assert is_loopback(host) == (expected is Reach.LOOPBACK)


def test_nobody_leads_further_inside_than_where_they_are() -> None:
    """Who may name whom; nobody names addresses that belong to no server of others."""
    may = {(one.name, other.name) for one in Reach for other in Reach if one.may_name(other)}
    assert may == {
        ("PUBLIC", "PUBLIC"),
        ("PRIVATE", "PUBLIC"),
        ("PRIVATE", "PRIVATE"),
        ("LOOPBACK", "PUBLIC"),
        ("LOOPBACK", "PRIVATE"),
        ("LOOPBACK", "LOOPBACK"),
        ("NOWHERE", "PUBLIC"),
    }


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", METADATA, "::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"])
def test_a_name_is_what_it_resolves_to(address: str) -> None:
    """A public registry may not name a name that is an internal address; the user may."""
    connections = names({"evil.example": [address]})
    with pytest.raises(ForbiddenAddress, match=r"evil\.example"):
        asyncio.run(connections.resolve("evil.example", Reach.PUBLIC))
    assert asyncio.run(connections.resolve("evil.example", None)) == [address]


def test_of_many_addresses_only_allowed_ones_are_tried() -> None:
    """An internal address beside a public one is left out."""
    connections = names({"mixed.example": ["10.0.0.1", "93.184.216.34"], "none.example": []})
    assert asyncio.run(connections.resolve("mixed.example", Reach.PUBLIC)) == ["93.184.216.34"]
    assert asyncio.run(connections.resolve("none.example", Reach.PUBLIC)) == []


def test_a_registry_is_as_far_outside_as_it_ever_was() -> None:
    """A name that means something else a moment later does not open what it could not open before."""
    table = {"evil.example": ["93.184.216.34"]}
    connections = names(table)
    asyncio.run(connections.resolve("evil.example", None))
    table["evil.example"] = ["127.0.0.1"]
    asyncio.run(connections.resolve("evil.example", None))
    assert connections.reach("evil.example") is Reach.PUBLIC
    mixed = names({"evil.example": ["127.0.0.1", "93.184.216.34"], "inside.example": ["10.0.0.1"]})
    asyncio.run(mixed.resolve("evil.example", None))
    asyncio.run(mixed.resolve("inside.example", None))
    assert (mixed.reach("evil.example"), mixed.reach("inside.example")) == (Reach.PUBLIC, Reach.PRIVATE)


# --- through the client ----------------------------------------------------------------------------------------------


def client(table: Mapping[str, str], **options: object) -> Client:
    """A client in a world in which these names are these addresses; plain HTTP everywhere."""

    async def lookup(name: str) -> Sequence[str]:
        return [table[name]]

    return Client(plain_http=True, limits=Limits(tries=1), lookup=lookup, **options)  # type: ignore[arg-type]


def refused(answer_error: SourceError | None) -> str:
    assert answer_error is not None and "nothing was sent there" in str(answer_error), answer_error
    return answer_error.kind


def test_a_redirect_to_a_name_that_is_internal(server: Faulty, other: Faulty) -> None:
    """The name is refused at the connection, however harmless it looks; one that may be named is followed."""
    server.on("/blob", reply(307, location=f"http://metadata.test:{other.port}/secret"))
    server.on("/good", reply(307, location=f"http://storage.test:{other.port}/blob"))
    other.on("/blob", reply(200, b"bytes"))
    with client({"registry.test": "127.0.0.1", "metadata.test": METADATA, "storage.test": "127.0.0.1"}) as here:
        url = f"http://registry.test:{server.port}"
        assert refused(here.answer(Request(f"{url}/blob")).error) == "redirect"
        assert here.answer(Request(f"{url}/good")).body == b"bytes"


@pytest.mark.parametrize("credentials", [None, Credentials("user", "p4ssw0rd")])
def test_a_token_server_that_is_internal(server: Faulty, credentials: Credentials | None) -> None:
    """A realm's name is looked at like a redirect's; the failure is that of a login."""
    server.on("/v2/", reply(401, www_authenticate='Bearer realm="https://auth.registry.test/token",service="s"'))
    given = {f"registry.test:{server.port}": credentials} if credentials else {}
    with client({"registry.test": "127.0.0.1", "auth.registry.test": METADATA}, credentials=given) as here:
        answer = here.answer(Request(f"http://registry.test:{server.port}/x", scope=SCOPE))
    assert refused(answer.error) == "unauthorized"
    assert server.paths("/x") == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "017700000001"])
def test_numbers_for_hosts_lead_nowhere(server: Faulty, host: str) -> None:
    """Old ways to write an IPv4 address are neither addresses nor names."""
    server.on("/x", reply(307, location=f"http://{host}:{server.port}/y"))
    with client({"registry.test": "127.0.0.1"}) as here:
        assert here.answer(Request(f"http://registry.test:{server.port}/x")).error is not None
    assert [seen.path for seen in server.seen] == ["/x"]


def test_cookies_are_not_kept(server: Faulty) -> None:
    """What a server wants remembered comes back to nobody."""
    server.on("/x", reply(200, b"", set_cookie="session=1; Path=/"))
    with client({"registry.test": "127.0.0.1"}) as here:
        for _ in range(2):
            assert here.answer(Request(f"http://registry.test:{server.port}/x")).error is None
    assert len(server.seen) == 2
    assert not any("cookie" in seen.headers for seen in server.seen)


def test_the_environment_does_not_say_where_to_go(
    server: Faulty, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither proxies nor the passwords of a .netrc are used: who sees credentials is for the user alone to say."""
    (tmp_path / ".netrc").write_text("default login user password p4ssw0rd\n")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.on("/x", reply(200, b"ok"))
    with client({"registry.test": "127.0.0.1"}) as here:
        assert here.answer(Request(f"http://registry.test:{server.port}/x")).body == b"ok"
    assert "authorization" not in server.seen[0].headers
