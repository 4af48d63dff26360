import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from finery.kit import checked_post
from finery.kit.checked_post import Poster
from finery.kit.destinations import Destinations
from finery.kit.http_post import PostFailed
from tests.app.certificates import certificate
from tests.receiver import LOOPBACK, Receiver, Reply

HERE = Destinations.parse([LOOPBACK])
NOWHERE = Destinations()
BODY = '{"이름": "값"}'.encode()


def poster(
    destinations: Destinations = HERE, *, seconds: float = 5.0, answers: list[list[str]] | None = None
) -> Poster:
    """With `answers` of the look-ups in order, instead of the system's."""
    if answers is None:
        return Poster(destinations, seconds=seconds)
    return Poster(destinations, seconds=seconds, resolver=lambda host, port: answers.pop(0))


class TestPost:
    def test_what_is_sent_and_answered(self) -> None:
        with Receiver(Reply(201, b"done", {"Retry-After": "7"})) as receiver:
            answer = poster().post(f"{receiver.url}/%EA%B0%80?a=1", BODY, {"webhook-id": "m", "Content-Type": "x/y"})
        (received,) = receiver.received
        assert (answer.status, answer.excerpt, answer.retry_after) == (201, "done", 7.0)
        assert (received.path, received.body) == ("/hook/%EA%B0%80?a=1", BODY)
        assert received.headers == {
            "host": f"127.0.0.1:{receiver.port}",
            "webhook-id": "m",
            "content-type": "x/y",
            "content-length": str(len(BODY)),
            "connection": "close",
            "accept": "*/*",
        }

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, status: int) -> None:
        with Receiver() as target, Receiver(Reply(status, b"", {"Location": target.url})) as receiver:
            assert poster().post(receiver.url, BODY, {}).status == status
        assert target.received == []

    def test_no_proxy_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Receiver() as proxy, Receiver() as receiver:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
            poster().post(receiver.url, BODY, {})
        assert (len(proxy.received), len(receiver.received)) == (0, 1)

    def test_only_the_begin_of_the_answer_is_read(self) -> None:
        with Receiver(Reply(body="가".encode() * 1_000_000)) as receiver:
            answer = poster().post(receiver.url, BODY, {})
        assert answer.excerpt == "가" * 341 + "�"

    def test_a_retry_after_date(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checked_post, "epoch_now", lambda: 1_000_000.0)
        later = format_datetime(datetime.fromtimestamp(1_000_090, UTC), usegmt=True)
        with Receiver(Reply(503, headers={"Retry-After": later}), Reply(503, headers={"Retry-After": "soon"})) as it:
            assert [poster().post(it.url, BODY, {}).retry_after for _ in range(2)] == [90.0, None]

    @pytest.mark.parametrize(
        "date",
        ["Mon, 1 Jan 999999999999 00:00:00 GMT", "Mon, 1 Jan 10000 00:00:00 GMT", "Mon, 1 Jan 0001 00:00:00 -0000"],
    )
    def test_a_date_that_no_clock_shows(self, date: str) -> None:
        with Receiver(Reply(503, headers={"Retry-After": date})) as receiver:
            answer = poster().post(receiver.url, BODY, {})
        assert answer.status == 503
        assert not answer.retry_after


class TestAddresses:
    @pytest.mark.parametrize(
        ("host", "why"),
        [
            ("127.0.0.1", "127.0.0.1 is loopback"),
            ("localhost", "is loopback"),
            ("2130706433", "127.0.0.1 is loopback"),
            ("0x7f.1", "127.0.0.1 is loopback"),
            ("017700000001", "127.0.0.1 is loopback"),
            ("[::1]", "::1 is loopback"),
            ("[::ffff:127.0.0.1]", "is an IPv4 address in IPv6"),
        ],
    )
    def test_this_machine_is_refused(self, host: str, why: str) -> None:
        with Receiver() as receiver, pytest.raises(PostFailed, match=why):
            poster(NOWHERE).post(f"http://{host}:{receiver.port}/", BODY, {})
        assert receiver.received == []

    @pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fd00:ec2::254", "192.168.0.1", "::1"])
    def test_a_name_that_leads_inside(self, address: str) -> None:
        with pytest.raises(PostFailed, match=f"{address} is "):
            poster(HERE, answers=[[address]]).post("http://hooks.example.org/", BODY, {})

    def test_a_name_without_addresses(self) -> None:
        with pytest.raises(PostFailed, match="it has none"):
            poster(answers=[[]]).post("http://hooks.example.org/", BODY, {})

    def test_the_checked_address_is_the_one_connected_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that answers with the internet first and with this machine then is asked once."""
        connected: list[tuple[str, int]] = []

        def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
            connected.append(address)
            raise ConnectionRefusedError(111, "refused")

        monkeypatch.setattr(socket, "create_connection", refuse)
        answers = [["203.0.114.5"], ["127.0.0.1"]]
        with pytest.raises(PostFailed, match="refused"):
            poster(NOWHERE, answers=answers).post("http://rebinding.example.org:8080/", BODY, {})
        assert connected == [("203.0.114.5", 8080)]
        assert answers == [["127.0.0.1"]]

    def test_what_is_not_allowed_is_left_out(self) -> None:
        with Receiver() as receiver:
            answers = [["10.0.0.1", "127.0.0.1"]]
            poster(answers=answers).post(f"http://hooks.example.org:{receiver.port}/", BODY, {})
        assert receiver.received[0].headers["host"] == f"hooks.example.org:{receiver.port}"

    def test_the_next_address_where_one_refuses(self) -> None:
        with Receiver() as receiver:
            answers = [["127.9.9.9", "127.0.0.1"]]
            assert poster(answers=answers).post(f"http://two.example.org:{receiver.port}/", BODY, {}).status == 200

    def test_a_name_that_is_unknown(self) -> None:
        def unknown(host: str, port: int) -> list[str]:
            raise socket.gaierror(-2, "Name or service not known")

        with pytest.raises(PostFailed, match="not known"):
            Poster(HERE, seconds=5, resolver=unknown).post("http://nowhere.example.org/", BODY, {})


def _hold(handler: BaseHTTPRequestHandler) -> None:
    HELD.wait(20)


def _trickle(handler: BaseHTTPRequestHandler) -> None:
    """A header without end, a byte at a time: each read succeeds in time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not HELD.wait(0.02):
        handler.wfile.write(b"x")


def _slow_body(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nbegin")
    HELD.wait(20)


def _garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    handler.close_connection = True


def _nothing(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


HELD = threading.Event()


@pytest.fixture
def held() -> Iterator[None]:
    HELD.clear()
    yield
    HELD.set()


@pytest.mark.usefixtures("held")
class TestTime:
    @pytest.mark.parametrize("does", [_hold, _trickle])
    def test_there_is_one_limit_for_all(self, does: Callable[[BaseHTTPRequestHandler], None]) -> None:
        with Receiver(Reply(before=does)) as receiver:
            begun = time.monotonic()
            with pytest.raises(PostFailed, match=r"within 0\.3 s"):
                poster(seconds=0.3).post(receiver.url, BODY, {})
            assert time.monotonic() - begun < 3
            HELD.set()

    def test_a_status_counts_also_without_the_body(self) -> None:
        with Receiver(Reply(before=_slow_body)) as receiver:
            answer = poster(seconds=0.3).post(receiver.url, BODY, {})
            HELD.set()
        assert (answer.status, answer.excerpt) == (200, "begin")

    def test_a_look_up_that_hangs(self) -> None:
        def hang(host: str, port: int) -> list[str]:
            HELD.wait(20)
            return []

        with pytest.raises(PostFailed, match="within"):
            Poster(HERE, seconds=0.2, resolver=hang).post("http://hooks.example.org/", BODY, {})

    def test_a_receiver_that_never_reads(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(PostFailed, match="within"):
            poster(seconds=0.3).post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"x" * (64 << 20), {})


class TestTls:
    @pytest.fixture
    def tls(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
        """Of 127.0.0.1, and trusted."""
        made = certificate(tmp_path)
        context = ssl.create_default_context(cafile=str(made[0]))
        monkeypatch.setattr(checked_post, "_tls", lambda: context)
        return made

    def test_its_certificate_is_trusted(self, tls: tuple[Path, Path]) -> None:
        with Receiver(tls=tls) as receiver:
            assert poster().post(receiver.url, BODY, {}).status == 200

    def test_the_name_must_be_that_of_the_certificate(self, tls: tuple[Path, Path]) -> None:
        with Receiver(tls=tls) as receiver:
            url = f"https://hooks.example.org:{receiver.port}/"
            with pytest.raises(PostFailed, match="Hostname mismatch"):
                poster(answers=[["127.0.0.1"]]).post(url, BODY, {})
        assert receiver.received == []

    def test_a_stranger(self, tmp_path: Path) -> None:
        with Receiver(tls=certificate(tmp_path)) as receiver, pytest.raises(PostFailed, match="self-signed"):
            poster().post(receiver.url, BODY, {})
        assert receiver.received == []


class TestBroken:
    @pytest.mark.parametrize("does", [_garbage, _nothing])
    def test_what_is_no_answer(self, does: Callable[[BaseHTTPRequestHandler], None]) -> None:
        with Receiver(Reply(before=does)) as receiver, pytest.raises(PostFailed) as caught:
            poster().post(receiver.url, BODY, {})
        assert str(caught.value)

    def test_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(PostFailed, match="refused"):
            poster().post(f"http://127.0.0.1:{port}/", BODY, {})
