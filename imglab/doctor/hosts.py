"""
What the answers of well-known registries mean, and with what one logs in there.

From their documentation, read in November 2026. Others are taken to mean what the distribution specification says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imglab.http import log_in

_ALIKE = "what is private and what does not exist look alike to those who may not read it"


@dataclass(frozen=True, slots=True)
class Host:
    """What is special about a registry: which names and passwords it takes, and what its refusals mean."""

    passwords: str = ""
    unread: str = _ALIKE  # that something cannot be read
    denied: str = ""  # what else it may mean where somebody is logged in
    name: str = ""

    @property
    def login(self) -> str:
        """How to log in."""
        return ": ".join(filter(None, (log_in(self.name), self.passwords)))


_HOSTS = (
    (
        r"docker\.io",
        Host(
            "the password may be a personal access token",
            "Docker Hub does not tell private from missing: check the name",
        ),
    ),
    (
        r"ghcr\.io",
        Host(
            "the password is a classic personal access token with read:packages",
            "GHCR does not tell private from missing: check the name",
            "for an organisation with single sign-on the token must be authorised",
        ),
    ),
    (
        r"quay\.io",
        Host(
            "the best is a robot account, such as namespace+robot",
            "Quay does not tell private from missing: check the name",
            "a robot may read only what it was given",
        ),
    ),
    (
        r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?",
        Host(
            "the name is AWS, the password what `aws ecr get-login-password --region {region}` prints",
            denied="a password of ECR is good for 12 hours and for one region, then it says 403 or 401; the role "
            "needs ecr:BatchGetImage, and ecr:ListImages for lists of tags",
        ),
    ),
    (
        r"public\.ecr\.aws",
        Host("the name is AWS, the password what `aws ecr-public get-login-password --region us-east-1` prints"),
    ),
    (
        r"cgr\.dev",
        Host(
            "the password is what `chainctl auth token --audience cgr.dev` prints",
            "without a login only latest and latest-dev of cgr.dev/chainguard can be read",
            "a token for another audience than cgr.dev is refused",
        ),
    ),
)


def host_of(registry: str) -> Host:
    """What is known of *registry*, by its name as in references."""
    for pattern, host in _HOSTS:
        if match := re.fullmatch(pattern, registry):
            return Host(host.passwords.format(**match.groupdict()), host.unread, host.denied, registry)
    return Host(name=registry)
