from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.db import Database
from tests.scheduler.harness import Harness


@pytest.fixture
def harness(home: Path, database: Database) -> Iterator[Harness]:
    harness = Harness(home, database)
    yield harness
    harness.close()
