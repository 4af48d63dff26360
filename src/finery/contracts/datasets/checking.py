"""One pass over a dataset: every row of a shape that serves the recipe, something to learn, nothing twice."""

from finery.contracts.datasets.info import Source
from finery.contracts.datasets.noted import overlap_warning
from finery.contracts.datasets.report import DatasetReport, Overlap
from finery.contracts.datasets.tally import Tally
from finery.kit.tables import UnreadableTable, scan_rows


def examine(source: Source, recipe: str, validation: Source | None = None) -> DatasetReport:
    """The report, flaws and all; memory holds some rows, and 8 to 32 bytes for each of the first two million.

    Raises OSError.
    """
    tally = Tally(source, recipe)
    try:
        _count(tally, source)
    except UnreadableTable as error:
        return tally.report(size=source.file.stat().st_size).model_copy(update={"unreadable": str(error)})
    report = tally.report(size=source.file.stat().st_size)
    if validation is None:
        return report
    overlap = _overlap(tally, validation, recipe)
    return report.model_copy(update={"overlap": overlap, "warnings": (*report.warnings, *overlap_warning(overlap))})


def _count(tally: Tally, source: Source) -> None:
    for row in scan_rows(source.file, taker=tally):
        tally.add(row)


def _overlap(tally: Tally, validation: Source, recipe: str) -> Overlap:
    other = Tally(validation, recipe)
    unreadable = ""
    try:
        _count(other, validation)
    except UnreadableTable as error:
        unreadable = str(error)
    count, pairs = tally.signatures.shared_with(other.signatures)
    return Overlap(
        file=validation.file,
        rows=other.rows,
        flawed=other.flawed,
        unreadable=unreadable,
        count=count,
        pairs=pairs,
    )
