"""`imglab backfill`: what a run leaves, what the next one asks for, and what becomes of both beside snapshots."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from faulty import Seen, reply
from history_servers import (
    INDEX_TYPE,
    PASSWORD,
    USERNAME,
    Chainguard,
    DockerHub,
    HistoryServer,
    Quay,
    collected,
    hub_image,
    running,
    said,
)
from made import commit, day, digest, image, index, seen

from imglab.cli import main
from imglab.data import open_store
from imglab.journal import Journal
from imglab.records import Blob, Listing, Record
from imglab.sources import chainguard, quay
from imglab.store import CHECKS, Store, load

PATH = "team/app"


@pytest.fixture
def cgr() -> Iterator[Chainguard]:
    """A registry with the history of two tags."""
    server = Chainguard()
    for number, name in enumerate(("a1", "a2", "a1"), 1):
        server.move(PATH, "latest", day(number), name)
    server.move(PATH, "latest-dev", day(2), "d1")
    with running(server):
        yield server


@pytest.fixture
def own_quay() -> Iterator[Quay]:
    """A Quay with a tag that moved and one that was removed."""
    server = Quay()
    server.push(PATH, "v1", "a1", day(1))
    server.push(PATH, "v1", "a2", day(3))
    server.push(PATH, "old", "b1", day(1))
    server.delete(PATH, "old", day(2))
    with running(server):
        yield server


@pytest.fixture
def hub() -> Iterator[DockerHub]:
    """A Docker Hub with a tag of two platforms and one of a single image."""
    server = DockerHub()
    server.push(PATH, "one", day(1), "b1", hub_image("b1", "linux/s390x", 7))
    images = [hub_image("a1", size=10), hub_image("a2", "linux/arm64/v8", 20)]
    server.push(PATH, "many", day(2), "e1", *images, media_type=INDEX_TYPE)
    with running(server):
        yield server


def imglab(data: Path, *arguments: str) -> int:
    """The exit code of one command."""
    return main(["--data", str(data), *arguments])


def rows(data: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of one query over the store."""
    with open_store(data) as store:
        return store.sql(query).rows()


def intervals(data: Path) -> list[tuple[object, ...]]:
    """Tag, beginning of the digest and bounds of all intervals; days as numbers."""
    return rows(
        data, "select tag, substr(digest, 8, 2), day(valid_from), day(valid_to) from tag_interval order by 1, 3"
    )


def checked(data: Path) -> bool:
    """Whether no check finds anything."""
    with open_store(data) as store:
        return not any(store.check(name).height for name in CHECKS)


# --- one run ---------------------------------------------------------------------------------------------------------


def test_chainguard(cgr: Chainguard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every move is an interval to the instant; the run says what it was."""
    assert imglab(tmp_path, "backfill", f"{cgr.registry}/{PATH}", "--history-api", "chainguard") == 0
    assert "complete: 4 tag observations, 2 moves" in capsys.readouterr().out
    assert intervals(tmp_path) == [
        ("latest", "a1", 1, 2),
        ("latest", "a2", 2, 3),
        ("latest", "a1", 3, None),
        ("latest-dev", "d1", 2, None),
    ]
    run = rows(tmp_path, "select source, target, outcome, requests from journal.run")
    assert run == [("chainguard", f"{cgr.registry}/{PATH}", "complete", len(cgr.seen))]
    assert checked(tmp_path)


def test_quay(own_quay: Quay, tmp_path: Path) -> None:
    """Moves, ends, and that a tag is there now."""
    assert imglab(tmp_path, "backfill", f"{own_quay.registry}/{PATH}", "--history-api", "quay") == 0
    assert intervals(tmp_path) == [("old", "b1", 1, 2), ("v1", "a1", 1, 3), ("v1", "a2", 3, None)]
    assert rows(tmp_path, "select count(*) from tag_interval where last_observed_at > now() - interval 1 day") == [(1,)]
    assert rows(tmp_path, "select count(*) from journal.manifest") == [(0,)]
    assert checked(tmp_path)


def test_docker_hub(hub: DockerHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Since when tags point where, and sizes by architecture."""
    assert imglab(tmp_path, "backfill", f"{hub.registry}/{PATH}", "--history-api", "docker-hub") == 0
    assert intervals(tmp_path) == [("many", "e1", 2, None), ("one", "b1", 1, None)]
    capsys.readouterr()
    for tag, expected in (("many", [("linux/amd64", 10), ("linux/arm64", 20)]), ("one", [("linux/s390x", 7)])):
        question = ("ask", "architecture_sizes", "--repository", f"{hub.registry}/{PATH}", "--tag", tag)
        assert imglab(tmp_path, *question, "--format", "json") == 0
        answer = json.loads(capsys.readouterr().out)
        assert [(row["platform"], row["compressed_bytes"]) for row in answer] == expected
    assert checked(tmp_path)


def test_limits_are_passed_on(cgr: Chainguard, tmp_path: Path) -> None:
    """--since, --until and --tags; the run's target names the first two."""
    limits = ("--since", "2026-01-02", "--until", "2026-01-02T12:00:00Z", "--tags", "*-dev")
    assert imglab(tmp_path, "backfill", f"{cgr.registry}/{PATH}", "--history-api", "chainguard", *limits) == 0
    assert intervals(tmp_path) == [("latest-dev", "d1", 2, None)]
    window = "--since 2026-01-02T00:00:00+00:00 --until 2026-01-02T12:00:00+00:00"
    assert rows(tmp_path, "select target from journal.run") == [(f"{cgr.registry}/{PATH}:*-dev {window}",)]


# --- exit codes ------------------------------------------------------------------------------------------------------


def test_partly_failed_is_exit_code_1(own_quay: Quay, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be read is kept; what cannot is one line, and a failure to look up."""
    texts = (f"{own_quay.registry}/{PATH}:v1", f"{own_quay.registry}/no/such:v1")
    assert imglab(tmp_path, "--quiet", "backfill", *texts, "--history-api", "quay") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1 and "404" in printed.err
    assert len(intervals(tmp_path)) == 2
    assert rows(tmp_path, "select locator, kind, status from stg_failure") == [(texts[1], "not-found", 404)]


def test_nothing_is_exit_code_3(own_quay: Quay, tmp_path: Path) -> None:
    """A run of failures only."""
    assert imglab(tmp_path, "backfill", f"{own_quay.registry}/no/such", "--history-api", "quay") == 3
    assert rows(tmp_path, "select outcome from journal.run") == [("failed",)]


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"\x00\xff"])
def test_an_answer_that_is_none_is_exit_code_3(own_quay: Quay, tmp_path: Path, body: bytes) -> None:
    """One clear line."""
    own_quay.fault(lambda asked: True, reply(200, body))
    assert imglab(tmp_path, "backfill", f"{own_quay.registry}/{PATH}", "--history-api", "quay") == 3
    assert rows(tmp_path, "select kind from stg_failure") == [("bad-document",)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ghcr.io/owner/name"], "--history-api"),
        (["quay.io/owner/name", "--history-api", "chainguard"], "speaks quay"),
        (["python", "--since", "2026-01-01"], "leave out --since"),
        (["quay.io/owner/name", "--since", "2026-01-02", "--until", "2026-01-01"], "--until"),
        (["quay.io/owner/name", "--username", "me", "--password-stdin"], "$oauthtoken"),
        (["quay.io/owner/name", "--username", "$oauthtoken"], "belong together"),
        (["quay.io/a/b", "cgr.dev/a/b", "--username", "$oauthtoken", "--password-stdin"], "one registry at a time"),
        (["https://quay.io/owner/name"], "https://"),
        ([f"quay.io/owner/name@sha256:{'1' * 64}"], "no history"),
    ],
)
def test_misuse_is_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """One line, and nothing is sent or written."""
    assert imglab(tmp_path, "backfill", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "journal").exists()


# --- who asks --------------------------------------------------------------------------------------------------------


def closed(server: HistoryServer) -> tuple[str, str]:
    """The name and secret that *server* takes from now on, and the option that says what it speaks."""
    match server:
        case Quay():
            server.token = PASSWORD
            return "$oauthtoken", "quay"
        case Chainguard() | DockerHub():
            server.is_private = True
            return USERNAME, "docker-hub" if isinstance(server, DockerHub) else "chainguard"
    raise TypeError(server)


@pytest.mark.parametrize("name", ["cgr", "own_quay", "hub"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong-but-secret"])
def test_secrets_are_nowhere(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    password: str,
) -> None:
    """Neither a password nor a token that it gave is printed, logged or kept."""
    server: HistoryServer = request.getfixturevalue(name)
    username, api = closed(server)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    login = ("--username", username, "--password-stdin", "--verbose", "--log-format", "json")
    code = imglab(tmp_path, "backfill", f"{server.registry}/{PATH}", "--history-api", api, *login)
    assert code == (0 if password == PASSWORD else 3)
    printed = capsys.readouterr()
    secrets = {password, *tokens(server.seen)}
    assert not [secret for secret in secrets if secret in printed.out + printed.err]
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert not [secret for secret in secrets if secret.encode() in path.read_bytes()], path


def tokens(requests: list[Seen]) -> Iterator[str]:
    """What came along as Authorization."""
    for request in requests:
        if "authorization" in request.headers:
            yield request.headers["authorization"].partition(" ")[2]


# --- asking again ----------------------------------------------------------------------------------------------------


def backfill(data: Path, server: Chainguard, tag: str, *options: str) -> tuple[int, list[str]]:
    """The exit code of a run about a tag, and the windows that were asked for."""
    before = len(server.seen)
    reference = f"{server.registry}/{PATH}:{tag}"
    code = imglab(data, "--quiet", "backfill", reference, "--history-api", "chainguard", *options)
    asked = [seen.path for seen in server.seen[before:] if "history" in seen.path]
    return code, [path.partition("?")[2] for path in asked]


def fill(server: Chainguard, count: int) -> None:
    """*count* moves of the tag `busy`, a minute apart."""
    for number in range(count):
        server.move(PATH, "busy", day(1) + number * timedelta(minutes=1), f"{number:06x}")


def test_the_second_run_asks_for_what_is_new(cgr: Chainguard, tmp_path: Path) -> None:
    """One short request, one observation for each new move; the intervals are those of a single run."""
    fill(cgr, 2100)
    assert backfill(tmp_path, cgr, "busy")[0] == 0
    assert len(cgr.asked("history")) == 3
    code, asked = backfill(tmp_path, cgr, "busy")
    assert (code, asked) == (0, ["start=2026-01-02T10:58:59.999Z"])
    cgr.move(PATH, "busy", day(20), "f1")
    assert len(backfill(tmp_path, cgr, "busy")[1]) == 1
    assert rows(tmp_path, "select tags from journal.run order by run_id") == [(2100,), (0,), (1,)]
    told = rows(tmp_path, "select * exclude (run_id) from tag_interval order by valid_from")
    assert len(told) == 2101
    single = tmp_path / "single"
    backfill(single, cgr, "busy")
    assert rows(single, "select * exclude (run_id) from tag_interval order by valid_from") == told


def test_what_was_asked_for_in_part_is_asked_for_again(cgr: Chainguard, tmp_path: Path) -> None:
    """Before the moves of a limited run others may be missing."""
    assert backfill(tmp_path, cgr, "latest", "--since", "2026-01-03") == (0, ["start=2026-01-03T00:00:00.000Z"])
    assert backfill(tmp_path, cgr, "latest") == (0, [""])
    assert len(intervals(tmp_path)) == 3
    assert backfill(tmp_path, cgr, "latest") == (0, ["start=2026-01-02T23:59:59.999Z"])
    assert backfill(tmp_path, cgr, "latest", "--until", "2026-01-02") == (0, ["end=2026-01-02T23:59:59.999999Z"])


def test_what_broke_off_is_asked_for_again(cgr: Chainguard, tmp_path: Path) -> None:
    """What came is kept; the next run reads all, and then all is known."""
    fill(cgr, 1500)
    is_second: Any = lambda asked: asked.query.get("start")  # noqa: E731
    cgr.fault(is_second, reply(403))
    assert backfill(tmp_path, cgr, "busy")[0] == 1
    assert len(intervals(tmp_path)) == 1000
    code, asked = backfill(tmp_path, cgr, "busy")
    assert (code, len(asked), asked[0]) == (0, 2, "")
    assert len(intervals(tmp_path)) == 1500
    assert len(backfill(tmp_path, cgr, "busy")[1]) == 1


def test_entries_that_are_none_are_not_asked_for_again(cgr: Chainguard, tmp_path: Path) -> None:
    """They are told once, with the rest known."""
    entries = [{"updateTimestamp": "2026-01-05T00:00:00Z", "digest": digest("a5")}, {"digest": "?"}]
    cgr.fault(lambda asked: "history" in asked.path and bool(asked.bearer), said({"history": entries}))
    assert backfill(tmp_path, cgr, "latest")[0] == 1
    assert backfill(tmp_path, cgr, "latest") == (0, ["start=2026-01-04T23:59:59.999Z"])


def test_another_source_makes_nothing_known(cgr: Chainguard, tmp_path: Path) -> None:
    """A snapshot saw the newest digest, and knows nothing of those before it."""
    now = dataclasses.replace(seen("latest", "a1", day(4)), repository=f"{cgr.registry}/{PATH}")
    commit(tmp_path, day(4), [now])
    assert backfill(tmp_path, cgr, "latest") == (0, [""])
    assert len(intervals(tmp_path)) == 3


def test_docker_hub_again_describes_nothing_again(hub: DockerHub, tmp_path: Path) -> None:
    """Only where tags point is new."""
    for _ in range(2):
        assert imglab(tmp_path, "backfill", f"{hub.registry}/{PATH}", "--history-api", "docker-hub") == 0
    assert rows(tmp_path, "select tags, manifests from journal.run order by run_id") == [(2, 4), (2, 0)]
    assert checked(tmp_path)


def test_a_tag_that_docker_hub_no_longer_has_is_gone(hub: DockerHub, tmp_path: Path) -> None:
    """It is missing from a complete listing."""
    assert imglab(tmp_path, "backfill", f"{hub.registry}/{PATH}", "--history-api", "docker-hub") == 0
    hub.remove(PATH, "one")
    assert imglab(tmp_path, "backfill", f"{hub.registry}/{PATH}", "--history-api", "docker-hub") == 0
    assert rows(tmp_path, "select tag from tag_interval where valid_to is null") == [("many",)]


# --- beside snapshots ------------------------------------------------------------------------------------------------


def sighting(server: HistoryServer, at: datetime, **tags: str) -> list[Record]:
    """A snapshot that saw exactly these tags."""
    repository = f"{server.registry}/{PATH}"
    told = [dataclasses.replace(seen(tag, name, at), repository=repository) for tag, name in tags.items()]
    return [Listing(repository, at, True), *told]


Runs = list[tuple[str, datetime, list[Record]]]


def quay_runs(server: Quay) -> Runs:
    """Snapshots and back-fills of a Quay, in the order of what they tell of."""
    reference = f"{server.registry}/{PATH}"
    server.rows[PATH] = []
    server.push(PATH, "v", "a1", day(2))
    server.push(PATH, "old", "b1", day(3))
    runs: Runs = [("registry", day(4), sighting(server, day(4), v="a1", old="b1"))]
    server.push(PATH, "v", "a2", day(5))
    server.delete(PATH, "old", day(6))
    runs.append(("quay", day(7), collected(quay.collect, reference, now=day(7))))
    server.push(PATH, "v", "a1", day(8))
    runs.append(("registry", day(9), sighting(server, day(9), v="a1")))
    server.push(PATH, "v", "a3", day(10))
    server.forget(PATH, day(7))
    runs.append(("quay", day(11), collected(quay.collect, reference, now=day(11))))
    return runs


def chainguard_runs(server: Chainguard) -> Runs:
    """The same of a registry of Chainguard's, which does not tell that a tag was removed."""
    reference = f"{server.registry}/{PATH}"
    server.moves.clear()
    server.move(PATH, "v", day(2), "a1")
    server.move(PATH, "old", day(3), "b1")
    runs: Runs = [("registry", day(4), sighting(server, day(4), v="a1", old="b1"))]
    server.move(PATH, "v", day(5), "a2")
    runs.append(("chainguard", day(6), collected(chainguard.collect, reference, now=day(6))))
    server.move(PATH, "v", day(8), "a1")
    runs.append(("registry", day(9), sighting(server, day(9), v="a1")))
    server.moves.pop((PATH, "old"))
    server.move(PATH, "v", day(10), "a3")
    runs.append(("chainguard", day(11), collected(chainguard.collect, reference, now=day(11))))
    return runs


EXPECTED = [("v", "a1", 2, 5), ("v", "a2", 5, 8), ("v", "a1", 8, 10), ("v", "a3", 10, None)]


@pytest.mark.parametrize(
    ("name", "make", "old"),
    [("own_quay", quay_runs, ("old", "b1", 3, 6)), ("cgr", chainguard_runs, ("old", "b1", 3, 9))],
)
def test_histories_and_snapshots_agree_in_any_order(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, make: Any, old: tuple[object, ...]
) -> None:
    """Whichever run is kept first, all intervals and everything about them are the same."""
    runs: Runs = make(request.getfixturevalue(name))
    found = set()
    for number, order in enumerate(itertools.permutations(runs)):
        data = tmp_path / str(number)
        for place, (source, _, records) in enumerate(order):
            commit(data, day(20 + place), records, source=source)
        store = Store.in_memory(Journal(data / "journal"))
        found.add(tuple(store.sql("select * exclude (run_id) from tag_interval order by tag, valid_from").rows()))
        assert not any(store.check(name).height for name in CHECKS)
    (only,) = found
    assert intervals_of(only) == [old, *EXPECTED]


def intervals_of(told: tuple[tuple[object, ...], ...]) -> list[tuple[object, ...]]:
    """Tag, beginning of the digest and days of whole rows of tag_interval."""
    short = []
    for _, tag, _, valid_from, valid_to, digest_, *_ in told:
        assert isinstance(valid_from, datetime) and isinstance(digest_, str)
        short.append((tag, digest_[7:9], valid_from.day, valid_to.day if isinstance(valid_to, datetime) else None))
    return short


def test_loading_run_by_run_is_loading_at_once(own_quay: Quay, tmp_path: Path) -> None:
    """Newest first, one load each, and made again from nothing."""
    for place, (source, _, records) in enumerate(reversed(quay_runs(own_quay))):
        commit(tmp_path, day(20 + place), records, source=source)
        load(tmp_path)
    query = "select * from tag_interval order by tag, valid_from"
    told = rows(tmp_path, query)
    load(tmp_path, rebuild=True)
    assert rows(tmp_path, query) == told
    assert intervals(tmp_path) == [("old", "b1", 3, 6), *EXPECTED]


def test_a_snapshot_replaces_what_docker_hub_said(hub: DockerHub, tmp_path: Path) -> None:
    """The index as the registry has it, with attestations, and images with layers; the tag is the same stretch."""
    assert imglab(tmp_path, "backfill", f"{hub.registry}/{PATH}:many", "--history-api", "docker-hub") == 0
    documents = [
        *index("e1", [("a2", "linux/arm64"), ("ab", None), ("a1", "linux/amd64")]),
        *image("a1", [4, 5]),
        *image("a2", [21]),
        *image("ab", [1], kind="attestation"),
        Blob(digest("e1"), INDEX_TYPE, b"{}"),
    ]
    commit(tmp_path, day(20), [*sighting(hub, day(20), many="e1", one="b1"), *documents])
    load(tmp_path)
    assert rows(tmp_path, "select platform, compressed_bytes, layer_count, position from tag_image order by 4") == [
        ("linux/arm64", 21, 1, 0),
        ("linux/amd64", 9, 2, 1),
    ]
    assert checked(tmp_path)


def test_a_journal_that_cannot_be_written_is_exit_code_3(cgr: Chainguard, tmp_path: Path) -> None:
    """One clear line, and the requests under way end."""
    (tmp_path / "journal").write_text("in the way")
    assert backfill(tmp_path, cgr, "latest")[0] == 3
