"""How often each thing is to be done on each database, and which rounds of it are still missing."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.soak.results import Result

DATABASES = ("sqlite", "postgres", "mysql")
RECIPES = ("sft", "dpo", "cpt", "reward", "kto", "grpo")


@dataclass(frozen=True)
class Goal:
    """`wanted` times something is done to what runs on one kind of database, `each_round` times in a round."""

    kind: str
    database: str
    wanted: int
    each_round: int

    @property
    def rounds(self) -> int:
        return -(-self.wanted // self.each_round)


@dataclass(frozen=True)
class Round:
    goal: Goal
    number: int
    """1, 2, 3 … within its goal."""

    @property
    def seed(self) -> int:
        """The same for the same round everywhere, and another for each."""
        return zlib.crc32(f"{self.goal.kind}/{self.goal.database}/{self.number}".encode())


@dataclass(frozen=True)
class Shard:
    """Part `index` (1 … `count`) of the rounds."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Raises ValueError."""
        index, _, count = text.partition("/")
        shard = cls(int(index), int(count))
        if not 1 <= shard.index <= shard.count:
            raise ValueError(f"{text!r} is no shard; the first of four is 1/4, the last 4/4")
        return shard

    def has(self, number: int) -> bool:
        return number % self.count == self.index % self.count


# kind: how often on each database, and how often in a round.
_ON_EACH_DATABASE = {
    "server": (500, 20),
    "shim": (100, 20),
    "both": (100, 10),
    "server-stop": (50, 5),
    "trainer": (100, 20),
    "streams": (100, 10),
    "clock": (50, 10),
    "read-only": (20, 2),
    "engine": (20, 4),
}

GOALS: tuple[Goal, ...] = (
    *(
        Goal(kind, database, wanted, each_round)
        for kind, (wanted, each_round) in _ON_EACH_DATABASE.items()
        for database in DATABASES
    ),
    *(Goal(f"train-{recipe}", "sqlite", 3, 3) for recipe in RECIPES),
)


def missing(goal: Goal, results: Iterable[Result]) -> list[Round]:
    """The rounds of a goal that are still to be done; more than its first ones where those did less than they might."""
    done = [one for one in results if one.counts and (one.kind, one.database) == (goal.kind, goal.database)]
    numbers = {one.number for one in done}
    planned = [number for number in range(1, goal.rounds + 1) if number not in numbers]
    if not planned:
        short = goal.wanted - sum(one.done for one in done)
        first = max(numbers) + 1
        planned = list(range(first, first + -(-max(0, short) // goal.each_round)))
    return [Round(goal, number) for number in planned]


def next_round(goals: Iterable[Goal], results: list[Result], shard: Shard) -> Round | None:
    """Of the goal that is furthest behind, so that a soak that is stopped early has some of everything."""
    return min(_open_rounds(goals, results, shard), key=lambda found: found[0], default=(0.0, None))[1]


def _open_rounds(goals: Iterable[Goal], results: list[Result], shard: Shard) -> Iterator[tuple[float, Round]]:
    for goal in goals:
        rounds = [one for one in missing(goal, results) if shard.has(one.number)]
        if rounds:
            yield 1 - len(rounds) / goal.rounds, rounds[0]
