import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message

from finery.http.body import EXPLAINED, LARGE, JsonBounds, StrictRequest, parse_json
from finery.http.problems import RequestRefused
from tests.http.accounts import BASE_URL, SETUP

SMALL = JsonBounds(values=8, keys=3, key_characters=5, depth=3)


class TestParseJson:
    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"{", "line 1, column 2"),
            (b"", "no JSON"),
            (b'{"a": 1, "a": 2}', "'a' occurs twice"),
            (b'{"a": {"b": 1, "b": 1}}', "'b' occurs twice"),
            (b'{"a": NaN}', "NaN"),
            (b"[-Infinity]", "-Infinity"),
            (b'{"a": 1e400}', "1e400"),
            (b"-1" + b"0" * 400 + b".0", "too large"),
            (b"[" * 10_000 + b"]" * 10_000, "deep"),
            (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deep"),
            (b"[" * 101 + b"]" * 101, "deep"),
            (b"1" * 5000, "too long"),
            (b'"\\ud800"', "surrogate"),
            (b'"\xff"', "UTF-8"),
        ],
    )
    def test_refuses(self, data: bytes, says: str) -> None:
        with pytest.raises(RequestRefused) as caught:
            parse_json(data)
        assert caught.value.problem.status == 422
        assert says in caught.value.problem.message

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"[1,2,3,4,5,6,7,8,9]", "more than 8 values"),
            (b"[{},{},{},[],[]]", "more than 8 values"),
            (b'{"a":1,"b":2,"c":3,"d":4}', "4 keys; at most 3"),
            (b'[{"a":1,"b":2,"c":3,"d":4}]', "4 keys; at most 3"),
            (b'{"abcdef": 1}', "more than 5 characters"),
            (b"[[[[]]]]", "more than 3 deep"),
            (b'[{"a":[1]}]', "more than 3 deep"),
            (b'["' + b'","' * 40 + b'"]', "more than 8 values"),
        ],
    )
    def test_refuses_what_is_beyond_its_bounds(self, data: bytes, says: str) -> None:
        with pytest.raises(RequestRefused) as caught:
            parse_json(data, SMALL)
        assert says in caught.value.problem.message

    @pytest.mark.parametrize(
        "value",
        [
            {"a": 1, "b": 2, "c": 3},
            {"abcde": ["[[[[{{{{,,,,::::", '"', "\\", '\\"', '",",",",', 'a\\\\"b']},
            [[[]]],
            "," * 100,
        ],
    )
    def test_what_stands_in_a_text_does_not_count(self, value: object) -> None:
        assert parse_json(json.dumps(value).encode(), SMALL) == value

    @pytest.mark.parametrize(
        ("value", "field"),
        [("a\0", ""), ({"a": {"b": [1, "\0"]}}, "a.b.1"), ({"a": {"b\0c": 1}}, "a.b\\x00c")],
    )
    def test_a_nul_is_named(self, value: object, field: str) -> None:
        with pytest.raises(RequestRefused) as caught:
            parse_json(json.dumps(value).encode())
        assert [issue.field for issue in caught.value.problem.issues] == [field]
        assert parse_json(json.dumps(value).encode(), JsonBounds(nul=True)) == value

    def test_the_spelling_of_a_nul_is_none(self) -> None:
        assert parse_json(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}

    @pytest.mark.parametrize("shift", range(5))
    @pytest.mark.parametrize("text", ['",', '\\",', '\\\\",', "\\\\\\", "x"])
    def test_where_it_is_cut_for_the_scan_changes_nothing(
        self, text: str, shift: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("finery.kit.json_values.SCANNED", 7)
        value = {"a" * shift: [text * 9, {}, 1, text]}
        assert parse_json(json.dumps(value).encode(), SMALL) == value
        with pytest.raises(RequestRefused, match="values"):
            parse_json(json.dumps([value, text, text, text]).encode(), SMALL)

    @pytest.mark.parametrize(
        ("end", "says"),
        [(b'"b": 1, "b": 1}', "twice"), (b'"b": tru}', "no JSON"), (b'"b": "\\udc00"}', "no JSON")],
    )
    def test_of_a_large_one_less_is_explained(self, end: bytes, says: str) -> None:
        with pytest.raises(RequestRefused) as caught:
            parse_json(b'{"a": "' + b"x" * EXPLAINED + b'", ' + end)
        assert says in caught.value.problem.message

    @pytest.mark.parametrize(
        ("data", "value"),
        [
            (b'{"a": [1, 2.5, null, "x"]}', {"a": [1, 2.5, None, "x"]}),
            (b"[" * 100 + b"]" * 100, None),
            (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
            ('"가"'.encode(), "가"),
        ],
    )
    def test_reads(self, data: bytes, value: object) -> None:
        parsed = parse_json(data)
        assert value is None or parsed == value


def request(
    *pieces: bytes, media_type: str = "application/json", most_bytes: int | None = None
) -> tuple[StrictRequest, list[bytes]]:
    """A request, and those of its pieces that were not read yet."""
    left = list(pieces)

    async def receive() -> Message:
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", media_type.encode())]}
    return StrictRequest(scope, receive, most_bytes=most_bytes), left


def refusal(read: Callable[[], Any]) -> int:
    with pytest.raises(RequestRefused) as caught:
        anyio.run(read)
    return caught.value.problem.status


class TestStrictRequest:
    @pytest.mark.parametrize("kind", ["application/octet-stream", "multipart/form-data; boundary=x", "text/plain"])
    def test_of_what_is_no_json_nothing_is_read(self, kind: str) -> None:
        asked, left = request(b"[]", media_type=kind)
        assert refusal(asked.body) == 415
        assert left == [b"[]"]

    @pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/x+json"])
    def test_reads_json_once(self, kind: str) -> None:
        asked, left = request(b"[1,", b"2]", media_type=kind)
        assert anyio.run(asked.json) == anyio.run(asked.json) == [1, 2]
        assert left == []

    def test_stops_at_the_limit(self) -> None:
        asked, left = request(b"12345", b"67890", b"unread", most_bytes=9)
        assert refusal(asked.json) == 413
        assert left == [b"unread"]

    def test_large_bodies_are_read_alike(self) -> None:
        asked, _ = request(b'["' + b"x" * LARGE, b'"]')
        assert anyio.run(asked.json) == ["x" * LARGE]
        twice, _ = request(b'{"a":1,"a":"' + b"x" * LARGE, b'"}')
        assert refusal(twice.json) == 422


class TestDialectRoute:
    def answer(self, app: FastAPI, path: str, piece: bytes = b"[" * 1000) -> tuple[int, int]:
        """To a stranger's endless body: the status, and how many pieces were read."""
        read: list[bytes] = []

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(1000):
                read.append(piece)
                yield piece

        async def ask() -> int:
            transport = httpx.ASGITransport(app, client=("192.168.1.5", 50000))
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as stranger:
                headers = {"Content-Type": "application/json"}
                return (await stranger.post(path, content=pieces(), headers=headers)).status_code

        return anyio.run(ask), len(read)

    @pytest.mark.parametrize("path", ["/api/v1/runs", "/jobs", "/api/users", "/v1/fine_tuning/jobs", "/v1/files"])
    def test_a_strangers_body_is_not_read(self, app: FastAPI, client: TestClient, path: str) -> None:
        assert self.answer(app, path) == (403, 0)
        assert client.post("/api/v1/setup", json=SETUP).status_code == 201
        assert self.answer(app, path) == (401, 0)

    @pytest.mark.parametrize("path", ["/api/v1/login", "/api/auth/login", "/api/v1/setup"])
    def test_of_a_login_little_is_read(self, app: FastAPI, client: TestClient, path: str) -> None:
        status, pieces = self.answer(app, path)
        assert (status, pieces) == (413, 66)
