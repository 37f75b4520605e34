"""Which tags are wanted: patterns, exclusions, the newest versions, and tags that are none of images."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imglab.sources.tag_choice import TagChoice, is_artifact_tag, newest, version

HEX = "0123456789abcdef" * 4
PYTHON = ("3.14.1", "3.14.1-slim", "3.14.0", "3.14", "3.13.9-slim", "3.13.9", "3.13", "3.9.20", "3.15.0rc1", "latest")


@pytest.mark.parametrize(
    ("tag", "series", "numbers", "prerelease"),
    [
        ("3.13.1", ("", 3), (3, 13, 1), None),
        ("v1.2.3", ("", 3), (1, 2, 3), None),
        ("3.13.1-slim-bookworm", ("", 3), (3, 13, 1), None),
        ("3.13-alpine3.20", ("", 2), (3, 13), None),
        ("8u102-jdk", ("", 3), (8, 0, 102), None),
        ("21.0.5_11-jdk-alpine", ("", 4), (21, 0, 5, 11), None),
        ("jdk-21.0.1", ("jdk-", 3), (21, 0, 1), None),
        ("trixie-20260803-slim", ("trixie-", 1), (20260803,), None),
        ("2026-06-01", ("", 3), (2026, 6, 1), None),
        ("RELEASE.2026-06-01T12-34-56Z", ("release.", 6), (2026, 6, 1, 12, 34, 56), None),
        ("4.1.0.Final", ("", 3), (4, 1, 0), None),
        ("3.15.0rc1", ("", 3), (3, 15, 0), ("rc", (1,))),
        ("3.15.0a2-slim", ("", 3), (3, 15, 0), ("a", (2,))),
        ("3.15-rc-slim", ("", 2), (3, 15), ("rc", ())),
        ("27-ea-3-jdk", ("", 1), (27,), ("ea", (3,))),
        ("v1.0.0-beta.2", ("", 3), (1, 0, 0), ("beta", (2,))),
        ("6.0.0.M3", ("", 3), (6, 0, 0), ("m", (3,))),
        ("1.0-prebuilt", ("", 2), (1, 0), None),
        ("1.0-dev", ("", 2), (1, 0), None),
    ],
)
def test_tags_that_are_versions(
    tag: str, series: tuple[str, int], numbers: tuple[int, ...], prerelease: tuple[str, tuple[int, ...]] | None
) -> None:
    """Numbers, the words before them, and pre-releases; what stands behind is a variant and no part of the version."""
    found = version(tag)
    assert found is not None
    assert (found.series, found.numbers) == (series, numbers)
    assert found.is_release == (prerelease is None)
    assert found.prerelease == (prerelease or ("", ()))


@pytest.mark.parametrize("tag", ["latest", "slim-trixie", "7e3a12b", "alpine3.20", "main-3f2a1b0", f"sha256-{HEX}"])
def test_tags_that_are_none(tag: str) -> None:
    """Names, commits and variants alone have no place in an order of versions."""
    assert version(tag) is None


@pytest.mark.parametrize(
    "tags",
    [
        ("1.9.0", "1.10.0"),
        ("1.0.0-rc.1", "1.0.0"),
        ("1.0.0-alpha.9", "1.0.0-alpha.10"),
        ("1.0.0-alpha.10", "1.0.0-beta.1"),
        ("3.15.0a1", "3.15.0b1"),
        ("3.15.0b9", "3.15.0rc1"),
        ("v1.2", "1.3"),
        ("bookworm-20260101-slim", "bookworm-20260201"),
    ],
)
def test_order_of_versions(tags: tuple[str, str]) -> None:
    """Numbers count as numbers; a pre-release comes before its release, by its word and then its number."""
    older, newer = (version(tag) for tag in tags)
    assert older and newer and older < newer
    assert newest(tags, 1, prereleases=True) == [tags[1]]


def test_the_newest_versions_have_all_their_variants() -> None:
    """Counted are versions, not tags, and those of as many numbers only; names of no version are left out."""
    assert newest(PYTHON, 1) == ["3.14.1", "3.14.1-slim", "3.14"]
    assert newest(PYTHON, 2) == ["3.14.1", "3.14.1-slim", "3.14.0", "3.14", "3.13"]
    assert newest(PYTHON, 1, prereleases=True) == ["3.14", "3.15.0rc1"]


def test_prereleases_count_where_there_is_nothing_else() -> None:
    """Each series for itself: behind other words, or with other numbers."""
    assert newest(["27-ea-3-jdk", "27-ea-4-jdk", "26.0.1-jdk", "next-2.0-rc1", "next-2.0-rc2"], 1) == [
        "27-ea-4-jdk",
        "26.0.1-jdk",
        "next-2.0-rc2",
    ]


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (TagChoice(), PYTHON),
        (TagChoice(globs=("3.13*", "*-slim")), ("3.14.1-slim", "3.13.9-slim", "3.13.9", "3.13")),
        (TagChoice(globs=("3.1*",), exclude=("*rc*", "*-slim")), ("3.14.1", "3.14.0", "3.14", "3.13.9", "3.13")),
        (TagChoice(exclude=("*",), names=("latest",)), ("latest",)),
        (TagChoice(names=("latest", "gone")), ("latest",)),
        (TagChoice(globs=("*-slim",), names=("latest",), newest=1), ("3.14.1-slim", "latest")),
        (TagChoice(newest=1, prereleases=True), ("3.14", "3.15.0rc1")),
    ],
)
def test_choices(choice: TagChoice, chosen: tuple[str, ...]) -> None:
    """Patterns, without exclusions, then the newest; names always."""
    assert tuple(choice.choose(PYTHON)) == chosen


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (TagChoice(), ""),
        (TagChoice(globs=("*",)), ""),
        (TagChoice(globs=("3.*",)), "3.*"),
        (TagChoice(names=("latest",)), "latest"),
        (TagChoice(("3.*", "2.*"), ("latest",), ("*rc*",), 3), "latest,3.*,2.*,!*rc*,newest=3"),
        (TagChoice(newest=1, prereleases=True), "*,newest=1+prereleases"),
    ],
)
def test_choices_are_printed(choice: TagChoice, text: str) -> None:
    """A run's row says which tags were asked for."""
    assert str(choice) == text


ARTIFACTS = [f"sha256-{HEX}.sig", f"sha256-{HEX}.att", f"sha256-{HEX}.sbom", f"sha256-{HEX}", f"sha512-{HEX}"]
OTHERS = [
    "sha256-abc",
    f"sha256-{HEX}0",
    f"sha256-{HEX.upper()}",
    f"sha256-{HEX}.deb",
    f"x-sha256-{HEX}",
    "sha-7e3a12b",
]


def test_tags_of_artifacts_are_told_from_others() -> None:
    """Signatures, attestations, bills of material and lists of referrers, and nothing that only looks alike."""
    assert [tag for tag in [*ARTIFACTS, *OTHERS] if is_artifact_tag(tag)] == ARTIFACTS


def test_tags_of_artifacts_are_wanted_only_if_asked_for() -> None:
    """By a pattern that begins as they do, or by name."""
    tags = [*ARTIFACTS, "1.0"]
    assert TagChoice().choose(tags) == ["1.0"]
    assert TagChoice(globs=("*.sig", "*")).choose(tags) == ["1.0"]
    assert TagChoice(globs=("sha256-*",)).choose(tags) == ARTIFACTS[:4]
    assert TagChoice(globs=("sha256-*",), exclude=("*.sig",)).choose(tags) == ARTIFACTS[1:4]
    assert TagChoice(names=(ARTIFACTS[4],)).choose(tags) == [ARTIFACTS[4]]


# --- properties ------------------------------------------------------------------------------------------------------

VERSIONS = st.builds(
    lambda words, numbers, pre, variant: f"{words}{'.'.join(map(str, numbers))}{pre}{variant}",
    st.sampled_from(["", "v", "jdk-"]),
    st.lists(st.integers(0, 12), min_size=1, max_size=3),
    st.sampled_from(["", "", "rc1", "rc2", "-beta.1", "a1"]),
    st.sampled_from(["", "-slim", "-alpine3.20"]),
)
ANY_TAG = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)
TAGS = st.lists(VERSIONS | ANY_TAG, max_size=30, unique=True)
GLOBS = st.lists(st.from_regex(r"[0-9a-z.*?-]{1,5}", fullmatch=True), max_size=3).map(tuple)


@given(TAGS, st.integers(1, 4), st.booleans())
def test_newest_is_a_choice_by_version(tags: list[str], count: int, prereleases: bool) -> None:
    """Nothing that is left out is newer than what is kept, all variants of a version are kept, and never too many."""
    kept = newest(tags, count, prereleases=prereleases)
    assert kept == [tag for tag in tags if tag in set(kept)]
    for series in {found.series for tag in tags if (found := version(tag))}:
        of_series = {tag: found for tag in tags if (found := version(tag)) and found.series == series}
        chosen = {of_series[tag] for tag in kept if tag in of_series}
        has_release = any(found.is_release for found in of_series.values())
        rivals = {found for found in of_series.values() if prereleases or found.is_release or not has_release}
        assert chosen <= rivals
        assert len(chosen) == min(count, len(rivals))
        assert all(left < found for left in rivals - chosen for found in chosen)
        assert {tag for tag, found in of_series.items() if found in chosen} == set(kept) & set(of_series)


@given(TAGS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_newest_does_not_depend_on_the_order(tags: list[str], count: int, random: object) -> None:
    """However a registry lists its tags; and more of them are wanted the higher the count."""
    shuffled = list(tags)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert set(newest(shuffled, count)) == set(newest(tags, count)) <= set(newest(tags, count + 1))
    assert set(newest(newest(tags, count), count)) == set(newest(tags, count))


@given(TAGS, GLOBS, GLOBS)
def test_globs_choose_what_they_match(tags: list[str], globs: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    """As each pattern for itself would; what is excluded is never there."""
    chosen = TagChoice(globs, exclude=exclude).choose(tags)
    expected = [tag for tag in tags if not globs or any(fnmatchcase(tag, glob) for glob in globs)]
    assert chosen == [tag for tag in expected if not any(fnmatchcase(tag, glob) for glob in exclude)]


@given(st.text(st.sampled_from("0123456789abcvrem._-uT"), min_size=1, max_size=128))
def test_every_text_is_read_at_once(tag: str) -> None:
    """Whatever a registry lists is a version or none; what is printed again from its numbers is the same version."""
    found = version(tag)
    if found and found.is_release:
        assert version(".".join(map(str, found.numbers))) == found.__class__(
            ("", found.series[1]), found.numbers, True, ("", ())
        )
