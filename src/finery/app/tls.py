"""The server's certificate and key."""

import ssl
from pathlib import Path

CERTIFICATE = "FINERY_TLS_CERTIFICATE"
KEY = "FINERY_TLS_KEY"


class TlsRefused(Exception):
    """The message names the variable, the file and what is wrong with it."""


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and later, HTTP/1.1. Raises TlsRefused."""
    _check_certificate(certificate)
    _check_key(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise TlsRefused(_mismatch(error, certificate, key)) from error
    return context


def _check_certificate(path: Path) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in _read(CERTIFICATE, path):
        raise TlsRefused(f"{CERTIFICATE}: {path} holds no certificate in PEM")


def _check_key(path: Path) -> None:
    text = _read(KEY, path)
    if b"PRIVATE KEY-----" not in text:
        raise TlsRefused(f"{KEY}: {path} holds no private key in PEM")
    # OpenSSL would ask for the password on the terminal, and wait.
    if b"ENCRYPTED" in text:
        raise TlsRefused(f"{KEY}: the key in {path} is encrypted; give one without a password, readable by us alone")


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsRefused(f"{variable}: {path} cannot be read: {error.strerror}") from error


def _mismatch(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{KEY}: the key in {key} is not that of the certificate in {certificate}"
    return f"{CERTIFICATE}, {KEY}: {certificate} and {key} cannot be used together: {error.reason}"
