import socket
import ssl
from pathlib import Path

import httpx
import pytest

from finery.app.tls import TlsRefused, tls_context
from tests.app.certificates import certificate
from tests.servers import RunningServer


class TestTlsContext:
    def test_nothing_below_tls_1_2(self, tmp_path: Path) -> None:
        context = tls_context(*certificate(tmp_path))
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2

    def test_missing_and_unreadable_files(self, tmp_path: Path) -> None:
        made, key = certificate(tmp_path)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_CERTIFICATE: .*none.pem cannot be read: No such file"):
            tls_context(tmp_path / "none.pem", key)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: .* cannot be read: Is a directory"):
            tls_context(made, tmp_path)

    def test_files_that_hold_something_else(self, tmp_path: Path) -> None:
        made, key = certificate(tmp_path)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_CERTIFICATE: .* holds no certificate"):
            tls_context(key, key)
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: .* holds no private key"):
            tls_context(made, made)

    def test_another_certificates_key(self, tmp_path: Path) -> None:
        made, _ = certificate(tmp_path)
        _, other = certificate(tmp_path, "other")
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: the key in .* is not that of the certificate"):
            tls_context(made, other)

    def test_an_encrypted_key_is_not_asked_for_on_the_terminal(self, tmp_path: Path) -> None:
        with pytest.raises(TlsRefused, match=r"^FINERY_TLS_KEY: .* is encrypted"):
            tls_context(*certificate(tmp_path, password=b"secret"))

    def test_broken_pem(self, tmp_path: Path) -> None:
        made, key = certificate(tmp_path)
        made.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        with pytest.raises(TlsRefused, match="cannot be used together"):
            tls_context(made, key)


class TestServing:
    def test_over_tls_alone(self, home: Path) -> None:
        made, key = certificate(home)
        server = RunningServer(
            home,
            FINERY_TLS_CERTIFICATE=str(made),
            FINERY_TLS_KEY=str(key),
            FINERY_ALLOWED_HOSTS="gpu.lan",
            FINERY_HEAD_TIMEOUT_SECONDS="0.3",
        )
        server.tls = ssl.create_default_context(cafile=str(made))
        with server, httpx.Client(base_url=server.url, verify=server.tls, trust_env=False) as client:
            answer = client.get("/healthz", headers={"Host": "gpu.lan"})
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert f"Finery is at {server.url} " in server.log.read_text()
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{server.port}/healthz", trust_env=False)
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
                assert silent.recv(1) == b""
        assert server.url.startswith("https://")

    def test_an_old_protocol_is_refused(self, home: Path) -> None:
        made, key = certificate(home)
        server = RunningServer(home, FINERY_TLS_CERTIFICATE=str(made), FINERY_TLS_KEY=str(key))
        server.tls = ssl.create_default_context(cafile=str(made))
        old = ssl.create_default_context(cafile=str(made))
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
        with server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            with pytest.raises(ssl.SSLError):
                old.wrap_socket(plain, server_hostname="127.0.0.1")
