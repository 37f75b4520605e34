"""Registries that want a name and password: what works, what is said if not, and where the password never is."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from command import Finished, good, imglab, lines, rows
from population import PLATFORMS, image, index
from registry import PASSWORD, USERNAME, Registry

pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def guarded(guarded_registry: Registry) -> str:
    """A repository behind a password, with one tag of two platforms."""
    images = [image([f"secret-{platform[1]}"], platform) for platform in PLATFORMS[:2]]
    guarded_registry.push(index("team/guarded", "1.0", images))
    return f"{guarded_registry.name}/team/guarded"


def assert_secret(data: Path, done: Finished, password: str) -> None:
    """Neither the output nor any file below *data* holds *password*, plain or as it is sent."""
    sent = base64.b64encode(f"{USERNAME}:{password}".encode()).decode().rstrip("=")
    for form in (password, sent):
        assert form not in done.out + done.err
        assert not [path for path in data.rglob("*") if path.is_file() and form.encode() in path.read_bytes()]


def test_the_right_password_opens(guarded: str, data: Path) -> None:
    """Name and password reach the registry; a 401 costs one request in all, and the password is kept nowhere."""
    command = ("snapshot", guarded, "--username", USERNAME, "--password-stdin")
    done = imglab(data, *command, text=f"{PASSWORD}\n")
    assert (done.code, done.err) == (0, "")
    assert rows(data, "select tag, count(*) from tag_image group by tag") == [("1.0", 2)]
    assert rows(data, "select requests, failures from journal.run")[0][1] == 0
    assert_secret(data, done, PASSWORD)
    again = imglab(data, *command, text=f"{PASSWORD}\n")
    assert again.code == 0
    requests = rows(data, "select requests from journal.run order by run_id")[1][0]
    assert requests == 3


def test_a_wrong_password_is_one_clear_line(guarded: str, data: Path) -> None:
    """Nothing could be done: exit code 3, one line with what to do, a failure row, and no password anywhere."""
    wrong = "battery staple"
    done = imglab(data, "--quiet", "snapshot", guarded, "--username", USERNAME, "--password-stdin", text=wrong)
    assert (done.code, done.out) == (3, "")
    (line,) = lines(done.err)
    assert "401" in line and f"(user {USERNAME}, secret from --password-stdin)" in line and guarded in line
    (failure,) = rows(data, "select kind, status, is_temporary from journal.failure")
    assert failure == ("unauthorized", 401, False)
    assert_secret(data, done, wrong)


def test_no_password_is_one_clear_line(guarded: str, data: Path) -> None:
    """Without credentials the same: what was refused, and how to log in."""
    done = imglab(data, "--quiet", "snapshot", guarded)
    assert (done.code, done.out) == (3, "")
    (line,) = lines(done.err)
    assert "401" in line and "--password-stdin" in line
    assert rows(data, "select outcome, failures from journal.run") == [("failed", 1)]


def test_one_registry_that_refuses_does_not_stop_another(guarded: str, registry: Registry, data: Path) -> None:
    """What can be read is kept: exit code 1, and the open registry's tags are in the store."""
    registry.push(image(["open"]).push("team/open", "1.0"))
    done = imglab(data, "--quiet", "snapshot", guarded, f"{registry.name}/team/open")
    assert done.code == 1
    assert len(lines(done.err)) == 1
    assert rows(data, "select repository from tag_interval") == [(f"{registry.name}/team/open",)]
    assert rows(data, "select outcome, failures from journal.run") == [("partial", 1)]


def test_a_failed_run_ends_no_interval(guarded: str, data: Path) -> None:
    """Tags seen before stay as they were when the password is no longer good."""
    command = ("snapshot", guarded, "--username", USERNAME, "--password-stdin")
    good(data, *command, text=PASSWORD)
    before = rows(data, "select * from tag_interval")
    assert imglab(data, *command, text="expired").code == 3
    assert rows(data, "select * from tag_interval") == before
    assert before[0][4] is None


def test_an_empty_password_is_misuse(guarded: str, data: Path) -> None:
    """As of a pipe that broke: nothing is sent, so that no account is locked by it."""
    done = imglab(data, "snapshot", guarded, "--username", USERNAME, "--password-stdin", text="\n")
    assert done.code == 2
    assert "there is no password on standard input" in done.err
    assert not (data / "journal").exists()


def test_half_a_login_is_misuse(guarded: str, data: Path) -> None:
    """A name without a password is refused before anything is sent."""
    done = imglab(data, "snapshot", guarded, "--username", USERNAME, text=PASSWORD)
    assert done.code == 2
    assert "belong together" in done.err
    assert not (data / "journal").exists()
