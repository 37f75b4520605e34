"""
What each command does: call one function, print what it gives, return the exit code.

Heavy modules are imported inside the functions, so that help and errors come at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import polars as pl

    from imglab.doctor import Step
    from imglab.http import Access, Client, Credentials
    from imglab.runs import Outcome
    from imglab.store import Load
    from imglab.targets import Targets

CONCURRENCY = 16  # requests at a time, unless somebody says otherwise
PINS_SHOWN = (  # to people; programs get every column
    *("file", "line", "reference", "state", "replaced_at", "behind_days", "moves_behind", "pull_bytes"),
    *("delta_bytes", "current_digest"),
)
FINDINGS_SHOWN = ("verdict", "repository", "tag", "platform", "check", "step_label", "message", "limit")  # to people
GOOD, PARTLY, MISUSE, NOTHING = 0, 1, 2, 3


def load(options: argparse.Namespace) -> int:
    """Bring the store up to the journal, or make it again."""
    from imglab import runs, store
    from imglab.data import data_folder

    runs.recover(data_folder(options.data))
    loaded = store.load(data_folder(options.data), rebuild=options.rebuild)
    _name_damaged(loaded)
    if not options.quiet:
        rate = f", {loaded.rows / loaded.seconds:,.0f} rows a second" if loaded.rows else ""
        print(f"{_count(loaded.runs, 'run')} with {_count(loaded.rows, 'row')} loaded in {loaded.seconds:.1f} s{rate}")
    return PARTLY if loaded.unreadable else GOOD


def _name_damaged(loaded: Load) -> None:
    for path in loaded.unreadable:
        print(f"imglab: {path} is not readable as Parquet; its run is left out of the store", file=sys.stderr)


def status(options: argparse.Namespace) -> int:
    """What is there and how fresh it is."""
    from imglab.data import data_folder, open_store
    from imglab.journal import Journal
    from imglab.store import Paths

    store = open_store(options.data)
    frame = store.query("status")
    folder = data_folder(options.data)
    _write(frame, options)
    waiting = len(Journal(Paths(folder).journal).run_ids()) - store.sql("select count(*) from loaded_run").item()
    if waiting and not options.quiet:
        print(f"{_count(waiting, 'run')} not loaded yet: run `imglab load`", file=sys.stderr)
    return GOOD


def runs(options: argparse.Namespace) -> int:
    """The runs, newest first."""
    from imglab.data import open_store

    _write(open_store(options.data).query("runs"), options)
    return GOOD


def failures(options: argparse.Namespace) -> int:
    """What runs could not read."""
    from imglab.data import open_store

    _write(open_store(options.data).query("failures", {"run_id": options.run_id}), options)
    return GOOD


def ask(options: argparse.Namespace) -> int:
    """The answer to one question, as a table or a chart, or what it stands on; or which questions there are."""
    from imglab.ask import answer, explanation, questions
    from imglab.errors import UsageError

    if options.question is None:
        if given := _given(options):
            raise UsageError(f"which question is {', '.join(given)} for? `imglab ask` tells which there are")
        _write(questions(options.questions), options)
        return GOOD
    tell = explanation if options.explain else answer
    frame = tell(options.question, _given(options), data=options.data)
    if options.chart:
        _draw(options.question, frame, options.chart)
        if not options.quiet:
            print(f"{options.chart} drawn from {frame.height:,} rows", file=sys.stderr)
    else:
        _write(frame, options)
    return GOOD


def _draw(question: str, frame: pl.DataFrame, path: Path) -> None:
    from imglab import charts
    from imglab.errors import UsageError

    try:
        charts.save(getattr(charts, question)(frame), path)
    except charts.ChartError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _given(options: argparse.Namespace) -> dict[str, object]:
    names = ("references", "repository", "tag", "platform", "against", "digest", "at", "since", "until", "period")
    sides = ("to_repository", "to_tag", "to_digest")
    return {name: getattr(options, name) for name in (*names, *sides) if getattr(options, name) is not None}


def pins(options: argparse.Namespace) -> int:
    """What is known of the images that files name."""
    from imglab.ask import pinned
    from imglab.output import visible

    frame, problems = pinned(options.paths, options.platform, data=options.data)
    for problem in problems:
        print(f"imglab: {visible(str(problem))}", file=sys.stderr)
    _write(frame.select(PINS_SHOWN) if options.format in ("table", "markdown") else frame, options)
    return PARTLY if problems else GOOD


def diff(options: argparse.Namespace) -> int:
    """What is known of the difference between two references."""
    from imglab import diff
    from imglab.data import open_store
    from imglab.tables import width_of

    with open_store(options.data) as store:
        found = diff.diff(store, options.first, options.second, platform=options.platform)
    if options.format == "text":
        is_terminal = options.out is None and sys.stdout.isatty()
        page = diff.as_text(*found, width=width_of(sys.stdout) if is_terminal else None)
    else:
        page = {"json": diff.as_json, "markdown": diff.as_markdown}[options.format](*found)
    _write_page(page, options.out)
    return GOOD


def sql(options: argparse.Namespace) -> int:
    """The rows of one read-only query."""
    from imglab.data import open_store

    store = open_store(options.data)
    store.close_to_files()
    _write(store.sql(options.query), options)
    return GOOD


def render_repo_info(options: argparse.Namespace) -> int:
    """The repo-info page of a tag or digest, as it stood at a time."""
    from imglab import render
    from imglab.data import open_store

    with open_store(options.data) as store:
        _write_page(render.repo_info(store, options.reference, at=options.at), options.out)
    return GOOD


def render_tags_history(options: argparse.Namespace) -> int:
    """The page of a repository's tags, as it stood at a time."""
    from imglab import render
    from imglab.data import open_store

    with open_store(options.data) as store:
        _write_page(render.tags_history(store, options.repository, at=options.at), options.out)
    return GOOD


def render_supported_tags(options: argparse.Namespace) -> int:
    """The lists of a repository's tags, as they stood at a time."""
    from imglab import render
    from imglab.data import open_store

    with open_store(options.data) as store:
        _write_page(render.supported_tags(store, options.repository, at=options.at), options.out)
    return GOOD


def _write_page(text: str, out: Path | None) -> None:
    """*text* byte for byte to the file *out*, or to standard output."""
    from imglab.errors import UsageError

    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_bytes(text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from error


def check(options: argparse.Namespace) -> int:
    """Rows that must not exist, or images that do not keep their budgets."""
    from imglab.data import open_store
    from imglab.errors import UsageError
    from imglab.store import CHECKS

    if options.budget:
        return _check_budgets(options)
    if options.format in ("sarif", "junit"):
        raise UsageError(f"--format {options.format} is for budgets: give --budget FILE")
    store = open_store(options.data)
    found = 0
    for name in CHECKS:
        rows = store.check(name)
        found += rows.height
        if rows.height:
            print(f"{name}: {_count(rows.height, 'row')} that must not exist", file=sys.stderr)
            _write(rows.head(20), options)
    if not found and not options.quiet:
        print(f"{len(CHECKS)} checks found nothing")
    return PARTLY if found else GOOD


def _check_budgets(options: argparse.Namespace) -> int:
    """Findings in the form asked for; exit code 1 if something is over its limit or unknown."""
    from imglab import verdicts
    from imglab.budgets import check_budgets, read_budgets
    from imglab.data import open_store

    budgets = read_budgets(options.budget)
    findings = check_budgets(open_store(options.data), budgets)
    if options.format == "sarif":
        _write_page(verdicts.sarif(findings, str(options.budget)), options.out)
    elif options.format == "junit":
        _write_page(verdicts.junit(findings), options.out)
    else:
        _write(findings.select(FINDINGS_SHOWN) if options.format in ("table", "markdown") else findings, options)
    bad = findings.filter(findings["verdict"].is_in(["over", "unknown"])).height
    if not options.quiet:
        print(f"{bad:,} of {_count(findings.height, 'limit')} not kept", file=sys.stderr)
    return PARTLY if bad else GOOD


def lab(options: argparse.Namespace) -> int:
    """Become JupyterLab on the notebooks."""
    from imglab.data import data_folder, notebooks

    environment = {**os.environ, "IMGLAB_DATA": str(data_folder(options.data).absolute())}
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        str(notebooks()),
        *(word for word in options.arguments if word != "--"),
    ]
    os.execve(sys.executable, command, environment)  # noqa: S606


def _write(frame: pl.DataFrame, options: argparse.Namespace) -> None:
    from imglab.output import write

    write(frame, options.format, options.out)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _finish(outcome: Outcome, options: argparse.Namespace) -> int:
    """Say what a run left, and give its exit code."""
    from imglab.output import visible

    run = outcome.run
    for failure in outcome.failures[:10]:
        where = "" if failure.locator in failure.message else f"{visible(failure.locator)}: "
        print(f"imglab: {where}{visible(failure.message)}", file=sys.stderr)
    if len(outcome.failures) > 10:
        print(f"imglab: {len(outcome.failures) - 10:,} more in `imglab failures`", file=sys.stderr)
    if outcome.load:
        _name_damaged(outcome.load)
    if outcome.load_problem:
        print(f"imglab: not loaded yet: {outcome.load_problem}", file=sys.stderr)
    if not options.quiet:
        seconds = (run.finished_at - run.started_at).total_seconds()
        what = "version" if run.source in ("official-images", "docs-readme") else "tag observation"
        print(
            f"{run.outcome}: {_count(run.tags, what)}, {_count(run.tags_changed, 'move')}, "
            f"{_count(run.manifests, 'new document')}, {_count(run.requests or 0, 'request')}, "
            f"{_count(run.failures, 'failure')} in {seconds:.1f} s; run {outcome.run_id}"
        )
    return {"complete": GOOD, "partial": PARTLY, "failed": NOTHING}[run.outcome]


def snapshot(options: argparse.Namespace) -> int:
    """The tags of registries, observed now."""
    # Read by polars' allocator when it is loaded: else it keeps what it freed, in a large snapshot 100 MB.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    from imglab import snapshot
    from imglab.data import data_folder
    from imglab.http import Access
    from imglab.oci import DOCKER_HUB
    from imglab.progress import reporting
    from imglab.sources.history_api import api_host

    asked = _asked(options)
    credentials = _login(options, asked)
    of_hub = [secret for name, secret in credentials.items() if name.partition("/")[0] == DOCKER_HUB]
    credentials |= {api_host(DOCKER_HUB): secret for secret in of_hub}
    said = Access(options.plain_http or None, options.ca_cert, options.insecure or None, options.concurrency)
    access = {name: said.over(own) for name, own in asked.access.items()}
    access |= {api_host(name): own for name, own in access.items()}
    with reporting(quiet=options.quiet) as progress:
        outcomes = snapshot.observe(
            data_folder(options.data),
            asked.wanted,
            lambda: _client(options, credentials, access),
            via=options.via,
            progress=progress,
        )
    return max(_finish(outcome, options) for outcome in outcomes)


def _asked(options: argparse.Namespace) -> Targets:
    """What references and the file of targets ask for; what the command line says is in place of what the file does."""
    from dataclasses import replace

    from imglab.errors import UsageError
    from imglab.oci import Platform
    from imglab.sources.catalog import parse_target
    from imglab.targets import Targets, read_targets

    path = _targets_file(options)
    platforms = tuple(Platform.parse(text) for text in options.platform or ())
    more = {"platforms": platforms, "referrers": options.referrers, "sbom": options.sbom}
    said = {**more, "tags": (options.tags,) if options.tags else ()}
    asked = read_targets(path, {key: value for key, value in said.items() if value}) if path else Targets()
    wanted = (*asked.wanted, *(replace(parse_target(text, options.tags), **more) for text in options.references))
    if not wanted:
        raise UsageError(f"{path} names nothing to observe: add a [[target]] with its `repository`")
    return replace(asked, wanted=wanted)


def _targets_file(options: argparse.Namespace) -> Path | None:
    """The file of targets, where one is named or nothing else is."""
    from imglab.data import data_folder
    from imglab.errors import UsageError
    from imglab.targets import FILE_NAME

    path: Path | None = options.targets
    if path or options.references:
        return path
    path = data_folder(options.data) / FILE_NAME
    if not path.is_file():
        raise UsageError(f"nothing to observe: give a REFERENCE, or name targets in {path} or in --targets FILE")
    return path


def _login(options: argparse.Namespace, asked: Targets) -> dict[str, Credentials]:
    """The user's name and password; the file of targets may have the name, and then says of which registry."""
    from imglab.errors import UsageError
    from imglab.http import Credentials
    from imglab.sources.registry import Target

    registries = {one.registry for one in asked.wanted}
    repositories = {one.reference.repository if isinstance(one, Target) else one.registry for one in asked.wanted}
    names = {name: user for name, user in asked.usernames.items() if name in registries}
    if options.username or not names:
        return _credentials(options, repositories)
    if not options.password_stdin:
        raise UsageError(f"{' and '.join(names)}: a username without a password: give that with --password-stdin")
    if len(names) > 1:
        raise UsageError(f"one password is for one registry, and {' and '.join(names)} each have a username")
    ((name, user),) = names.items()
    return {name: Credentials(user, _password())}


def backfill(options: argparse.Namespace) -> int:
    """What registries' own history APIs say of tags, one run for each API."""
    from imglab import snapshot
    from imglab.data import data_folder
    from imglab.progress import reporting
    from imglab.sources.history_api import Window, api_host, check_username, plan
    from imglab.sources.registry import Target

    window = Window(options.since, options.until)
    asked = plan((Target.parse(text, options.tags) for text in options.references), options.history_api, window)
    check_username(asked, options.username)
    registries = {target.reference.registry for targets in asked.values() for target in targets}
    credentials = {api_host(name): secret for name, secret in _credentials(options, registries).items()}
    codes = []
    for api, targets in asked.items():
        client = _client(options, credentials)
        with reporting(quiet=options.quiet) as progress:
            outcome = snapshot.backfill(
                data_folder(options.data), api, targets, client, window=window, progress=progress
            )
        codes.append(_finish(outcome, options))
    return max(codes)


def doctor(options: argparse.Namespace) -> int:
    """What happens between this machine and a registry, step by step."""
    from datetime import UTC, datetime

    from imglab import doctor
    from imglab.credentials import files
    from imglab.errors import ParseError, SourceError, UsageError
    from imglab.sources.catalog import Namespace, parse_target
    from imglab.sources.registry import Target

    if isinstance(parse_target(options.reference, options.tags), Namespace):
        raise UsageError(f"{options.reference} is a pattern: name one of its repositories, doctor looks at one")
    target = Target.parse(options.reference, options.tags)
    credentials, trouble = None, None
    try:
        credentials = next(iter(_credentials(options, {target.reference.repository}).values()), None)
    except (ParseError, SourceError) as error:  # what keeps them is broken: a step among others
        trouble = error
    steps = doctor.examine(
        target,
        doctor.Link(options.plain_http, options.ca_cert, options.insecure),
        credentials=credentials,
        trouble=trouble,
        looked_in=files(os.environ, _home()),
        environment=os.environ,
        now=lambda: datetime.now(UTC),
    )
    return _say(steps, options.format)


def _say(steps: Iterable[Step], form: str) -> int:
    """Print *steps*, as text while they are taken, and give the exit code that the worst of them stands for."""
    import json
    from dataclasses import asdict

    from imglab.doctor import outcome_of
    from imglab.output import visible

    said = []
    for step in steps:
        said.append(step)
        if form == "text":
            print(*map(visible, step.text.splitlines()), sep="\n", flush=True)
    if form == "json":
        print(json.dumps([asdict(step) for step in said], indent=1))
    return {"ok": GOOD, "skipped": GOOD, "warning": PARTLY, "problem": NOTHING}[outcome_of(said)]


def _client(
    options: argparse.Namespace, credentials: dict[str, Credentials], access: dict[str, Access] | None = None
) -> Client:
    from imglab.http import Client, Limits

    limits = Limits(requests=options.limit_requests, reserve=getattr(options, "reserve", Limits().reserve))
    return Client(
        limits=limits,
        credentials=credentials,
        concurrency=options.concurrency or CONCURRENCY,
        plain_http=options.plain_http,
        ca_cert=options.ca_cert,
        insecure=options.insecure,
        access=access,
    )


def _credentials(options: argparse.Namespace, names: set[str]) -> dict[str, Credentials]:
    """The user's name and password for the one registry of *names*, or else what other tools keep for each of them."""
    from imglab.credentials import find_all
    from imglab.errors import UsageError
    from imglab.http import Credentials

    if bool(options.username) != options.password_stdin:
        raise UsageError("--username and --password-stdin belong together")
    if not options.username:
        return find_all(names, environment=os.environ, home=_home())
    registries = {name.partition("/")[0] for name in names}
    if len(registries) != 1:
        raise UsageError("one user name is for one registry: give references of one registry at a time")
    return {registries.pop(): Credentials(options.username, _password())}


def _password() -> str:
    from imglab.errors import UsageError

    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UsageError("--password-stdin: there is no password on standard input: write it there, in a line")
    return password


def _home() -> Path:
    """The user's home; for users who have none, a place with nothing below it."""
    from pathlib import Path

    try:
        return Path.home()
    except RuntimeError:
        return Path(os.devnull)


def import_documents(options: argparse.Namespace) -> int:
    """Documents that others keep, read with their history, or images in an archive."""
    from imglab import imports
    from imglab.data import data_folder
    from imglab.progress import reporting

    read = imports.import_images if options.source in imports.IMAGE_SOURCES else imports.import_documents
    with reporting(quiet=options.quiet) as progress:
        outcome = read(
            data_folder(options.data),
            options.source,
            options.path,
            repository=options.repository,
            observed_at=options.observed_at,
            progress=progress,
        )
    return _finish(outcome, options)


def demo(options: argparse.Namespace) -> int:
    """The sample loaded, its questions answered, its page drawn."""
    from imglab import demo
    from imglab.data import data_folder

    folder = data_folder(options.data) / "demo"
    report = demo.run(folder, (lambda words: None) if options.quiet else print)
    if not options.quiet:
        print(AFTER_DEMO.format(report=report, folder=folder))
    return GOOD


AFTER_DEMO = """\
Open {report} in a browser: the charts behind these answers.
Ask more:            imglab --data {folder} ask layers --repository python --tag latest
                     imglab --data {folder} ask size_over_time --repository python --tag slim --chart slim.html
What made it grow:   imglab --data {folder} diff python:latest@2019-10-17 now
In JupyterLab:       imglab lab   (notebooks/01_layer_growth.ipynb and on)
Your own images:     imglab snapshot ghcr.io/owner/name   and then   imglab ask tags"""
