"""Which step of one image is which of another: texts made comparable, then matched one to one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from built import Made, built
from made import commit, day, digest

from imglab.gitlog import open_documents
from imglab.journal import Journal
from imglab.records import History
from imglab.sources import repo_info
from imglab.sources.documents import Reading
from imglab.steps import normalise_step, text_digest
from imglab.store import Store

HEX = "ab12" * 16
ROOT = f"ADD file:{HEX} in / "
DEBIAN = "RUN # debian.sh --arch 'amd64' out/ 'trixie' '@1787529600'"
CERTIFICATES = "RUN apt-get update && apt-get install -y ca-certificates curl wget"
MORE_CERTIFICATES = "RUN set -eux; apt-get update; apt-get install -y ca-certificates curl gnupg sq wget # buildkit"


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of nothing, which has the macros."""
    return Store.in_memory(Journal(tmp_path_factory.mktemp("empty") / "journal"))


def read(store: Store, macro: str, text: str | None) -> str:
    """What *macro* makes of a text."""
    answer: str = store.sql(f"select {macro}($text::varchar)", {"text": text}).item()
    return answer


@pytest.mark.parametrize(
    "raw",
    [
        '/bin/sh -c #(nop)  CMD ["bash"]',
        "/bin/sh -c set -ex;\n\tapk add git",
        "|2 A=b C=d e /bin/sh -c make all",
        "|1 A=b custom-shell make all",
        "|0 /bin/sh -c make",
        "RUN |1 V=1 /bin/sh -c apk add git # buildkit",
        "RUN /bin/bash -o pipefail -c apk add git # buildkit",
        "RUN --mount=type=cache,target=/x /bin/sh -c pip install y",
        "COPY hello / # buildkit",
        "  COPY hello /  ",
        "cmd /S /C #(nop) COPY file:12ab in C:\\ ",
        "RUN cmd /S /C #(nop) COPY file:12ab in C:\\ ",
        r"cmd /S /C type C:\x",
        "powershell -Command $ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; pip list",
        "Apply image 10.0.1",
        "# debian.sh --arch 'amd64' out/ 'trixie' '@1'",
        'ENTRYPOINT &{["/x"]}',
        '/bin/sh -c #(nop) ENTRYPOINT &{["/x"] "/x" \'\\x00\'}',
        "bazel build //some:image",
        "run something",
        "RUN",
        "",
    ],
)
def test_a_step_reads_in_sql_as_in_python(macros: Store, raw: str) -> None:
    """plain_step says what steps.normalise_step says, whoever built the image; so do their digests."""
    assert read(macros, "plain_step", raw) == normalise_step(raw)
    assert read(macros, "step_text_digest", raw) == text_digest(raw)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ROOT, f"/bin/sh -c #(nop) ADD file:{HEX[::-1]} in / "),
        ("/bin/sh -c apk add --no-cache git", "RUN /bin/sh -c apk add --no-cache git # buildkit"),
        ("RUN apt-get update && \\\n    apt-get install x", "/bin/sh -c apt-get update &&     apt-get install x"),
        ("RUN |1 V=3.1 /bin/sh -c pip install $V # buildkit", "|2 V=3.2 W=x y /bin/sh -c pip install $V"),
        ("# ARGS: DISTRO_NAME=zookeeper-3.4.10\nRUN wget $DISTRO_NAME.tar.gz", "RUN wget $DISTRO_NAME.tar.gz"),
        ("ENV PYTHON_VERSION=3.14.0rc1", "ENV PYTHON_VERSION=3.6.2"),
        ("ENV GOLANG_VERSION=1.9beta2", "ENV GOLANG_VERSION=1.10"),
        ("RUN apk add openjdk8-jre=8.131.11-r2", "RUN apk add openjdk8-jre=8.151.12-r0"),
        ("RUN apt-get install libssl1.0.2 libffi6", "RUN apt-get install libssl3 libffi8"),
        (
            "RUN curl -L https://github.com/o/p/releases/download/v1.2.3/p-v1.2.3-linux-amd64.tgz",
            "RUN curl -L https://github.com/o/p/releases/download/v1.10.0/p-v1.10.0-linux-arm64.tgz",
        ),
        (
            "RUN curl https://x.test/raw/65986a26949050d26e6ec98915da4aade8d8679d/get.py",
            "RUN curl https://x.test/raw/ffe826207a010164265d9cc807978e3604d18ca0/get.py",
        ),
        ("RUN git checkout 1a2b3c4", "RUN git checkout 99f00ab"),
        ("RUN gpg --recv-keys C01E1CAD5EA2C4F0", "RUN gpg --recv-keys 97FC712E4C024BBE"),
        ("RUN echo 'sha256:" + HEX + "  x' | check", "RUN echo 'sha256:" + HEX[::-1] + "  x' | check"),
        ("RUN wget x-aarch64.tar.xz", "RUN wget x-x86_64.tar.xz"),
        ("RUN dl arm32v7 armhf i386", "RUN dl arm64v8 armel s390x"),
        (
            "RUN # debian.sh --arch 'amd64' out/ 'trixie' '@1'",
            "# debian.sh --arch 'riscv64' out/ 'trixie' '@1787529600'",
        ),
        ("Apply image 10.0.14393.0", "RUN Apply image 10.0.17763.1"),
        ("LABEL built=2026-08-25T10:00:00Z", "LABEL built=2019-10-17T05:38:15Z"),
        ("ENV ID=123e4567-e89b-12d3-a456-426614174000", "ENV ID=00000000-abcd-abcd-abcd-ffffffffffff"),
    ],
)
def test_what_moves_from_build_to_build_is_no_difference(macros: Store, first: str, second: str) -> None:
    """Builders, versions, digests, commits, keys, dates and architectures."""
    assert read(macros, "normal_step", first) == read(macros, "normal_step", second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("RUN apt-get install git", "RUN apt-get install git mercurial"),
        ("COPY app /opt", "COPY app /srv"),
        ("ENV A=1", "ENV B=1"),
        ("ENV PATH=/a", "ENV PATH=/b"),
        ("RUN make face", "RUN make added"),
        ('CMD ["a"]', 'ENTRYPOINT ["a"]'),
    ],
)
def test_other_steps_stay_apart(macros: Store, first: str, second: str) -> None:
    """Packages, paths, names and words are kept."""
    assert read(macros, "normal_step", first) != read(macros, "normal_step", second)


@pytest.mark.real_history
def test_real_steps_read_in_sql_as_in_python(macros: Store, real_data: Path) -> None:
    """All steps of all pages of repo-info, in whatever form builders wrote them."""
    with open_documents(real_data / "repo-info.bundle") as documents:
        records = repo_info.collect(documents, Reading(day(1), known=set()))
        texts = sorted({step.created_by for step in records if isinstance(step, History) and step.created_by})
    frame = macros.sql(
        """
        select text, plain_step(text) as plain, normal_step(text) as normal, step_text_digest(text) as digest,
        from (select unnest($texts) as text)
        """,
        {"texts": texts},
    )
    assert frame.height > 1_000
    texts = [re.sub(r"\A# ARGS:[^\n]*\n", "", text) for text in frame["text"]]
    assert frame["plain"].to_list() == list(map(normalise_step, texts))
    assert frame["digest"].to_list() == [text_digest(text) for text in frame["text"]]
    assert frame["normal"].n_unique() < frame["plain"].n_unique() / 3


def matched(tmp_path: Path, before: list[Made], after: list[Made]) -> list[tuple[int | None, int | None, str | None]]:
    """From position, to position and how they matched; those that went first."""
    commit(tmp_path, day(1), [*built("a1", before), *built("a2", after)])
    frame = Store.in_memory(Journal(tmp_path / "journal")).sql(
        """
        with pair as (select $before as from_manifest_digest, $after as to_manifest_digest)
        select from_position, to_position, match from step_match('pair') order by 2 nulls first, 1
        """,
        {"before": digest("a1"), "after": digest("a2")},
    )
    return frame.rows()


def test_each_rule_takes_what_the_one_before_left(tmp_path: Path) -> None:
    """Content, text, text without versions, label; what has no partner came or went."""
    before = [
        Made("1", 50, ROOT),
        Made("2", 20, CERTIFICATES),
        Made("3", 5, "RUN make all"),
        Made("4", 9, "RUN curl -o x.tgz https://x.test/x-1.2.tgz"),
        Made("5", 1, "RUN rm /x"),
        Made("6", 7, "COPY app /opt/app"),
    ]
    after = [
        Made("11", 52, DEBIAN),
        Made("12", 25, MORE_CERTIFICATES),
        Made("13", 6, "RUN make all"),
        Made("14", 9, "RUN curl -o x.tgz https://x.test/x-1.3.tgz"),
        Made("6", 7, "COPY app /opt/app"),
        Made("15", 3, "RUN useradd app"),
    ]
    assert matched(tmp_path, before, after) == [
        (4, None, None),
        (0, 0, "label"),
        (1, 1, "label"),
        (2, 2, "text"),
        (3, 3, "normal text"),
        (5, 4, "layer"),
        (None, 5, None),
    ]


def test_builders_write_one_step_in_two_ways(tmp_path: Path) -> None:
    """The classic builder's line and BuildKit's are the same text."""
    before = [Made("1", 5, "/bin/sh -c apk add --no-cache git"), Made("2", 4, "/bin/sh -c #(nop) COPY dir:12ab in /x ")]
    after = [Made("3", 6, "RUN /bin/sh -c apk add --no-cache git # buildkit"), Made("4", 5, "COPY . /x # buildkit")]
    assert matched(tmp_path, before, after)[0] == (0, 0, "text")


def test_a_label_is_enough(tmp_path: Path) -> None:
    """Where the texts are not kept, label and instruction match."""
    labels = ["ADD root filesystem", "RUN apt-get install git", "RUN make install"]
    before = [Made(f"{n}", n + 1, None, label) for n, label in enumerate(labels)]
    after = [Made(f"{n}9", n + 2, None, label) for n, label in enumerate([labels[0], "RUN ln idle", *labels[1:]])]
    assert matched(tmp_path, before, after) == [
        (0, 0, "label"),
        (None, 1, None),
        (1, 2, "label"),
        (2, 3, "label"),
    ]


def test_a_step_that_is_there_several_times_stands_between_the_same_others(tmp_path: Path) -> None:
    """A further `RUN true` at the beginning does not move the others by one."""
    before = [Made("1", 9, "RUN a b"), Made("2", 1, "RUN true"), Made("3", 9, "RUN c d"), Made("4", 2, "RUN true")]
    after = [
        Made("5", 3, "RUN true"),
        Made("1", 9, "RUN a b"),
        Made("6", 1, "RUN true"),
        Made("3", 9, "RUN c d"),
        Made("7", 2, "RUN true"),
    ]
    assert matched(tmp_path, before, after) == [
        (None, 0, None),
        (0, 1, "layer"),
        (1, 2, "text"),
        (2, 3, "layer"),
        (3, 4, "text"),
    ]


def test_repeats_without_neighbours_match_in_order(tmp_path: Path) -> None:
    """The k-th with the k-th."""
    before = [Made("1", 1, "RUN true"), Made("2", 2, "RUN true")]
    after = [Made("3", 3, "RUN true"), Made("4", 4, "RUN true"), Made("5", 5, "RUN true")]
    assert matched(tmp_path, before, after) == [(0, 0, "text"), (1, 1, "text"), (None, 2, None)]


def test_empty_layers_match_by_their_steps_first(tmp_path: Path) -> None:
    """Settings that made a layer each hold the same nothing, and are not the same for it."""
    before = [Made("0", 32, "ENV A=1"), Made("0", 32, "ENV B=1"), Made("0", 32, 'CMD ["x"]')]
    after = [Made("0", 32, "ENV B=1"), Made("0", 32, 'CMD ["x"]'), Made("0", 32, "EXPOSE 80")]
    assert matched(tmp_path, before, after) == [
        (0, None, None),
        (1, 0, "layer"),
        (2, 1, "layer"),
        (None, 2, None),
    ]


def test_empty_layers_of_unknown_steps_match_in_order(tmp_path: Path) -> None:
    """There is nothing but their content."""
    before = [Made("0", 32, None), Made("1", 9, None), Made("0", 32, None)]
    after = [Made("0", 32, "ENV A=1"), Made("0", 32, "ENV B=1"), Made("1", 9, "RUN a b")]
    assert matched(tmp_path, before, after) == [(0, 0, "layer"), (2, 1, "layer"), (1, 2, "layer")]


def test_a_step_that_changed_places_is_the_same(tmp_path: Path) -> None:
    """Its text says so."""
    before = [Made("1", 1, "RUN a b"), Made("2", 2, "RUN c d"), Made("3", 3, "RUN e f")]
    after = [Made("3", 3, "RUN e f"), Made("1", 1, "RUN a b"), Made("9", 4, "RUN c d")]
    assert matched(tmp_path, before, after) == [(2, 0, "layer"), (0, 1, "layer"), (1, 2, "text")]


def test_a_rewritten_step_stands_where_it_stood(tmp_path: Path) -> None:
    """Between the same two others, the same program; another program is another step."""
    before = [Made("1", 9, "RUN a b"), Made("2", 5, "RUN ln -s x y"), Made("3", 9, "RUN c d"), Made("4", 5, "RUN e f")]
    after = [Made("1", 9, "RUN a b"), Made("5", 6, "RUN ln -s z w"), Made("3", 9, "RUN c d"), Made("6", 6, "RUN g h")]
    assert matched(tmp_path, before, after) == [
        (3, None, None),
        (0, 0, "layer"),
        (1, 1, "position"),
        (2, 2, "layer"),
        (None, 3, None),
    ]


def test_a_setting_is_what_it_sets(tmp_path: Path) -> None:
    """ENV A does not become ENV B."""
    before, after = [Made("1", 9, "ENV A=1")], [Made("2", 9, "ENV B=1")]
    assert matched(tmp_path, before, after) == [(0, None, None), (None, 0, None)]


def test_unknown_steps_match_by_content_else_by_place(tmp_path: Path) -> None:
    """By place only where as many are left on both sides."""
    before = [Made("1", 9, None), Made("2", 5, None), Made("3", 5, None)]
    after = [Made("1", 9, "RUN a b"), Made("5", 6, "RUN c d"), Made("6", 7, "RUN e f")]
    assert matched(tmp_path, before, after) == [(0, 0, "layer"), (1, 1, "position"), (2, 2, "position")]


def test_unknown_steps_are_left_unknown(tmp_path: Path) -> None:
    """Two layers became one: nobody can say which."""
    before = [Made("1", 9, None), Made("2", 5, None), Made("3", 5, None)]
    after = [Made("1", 9, "RUN a b"), Made("5", 6, "RUN c d")]
    assert matched(tmp_path, before, after) == [(1, None, None), (2, None, None), (0, 0, "layer"), (None, 1, None)]


def test_pairs_are_matched_each_for_itself(tmp_path: Path) -> None:
    """Many at once give what each gives alone; a pair that is given twice counts once."""
    first, second, third = ([Made(f"{n}{size}", size, "RUN a b") for size in range(1, n + 1)] for n in (1, 2, 3))
    commit(tmp_path, day(1), [*built("a1", first), *built("a2", second), *built("a3", third)])
    frame = Store.in_memory(Journal(tmp_path / "journal")).sql(
        """
        with pair as (
            select before as from_manifest_digest, after as to_manifest_digest
            from (values ($a1, $a2), ($a2, $a3), ($a1, $a2), ($a1, $a1), ($a1, null)) as given (before, after)
        )
        select from_manifest_digest, to_manifest_digest, count(*), count(match) from step_match('pair') group by all
        order by all
        """,
        {name: digest(name) for name in ("a1", "a2", "a3")},
    )
    assert frame.rows() == [
        (digest("a1"), digest("a1"), 1, 1),
        (digest("a1"), digest("a2"), 2, 1),
        (digest("a2"), digest("a3"), 3, 2),
    ]
