import random
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Resources
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.device_leases import LOCAL_NODE, Node, devices_of_runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.claims import Claim
from finery.kit.clock import utc_now
from finery.models import LeaseRow, RunRow
from tests import builders
from tests.statements import statements

pytestmark = pytest.mark.every_database


def submit(database: Database, home: Path, run_id: str, *, gpus: int = 0, priority: int = 0) -> str:
    new = builders.command(id=run_id, priority=priority, resources=Resources(gpus=gpus))
    with database.write() as session:
        return runs.create(session, new, builders.context(home, gpus=8), LOCAL_ADMINISTRATOR).id


def claim(database: Database, *, gpus: int = 0, cpu_slots: int = 2, max_passed: int = 20) -> Claim | None:
    machine = builders.machine(gpus=gpus, cpu_slots=cpu_slots)
    with database.write() as session:
        return claims.claim_next(session, machine, executor="local", max_passed=max_passed)


def claimed_id(database: Database, *, gpus: int = 0, cpu_slots: int = 2, max_passed: int = 20) -> str | None:
    found = claim(database, gpus=gpus, cpu_slots=cpu_slots, max_passed=max_passed)
    return found.run_id if found else None


def end(database: Database, found: Claim) -> None:
    with database.write() as session:
        attempts.finish(session, found.ref, reason=Reason.COMPLETED, message=None, ending=None, max_lost=0)


class Queue:
    """Runs by their numbers, from 1."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.length = 0
        self.live: dict[int, Claim] = {}
        submit(database, home, "pattern")
        with database.write() as session:
            self._pattern = dict(session.execute(select(RunRow.__table__)).mappings().one())
            session.execute(delete(RunRow))

    def add(self, count: int, *, gpus: int = 0, priority: int = 0) -> list[int]:
        numbers = list(range(self.length + 1, self.length + count + 1))
        self.length += count
        wanted = {
            "gpus": gpus,
            "cpu_slots": 0 if gpus else 1,
            "priority": priority,
            "client_key": None,
            "output_key": None,
        }
        rows = [{**self._pattern, **wanted, "number": number, "id": f"r{number}"} for number in numbers]
        with self.database.write() as session:
            session.execute(insert(RunRow.__table__), rows)
        return numbers

    def started(self, *, max_passed: int = 20, **machine: int) -> list[int]:
        """Everything that is claimed now, in order."""
        numbers = []
        while (found := claim(self.database, max_passed=max_passed, **machine)) is not None:
            numbers.append(found.ref.run_number)
            self.live[numbers[-1]] = found
        return numbers

    def end(self, number: int) -> None:
        end(self.database, self.live.pop(number))

    def claim_and_count(self, **machine: int) -> int:
        """How many statements a claim takes."""
        with statements(self.database) as asked:
            assert claim(self.database, **machine) is not None
        return len(asked)


@pytest.fixture
def queue(database: Database, home: Path) -> Queue:
    return Queue(database, home)


class TestClaimNext:
    def test_oldest_first(self, database: Database, home: Path) -> None:
        for name in ("a", "b"):
            submit(database, home, name)
        assert [claimed_id(database), claimed_id(database)] == ["a", "b"]

    def test_priority_before_age(self, database: Database, home: Path) -> None:
        submit(database, home, "old")
        submit(database, home, "urgent", priority=5)
        assert claimed_id(database) == "urgent"

    def test_nothing_waits(self, database: Database) -> None:
        assert claim(database) is None

    def test_no_free_slot(self, database: Database, home: Path) -> None:
        for name in ("a", "b"):
            submit(database, home, name)
        assert claimed_id(database, cpu_slots=1) == "a"
        assert claim(database, cpu_slots=1) is None

    def test_claim_takes_leases_and_starts(self, database: Database, home: Path) -> None:
        submit(database, home, "a", gpus=2)
        found = claim(database, gpus=4)
        assert found is not None
        assert found.gpus == [0, 1]
        with database.read() as session:
            assert devices_of_runs(session, LOCAL_NODE) == dict.fromkeys(("gpu:0", "gpu:1"), found.ref.run_number)
            assert runs.get(session, "a", LOCAL_ADMINISTRATOR).status is RunStatus.STARTING

    def test_leases_are_freed_at_the_end(self, database: Database, home: Path) -> None:
        submit(database, home, "a")
        found = claim(database)
        assert found is not None
        end(database, found)
        with database.read() as session:
            assert devices_of_runs(session, LOCAL_NODE) == {}

    def test_a_smaller_run_passes_one_that_does_not_fit(self, database: Database, home: Path) -> None:
        submit(database, home, "holder", gpus=1)
        claim(database, gpus=2)
        submit(database, home, "large", gpus=2)
        submit(database, home, "small", gpus=1)
        assert claimed_id(database, gpus=2) == "small"

    def test_but_not_for_ever(self, database: Database, home: Path) -> None:
        submit(database, home, "holder", gpus=1)
        claim(database, gpus=2)
        submit(database, home, "large", gpus=2)
        for name in ("one", "two", "three"):
            submit(database, home, name, gpus=1)
        for name in ("one", "two"):
            found = claim(database, gpus=2, max_passed=2)
            assert found is not None
            assert found.run_id == name
            end(database, found)
        assert claim(database, gpus=2, max_passed=2) is None

    def test_two_leases_on_one_device_are_impossible(self, database: Database, home: Path) -> None:
        submit(database, home, "a")
        found = claim(database)
        assert found is not None
        with database.read() as session:
            (held,) = session.scalars(select(LeaseRow)).all()
        place = {"pool": held.pool, "node": held.node, "device": held.device}
        again = LeaseRow(**place, run_number=found.ref.run_number, created_at=utc_now())
        with pytest.raises(IntegrityError), database.write() as session:
            session.add(again)

    def test_external_runs_are_never_claimed(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.external("job-001"), builders.context(home), LOCAL_ADMINISTRATOR)
        assert claim(database) is None

    def test_a_run_for_another_device_is_no_rival(self, database: Database, home: Path) -> None:
        submit(database, home, "holder", gpus=1)
        claim(database, gpus=1)
        submit(database, home, "waits", gpus=1)
        for number in range(4):
            submit(database, home, f"cpu{number}")
            found = claim(database, gpus=1, max_passed=1)
            assert found is not None
            assert found.run_id == f"cpu{number}"
            end(database, found)

    def test_what_the_machine_lost_holds_nobody_up(self, database: Database, home: Path) -> None:
        submit(database, home, "too-large", gpus=4)
        for number in range(4):
            submit(database, home, f"r{number}", gpus=1)
            found = claim(database, gpus=1, max_passed=1)
            assert found is not None
            assert found.run_id == f"r{number}"
            end(database, found)

    def test_devices_of_another_node_are_others(self, database: Database, home: Path) -> None:
        for name in ("a", "b"):
            submit(database, home, name, gpus=1)
        nodes = (LOCAL_NODE, Node(pool="cluster", name="n1"))
        for node in nodes:
            with database.write() as session:
                found = claims.claim_next(session, builders.machine(gpus=1), node=node, executor="local", max_passed=1)
            assert found is not None
            assert found.gpus == [0]
        with database.read() as session:
            assert [len(devices_of_runs(session, node)) for node in nodes] == [1, 1]


class TestLongQueue:
    """However many wait that lack a device, who lacks none is found: one kind never hides the other."""

    def test_gpu_runs_hide_no_cpu_run(self, queue: Queue) -> None:
        queue.add(202, gpus=1)
        last = queue.add(3)
        assert queue.started(gpus=1, cpu_slots=2) == [1, *last[:2]]

    def test_cpu_runs_hide_no_gpu_run(self, queue: Queue) -> None:
        queue.add(301)
        (last,) = queue.add(1, gpus=1)
        assert queue.started(gpus=1, cpu_slots=1) == [1, last]

    def test_wide_runs_hide_no_narrow_one(self, queue: Queue) -> None:
        queue.add(1, gpus=3)
        queue.add(250, gpus=2)
        (last,) = queue.add(1, gpus=1)
        assert queue.started(gpus=4) == [1, last]

    def test_what_no_machine_carries_hides_nobody(self, queue: Queue) -> None:
        queue.add(230, gpus=8)
        (last,) = queue.add(1, gpus=1)
        assert queue.started(gpus=1) == [last]

    def test_priority_goes_before_age_over_both_kinds(self, queue: Queue) -> None:
        queue.add(201, gpus=1)
        urgent = queue.add(2, priority=5) + queue.add(1, gpus=1, priority=9)
        assert queue.started(gpus=1, cpu_slots=1) == [urgent[2], urgent[0]]

    def test_wide_runs_are_passed_so_often_and_then_start(self, queue: Queue) -> None:
        queue.add(1, gpus=1)
        wide = queue.add(230, gpus=2)
        narrow = queue.add(9, gpus=1)
        assert queue.started(gpus=2, max_passed=3) == [1, narrow[0]]
        for number in narrow[:2]:
            queue.end(number)
            assert queue.started(gpus=2, max_passed=3) == [number + 1]
        queue.end(narrow[2])
        assert queue.started(gpus=2, max_passed=3) == []
        queue.end(1)
        assert queue.started(gpus=2, max_passed=3) == wide[:1]
        # All of those that it counts were passed: behind the first, the next has its turn at once.
        queue.end(wide[0])
        assert queue.started(gpus=2, max_passed=3) == wide[1:2]

    def test_a_claim_costs_no_more_in_a_longer_queue(self, queue: Queue, database: Database) -> None:
        queue.add(1, gpus=1)
        queue.add(20, gpus=2)
        queue.add(2, gpus=1)
        assert queue.started(gpus=1) == [1]
        short = queue.claim_and_count(gpus=2)
        queue.add(500, gpus=2, priority=1)
        assert queue.claim_and_count(gpus=3) == short
        with database.read() as session:
            counted = session.scalar(select(func.count()).select_from(RunRow).where(RunRow.passed > 0))
        assert counted == 20 + claims.MAX_PASSED_RUNS

    @pytest.mark.parametrize("seed", range(4))
    def test_is_what_a_walk_through_the_whole_queue_finds(self, queue: Queue, seed: int) -> None:
        choose = random.Random(seed)
        waiting: list[list[int]] = []
        free = {"gpus": 3, "cpu_slots": 2}
        live: dict[int, tuple[str, int]] = {}
        for _ in range(25):
            gpus, priority = choose.choice([0, 0, 1, 1, 2, 3]), choose.choice([0, 0, 0, 5])
            (number,) = queue.add(1, gpus=gpus, priority=priority)
            waiting.append([-priority, number, gpus, 0])
            if live and choose.random() < 0.7:
                ended = choose.choice(list(live))
                kind, count = live.pop(ended)
                free[kind] += count
                queue.end(ended)
            expected = walk(waiting, free, live, max_passed=2)
            assert queue.started(gpus=3, cpu_slots=2, max_passed=2) == expected


def walk(
    waiting: list[list[int]], free: dict[str, int], live: dict[int, tuple[str, int]], *, max_passed: int
) -> list[int]:
    """What starts, one after the other; each of `waiting` is -priority, number, GPUs, how often passed."""
    started: list[int] = []
    while True:
        passed: list[list[int]] = []
        for one in sorted(waiting):
            _, number, gpus, _ = one
            kind, count = ("gpus", gpus) if gpus else ("cpu_slots", 1)
            rivals = [other for other in passed if bool(other[2]) == bool(gpus)]
            if count > free[kind]:
                passed.append(one)
            elif all(other[3] < max_passed for other in rivals):
                for other in rivals:
                    other[3] += 1
                break
        else:
            return started
        waiting.remove(one)
        live[number] = (kind, count)
        free[kind] -= count
        started.append(number)
