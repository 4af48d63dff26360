"""The matrix: every architecture with every tokenizer and method; and of it what `make test-thorough` carries out."""

from dataclasses import dataclass
from itertools import product

from tests.zoo.architectures import ARCHITECTURES, Architecture
from tests.zoo.tokenizers import FAMILIES, PAIRED, Family

METHODS = ("full", "lora")


@dataclass(frozen=True)
class Cell:
    architecture: Architecture
    family: Family
    method: str

    @property
    def name(self) -> str:
        return f"{self.architecture.name}/{self.family.name}/{self.method}"


def matrix() -> list[Cell]:
    return [Cell(*chosen) for chosen in product(ARCHITECTURES, FAMILIES, METHODS)]


def pairs(architecture: Architecture) -> list[Cell]:
    """Returns cells in which the architecture meets one family of each kind, and each method.

    The method alternates along rows and columns of the matrix, so that families and methods meet, too.
    """
    row = ARCHITECTURES.index(architecture)
    return [Cell(architecture, family, METHODS[(row + column) % len(METHODS)]) for column, family in enumerate(PAIRED)]
