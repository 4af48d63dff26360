"""The tables of docs/reliability.md, printed from the results."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.soak.plan import Goal
from tests.soak.results import ROOT, Result

DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: python -m tests.soak --table -->\n", "<!-- end -->\n"
CONFIDENCE = 0.95
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MariaDB"}
WHAT = {
    "server": "kills of the server",
    "shim": "kills of a shim",
    "both": "kills of server and shim at once",
    "server-stop": "the server stopped for seconds, then continued",
    "trainer": "trainers stopped, continued and killed",
    "streams": "kills of the server under streams that come back with `Last-Event-ID`",
    "clock": "jumps of the clock by an hour, and kills",
    "read-only": "the home read-only for seconds",
    "engine": "engines killed and stopped",
}


def upper_bound(broken: int, tries: int) -> float:
    """The largest rate at which `broken` or fewer of `tries` would still be seen once in twenty times.

    Exact and one-sided (Clopper and Pearson, 1934); of 0 in n it is 1 - 0.05 ** (1 / n).
    """
    if tries == 0 or broken >= tries:
        return 1.0
    low, high = broken / tries, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if _at_most(broken, tries, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(broken: int, tries: int, rate: float) -> float:
    return math.fsum(math.comb(tries, k) * rate**k * (1 - rate) ** (tries - k) for k in range(broken + 1))


def tables(goals: Sequence[Goal], results: Sequence[Result]) -> str:
    """Markdown."""
    counted = [one for one in results if one.counts]
    parts = [_metrics(goals, counted), _promises(counted), _mended(results)]
    return "\n".join(part for part in parts if part)


def _metrics(goals: Sequence[Goal], results: list[Result]) -> str:
    databases = list(dict.fromkeys(goal.database for goal in goals))
    lines = ["| | " + " | ".join(NAMES[name] for name in databases) + " | runs |", "|---" * (len(databases) + 2) + "|"]
    for kind in dict.fromkeys(goal.kind for goal in goals):
        what = WHAT.get(kind) or f"`{kind.removeprefix('train-')}`: a training, killed until its end"
        cells = [
            _cell([goal for goal in goals if (goal.kind, goal.database) == (kind, name)], results) for name in databases
        ]
        accepted = sum(one.accepted for one in results if one.kind == kind)
        lines.append(f"| {what} | {' | '.join(cells)} | {accepted} |")
    return "\n".join(lines) + "\n"


def _cell(goals: Iterable[Goal], results: list[Result]) -> str:
    """What was done of what is wanted, what it broke, and the bound that follows; empty where nothing is wanted."""
    for goal in goals:
        ours = [one for one in results if (one.kind, one.database) == (goal.kind, goal.database)]
        done, broken = sum(one.done for one in ours), sum(sum(one.broken.values()) for one in ours)
        if not done:
            return f"0 of {goal.wanted}"
        return f"{done} of {goal.wanted}: {broken} (≤ {100 * upper_bound(broken, done):.2g} %)"
    return ""


def _promises(results: list[Result]) -> str:
    if not results:
        return ""
    broken: Counter[str] = Counter()
    checked: Counter[str] = Counter()
    for one in results:
        broken.update(one.broken)
        checked.update(one.broken.keys())
    lines = ["| over all of them | broken | rounds that looked |", "|---|---|---|"]
    lines += [f"| {promise} | {broken[promise]} | {checked[promise]} |" for promise in sorted(checked)]
    ends = sum((Counter(one.ends) for one in results), Counter[str]())
    told = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    return "\n".join(lines) + f"\n\nThe runs ended {told}.\n"


def _mended(results: Sequence[Result]) -> str:
    found = [one for one in results if one.mended is not None]
    if not found:
        return ""
    lines = ["| found by | on | commit | broken | mended by |", "|---|---|---|---|---|"]
    for one in found:
        broken = ", ".join(f"{promise} ({count})" for promise, count in sorted(one.broken.items()) if count)
        lines.append(f"| {one.kind} {one.number} | {NAMES[one.database]} | {one.commit} | {broken} | {one.mended} |")
    return "\n".join(lines) + "\n"


def in_document(path: Path) -> str:
    """What the document says between its two marks."""
    return path.read_text().split(BEGIN)[1].split(END)[0]


def write(path: Path, text: str) -> None:
    path.write_text(path.read_text().replace(BEGIN + in_document(path) + END, BEGIN + text + END))
