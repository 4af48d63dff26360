import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from finery.contracts.permissions import Level
from finery.http.addresses import TrustedProxies
from finery.http.guard import Guard, GuardSettings, host_names
from finery.http.problems import Problem, RequestRefused
from tests.domain.accounts import people
from tests.http.accounts import bearer, key_of_new_user

HERE = "http://127.0.0.1:8001"
SOCKET = "ws://127.0.0.1:8001"
KEY = "st_" + "Ab3-_" * 8 + "xyz"
JSON = {"Content-Type": "application/json"}
JOB = b'{"job_id": "a", "model_name": "m", "dataset": "d"}'


class TestHost:
    @pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost", "LOCALHOST:1", "[::1]:8001", "x.localhost"])
    def test_this_machine_is_known(self, client: TestClient, host: str) -> None:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "[",
            "a b",
            "evil@127.0.0.1",
            "evil.example:80@localhost:8001",
            "localhost/evil.example",
            "localhost?evil.example",
            "localhost#evil.example",
            "localhost:99999",
            "localhost:evil",
        ],
    )
    def test_foreign_host_is_refused_in_the_dialects_shape(self, client: TestClient, host: str) -> None:
        answer = client.get("/jobs", headers={"Host": host})
        assert answer.status_code == 421
        assert "FINERY_ALLOWED_HOSTS" in answer.json()["detail"]
        assert client.get("/api/v1/runs", headers={"Host": host}).json()["error"]["code"] == "unknown_host"


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "status", "code"),
        [
            ("/api/v1/runs?" + "&".join(["a=1"] * 201), 400, "too_many_parameters"),
            ("/api/v1/runs/a%00b", 404, "not_found"),
            ("/api/v1/runs?label=a%00", 422, "invalid_request"),
        ],
    )
    def test_refused(self, client: TestClient, address: str, status: int, code: str) -> None:
        answer = client.get(address)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


class TestOrigin:
    @pytest.mark.parametrize(
        "origin", ["null", "http://evil.example", "http://localhost:8001", "https://127.0.0.1", "http://["]
    )
    def test_foreign_origin_may_not_change_anything(self, client: TestClient, origin: str) -> None:
        answer = client.post("/jobs", content=JOB, headers={**JSON, "Origin": origin})
        assert answer.status_code == 403
        assert client.get("/jobs").json() == []

    @pytest.mark.parametrize(("scheme", "expected"), [("https", 200), ("http", 403)])
    def test_over_tls_a_page_that_came_without_is_foreign(self, scheme: str, expected: int) -> None:
        client = guarded(hosts=frozenset({"gpu.lan"}), base="https://gpu.lan")
        assert client.post("/", headers={"Origin": f"{scheme}://gpu.lan"}).status_code == expected

    def test_own_origin_and_none_may(self, client: TestClient) -> None:
        answer = client.post("/jobs", content=JOB, headers={**JSON, "Origin": "http://127.0.0.1:8001"})
        assert answer.status_code == 201


class TestContentType:
    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "text/plain; x=application/json"]
    )
    def test_disguised_json_is_refused(self, client: TestClient, kind: str) -> None:
        assert client.post("/jobs", content=JOB, headers={"Content-Type": kind}).status_code == 415

    def test_undeclared_body_is_refused(self, client: TestClient) -> None:
        assert client.post("/jobs", content=JOB).status_code == 415

    def test_no_body_needs_no_declaration(self, client: TestClient) -> None:
        client.post("/jobs", content=JOB, headers=JSON)
        assert client.post("/jobs/a/cancel").status_code == 200

    @pytest.mark.parametrize(
        ("path", "expected"), [("/forms", 200), ("/forms/a", 200), ("/formsx", 415), ("/", 415), ("/a/forms", 415)]
    )
    def test_forms_are_read_below_their_prefixes_alone(self, path: str, expected: int) -> None:
        client = guarded(form_prefixes=("/forms",))
        assert client.post(path, data={"a": "b"}).status_code == expected


class TestKeyInQuery:
    @pytest.mark.parametrize("name", ["api_key", "apikey", "access_token", "X-API-Key", "key", "token", "anything"])
    @pytest.mark.parametrize("path", ["/jobs", "/api/v1/runs", "/nothing"])
    def test_is_refused(self, client: TestClient, path: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
        answer = client.get(path, params={"a": "b", name: KEY})
        assert answer.status_code == 400
        assert "Authorization: Bearer" in answer.text
        assert KEY not in answer.text
        assert KEY not in "".join(record.getMessage() for record in caplog.records if record.name != "httpx")

    def test_in_the_dialects_shape(self, client: TestClient) -> None:
        assert client.get("/api/v1/runs", params={"key": KEY}).json()["error"]["code"] == "key_in_query"
        assert isinstance(client.get("/jobs", params={"key": KEY}).json()["detail"], str)

    def test_escaped_and_in_part(self, client: TestClient) -> None:
        escaped = "".join(f"%{ord(letter):02x}" for letter in KEY)
        assert client.get(f"/healthz?x={escaped}").status_code == 400
        assert client.get(f"/healthz?token={KEY[:12]}").status_code == 400

    @pytest.mark.parametrize("query", ["q=st_andrews", "token=abc", "key", "st_=1", f"{KEY}=1"[3:], "%ff=%fe", ""])
    def test_what_is_no_key_passes(self, client: TestClient, query: str) -> None:
        assert client.get(f"/healthz?{query}").status_code == 200


class TestWebSocket:
    @pytest.mark.parametrize("headers", [{}, {"Origin": HERE}, {"Origin": "https://page.example"}])
    def test_own_origin_allowed_ones_and_none(self, headers: dict[str, str]) -> None:
        client = guarded(origins=frozenset({"https://page.example"}))
        with client.websocket_connect(f"{SOCKET}/", headers=headers) as socket:
            assert socket.receive_text() == "hello"

    @pytest.mark.parametrize(
        ("query", "headers"),
        [
            ("", {"Origin": "http://evil.example"}),
            ("", {"Origin": "null"}),
            ("", {"Host": "evil.example"}),
            (f"?api_key={KEY}", {}),
        ],
    )
    def test_refused(self, query: str, headers: dict[str, str]) -> None:
        client = guarded()
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"{SOCKET}/{query}", headers=headers):
            pass

    def test_a_server_that_can_only_close(self) -> None:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [(b"host", b"evil.example")]}
        asyncio.run(Guard(hello, GuardSettings())(scope, nothing, send))
        assert sent == [{"type": "websocket.close", "code": 1008}]


class TestBodyTimeout:
    def test_body_that_stops_coming(self) -> None:
        problem = refusal([{"type": "http.request", "body": b"{", "more_body": True}])
        assert (problem.status, problem.code, problem.headers) == (408, "body_timeout", {"Connection": "close"})

    def test_body_that_never_comes(self) -> None:
        assert refusal([]).status == 408

    def test_body_that_dribbles(self) -> None:
        assert refusal(of_bytes(1, times=100), each=0.01, seconds=0.1).code == "body_timeout"

    def test_patience_does_not_grow_with_what_came_before(self) -> None:
        """One KiB is worth a second, of which no more is kept than was given at first."""
        assert refusal([piece(10_000), *of_bytes(1, times=100)], each=0.01, seconds=0.1).code == "body_timeout"

    def test_a_slow_but_steady_body(self) -> None:
        """It takes twice as long as may be waited for nothing."""
        assert read_whole(of_bytes(1000, times=40), each=0.01, seconds=0.2) == b"x" * 40_000

    def test_the_applications_own_time_is_not_the_clients(self) -> None:
        assert read_whole(of_bytes(1, times=3), each=0.0, seconds=0.2, busy=0.1) == b"xxx"

    def test_the_clients_leaving_is_waited_for(self) -> None:
        async def ask() -> Message:
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/",
                "query_string": b"",
                "headers": [(b"host", b"localhost")],
            }
            found: list[Message] = []

            async def app(scope: Scope, receive: Receive, send: Send) -> None:
                found.extend([await receive(), await receive()])

            messages = [{"type": "http.request", "body": b"", "more_body": False}]
            await Guard(app, GuardSettings(body_seconds=0.01))(scope, feed(messages, then=0.1), discard)
            return found[-1]

        assert asyncio.run(ask()) == {"type": "http.disconnect"}


class TestMethod:
    @pytest.mark.parametrize("method", ["FOO", "GETS", "QUERY", "X" * 30_000])
    def test_an_unknown_one_in_the_dialects_shape(self, client: TestClient, method: str) -> None:
        answer = client.request(method, "/api/v1/runs", headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
        assert len(answer.content) < 1000
        assert isinstance(client.request(method, "/jobs").json()["detail"], str)

    @pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PATCH"])
    def test_one_that_no_route_has(self, client: TestClient, method: str) -> None:
        assert client.request(method, "/jobs").status_code == 405


class TestCors:
    @pytest.fixture
    def settings(self, settings: Any) -> Any:
        return settings.model_copy(update={"allowed_origins": ["https://page.example"]})

    def test_preflight(self, client: TestClient) -> None:
        asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
        answer = client.options("/api/v1/runs", headers={"Origin": "https://page.example", **asked})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://page.example.evil.example"])
    def test_other_origins(self, client: TestClient, origin: str) -> None:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert client.options("/jobs", headers=asked).status_code == 400
        assert "Access-Control-Allow-Origin" not in client.get("/healthz", headers={"Origin": origin}).headers
        assert client.post("/jobs", content=JOB, headers={**JSON, "Origin": origin}).status_code == 403

    def test_refusals_can_be_read(self, client: TestClient) -> None:
        origin = {"Origin": "https://page.example"}
        answer = client.post("/jobs", content=JOB, headers={**origin, "Content-Type": "text/plain"})
        assert answer.status_code == 415
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert client.post("/jobs", content=JOB, headers={**JSON, **origin}).status_code == 201

    def test_the_cookie_is_not_for_them(self, client: TestClient) -> None:
        """Of a page on the same machine or below the same domain the browser sends it along."""
        client.cookies.set("finery_session", "some")
        theirs = {"Origin": "https://page.example"}
        assert client.post("/jobs", content=JOB, headers={**JSON, **theirs}).status_code == 403
        assert client.post("/jobs/x/cancel", headers=theirs).status_code == 403
        assert client.post("/jobs", content=JOB, headers={**JSON, "Origin": HERE}).status_code == 201


class TestNullOrigin:
    """Of a page from a file, or in a sandbox of any site's page."""

    FILE = {"Origin": "null"}

    @pytest.fixture
    def settings(self, settings: Any) -> Any:
        return settings.model_copy(update={"allowed_origins": ["https://page.example", "null"]})

    def test_may_read(self, client: TestClient) -> None:
        answer = client.get("/jobs", headers=self.FILE)
        assert (answer.status_code, answer.json()) == (200, [])
        assert answer.headers["Access-Control-Allow-Origin"] == "null"
        assert "Access-Control-Allow-Credentials" not in answer.headers

    def test_may_ask_whether_it_may_send_a_key(self, client: TestClient) -> None:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        answer = client.options("/jobs", headers={**self.FILE, **asked})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "null"
        assert answer.headers["Access-Control-Allow-Methods"] == "GET"

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_may_not_change_anything(self, client: TestClient, method: str) -> None:
        asked = {"Access-Control-Request-Method": method}
        assert client.options("/jobs", headers={**self.FILE, **asked}).status_code == 400
        answer = client.request(method, "/jobs", content=JOB, headers={**JSON, **self.FILE})
        assert answer.status_code == 403
        assert "may only read here" in answer.text
        assert client.get("/jobs").json() == []

    @pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
    def test_gets_alone(self, client: TestClient, method: str) -> None:
        assert client.request(method, "/jobs", headers=self.FILE).status_code == 403

    def test_never_with_the_cookie(self, client: TestClient) -> None:
        client.cookies.set("finery_session", "some")
        answer = client.get("/jobs", headers=self.FILE)
        assert answer.status_code == 403
        assert "Authorization: Bearer KEY" in answer.text

    def test_no_socket(self) -> None:
        client = guarded(origins=frozenset({"null"}))
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"{SOCKET}/", headers=self.FILE):
            pass

    def test_where_there_are_accounts_only_with_a_key(self, client: TestClient, app: FastAPI) -> None:
        database = app.state.services.database
        people.first_admin(database)
        key = key_of_new_user(database, "ann", Level.RESEARCHER)
        for path in ("/jobs", "/api/v1/runs"):
            assert client.get(path, headers=self.FILE).status_code == 401
            assert client.get(path, headers={**self.FILE, **bearer(key)}).status_code == 200
            assert client.get(f"{path}?key={key}", headers=self.FILE).status_code == 400
        answer = client.post("/jobs", content=JOB, headers={**JSON, **self.FILE, **bearer(key)})
        assert answer.status_code == 403

    def test_others_may_what_they_might_before(self, client: TestClient) -> None:
        origin = {"Origin": "https://page.example"}
        asked = {"Access-Control-Request-Method": "DELETE"}
        assert client.options("/jobs", headers={**origin, **asked}).status_code == 200
        assert client.post("/jobs", content=JOB, headers={**JSON, **origin}).status_code == 201


class TestCorsIsOff:
    def test_unless_origins_are_named(self, client: TestClient) -> None:
        asked = {"Origin": HERE, "Access-Control-Request-Method": "POST"}
        answer = client.options("/jobs", headers=asked)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


class TestTransportSecurity:
    @pytest.mark.parametrize(
        ("base", "peer", "headers", "is_sent"),
        [
            ("https://gpu.lan", "192.0.2.7", {}, True),
            ("http://gpu.lan", "192.0.2.7", {}, False),
            ("http://gpu.lan", "192.0.2.7", {"X-Forwarded-Proto": "https"}, False),
            ("http://gpu.lan", "10.0.0.1", {"X-Forwarded-Proto": "https"}, True),
            ("https://localhost", "127.0.0.1", {}, False),
        ],
    )
    def test_over_tls_alone(self, base: str, peer: str, headers: dict[str, str], is_sent: bool) -> None:
        proxies = TrustedProxies.parse(["10.0.0.1"])
        client = guarded(hosts=frozenset({"gpu.lan"}), proxies=proxies, base=base, peer=peer)
        assert ("Strict-Transport-Security" in client.get("/", headers=headers).headers) is is_sent


class TestHostNames:
    def test_lower_case_without_port(self) -> None:
        assert host_names(["GPU.lan:8001", " box ", "fd00::1", "[fd00::2]:80", "10.0.0.9", "["]) == {
            "gpu.lan",
            "box",
            "fd00::1",
            "fd00::2",
            "10.0.0.9",
        }


class TestOwnHost:
    @pytest.fixture
    def settings(self, settings: Any) -> Any:
        return settings.model_copy(update={"host": "192.0.2.5"})

    def test_the_address_that_it_listens_on_is_known(self, client: TestClient) -> None:
        assert client.get("/healthz", headers={"Host": "192.0.2.5:8001"}).status_code == 200


class TestBodyLimit:
    @pytest.fixture
    def limits(self) -> dict[str, Any]:
        return {"max_json_bytes": 2048, "max_upload_bytes": 4096}

    @pytest.fixture
    def settings(self, settings: Any, limits: dict[str, Any]) -> Any:
        return settings.model_copy(update=limits)

    @pytest.mark.parametrize(("path", "kind", "size"), [("/jobs", "application/json", 2049)])
    def test_declared_length(self, client: TestClient, path: str, kind: str, size: int) -> None:
        answer = client.post(path, content=b" " * size, headers={"Content-Type": kind})
        assert answer.status_code == 413
        assert "2048 bytes" in answer.json()["detail"]

    def test_chunked(self, client: TestClient) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(10):
                yield b" " * 1000

        answer = client.post("/jobs", content=chunks(), headers=JSON)
        assert answer.status_code == 413

    def test_upload_has_a_limit_of_its_own(self, client: TestClient, settings: Any) -> None:
        answer = client.post("/upload/dataset", files={"file": ("a.json", b"x" * 3000)})
        assert answer.status_code == 200
        answer = client.post("/upload/dataset", files={"file": ("a.json", b"x" * 5000)})
        assert answer.status_code == 413
        assert len([path for path in settings.home.glob("data/uploads/*") if path.suffix != ".meta"]) == 1


class TestSecurityHeaders:
    @pytest.mark.parametrize("path", ["/healthz", "/jobs", "/nothing", "/docs"])
    def test_everywhere(self, client: TestClient, path: str) -> None:
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse("hello")(scope, receive, send)
        return
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def guarded(*, base: str = HERE, peer: str = "127.0.0.1", **settings: Any) -> TestClient:
    def render(_: Scope, problem: Problem) -> Response:
        return PlainTextResponse(problem.code, problem.status)

    guard = Guard(hello, GuardSettings(key_prefix="st_", render=render, **settings))
    return TestClient(guard, base_url=base, client=(peer, 50000))


def piece(length: int) -> Message:
    return {"type": "http.request", "body": b"x" * length, "more_body": True}


def of_bytes(length: int, *, times: int) -> list[Message]:
    return [*[piece(length)] * times, {"type": "http.request"}]


def refusal(messages: Iterable[Message], **times: float) -> Problem:
    """Of a body of which only `messages` come."""
    with pytest.raises(RequestRefused) as caught:
        read_whole(messages, **times)
    return caught.value.problem


def read_whole(messages: Iterable[Message], *, each: float = 0.0, seconds: float = 0.01, busy: float = 0.0) -> bytes:
    """The body, of which a message comes every `each` seconds, and which the application takes `busy` seconds about."""
    found = bytearray()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async for part in Request(scope, receive).stream():
            found.extend(part)
            await asyncio.sleep(busy)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"9")],
    }
    guard = Guard(app, GuardSettings(body_seconds=seconds))
    asyncio.run(guard(scope, feed(messages, then=60, each=each), discard))
    return bytes(found)


def feed(messages: Iterable[Message], *, then: float, each: float = 0.0) -> Receive:
    left = iter(messages)

    async def receive() -> Message:
        if (message := next(left, None)) is not None:
            await asyncio.sleep(each)
            return message
        await asyncio.sleep(then)
        return {"type": "http.disconnect"}

    return receive


async def nothing() -> Message:
    return {"type": "websocket.connect"}


async def discard(message: Message) -> None:
    pass
