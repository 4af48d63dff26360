"""Each architecture with each tokenizer, trained, resumed, merged and served: exact, or refused by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.zoo import results
from tests.zoo.architectures import ARCHITECTURES, Architecture
from tests.zoo.cells import METHODS, matrix, pairs
from tests.zoo.course import carry_out
from tests.zoo.results import Result
from tests.zoo.serving import Engine, engine
from tests.zoo.tokenizers import FAMILIES, PAIRED


@pytest.fixture(scope="module")
def asked() -> Iterator[Engine]:
    torch.set_num_threads(1)
    with engine() as made:
        yield made


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.timeout(900)
class TestZoo:
    @pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
    def test_no_cell_is_wrong(self, architecture: Architecture, asked: Engine, tmp_path: Path) -> None:
        """Nor is it another than docs/models.md tells."""
        recorded = results.read()
        for cell in pairs(architecture):
            verdict = carry_out(cell, tmp_path / cell.family.name, asked)
            assert not verdict.is_wrong, (cell.name, verdict.told)
            if cell.name in recorded:
                assert (verdict.trained, verdict.served) == told(recorded[cell.name]), (cell.name, verdict.told)


def told(recorded: Result) -> tuple[str, str]:
    return recorded.trained, recorded.served


class TestPairs:
    def test_every_pair_is_there(self) -> None:
        cells = [cell for architecture in ARCHITECTURES for cell in pairs(architecture)]
        assert {(cell.architecture.name, cell.family.name) for cell in cells} == {
            (architecture.name, family.name) for architecture in ARCHITECTURES for family in PAIRED
        }
        assert {(cell.architecture.name, cell.method) for cell in cells} == {
            (architecture.name, method) for architecture in ARCHITECTURES for method in METHODS
        }
        assert len({(cell.family.name, cell.method) for cell in cells}) == len(PAIRED) * len(METHODS)

    def test_names_are_unique(self) -> None:
        assert len({cell.name for cell in matrix()}) == len(ARCHITECTURES) * len(FAMILIES) * len(METHODS)
