"""
What happens before HTTP: names, connections and TLS, each tried once within a time limit, and told as values.

The system's resolver, connections and OpenSSL are what the HTTP client uses too. The words of OpenSSL are those of
version 3, its codes those of `x509_vfy.h`.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

Fault = Literal["expired", "not-yet-valid", "wrong-name", "unknown-authority", "no-tls", "too-old", "silent", "broken"]
_FAULTS: dict[int, Fault] = {
    9: "not-yet-valid",
    10: "expired",
    **dict.fromkeys((2, 18, 19, 20, 21, 27), "unknown-authority"),
    **dict.fromkeys((62, 64), "wrong-name"),
}
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"}
_TOO_OLD = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}
_WHATEVER_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which Python has no name for
_MOST_ADDRESSES = 6


@dataclass(frozen=True, slots=True)
class Resolved:
    """The addresses of a name, in the order in which they are tried, or why there are none."""

    addresses: tuple[str, ...]
    seconds: float
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection that was tried."""

    address: str
    seconds: float
    problem: str | None = None  # None: it was made
    is_silent: bool = False  # nobody answered, as behind a firewall


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's certificate says of itself."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Secured:
    """A handshake of TLS: its version, or what was wrong."""

    seconds: float
    version: str | None = None
    certificate: Certificate | None = None  # None where it could not be read
    fault: Fault | None = None
    reason: str = ""  # OpenSSL's words for the fault


class Network:
    """The network of this machine. It has no state; in tests another one stands in its place."""

    def resolve(self, host: str, port: int, seconds: float) -> Resolved:
        """The addresses of *host*, within *seconds*: the resolver has no time limit of its own."""
        answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()
        threading.Thread(target=_resolve, args=(host, port, answers), daemon=True).start()
        began = time.monotonic()
        try:
            answer = answers.get(timeout=seconds)
        except queue.Empty:
            return Resolved((), time.monotonic() - began, f"no answer within {seconds:.0f} s")
        lasted = time.monotonic() - began
        if isinstance(answer, OSError):
            return Resolved((), lasted, answer.strerror or "it is no name")
        if isinstance(answer, Exception):
            return Resolved((), lasted, "it is no name")
        return Resolved(tuple(dict.fromkeys(str(found[4][0]) for found in answer)), lasted)

    def connect(self, addresses: tuple[str, ...], port: int, seconds: float) -> tuple[Attempt, ...]:
        """A connection to each of *addresses*, up to the first that is made; they share *seconds*."""
        addresses = addresses[:_MOST_ADDRESSES]
        tried: list[Attempt] = []
        for address in addresses:
            tried.append(_connect(address, port, seconds / len(addresses)))
            if tried[-1].problem is None:
                break
        return tuple(tried)

    def secure(self, address: str, port: int, host: str, context: ssl.SSLContext, seconds: float) -> Secured:
        """A handshake with *host* at *address* as *context* wants it, and whose certificate it was in any case."""
        began = time.monotonic()
        found = _secure(address, port, host, context, seconds)
        left = seconds - (time.monotonic() - began)
        if found.certificate is None and found.fault not in {"no-tls", "too-old", "silent", "broken"} and left > 0:
            return replace(found, certificate=_described(address, port, host, left / 2))
        return found


def _resolve(host: str, port: int, answers: queue.SimpleQueue[list[Any] | Exception]) -> None:
    try:
        # Without addresses of a family that this machine has no connection for, as the HTTP client asks too.
        answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))
    except (OSError, UnicodeError) as error:  # of names that can be none the codec for names complains
        answers.put(error)


def _connect(address: str, port: int, seconds: float) -> Attempt:
    began = time.monotonic()
    problem, is_silent = None, False
    try:
        socket.create_connection((address, port), seconds).close()
    except TimeoutError:
        problem, is_silent = f"no answer within {seconds:.1f} s", True
    except OSError as error:
        problem = error.strerror or "no connection"
    return Attempt(address, time.monotonic() - began, problem, is_silent)


def _secure(address: str, port: int, host: str, context: ssl.SSLContext, seconds: float) -> Secured:
    began = time.monotonic()
    try:
        with (
            socket.create_connection((address, port), seconds) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            certificate = _certificate(secure.getpeercert() or {})
            return Secured(time.monotonic() - began, secure.version(), certificate)
    except ssl.SSLCertVerificationError as error:
        fault, reason = _FAULTS.get(error.verify_code, "broken"), error.verify_message
    except ssl.SSLError as error:
        fault, reason = _fault(error.reason or ""), (error.reason or "").replace("_", " ").lower()
    except TimeoutError:
        fault, reason = "silent", f"no answer within {seconds:.1f} s"
    except OSError as error:
        fault, reason = "broken", error.strerror or "the connection was cut"
    return Secured(time.monotonic() - began, fault=fault, reason=reason or "the connection was cut")


def _fault(reason: str) -> Fault:
    return "no-tls" if reason in _NO_TLS else "too-old" if reason in _TOO_OLD else "broken"


def _described(address: str, port: int, host: str, seconds: float) -> Certificate | None:
    """
    What the certificate there says, of whoever it may be; nothing is sent to its server.

    Python tells only of certificates that it trusts: so it is taken first, and then trusted in a second handshake.
    """
    taking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    taking.check_hostname = False
    taking.verify_mode = ssl.CERT_NONE
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _WHATEVER_TIME
    try:
        with (
            socket.create_connection((address, port), seconds) as plain,
            taking.wrap_socket(plain, server_hostname=host) as secure,
        ):
            trusting.load_verify_locations(cadata=secure.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None
    return _secure(address, port, host, trusting, seconds).certificate


def _certificate(parts: Mapping[str, Any]) -> Certificate | None:
    if not parts:
        return None
    names = tuple(str(value) for kind, value in parts.get("subjectAltName", ()) if kind in {"DNS", "IP Address"})
    try:
        begins_at, ends_at = (_moment(str(parts[key])) for key in ("notBefore", "notAfter"))
    except (KeyError, ValueError):  # times that are none
        return None
    return Certificate(_name(parts.get("subject", ())), _name(parts.get("issuer", ())), names, begins_at, ends_at)


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """The common name in *parts*, with the organisation if there is one."""
    fields = dict(pair for part in parts for pair in part)
    named = dict.fromkeys(fields[key] for key in ("organizationName", "commonName") if fields.get(key))
    return ", ".join(named) or "nobody"


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)
