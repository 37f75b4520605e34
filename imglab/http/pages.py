"""Lists that go on elsewhere: links, as in RFC 8288, which are followed on one server only."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx

from imglab.errors import SourceError
from imglab.http.hosts import origin_of, redacted
from imglab.http.values import Answer, Request

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w!*-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s,;\"]*))?)*)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s,;\"]*))", re.IGNORECASE)


def next_link(value: str) -> str | None:
    """The target of `rel=next` in a Link header *value*; None if there is none."""
    for match in _LINK.finditer(value):
        relation = _RELATION.search(match[2])
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return match[1].strip()
    return None


def next_page(answer: Answer, seen: set[str], most: int) -> Request | None:
    """
    The request for the page after *answer*; None after the last.

    *seen* holds the pages asked for so far and grows. Raises SourceError if the answer is an error, if its link leads
    to another origin or in a circle, or if there are more pages than *most*.
    """
    if answer.error:
        raise answer.error
    link = next_link(answer.headers.get("link", ""))
    if link is None:
        return None
    page = redacted(answer.request.url)
    try:
        here = httpx.URL(answer.request.url)
        url = here.join(link)
        is_here = origin_of(url) == origin_of(here) and not url.userinfo
    except (httpx.InvalidURL, ValueError):
        raise SourceError(f"{page}: its link to the next page is no URL", kind="bad-response") from None
    if not is_here:
        text = f"{page}: its next page would be on {url.host or 'no host'}, another server: not followed"
        raise SourceError(text, kind="bad-response")
    if str(url) in seen or len(seen) >= most:
        raise SourceError(f"{page}: its pages do not end", kind="bad-response")
    seen.add(str(url))
    request = answer.request
    return replace(request, url=str(url), digest=None, size=None, payload=None)
