"""`imglab doctor` at real registries: open, with passwords behind TLS, and with a token server."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socket import create_connection, socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import registry as servers
from certificates import authority
from command import Finished, arguments, environment, imglab, quickly, rows
from faulty import Faulty, faulty_server, reply
from population import image
from registry import BINARY, HTPASSWD, PASSWORD, USERNAME, free_port

pytestmark = pytest.mark.registry
APP = "team/app"
TAGS = ("1.0", "1.1", "latest")
SERVICE, ISSUER = "registry of the tests", "tokens of the tests"


@dataclass(frozen=True)
class Servers:
    """Three registries with the same content, and where the way to them is watched."""

    open: str
    guarded: str  # TLS, and a name and password
    tokens: str
    issuer: Faulty
    authority: Path
    digest: str


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """An open registry that was filled, and two others over its files."""
    folder = tmp_path_factory.mktemp("registries")
    signer = authority(folder / "authority")
    certificate, key = signer.signed("registry")
    pushes = [image(["one"]).push(APP, tag) for tag in TAGS]
    with servers.running(folder / "open") as filled, faulty_server() as issuer:
        for push in pushes:
            filled.push(push)
        content = {"storage": {"filesystem": {"rootdirectory": str(folder / "open" / "content")}}}
        (folder / "htpasswd").write_text(HTPASSWD)
        issuer.on("/token", _issue(folder))
        token = {"realm": f"{issuer.url}/token", "service": SERVICE, "issuer": ISSUER}
        password = {"realm": "tests", "path": str(folder / "htpasswd")}
        tls = {"certificate": str(certificate), "key": str(key)}
        with (
            _running(folder / "guarded", {**content, "auth": {"htpasswd": password}}, tls) as guarded,
            _running(folder / "tokens", {**content, "auth": {"token": {**token, **_issuer_key(folder)}}}) as tokens,
        ):
            yield Servers(filled.name, guarded, tokens, issuer, signer.certificate, pushes[0].top.digest)


@contextmanager
def _running(folder: Path, configuration: dict[str, Any], tls: dict[str, str] | None = None) -> Iterator[str]:
    """The name of a registry with more *configuration* than the others have."""
    assert BINARY
    folder.mkdir()
    port = free_port()
    http = {"addr": f"127.0.0.1:{port}", **({"tls": tls} if tls else {})}
    log = {"level": "error", "accesslog": {"disabled": True}}
    (folder / "config.json").write_text(json.dumps({"version": 0.1, "log": log, "http": http, **configuration}))
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(
            [BINARY, "serve", str(folder / "config.json")], stdout=out, stderr=out, env=servers.clean_environment()
        )
    try:
        assert _listens(port), (folder / "log").read_text()
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(30)


def _listens(port: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError), closing(create_connection(("127.0.0.1", port), 5)):
            return True
        time.sleep(0.02)
    return False


def _issuer_key(folder: Path) -> dict[str, str]:
    """A key that signs tokens, and the certificate by which the registry knows it."""
    key, certificate = folder / "tokens.key", folder / "tokens.pem"
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens")
    subprocess.run(
        ["openssl", *words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=60
    )
    return {"rootcertbundle": str(certificate)}


def _issue(folder: Path) -> Any:
    """A token server: the reader may pull team/app, nobody may pull anything, and a wrong password is refused."""
    right = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    def behave(handler: BaseHTTPRequestHandler) -> None:
        sent = handler.headers.get("authorization")
        if sent not in {None, right}:
            reply(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')(handler)
            return
        (scope,) = parse_qs(urlsplit(handler.path).query)["scope"]
        kind, name, actions = scope.split(":")
        allowed = actions.split(",") if sent and name == APP else []
        access = [{"type": kind, "name": name, "actions": allowed}] if allowed else []
        reply(200, json.dumps({"token": _signed(folder, access), "expires_in": 300}).encode())(handler)

    return behave


def _signed(folder: Path, access: list[dict[str, object]]) -> str:
    lines = (folder / "tokens.pem").read_text().splitlines()
    now = int(time.time())
    header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines[1:-1])]}
    claims = {"iss": ISSUER, "aud": SERVICE, "sub": USERNAME, "nbf": now - 60, "iat": now, "exp": now + 300}
    parts = [_base64(json.dumps(part).encode()) for part in (header, {**claims, "jti": "1", "access": access})]
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", str(folder / "tokens.key")],
        input=".".join(parts).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    return ".".join([*parts, _base64(signature)])


def _base64(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def doctor(data: Path, reference: str, *options: str | Path, password: str | None = None) -> tuple[int, dict[str, Any]]:
    """The exit code and the steps by name; no secret is in any output, in JSON, in text or with --verbose."""
    login = ("--username", USERNAME, "--password-stdin") if password else ()
    command = ("doctor", reference, *options, *login)
    done = imglab(data, "--verbose", *command, "--format", "json", text=f"{password}\n")
    assert_secret(done, password)
    assert_secret(imglab(data, *command, text=f"{password}\n"), password)
    return done.code, {step["name"]: step for step in json.loads(done.out)}


def assert_secret(done: Finished, password: str | None) -> None:
    """Neither the password, as it is or as it is sent, nor any token is in what was printed."""
    printed = done.out + done.err
    assert "eyJ" not in printed  # how tokens begin
    if password:
        assert password not in printed
        assert base64.b64encode(f"{USERNAME}:{password}".encode()).decode().rstrip("=") not in printed


def problems(steps: dict[str, Any]) -> list[str]:
    return [name for name, step in steps.items() if step["outcome"] in {"problem", "warning"}]


def test_an_open_registry(at: Servers, data: Path) -> None:
    """All is well, nothing is stored, and a snapshot costs what doctor says."""
    code, steps = doctor(data, f"{at.open}/{APP}")
    assert (code, problems(steps)) == (0, [])
    assert "3 tags" in steps["content"]["seen"]
    assert not data.exists()
    for _ in range(2):
        quickly(data, "snapshot", f"{at.open}/{APP}")
    assert rows(data, "select requests from journal.run order by run_id desc limit 1") == [(5,)]
    assert "sends 5 requests" in steps["cost"]["seen"]


@pytest.mark.parametrize("name", [":1.0", "@"])
def test_a_tag_and_a_digest(at: Servers, data: Path, name: str) -> None:
    """What they point at is told from a HEAD."""
    code, steps = doctor(data, f"{at.open}/{APP}{name}{at.digest if name == '@' else ''}")
    assert (code, problems(steps)) == (0, [])
    assert at.digest in steps["content"]["seen"] and "one image or artifact" in steps["content"]["seen"]


def test_what_is_not_there(at: Servers, data: Path) -> None:
    """A tag and a repository that do not exist are told apart."""
    code, steps = doctor(data, f"{at.open}/{APP}:2.0")
    assert (code, problems(steps)) == (3, ["rights"])
    assert "the repository is there, this tag is not" in steps["rights"]["seen"]
    code, steps = doctor(data, f"{at.open}/team/nothing:2.0")
    assert (code, problems(steps)) == (3, ["rights"])
    assert "there is no such repository" in steps["rights"]["seen"]


def test_tls_is_asked_for(at: Servers, data: Path) -> None:
    """A registry on this machine is asked in plain and says that it wants TLS; a wrong authority is told as such."""
    code, steps = doctor(data, f"{at.guarded}/{APP}")
    assert (code, problems(steps)[0]) == (3, "registry")
    assert "it wants TLS" in steps["registry"]["seen"] and "--ca-cert" in steps["registry"]["advice"]
    other = authority(data / "other").certificate
    code, steps = doctor(data, f"{at.guarded}/{APP}", "--ca-cert", other)
    assert (code, problems(steps)) == (3, ["tls"])
    assert "does not know" in steps["tls"]["seen"]


def test_passwords(at: Servers, data: Path) -> None:
    """Missing, wrong and right: which of these it is, and what to do."""
    reference, trusted = f"{at.guarded}/{APP}", ("--ca-cert", at.authority)
    code, steps = doctor(data, reference, *trusted)
    assert (code, problems(steps)) == (3, ["credentials", "rights"])
    assert steps["credentials"]["seen"].startswith("missing")
    code, steps = doctor(data, reference, *trusted, password="battery staple")
    assert (code, problems(steps)) == (3, ["credentials", "rights"])
    assert "refused by the registry (401)" in steps["credentials"]["seen"]
    code, steps = doctor(data, reference, *trusted, password=PASSWORD)
    assert (code, problems(steps)) == (0, [])
    assert "Basic" in steps["registry"]["seen"] and "TLSv1.3" in steps["tls"]["seen"]


def test_tokens(at: Servers, data: Path) -> None:
    """Nobody's token allows nothing, a wrong password gets none, a right one allows pull of what it may read."""
    code, steps = doctor(data, f"{at.tokens}/{APP}")
    assert (code, problems(steps)) == (3, ["credentials", "token", "rights"])
    assert "allows nothing" in steps["token"]["seen"] and steps["credentials"]["seen"].startswith("missing")
    code, steps = doctor(data, f"{at.tokens}/{APP}", password="battery staple")
    assert (code, problems(steps)) == (3, ["credentials", "token"])
    assert f"refused by {at.issuer.registry} (401)" in steps["credentials"]["seen"]
    code, steps = doctor(data, f"{at.tokens}/{APP}:1.0", password=PASSWORD)
    assert (code, problems(steps)) == (0, [])
    assert "it allows pull" in steps["token"]["seen"]
    code, steps = doctor(data, f"{at.tokens}/team/private:1.0", password=PASSWORD)
    assert (code, problems(steps)) == (3, ["token", "rights"])
    assert "may not read it, or it does not exist" in steps["rights"]["seen"]


def test_other_hosts_see_nothing(at: Servers, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is named and not used; only the token server sees the password, and only there."""
    with faulty_server() as recorder:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, recorder.url)
        at.issuer.seen.clear()
        code, steps = doctor(data, f"{at.tokens}/{APP}:1.0", password=PASSWORD)
        assert (code, recorder.seen) == (0, [])
    assert "HTTPS_PROXY" in steps["proxy"]["seen"]
    assert {seen.path.partition("?")[0] for seen in at.issuer.seen} == {"/token"}


def test_it_can_be_stopped(data: Path) -> None:
    """Ctrl-C while a server keeps silent ends it at once, without a trace."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        reference = f"127.0.0.1:{listener.getsockname()[1]}/x:1"
        process = subprocess.Popen(
            arguments(data, "doctor", reference),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment(),
        )
        assert process.stdout
        while "proxy" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, error = process.communicate(timeout=30)
    assert (process.returncode, time.monotonic() - began < 5) == (130, True)
    assert "stopped" in error and "Traceback" not in error
