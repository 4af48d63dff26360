import pytest

from finery.kit.error_paths import path_in


class TestPathIn:
    @pytest.mark.parametrize(
        ("location", "expected"),
        [
            (("n", "constrained-int"), ["n"]),
            (("n", "literal['auto']"), ["n"]),
            (("pairs", "key", "[key]"), ["pairs", "key"]),
            (("pairs", "[key]", "[key]"), ["pairs"]),
            (("list", 1, "str"), ["list", 1]),
            (("union", "First", "left"), ["union", "left"]),
            (("elsewhere",), ["elsewhere"]),
            ((), []),
        ],
    )
    def test_leaves_out_what_was_not_sent(self, location: tuple[str | int, ...], expected: list[str | int]) -> None:
        sent = {"n": 0, "pairs": {"key": "v"}, "list": [1, 2], "union": {"left": 1}}
        assert path_in(sent, location, is_missing=False) == expected

    def test_keeps_the_name_of_what_is_missing(self) -> None:
        assert path_in({"union": {}}, ("union", "First", "left"), is_missing=True) == ["union", "left"]
        assert path_in(None, ("left",), is_missing=True) == ["left"]
