"""Token servers: which ones a registry may name, and to whom a password is shown (CVE-2020-15157)."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from imglab.connections import Reach, is_loopback
from imglab.errors import SourceError
from imglab.http.hosts import Origin, host_text, is_kin, origin_of, redacted
from imglab.http.values import Credentials


def token_server(
    realm: str, origin: Origin, credentials: Credentials | None, reach: Callable[[str], Reach]
) -> httpx.URL:
    """The URL that the registry at *origin* names in its challenge. Raises SourceError if nothing may be sent there."""
    registry, url = host_text(origin), _web_address(realm)
    if url is None:
        raise SourceError(f"{registry} names no usable token server", kind="bad-response", status=401)
    if origin_of(url) == origin or (is_loopback(url.host) and is_loopback(origin[1])):
        return url
    if _is_in_the_clear(url, origin) or not reach(origin[1]).may_name(reach(url.host)):
        text = f"{registry} sends its logins to {redacted(str(url))}, which is not safe: nothing was sent there"
        raise SourceError(text, kind="unauthorized", status=401)
    if credentials and not is_kin(origin[1], url.host):
        advice = "set REGISTRY_AUTH_FILE=/dev/null" if credentials.found_in else "leave out --username"
        text = (
            f"{registry} sends its logins to {redacted(str(url))}, a host that does not belong to it: the password was "
            f"not sent; to ask without it, {advice}"
        )
        raise SourceError(text, kind="unauthorized", status=401)
    return url


def _web_address(realm: str) -> httpx.URL | None:
    """*realm* as a URL; None where it is none, or names no server, or a user beside it."""
    try:
        url = httpx.URL(realm)
        is_usable = url.scheme in {"http", "https"} and url.host and not url.userinfo
    except (httpx.InvalidURL, ValueError):  # the latter from `host`, where it is no word of IDNA
        return None
    return url if is_usable else None


def _is_in_the_clear(url: httpx.URL, origin: Origin) -> bool:
    """Whether what is sent to *url* can be read on the way, unless the registry on the same host is like that too."""
    return url.scheme == "http" and not (origin[0] == "http" and url.host == origin[1])
