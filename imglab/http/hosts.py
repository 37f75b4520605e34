"""Servers by their addresses: which are the same, which belong together, and how they are written."""

from __future__ import annotations

import re

import httpx

Origin = tuple[str, str, int]  # scheme, host, port
_PORTS = {"https": 443, "http": 80}


def redacted(url: str) -> str:
    """*url* without user, password, query and fragment, which may hold secrets."""
    return re.sub(r"^(\w+://)[^/?#]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])[:300]


def origin_of(url: httpx.URL) -> Origin:
    """The server of *url*, with the port that goes without saying."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme, 0)


def origin_text(origin: Origin) -> str:
    """The address of the server, to which a path can be added."""
    scheme, host, port = origin
    return f"{scheme}://{_bracketed(host)}:{port}"


def host_text(origin: Origin) -> str:
    """The server as people write it: without a port that goes without saying."""
    scheme, host, port = origin
    return _bracketed(host) if port == _PORTS.get(scheme) else f"{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_kin(registry: str, host: str) -> bool:
    """Whether *host* is within the domain that *registry* stands in (registry-1.docker.io and auth.docker.io)."""
    registry, host = registry.lower(), host.lower()
    if host == registry or host.endswith(f".{registry}"):
        return host != "" and not registry.replace(".", "").isdecimal()
    parent = registry.partition(".")[2]
    labels = parent.split(".")
    is_suffix = len(labels) < 2 or (len(labels) == 2 and len(labels[1]) == 2 and len(labels[0]) <= 3)
    return not is_suffix and not labels[-1].isdecimal() and (host == parent or host.endswith(f".{parent}"))
