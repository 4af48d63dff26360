import asyncio
import logging
import re

import anyio
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from finery.http.request_ids import HEADER, RequestIdFilter, RequestIds
from tests.http.accounts import BASE_URL

MADE = re.compile(r"req_[0-9a-f]{24}")


class TestRequestIds:
    @pytest.mark.parametrize(
        ("method", "path", "headers", "status"),
        [
            ("GET", "/healthz", {}, 200),
            ("GET", "/nowhere", {}, 404),
            ("PUT", "/healthz", {}, 405),
            ("POST", "/api/v1/runs", {"Content-Type": "application/json"}, 422),
            ("POST", "/v1/chat/completions", {"Content-Type": "text/plain"}, 415),
            ("GET", "/jobs", {"Host": "evil.example"}, 421),
        ],
    )
    def test_every_answer_has_one(
        self, client: TestClient, method: str, path: str, headers: dict[str, str], status: int
    ) -> None:
        content = b"{" if method == "POST" else None
        answer = client.request(method, path, headers=headers, content=content)
        assert answer.status_code == status
        assert MADE.fullmatch(answer.headers[HEADER])
        again = client.request(method, path, headers=headers, content=content)
        assert again.headers[HEADER] != answer.headers[HEADER]

    @pytest.mark.parametrize("own", ["a", "trace-1.2_3", "x" * 128])
    def test_a_sane_one_of_the_clients_is_kept(self, client: TestClient, own: str) -> None:
        assert client.get("/healthz", headers={HEADER: own}).headers.get_list(HEADER) == [own]

    @pytest.mark.parametrize("own", ["", "x" * 129, "a b", "a,b", "a/b", "<script>"])
    def test_any_other_is_replaced(self, client: TestClient, own: str) -> None:
        assert MADE.fullmatch(client.get("/healthz", headers={HEADER: own}).headers[HEADER])

    def test_a_failure_has_one_in_the_answer_in_the_log_and_in_the_metrics(
        self, app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            logging.getLogger("finery.test").warning("about to fail, in a thread")
            raise RuntimeError("boom")

        monkeypatch.setattr("finery.api.native.system.to_system", fail)
        caplog.handler.addFilter(RequestIdFilter())
        failing = TestClient(app, base_url=BASE_URL, client=("127.0.0.1", 5), raise_server_exceptions=False)
        answer = failing.get("/api/v1/system", headers={HEADER: "mine-1"})
        assert (answer.status_code, answer.headers[HEADER]) == (500, "mine-1")
        (record,) = [each for each in caplog.records if each.name == "finery.test"]
        assert record.request == " [mine-1]"
        text = client.get("/metrics").text
        assert 'finery_http_route_seconds_count{method="GET",route="/api/v1/system",status="5xx"} 1.0' in text


class TestRequestIdFilter:
    def test_outside_of_a_request_there_is_none(self) -> None:
        record = logging.makeLogRecord({"msg": "x"})
        assert RequestIdFilter().filter(record)
        assert record.request == ""

    def test_two_requests_at_once_do_not_mix(self) -> None:
        """Their threads neither."""
        seen: dict[str, list[str]] = {}

        async def work(scope: Scope, receive: Receive, send: Send) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
                record = await anyio.to_thread.run_sync(self._record)
                seen.setdefault(dict(scope["headers"])[b"x-request-id"].decode(), []).append(record)

        async def ask() -> None:
            scopes = [{"type": "http", "headers": [(b"x-request-id", b"r%d" % number)]} for number in range(5)]
            await asyncio.gather(*(RequestIds(work)(scope, _nothing, _discard) for scope in scopes))

        asyncio.run(ask())
        assert seen == {f"r{number}": [f" [r{number}]"] * 3 for number in range(5)}

    def _record(self) -> str:
        record = logging.makeLogRecord({"msg": "x"})
        RequestIdFilter().filter(record)
        return str(record.request)


async def _nothing() -> Message:
    raise AssertionError("nothing is to be read")


async def _discard(message: Message) -> None:
    pass
