"""What a registry's replies mean: pure functions of a visit, a step each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from imglab import oci
from imglab.doctor.hosts import host_of
from imglab.doctor.step import Step, duration, said, told
from imglab.doctor.visit import Visit
from imglab.errors import ImglabError, ParseError
from imglab.http import Credentials, Exchange, Limits, log_in, next_link, parse_challenges
from imglab.secrecy import claims, expiry, read_object
from imglab.sources.registry import parse_tags

CLOCKS_SECONDS = 60  # by which clocks may differ
_LOW = 10  # a limit of which less than one part in so many is left is worth a word
_KNOWN_SCHEMES = {"basic", "bearer"}
_TYPES = {
    oci.OCI_INDEX: "an index of images",
    oci.DOCKER_LIST: "an index of images",
    oci.OCI_MANIFEST: "one image or artifact",
    oci.DOCKER_MANIFEST: "one image",
}
_ACTION = re.compile(r"[a-z*]{1,20}")
_ADVICE = {  # where the client has none
    "redirect": "whoever runs the registry must correct where it sends its clients",
    "bad-response": "check host and port: this is not how a registry speaks",
    "timeout": "the server or something before it hangs: try again later, or tell whoever runs it",
}
_OVERLOAD = "the registry has had too many requests: wait, or log in for a higher limit"
_TROUBLE = "the registry is in trouble: try again later, or tell whoever runs it"


# --- the registry ----------------------------------------------------------------------------------------------------


def registry_step(visit: Visit) -> Step:
    """What `/v2/` says, where every registry answers."""
    if not visit.pings:
        return Step("registry", "problem", *_trouble_of(visit))
    reply = visit.pings[-1]
    if reply.status is None or 300 <= reply.status < 400:
        trouble, advice = _trouble_of(visit, reply)
        return Step("registry", "problem", f"{trouble}{_elsewhere(visit, visit.pings)}", advice)
    version = reply.headers.get("docker-distribution-api-version")
    seen = f"/v2/ answers {reply.status} in {duration(reply.seconds)}{_elsewhere(visit, visit.pings)}"
    seen += f", {visit.said(version, 40)}" if version else ""
    if reply.status == 401:
        return _challenge_step(visit, seen)
    if reply.status == 200:
        return _open_step(visit, seen, reply)
    return _closed_step(visit, seen, reply)


def _challenge_step(visit: Visit, seen: str) -> Step:
    challenges = visit.challenges
    if "bearer" in challenges:
        bearer = challenges["bearer"]
        service = f" for {visit.said(bearer['service'], 60)}" if bearer.get("service") else ""
        return Step("registry", "ok", f"{seen}; Bearer: tokens of {visit.said(bearer.get('realm', ''), 100)}{service}")
    if "basic" in challenges:
        realm = visit.said(challenges["basic"].get("realm", ""), 60)
        return Step("registry", "ok", f"{seen}; Basic: a name and password for {realm!r}")
    names = visit.said(", ".join(challenges), 60)
    if names:
        return Step("registry", "problem", f"{seen}; it wants {names}", "imglab speaks Basic and Bearer only")
    if _elsewhere(visit, visit.pings):
        return Step("registry", "problem", f"{seen}, where a login is wanted", "use the name of that host instead")
    return Step("registry", "problem", f"{seen}, without saying how to log in", "ask whoever runs it")


def _open_step(visit: Visit, seen: str, reply: Exchange) -> Step:
    if _is_page(reply) and "docker-distribution-api-version" not in reply.headers and visit.status != 200:
        advice = "a web page, no registry: check the host, which may have another name for its registry"
        return Step("registry", "problem", f"{seen}, {_type_of(visit, reply)}", advice)
    return Step("registry", "ok", f"{seen}; it wants no login")


def _closed_step(visit: Visit, seen: str, reply: Exchange) -> Step:
    if visit.status == 200:
        return Step("registry", "warning", seen, "200 or 401 was expected; what was asked for came all the same")
    if reply.status == 400 and b"HTTPS" in reply.body[:1000]:
        way = "leave out --plain-http" if not visit.server.is_loopback else "give --ca-cert FILE or --insecure"
        return Step("registry", "problem", f"{seen}: it wants TLS", f"{way}, so that TLS is spoken")
    if reply.status == 429:
        return Step("registry", "problem", f"{seen}{_wait(visit, reply)}", _OVERLOAD)
    if (reply.status or 0) >= 500:
        return Step("registry", "problem", seen, _TROUBLE)
    if reply.status == 403:
        advice = "it is not for this network, or something in between answers in its place: ask whoever runs it"
        return Step("registry", "problem", seen, advice)
    page = f", {_type_of(visit, reply)}" if _is_page(reply) else ""
    return Step("registry", "problem", f"{seen}{page}", "no registry answers there: check host and port")


# --- credentials and tokens ------------------------------------------------------------------------------------------


def credentials_step(
    visit: Visit, trouble: ImglabError | None, anonymous: Visit | None, now: datetime, looked_in: Sequence[Path] = ()
) -> Step:
    """
    Which credentials there are, and what became of them.

    *trouble* is why those that somebody keeps could not be had; *anonymous* is a visit without those that were refused;
    *looked_in* are the files in which there were none.
    """
    if trouble:
        seen, advice = told(trouble)
        return Step("credentials", "problem", seen, advice or "correct it, or name another file in REGISTRY_AUTH_FILE")
    if visit.credentials is None:
        return _missing_step(visit, looked_in)
    who = _who(visit.credentials)
    ended = expiry(visit.credentials.password)
    if ended and ended <= now:
        seen = f"{who}: expired {duration((now - ended).total_seconds())} ago, at {ended:%Y-%m-%d %H:%M} UTC"
        return Step("credentials", "problem", seen, _again(visit))
    if is_refused(visit):
        return _refused_step(visit, who, anonymous)
    return _taken_step(visit, f"{who}{_ends(ended, now)}")


def _missing_step(visit: Visit, looked_in: Sequence[Path]) -> Step:
    if not visit.challenges and visit.pings and visit.pings[-1].status == 403:
        return Step("credentials", "skipped", "none were given, and none are asked for: see registry")
    if visit.status in {401, 403} or _last(visit.tokens, 401, 403):
        places = " or ".join(str(path) if path.exists() else f"{path} (no such file)" for path in looked_in)
        seen = f"missing: none for {_registry(visit)} in {places}" if places else "missing: none were given"
        return Step("credentials", "problem", seen, host_of(_registry(visit)).login)
    is_open = visit.pings and visit.pings[-1].status is not None and not visit.challenges
    if is_open:
        return Step("credentials", "ok", "none were given, and none are wanted")
    return Step("credentials", "ok", "none were given" + (", and none are needed" if visit.status == 200 else ""))


def _refused_step(visit: Visit, who: str, anonymous: Visit | None) -> Step:
    reply = (visit.tokens or visit.asked)[-1]
    where = f"by {_host(visit, reply)}" if visit.tokens else "by the registry"
    kind = visit.credentials.kind if visit.credentials else "password"
    seen = f"{who}: refused {where} ({reply.status}): {_REFUSED[kind]}"
    kept = visit.credentials.found_in if visit.credentials else None
    advice = _again(visit)
    if anonymous and anonymous.status == 200:
        without = "set REGISTRY_AUTH_FILE=/dev/null" if kept else "leave out --username"
        advice = f"{without}: what was asked for can be read without a login; else {advice}"
    return Step("credentials", "problem", seen, advice)


_REFUSED = {
    "password": "name or password are wrong, or have expired or been revoked",
    "identity-token": "it is wrong, or it has expired or was revoked",
    "registry-token": "it is wrong, has expired or is for something else",
}


def _again(visit: Visit) -> str:
    """How to put right what was refused."""
    credentials, host = visit.credentials, host_of(_registry(visit))
    if credentials and credentials.renewal:
        way = f"run {credentials.renewal}"
    elif credentials and credentials.found_in:
        way = f"log in again where they are kept ({credentials.found_in})"
    else:
        way = "type them again"
    return ": ".join(filter(None, (way, host.passwords)))


def _taken_step(visit: Visit, who: str) -> Step:
    if not visit.pings or visit.pings[-1].status is None:
        return Step("credentials", "skipped", f"{who}: not sent")
    if not visit.challenges:
        return Step("credentials", "ok", f"{who}: not sent, since none are wanted")
    kind = visit.credentials.kind if visit.credentials else "password"
    if not visit.tokens and (kind == "identity-token" or (_is_bearer(visit) and kind == "password")):
        if kind == "identity-token" and not _is_bearer(visit):
            seen = f"{who}: not sent, since it is for a token server, and there is none"
            return Step("credentials", "problem", seen, host_of(_registry(visit)).login)
        return Step("credentials", "problem", f"{who}: not sent", "see token")
    if visit.tokens[-1].status != 200 if visit.tokens else visit.status not in {200, 404}:
        return Step("credentials", "skipped", f"{who}: sent, and not judged")
    if visit.server.is_in_the_clear:
        return Step("credentials", "warning", f"{who}: taken", "sent without TLS: whoever stands in between reads them")
    return Step("credentials", "ok", f"{who}: taken")


def is_refused(visit: Visit) -> bool:
    """Whether the credentials themselves are what was refused, not the right to read something."""
    if visit.credentials is None:
        return False
    if visit.tokens:
        is_grant = visit.tokens[-1].status == 400 and b"invalid_grant" in visit.tokens[-1].body
        return is_grant or bool(_last(visit.tokens, 401, 403))
    is_sent = visit.credentials.kind != "identity-token" and bool(_KNOWN_SCHEMES & visit.challenges.keys())
    return is_sent and visit.status == 401


def token_step(visit: Visit) -> Step:
    """What a token server gave: how long it lasts, and what it says that it allows; never the token."""
    if not _is_bearer(visit):
        return Step("token", "skipped", "none are used here" if visit.pings else "not asked for")
    if not visit.tokens:
        if visit.credentials and visit.credentials.kind == "registry-token" and visit.asked:
            return Step("token", "ok", "what was given is one already")
        return Step("token", "problem", *_trouble_of(visit))
    reply = visit.tokens[-1]
    where = f"{_host(visit, reply)} answers {reply.status} in {duration(reply.seconds)}"
    if reply.status is None:
        return Step("token", "problem", *_trouble_of(visit, reply))
    if reply.status in {401, 403} or is_refused(visit):
        advice = "see credentials" if visit.credentials else host_of(_registry(visit)).unread
        whose = "" if visit.credentials else ": none without a login"
        return Step("token", "problem", f"{where}{whose}", advice)
    if reply.status == 429:
        return Step("token", "problem", f"{where}{_wait(visit, reply)}", _OVERLOAD)
    if reply.status >= 500:
        return Step("token", "problem", where, "the token server is in trouble: try again later")
    if visit.answer.error and not visit.asked and visit.answer.error.kind != "timeout":
        return Step("token", "problem", f"{where}, {_type_of(visit, reply)}, no token", "ask whoever runs it")
    return _granted_step(visit, reply, where)


def _granted_step(visit: Visit, reply: Exchange, where: str) -> Step:
    document = read_object(reply.body)
    lasts = document.get("expires_in")
    is_stated = isinstance(lasts, int) and not isinstance(lasts, bool) and 0 < lasts < 10**9
    seen = f"{where}, good for {f'{lasts:,} s' if is_stated else '60 s, as it does not say'}"
    path = visit.target.reference.path
    granted = rights(document, path)
    if granted is None:
        return Step("token", "ok", f"{seen}; asked for pull of {path}")
    words = ", ".join(sorted(granted)) or "nothing"
    seen = f"{seen}; asked for pull of {path}, it allows {words}"
    if "pull" in granted or "*" in granted or visit.status == 200:
        return Step("token", "ok", seen)
    return Step("token", "warning", seen, "whoever asked may not read it, or it does not exist: see rights")


def rights(document: Mapping[str, Any], path: str) -> set[str] | None:
    """The actions that the token in a token server's *document* allows on *path*; None where that cannot be read."""
    access = claims(document.get("token") or document.get("access_token")).get("access", ...)
    if access is None:
        return set()
    if not isinstance(access, list):
        return None
    entries = [item for item in access if isinstance(item, dict)]
    found = [item.get("actions") for item in entries if (item.get("type"), item.get("name")) == ("repository", path)]
    actions = [action for listed in found if isinstance(listed, list) for action in listed]
    return {action for action in actions if isinstance(action, str) and _ACTION.fullmatch(action)}


# --- rights and content ----------------------------------------------------------------------------------------------


def rights_step(visit: Visit) -> Step:
    """Whether the reference may be read, and what a refusal means at this registry."""
    if not visit.asked:
        return Step("rights", "skipped", "the registry was not asked for it: see above")
    reply = visit.asked[-1]
    if reply.status is None or 300 <= reply.status < 400:
        return Step("rights", "problem", *_trouble_of(visit, reply))
    what = (
        "the list of tags" if visit.is_listing else f"HEAD of {said(visit.answer.request.url.rpartition('/')[2], 40)}"
    )
    seen = f"{what} answers {reply.status} in {duration(reply.seconds)}{_elsewhere(visit, visit.asked)}"
    if reply.status == 200:
        return Step("rights", "ok", seen)
    if reply.status in {401, 403}:
        return _denied_step(visit, seen)
    if reply.status == 404:
        return _not_found_step(visit, seen)
    if reply.status == 429:
        return Step("rights", "problem", f"{seen}{_wait(visit, reply)}", _OVERLOAD)
    if reply.status in {400, 405, 501} and not visit.is_listing:
        advice = "a snapshot gets the manifest in its place, which some registries count as a pull"
        return Step("rights", "warning", f"{seen}: it takes no HEAD", advice)
    if reply.status >= 500:
        return Step("rights", "problem", seen, _TROUBLE)
    return Step("rights", "problem", seen, "no answer that a registry should give: ask whoever runs it")


def _denied_step(visit: Visit, seen: str) -> Step:
    host = host_of(_registry(visit))
    if visit.credentials is None:
        return Step("rights", "problem", f"{seen}: not without a login", host.unread)
    if is_refused(visit):
        return Step("rights", "problem", f"{seen}: the credentials were refused", "see credentials")
    challenges = parse_challenges([visit.asked[-1].headers.get("www-authenticate", "")])
    if visit.tokens and challenges.get("bearer", {}).get("error") == "invalid_token":
        way = "whoever runs both must look at their clocks and keys"
        return Step("rights", "problem", f"{seen}: it does not take the token that its token server gave", way)
    seen = f"{seen}: these credentials may not read it, or it does not exist"
    advice = ("ask its owner for the right to pull", host.unread, host.denied)
    return Step("rights", "problem", seen, "; ".join(filter(None, advice)))


def _not_found_step(visit: Visit, seen: str) -> Step:
    reference = visit.target.reference
    what = "tag" if reference.digest is None else "digest"
    if visit.repository_status == 200:
        return Step("rights", "problem", f"{seen}: the repository is there, this {what} is not", f"check the {what}")
    hidden = f"; {host_of(_registry(visit)).unread}" if visit.challenges else ""
    if visit.repository_status == 404 or visit.is_listing:
        return Step("rights", "problem", f"{seen}: there is no such repository", f"check the name{hidden}")
    return Step("rights", "problem", f"{seen}: no such repository or {what}", f"check the name{hidden}")


def content_step(visit: Visit) -> Step:
    """What the reference points at, as far as that costs no pull."""
    if visit.status != 200:
        return Step("content", "skipped", "nothing came")
    return _tags_step(visit) if visit.is_listing else _manifest_step(visit)


def _manifest_step(visit: Visit) -> Step:
    headers = visit.asked[-1].headers
    digest = headers.get("docker-content-digest")
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if _is_page(visit.asked[-1]) and not digest:
        advice = "no registry answers there: check the name"
        return Step("content", "problem", f"{_type_of(visit, visit.asked[-1])} in place of a manifest", advice)
    length = headers.get("content-length", "")
    size = f", {int(length):,} bytes" if re.fullmatch(r"\d{1,12}", length) else ""
    what = _TYPES.get(media_type, "something of another kind")
    seen = f"{what} ({visit.said(media_type or 'no media type', 100)}{size})"
    if not digest:
        advice = "a snapshot gets the manifest to learn its digest, which some registries count as a pull"
        return Step("content", "warning", f"{seen}, without its digest", advice)
    return Step("content", "ok", f"{visit.said(digest, 150)}, {seen}; no pull was spent")


def _tags_step(visit: Visit) -> Step:
    try:
        tags = listed(visit)
    except ParseError as error:
        return Step("content", "problem", visit.said(error, 200), "no registry answers there: check the name")
    seen = f"{tags.count:,} {'tag' if tags.count == 1 else 'tags'}{'' if tags.is_whole else ' and more pages of them'}"
    if visit.target.glob:
        seen += f", of which {tags.wanted:,} match {visit.target.glob}"
    elif tags.wanted < tags.count:
        seen += f", of which {tags.count - tags.wanted:,} are of signatures and the like"
    if not tags.wanted and tags.is_whole:
        return Step("content", "warning", seen, "there is nothing to observe: check the name and the pattern")
    return Step("content", "ok", f"{seen}; no pull was spent")


@dataclass(frozen=True, slots=True)
class Listed:
    """The first page of a list of tags."""

    count: int
    wanted: int  # of these, by the target
    is_whole: bool


def listed(visit: Visit) -> Listed:
    """What the list of tags holds that came. Raises ParseError."""
    tags = parse_tags(visit.answer.body, source="the list of tags")
    wanted = visit.target.choice.choose(tags)
    return Listed(len(tags), len(wanted), next_link(visit.answer.headers.get("link", "")) is None)


# --- limits and clocks -----------------------------------------------------------------------------------------------


def limit_step(visit: Visit) -> Step:
    """How much of a rate limit is left, as far as the registry tells."""
    refused = next((reply for reply in (*visit.asked, *visit.pings) if reply.status == 429), None)
    if refused:
        return Step("limit", "problem", f"used up{_wait(visit, refused)}", _OVERLOAD)
    if visit.status is None:
        return Step("limit", "skipped", "nothing came")
    headers = visit.asked[-1].headers
    for names, unit in ((("ratelimit-limit", "ratelimit-remaining"), "pulls"), (_LIMITS, "requests")):
        limit, left = (_number(headers.get(name, "")) for name in names)
        if limit is not None and left is not None:
            return _left_step(visit, headers, limit, left, unit)
    if _registry(visit) == oci.DOCKER_HUB:
        return Step("limit", "ok", "none told: Docker Hub tells none to paying users and for some images")
    return Step("limit", "ok", "none told")


_LIMITS = ("x-ratelimit-limit", "x-ratelimit-remaining")


def _left_step(visit: Visit, headers: Mapping[str, str], limit: int, left: int, unit: str) -> Step:
    window = re.search(r";\s*w=(\d{1,9})\b", headers.get("ratelimit-limit", ""))
    source = headers.get("docker-ratelimit-source") or headers.get("ratelimit-source")
    seen = f"{left:,} of {limit:,} {unit} left"
    seen += f" in {duration(int(window[1]))}" if window else ""
    seen += f", counted for {visit.said(source, 60)}" if source else ""
    if left <= Limits().reserve or left * _LOW < limit:
        hub = "imglab snapshot --via hub-api takes no pull; " if _registry(visit) == oci.DOCKER_HUB else ""
        return Step("limit", "warning", seen, f"{hub}wait, or {log_in(_registry(visit))} for a higher limit")
    return Step("limit", "ok", seen)


def clock_step(visit: Visit) -> Step:
    """How far this machine's clock and the registry's are apart."""
    for exchange, at in visit.dated:
        moment = _date(exchange.headers.get("date", ""))
        if moment is None:
            continue
        apart = (at - moment).total_seconds()
        if abs(apart) <= CLOCKS_SECONDS:
            return Step("clock", "ok", "this machine's and the registry's agree")
        seen = f"this machine's is {duration(abs(apart))} {'ahead of' if apart > 0 else 'behind'} the registry's"
        advice = "set the clock: the times of tokens, certificates and observations depend on it"
        return Step("clock", "warning", seen, advice)
    return Step("clock", "skipped", "the registry tells no time")


def _number(text: str) -> int | None:
    match = re.match(r"\s*(\d{1,12})\b", text)
    return int(match[1]) if match else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- shared ----------------------------------------------------------------------------------------------------------


def _registry(visit: Visit) -> str:
    return visit.target.reference.registry


def _is_bearer(visit: Visit) -> bool:
    return "bearer" in visit.challenges


def _last(replies: tuple[Exchange, ...], *statuses: int) -> bool:
    return bool(replies) and replies[-1].status in statuses


def _who(credentials: Credentials) -> str:
    kinds = {"password": f"user {said(credentials.username, 60)}", "identity-token": "an identity token"}
    return f"{kinds.get(credentials.kind, 'a token')} from {credentials.found_in or '--username'}"


def _ends(ended: datetime | None, now: datetime) -> str:
    return f", which ends in {duration((ended - now).total_seconds())}" if ended else ""


def _trouble_of(visit: Visit, reply: Exchange | None = None) -> tuple[str, str]:
    """What the client says of *reply*, or of the whole answer: what happened, and what to do."""
    error = (reply.error if reply else None) or visit.answer.error
    seen, advice = told(error) if error else ("nothing came", "")
    other = _ADVICE.get(error.kind if error else "", "try again later")
    return visit.said(seen, 400), visit.said(advice or other, 400)


def _host(visit: Visit, reply: Exchange) -> str:
    return visit.said(reply.url.partition("://")[2].partition("/")[0], 100)


def _elsewhere(visit: Visit, replies: tuple[Exchange, ...]) -> str:
    hosts = list(dict.fromkeys(_host(visit, reply) for reply in replies))
    return f" after a redirect to {hosts[-1]}" if len(hosts) > 1 else ""


def _is_page(reply: Exchange) -> bool:
    return reply.headers.get("content-type", "").lower().startswith("text/html")


def _type_of(visit: Visit, reply: Exchange) -> str:
    return visit.said(reply.headers.get("content-type", "of no media type"), 60)


def _wait(visit: Visit, reply: Exchange) -> str:
    asked = reply.headers.get("retry-after")
    if not asked:
        return ""
    seconds = _number(asked)
    return f"; it asks to wait {duration(seconds) if seconds is not None else f'until {visit.said(asked, 40)}'}"
