from hypothesis import given
from hypothesis import strategies as st

from finery.kit.text_chunks import split_in_blocks, split_lines

CHUNKS = st.lists(st.text("ab\n", max_size=9).map(str.encode), max_size=6)


class TestSplitInBlocks:
    @given(chunks=CHUNKS)
    def test_the_blocks_are_the_file(self, chunks: list[bytes]) -> None:
        blocks = list(split_in_blocks(chunks, limit=100))
        assert b"\n".join(block for block in blocks if block is not None) == b"".join(chunks).removesuffix(b"\n")

    def test_lines_that_end_in_one_chunk_come_together(self) -> None:
        assert list(split_in_blocks([b"a\nb\nc", b"d\n", b"e"], limit=9)) == [b"a\nb", b"cd", b"e"]

    def test_a_line_past_the_limit(self) -> None:
        assert list(split_in_blocks([b"a\nbbb", b"bbb\nc\nd\n", b"eeee", b"e"], limit=4)) == [b"a", None, b"c\nd", None]


class TestSplitLines:
    @given(chunks=CHUNKS)
    def test_gives_every_line(self, chunks: list[bytes]) -> None:
        content = b"".join(chunks)
        expected = content.split(b"\n")[:-1] if content.endswith(b"\n") or not content else content.split(b"\n")
        assert list(split_lines(chunks, limit=100)) == expected
