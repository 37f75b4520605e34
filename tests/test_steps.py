"""Build steps: their text, instruction and label, in every form that builders and pages write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imglab.steps import INSTRUCTIONS, LABEL_LENGTH, instruction, normalise_step, step_label

HEX = "ab12" * 16


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c set -ex;\n\tapk add git", "RUN set -ex; apk add git"),
        ("|2 A=b C=d e /bin/sh -c make all", "RUN make all"),
        ("|1 A=b custom-shell make all", "RUN custom-shell make all"),
        ("RUN |1 V=1 /bin/sh -c apk add git # buildkit", "RUN apk add git"),
        ("RUN /bin/sh -c apk add git # buildkit", "RUN apk add git"),
        ("RUN /bin/bash -o pipefail -c apk add git # buildkit", "RUN apk add git"),
        ("RUN --mount=type=cache,target=/x /bin/sh -c pip install y", "RUN pip install y"),
        ("COPY hello / # buildkit", "COPY hello /"),
        (r"cmd /S /C #(nop) COPY file:12ab in C:\ ", "COPY file:12ab in C:\\"),
        (r"RUN cmd /S /C #(nop) COPY file:12ab in C:\ ", "COPY file:12ab in C:\\"),
        (r"cmd /S /C type C:\x", r"RUN type C:\x"),
        (
            "powershell -Command $ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; pip list",
            "RUN pip list",
        ),
        ("Apply image 10.0.1", "RUN Apply image 10.0.1"),
        ("# debian.sh --arch 'amd64' out/ 'trixie' '@1'", "RUN # debian.sh --arch 'amd64' out/ 'trixie' '@1'"),
        ('ENTRYPOINT &{["/x"]}', 'ENTRYPOINT ["/x"]'),
        ('/bin/sh -c #(nop) ENTRYPOINT &{["/x"] "/x" \'\\x00\'}', 'ENTRYPOINT ["/x"]'),
        ("bazel build //some:image", "bazel build //some:image"),
        ("", ""),
    ],
)
def test_text_of_a_step(raw: str, text: str) -> None:
    """Shells, arguments and marks of the builders go; what is not known to be a step stays."""
    assert normalise_step(raw) == text


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("/bin/sh -c #(nop)  ENV A=b", "ENV"),
        ("WORKDIR /x", "WORKDIR"),
        ("Apply image 1803-RTM-amd64", "RUN"),
        ("Install update 10.0.1", "RUN"),
        ("/bin/sh -c true", "RUN"),
        ("apko", None),
        ("run something", None),
        ("", None),
    ],
)
def test_instruction(raw: str, name: str | None) -> None:
    """Only what a builder writes has an instruction."""
    assert instruction(raw) == name


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        (f"ADD file:{HEX} in / ", "ADD root filesystem"),
        ("ADD alpine-minirootfs-3.20.1-x86_64.tar.gz / # buildkit", "ADD root filesystem"),
        ("RUN # debian.sh --arch 'i386' out/ 'trixie' '@178'", "ADD root filesystem"),
        (f"COPY file:{HEX} in /usr/local/bin/", "COPY file to /usr/local/bin"),
        (f"COPY multi:{HEX} in /patches/", "COPY files to /patches"),
        ("COPY app-1.2.3.jar lib.so doc /opt/ # buildkit", "COPY app.jar lib.so … to /opt"),
        ('ENTRYPOINT ["/run.sh"]', "ENTRYPOINT /run.sh"),
        ("ENV GOLANG_VERSION=1.2", "ENV GOLANG_VERSION"),
        ("ENV GOLANG_VERSION 1.2", "ENV GOLANG_VERSION"),
        ("EXPOSE map[80/tcp:{}]", "EXPOSE 80/tcp"),
        ("RUN pip3 install --no-cache-dir wheel==1.0", "RUN pip3 install wheel"),
        ("ONBUILD RUN pip install -r requirements.txt", "ONBUILD RUN pip install"),
        ("RUN Apply image 10.0.1", "RUN Apply image"),
        ("Install update 1803-amd64", "RUN Install update"),
        ("RUN apk add --no-cache su-exec bash", "RUN apk add su-exec bash"),
        ("RUN echo 'deb http://x y' > /etc/apt/z.list", "RUN write /etc/apt/z.list"),
        ("RUN $env:X = '1'; Invoke-WebRequest -Uri $u -OutFile 'go.zip'; Expand-Archive go.zip", "RUN download go.zip"),
        ("RUN Invoke-WebRequest -Uri $u -OutFile 'py.exe'; Start-Process py.exe -Wait", "RUN install py.exe"),
        ("bazel build //some:image", "bazel build"),
        ("", None),
    ],
)
def test_label(raw: str, label: str | None) -> None:
    """A label names instruction, program and object, and nothing that moves."""
    assert step_label(raw) == label


@pytest.mark.parametrize(
    ("steps", "label"),
    [
        (
            [
                "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl wget",
                "RUN set -eux; apt-get install -y ca-certificates curl gnupg netbase sq wget ; rm -rf /x # buildkit",
            ],
            "RUN apt-get install ca-certificates curl …",
        ),
        (
            [
                "RUN apt-get install -y bzr git mercurial openssh-client && rm -rf /x",
                "RUN apt-get install -y git mercurial openssh-client procps; rm -rf /x",
            ],
            "RUN apt-get install git openssh-client …",
        ),
        (
            [
                "RUN apt-get install -y tcl tk",
                "RUN apt-get install -y tk-dev",
                "RUN apt-get install -y tk-dev uuid-dev",
            ],
            "RUN apt-get install tk …",
        ),
        (
            [
                "RUN cd /usr/local/bin \t&& ln -s idle3 idle \t&& ln -s pydoc3 pydoc",
                'RUN set -eux; for src in idle3 pip3; do dst="$(echo "$src" | tr -d 3)"; [ -s "/x/$src" ]; '
                'ln -svT "$src" "/x/$dst"; done',
            ],
            "RUN ln idle3",
        ),
        (
            [
                "RUN set -ex && buildDeps=' tcl-dev ' && apt-get install -y $buildDeps && curl -fSL "
                '"https://x/$V.tar.xz" '
                "-o python.tar.xz && ./configure && make -j 4 && make install && apt-get purge -y $buildDeps",
                'RUN set -eux; savedAptMark="$(apt-mark showmanual)"; apt-get install -y gcc; wget -O python.tar.xz '
                '"https://x/$V.tar.xz"; ./configure $(test a != b && echo c); nproc="$(nproc)"; '
                'make -j "$nproc"; make install',
            ],
            "RUN make install (python.tar.xz)",
        ),
        (
            [
                'RUN set -ex; wget -O get-pip.py "https://x/get-pip.py"; python get-pip.py "pip==$V"; pip --version',
                "RUN Invoke-WebRequest -Uri 'https://x/get-pip.py' -OutFile 'get-pip.py'; python get-pip.py",
            ],
            "RUN python get-pip.py",
        ),
    ],
)
def test_label_outlives_changes_of_the_text(steps: list[str], label: str) -> None:
    """The same kind of step has one label over the years."""
    assert {step_label(step) for step in steps} == {label}


def test_packages_that_go_again_are_not_named() -> None:
    """Packages removed in the same step, by name, by group or by mark, leave the label to what stays."""
    by_name = "RUN apt-get install -y wget; wget -O /usr/bin/gosu https://x/gosu; apt-get purge -y wget"
    by_group = "RUN apk add --virtual .fetch gnupg && wget http://x/tool.tar.gz && apk del .fetch"
    by_mark = "RUN apt-get install -y gcc; npm install left; apt-mark auto '.*'; apt-get purge --auto-remove"
    assert [step_label(step) for step in (by_name, by_group, by_mark)] == [
        "RUN download gosu",
        "RUN download tool.tar.gz",
        "RUN npm install left",
    ]


def test_conditional_commands_come_last() -> None:
    """What is only done in some cases names the step only if there is nothing else."""
    assert step_label("RUN if ! which gpg; then apt-get install -y gnupg2; fi; adduser x") == (
        "RUN apt-get install gnupg"
    )
    assert step_label("RUN if [ -e x ]; then make; fi; adduser y") == "RUN adduser y"


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    """Every text has a one-line form, and a label that fits or none."""
    label = step_label(text)
    assert "\n" not in normalise_step(text)
    assert label is None or 0 < len(label) <= LABEL_LENGTH
    assert instruction(text) is None or instruction(text) in INSTRUCTIONS


@given(st.lists(st.sampled_from(["$(", '"', "'", "`", "${", "}", ")", "if", "fi", ";", " ", "\\", "for x in y", "&&"])))
def test_broken_shell_is_survived(parts: list[str]) -> None:
    """Unbalanced quotes and substitutions end with the text."""
    label = step_label("RUN " + "".join(parts))
    assert label is not None and label.startswith("RUN")


def test_long_text_is_read_in_time_and_size() -> None:
    """A step of a megabyte is read only as far as it can matter."""
    assert step_label("RUN apk add git " + "$(" * 500_000) == "RUN apk add git"
