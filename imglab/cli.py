"""
The command line: parse arguments, call one function, print.

Exit codes: 0 good; 1 partly failed, details in `imglab failures`; 2 misuse or unreadable input; 3 nothing could be
done; 130 and 143 stopped by Control-C or SIGTERM.
Heavy modules are imported inside the commands, so that help comes at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TypeAlias

from imglab import __version__, commands
from imglab.commands import GOOD, MISUSE, NOTHING
from imglab.errors import ImglabError, InvalidFile, ParseError, SourceError, UsageError
from imglab.times import read_time

Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
QUESTIONS = (
    "layer_growth",
    "size_over_time",
    "architecture_sizes",
    "tag_history",
    "tag_churn",
    "layers",
    "tags",
    "tag_lifetimes",
    "architecture_support",
    "aliases",
    "tag_sources",
    "update_gaps",
    "growth_by_step",
    "step_sizes",
    "architecture_ratios",
    "step_ratios",
    "moves",
    "move_calendar",
    "digest_lifetimes",
    "size_distribution",
    "sharing",
    "bytes_by_depth",
    "media_types",
    "attestation_overhead",
    "pins",
    "size_changes",
    "package_growth",
    "update_cost",
    "bases",
    "base_lag",
    "base_share",
    "fleet_cost",
    "common_bases",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = parser().parse_args(arguments)
    _set_up_logging(options)
    try:
        with _stoppable():
            return int(options.run(options))
    except ImglabError as error:
        return _report(error, options)
    except (KeyboardInterrupt, Terminated) as stop:
        is_kept = options.run in (commands.snapshot, commands.backfill)
        kept, left = "what was read is kept, and the next run goes on", "a run that was under way left nothing behind"
        what = kept if is_kept else left
        print(f"imglab: stopped; {what}", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD


class Terminated(BaseException):
    """Somebody asked the process to end, as service managers do."""


@contextmanager
def _stoppable() -> Iterator[None]:
    """Within it SIGTERM ends what is under way as Control-C does: in order."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(error: ImglabError, options: argparse.Namespace) -> int:
    if options.verbose:
        logging.getLogger("imglab").error("trace", exc_info=error)
    from imglab.output import visible

    for text in error.problems if isinstance(error, InvalidFile) else [str(error)]:
        print(f"imglab: {visible(text)}", file=sys.stderr)
    unreadable = isinstance(error, SourceError) and error.kind == "unreadable"
    return MISUSE if isinstance(error, (UsageError, ParseError)) or unreadable else NOTHING


def _set_up_logging(options: argparse.Namespace) -> None:
    level = logging.DEBUG if options.verbose else logging.ERROR if options.quiet else logging.INFO
    form = "%(message)s"
    if options.log_format == "json":
        form = '{"time":"%(asctime)s","level":"%(levelname)s","logger":"%(name)s","message":%(json)s}'
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonSafe(form))
    logger = logging.getLogger("imglab")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


class _JsonSafe(logging.Formatter):
    """Log lines in which no text from outside can begin a new line or leave its quotes."""

    def format(self, record: logging.LogRecord) -> str:
        import json

        record.json = json.dumps(record.getMessage())
        return super().format(record)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="imglab",
        description="Size and layer history of container images.",
        epilog="Begin with `imglab demo`, then `imglab snapshot REFERENCE`.",
    )
    top.add_argument("--version", action="version", version=f"imglab {__version__}")
    top.set_defaults(data=None, quiet=False, verbose=False, log_format="text")
    _add_global(top)
    parsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    reading = (_add_snapshot, _add_backfill, _add_doctor, _add_import, _add_load)
    asking = (_add_views, _add_ask, _add_diff, _add_pins, _add_sql, _add_render, _add_check)
    for add in (_add_demo, *reading, *asking, _add_lab):
        add(parsers)
    for command in _leaves(top):
        _add_global(command)
    return top


def _add_global(parser: argparse.ArgumentParser) -> None:
    """The options that every command takes, in front of its name or after it."""
    options = parser.add_argument_group("everywhere", argument_default=argparse.SUPPRESS)
    options.add_argument("--data", metavar="DIR", help="the data folder ($IMGLAB_DATA, else data here or above)")
    options.add_argument("--quiet", action="store_true", help="print results and errors only")
    options.add_argument("--verbose", action="store_true", help="say more, with traces of errors")
    options.add_argument("--log-format", choices=("text", "json"), help="how messages are written (text)")


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of commands that have no commands below them."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in action.choices.values():
            yield from _leaves(command)


def _add_demo(parsers: Parsers) -> None:
    command = parsers.add_parser("demo", help="load the bundled sample, draw its report, say what to open next")
    command.set_defaults(run=commands.demo)


def _add_snapshot(parsers: Parsers) -> None:
    command = parsers.add_parser(
        "snapshot",
        help="observe tags of registries now",
        description="Observe the tags of registries now. A reference without a tag stands for all of its tags. Without "
        "any, what the file of targets names is observed: FILE, or targets.toml in the data folder. What the command "
        "line says is in place of what the file does.",
    )
    command.add_argument(
        "references",
        nargs="*",
        metavar="REFERENCE",
        help="python, ghcr.io/owner/name, localhost:5000/team/app:tag, repository:3.*, repository@sha256:…, "
        "registry.example/team/*",
    )
    command.add_argument(
        "--targets", type=Path, metavar="FILE", help="what else to observe, and how to reach the registries"
    )
    command.add_argument(
        "--referrers",
        action="store_true",
        help="also what is attached to the images: signatures, attestations; a request for each of them",
    )
    command.add_argument(
        "--sbom",
        action="store_true",
        help="also the packages in the images, as attested bills of materials list them; a request for each, once ever",
    )
    command.add_argument("--platform", action="append", metavar="OS/ARCH", help="only these platforms (repeatable)")
    _add_connection(command)
    _add_limit(command)
    command.add_argument(
        "--reserve",
        type=_whole,
        default=10,
        metavar="N",
        help="pulls to leave where a registry counts them, as Docker Hub does; a later run goes on (10)",
    )
    command.add_argument(
        "--via",
        choices=("auto", "registry", "hub-api"),
        default="auto",
        help="how docker.io is asked: its registry; its tags API, which takes no pull and tells sizes and times; or "
        "the registry and, if its pulls do not suffice, the API too (auto)",
    )
    command.set_defaults(run=commands.snapshot)


def _add_backfill(parsers: Parsers) -> None:
    command = parsers.add_parser(
        "backfill",
        help="ask a registry's own history API what tags were before",
        description="Ask the history API that a registry has: where tags of cgr.dev and Quay pointed and when they "
        "moved; where tags of Docker Hub point since when, with the size of each platform, without a pull.",
    )
    command.add_argument(
        "references",
        nargs="+",
        metavar="REFERENCE",
        help="cgr.dev/chainguard/python:latest, quay.io/owner/name, quay.io/owner/name:v1.*, python:3.13",
    )
    command.add_argument(
        "--history-api",
        choices=("chainguard", "quay", "docker-hub"),
        help="what the registry speaks, where its name does not tell (a Quay of your own)",
    )
    command.add_argument(
        "--since", type=_time, metavar="TIME", help="only what moved then or later; of a day, its start"
    )
    command.add_argument("--until", type=_end, metavar="TIME", help="only what moved then or before; of a day, its end")
    _add_connection(command)
    _add_limit(command)
    command.set_defaults(run=commands.backfill)


def _add_doctor(parsers: Parsers) -> None:
    command = parsers.add_parser(
        "doctor",
        help="what happens between this machine and a registry, and what to do about it",
        description="Go the way of a snapshot once and say of each step what was seen and what to do: the name, the "
        "connection, TLS, the registry, credentials, the token, the right to read, limits and clocks. It takes at most "
        "six requests and no pull. Exit codes: 0 all is well; 1 it works, with warnings; 3 a snapshot would fail.",
    )
    command.add_argument(
        "reference", metavar="REFERENCE", help="as for snapshot, with the same options for the registry"
    )
    _add_connection(command)
    command.add_argument("--format", choices=("text", "json"), default="text", help="how the steps are written (text)")
    command.set_defaults(run=commands.doctor)


def _add_connection(command: argparse.ArgumentParser) -> None:
    """Which tags are meant, and how a registry is reached."""
    command.add_argument("--tags", metavar="GLOB", help="only tags that match, such as 3.*")
    command.add_argument(
        "--concurrency", type=_positive, metavar="N", help=f"requests at a time ({commands.CONCURRENCY})"
    )
    command.add_argument("--plain-http", action="store_true", help="no TLS (automatic for loopback)")
    command.add_argument(
        "--username",
        help="user name for the registry (default: what docker, podman or skopeo login keep); the password comes from "
        "--password-stdin",
    )
    command.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    command.add_argument("--ca-cert", type=Path, metavar="FILE", help="trust this certificate authority")
    command.add_argument("--insecure", action="store_true", help="do not verify certificates")


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit-requests",
        type=_positive,
        metavar="N",
        help="send no more than N requests: what is left then is for the next run",
    )


def _add_import(parsers: Parsers) -> None:
    command = parsers.add_parser("import", help="read documents that others keep, with their history")
    sources = command.add_subparsers(title="sources", metavar="SOURCE", required=True)
    repo_info = sources.add_parser(
        "repo-info",
        help="pages of docker-library/repo-info: a file, a folder, a git repository or a bundle",
        description="Read pages of docker-library/repo-info: files as they are, or with the whole history that git has "
        "of them.",
    )
    _add_documents(repo_info, "repo-info", "the pages are about (default: as they say)", "newest date")
    official_images = sources.add_parser(
        "official-images",
        help="manifest files of docker-library/official-images, library/<image>: likewise",
        description="Read what tags are built from: manifest files of docker-library/official-images as they are, or "
        "with the whole history that git has of them.",
    )
    _add_documents(official_images, "official-images", "the file is about (default: its name)", "now")
    docs_readme = sources.add_parser(
        "docs-readme",
        help="READMEs of docker-library/docs, <image>/README.md: likewise",
        description="Read the tag lists of the READMEs of docker-library/docs, as they are or with the whole history "
        "that git has of them.",
    )
    _add_documents(docs_readme, "docs-readme", "the README is about (default: as it says, else its folder)", "now")
    tags_history = sources.add_parser(
        "tags-history",
        help="pages of Chainguard's tags history, <image>/tags_history.md: likewise",
        description="Read where tags pointed: Chainguard's tags-history pages as they are, or with the whole history "
        "that git has of them.",
    )
    about = "the page's public registry is about (default: cgr.dev/chainguard/<image>)"
    _add_documents(tags_history, "tags-history", about, "the page's lastmod")
    oci_layout = sources.add_parser(
        "oci-layout",
        help="images in an OCI layout, as skopeo and buildx write it: a folder, or a tar, also with gzip or zstd",
        description="Read the images in an OCI image layout, as `skopeo copy … oci:DIR`, `oci-archive:FILE` and "
        "`docker buildx build -o type=oci` write it, without a registry. Layers are not read.",
    )
    _add_images(oci_layout, "oci-layout")
    docker_archive = sources.add_parser(
        "docker-archive",
        help="images that docker save wrote: likewise",
        description="Read the images in an archive of `docker save`, `skopeo copy … docker-archive:`, crane, kaniko or "
        "jib. Where it holds layers unpacked, as Docker keeps them, their compressed sizes are not known.",
    )
    _add_images(docker_archive, "docker-archive")


def _add_documents(command: argparse.ArgumentParser, source: str, about: str, when: str) -> None:
    command.add_argument("path", type=Path, metavar="PATH")
    command.add_argument("--repository", metavar="R", help=f"the repository {about}")
    command.add_argument(
        "--observed-at",
        type=_time,
        metavar="TIME",
        help=f"when files without a git history stood so (default: {when})",
    )
    command.set_defaults(run=commands.import_documents, source=source)


def _add_images(command: argparse.ArgumentParser, source: str) -> None:
    command.add_argument("path", type=Path, metavar="PATH")
    command.add_argument(
        "--repository",
        metavar="R",
        help="what they are images of (default: as their names say; needed where these are tags alone)",
    )
    command.add_argument(
        "--observed-at",
        type=_time,
        metavar="TIME",
        help="when tags pointed at them (default: now, since copying loses the times of files)",
    )
    command.set_defaults(run=commands.import_documents, source=source)


def _add_load(parsers: Parsers) -> None:
    command = parsers.add_parser("load", help="bring the store up to the journal")
    command.set_defaults(run=commands.load, rebuild=False)
    command = parsers.add_parser("rebuild", help="make the store again from the journal")
    command.set_defaults(run=commands.load, rebuild=True)


def _add_views(parsers: Parsers) -> None:
    command = parsers.add_parser("status", help="what is there and how fresh it is")
    _add_format(command)
    command.set_defaults(run=commands.status)
    command = parsers.add_parser("runs", help="the runs, newest first")
    _add_format(command)
    command.set_defaults(run=commands.runs)
    command = parsers.add_parser("failures", help="what runs could not read, newest first")
    command.add_argument("--run", dest="run_id", metavar="RUN_ID", help="only those of this run")
    _add_format(command)
    command.set_defaults(run=commands.failures)


def _add_ask(parsers: Parsers) -> None:
    command = parsers.add_parser("ask", help="answer a question, as a table or a chart")
    command.add_argument(
        "question",
        nargs="?",
        choices=QUESTIONS,
        metavar="QUESTION",
        help=f"{', '.join(QUESTIONS)}; without any, tell what each answers and takes",
    )
    command.add_argument("--repository", metavar="R", help="such as python or ghcr.io/owner/name, or ghcr.io/owner/*")
    command.add_argument(
        "--reference",
        metavar="REF",
        dest="references",
        action="append",
        help="an image, for pins, fleet_cost and common_bases; may be repeated",
    )
    command.add_argument("--tag", metavar="T", help="a tag; where a question is about many also a glob, such as 3.*")
    command.add_argument("--platform", metavar="P", help="such as linux/amd64, linux/arm/v7")
    command.add_argument("--against", metavar="P", help="the platform that others are compared with (linux/amd64)")
    command.add_argument("--digest", metavar="D", help="an image, for layers and growth_by_step")
    command.add_argument(
        "--to-repository", metavar="R", help="what growth_by_step and package_growth compare with (--repository)"
    )
    command.add_argument("--to-tag", metavar="T", help="likewise (--tag)")
    command.add_argument("--to-digest", metavar="D", help="likewise, in place of a tag")
    form = "2019-10-17 or 2019-10-17T05:38:15Z (UTC)"
    command.add_argument("--at", type=_end, metavar="TIME", help=f"{form}; a day means its end")
    command.add_argument("--since", type=_time, metavar="TIME", help="likewise; a day means its start")
    command.add_argument("--until", type=_end, metavar="TIME", help="likewise; a day means its end, so that it counts")
    command.add_argument("--period", choices=("day", "week", "month", "quarter", "year"))
    instead = command.add_mutually_exclusive_group()
    instead.add_argument("--chart", type=Path, metavar="FILE", help="draw into FILE.html, .png, .svg or .json instead")
    instead.add_argument(
        "--explain", action="store_true", help="tell the documents and runs that the answer stands on instead"
    )
    _add_format(command)
    command.set_defaults(run=commands.ask, questions=QUESTIONS)


def _add_pins(parsers: Parsers) -> None:
    command = parsers.add_parser(
        "pins",
        help="how far behind the images are that Dockerfiles, compose files and manifests name",
        description="Look up the images that files name: is each pinned to a digest, is that known, which tags had it, "
        "how many moves, days and bytes is it behind. Read are Dockerfiles, compose files, Kubernetes manifests and "
        "lists with a reference a line; of a folder all but lists.",
    )
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    command.add_argument(
        "--platform", default="linux/amd64", metavar="P", help="whose images are compared (linux/amd64)"
    )
    _add_format(command)
    command.set_defaults(run=commands.pins)


def _add_sql(parsers: Parsers) -> None:
    command = parsers.add_parser("sql", help="answer a read-only query over the marts")
    command.add_argument("query", metavar="SELECT")
    _add_format(command)
    command.set_defaults(run=commands.sql)


def _add_diff(parsers: Parsers) -> None:
    command = parsers.add_parser(
        "diff",
        help="what is known of the difference between two references, on a page",
        description="Print what is known of the difference between two tags, two times of a tag, or two digests: each "
        "platform's size, the build steps that differ, bases, packages, settings, layers to pull, the moves between "
        "two times of a tag, and who says so.",
    )
    form = "python:3.12, python:latest@2019-10-17 (as it was then; a day means its end), python@sha256:…"
    command.add_argument("first", metavar="A", help=form)
    command.add_argument("second", metavar="B", help="likewise, or a time alone, of what A names: @2026-08-25, now")
    command.add_argument(
        "--platform",
        metavar="P",
        help="what all but the sizes is told of (linux/amd64 if both have it, else all that both have)",
    )
    command.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    command.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to standard output")
    command.set_defaults(run=commands.diff)


def _add_render(parsers: Parsers) -> None:
    command = parsers.add_parser("render", help="write pages as the systems that imglab reads publish them")
    pages = command.add_subparsers(title="pages", metavar="PAGE", required=True)
    repo_info = pages.add_parser(
        "repo-info",
        help="the page of one tag: platforms, sizes, build steps, layers",
        description="Write the Markdown page of a tag or digest as docker-library/repo-info does, for any repository "
        "and any time in the store.",
    )
    repo_info.add_argument(
        "reference", metavar="REFERENCE", help="python:latest, ghcr.io/owner/name:tag, repository@sha256:…"
    )
    repo_info.set_defaults(run=commands.render_repo_info)
    tags_history = pages.add_parser(
        "tags-history",
        help="the page of a repository's tags: where they point, since which day",
        description="Write the Markdown tables of a repository's tags as Chainguard's tags-history pages have them: "
        "those of a page that was read, or else of the tags that moved within 30 days.",
    )
    tags_history.add_argument("repository", metavar="REPOSITORY", help="cgr.dev/chainguard/python, ghcr.io/owner/name")
    tags_history.set_defaults(run=commands.render_tags_history)
    supported_tags = pages.add_parser(
        "supported-tags",
        help="the lists of a repository's tags, with links to what they are built from",
        description="Write the Markdown lists of a repository's tags as the READMEs of docker-library/docs have them: "
        "those that a manifest file or README names, with links, or else those that a registry had.",
    )
    supported_tags.add_argument("repository", metavar="REPOSITORY", help="python, ghcr.io/owner/name")
    supported_tags.set_defaults(run=commands.render_supported_tags)
    for page in (repo_info, tags_history, supported_tags):
        then = "the page as it stood then, at the end of a day (default: the newest)"
        page.add_argument("--at", type=_end, metavar="TIME", help=then)
        page.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to standard output")


def _add_check(parsers: Parsers) -> None:
    command = parsers.add_parser(
        "check",
        help="look for rows that must not exist, or for images over a budget",
        description="Look for rows that must not exist; or, with --budget, for images that do not keep the limits in "
        "FILE, for sizes that jumped or drifted. Exit codes: 0 nothing found; 1 something found, or something that "
        "should be checked is not known.",
    )
    command.add_argument("--budget", type=Path, metavar="FILE", help="check the limits that this file states")
    forms = ("table", "csv", "json", "parquet", "markdown", "sarif", "junit")
    command.add_argument("--format", choices=forms, default="table", help="sarif and junit are for budgets")
    command.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to standard output")
    command.set_defaults(run=commands.check)


def _add_lab(parsers: Parsers) -> None:
    command = parsers.add_parser("lab", help="open JupyterLab on the notebooks")
    command.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="passed on to jupyter lab; write -- in front of options"
    )
    command.set_defaults(run=commands.lab)


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("table", "csv", "json", "parquet", "markdown"), default="table")
    command.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to standard output")


def _time(text: str, *, is_end: bool = False) -> datetime:
    """The time that *text* names; a day means its start."""
    try:
        return read_time(text, is_end=is_end)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 2019-10-17 or 2019-10-17T05:38:15Z") from None


def _end(text: str) -> datetime:
    """The time that *text* names; a day means its end."""
    return _time(text, is_end=True)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
