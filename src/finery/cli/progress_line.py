"""Lays out the line that shows how a run goes, by what fits into the terminal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text

GAP = "  "
BAR_WIDTH = 12
SPINNER_WIDTH = 2
FINE_MARKS = "━─"
COARSE_MARKS = "#-"
"""For terminals that know ASCII only."""


@dataclass(frozen=True)
class Part:
    text: str
    rank: int
    """Where not all parts fit, those of the highest ranks are left out."""


class LineColumn(ProgressColumn):
    """Shows those parts of a task that fit beside the spinner."""

    def __init__(self, console: Console, parts_of: Callable[[Task], Sequence[Part]]) -> None:
        super().__init__(Column(no_wrap=True))
        self._console = console
        self._parts_of = parts_of

    def render(self, task: Task) -> Text:
        line = fitted(self._parts_of(task), self._console.width - SPINNER_WIDTH)
        return Text(line, no_wrap=True, overflow="ellipsis")


def fitted(parts: Sequence[Part], width: int) -> str:
    """Returns the parts in one line, without the least important of those that do not fit into `width` columns."""
    kept = [part for part in parts if part.text]
    while len(kept) > 1 and cell_len(GAP.join(part.text for part in kept)) > width:
        kept.remove(max(kept, key=lambda part: part.rank))
    return GAP.join(part.text for part in kept)


def bar(share: float, marks: str) -> str:
    """Returns a bar, the first of `marks` as long as `share` says, the second up to its end."""
    done = round(BAR_WIDTH * min(max(share, 0.0), 1.0))
    return marks[0] * done + marks[1] * (BAR_WIDTH - done)
