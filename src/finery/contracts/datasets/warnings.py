"""What a check points out though it trains: how often, and where first."""

from collections.abc import Sequence

from finery.contracts.datasets.report import MAX_NAMED, Duplicates, Overlap, Place, RowWarning, WarningKind


class RowWarnings:
    def __init__(self) -> None:
        self._counts = dict.fromkeys(WarningKind, 0)
        self._places: dict[WarningKind, list[Place]] = {kind: [] for kind in WarningKind}

    def add(self, kind: WarningKind, *, line: int, row: int) -> None:
        self._counts[kind] += 1
        if len(self._places[kind]) < MAX_NAMED:
            self._places[kind].append(Place(line=line, row=row))

    def count(self, kind: WarningKind) -> int:
        return self._counts[kind]

    def all(self, duplicates: Duplicates, *, all_idle: bool) -> tuple[RowWarning, ...]:
        """`all_idle`: nothing can be learned from the whole file, which is then refused for that."""
        found = [
            _warning(kind, self._counts[kind], self._places[kind])
            for kind in (WarningKind.NO_ANSWER_LAST, WarningKind.NOTHING_TO_LEARN, WarningKind.UNANSWERED_CALL)
            if not (all_idle and kind is WarningKind.NOTHING_TO_LEARN)
        ]
        repeated = [pair.again for pair in duplicates.pairs]
        found.append(_warning(WarningKind.DUPLICATE, duplicates.count, repeated))
        return tuple(warning for warning in found if warning.count)


def overlap_warning(overlap: Overlap) -> tuple[RowWarning, ...]:
    if not overlap.count:
        return ()
    return (_warning(WarningKind.OVERLAP, overlap.count, [pair.row for pair in overlap.pairs]),)


def _warning(kind: WarningKind, count: int, places: Sequence[Place]) -> RowWarning:
    return RowWarning(kind=kind, message=_MESSAGES[kind], count=count, places=tuple(places))


_MESSAGES = {
    WarningKind.DUPLICATE: "has the messages of an earlier row",
    WarningKind.OVERLAP: "stands in the validation file too, which then measures what was learned by heart",
    WarningKind.NO_ANSWER_LAST: "ends without an assistant's message: what follows its last answer teaches nothing",
    WarningKind.NOTHING_TO_LEARN: "has nothing to learn, and is left out",
    WarningKind.UNANSWERED_CALL: "goes on after a tool call that no tool answers",
}
