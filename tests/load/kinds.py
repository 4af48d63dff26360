"""On which databases a scenario runs, and when."""

import pytest

from tests import databases

LOAD = [pytest.mark.load, pytest.mark.xdist_group("load"), pytest.mark.timeout(900)]
"""The `pytestmark` of every scenario: one after the other, since each wants the machine for itself."""


def on_each_database(*short: str) -> pytest.MarkDecorator:
    """Runs a test on each kind; on those of `short` it is part of `make test-thorough`, too."""
    return _on(databases.wanted(), short)


def on_server_databases(*short: str) -> pytest.MarkDecorator:
    """Runs a test on PostgreSQL and MariaDB, whose connections somebody else can end."""
    return _on([name for name in databases.wanted() if name != "sqlite"], short)


def on_sqlite(*, short: bool = False) -> pytest.MarkDecorator:
    """Runs a test on SQLite alone: what it does has nothing to do with a database on a server."""
    return _on([name for name in databases.wanted() if name == "sqlite"], ("sqlite",) if short else ())


def _on(kinds: list[str], short: tuple[str, ...]) -> pytest.MarkDecorator:
    marked = [pytest.param(kind, marks=[pytest.mark.thorough] if kind in short else []) for kind in kinds]
    return pytest.mark.parametrize("kind", marked)
