"""What goes wrong with TLS, against real sockets."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.client import FineryClient, FineryError, ServerUnreachable
from tests.app.certificates import certificate
from tests.client.answers import run
from tests.client.scripted import Scripted, ScriptedServer, as_json
from tests.ports import free_port


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finery.client.transport.RETRY_DELAYS", (0.0,))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path)


@pytest.fixture
def encrypted(files: tuple[Path, Path]) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with ScriptedServer(as_json(run()), tls=context) as server:
        yield server


def problem_at(url: str) -> str:
    with FineryClient(url=url) as client, pytest.raises(ServerUnreachable) as raised:
        client.get_run("ab12cd34")
    return str(raised.value)


class TestTlsProblem:
    def test_ssl_cert_file_counts_on_loopback_and_proxies_do_not(
        self, encrypted: ScriptedServer, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
        with FineryClient(url=encrypted.url) as client:
            assert client.get_run("ab12cd34").id == "ab12cd34"

    def test_a_certificate_that_nobody_vouches_for(self, encrypted: ScriptedServer) -> None:
        said = problem_at(encrypted.url)
        assert said.startswith(f"the certificate of {encrypted.url} is not trusted (self-signed certificate): ")
        assert "SSL_CERT_FILE" in said
        assert "\n" not in said

    def test_a_certificate_for_another_name(
        self, encrypted: ScriptedServer, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        assert "write the name that it is made for" in problem_at(encrypted.url.replace("127.0.0.1", "localhost"))

    def test_plain_http_to_a_port_that_speaks_tls(self, encrypted: ScriptedServer) -> None:
        plain = encrypted.url.replace("https", "http")
        assert problem_at(plain) == f"{plain} speaks TLS: write https:// in FINERY_URL"

    def test_a_proxy_that_says_so_in_plain_http(self) -> None:
        page = Scripted(b"<html>400 The plain HTTP request was sent to HTTPS port</html>", 400)
        with (
            ScriptedServer(page) as server,
            FineryClient(url=server.url) as client,
            pytest.raises(FineryError, match=f"^{server.url} speaks TLS"),
        ):
            client.get_run("ab12cd34")

    def test_tls_to_a_port_that_speaks_plain_http(self) -> None:
        with ScriptedServer(as_json(run())) as server:
            url = server.url.replace("http", "https")
            said = problem_at(url)
        assert said.startswith(f"{url} does not speak TLS")
        assert "http://" in said

    def test_nobody_at_all(self) -> None:
        assert problem_at(f"http://127.0.0.1:{free_port()}").startswith("no Finery server answers")
