"""Finds out why a connection failed where TLS is at fault, and says so with the remedy."""

import socket
import ssl
from urllib.parse import urlsplit

import httpx

from finery.client.address import DEFAULT_PORTS

HANDSHAKE_SECONDS = 3.0


def tls_problem(url: str, error: BaseException) -> str | None:
    """Returns one line for a person, or None where TLS is not at fault.

    Of a server that broke off a plain connection it asks whether it speaks TLS, which may take HANDSHAKE_SECONDS.
    """
    cause = _ssl_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {url} is not trusted ({cause.verify_message.rstrip('.')}): {_remedy(cause)}"
    if cause is not None:
        return f"{url} does not speak TLS ({cause.reason or cause}): try http:// in FINERY_URL"
    was_broken_off = isinstance(error, httpx.ReadError | httpx.RemoteProtocolError)
    if url.startswith("http://") and was_broken_off and _speaks_tls(url):
        return speaks_tls(url)
    return None


def speaks_tls(url: str) -> str:
    return f"{url} speaks TLS: write https:// in FINERY_URL"


def _remedy(error: ssl.SSLCertVerificationError) -> str:
    if "mismatch" in error.verify_message:
        return "write the name that it is made for into FINERY_URL"
    if "expired" in error.verify_message:
        return "whoever runs the server must renew it"
    return "let SSL_CERT_FILE name a file with its authority's certificate, or its own where it signed itself"


def _ssl_error(error: BaseException) -> ssl.SSLError | None:
    return next((each for each in _causes(error) if isinstance(each, ssl.SSLError)), None)


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in causes:
        causes.append(each)
        each = each.__cause__ or each.__context__
    return causes


def _speaks_tls(url: str) -> bool:
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is sent over this connection: whose certificate it is does not matter.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = (parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    try:
        with socket.create_connection(address, timeout=HANDSHAKE_SECONDS) as plain, context.wrap_socket(plain):
            return True
    except (OSError, ValueError):
        return False
