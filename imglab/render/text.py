"""Texts that every page is made of, and what is said when the store does not know what a page is about."""

from __future__ import annotations

import difflib
import re
from datetime import datetime

import polars as pl

from imglab.oci import DOCKER_HUB, Reference
from imglab.store import Store

_MARKDOWN = re.compile(r"[^ -~]|[<>`\[\]\\*|&]")


def name_of(named: Reference) -> str:
    """The repository as docker names it: python, owner/name, ghcr.io/owner/name."""
    if named.registry != DOCKER_HUB:
        return named.repository
    official = named.path.removeprefix("library/")
    return named.path if "/" in official else official


def why_unknown(store: Store, named: Reference, at: datetime | None) -> str:
    """What to tell who asked for *named* at a time of which the store knows nothing."""
    if named.digest:
        return f"no manifest {named.digest} in the store: `imglab snapshot {named}` fetches it"
    known = store.query("known_tags")
    repositories = known["repository"].unique().to_list()
    if named.repository not in repositories:
        return not_among("repository", named.repository, repositories)
    tags = known.filter(pl.col("repository") == named.repository)["tag"].to_list()
    if named.tag not in tags:
        return not_among("tag", str(named.tag), tags)
    parameters = {"repository": named.repository, "tag": named.tag, "since": None, "until": None}
    first = store.query("tag_history", parameters)["valid_from"].min()
    if at is None or not isinstance(first, datetime):
        return f"no source said where {named} pointed"
    return f"nothing is known of {named} at {at:%Y-%m-%dT%H:%M:%SZ}: it was first seen at {first:%Y-%m-%dT%H:%M:%SZ}"


def not_among(what: str, name: str, known: list[str]) -> str:
    """What to tell who asked for a *name* that is not *known*, with what may have been meant."""
    if not known:
        return f"no {what} {name} in the store; it has none"
    close = difflib.get_close_matches(name, known, 3) or sorted(known)[:3]
    return f"no {what} {name} in the store; it has {len(known):,}, among them {', '.join(close)}"


def escaped(text: str) -> str:
    """*text* with everything but printable characters and tabs written out."""
    return "".join(char if char.isprintable() or char == "\t" else escape(char) for char in text)


def escape(char: str) -> str:
    """*char* written out."""
    written = char.encode("unicode_escape").decode()
    return written if len(written) > 1 else f"\\x{ord(char):02x}"


def plain(text: str) -> str:
    """*text* in which nothing is Markdown."""
    return _MARKDOWN.sub(lambda match: escape(match[0]), text)
