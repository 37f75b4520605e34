"""Registries opened with what docker, podman and skopeo keep: as they do, and without a trace of the secret."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from command import Finished, arguments, environment, imglab, lines, rows
from faulty import faulty_server, reply
from population import PLATFORMS, image, index
from registry import PASSWORD, USERNAME, Registry

from imglab.credentials import find

Keep = Callable[[object], Path]


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Writes the configuration of a docker client that commands find; nothing else of this machine is found."""
    monkeypatch.delenv("REGISTRY_AUTH_FILE")
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    path = tmp_path / "docker" / "config.json"
    path.parent.mkdir()

    def write(document: object) -> Path:
        path.write_text(json.dumps(document))
        return path

    return write


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes docker-credential-vault, a shell script, and a log of its calls beside it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def write(script: str) -> Path:
        program = folder / "docker-credential-vault"
        program.write_text(f"#!/bin/sh\ncat >> {folder}/asked; echo >> {folder}/asked\n{script}\n")
        program.chmod(0o755)
        return folder / "asked"

    return write


def entry(username: str = USERNAME, password: str = PASSWORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def answer(username: str, secret: str) -> str:
    """The line of a script that gives name and secret."""
    return f"echo '{json.dumps({'ServerURL': '', 'Username': username, 'Secret': secret})}'"


@pytest.fixture(scope="module")
def guarded(guarded_registry: Registry) -> str:
    """The name of a registry behind a password, with a tag each in team/app and other/app."""
    images = [image([f"kept-{platform[1]}"], platform) for platform in PLATFORMS[:2]]
    for repository in ("team/app", "other/app"):
        guarded_registry.push(index(repository, "1.0", images))
    return guarded_registry.name


def assert_secret(data: Path, done: Finished, secret: str) -> None:
    """Neither the output, any file below *data* nor any text in the journal holds *secret*, plain or as it is sent."""
    tables = ("run", "failure") if (data / "journal").exists() else ()
    texts = [repr(rows(data, f"select * from journal.{table}")) for table in tables]  # files are compressed
    for form in (secret, entry(password=secret)["auth"].rstrip("=")):
        assert form not in "".join([done.out, done.err, *texts])
        assert not [path for path in data.rglob("*") if path.is_file() and form.encode() in path.read_bytes()]


@pytest.mark.registry
def test_a_file_of_docker_opens_a_registry(guarded: str, data: Path, keep: Keep) -> None:
    """Without a word about who asks on the command line; the password is kept nowhere else."""
    keep({"auths": {f"http://{guarded}/v2/": entry(), "quay.io": 7}, "psFormat": "table"})
    done = imglab(data, "--verbose", "snapshot", f"{guarded}/team/app")
    assert (done.code, done.err) == (0, "")
    assert rows(data, "select tag, count(*) from tag_image group by tag") == [("1.0", 2)]
    assert_secret(data, done, PASSWORD)


@pytest.mark.registry
def test_a_helper_opens_a_registry(guarded: str, data: Path, keep: Keep, helper: Callable[[str], Path]) -> None:
    """It is asked once for all repositories of the registry."""
    asked = helper(answer(USERNAME, PASSWORD))
    keep({"credsStore": "vault"})
    done = imglab(data, "--verbose", "snapshot", f"{guarded}/team/app", f"{guarded}/other/app")
    assert (done.code, done.err) == (0, "")
    assert rows(data, "select count(*) from tag_interval") == [(2,)]
    assert asked.read_text().splitlines() == [guarded]
    assert_secret(data, done, PASSWORD)


@pytest.mark.registry
def test_namespaces_have_credentials_of_their_own(guarded: str, data: Path, keep: Keep) -> None:
    """Those that are wrong close their namespace alone, and are told with the file that keeps them."""
    wrong = "battery staple"
    path = keep({"auths": {guarded: entry(), f"{guarded}/other": entry(password=wrong)}})
    done = imglab(data, "--quiet", "--verbose", "snapshot", f"{guarded}/team/app", f"{guarded}/other/app")
    assert done.code == 1
    (line,) = lines(done.err)
    assert "other/app" in line
    assert f"are wrong or have expired (from {path}): run docker login {guarded}, or give --username" in line
    assert rows(data, "select repository from tag_interval") == [(f"{guarded}/team/app",)]
    assert rows(data, "select kind, status from journal.failure") == [("unauthorized", 401)]
    for secret in (PASSWORD, wrong):
        assert_secret(data, done, secret)


@pytest.mark.registry
def test_a_user_name_on_the_command_line_counts_more(guarded: str, data: Path, keep: Keep) -> None:
    """What is kept is not even read."""
    keep({"auths": 7})
    command = ("--quiet", "snapshot", f"{guarded}/team/app")
    assert imglab(data, *command, "--username", USERNAME, "--password-stdin", text=PASSWORD).code == 0
    assert imglab(data, *command).code == 2


@pytest.mark.parametrize("verbosity", ["--quiet", "--verbose"])
def test_what_is_kept_wrongly_ends_a_command_at_once(
    data: Path, keep: Keep, helper: Callable[[str], Path], verbosity: str
) -> None:
    """One line before anything is sent: exit code 2 for a file, 3 for a helper; a trace has no secret either."""
    secret = "p4ssw0rd"
    helper(f"echo 'sealed, says {secret}'; echo {secret} >&2; exit 4")
    for document, code, said in (
        ({"auths": {"127.0.0.1:1": {"auth": secret}}}, 2, 'auths["127.0.0.1:1"].auth: must be base64'),
        (
            {"credsStore": "vault"},
            3,
            "docker-credential-vault gives no credentials for 127.0.0.1:1: exit code 4",
        ),
        ({"credsStore": "none"}, 3, "docker-credential-none gives no credentials for 127.0.0.1:1: it cannot be run"),
    ):
        keep(document)
        done = said_with_trace(data, verbosity, "snapshot", "127.0.0.1:1/team/app")
        assert (done.code, done.out) == (code, "")
        assert said in lines(done.err)[-1]
        assert verbosity == "--verbose" or len(lines(done.err)) == 1
        assert_secret(data, done, secret)
    assert not (data / "journal").exists()


def said_with_trace(data: Path, *command: str) -> Finished:
    """How a command ends that may tell a trace, as --verbose asks it to."""
    done = subprocess.run(
        arguments(data, *command), capture_output=True, encoding="utf-8", env=environment(), timeout=120, check=False
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_an_identity_token_opens_a_registry(data: Path, keep: Keep, helper: Callable[[str], Path]) -> None:
    """The token server sees it in a form, the registry what that gives; neither it nor that is kept anywhere."""
    secret, short = "identity-p4ssw0rd", "short-lived-t0ken"
    helper(answer("<token>", secret))
    keep({"credsStore": "vault"})
    with faulty_server() as server:
        challenge = f'Bearer realm="{server.url}/token",service="registry",scope="repository:team/app:pull"'
        server.on("/v2/", reply(401, www_authenticate=challenge))
        server.on("/token", reply(200, json.dumps({"access_token": short}).encode()))
        server.on("/v2/team/app/tags/list", reply(200, b'{"tags": []}'))
        done = imglab(data, "--verbose", "snapshot", f"{server.registry}/team/app")
        assert (done.code, done.err) == (0, "")
        (exchange,) = server.paths("/token")
        assert dict(parse_qsl(exchange.body.decode()))["refresh_token"] == secret
        assert {seen.headers.get("authorization") for seen in server.seen} == {None, f"Bearer {short}"}

        server.on("/token", reply(400, b'{"error": "invalid_grant"}'))
        refused = imglab(data, "--quiet", "--verbose", "snapshot", f"{server.registry}/team/app")
    assert refused.code == 3
    (line,) = lines(refused.err)
    assert "was revoked (from docker-credential-vault, named in " in line
    assert f"run docker login {server.registry}, or give --username" in line
    for form in (secret, short):
        assert_secret(data, done, form)
        assert_secret(data, refused, form)


@pytest.mark.registry
@pytest.mark.skopeo
def test_what_skopeo_keeps_opens_a_registry(
    guarded: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own login, in the file that it is told to write."""
    path = tmp_path / "auth.json"
    command = ["skopeo", "login", "--tls-verify=false", "--authfile", path, "-u", USERNAME, "--password-stdin", guarded]
    subprocess.run(command, input=PASSWORD.encode(), check=True, capture_output=True, timeout=60)
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))
    done = imglab(data, "--quiet", "snapshot", f"{guarded}/team/app")
    assert (done.code, done.err) == (0, "")


@pytest.mark.skopeo
def test_the_same_user_is_found_as_by_skopeo(tmp_path: Path, helper: Callable[[str], Path]) -> None:
    """For every way to write a key, the longest namespace, and a helper."""
    helper(answer("vault", "x"))
    keys = ("quay.io", "quay.io/team", "quay.io/team/app", "https://gcr.io/v2/", "http://localhost:5000", "r.io:443")
    keys += ("https://index.docker.io/v1/", "ghcr.io", "https://https.io/team", "evil.io/r.io")
    document = {"auths": {key: entry(key.replace(":", ".")) for key in keys}, "credHelpers": {"ghcr.io": "vault"}}
    path = tmp_path / "auth.json"
    path.write_text(json.dumps(document))
    asked = "quay.io quay.io/team quay.io/team/app quay.io/team/app/x quay.io/team/application quay.io/teams gcr.io"
    asked += " gcr.io/x/y localhost:5000/x localhost localhost:5001 r.io r.io:443 docker.io docker.io/library/python"
    asked += " ghcr.io ghcr.io/x https.io/team https.io/other evil.io"
    here = {**os.environ, "REGISTRY_AUTH_FILE": str(path)}
    for name in asked.split():
        command = ["skopeo", "login", "--get-login", name]
        told = subprocess.run(command, capture_output=True, encoding="utf-8", env=here, timeout=60, check=False)
        registry, _, namespace = name.partition("/")
        found = find(registry, namespace, environment=here, home=tmp_path)
        assert (found.username if found else "") == told.stdout.strip(), name
