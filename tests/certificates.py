"""Certificates made by the openssl program: good ones, and each kind of bad one."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_CONFIGURATION = """
[ca]
default_ca = authority
[authority]
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
unique_subject = no
policy = anything
[anything]
commonName = optional
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Authority:
    """Somebody who signs certificates, whom nobody knows."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What --ca-cert takes."""
        return self.folder / "ca.pem"

    def signed(
        self, name: str, *, names: str = "IP:127.0.0.1,DNS:localhost", begins: int = -100, ends: int = 100
    ) -> tuple[Path, Path]:
        """A certificate for *names* and its key; it is good from *begins* to *ends*, in days from now."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        _openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n")
        times = ("-startdate", _day(begins), "-enddate", _day(ends))
        files = ("-config", self.folder / "ca.cnf", "-in", request, "-out", certificate, "-extfile", extensions)
        _openssl("ca", "-batch", "-notext", *times, *files)
        return certificate, key

    def context(self, name: str, **options: object) -> ssl.SSLContext:
        """For a server that shows a certificate made as `signed` makes it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.signed(name, **options))  # type: ignore[arg-type]
        return context


def authority(folder: Path, name: str = "authority of the tests") -> Authority:
    """A new authority that keeps its things in *folder*."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.cnf").write_text(_CONFIGURATION.format(folder=folder))
    (folder / "index").touch()
    (folder / "serial").write_text("1000\n")
    files = ("-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    _openssl("req", "-x509", *_KEY, *files, "-days", "1000", "-subj", f"/O=Nobody/CN={name}")
    return Authority(folder)


def _day(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y%m%d%H%M%SZ}"


def _openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert done.returncode == 0, done.stderr
