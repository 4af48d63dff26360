"""On which databases a scenario runs, and when."""

import pytest

from tests import databases


def on_each_database(*short: str) -> pytest.MarkDecorator:
    """Runs a test on each kind; on those of `short` it is part of `make test-thorough`, too."""
    marked = [pytest.param(name, marks=[pytest.mark.thorough] if name in short else []) for name in databases.wanted()]
    return pytest.mark.parametrize("world", marked, indirect=True)
