"""Credentials as docker, podman and skopeo keep them: every form, every order, and files and programs gone wrong."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from faulty import faulty_server, reply
from hypothesis import given
from hypothesis import strategies as st

from imglab.credentials import Ask, ask_helper, files, find, find_all
from imglab.errors import ImglabError, ParseError, SourceError
from imglab.http import Client, Credentials, Request

SECRET = "p4ssw0rd:with,colons"
HUB = "https://index.docker.io/v1/"


def basic(username: str, password: str = SECRET) -> dict[str, str]:
    """An entry as docker and podman write it."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


class Machine:
    """A home, and programs on a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.environment = {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.home)}

    def keep(self, document: object, name: str = ".docker/config.json") -> Path:
        """Write *document*, as it is if it is bytes, to a file in the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
        return path

    def helper(self, name: str, script: str) -> Path:
        """Write the program docker-credential-*name*, a shell script that finds the address in $address."""
        path = self.programs / f"docker-credential-{name}"
        log = self.programs / f"{name}.asked"
        path.write_text(f'#!/bin/sh\naddress=$(cat)\necho "$* $address" >> {log}\n{script}\n')
        path.chmod(0o755)
        return path

    def knows(self, name: str, **answers: tuple[str, str]) -> None:
        """A helper that gives name and secret by address; of other addresses it says what they all say."""
        cases = [
            f"'{address}') echo '{json.dumps({'ServerURL': address, 'Username': user, 'Secret': secret})}';;"
            for address, (user, secret) in answers.items()
        ]
        unknown = "*) echo 'credentials not found in native keychain'; exit 1;;"
        self.helper(name, "\n".join(['case "$address" in', *cases, unknown, "esac"]))

    def asked(self, name: str) -> list[str]:
        """What a helper was called with, each time."""
        log = self.programs / f"{name}.asked"
        return log.read_text().splitlines() if log.exists() else []

    def find(self, registry: str, path: str = "", ask: Ask | None = None) -> Credentials | None:
        return find(registry, path, environment=self.environment, home=self.home, ask=ask)

    def user(self, registry: str, path: str = "") -> str | None:
        """The name that is found for a repository."""
        found = self.find(registry, path)
        return found.username if found else None

    def error(self, registry: str = "quay.io") -> ImglabError:
        """What is said of something wrong; it is one line, and never the secret."""
        with pytest.raises((SourceError, ParseError)) as raised:
            self.find(registry)
        text = str(raised.value)
        assert "\n" not in text and len(text) < 1000
        assert SECRET not in text and base64.b64encode(SECRET.encode()).decode()[:12] not in text
        assert raised.value.__cause__ is None and (
            raised.value.__context__ is None or raised.value.__suppress_context__
        )
        return raised.value


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- which files -----------------------------------------------------------------------------------------------------


def test_files_count_in_podmans_order(machine: Machine) -> None:
    """What podman logged in last is first, then its lasting file, then docker's; the named file stands alone."""
    home, folder = machine.home, machine.home
    assert files({}, home) == [home / ".config/containers/auth.json", home / ".docker/config.json"]
    environment = {"XDG_RUNTIME_DIR": "/run/user/7", "XDG_CONFIG_HOME": f"{folder}/c", "DOCKER_CONFIG": f"{folder}/d"}
    assert files(environment, home) == [
        Path("/run/user/7/containers/auth.json"),
        folder / "c/containers/auth.json",
        folder / "d/config.json",
    ]
    assert files({**environment, "REGISTRY_AUTH_FILE": "/dev/null"}, home) == [Path("/dev/null")]
    assert files(dict.fromkeys([*environment, "REGISTRY_AUTH_FILE"], ""), home) == files({}, home)


def test_the_first_file_that_knows_a_registry_counts(machine: Machine) -> None:
    """Files that are not there, or know others only, leave it to the next."""
    machine.environment["XDG_RUNTIME_DIR"] = str(machine.home / "run")
    assert machine.user("quay.io") is None
    machine.keep({"auths": {"quay.io": basic("docker"), "ghcr.io": basic("docker")}})
    assert machine.user("quay.io") == "docker"
    machine.keep({"auths": {"quay.io": basic("config")}}, ".config/containers/auth.json")
    assert machine.user("quay.io") == "config"
    machine.keep({"auths": {"quay.io": basic("runtime")}}, "run/containers/auth.json")
    assert (machine.user("quay.io"), machine.user("ghcr.io")) == ("runtime", "docker")
    named = machine.keep({"auths": {"gcr.io": basic("named")}}, "named.json")
    machine.environment["REGISTRY_AUTH_FILE"] = str(named)
    assert (machine.user("gcr.io"), machine.user("quay.io")) == ("named", None)
    machine.environment["REGISTRY_AUTH_FILE"] = os.devnull
    assert machine.user("quay.io") is None


def test_each_file_has_the_command_that_writes_it(machine: Machine) -> None:
    """Of the tool whose file it is, with what that takes for a namespace, for Docker Hub, and for a file by name."""
    keys = {"quay.io": basic("x"), "ghcr.io/team": basic("x"), "https://index.docker.io/v1/": basic("x")}
    asked = (("quay.io", ""), ("ghcr.io", "team/app"), ("docker.io", "library/python"))

    def renewals() -> list[str | None]:
        return [found.renewal for found in (machine.find(*name) for name in asked) if found]

    machine.keep({"auths": keys})
    assert renewals() == ["docker login quay.io", "docker login ghcr.io", "docker login"]
    machine.keep({"auths": keys}, ".config/containers/auth.json")
    assert renewals() == ["podman login quay.io", "podman login ghcr.io/team", "podman login docker.io"]
    named = machine.keep({"auths": keys}, "my own.json")
    machine.environment["REGISTRY_AUTH_FILE"] = str(named)
    assert renewals()[0] == f"podman login --authfile '{named}' quay.io"


def test_a_file_that_is_named_must_be_there(machine: Machine) -> None:
    """A slip in REGISTRY_AUTH_FILE is told, not taken for nobody being logged in."""
    machine.environment["REGISTRY_AUTH_FILE"] = str(machine.home / "nothing.json")
    error = machine.error()
    assert isinstance(error, SourceError) and error.kind == "unreadable"
    assert str(error).startswith(f"REGISTRY_AUTH_FILE names {machine.home}/nothing.json, and there is no such file")


def test_nobody_keeps_anything_in_a_home_that_is_none(machine: Machine) -> None:
    """Service users have /dev/null or nothing at all for a home."""
    for home in (Path(os.devnull), Path("/nonexistent"), Path("~")):
        assert find("quay.io", environment={}, home=home) is None


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{}", b'{"auths": null}', b'{"auths": {"quay.io": null}}', b"\xef\xbb\xbf{}"]
)
def test_files_may_hold_nothing(machine: Machine, body: bytes) -> None:
    """An empty file, null for an object, and the mark that Windows editors put in front."""
    machine.keep(body)
    assert machine.find("quay.io") is None


# --- entries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (basic("user"), ("user", SECRET, "password")),
        ({"username": "user", "password": SECRET, "email": "a@b"}, ("user", SECRET, "password")),
        ({**basic("user"), "username": "old", "password": "old"}, ("user", SECRET, "password")),
        (basic("user", f"{SECRET}\0\0"), ("user", SECRET, "password")),
        (basic("üser", "pässwörd"), ("üser", "pässwörd", "password")),
        ({**basic("0-0", ""), "identitytoken": SECRET}, ("<token>", SECRET, "identity-token")),
        ({"registrytoken": SECRET, "identitytoken": "other"}, ("", SECRET, "registry-token")),
    ],
)
def test_every_form_of_an_entry_is_read(machine: Machine, entry: dict[str, str], expected: tuple[str, ...]) -> None:
    """Base64, two fields, or a token, which counts more; with the file that it comes from."""
    path = machine.keep({"auths": {"quay.io": entry}})
    found = machine.find("quay.io")
    assert found and (found.username, found.password, found.kind, found.found_in) == (*expected, str(path))
    assert SECRET not in repr(found)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":"), min_size=1), st.text(min_size=1))
def test_base64_is_read_with_and_without_padding(username: str, password: str) -> None:
    """Whatever stands in name and password, in lines of any length."""
    password = password.encode("utf-8", "ignore").decode().strip("\0") or "x"
    text = base64.encodebytes(f"{username}:{password}".encode()).decode()
    for auth in (text, "".join(text.split()).rstrip("=")):
        entry = json.dumps({"auths": {"quay.io": {"auth": auth}}}).encode()
        found = found_in_pipe(entry)
        assert found and (found.username, found.password) == (username, password)


def found_in_pipe(body: bytes) -> Credentials | None:
    """What is found for quay.io in a file of its own, which may be a pipe as shells make them."""
    reader, writer = os.pipe()
    try:
        os.write(writer, body)
        os.close(writer)
        return find("quay.io", environment={"REGISTRY_AUTH_FILE": f"/dev/fd/{reader}"}, home=Path("/nonexistent"))
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("quay.io", "quay.io"),
        ("Quay.IO", "quay.io"),
        ("https://quay.io", "quay.io"),
        ("https://quay.io/", "quay.io"),
        ("https://quay.io/v2/", "quay.io"),
        ("http://localhost:5000/v1/", "localhost:5000"),
        ("localhost:5000", "localhost:5000"),
        ("quay.io/v1/", "quay.io"),
        ("[::1]:5000", "[::1]:5000"),
        (HUB, "docker.io"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("https://registry-1.docker.io", "docker.io"),
        ("docker.io", "index.docker.io"),
    ],
)
def test_a_key_names_a_registry_in_many_ways(machine: Machine, key: str, registry: str) -> None:
    """With a scheme, with the path of an old API, in capitals; Docker Hub by each of its names."""
    machine.keep({"auths": {key: basic("user")}})
    assert machine.user(registry, "team/app") == "user"


@pytest.mark.parametrize(
    "key",
    [
        "quay.io:443",
        "quay.io.evil.example",
        "evil.example/quay.io",
        "https://evil.example/quay.io",
        "https://evil.example@quay.io/",
        "ftp://quay.io",
        "io",
        "",
        "quay.io/team/application",
        "quay.io/tea",
        "quay.io/other",
        "quay.io\nquay.io",
        "*.io",
    ],
)
def test_a_key_of_something_else_is_none(machine: Machine, key: str) -> None:
    """Another port, another host, another namespace: a part of a name is no name."""
    machine.keep({"auths": {key: basic("user")}})
    assert machine.user("quay.io", "team/app") is None
    assert machine.user("no registry") is None


def test_the_longest_namespace_counts(machine: Machine) -> None:
    """As podman has it; entries that hold nothing are passed over."""
    names = ("quay.io", "quay.io/team", "quay.io/team/app", "https://quay.io")
    machine.keep({"auths": {**{name: basic(name) for name in names}, "quay.io/team/empty": {}}})
    assert machine.user("quay.io", "team/app") == "quay.io/team/app"
    assert machine.user("quay.io", "team/app/part") == "quay.io/team/app"
    assert machine.user("quay.io", "team/application") == "quay.io/team"
    assert machine.user("quay.io", "team/empty") == "quay.io/team"
    assert machine.user("quay.io", "team") == "quay.io/team"
    assert machine.user("quay.io", "teams/app") == "quay.io"
    assert machine.user("quay.io") == "quay.io"


def test_of_several_names_of_docker_hub_the_usual_one_counts(machine: Machine) -> None:
    """Whatever their order; what docker keeps there for its own accounts opens no registry."""
    account = {f"{HUB}access-token": basic("account"), f"{HUB}refresh-token": basic("account")}
    machine.keep({"auths": account})
    assert machine.user("docker.io", "library/python") is None
    auths = {**account, "index.docker.io": basic("3"), HUB: basic("2"), "docker.io": basic("1")}
    machine.keep({"auths": auths})
    assert machine.user("docker.io", "library/python") == "1"
    machine.keep({"auths": {name: entry for name, entry in auths.items() if name != "docker.io"}})
    assert machine.user("docker.io", "library/python") == "2"


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"auth": SECRET}, ".auth"),
        ({"auth": base64.b64encode(SECRET.replace(":", "").encode()).decode()}, ".auth"),
        ({"auth": base64.b64encode(b"user:\xff" + SECRET.encode()).decode()}, ".auth"),
        (basic(""), ".auth"),
        (basic("user", ""), ".auth"),
        ({"username": "user"}, ".password"),
        ({"password": SECRET}, ".username"),
        ({"auth": [SECRET]}, ".auth"),
        ({"auth": 7}, ".auth"),
        ({"identitytoken": {SECRET: SECRET}}, ".identitytoken"),
        ({"username": "\ud800", "password": SECRET}, ".username"),
        ([SECRET], ""),
        (SECRET, ""),
        (7, ""),
    ],
)
def test_a_broken_entry_is_an_error_for_its_registry_alone(machine: Machine, entry: object, place: str) -> None:
    """It names the file and the place; nobody else's login suffers."""
    path = machine.keep({"auths": {"quay.io": entry, "ghcr.io": basic("user")}})
    error = machine.error()
    assert isinstance(error, ParseError)
    assert (error.source, error.place) == (str(path), f'auths["quay.io"]{place}')
    assert machine.user("ghcr.io") == "user"


@pytest.mark.parametrize(
    ("body", "place", "expectation"),
    [
        (b'{"auths": {"quay.io": {"auth": "%s"}}' % SECRET.encode(), "line 1, column", "must be JSON"),
        (b'{"auths":\n {"quay.io": %s}}' % SECRET.encode(), "line 2, column 14", "must be JSON"),
        (SECRET.encode(), "line 1, column 1", "must be JSON"),
        (b'["%s"]' % SECRET.encode(), "", "must be a JSON object"),
        (b'{"a": "\xff%s"}' % SECRET.encode(), "", "must be UTF-8"),
        (b"[" * 200_000, "", "must not be nested"),
        (b'{"a": %s}' % (b"7" * 5000), "", "must not hold numbers"),
        (b'{"auths": {}, "a": 1, "auths": {}}', '"auths"', "only once"),
        (b'{"auths": {"quay.io": {"auth": "a", "auth": "b"}}}', '"auth"', "only once"),
        (b'{"auths": ["%s"]}' % SECRET.encode(), "auths", "must be an object"),
        (b'{"credHelpers": "%s"}' % SECRET.encode(), "credHelpers", "must be an object"),
        (b'{"credHelpers": {"quay.io": ["%s"]}}' % SECRET.encode(), 'credHelpers["quay.io"]', "must be text"),
        (b'{"credsStore": true}', "credsStore", "must be text"),
        (b"[" + b" " * 5_000_000, "", "must not be larger"),
    ],
)
def test_a_broken_file_is_an_error_with_its_place(machine: Machine, body: bytes, place: str, expectation: str) -> None:
    """Not a word of what is in it."""
    path = machine.keep(body)
    error = machine.error()
    assert isinstance(error, ParseError) and error.source == str(path)
    assert error.place.startswith(place) and expectation in error.expectation


def test_a_file_that_cannot_be_read_is_an_error(machine: Machine, tmp_path: Path) -> None:
    """A folder, a link to itself, a file that fails: each is named, with what the system says and what to do."""
    folder, circle = tmp_path / "folder", tmp_path / "circle"
    folder.mkdir()
    circle.symlink_to(circle)
    for path, said in ((folder, "Is a directory"), (circle, "symbolic links"), (Path("/proc/self/mem"), "error")):
        machine.environment["REGISTRY_AUTH_FILE"] = str(path)
        error = machine.error()
        assert isinstance(error, SourceError) and error.kind == "unreadable"
        assert str(path) in str(error) and said in str(error) and "REGISTRY_AUTH_FILE" in str(error)


NAMES = st.sampled_from(["auths", "credHelpers", "credsStore", "quay.io", "auth", HUB])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
)


@given(DOCUMENTS)
def test_any_json_is_survived(document: object) -> None:
    """Credentials, none, or an error of ours: helpers are not asked here."""
    body = json.dumps(document).encode()
    if len(body) < 60_000:
        try:
            found = found_in_pipe(body)
        except (ParseError, SourceError) as error:
            assert str(error)
        else:
            assert found is None or isinstance(found, Credentials)


# --- helpers ---------------------------------------------------------------------------------------------------------


def test_a_helper_is_asked_by_its_protocol(machine: Machine) -> None:
    """`get` on the command line, the address on its standard input; name and secret come back."""
    machine.knows("vault", **{"quay.io": ("user", SECRET)})
    path = machine.keep({"credHelpers": {"quay.io": "vault"}})
    found = machine.find("quay.io", "team/app")
    keeper = f"docker-credential-vault, named in {path}"
    assert found == Credentials("user", SECRET, found_in=keeper, renewal="docker login quay.io")
    assert machine.asked("vault") == ["get quay.io"]


def test_a_helper_may_keep_an_identity_token(machine: Machine) -> None:
    """It says so in place of a name."""
    machine.knows("vault", **{"quay.io": ("<token>", SECRET)})
    machine.keep({"credsStore": "vault"})
    found = machine.find("quay.io")
    assert found and (found.password, found.kind) == (SECRET, "identity-token")


def test_helpers_come_before_entries_where_they_know_the_registry(machine: Machine) -> None:
    """One for the host before one for all, before what is written; none of the host's own asks nobody."""
    machine.knows("own", **{"quay.io": ("own", SECRET)})
    machine.knows("all", **{"quay.io": ("all", SECRET), "ghcr.io": ("all", SECRET), "gcr.io": ("all", SECRET)})
    hosts = ("quay.io", "ghcr.io", "gcr.io", "other.io")
    machine.keep(
        {
            "auths": {host: basic("written") for host in hosts},
            "credHelpers": {"quay.io": "own", "gcr.io": "", "ghcr.io/team": "own"},
            "credsStore": "all",
        }
    )
    assert [machine.user(host, "team/app") for host in hosts] == ["own", "all", "written", "written"]
    assert machine.asked("own") == ["get quay.io"]
    assert machine.asked("all") == ["get ghcr.io", "get other.io"]


def test_docker_hub_is_known_by_its_old_address(machine: Machine) -> None:
    """docker stores it so; podman under the name that stands in its file."""
    machine.knows("docker", **{HUB: ("docker", SECRET)})
    machine.knows("podman", **{"docker.io": ("podman", SECRET)})
    for document, user in (
        ({"credsStore": "docker"}, "docker"),
        ({"credHelpers": {HUB: "docker"}}, "docker"),
        ({"credHelpers": {"docker.io": "docker"}}, "docker"),
        ({"credHelpers": {"docker.io": "podman"}}, "podman"),
    ):
        machine.keep(document)
        assert machine.user("docker.io", "library/python") == user
    assert machine.asked("docker") == [f"get {HUB}", f"get {HUB}", "get docker.io", f"get {HUB}"]


def test_a_helper_that_answers_with_nothing_knows_nothing(machine: Machine) -> None:
    """Some give empty texts in place of the message that they should give."""
    machine.helper("empty", """echo '{"ServerURL": "", "Username": "", "Secret": ""}'""")
    machine.keep({"credsStore": "empty", "auths": {"quay.io": basic("written")}})
    assert machine.user("quay.io") == "written"


def test_a_helper_is_asked_once_in_a_run(machine: Machine) -> None:
    """However many repositories there are; namespaces are told apart all the same."""
    machine.knows("vault", **{"ghcr.io": ("vault", SECRET)})
    machine.keep({"credsStore": "vault", "auths": {"quay.io/a": basic("a"), "quay.io/b": basic("b")}})
    names = ["ghcr.io/x/1", "ghcr.io/x/2", "ghcr.io", "quay.io/a/1", "quay.io/b/1", "quay.io/c/1"]
    found = find_all(names, environment=machine.environment, home=machine.home)
    assert {name: credentials.username for name, credentials in found.items()} == {
        "ghcr.io": "vault",
        "ghcr.io/x/1": "vault",
        "ghcr.io/x/2": "vault",
        "quay.io/a/1": "a",
        "quay.io/b/1": "b",
    }
    assert machine.asked("vault") == ["get ghcr.io", "get quay.io"]


def test_nobody_is_asked_about_other_registries(machine: Machine) -> None:
    """A helper for one host is not there for another, nor are the entries of others looked at."""
    machine.keep({"credHelpers": {"ghcr.io": "missing"}, "auths": {"ghcr.io": 7}})
    assert machine.find("quay.io") is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo {SECRET}", "no JSON object with Username and Secret"),
        (f"""echo '["{SECRET}"]'""", "no JSON object"),
        (f"""echo '{{"Username": "user", "Secret": ["{SECRET}"]}}'""", "no JSON object"),
        (f"""echo '{{"Username": "user", "secret": "{SECRET}"}}'""", "no JSON object"),
        (f"""echo '{{"Username": "\\\\ud800", "Secret": "{SECRET}"}}'""", "no JSON object"),
        (f"""echo '{{"Username": "", "Secret": "{SECRET}"}}'""", "only one of Username and Secret"),
        ("""echo '{"Username": "user", "Secret": ""}'""", "only one of Username and Secret"),
        ("echo credentials not found in native keychain", "no JSON object"),
        ("exit 0", "no JSON object"),
        (f"echo {SECRET} >&2; exit 2", "exit code 2; put"),
        (
            f"echo 'The vault is sealed, says {SECRET}.'; echo more; exit 3",
            "3 (The vault is sealed, says …);",
        ),
        (f"""echo '{{"Secret": "correct horse {SECRET}"}}'; exit 1""", "exit code 1; put"),
        ("echo 'error: exit status 2: gpg: No secret key'; exit 1", "(error: exit status 2: gpg: No secret key)"),
        ("kill -9 $$", "exit code -9"),
        ("head -c 10000000 /dev/zero", "says more than 131,072 bytes"),
        ("yes", "says more than 131,072 bytes"),
    ],
)
def test_a_helper_that_fails_is_an_error_without_secrets(machine: Machine, script: str, said: str) -> None:
    """Which one, for what, named where, what it says and what to do; nothing that can be a secret."""
    machine.helper("vault", script)
    path = machine.keep({"credsStore": "vault"})
    error = machine.error()
    assert isinstance(error, SourceError) and error.kind == "credentials"
    helper = f"{path} names a helper: docker-credential-vault gives no credentials for quay.io: "
    assert str(error).startswith(helper) and said in str(error) and "--password-stdin" in str(error)


def test_a_helper_that_hangs_is_ended_with_all_it_started(machine: Machine, tmp_path: Path) -> None:
    """Silence, an answer that does not end, an end that does not come: none takes longer than it may."""
    os.mkfifo(tmp_path / "alive")
    for script in ("sleep 60", "echo '{'; sleep 60", "exec >&-; sleep 60", "sleep 60 & wait"):
        machine.helper("slow", f"exec 9> {tmp_path}/alive; {script}")
        alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(alive, True)
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"did not answer within 0\.3 s and was ended"):
            ask_helper("slow", "quay.io", environment=machine.environment, seconds=0.3)
        assert os.read(alive, 1) == b""  # as soon as nobody has it open for writing
        assert time.monotonic() - began < 10
        os.close(alive)


def test_a_helper_need_not_read(machine: Machine) -> None:
    """It may know its one answer by heart."""
    path = machine.helper("heart", "")
    path.write_text("""#!/bin/sh\nexec <&-\necho '{"Username": "user", "Secret": "x"}'\n""")
    for _ in range(5):
        found = ask_helper("heart", "quay.io", environment=machine.environment)
        assert found and found.username == "user"


@pytest.mark.parametrize("name", ["../vault", "/bin/true", "a b", "a;b", "-x", ".x", "a\nb", "ä", "x" * 101])
def test_the_name_of_a_helper_is_a_plain_name(machine: Machine, name: str) -> None:
    """What would lead elsewhere is not even looked for."""
    machine.keep({"credHelpers": {"quay.io": name}})
    error = machine.error()
    assert isinstance(error, ParseError) and error.place == 'credHelpers["quay.io"]'
    machine.keep({"credsStore": name})
    assert "credsStore" in str(machine.error())


def test_helpers_are_found_in_absolute_folders_of_the_path(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where we happen to stand, and not by the PATH of this process."""
    machine.knows("vault", **{"quay.io": ("user", SECRET)})
    machine.keep({"credsStore": "vault"})
    monkeypatch.chdir(machine.programs)
    monkeypatch.setenv("PATH", str(machine.programs), prepend=os.pathsep)
    for path in ("", ".", ":/nonexistent", "::"):
        machine.environment["PATH"] = path
        assert "no such program in the folders of PATH" in str(machine.error())
    del machine.environment["PATH"]
    assert "no such program" in str(machine.error())


def test_a_helper_that_is_no_program_is_told(machine: Machine) -> None:
    """What the system says of it."""
    machine.helper("text", "").write_text("no program")
    machine.keep({"credsStore": "text"})
    assert "cannot be run (Exec format error)" in str(machine.error())


def test_a_helper_sees_the_environment_that_was_given(machine: Machine) -> None:
    """That and no other: it needs its own settings, and nothing of ours."""
    machine.environment["VAULT"] = "given"
    machine.helper("vault", """echo "{\\"Username\\": \\"$VAULT$IMGLAB_TEST\\", \\"Secret\\": \\"x\\"}\"""")
    machine.keep({"credsStore": "vault"})
    assert machine.user("quay.io") == "given"


def test_any_other_way_to_ask_will_do(machine: Machine) -> None:
    """Helpers need not be programs."""
    path = machine.keep({"credsStore": "vault"})
    asked: list[tuple[str, str]] = []
    found = machine.find("quay.io", ask=lambda *words: asked.append(words) or Credentials("user", SECRET))  # type: ignore[func-returns-value]
    assert found and (found.password, found.found_in) == (SECRET, f"docker-credential-vault, named in {path}")
    assert asked == [("vault", "quay.io")]


# --- with a registry -------------------------------------------------------------------------------------------------


def test_an_identity_token_of_a_helper_opens_a_registry(machine: Machine) -> None:
    """From the helper to the token server by POST, from there to the registry as what it gave."""
    with faulty_server() as server:
        challenge = f'Bearer realm="{server.url}/token",service="registry",scope="repository:team/app:pull"'
        server.on("/v2/", reply(401, www_authenticate=challenge))
        server.on("/token", reply(200, b'{"access_token": "short-lived", "refresh_token": "another"}'))
        server.on("/v2/team/app/tags/list", reply(200, b"{}"))
        machine.knows("vault", **{server.registry: ("<token>", SECRET)})
        machine.keep({"credsStore": "vault"})
        found = find_all([f"{server.registry}/team/app"], environment=machine.environment, home=machine.home)
        url = f"{server.url}/v2/team/app/tags/list"
        with Client(credentials=found) as client:
            assert client.answer(Request(url, scope="repository:team/app:pull")).error is None
        exchange = server.paths("/token")[0]
        assert (exchange.method, dict(parse_qsl(exchange.body.decode()))["refresh_token"]) == ("POST", SECRET)
        assert server.paths("/v2/team/app/tags/list")[0].headers["authorization"] == "Bearer short-lived"
