import pytest

from finery.cli.progress_line import BAR_WIDTH, COARSE_MARKS, Part, bar, fitted

PARTS = [Part("training", 0), Part("█▆▄", 9), Part("3/8", 1), Part("", 2), Part("12 s", 4)]


class TestFitted:
    @pytest.mark.parametrize(
        ("width", "line"),
        [
            (80, "training  █▆▄  3/8  12 s"),
            (24, "training  █▆▄  3/8  12 s"),
            (23, "training  3/8  12 s"),
            (18, "training  3/8"),
            (5, "training"),
        ],
    )
    def test_the_least_important_are_left_out(self, width: int, line: str) -> None:
        assert fitted(PARTS, width) == line

    def test_wide_letters_take_two_columns(self) -> None:
        parts = [Part("학습", 0), Part("3/8", 1)]
        assert (fitted(parts, 9), fitted(parts, 8)) == ("학습  3/8", "학습")


class TestBar:
    @pytest.mark.parametrize(("share", "done"), [(0.0, 0), (0.5, BAR_WIDTH // 2), (1.0, BAR_WIDTH), (1.5, BAR_WIDTH)])
    def test_is_told_without_colours(self, share: float, done: int) -> None:
        assert bar(share, COARSE_MARKS) == "#" * done + "-" * (BAR_WIDTH - done)
