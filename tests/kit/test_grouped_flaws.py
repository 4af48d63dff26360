from finery.kit.grouped_flaws import group_flaws


class TestGroupFlaws:
    def test_equal_ones_are_told_once_with_their_lines(self) -> None:
        flaws = [(3, "a"), (4, "b"), (None, "whole"), (5, "b"), *((line, "a") for line in range(7, 20)), (6, "c")]
        assert group_flaws(flaws) == ["lines 3, 7 and 12 more: a", "lines 4 and 5: b", "whole", "line 6: c"]
        assert group_flaws([(3, "a"), (7, "a"), (9, "a")]) == ["lines 3, 7 and 9: a"]
        assert group_flaws([]) == []
