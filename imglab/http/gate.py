"""What one server wants to see of whoever asks, and where that comes from: nothing, passwords, tokens, logins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import httpx

from imglab.errors import SourceError
from imglab.http.challenges import parse_challenges
from imglab.http.errors import status_error, token_error
from imglab.http.hosts import Origin, host_text, origin_of, origin_text
from imglab.http.realms import token_server
from imglab.http.redirects import follow
from imglab.http.retries import persist_for
from imglab.http.tokens import basic_header, bearer_header, login_request, read_token, token_request
from imglab.http.values import MEBIBYTE, Credentials, Login, Reply, Request
from imglab.http.wire import Outgoing, Wire
from imglab.pace import is_trouble

_REFUSALS = range(300, 404)  # statuses; a 404 may be that of a gateway whose server is being replaced
_LOGIN_LASTS = 300.0  # seconds, half of what Docker Hub says in words


class Gate:
    """What one origin wants to see before it answers: nothing, a name and password, or tokens by scope."""

    def __init__(self, wire: Wire, origin: Origin, credentials: Mapping[str, Credentials]) -> None:
        self.origin = origin
        self._wire = wire
        self._credentials = credentials  # by repository; those of all repositories by an empty text
        self._ping: asyncio.Task[dict[str, dict[str, str]]] | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self._tokens: dict[str, tuple[str, float]] = {}  # header and when it ends
        self._refusals: dict[str, SourceError] = {}  # which are not asked for again: that locks accounts

    def credentials(self, scope: str | None) -> Credentials | None:
        """Those of the repository that *scope* is about, else those of the whole registry."""
        path = (scope or "").removeprefix("repository:").rpartition(":")[0]
        return self._credentials.get(path) or self._credentials.get("")

    async def header(self, request: Request) -> str | None:
        """The Authorization header for *request*; None if none is wanted or none can be had."""
        if request.login:
            return await self._logged_in(request.login)
        scope = request.scope
        if scope is None:
            return None
        if current := self._current(scope):
            return current
        challenges = await self._challenges()
        if not challenges:
            return None
        async with self._locks.setdefault(scope, asyncio.Lock()):
            return self._current(scope) or await self._obtain(scope, challenges)

    async def renew(self, request: Request, headers: httpx.Headers, used: str | None) -> str | None:
        """Another header after *used* was refused; the one that somebody else got meanwhile, if so."""
        if request.login:
            return await self._logged_in(request.login, refused=used)
        challenges = parse_challenges(headers.get_list("www-authenticate"))
        if request.scope and not challenges:  # some say only at `/v2/` where tokens come from
            challenges = await self._challenges()
        key = request.scope or challenges.get("bearer", {}).get("scope", "")
        async with self._locks.setdefault(key, asyncio.Lock()):
            current = self._current(key)
            if current and current != used:
                return current
            self._tokens.pop(key, None)
            return await self._obtain(key, challenges)

    def _current(self, key: str) -> str | None:
        """The header kept for *key*, a scope or the path of a login; None if it is over."""
        header, ends = self._tokens.get(key, (None, 0.0))
        return header if header and self._wire.clock.seconds() < ends else None

    async def _challenges(self) -> dict[str, dict[str, str]]:
        """What the origin asks for at `/v2/`, asked once: an origin that is down is not tried for every item."""
        if self._ping is None:
            self._ping = asyncio.create_task(self._pinged())
        if self._ping.done():
            return self._ping.result()
        return await asyncio.shield(self._ping)

    async def _pinged(self) -> dict[str, dict[str, str]]:
        """The challenges at `/v2/`; none where it opens, or where another server answers in its place."""
        request = Request(f"{origin_text(self.origin)}/v2/", body_limit=MEBIBYTE)

        def judge(reply: Reply) -> SourceError | None:
            return status_error(request, reply, None) if is_trouble(reply.status) or reply.status >= 500 else None

        reply = await persist_for(self._wire, self.origin, lambda: follow(self._wire, request, None), judge)
        is_ours = reply.status == 401 and origin_of(reply.url) == self.origin
        return parse_challenges(reply.headers.get_list("www-authenticate")) if is_ours else {}

    async def _obtain(self, scope: str, challenges: dict[str, dict[str, str]]) -> str | None:
        """The header that *challenges* ask for; None if these credentials do not answer them."""
        credentials = self.credentials(scope)
        if "bearer" in challenges:
            if credentials and credentials.kind == "registry-token":
                return bearer_header(credentials.password, self.origin)
            return await self._kept(scope, lambda: self._registry_token(scope, challenges["bearer"], credentials))
        return basic_header(credentials) if "basic" in challenges else None

    async def _logged_in(self, login: Login, refused: str | None = None) -> str | None:
        """The header that *login* gives, other than *refused* if it can; None without credentials."""
        credentials = self.credentials(None)
        if credentials is None or credentials.kind != "password":
            return None
        if login.path is None:
            is_token = credentials.username == login.username
            return bearer_header(credentials.password, self.origin) if is_token else None
        async with self._locks.setdefault(login.path, asyncio.Lock()):
            current = self._current(login.path)
            if current and current != refused:
                return current
            path = login.path
            return await self._kept(path, lambda: self._login_token(credentials, path))

    async def _kept(self, key: str, obtain: Callable[[], Awaitable[tuple[str, float]]]) -> str:
        """The header that *obtain* gives, kept while it lasts; a refusal is kept as well, and raised from then on."""
        if refusal := self._refusals.get(key):
            raise refusal.with_traceback(None)  # else each item would leave its own in it, and keep itself alive
        try:
            header, lasts = await obtain()
        except SourceError as error:
            if error.kind == "unauthorized" or (error.status is not None and error.status in _REFUSALS):
                self._refusals[key] = error
            raise
        self._wire.secrets.add(header.removeprefix("Bearer "))
        self._tokens[key] = header, self._wire.clock.seconds() + lasts
        return header

    async def _login_token(self, credentials: Credentials, path: str) -> tuple[str, float]:
        """The header made of the token that *path* gives for a name and its secret, and the seconds that it lasts."""
        outgoing = login_request(httpx.URL(f"{origin_text(self.origin)}{path}"), credentials)
        return read_token(await self._given(outgoing, credentials), unless_told=_LOGIN_LASTS)

    async def _registry_token(
        self, scope: str, challenge: Mapping[str, str], credentials: Credentials | None
    ) -> tuple[str, float]:
        """The header made of the token that a challenge leads to, and the seconds that it lasts."""
        url = token_server(challenge.get("realm", ""), self.origin, credentials, self._wire.reach)
        outgoing = token_request(url, scope, challenge, credentials, self.origin)
        try:
            return read_token(await self._given(outgoing, credentials))
        except SourceError as error:
            if error.kind == "redirect":  # a name that is an address in here: refused as that address would be
                raise SourceError(str(error), kind="unauthorized", status=401) from error
            raise

    async def _given(self, outgoing: Outgoing, credentials: Credentials | None) -> Reply:
        """What gives a token. No redirects: a server that sends us elsewhere would choose who sees the password."""
        request = Request(str(outgoing.url), outgoing.method)
        return await persist_for(
            self._wire,
            origin_of(outgoing.url),
            lambda: self._wire.exchange(outgoing),
            lambda reply: token_error(request, reply, credentials, host_text(self.origin)),
        )
