import pytest
from starlette.requests import HTTPConnection

from finery.http.addresses import TrustedProxies, client_address, is_every_address, is_secure, was_forwarded

PROXIES = TrustedProxies.parse(["10.0.0.1", "10.1.0.0/16", "fd00::1"])


def connection(peer: str | None, *headers: tuple[str, str], scheme: str = "http") -> HTTPConnection:
    return HTTPConnection(
        {
            "type": "http",
            "scheme": scheme,
            "client": None if peer is None else (peer, 5000),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }
    )


class TestTrustedProxies:
    def test_addresses_and_networks(self) -> None:
        assert "10.0.0.1" in PROXIES
        assert "10.1.2.3" in PROXIES
        assert "::ffff:10.0.0.1" in PROXIES
        assert "fd00::1%eth0" in PROXIES
        assert "10.0.0.2" not in PROXIES
        assert "testclient" not in PROXIES
        assert "127.0.0.1" not in TrustedProxies()

    @pytest.mark.parametrize("text", ["proxy.lan", "10.0.0.0/33", "10.0.0.1/8", "0.0.0.0/0", "::/0", "*"])
    def test_what_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"\S"):
            TrustedProxies.parse([text])


class TestClientAddress:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "expected"),
        [
            ("192.0.2.7", None, "192.0.2.7"),
            ("192.0.2.7", "203.0.113.9", "192.0.2.7"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.1.0.9", "203.0.113.9"),
            ("10.0.0.1", "10.1.0.8, 10.1.0.9", "10.0.0.1"),
            ("10.0.0.1", "nonsense, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
            ("10.0.0.1", "203.0.113.9:80", "10.0.0.1"),
            ("10.0.0.1", "fe80::1%<b>", "10.0.0.1"),
            ("10.0.0.1", "2001:db8::5", "2001:db8::5"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("fd00::1", "203.0.113.9", "203.0.113.9"),
            ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
            (None, "203.0.113.9", None),
        ],
    )
    def test_right_most_that_is_not_trusted(
        self, peer: str | None, forwarded: str | None, expected: str | None
    ) -> None:
        headers = [] if forwarded is None else [("X-Forwarded-For", forwarded)]
        assert client_address(connection(peer, *headers), PROXIES) == expected

    def test_header_that_comes_twice_is_one_list(self) -> None:
        twice = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.9")]
        assert client_address(connection("10.0.0.1", *twice), PROXIES) == "203.0.113.9"


class TestIsSecure:
    @pytest.mark.parametrize(
        ("peer", "scheme", "forwarded", "expected"),
        [
            ("192.0.2.7", "https", None, True),
            ("192.0.2.7", "wss", None, True),
            ("192.0.2.7", "http", None, False),
            ("192.0.2.7", "http", "https", False),
            ("10.0.0.1", "http", "https", True),
            ("10.0.0.1", "http", "HTTPS", True),
            ("10.0.0.1", "http", "http", False),
            (None, "http", "https", False),
        ],
    )
    def test_tls_to_us_or_to_a_trusted_proxy(
        self, peer: str | None, scheme: str, forwarded: str | None, expected: bool
    ) -> None:
        headers = [] if forwarded is None else [("X-Forwarded-Proto", forwarded)]
        assert is_secure(connection(peer, *headers, scheme=scheme), PROXIES) is expected


class TestWasForwarded:
    @pytest.mark.parametrize(
        "name", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"]
    )
    def test_any_sign_of_a_proxy(self, name: str) -> None:
        assert was_forwarded(connection("127.0.0.1", (name, "")))

    def test_none(self) -> None:
        assert not was_forwarded(connection("127.0.0.1", ("Host", "localhost")))


class TestIsEveryAddress:
    @pytest.mark.parametrize(
        ("host", "expected"), [("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("localhost", False)]
    )
    def test_addresses(self, host: str, expected: bool) -> None:
        assert is_every_address(host) is expected
