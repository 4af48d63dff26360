"""The table of docs/models.md, printed from the results."""

from collections.abc import Iterable
from pathlib import Path

from tests.soak.results import ROOT
from tests.zoo.architectures import ARCHITECTURES, Architecture
from tests.zoo.cells import METHODS, matrix
from tests.zoo.results import EXACT, PLAIN, REFUSED, WRONG, Result
from tests.zoo.tokenizers import FAMILIES

DOCUMENT = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- begin: python -m tests.zoo --table -->\n", "<!-- end -->\n"
WORDS = {EXACT: "exact", PLAIN: "exact, plain batches", REFUSED: "refused", WRONG: "**wrong**"}
LONGEST = 200
"""Characters of a reason."""


def table(results: dict[str, Result]) -> str:
    """Returns Markdown: a line for each architecture, then the reasons of what is refused or wrong."""
    lines = [
        f"| `model_type` | what it is | {' | '.join(METHODS)} | served |",
        "|---" * (len(METHODS) + 3) + "|",
        *(_line(architecture, results) for architecture in ARCHITECTURES),
    ]
    families = [f"- `{family.name}`: {family.traits}" for family in FAMILIES]
    done = sum(cell.name in results for cell in matrix())
    counted = f"{done} of {len(matrix())} cells were carried out, with these tokenizers:"
    return "\n".join([*lines, "", counted, *families, *_reasons(results)]) + "\n"


def _line(architecture: Architecture, results: dict[str, Result]) -> str:
    ours = [result for result in results.values() if result.architecture == architecture.name]
    trained = [_summary((one.family, one.trained) for one in ours if one.method == method) for method in METHODS]
    served = _summary((one.family, one.served) for one in ours)
    return f"| {architecture.name} | {architecture.traits} | {' | '.join(trained)} | {served} |"


def _summary(found: Iterable[tuple[str, str]]) -> str:
    """Returns what holds with every family, or with which ones each holds."""
    by_verdict: dict[str, list[str]] = {}
    for family, verdict in found:
        by_verdict.setdefault(verdict, []).append(family)
    if len(by_verdict) == 1:
        return WORDS[next(iter(by_verdict))]
    parts = [f"{WORDS[verdict]} ({', '.join(sorted(set(by_verdict[verdict])))})" for verdict in sorted(by_verdict)]
    return "; ".join(parts) or "–"


def _reasons(results: dict[str, Result]) -> list[str]:
    told = [result for result in results.values() if REFUSED in (result.trained, result.served) or result.is_wrong]
    if not told:
        return []
    lines = [f"| {one.cell} | {' '.join(one.told)[:LONGEST].replace('|', chr(92) + '|')} |" for one in told]
    return ["", "| cell | reason |", "|---|---|", *sorted(lines)]


def in_document(path: Path = DOCUMENT) -> str:
    """Returns what the document says between its two marks."""
    return path.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def write(text: str, path: Path = DOCUMENT) -> None:
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(BEGIN + in_document(path) + END, BEGIN + text + END), encoding="utf-8")
