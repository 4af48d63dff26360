import pytest

from tests.soak.plan import GOALS, Goal, Shard, missing, next_round
from tests.soak.results import Result
from tests.soak.test_results import result

GOAL = Goal("server", "sqlite", wanted=50, each_round=20)


def after(*numbers: int, done: int = 20, **fields: object) -> list[Result]:
    return [result(number=number, done=done, **fields) for number in numbers]


def numbers(results: list[Result]) -> list[int]:
    return [one.number for one in missing(GOAL, results)]


class TestMissing:
    def test_all_at_first(self) -> None:
        assert numbers([]) == [1, 2, 3]

    def test_goes_on_where_the_file_ends(self) -> None:
        assert numbers(after(1, 3)) == [2]

    def test_nothing_when_it_is_done(self) -> None:
        assert numbers(after(1, 2, 3)) == []

    def test_more_rounds_where_those_did_too_little(self) -> None:
        """15 of 50 were done: two more rounds of 20 are needed."""
        assert numbers(after(1, 2, 3, done=5)) == [4, 5]

    def test_what_is_of_another_goal_counts_nothing(self) -> None:
        assert numbers(after(1, 2, 3, kind="shim")) == [1, 2, 3]
        assert numbers(after(1, 2, 3, database="mysql")) == [1, 2, 3]

    def test_what_ran_uncommitted_or_was_mended_since_is_done_again(self) -> None:
        assert numbers(after(1, commit="abc+") + after(2, mended="def")) == [1, 2, 3]


class TestShard:
    @pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
    def test_each_number_is_in_one(self, count: int) -> None:
        shards = [Shard.parse(f"{index}/{count}") for index in range(1, count + 1)]
        assert [sum(shard.has(number) for shard in shards) for number in range(1, 30)] == [1] * 29

    @pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", ""])
    def test_others_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"shard|invalid"):
            Shard.parse(text)

    def test_takes_its_rounds_alone_until_none_is_left(self) -> None:
        taken, results = [], list[Result]()
        while (found := next_round([GOAL], results, Shard(2, 2))) is not None:
            taken.append(found.number)
            results += after(found.number)
        assert taken == [2]


class TestNextRound:
    def test_is_of_the_goal_that_is_furthest_behind(self) -> None:
        other = Goal("shim", "sqlite", wanted=20, each_round=20)
        found = next_round([GOAL, other], after(1), Shard(1, 1))
        assert found is not None
        assert (found.goal, found.number) == (other, 1)

    def test_a_whole_plan_comes_to_its_end(self) -> None:
        results: list[Result] = []
        while (found := next_round(GOALS, results, Shard(1, 1))) is not None:
            goal = found.goal
            results.append(result(kind=goal.kind, database=goal.database, number=found.number, done=goal.each_round))
        done = {goal: sum(one.done for one in results if _is_of(one, goal)) for goal in GOALS}
        assert all(goal.wanted <= done[goal] < goal.wanted + goal.each_round for goal in GOALS)

    def test_a_round_has_its_seed_for_good(self) -> None:
        first, again = (next_round([GOAL], [], Shard(1, 1)) for _ in range(2))
        second = next_round([GOAL], after(1), Shard(1, 1))
        assert first is not None
        assert again is not None
        assert second is not None
        assert first.seed == again.seed != second.seed


def _is_of(one: Result, goal: Goal) -> bool:
    return (one.kind, one.database) == (goal.kind, goal.database)


def test_the_metrics_that_are_held_to() -> None:
    """RELIABILITY: 500 kills of the server, 100 of the shim, 100 of both, on each database."""
    wanted = {(goal.kind, goal.database): goal.wanted for goal in GOALS}
    for database in ("sqlite", "postgres", "mysql"):
        assert [wanted[kind, database] for kind in ("server", "shim", "both")] == [500, 100, 100]
