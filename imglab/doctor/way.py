"""The way to a registry: its name, its addresses, the connection and TLS, and what may stand in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from imglab.connections import is_loopback
from imglab.doctor.network import Attempt, Certificate, Resolved, Secured
from imglab.doctor.step import Step, duration, said
from imglab.sources.registry import Target

_SOON = timedelta(days=14)  # a certificate that ends before then is worth a word
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Link:
    """How a registry is to be reached, as the options of the command line say it."""

    plain_http: bool = False
    ca_cert: Path | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API of a registry is."""

    base_url: str
    host: str
    port: int

    @property
    def is_plain(self) -> bool:
        """Whether plain HTTP is spoken."""
        return self.base_url.startswith("http:")

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return is_loopback(self.host)

    @property
    def is_in_the_clear(self) -> bool:
        """Whether what is sent can be read on the way."""
        return self.is_plain and not self.is_loopback

    def __str__(self) -> str:
        return f"{self.host}, port {self.port}"


def reference_step(target: Target, server: Server, link: Link) -> Step:
    """What the reference means, and where that is asked for."""
    if link.plain_http:
        reason = "plain HTTP, as --plain-http says"
    elif server.is_plain:
        reason = "plain HTTP, as this machine speaks with itself unless --ca-cert or --insecure is given"
    else:
        reason = "TLS"
    whole = " (all tags)" if not (target.reference.tag or target.reference.digest or target.glob) else ""
    return Step("reference", "ok", f"{target}{whole} at {server.base_url}: {reason}")


def address_step(server: Server, resolved: Resolved) -> Step:
    """The addresses of the server's name."""
    if not resolved.addresses:
        advice = "check how the name is written; if it is right, this machine's name server does not know it (VPN?)"
        return Step("address", "problem", f"{server.host} has no address: {said(resolved.problem)}", advice)
    shown = [f"{address}{_nature(address)}" for address in resolved.addresses[:6]]
    more = f" and {len(resolved.addresses) - 6} more" if len(resolved.addresses) > 6 else ""
    return Step("address", "ok", f"{', '.join(shown)}{more}, in {duration(resolved.seconds)}")


def connection_step(server: Server, attempts: Sequence[Attempt]) -> Step:
    """Which address answered, and which did not."""
    made = [attempt for attempt in attempts if attempt.problem is None]
    lost = "; ".join(f"{attempt.address}: {said(attempt.problem)}" for attempt in attempts if attempt.problem)
    if not made:
        is_silent = any(attempt.is_silent for attempt in attempts)
        advice = (
            "a firewall or a wrong address: ask whether this machine may reach it"
            if is_silent
            else "the machine is there, the registry is not: check the port, and whether the registry runs"
        )
        return Step("connection", "problem", f"none to {server}: {lost}", advice)
    seen = f"{made[0].address}, port {server.port}, in {duration(made[0].seconds)}"
    if any(attempt.is_silent for attempt in attempts):
        return Step("connection", "warning", f"{seen}; {lost}", "each connection may wait for the one that is silent")
    return Step("connection", "ok", f"{seen}; {lost}" if lost else seen)


def tls_step(server: Server, link: Link, secured: Secured | None, now: datetime) -> Step:
    """The handshake, and whose certificate it was."""
    if server.is_plain or secured is None:
        return Step("tls", "skipped", "plain HTTP" if server.is_plain else "no connection")
    certificate = _described(secured.certificate, now)
    if secured.fault:
        seen, advice = _fault(server, link, secured)
        return Step("tls", "problem", f"{seen}{certificate}", advice)
    seen = f"{secured.version}{certificate}"
    if link.insecure:
        advice = "leave out --insecure once it works: whoever stands in between can read and change everything"
        return Step("tls", "warning", f"{seen}; not verified, as --insecure says", advice)
    if link.ca_cert:
        seen += f"; verified with {link.ca_cert} and the authorities of this machine"
    if secured.certificate and secured.certificate.ends_at - now < _SOON:
        return Step("tls", "warning", seen, "tell whoever runs it: without a new certificate it ends soon")
    return Step("tls", "ok", seen)


def proxy_step(environment: Mapping[str, str], *, is_reached: bool) -> Step:
    """Which proxies the environment names; imglab uses none."""
    named = [name for name in environment if name.upper() in _PROXIES and environment[name]]
    if not named:
        return Step("proxy", "ok", "none in the environment")
    seen = f"{' and '.join(sorted(named))} set, which imglab does not use"
    if is_reached:
        return Step("proxy", "ok", f"{seen}: the registry was reached directly")
    advice = "if only the proxy leads out of this network, run imglab where the registry can be reached directly"
    return Step("proxy", "warning", seen, advice)


def _nature(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if parsed.is_loopback:
        return " (this machine)"
    if parsed.is_link_local:
        return " (link-local)"
    return " (private)" if parsed.is_private else ""


def _described(certificate: Certificate | None, now: datetime) -> str:
    if certificate is None:
        return ""
    left = (certificate.ends_at - now).total_seconds()
    when = f"ends in {duration(left)}" if left > 0 else f"ended {duration(-left)} ago"
    return f", certificate of {said(certificate.subject, 60)} by {said(certificate.issuer, 60)}, {when}"


def _fault(server: Server, link: Link, secured: Secured) -> tuple[str, str]:
    """What is wrong with a handshake, and what to do."""
    certificate = secured.certificate
    names = said(", ".join(certificate.names[:4]) or certificate.subject) if certificate else "another name"
    day = f"{certificate.ends_at:%Y-%m-%d}" if certificate else "some day"
    start = f"{certificate.begins_at:%Y-%m-%d}" if certificate else "some day"
    authority = (
        f"{link.ca_cert} is not the authority that signed it: give the one that did with --ca-cert"
        if link.ca_cert
        else "if you know whose it is, give the certificate of its authority: --ca-cert FILE (PEM)"
    )
    faults = {
        "expired": (
            f"the certificate expired on {day}",
            "whoever runs the registry must renew it; check the clock too",
        ),
        "not-yet-valid": (f"the certificate is not valid before {start}", "check the clock of this machine"),
        "wrong-name": (f"the certificate is for {names}, not for {server.host}", "use a name that it is for"),
        "unknown-authority": ("the certificate is of an authority that this machine does not know", authority),
        "no-tls": ("no TLS is spoken there", "check the port; if plain HTTP is right, give --plain-http"),
        "too-old": ("only versions of TLS before 1.2 are spoken there", "whoever runs the registry must update it"),
        "silent": (f"the handshake came to nothing: {secured.reason}", "the server or something before it hangs"),
    }
    other = f"no secure connection ({said(secured.reason)})", "check host and port, and what stands in between"
    return faults.get(secured.fault or "", other)
