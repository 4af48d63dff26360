from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finery.kit.multipart import MAX_HEADER_BYTES, MalformedForm, Multipart

HEADERS = b'Content-Disposition: form-data; name="a"'


def form(*contents: bytes, boundary: bytes = b"x") -> bytes:
    parts = [b"--" + boundary + b"\r\n" + HEADERS + b"\r\n\r\n" + content + b"\r\n" for content in contents]
    return b"".join(parts) + b"--" + boundary + b"--\r\n"


def read(body: bytes, *cuts: int, boundary: bytes = b"x") -> tuple[list[bytes], bool]:
    """Each part's content, and whether the form ended."""
    found: list[bytes] = []
    parser = Multipart(boundary)
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in pairwise(edges):
        for event in parser.feed(body[start:end]):
            if isinstance(event, dict):
                assert event == {b"content-disposition": HEADERS.partition(b": ")[2]}
                found.append(b"")
            else:
                found[-1] += event
    return found, parser.is_whole


class TestFeed:
    @given(
        contents=st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--y", b"\r\n--", b"abc"])), max_size=4),
        cuts=st.lists(st.integers(min_value=0, max_value=10_000), max_size=30),
    )
    def test_wherever_the_chunks_end(self, contents: list[list[bytes]], cuts: list[int]) -> None:
        pieces = [b"".join(content) for content in contents]
        assert read(form(*pieces), *cuts) == (pieces, True)

    def test_byte_by_byte(self) -> None:
        body = form(b"one\r\n-", b"", b"\r\n")
        assert read(body, *range(len(body))) == ([b"one\r\n-", b"", b"\r\n"], True)

    def test_text_before_the_first_and_after_the_last_boundary_is_passed_over(self) -> None:
        assert read(b"preamble\r\n" + form(b"a") + b"\r\n--x\r\nepilogue") == ([b"a"], True)

    def test_spaces_after_a_boundary(self) -> None:
        assert read(form(b"a").replace(b"--x\r\n", b"--x \t\r\n", 1)) == ([b"a"], True)

    def test_what_is_cut_off_is_not_whole(self) -> None:
        whole = form(b"abc")
        assert [end for end in range(1, len(whole) - 2) if read(whole[:end])[1]] == []

    @pytest.mark.parametrize(
        "body",
        [
            b"--xy\r\n" + HEADERS + b"\r\n\r\na\r\n--x--",
            b"--x\r\nno header\r\n\r\na\r\n--x--",
            b"--x\r\n: no name\r\n\r\na\r\n--x--",
            b"--x\r\nA: " + b"a" * MAX_HEADER_BYTES + b"\r\n\r\na\r\n--x--",
            b"--x\r\nA: " + b"a" * (2 * MAX_HEADER_BYTES),
            b"--x" + b" " * (2 * MAX_HEADER_BYTES),
        ],
    )
    def test_malformed(self, body: bytes) -> None:
        with pytest.raises(MalformedForm):
            read(body)

    @pytest.mark.parametrize("boundary", [b"", b"x" * 71])
    def test_boundary_of_no_fit_length(self, boundary: bytes) -> None:
        with pytest.raises(MalformedForm):
            Multipart(boundary)

    def test_content_is_passed_on_uncopied(self) -> None:
        parser = Multipart(b"x")
        list(parser.feed(b"--x\r\n" + HEADERS + b"\r\n\r\n"))
        chunk: Any = bytes(100_000)
        assert next(iter(parser.feed(chunk))) is chunk
