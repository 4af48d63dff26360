from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Resources
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.claims import Claim
from finery.kit.clock import utc_now
from finery.models import LeaseRow
from tests import builders

pytestmark = pytest.mark.every_database


def submit(database: Database, home: Path, run_id: str, *, gpus: int = 0, priority: int = 0) -> str:
    new = builders.command(id=run_id, priority=priority, resources=Resources(gpus=gpus))
    with database.write() as session:
        return runs.create(session, new, builders.ground(home, gpus=8), LOCAL_ADMINISTRATOR).id


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
            assert claims.leased_devices(session) == {"gpu:0": "a", "gpu:1": "a"}
            assert runs.get(session, "a", LOCAL_ADMINISTRATOR).status is RunStatus.STARTING

    def test_leases_are_freed_at_the_end(self, database: Database, home: Path) -> None:
        submit(database, home, "a")
        found = claim(database)
        assert found is not None
        end(database, found)
        with database.read() as session:
            assert claims.leased_devices(session) == {}

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
            device = session.scalars(select(LeaseRow.device)).one()
        again = LeaseRow(device=device, run_number=found.ref.run_number, created_at=utc_now())
        with pytest.raises(IntegrityError), database.write() as session:
            session.add(again)

    def test_external_runs_are_never_claimed(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.external("job-001"), builders.ground(home), LOCAL_ADMINISTRATOR)
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
