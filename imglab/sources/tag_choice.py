"""
Which tags of a repository are wanted: by patterns, without others, of the newest versions only.

A tag is a version if it is numbers with words around them that stand apart: `v1.2.3`, `3.13.1-slim`, `8u102-jdk` (for
8.0.102), `jdk-21.0.5_11`, `trixie-20260803`, `RELEASE.2026-06-01T12-34-56Z`; a commit such as `7e3a12b` is none. `1`,
`1.2` and `1.2.3` are names of one image, so that versions are compared with those of as many numbers behind the same
words. What stands behind the numbers is a variant; variants have no order, all of a version are as new as it is. Words
that make a pre-release (`3.15.0rc1`, `27-ea-3-jdk`, `1.0.0-beta.2`) are those of `tag_kind` in `sql/macros.sql`; what
Semantic Versioning takes for one, anything behind a hyphen, is a variant here, as it is in nearly every image's tags.
Otherwise the order is that of Semantic Versioning 2.0.0, section 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

_DATE = r"\d{4}-\d\d-\d\d(?:T\d\d-\d\d-\d\dZ)?"
_VERSION = re.compile(
    r"((?:[a-z]+[-_.])*)v?"
    rf"({_DATE}|\d+u\d+|\d+(?:[._]\d+)*)"
    r"(?:([ab](?=\d)|[-_.]?(?:alpha|beta|rc|ea|preview|pre|m(?=\d)))([-.]?\d+(?:\.\d+)*)?(?=[-_.]|$))?"
    r"(?:[-_.].*)?",
    re.IGNORECASE | re.ASCII,
)
_ARTIFACT = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?")
_ARTIFACT_GLOB = re.compile(r"sha(?:256|512)-")


def is_artifact_tag(tag: str) -> bool:
    """
    Whether *tag* stands for what is attached to a digest: cosign's `sha256-….sig`, `.att` and `.sbom`, and the list of
    referrers `sha256-…` where a registry has no other (distribution-spec, "Referrers Tag Schema").
    """
    return _ARTIFACT.fullmatch(tag) is not None


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """What a tag's numbers say; versions are compared within a series only."""

    series: tuple[str, int]  # the words before the numbers, and how many these are
    numbers: tuple[int, ...]
    is_release: bool
    prerelease: tuple[str, tuple[int, ...]]  # its word and numbers; of a release none


def version(tag: str) -> Version | None:
    """The version that *tag* names; None if it names none."""
    match = _VERSION.fullmatch(tag)
    if not match:
        return None
    words, text, word, count = match.groups()
    numbers = _numbers(text)
    if "u" in text.lower():
        numbers = (numbers[0], 0, numbers[1])
    prerelease = (word.strip("-_.").lower(), _numbers(count or "")) if word else ("", ())
    return Version((words.lower(), len(numbers)), numbers, not word, prerelease)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def newest(tags: Iterable[str], count: int, *, prereleases: bool = False) -> list[str]:
    """
    Those of *tags*, in their order, that name one of the *count* newest versions of their series, in any variant.

    Pre-releases are versions among others with *prereleases*, else only in a series that has nothing else. Tags that
    name no version are left out.
    """
    named = [(tag, found) for tag in tags if (found := version(tag))]
    series: dict[tuple[str, int], set[Version]] = {}
    for _, found in named:
        series.setdefault(found.series, set()).add(found)
    kept: set[Version] = set()
    for versions in series.values():
        releases = {found for found in versions if found.is_release}
        kept.update(sorted(versions if prereleases or not releases else releases)[-count:])
    return [tag for tag, found in named if found in kept]


@dataclass(frozen=True, slots=True)
class TagChoice:
    """
    Which of the tags that a registry lists are wanted.

    *names* always are. Of the others those that match one of *globs* and none of *exclude*, and of these the *newest*
    versions, if it is given. Without *names* and *globs* all match, but for tags of artifacts: these match only
    patterns that begin as they do.
    """

    globs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    newest: int | None = None
    prereleases: bool = False

    def choose(self, tags: Iterable[str]) -> list[str]:
        """The wanted ones among *tags*, in their order."""
        tags = list(tags)
        matching = [tag for tag in tags if self._is_chosen(tag)]
        if self.newest is not None:
            matching = newest(matching, self.newest, prereleases=self.prereleases)
        wanted = {*matching, *self.names}
        return [tag for tag in tags if tag in wanted]

    def matches(self, tag: str) -> bool:
        """Whether *tag* is wanted, however many are newer."""
        return tag in self.names or self._is_chosen(tag)

    def _is_chosen(self, tag: str) -> bool:
        is_artifact = is_artifact_tag(tag)
        globs = [glob for glob in self._patterns if _ARTIFACT_GLOB.match(glob) or not is_artifact]
        return _matches_any(tag, globs) and not _matches_any(tag, self.exclude)

    @property
    def _patterns(self) -> tuple[str, ...]:
        return self.globs if self.globs or self.names else ("*",)

    def __str__(self) -> str:
        """What stands behind a repository and a colon; empty if all tags are wanted."""
        words = [*self.names, *self._patterns, *(f"!{glob}" for glob in self.exclude)]
        if self.newest is not None:
            words.append(f"newest={self.newest}{'+prereleases' if self.prereleases else ''}")
        return "" if words == ["*"] else ",".join(words)


def _matches_any(tag: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(tag, glob) for glob in globs)
