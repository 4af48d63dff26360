import pytest

from finery.engines.transformers.text import Detokenizer, StopMatcher

PIECES = [b"ab", "火".encode()[:1], "火".encode()[1:], b" c", "🔥".encode()[:2], "🔥".encode()[2:]]


def decode(tokens: list[int]) -> str:
    return b"".join(PIECES[token] for token in tokens).decode(errors="replace")


class TestDetokenizer:
    def test_holds_back_part_of_a_character(self) -> None:
        detokenizer = Detokenizer(decode)
        assert [detokenizer.push(token) for token in range(6)] == ["ab", "", "火", " c", "", "🔥"]
        assert detokenizer.flush() == ""

    def test_shows_an_unfinished_character_at_the_end(self) -> None:
        detokenizer = Detokenizer(decode)
        assert [detokenizer.push(0), detokenizer.push(1), detokenizer.flush()] == ["ab", "", "\ufffd"]


class TestStopMatcher:
    @pytest.mark.parametrize(
        ("pieces", "stops", "expected", "stopped"),
        [
            (["one two"], ["two"], "one ", True),
            (["one t", "w", "o three"], ["two"], "one ", True),
            (["one t", "wig"], ["two"], "one twig", False),
            (["aab"], ["b", "ab"], "a", True),
            (["aaaab"], ["aab"], "aa", True),
            (["a", "a", "b"], [], "aab", False),
            (["终", "止符"], ["止符"], "终", True),
        ],
    )
    def test_ends_before_the_first_stop(
        self, pieces: list[str], stops: list[str], expected: str, stopped: bool
    ) -> None:
        matcher = StopMatcher(stops)
        text = "".join(matcher.push(piece) for piece in pieces) + matcher.flush()
        assert (text, matcher.stopped) == (expected, stopped)

    def test_holds_back_what_may_become_a_stop(self) -> None:
        matcher = StopMatcher(["\n\n"])
        assert [matcher.push("a\n"), matcher.push("b")] == ["a", "\nb"]
