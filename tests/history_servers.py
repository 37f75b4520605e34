"""
Loopback servers of the documented shapes: Chainguard's Tag History API, Quay's tag API, Docker Hub's tags API.

Each holds a made-up history, pages and orders it as its original does, and remembers what was asked. `fault` puts a
misbehaviour (see faulty.py) in front of it.
"""

from __future__ import annotations

import base64
import json
import operator
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from faulty import Behaviour, Seen, reply
from made import day, digest

from imglab.http import Client, Credentials, Limits
from imglab.records import Record
from imglab.sources.history_api import Pass
from imglab.sources.registry import Target

NOW = day(31)
USERNAME, PASSWORD = "reader", "correct-horse-battery"
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Asked:
    """A request as a server sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def bearer(self) -> str | None:
        """The token that came along."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


def said(document: object, status: int = 200, **headers: str) -> Behaviour:
    """A JSON answer."""
    return reply(status, json.dumps(document).encode(), content_type="application/json", **headers)


class HistoryServer:
    """A server on a free loopback port, from `running` on."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.port = 0
        self._faults: list[tuple[Callable[[Asked], bool], list[Behaviour]]] = []

    @property
    def registry(self) -> str:
        """Its name in references."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.registry}"

    def fault(self, when: Callable[[Asked], bool], *behaviours: Behaviour) -> None:
        """Do *behaviours* in turn in place of answering requests for which *when* holds; then answer again."""
        self._faults.append((when, list(behaviours)))

    def asked(self, part: str = "") -> list[str]:
        """What was asked for, query included, as far as *part* is in it."""
        return [seen.path for seen in self.seen if part in seen.path]

    def answer(self, asked: Asked) -> Behaviour:
        """What to do about a request."""
        raise NotImplementedError

    def behave(self, handler: BaseHTTPRequestHandler) -> None:
        """Note a request and do what it asks for."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(handler.command, url.path, dict(parse_qsl(url.query)), headers, body)
        self.seen.append(Seen(handler.command, handler.path, headers))
        for when, behaviours in self._faults:
            if behaviours and when(asked):
                behaviours.pop(0)(handler)
                return
        self.answer(asked)(handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stopping: threading.Event

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that hang up are what some tests are about."""


@contextmanager
def running(history: HistoryServer) -> Iterator[HistoryServer]:
    """*history* on a free port of the loopback address; it ends with the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            history.behave(self)

        do_HEAD = do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.stopping = threading.Event()
    history.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield history
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


Collect = Callable[[list[Target], Pass], Iterator[Record]]


def collected(
    collect: Collect,
    *texts: str,
    credentials: dict[str, Credentials] | None = None,
    limits: Limits | None = None,
    now: datetime = NOW,
    **asked: Any,
) -> list[Record]:
    """What *collect* yields for the targets *texts* at a time; *asked* are fields of its pass."""

    async def no_sleep(seconds: float) -> None:
        """No time passes."""

    limits = limits or Limits(tries=2)
    with Client(credentials=credentials, limits=limits, sleep=no_sleep) as client:
        return list(collect([Target.parse(text) for text in texts], Pass(client, lambda: now, **asked)))


# --- Chainguard ------------------------------------------------------------------------------------------------------


class Chainguard(HistoryServer):
    """A registry with tokens and tag histories: at most 1,000 entries a page, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: dict[tuple[str, str], list[tuple[datetime, str]]] = {}  # by repository path and tag
        self.unlisted: set[tuple[str, str]] = set()
        self.most = 1000
        self.keys = ("updateTimestamp", "digest")
        self.is_private = False
        self.tokens: dict[str, str] = {}  # valid ones, with their scopes
        self.is_silent = False  # says at /v2/ only where tokens come from
        self.is_start_included = True
        self.is_newest_first = False  # as for an end far ahead
        self.has_links = False
        self._count = 0

    def move(self, path: str, tag: str, at: datetime, name: str) -> None:
        """*tag* came to point at the digest that reads as *name*."""
        self.moves.setdefault((path, tag), []).append((at, digest(name)))

    def answer(self, asked: Asked) -> Behaviour:
        if asked.path == "/token":
            return self._token(asked)
        path, _, rest = asked.path.removeprefix("/v2/").partition("/_chainguard/history/")
        is_listing = asked.path.endswith("/tags/list")
        path = path.removesuffix("/tags/list")
        if self.tokens.get(asked.bearer or "") != f"repository:{path}:pull":
            header = {"www_authenticate": f'Bearer realm="{self.url}/token",service="cgr.dev"'}
            is_told = asked.path == "/v2/" or not self.is_silent
            return said({"errors": [{"code": "UNAUTHORIZED"}]}, 401, **(header if is_told else {}))
        if is_listing:
            tags = sorted(tag for of, tag in self.moves if of == path and (of, tag) not in self.unlisted)
            return said({"name": path, "tags": tags}) if tags else said({"errors": [{"code": "NAME_UNKNOWN"}]}, 404)
        if (path, rest) not in self.moves:
            return said({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
        return self._history(asked, path, rest)

    def _token(self, asked: Asked) -> Behaviour:
        login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if self.is_private and asked.headers.get("authorization") != f"Basic {login}":
            return said({"message": "forbidden"}, 403)
        self._count += 1
        token = f"token-{self._count}"
        self.tokens[token] = asked.query["scope"]
        return said({"token": token, "expires_in": 300})

    def _history(self, asked: Asked, path: str, tag: str) -> Behaviour:
        start, end = (_moment(asked.query.get(key)) for key in ("start", "end"))
        moves = sorted(self.moves[path, tag], key=lambda move: move[0])
        is_after = operator.ge if self.is_start_included else operator.gt
        moves = [move for move in moves if (not start or is_after(move[0], start)) and (not end or move[0] <= end)]
        is_descending = self.is_newest_first or (end is not None and end.year >= 3000)
        page = (moves[::-1] if is_descending else moves)[: self.most]
        link = {}
        if self.has_links and len(moves) > self.most:
            last = page[-1][0]
            window = {"end": last - MILLISECOND} if is_descending else {"start": last + MILLISECOND}
            query = urlencode({name: _stamp(moment) for name, moment in window.items()})
            link = {"link": f'<{tag}?{query}>; rel="next"'}
        at, of = self.keys
        return said({"history": [{at: _stamp(moment), of: name} for moment, name in page]}, **link)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- Quay ------------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A row of Quay's table of tags; milliseconds since 1970."""

    name: str
    digest: str
    start: int
    end: int | None = None
    reversion: bool = False


class Quay(HistoryServer):
    """Tags as Quay keeps them: a row for each stretch, by start, newest first, then by name."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[Row]] = {}  # by repository path
        self.token: str | None = None  # that a private one takes
        self.before_page: dict[int, Callable[[], object]] = {}  # what happens before a page is answered

    def push(self, path: str, tag: str, name: str, at: datetime, *, expires: datetime | None = None) -> None:
        """*tag* points at *name* from now on; the row that was alive ends at this moment."""
        rows = self.rows.setdefault(path, [])
        alive = self._alive(path, tag, at)
        if alive:
            alive.end = _milliseconds(at)
        is_reversion = any(row.digest == digest(name) for row in rows if row.name == tag)
        end = _milliseconds(expires) if expires else None
        rows.append(Row(tag, digest(name), _milliseconds(at), end, is_reversion))

    def delete(self, path: str, tag: str, at: datetime) -> None:
        """*tag* is removed."""
        alive = self._alive(path, tag, at)
        assert alive
        alive.end = _milliseconds(at)

    def forget(self, path: str, before: datetime) -> None:
        """Rows that ended before a time are gone, as after the time machine's days."""
        ended = _milliseconds(before)
        self.rows[path] = [row for row in self.rows[path] if row.end is None or row.end > ended]

    def _alive(self, path: str, tag: str, at: datetime) -> Row | None:
        moment = _milliseconds(at)
        rows = self.rows.get(path, ())
        return next((row for row in rows if row.name == tag and (row.end is None or row.end > moment)), None)

    def answer(self, asked: Asked) -> Behaviour:
        path = asked.path.removeprefix("/api/v1/repository/").removesuffix("/tag/")
        if self.token and asked.bearer != self.token:
            error = {"error_type": "invalid_token", "status": 401}
            return said(error, 401, www_authenticate='Bearer error="invalid_token" error_description="x"')
        if path not in self.rows:
            return said({"error_type": "not_found", "status": 404}, 404)
        page = max(1, int(asked.query.get("page", 1)))
        if action := self.before_page.pop(page, None):
            action()
        limit = min(100, max(1, int(asked.query.get("limit", 50))))
        wanted = asked.query.get("specificTag")
        rows = [row for row in self.rows[path] if wanted in (None, row.name)]
        rows.sort(key=lambda row: (-row.start, row.name))
        found = rows[limit * (page - 1) : limit * page + 1]
        tags = [self.shown(row) for row in found[:limit]]
        return said({"tags": tags, "page": page, "has_additional": len(found) > limit})

    def shown(self, row: Row) -> dict[str, object]:
        """A row as the API has it: seconds, and no key where there is nothing."""
        shown: dict[str, object] = {"name": row.name, "reversion": row.reversion}
        shown |= {"start_ts": row.start // 1000} if row.start else {}
        shown |= {"end_ts": row.end // 1000} if row.end else {}
        return {**shown, "manifest_digest": row.digest, "is_manifest_list": False, "size": 1000}


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# --- Docker Hub ------------------------------------------------------------------------------------------------------


def hub_image(
    name: str | None, platform: str = "linux/amd64", size: int | None = 1000, **more: object
) -> dict[str, Any]:
    """An image of a tag."""
    os, architecture, *variant = platform.split("/")
    image = {"architecture": architecture, "features": "", "variant": variant[0] if variant else None}
    image |= {"digest": digest(name) if name else None, "os": os, "os_features": "", "os_version": None}
    times = {"last_pulled": None, "last_pushed": "2025-01-01T00:00:00.000000Z"}
    return {**image, "size": size, "status": "active", **times, **more}


INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


class DockerHub(HistoryServer):
    """Tags by the time of their last push, newest first; a page past the end is a 404."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, list[dict[str, Any]]] = {}  # by repository path
        self.is_private = False
        self.tokens: set[str] = set()
        self.before_page: dict[int, Callable[[], object]] = {}

    def push(
        self, path: str, tag: str, at: datetime, name: str | None, *images: dict[str, Any], **more: object
    ) -> None:
        """*tag* points at *name* from now on."""
        self.remove(path, tag)
        pushed = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        known = {"name": tag, "images": list(images), "tag_last_pushed": pushed, "last_updated": pushed}
        known |= {
            "full_size": 1000,
            "v2": True,
            "tag_status": "active",
            "tag_last_pulled": None,
            "content_type": "image",
        }
        self.tags[path].insert(0, {**known, "digest": digest(name) if name else None, **more})

    def remove(self, path: str, tag: str) -> None:
        """There is no *tag*."""
        self.tags[path] = [other for other in self.tags.get(path, []) if other["name"] != tag]

    def answer(self, asked: Asked) -> Behaviour:
        if asked.path == "/v2/auth/token":
            return self._login(asked)
        # A token that is none is worse than no token, also for what is public.
        if (self.is_private or asked.bearer) and asked.bearer not in self.tokens:
            return said({"message": "unauthorized"}, 401)
        namespace, _, rest = asked.path.removeprefix("/v2/namespaces/").partition("/repositories/")
        name, _, rest = rest.partition("/")
        tags = self.tags.get(f"{namespace}/{name}")
        if tags is None:
            return said({"message": "object not found"}, 404)
        if wanted := rest.removeprefix("tags").removeprefix("/"):
            found = [tag for tag in tags if tag["name"] == wanted]
            return said(found[0]) if found else said({"message": "tag not found"}, 404)
        return self._page(asked, f"{namespace}/{name}")

    def _login(self, asked: Asked) -> Behaviour:
        if asked.method != "POST" or json.loads(asked.body) != {"identifier": USERNAME, "secret": PASSWORD}:
            return said({"detail": "Incorrect authentication credentials"}, 401)
        self.tokens = {f"hub-token-{len(self.tokens) + 1}"}
        return said({"access_token": next(iter(self.tokens))})

    def _page(self, asked: Asked, path: str) -> Behaviour:
        page, size = int(asked.query.get("page", 1)), min(100, int(asked.query.get("page_size", 10)))
        if action := self.before_page.pop(page, None):
            action()
        tags = self.tags[path]
        found = tags[size * (page - 1) : size * page]
        if not found and page > 1:
            return said({"message": "httperror 404: page not found"}, 404)
        following = f"{self.url}{asked.path}?page={page + 1}&page_size={size}" if len(tags) > size * page else None
        limits = {"x_ratelimit_limit": "180", "x_ratelimit_remaining": "100", "x_ratelimit_reset": "1800000000"}
        return said({"count": len(tags), "next": following, "previous": None, "results": found}, **limits)
