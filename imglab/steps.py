"""
Build steps as people read them: the text of a step, its instruction and a short label for charts.

`created_by` reaches us in many forms: the classic builder's shell lines with `#(nop)` marks, BuildKit's lines ending in
`# buildkit`, Windows shells, and the pages of repo-info, which print them without the shell. Seen to hold in documents
from 2016 to September 2026. Build arguments stand before the shell as `|2 A=b C=d`; their values may hold blanks.

A label is made of instruction, program and the first packages. It holds no version, digest, date or count, so that the
same step keeps its label while its text changes from release to release.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INSTRUCTIONS = _words(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME "
    "WORKDIR"
)
ROOT_FILESYSTEM = "ADD root filesystem"
LABEL_LENGTH = 48
# What a hostile config could hold beyond this tells nothing about the kind of the step.
_READ_LENGTH = 32_768
_WORD_LENGTH = 256  # of what a label is made from: patterns may look at each part of a word several times
_LIST_LENGTH = 4096  # of a command written as JSON, likewise
_REMEMBERED = 8192  # steps; images of one repository share most of theirs

_NOP = re.compile(r"^(?:RUN\s+)?[^\n]{0,400}?#\(nop\)\s+(?=[A-Z]+\b)")
_BUILDKIT = re.compile(r"(?<!\s)\s*# buildkit\s*$")
_RUN_FLAGS = re.compile(r"^(?:--(?:mount|network|security)=\S+\s+)+")
_ARGUMENTS = re.compile(r"^\|(\d{1,4})\s+")
_SHELL = re.compile(
    r"^(?:/(?:usr/)?bin/(?:ba|a|da)?sh(?:\s+-[a-z]+(?:\s+pipefail)?)*?\s+-[a-z]*c\s"
    r"|(?:C:\\Windows\\System32\\)?cmd(?:\.exe)?\s+/S\s+/C\s"
    r"|(?:powershell|pwsh)(?:\.exe)?(?:\s+-[A-Za-z]+(?:\s+(?:Bypass|RemoteSigned))?)*?\s+-Command\s)\s*",
    re.IGNORECASE,
)
_SHELL_AFTER_ARGUMENTS = re.compile(
    r"\s(?=/(?:usr/)?bin/(?:ba|a|da)?sh\s+-|cmd(?:\.exe)?\s+/S\s+/C\s|(?:powershell|pwsh)(?:\.exe)?\s+-)", re.IGNORECASE
)
_PREFERENCES = re.compile(
    r"^(?:\$(?:ErrorActionPreference|ProgressPreference|verbosePreference)\s*=\s*'?\w+'?\s*;\s*)+"
)
_GO_STRUCT = re.compile(r"^&\{(\[[^\]]*\]).*\}$", re.DOTALL)
_PAGE_ARGUMENTS = re.compile(r"^\s*# ARGS:[^\n]*\n")  # a line of its own on pages
_LINE_END = re.compile(r"\s\\(?:\s|$)")  # that pages of 2016 and before keep
_WINDOWS_BASE = re.compile(r"^(Apply image|Install update)\b", re.IGNORECASE)
_DEBIAN_BASE = re.compile(r"^#\s*debian\.sh\b")


def normalise_step(created_by: str) -> str:
    """
    The step as a Dockerfile would have it, `INSTRUCTION rest`, on one line.

    Shell, build arguments and the builder's marks are gone, white space is single. Text that no builder is known to
    write is returned as it is, on one line.
    """
    name, rest = _split(created_by)
    return " ".join(f"{name or ''} {rest}".split())


def text_digest(created_by: str) -> str:
    """A digest that tells the text of a step from others where the text itself is not kept."""
    plain = _LINE_END.sub(" ", normalise_step(_PAGE_ARGUMENTS.sub("", created_by)))
    return f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"


@lru_cache(maxsize=_REMEMBERED)
def instruction(created_by: str) -> str | None:
    """The Dockerfile instruction in upper case; None if the text is not known to come from one."""
    return _split(created_by)[0]


@lru_cache(maxsize=_REMEMBERED)
def step_label(created_by: str) -> str | None:
    """A label of at most 48 characters that stays the same for the same kind of step; None for an empty text."""
    name, rest = _split(created_by[:_READ_LENGTH])
    if name is None:
        return _shorten(" ".join(_plain(word) for word in rest.split()[:2])) or None
    if name == "ONBUILD":
        return _shorten(f"ONBUILD {step_label(rest) or ''}".strip())
    if name == "RUN":
        return _shorten(_run_label(rest))
    if name in {"ADD", "COPY"}:
        return _shorten(_copy_label(name, rest))
    return _shorten(f"{name} {_setting(name, rest)}".strip())


def is_conditional(created_by: str) -> bool:
    """Whether every command of a RUN step stands under a condition, so that the step may have changed nothing."""
    name, rest = _split(created_by)
    if name != "RUN":
        return False
    commands = [command for command in _commands(rest) if command.words[0] not in ("set", "true", ":")]
    return bool(commands) and all(command.is_conditional for command in commands)


def _split(created_by: str) -> tuple[str | None, str]:
    text = _BUILDKIT.sub("", created_by.strip())
    text = _NOP.sub("", text)
    word, _, rest = text.partition(" ") if " " in text else text.partition("\t")
    if word in INSTRUCTIONS and word != "RUN":
        return word, _GO_STRUCT.sub(r"\1", rest.strip())
    if word == "RUN":
        return "RUN", _shell_text(rest)
    if _WINDOWS_BASE.match(text) or _DEBIAN_BASE.match(text):
        return "RUN", text
    if _ARGUMENTS.match(text) or _SHELL.match(text):
        return "RUN", _shell_text(text)
    return None, text


def _shell_text(text: str) -> str:
    text = _RUN_FLAGS.sub("", text.strip())
    arguments = _ARGUMENTS.match(text)
    if arguments:
        shell = _SHELL_AFTER_ARGUMENTS.search(text)
        words = text.split(None, int(arguments[1]) + 1)
        text = text[shell.end() :] if shell else words[-1] if len(words) > int(arguments[1]) + 1 else ""
    text = _SHELL.sub("", text, count=1)
    return _PREFERENCES.sub("", text).strip()


# --- words -----------------------------------------------------------------------------------------------------------

_HEXADECIMAL = re.compile(r"(?:\w+:)?\b[0-9a-fA-F]{12,}\b")
_VARIABLE = re.compile(r"[-_.v]*(?<=.)\$(?:\{[^}]*\}|\w+)|\$\([^)]*\)")
_VERSION = re.compile(r"(?<![A-Za-z0-9])v?\d+(?:[._]\d+)+(?:[-+~._]?(?:rc|alpha|beta|r|a|b|p)\d*)?(?![A-Za-z])")
_DOTTED = re.compile(r"\d+(?:\.\d+)+")
_NUMBER = re.compile(r"(?<=[-_.])\d+(?=$|[-_.])|\d{2,}$")
_ARCHIVE = re.compile(r"\.(?:tar(?:\.\w{1,4})?|tgz|tbz2?|txz|zip|7z|deb|rpm|apk|jar|war|whl|exe|msi|phar|py|sh|bin)$")


def _plain(word: str) -> str:
    """*word* without versions, variables, digests and numbers that move."""
    word = _HEXADECIMAL.sub("", word[:_WORD_LENGTH].strip("'\""))
    if re.fullmatch(r"[A-Za-z]:\\\\?|[\w.]+\+\+", word):
        return word
    ending = _ARCHIVE.search(word)
    stem, tail = (word[: ending.start()], ending[0]) if ending else (word, "")
    for pattern in (_VARIABLE, _VERSION, _DOTTED, _NUMBER):
        stem = pattern.sub("", stem)
    stem = re.sub(r"[-_.]{2,}", "-", stem).strip("-_.:=~+^" if not stem.startswith("/") else "-_:=~^")
    return stem + tail if stem else ""


def _shorten(text: str) -> str:
    """*text* cut at a word so that it fits a chart."""
    text = " ".join(text.split())
    if len(text) <= LABEL_LENGTH:
        return text
    head = text[: LABEL_LENGTH - 1]
    cut = head.rpartition(" ")[0] if " " in head[12:] else head[:-1]
    return cut.rstrip(" …,") + " …"


def _setting(name: str, rest: str) -> str:
    if name in {"ENV", "ARG", "LABEL"}:
        return re.split(r"[=\s]", rest.strip("'\""), maxsplit=1)[0]
    if name in {"MAINTAINER", "HEALTHCHECK"}:
        return ""
    if name == "EXPOSE":
        return " ".join(re.findall(r"\d+(?:/\w+)?", rest)[:3])
    words = [word for word in re.findall(r"[^\s\[\]\",]+", rest) if not word.startswith("-")]
    return " ".join(filter(None, (_plain(word) for word in words[: 1 if name == "SHELL" else 2])))


# --- ADD and COPY ----------------------------------------------------------------------------------------------------

_HASHED = re.compile(r"^(file|multi|dir):[0-9a-f]{6,}\s+in\s+(.*)$", re.DOTALL)
_HASHED_NAMES = {"file": "file", "multi": "files", "dir": "directory"}
_ROOT_ARCHIVE = re.compile(r"rootfs|minirootfs|\.tar(?:\.\w+)?$|\.tgz$|^oci-layout$|^busybox", re.IGNORECASE)


def _copy_label(name: str, rest: str) -> str:
    hashed = _HASHED.match(rest)
    if hashed:
        target = hashed[2].strip()
        if name == "ADD" and hashed[1] == "file" and target == "/":
            return ROOT_FILESYSTEM
        return f"{name} {_HASHED_NAMES[hashed[1]]} to {_directory(target)}"
    words = [word for word in re.findall(r"[^\s\[\]\",]+", rest) if not word.startswith("--")]
    if len(words) < 2:
        return f"{name} {' '.join(filter(None, map(_plain, words)))}"
    sources, target = words[:-1], words[-1]
    if target == "/" and len(sources) == 1 and _ROOT_ARCHIVE.search(sources[0].strip("/")):
        return ROOT_FILESYSTEM
    names = [_plain(source.rstrip("/\\").replace("\\", "/").rpartition("/")[2]) or "files" for source in sources]
    return f"{name} {_listed(names)} to {_directory(target)}"


def _directory(path: str) -> str:
    return _plain(path.strip()) if path[1:3] == ":\\" else _plain(path.rstrip("/\\")) or path[:1] or "."


def _listed(names: Sequence[str]) -> str:
    return " ".join(names[:2]) + (" …" if len(names) > 2 else "")


# --- RUN -------------------------------------------------------------------------------------------------------------

_POWERSHELL = re.compile(
    r"\$env:|Invoke-WebRequest|Write-Host|Start-Process|\[Environment\]|Expand-Archive|New-Object|\b[A-Z][a-z]+-[A-Z][a-z]+\b"
    r"(?=\s+[-'$])"
)


def _run_label(text: str) -> str:
    if _DEBIAN_BASE.match(text):
        return ROOT_FILESYSTEM
    base = _WINDOWS_BASE.match(text)
    if base:
        return f"RUN {base[1].capitalize()}"
    if _POWERSHELL.search(text):
        return f"RUN {_powershell_action(text)}"
    if text.startswith("["):
        text = " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text[:_LIST_LENGTH]))
    return f"RUN {_shell_action(list(_commands(text)), text)}"


def _powershell_action(text: str) -> str:
    if "get-pip.py" in text:
        return "python get-pip.py"
    file = re.search(r"(?:-OutFile\s+|DownloadFile\([^,)]+,\s*)['\"]?([\w.\\/:-]+)", text)
    if file:
        name = _plain(file[1].replace("\\", "/").rpartition("/")[2])
        return f"{'install' if re.search(r'Start-Process|msiexec', text) else 'download'} {name}"
    variable = re.search(r"(?:SetEnvironmentVariable\(\s*'|\bsetx\s+/M\s+)(\w+)", text)
    if variable:
        return f"set {variable[1]}"
    command = re.search(r"(?:^|;)\s*(?!Write-Host|\$|\[)([A-Za-z][\w.-]*)(?:\s+([\w.:\\/-]+))?", text)
    return " ".join(filter(None, (_plain(part or "") for part in command.groups()))) if command else "powershell"


@dataclass(frozen=True, slots=True)
class _Command:
    words: tuple[str, ...]  # program and operands; assignments in front are kept apart
    is_conditional: bool  # inside if or case, or after ||


_RESERVED_OPEN = {"if", "case"}
_RESERVED_CLOSE = {"fi", "esac"}
_RESERVED = {"then", "do", "else", "elif", "done", "while", "until", "!", "{", "}", "time", "sudo", "exec", "command"}
_ASSIGNMENT = re.compile(r"^\w+\+?=", re.DOTALL)


def _commands(text: str) -> Iterator[_Command]:
    """The simple commands of a shell text in order. Loops are written out for their first word only."""
    depth, is_alternative = 0, False
    words: list[str] = []
    for lexeme in (*_tokens(text), ";"):
        if lexeme not in _OPERATORS:
            words.append(lexeme)
            continue
        for command, opened in _statement(words):
            yield _Command(tuple(command), depth + opened > 0 or is_alternative)
        depth = max(0, depth + sum(w in _RESERVED_OPEN for w in words[:1]) - sum(w in _RESERVED_CLOSE for w in words))
        is_alternative = lexeme == "||"
        words = []


_OPERATORS = {"&&", "||", ";;", ";", "&", "|", "(", ")", "\n"}


def _statement(words: list[str]) -> Iterator[tuple[list[str], int]]:
    opened = 0
    while words and (words[0] in _RESERVED or words[0] in _RESERVED_OPEN):
        opened += words[0] in _RESERVED_OPEN
        words = words[1:]
    if words and words[0] not in _RESERVED_CLOSE:
        yield words, opened


def _tokens(text: str) -> Iterator[str]:
    """Words and operators; quotes are removed, substitutions stay within their word."""
    at, is_word = 0, False
    word: list[str] = []
    text = text.replace("\\\n", " ")
    while at < len(text):
        character = text[at]
        if character in " \t\r\n;&|()" or (character == "#" and not is_word):
            if is_word:
                yield "".join(word)
            word, is_word = [], False
            operator, at = _operator(text, at)
            if operator:
                yield operator
            continue
        part, at = _word_part(text, at)
        word.append(part)
        is_word = True
    if is_word:
        yield "".join(word)


def _operator(text: str, at: int) -> tuple[str, int]:
    if text[at] == "#":
        end = text.find("\n", at)
        return "", len(text) if end < 0 else end
    pair = text[at : at + 2]
    if pair in _OPERATORS:
        return pair, at + 2
    return (text[at] if text[at] in _OPERATORS else ""), at + 1


def _word_part(text: str, at: int) -> tuple[str, int]:
    """A piece of a word beginning at *at*, and where it ends."""
    character = text[at]
    if character == "\\":
        return text[at + 1 : at + 2], at + 2
    if character == "'":
        end = text.find("'", at + 1)
        end = len(text) if end < 0 else end
        return text[at + 1 : end], end + 1
    if character == '"':
        end = _closing(text, at + 1, '"')
        return text[at + 1 : end], end + 1
    if text.startswith("$(", at):
        end = _closing(text, at + 2, ")")
        return text[at : end + 1], end + 1
    if text.startswith("${", at):
        end = _closing(text, at + 2, "}")
        return text[at : end + 1], end + 1
    if character == "`":
        end = text.find("`", at + 1)
        end = len(text) if end < 0 else end
        return "$()", end + 1
    return character, at + 1


def _closing(text: str, at: int, end: str) -> int:
    """Where the construct that began before *at* ends; the end of the text if it does not."""
    stack = [end]
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
        elif character == stack[-1]:
            stack.pop()
            if not stack:
                return at
        elif character == "'" and stack[-1] != '"':
            closing = text.find("'", at + 1)
            at = len(text) if closing < 0 else closing
        elif character == '"':
            stack.append('"')
        elif character in "({" and text[at - 1] == "$":
            stack.append(")" if character == "(" else "}")
        elif character == "(" and stack[-1] == ")":
            stack.append(")")
        at += 1
    return len(text)


# --- what a shell step does ------------------------------------------------------------------------------------------

_IDLE = _words(
    ": . [ [[ apt-key apt-mark awk cat cd command continue cp date dpkg dpkg-architecture dpkg-query echo env exit "
    "export false file for gpgconf grep hash ldd local mktemp nproc popd printf pushd pwd read return select set "
    "sha1sum sha256sum sha512sum sha512 shift shopt sleep source sync test touch trap true type umask unset wait which "
    "xargs yes"
)
_WEAK = _words("gpg chmod chown find ldconfig mkdir mv rm rmdir sed strip tar unzip tee install cp awk")
_INSTALL = {
    "apt-get": ("install",),
    "apt": ("install",),
    "apk": ("add",),
    "yum": ("install", "localinstall", "groupinstall"),
    "dnf": ("install",),
    "microdnf": ("install",),
    "tdnf": ("install",),
    "zypper": ("install", "in"),
    "pacman": ("-S", "-Sy", "-Syu"),
    "pip": ("install",),
    "pip3": ("install",),
    "uv": ("pip", "sync"),
    "npm": ("install", "i", "ci"),
    "yarn": ("add", "install"),
    "gem": ("install",),
    "go": ("install", "get", "build"),
    "cargo": ("install", "build"),
    "conda": ("install",),
    "mamba": ("install",),
    "composer": ("install", "require"),
    "docker-php-ext-install": (),
    "pecl": ("install",),
}
_REMOVE = {"apt-get": ("purge", "remove", "autoremove"), "apt": ("purge", "remove"), "apk": ("del",)}
_COMMON = frozenset({"netbase", "tzdata"})  # come and go beside what a step is about
_NAME = re.compile(r"[\w$./\\{}@:+~*-]+")
_TAKES_VALUE = _words("-t --virtual -o -f -r --target-release --root --prefix -i --index-url -c")
_BUILD = _words("make ninja meson cmake ./configure ./make.bash ./Configure ./bootstrap bazel")
# Purposes that kept while their packages came and went: the packages of each that never changed.
_FAMILIES = (
    (frozenset({"autoconf", "automake"}), "autoconf automake …"),
    (frozenset({"git", "openssh-client"}), "git openssh-client …"),
    (frozenset({"ca-certificates", "curl"}), "ca-certificates curl …"),
    (frozenset({"tk-dev"}), "tk …"),
    (frozenset({"tcl", "tk"}), "tk …"),
)


@dataclass(frozen=True, slots=True)
class _Install:
    program: str  # apt-get install
    packages: tuple[str, ...]
    is_conditional: bool


def _shell_action(commands: list[_Command], text: str) -> str:
    commands = list(_expanded(commands))
    builds = [c for c in commands if not c.is_conditional and _name(c) in _BUILD]
    archive = _archive(commands)
    if builds:
        return _build_action(builds, archive)
    if "get-pip.py" in text:
        return "python get-pip.py"
    installs = [i for i in _installs(commands) if i.packages]
    for install in sorted(installs, key=lambda found: found.is_conditional):
        return f"{install.program} {_packages(install.packages)}"
    if archive:
        return f"download {archive}"
    return _other_action(commands)


def _build_action(builds: list[_Command], archive: str | None) -> str:
    names = [_name(command).removeprefix("./") for command in builds]
    program = "make install" if {"make", "configure"} & set(names) else names[0]
    return f"{program} ({archive})" if archive else program


def _expanded(commands: Iterable[_Command]) -> Iterator[_Command]:
    """The commands without assignments, with the variables that the step itself sets put in."""
    values: dict[str, str] = {}
    for command in commands:
        words = list(command.words)
        if words[0] == "for" and len(words) > 3:
            values[words[1]] = words[3]
            continue
        while words and _ASSIGNMENT.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            values[name] = value
        if words:
            yield _Command(tuple(_substituted(words, values)), command.is_conditional)


def _substituted(words: list[str], values: dict[str, str]) -> Iterator[str]:
    for word in words:
        name = word.removeprefix("$").strip("{}")
        if word.startswith("$") and name in values:
            yield from re.sub(r"\$\(.*\)", "", values[name], flags=re.DOTALL).split()
        else:
            yield word


def _name(command: _Command) -> str:
    word = command.words[0]
    return word if word.startswith("./") else word.rpartition("/")[2]


def _operands(command: _Command) -> list[str]:
    """The words after the program that are neither options nor redirections."""
    operands, skips = [], False
    for word in command.words[1:]:
        if skips or word.startswith(("-", ">", "<", "2>")):
            skips = word in _TAKES_VALUE or word in {">", ">>", "<", "2>"}
            continue
        operands.append(word)
    return operands


def _archive(commands: list[_Command]) -> str | None:
    """The name of the first thing downloaded that is unpacked or run; signatures and scripts do not count."""
    for command in commands:
        if _name(command) not in {"wget", "curl"}:
            continue
        words = [word.rpartition("/")[2].partition("?")[0] for word in command.words[1:]]
        after = [b for a, b in zip(command.words, command.words[1:], strict=False) if re.fullmatch(r"-\w*[oO]", a)]
        named = [word.rpartition("/")[2] for word in after if not word.startswith(("http", "-", "$"))]
        for word in (*named, *words):
            name = _plain(word)
            if _ARCHIVE.search(word) and name and not name.startswith("."):
                return name
        if named and (name := _plain(named[0])) and not re.search(r"\.(asc|sig|sha\d+|gpg|key)$", name):
            return name
    return None


def _installs(commands: list[_Command]) -> Iterator[_Install]:
    """What stays installed after the step, for each command that installs."""
    removed = {word for c in commands for word in _operands_after(c, _REMOVE)}
    sweeps = any(_name(c) == "apt-mark" and "auto" in c.words for c in commands)
    for command in commands:
        program, verbs = _name(command), _INSTALL.get(_name(command))
        if verbs is None or (verbs and not set(verbs) & set(command.words)):
            continue
        virtual = [b for a, b in zip(command.words, command.words[1:], strict=False) if a in {"-t", "--virtual"}]
        is_swept = sweeps and program in {"apt", "apt-get"}
        if is_swept or set(virtual) & removed:
            continue
        operands = _operands(command)
        verb = next((word for word in command.words[1:] if word in verbs), "")
        packages = operands[operands.index(verb) + 1 if verb in operands else 0 :]
        kept = [package for word in packages if word not in removed and (package := _package(word))]
        yield _Install(f"{program} {verb}".strip(), tuple(kept), command.is_conditional)


def _operands_after(command: _Command, verbs: dict[str, tuple[str, ...]]) -> list[str]:
    return _operands(command) if set(verbs.get(_name(command), ())) & set(command.words) else []


def _package(word: str) -> str:
    """The name of a package without the version asked for or built into the name."""
    name = re.split(r"[=<>~!\[]|@(?=[\d^~])|\$\(", word, maxsplit=1)[0].rpartition("/")[2]
    name = re.sub(r"^(gnupg|openjdk|php|nodejs|node)\d+", r"\1", _plain(name))
    return re.sub(r"^(lib\D*?)\d+$", r"\1", name).lstrip(".")


def _packages(packages: Sequence[str]) -> str:
    """The packages that name the purpose: programs before libraries, two at most."""
    for members, words in _FAMILIES:
        if members <= set(packages):
            return words
    names = list(dict.fromkeys(packages))
    programs = [name for name in names if not name.startswith("lib") and name not in _COMMON]
    return _listed([name for name in programs if not name.endswith("-dev")] or programs or names)


def _other_action(commands: list[_Command]) -> str:
    """Program and first operands of the command that does most; the weakest ones only if there is nothing else."""

    if not commands:
        return ""
    best = min(commands, key=lambda command: (_weakness(command), command.is_conditional))
    target = _written(best)
    if target:
        return f"write {target}"
    operands = [plain for word in _operands(best) if _NAME.fullmatch(word) and (plain := _plain(word))]
    return " ".join([_plain(_name(best)), *operands[: 1 if _name(best) == "ln" else 2]])


def _weakness(command: _Command) -> int:
    name = _name(command)
    if name in {"rm", "rmdir", "cd", "set"}:
        return 3
    return 1 if name in _WEAK or _written(command) else 2 if name in _IDLE else 0


def _written(command: _Command) -> str | None:
    """The file that a command of mere text is redirected to."""
    if _name(command) not in {"echo", "printf", "cat", "awk", ">", ">>"}:
        return None
    for mark, word in zip(command.words, command.words[1:], strict=False):
        if mark in {">", ">>"} and word not in {"/dev/null", "&2"}:
            return _plain(word)
    return None
