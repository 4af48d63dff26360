"""What a check of a dataset found."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RowFlaw:
    """What is wrong with one row, without a word of its content."""

    line: int
    row: int
    """Which row it is, from 1."""
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class DatasetReport:
    file: Path
    recipe: str
    bytes: int
    sha256: str
    """Of the file as it lies on disk."""
    rows: int
    shapes: dict[str, int]
    """Rows of each shape."""
    role_orders: dict[str, int]
    """Rows of each order of roles (`system user assistant`); rare orders beyond the first thousand are left out."""
    untrainable: int
    """Rows of a good shape with nothing to learn: an empty answer, every weight 0, chosen equal to rejected."""
    flaws: tuple[RowFlaw, ...] = ()
    """The first twenty."""
    flawed: int = 0

    @property
    def trainable(self) -> int:
        return self.rows - self.untrainable - self.flawed
