"""
The credentials that docker, podman and skopeo keep for registries, in files and behind helper programs.

References, read in November 2026: containers-auth.json(5) and containers/image `pkg/docker/config`, docker/cli
`cli/config`, docker/docker-credential-helpers `client`. Where these tools differ, this holds:

- podman's files come before docker's; `$REGISTRY_AUTH_FILE` stands in place of all of them, as with podman since 2023.
- A key is a host or, as podman writes it, a namespace below one, of which the longest counts. docker wrote URLs, whose
  paths mean nothing; Docker Hub has several names, and keys that are for docker alone.
- Any file may name a helper for a host, or `credsStore` for all of them, which podman does not read. What a helper does
  not know may still stand in the `auths` beside it, where docker does not look; its empty entries there mean nothing.
- A name that stands twice in an object is an error: Go's parser, which they all use, merges some and replaces others.

Not read: `~/.dockercfg`, `/run/containers`, `$DOCKER_AUTH_CONFIG`, netrc.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from imglab.errors import ParseError, SourceError
from imglab.http import MEBIBYTE, Credentials
from imglab.oci import DOCKER_HUB

SECONDS = 20.0  # that a helper may take
_FILE_LIMIT = 4 * MEBIBYTE
_ANSWER_LIMIT = 128 * 1024
_HUB_HOSTS = {DOCKER_HUB, "index.docker.io", "registry-1.docker.io"}
_HUB_ADDRESS = "https://index.docker.io/v1/"
_OF_DOCKER_ALONE = {f"{_HUB_ADDRESS}access-token", f"{_HUB_ADDRESS}refresh-token"}  # for Docker's accounts
_KEY = re.compile(r"(https?://)?([\w.:\[\]-]{1,255})(?:/([!-~]{0,255}))?", re.ASCII | re.IGNORECASE)
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TOKEN_USERNAME = "<token>"  # noqa: S105 - a helper says so in place of a name where the secret is an identity token
_UNKNOWN = "credentials not found in native keychain"
_SURROGATE = re.compile("[\ud800-\udfff]")

Ask = Callable[[str, str], Credentials | None]  # a helper by its name, about an address


def find_all(
    names: Iterable[str], *, environment: Mapping[str, str], home: Path, seconds: float = SECONDS
) -> dict[str, Credentials]:
    """
    The credentials for each of *names* that has any: registries, or repositories by their canonical names.

    No helper is asked twice about one address. Raises as `find` does.
    """
    ask = functools.cache(functools.partial(ask_helper, environment=environment, seconds=seconds))
    found: dict[str, Credentials] = {}
    for name in sorted(names):
        registry, _, path = name.partition("/")
        if credentials := find(registry, path, environment=environment, home=home, ask=ask):
            found[name] = credentials
    return found


def find(
    registry: str, path: str = "", *, environment: Mapping[str, str], home: Path, ask: Ask | None = None
) -> Credentials | None:
    """
    The credentials for the repository *path* of *registry*, or for all of it; None if nobody keeps any.

    *ask* asks a helper. Raises ParseError if a file is not what it should be, SourceError if it cannot be read or if a
    helper fails, or if REGISTRY_AUTH_FILE names a file that is not there; neither holds anything of what is kept.
    """
    ask = ask or functools.partial(ask_helper, environment=environment)
    registry, _ = _named(registry)
    named = environment.get("REGISTRY_AUTH_FILE")
    for file in files(environment, home):
        found = _find_in(_read(file, must_be=bool(named)), registry, path, ask)
        if found:
            return replace(found, renewal=_login(file, found.renewal or registry, is_named=bool(named)))
    return None


def _login(file: Path, name: str, *, is_named: bool) -> str:
    """The command that writes credentials for the registry or namespace *name* to *file*."""
    if is_named:
        return f"podman login --authfile {shlex.quote(str(file))} {shlex.quote(name)}"
    if file.name != "config.json":
        return f"podman login {shlex.quote(name)}"
    host = name.partition("/")[0]  # docker knows no namespaces
    return "docker login" if host == DOCKER_HUB else f"docker login {shlex.quote(host)}"


def files(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Where credentials may be kept, in the order in which they count; most of these files do not exist."""
    if alone := environment.get("REGISTRY_AUTH_FILE"):
        return [Path(alone)]
    folders = [environment.get("XDG_RUNTIME_DIR"), environment.get("XDG_CONFIG_HOME") or home / ".config"]
    podman = [Path(folder) / "containers" / "auth.json" for folder in folders if folder]
    return [*podman, Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"]


# --- files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Section:
    """An object in a file. What is missing, null or empty is empty; what is of another kind raises ParseError."""

    values: Mapping[str, Any]
    file: Path
    place: str = ""

    def section(self, key: str) -> _Section:
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(key, "must be an object")
        return _Section(value or {}, self.file, self._inside(key))

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if value is not None and not (isinstance(value, str) and not _SURROGATE.search(value)):
            raise self.wrong(key, "must be text")
        return value or ""

    def wrong(self, key: str, expectation: str) -> ParseError:
        return ParseError(str(self.file), self._inside(key), expectation)

    def _inside(self, key: str) -> str:
        if key.isidentifier():
            return f"{self.place}.{key}" if self.place else key
        return f"{self.place}[{json.dumps(key[:100])}]"


def _read(path: Path, *, must_be: bool = False) -> _Section:
    """What is in the file at *path*; nothing if there is nothing in it, or no such file and it need not be."""
    try:
        with path.open("rb") as file:
            body = file.read(_FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        if must_be:
            text = f"REGISTRY_AUTH_FILE names {path}, and there is no such file; log in with podman or skopeo, which "
            raise SourceError(f"{text}write it, or correct or unset that", kind="unreadable") from None
        body = b""
    except OSError as error:
        text = f"{path}, which may hold credentials, cannot be read ({error.strerror}): correct that, or name another "
        raise SourceError(text + "file in REGISTRY_AUTH_FILE", kind="unreadable") from None
    document = _parsed(body, str(path)) if body.strip() else {}
    if not isinstance(document, dict):
        raise ParseError(str(path), "", "must be a JSON object")
    return _Section(document, path)


def _parsed(body: bytes, source: str) -> Any:
    if len(body) > _FILE_LIMIT:
        raise ParseError(source, "", f"must not be larger than {_FILE_LIMIT:,} bytes")
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _unique(pairs, source))
    except UnicodeDecodeError:
        raise ParseError(source, "", "must be UTF-8") from None
    except RecursionError:
        raise ParseError(source, "", "must not be nested so deeply") from None
    except json.JSONDecodeError as error:
        raise ParseError(source, f"line {error.lineno}, column {error.colno}", f"must be JSON ({error.msg})") from None
    except ValueError:
        raise ParseError(source, "", "must not hold numbers of such a length") from None


def _unique(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(source, json.dumps(twice[:100]), "must stand only once in an object")
    return document


def _find_in(file: _Section, registry: str, path: str, ask: Ask) -> Credentials | None:
    helper, addresses = _helper(file, registry)
    for address in addresses:
        try:
            found = ask(helper, address)
        except SourceError as error:
            raise SourceError(f"{file.file} names a helper: {error}", kind=error.kind) from None
        if found:
            keeper = f"docker-credential-{helper}, named in {file.file}"
            return replace(found, found_in=keeper, renewal=registry)
    auths = file.section("auths")
    for key in _matching(auths.values, registry, path):
        if found := _credentials(auths.section(key)):
            return replace(found, renewal="/".join(filter(None, _named(key))))
    return None


def _helper(file: _Section, registry: str) -> tuple[str, list[str]]:
    """The helper that *file* names for *registry*, with the addresses that it may know it by; none without a helper."""
    section, key = file, "credsStore"
    address = _HUB_ADDRESS if registry == DOCKER_HUB else registry
    addresses = [address]
    helpers = file.section("credHelpers")
    for own in _matching(helpers.values, registry, ""):
        section, key, addresses = helpers, own, list(dict.fromkeys([own, address]))
        break
    name = section.text(key)
    if name and not _HELPER_NAME.fullmatch(name):
        raise section.wrong(key, "must be what stands after docker-credential- in the name of a program")
    return name, addresses if name else []


def _matching(keys: Iterable[str], registry: str, path: str) -> Iterator[str]:
    """Those of *keys* that speak for *path* of *registry*: the longest namespace first, then as tools write it now."""
    ranks: dict[str, tuple[int, int]] = {}
    for key in keys:
        host, namespace = _named(key)
        if host and host == registry and f"{path}/".startswith(f"{namespace}/" if namespace else ""):
            is_usual = key == f"{registry}/{namespace}".rstrip("/")
            ranks[key] = len(namespace), 2 if is_usual else 1 if key == _HUB_ADDRESS else 0
    return iter(sorted(ranks, key=lambda key: ranks[key], reverse=True))


def _named(key: str) -> tuple[str, str]:
    """The registry that *key* names, and the namespace in it; empty if it names none."""
    match = _KEY.fullmatch(key)
    if not match or key in _OF_DOCKER_ALONE:
        return "", ""
    scheme, host, path = match[1], match[2].lower(), match[3] or ""
    is_whole = scheme or path in {"v1/", "v2/"}
    return DOCKER_HUB if host in _HUB_HOSTS else host, "" if is_whole else path.rstrip("/")


def _credentials(entry: _Section) -> Credentials | None:
    """What an entry of `auths` holds; None for the empty ones that docker writes beside a helper."""
    found_in = str(entry.file)
    if token := entry.text("registrytoken"):
        return Credentials("", token, "registry-token", found_in)
    if token := entry.text("identitytoken"):
        return Credentials(_TOKEN_USERNAME, token, "identity-token", found_in)
    username, password = _decoded(entry) if entry.text("auth") else (entry.text("username"), entry.text("password"))
    if not username and not password:
        return None
    if not username or not password:
        key = "auth" if entry.text("auth") else "password" if username else "username"
        raise entry.wrong(key, "must be there: a user name without a password, or the other way round, opens nothing")
    return Credentials(username, password, found_in=found_in)


def _decoded(entry: _Section) -> tuple[str, str]:
    text = "".join(entry.text("auth").split())
    try:
        pair = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except ValueError:
        pair = ""
    username, colon, password = pair.partition(":")
    if not colon:
        raise entry.wrong("auth", "must be base64 of user:password")
    return username, password.strip("\0")  # old versions of docker kept some behind the password


# --- helpers ---------------------------------------------------------------------------------------------------------


def ask_helper(
    name: str, address: str, *, environment: Mapping[str, str], seconds: float = SECONDS
) -> Credentials | None:
    """
    What the program docker-credential-*name* knows of *address*; None if it knows nothing.

    It is looked for in the absolute folders of PATH, runs in *environment* and is ended after *seconds*. Raises
    SourceError with what it says, as far as that cannot be a secret.
    """
    program = f"docker-credential-{name}"
    try:
        code, output = _run(_located(program, environment), address, environment, seconds)
    except TimeoutError:
        reason = f"it did not answer within {seconds:g} s and was ended; perhaps it waits for somebody to unlock it"
        raise _no_answer(program, address, reason) from None
    except OSError as error:
        raise _no_answer(program, address, f"it cannot be run ({error.strerror})") from None
    if len(output) > _ANSWER_LIMIT:
        raise _no_answer(program, address, f"it says more than {_ANSWER_LIMIT:,} bytes")
    if code and output.decode("utf-8", "replace").strip() == _UNKNOWN:
        return None
    if code:
        raise _no_answer(program, address, f"exit code {code}{_said(output)}")
    return _answer(program, address, output)


def _no_answer(program: str, address: str, reason: str) -> SourceError:
    text = f"{program} gives no credentials for {address}: {reason}; put that right, give --username and "
    return SourceError(
        text + "--password-stdin, or set REGISTRY_AUTH_FILE=/dev/null to ask without", kind="credentials"
    )


def _located(program: str, environment: Mapping[str, str]) -> str:
    """Where *program* is. Folders relative to where we stand do not count: they may be anybody's."""
    folders = [folder for folder in environment.get("PATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    found = shutil.which(program, path=os.pathsep.join(folders))
    if not found:
        raise FileNotFoundError(None, "there is no such program in the folders of PATH")
    return found


def _run(command: str, address: str, environment: Mapping[str, str], seconds: float) -> tuple[int, bytes]:
    """The exit code of *command* and what it writes, if that is not too much; then the code says nothing."""
    deadline = time.monotonic() + seconds
    with subprocess.Popen(
        [command, "get"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the protocol has no use for it, and it may hold anything
        env=dict(environment),
        bufsize=0,
        start_new_session=True,  # with what it starts it makes a group that can be ended
    ) as process:
        try:
            assert process.stdin and process.stdout  # noqa: S101 - they are pipes
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(address.encode())
            output = _output(process.stdout, deadline)
            if len(output) > _ANSWER_LIMIT:
                return -1, output
            return process.wait(max(0.0, deadline - time.monotonic())), output
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _output(pipe: IO[bytes], deadline: float) -> bytes:
    """All that comes out of *pipe*, or a little more than is taken. Raises TimeoutError."""
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(output) <= _ANSWER_LIMIT:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            piece = os.read(pipe.fileno(), _ANSWER_LIMIT)
            if not piece:
                break
            output += piece
    return bytes(output)


def _answer(program: str, address: str, output: bytes) -> Credentials | None:
    try:
        answer = json.loads(output)
        username, secret = answer["Username"], answer["Secret"]
        is_text = isinstance(username, str) and isinstance(secret, str) and not _SURROGATE.search(username + secret)
    except (ValueError, LookupError, TypeError, RecursionError):
        is_text = False
    if not is_text:
        raise _no_answer(program, address, "its answer is no JSON object with Username and Secret")
    if not username and not secret:
        return None
    if not username or not secret:
        raise _no_answer(program, address, "its answer has only one of Username and Secret")
    return Credentials(
        username, secret, "identity-token" if username == _TOKEN_USERNAME else "password", found_in=program
    )


_HARMLESS = re.compile(r"\(?[A-Za-z]{1,20}(?:['-][A-Za-z]{1,20}){0,3}[.,:;!?)]*|\d{1,3}[.,:;)]*")


def _said(output: bytes) -> str:
    """The first line of a failure, without words that may be secrets; nothing of what looks like an answer."""
    line = output.decode("utf-8", "replace").strip().partition("\n")[0]
    if not line or "{" in line:
        return ""
    words = " ".join(word if _HARMLESS.fullmatch(word) else "…" for word in line[:1000].split())
    return f" ({re.sub('…(?: …)+', '…', words)[:200]})"
