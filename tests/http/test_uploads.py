"""Forms with a file, wherever the chunks that they come in end."""

import asyncio
import hashlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from finery.http.problems import RequestRefused
from finery.http.uploads import MAX_FIELDS, MAX_PARTS, Upload, UploadRefused, receive_upload

FILE = b'Content-Disposition: form-data; name="file"; filename="rows.jsonl"'
ENDS = st.sampled_from([b"\r", b"\n", b"-", b"--y", b"\r\n--", b"\r\n--x", b"abc"])


def part(content: bytes, *headers: bytes) -> bytes:
    return b"--xyz\r\n" + b"\r\n".join(headers) + b"\r\n\r\n" + content + b"\r\n"


def field(name: bytes, value: bytes) -> bytes:
    return part(value, b'Content-Disposition: form-data; name="' + name + b'"')


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


def receive(folder: Path, chunks: Iterable[bytes], boundary: str = "xyz") -> Upload:
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    said = iter(messages)

    async def say() -> Message:
        return next(said)

    headers = [(b"content-type", f"multipart/form-data; boundary={boundary}".encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, say)
    return asyncio.run(receive_upload(request, folder))


def cut(body: bytes, cuts: Iterable[int]) -> Iterable[bytes]:
    edges = [0, *sorted(each % (len(body) + 1) for each in cuts), len(body)]
    return (body[start:end] for start, end in pairwise(edges))


class TestReceive:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
    @given(
        contents=st.lists(ENDS, min_size=1, max_size=6),
        value=st.lists(st.sampled_from([b"a", b"-", b"\r\n-", b" "]), max_size=3),
        cuts=st.lists(st.integers(min_value=0, max_value=10_000), max_size=30),
    )
    def test_wherever_the_chunks_end(
        self, tmp_path: Path, contents: list[bytes], value: list[bytes], cuts: list[int]
    ) -> None:
        content, text = b"".join(contents), b"".join(value)
        body = form(field(b"before", text), part(content, FILE, b"Content-Type: text/plain"), field(b"after", b"1"))
        upload = receive(tmp_path, cut(body, cuts))
        assert upload.path.read_bytes() == content
        assert (upload.filename, upload.size_bytes) == ("rows.jsonl", len(content))
        assert upload.sha256 == hashlib.sha256(content).hexdigest()
        assert upload.fields == {"before": text.decode(), "after": "1"}
        upload.discard()
        assert list(tmp_path.iterdir()) == []

    def test_byte_by_byte(self, tmp_path: Path) -> None:
        body = form(part(b"one\r\n--xy", FILE))
        assert receive(tmp_path, cut(body, range(len(body)))).path.read_bytes() == b"one\r\n--xy"

    @pytest.mark.parametrize("size", [1 << 20, (3 << 20) + 7])
    def test_large_ones(self, tmp_path: Path, size: int) -> None:
        content = bytes(range(256)) * (size // 256 + 1)
        body = form(part(content[:size], FILE))
        upload = receive(tmp_path, (body[start : start + 65_536] for start in range(0, len(body), 65_536)))
        assert upload.path.read_bytes() == content[:size]
        assert upload.sha256 == hashlib.sha256(content[:size]).hexdigest()


class TestRefused:
    def test_what_is_cut_off_is_not_whole(self, tmp_path: Path) -> None:
        whole = form(part(b"abc", FILE))
        for end in range(1, len(whole) - 4):
            with pytest.raises(UploadRefused):
                receive(tmp_path, [whole[:end]])
            assert list(tmp_path.iterdir()) == [], end

    @pytest.mark.parametrize(
        "body",
        [
            b"--xyzz\r\n" + FILE + b"\r\n\r\na\r\n--xyz--",
            b"--xyz\r\nno header\r\n\r\na\r\n--xyz--",
            b"--xyz\r\n: no name\r\n\r\na\r\n--xyz--",
            b"--xyz\r\nA: " + b"a" * 100_000 + b"\r\n\r\na\r\n--xyz--",
            b"--xyz" + b" " * 100_000,
            b"junk",
        ],
        ids=["other boundary", "no colon", "no name", "long header", "long boundary", "junk"],
    )
    def test_malformed(self, tmp_path: Path, body: bytes) -> None:
        with pytest.raises(UploadRefused, match=r"malformed|too long|ends too early"):
            receive(tmp_path, [body])
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("boundary", ['""', "x" * 71])
    def test_boundary_of_no_fit_length(self, tmp_path: Path, boundary: str) -> None:
        with pytest.raises((UploadRefused, RequestRefused)):
            receive(tmp_path, [b""], boundary)

    @pytest.mark.parametrize(
        ("parts", "says"),
        [
            ([part(b"", FILE)], "empty"),
            ([field(b"other", b"1")], "no file in a part named file"),
            ([part(b"a", FILE), part(b"b", FILE)], "more than one file"),
            ([part(b"a", FILE), field(b"name", b"1"), field(b"name", b"2")], "gives it twice"),
            ([part(b"a", FILE), field(b"name", b"\xff")], "not valid UTF-8"),
            ([part(b"a", FILE), field(b"name", b"a\0b")], "NUL"),
        ],
    )
    def test_what_a_form_may_not_hold(self, tmp_path: Path, parts: list[bytes], says: str) -> None:
        with pytest.raises(UploadRefused, match=says):
            receive(tmp_path, [form(*parts)])
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "parts",
        [
            [field(b"f%d" % number, b"1") for number in range(MAX_FIELDS + 1)],
            [part(b"", b"Content-Type: text/plain") for _ in range(MAX_PARTS + 1)],
            [field(b"name", b"a" * 70_000)],
        ],
        ids=["fields", "parts", "long field"],
    )
    def test_bounds(self, tmp_path: Path, parts: list[bytes]) -> None:
        with pytest.raises((RequestRefused, UploadRefused)):
            receive(tmp_path, [form(part(b"a", FILE), *parts)])
        assert list(tmp_path.iterdir()) == []
