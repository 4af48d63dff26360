from dataclasses import replace
from pathlib import Path

import pytest

from finery.api.openai.webhook_events import EVENTS
from finery.contracts.permissions import Level, Principal, permissions_of
from finery.db import Database
from finery.domain.context import DomainContext
from tests import builders
from tests.domain.accounts import people


@pytest.fixture
def context(home: Path) -> DomainContext:
    return replace(builders.context(home), webhook_renderers=(EVENTS,))


@pytest.fixture
def root(database: Database) -> Principal:
    return Principal(people.first_admin(database).id, "root", permissions_of([Level.ADMIN]))


@pytest.fixture
def ann(database: Database, root: Principal) -> Principal:
    return Principal(people.user(database, "ann").id, "ann", permissions_of([Level.RESEARCHER]))


@pytest.fixture
def bob(database: Database, root: Principal) -> Principal:
    return Principal(people.user(database, "bob").id, "bob", permissions_of([Level.RESEARCHER]))
