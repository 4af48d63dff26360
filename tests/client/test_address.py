import pytest

from finery.client import address
from finery.client.address import checked_url, is_loopback, origin_of, warn_of_plain_http
from finery.client.errors import BadConnection


class TestCheckedUrl:
    @pytest.mark.parametrize("ending", ["/v1", "/v1/", "/api/v1", "/ui/", "/docs"])
    def test_more_than_the_servers_address(self, ending: str) -> None:
        with pytest.raises(BadConnection, match=r"write http://127\.0\.0\.1:8001$"):
            checked_url(f"http://127.0.0.1:8001{ending}")

    def test_a_path_of_a_proxy(self) -> None:
        assert checked_url("https://example.org/finery/") == "https://example.org/finery"


class TestOriginOf:
    @pytest.mark.parametrize(
        ("url", "origin"),
        [
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
            ("https://Finery.Example.org/under/a/path", "https://finery.example.org:443"),
            ("http://[::1]", "http://[::1]:80"),
        ],
    )
    def test_spelled_out(self, url: str, origin: str) -> None:
        assert origin_of(url) == origin


class TestIsLoopback:
    @pytest.mark.parametrize("url", ["http://localhost:8001", "http://127.0.0.2", "http://[::1]:8001"])
    def test_is(self, url: str) -> None:
        assert is_loopback(url)

    @pytest.mark.parametrize("url", ["http://127.example.org", "http://10.0.0.1:8001", "http://localhost.example.org"])
    def test_is_not(self, url: str) -> None:
        assert not is_loopback(url)


class TestWarnOfPlainHttp:
    @pytest.fixture(autouse=True)
    def unwarned(self) -> None:
        address._warn.cache_clear()

    def test_once(self, capsys: pytest.CaptureFixture[str]) -> None:
        for _ in range(2):
            warn_of_plain_http("http://10.0.0.1:8001")

        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "http://10.0.0.1:8001 unencrypted" in err

    @pytest.mark.parametrize("url", ["https://10.0.0.1", "http://127.0.0.1:8001"])
    def test_not_where_nobody_listens(self, capsys: pytest.CaptureFixture[str], url: str) -> None:
        warn_of_plain_http(url)

        assert capsys.readouterr().err == ""
