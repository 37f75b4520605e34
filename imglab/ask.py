"""Questions by name: from words on the command line to the function that answers."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl

from imglab import queries
from imglab.data import open_store
from imglab.errors import UsageError
from imglab.evidence import evidence
from imglab.oci import canonical_repository
from imglab.pins import Problem, read_pins
from imglab.queries.span import repository_pattern
from imglab.store import Store


def questions(names: Iterable[str]) -> pl.DataFrame:
    """
    What each question answers, and the options that it takes.

    One row per name, in the order given. Columns: question, answers (the first sentence of its documentation) and
    options (those that it needs not in brackets).
    """
    functions = [(name, getattr(queries, name)) for name in names]
    return pl.DataFrame(
        [
            {
                "question": name,
                "answers": (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ").replace("*", ""),
                "options": " ".join(map(_as_option, _options(function).values())),
            }
            for name, function in functions
        ]
    )


def answer(question: str, given: Mapping[str, object], *, data: Path | str | None = None) -> pl.DataFrame:
    """
    The frame of *question* for the options *given*.

    Raises UsageError if an option is missing, does not belong to the question, or names a repository, a tag or a
    platform that the store has never seen.
    """
    function = getattr(queries, question)
    _check_options(question, given, _options(function))
    store = open_store(data)
    frame: pl.DataFrame = function(store, **given)
    if frame.is_empty():
        _explain_nothing(store, given)
    _check_platforms(store, given)
    return frame


def explanation(question: str, given: Mapping[str, object], *, data: Path | str | None = None) -> pl.DataFrame:
    """What the answer to *question* stands on, as `evidence` tells it; errors as for `answer`."""
    return evidence(open_store(data), answer(question, given, data=data))


def pinned(
    paths: Iterable[Path], platform: str, *, data: Path | str | None = None
) -> tuple[pl.DataFrame, list[Problem]]:
    """
    What is known of the images that the files at *paths* name, and what could not be read of these.

    One row per place that names an image, in the order of files and lines. Columns: file, line, reference (as found,
    in full), is_pinned, and those of `queries.pins` but for position.
    """
    mentions, problems = read_pins(paths)
    places = pl.DataFrame(
        [
            (mention.file, mention.line, str(mention.reference), mention.reference.digest is not None)
            for mention in mentions
        ],
        schema={"file": pl.String, "line": pl.Int64, "reference": pl.String, "is_pinned": pl.Boolean},
        orient="row",
    )
    references = places["reference"].unique(maintain_order=True)
    known = queries.pins(open_store(data), references=references.to_list(), platform=platform)
    told = known.with_columns(references.alias("reference")).drop("position")
    return places.join(told, on="reference", how="left", maintain_order="left"), problems


def _options(function: Callable[..., pl.DataFrame]) -> dict[str, inspect.Parameter]:
    """What a question can be given, by name."""
    known = inspect.signature(function).parameters
    return {name: parameter for name, parameter in known.items() if name != "store"}


def _as_option(parameter: inspect.Parameter) -> str:
    written = _written(parameter.name)
    return written if parameter.default is inspect.Parameter.empty else f"[{written}]"


def _check_options(question: str, given: Mapping[str, object], options: Mapping[str, inspect.Parameter]) -> None:
    for name in given:
        if name not in options:
            raise UsageError(f"{question} takes no {_written(name)}; it takes {', '.join(map(_written, options))}")
    for name, parameter in options.items():
        if parameter.default is inspect.Parameter.empty and name not in given:
            raise UsageError(f"{question} needs {_written(name)}")


def _written(name: str) -> str:
    """The option of the command line that gives the argument *name*."""
    return "--reference" if name == "references" else f"--{name.replace('_', '-')}"


def _explain_nothing(store: Store, given: Mapping[str, object]) -> None:
    """Raise a UsageError that says which of the given names the store does not know, if one of them is the reason."""
    if "repository" not in given or set(str(given["repository"])) & set("*?["):
        return
    repository = canonical_repository(str(given["repository"]))
    known = store.query("known_tags")
    _check_known("repository", repository, known["repository"].unique().to_list())
    tag = str(given.get("tag", "*"))
    if not set(tag) & set("*?["):
        _check_known("tag", tag, known.filter(pl.col("repository") == repository)["tag"].to_list())


def _check_platforms(store: Store, given: Mapping[str, object]) -> None:
    """Raise a UsageError for a platform without an image among those that are asked about, and say which there are."""
    names = [str(given[name]) for name in ("platform", "against") if name in given]
    if not names or "digest" in given:
        return
    scopes = [(given.get("repository"), given.get("tag"))]
    if "to_repository" in given or "to_tag" in given:
        scopes.append((given.get("to_repository", scopes[0][0]), given.get("to_tag", scopes[0][1])))
    for repository, tag in scopes:
        known = store.query(
            "known_platforms",
            {"repository": repository_pattern(str(repository)) if repository else None, "tag": tag},
        )
        platforms = {*known["platform"], *known["series"]}
        for name in names:
            if platforms and name not in platforms:
                of = f" of {repository}{f':{tag}' if tag else ''}" if repository else ""
                builds = known.filter(known["platform"] == name.partition(" ")[0])["series"]
                there = ", ".join(builds if builds.len() else known["platform"].unique(maintain_order=True))
                raise UsageError(f"no image{of} for {name} in the store; there are some for {there}")


def _check_known(what: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, 3) or sorted(known)[:3]
    raise UsageError(f"no {what} {name} in the store; it has {len(known):,}, among them {', '.join(close)}")
