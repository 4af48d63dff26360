import pytest

from finery.client.sse import Message, read_messages

STREAM = (
    b": a heartbeat\n\n"
    b'id: 1\nevent: status\ndata: {"to": "running"}\n\n'
    b"data: first line\ndata: second line\n\n"
    b"id: 2\nevent: notice\ndata:no space\n\n"
)
MESSAGES = [
    Message("1", "status", '{"to": "running"}'),
    Message("1", "message", "first line\nsecond line"),
    Message("2", "notice", "no space"),
]


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


class TestReadMessages:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_any_line_end_in_any_pieces(self, end: bytes, size: int) -> None:
        data = STREAM.replace(b"\n", end)

        assert list(read_messages(pieces(data, size))) == MESSAGES

    def test_what_is_not_finished_is_dropped(self) -> None:
        assert list(read_messages([b"data: whole\n\ndata: torn"])) == [Message("", "message", "whole")]
        assert list(read_messages([b"data: no empty line\n"])) == []

    def test_only_cr_and_lf_end_a_line(self) -> None:
        text = "a\u2028b\u0085c\x0bd 中文"

        assert [message.data for message in read_messages(pieces(f"data: {text}\n\n".encode(), 1))] == [text]

    def test_a_comment_and_an_unknown_field_are_ignored(self) -> None:
        assert list(read_messages([b":\nretry: 10\nfoo: bar\n\ndata\n\n"])) == [Message("", "message", "")]
