from typing import Any

import pytest

from finery.db import Database
from tests.soak.clients import Clients
from tests.soak.following import Followed, Followers
from tests.soak.verdict import Verdict, events_of
from tests.soak.world import World


@pytest.fixture
def events(clients: Clients, database: Database) -> list[Any]:
    """As the stream of run `a` tells them."""
    return [event.model_dump(mode="json") for event in events_of(database, clients.accepted["a"])]


def judged(world: World, clients: Clients, came: list[Any]) -> int:
    """How many streams are found to be wrong when `came` came of run `a`."""
    run_id, followers, verdict = clients.accepted["a"], Followers(world, clients), Verdict(ends={}, broken={})
    followers.followed[run_id] = Followed(run_id, came)
    followers.judge(verdict)
    return sum(verdict.broken.values())


class TestJudge:
    def test_all_once_and_in_order(self, world: World, clients: Clients, events: list[Any]) -> None:
        assert len(events) == 3
        assert judged(world, clients, events) == 0

    def test_a_gap(self, world: World, clients: Clients, events: list[Any]) -> None:
        assert judged(world, clients, [events[0], events[2]]) == 1

    def test_a_repeat(self, world: World, clients: Clients, events: list[Any]) -> None:
        assert judged(world, clients, [events[0], *events]) == 1

    def test_another_order(self, world: World, clients: Clients, events: list[Any]) -> None:
        assert judged(world, clients, [events[1], events[0], events[2]]) == 1

    def test_no_end(self, world: World, clients: Clients, events: list[Any]) -> None:
        assert judged(world, clients, events[:-1]) == 1
