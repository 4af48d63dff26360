"""A round's world without a server, in which two runs of its clients have ended well."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.process import Exit, Outcome
from finery.contracts.status import Reason
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts, claims
from tests import builders
from tests.soak.clients import Clients
from tests.soak.world import SQLITE, World, open_database


@pytest.fixture
def world(tmp_path: Path, home: Path, sqlite_template: Path) -> World:
    shutil.copy(sqlite_template, home / "training.db")
    (tmp_path / "ran").mkdir()
    (tmp_path / "server.log").touch()
    return World(tmp_path, home, random.Random(1), SQLITE)


@pytest.fixture
def database(world: World) -> Iterator[Database]:
    database = open_database(world)
    yield database
    database.dispose()


@pytest.fixture
def clients(world: World, database: Database) -> Clients:
    """Theirs are two runs that succeeded, `a` and `b-again`, each carried out once."""
    clients = Clients(world)
    for name in ("a", "b-again"):
        clients.accepted[name] = succeed(world, database, name)
    return clients


def succeed(world: World, database: Database, name: str, *, program: str = "started\nended\n") -> str:
    new, context = builders.command(name=name), builders.context(world.home)
    with database.write() as session:
        run_id = runs.create(session, new, context, LOCAL_ADMINISTRATOR).id
    with database.write() as session:
        claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
    assert claim is not None
    ending = Exit(exit_code=0, finished_at=1.0, outcome=Outcome(reason=Reason.COMPLETED))
    with database.write() as session:
        attempts.finish(session, claim.ref, reason=Reason.COMPLETED, message=None, ending=ending, max_lost=5)
    (world.folder / "ran" / name).write_text(program)
    return run_id
