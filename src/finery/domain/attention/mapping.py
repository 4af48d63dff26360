"""Maps a row of what needs attention to its contract, with the sentences of its rule."""

from finery.contracts.attention import Attention, AttentionRun
from finery.domain.attention.rules import RULES
from finery.domain.runs.mapping import shown_id
from finery.models import AttentionRow, RunRow


def attention_of(row: AttentionRow, run: RunRow | None) -> Attention | None:
    """Return None for a rule of another version of the server."""
    rule = RULES.get(row.code)
    if rule is None:
        return None
    return Attention(
        id=row.id,
        code=row.code,
        severity=rule.severity,
        message=rule.message(row.values),
        remedy=rule.remedy,
        run=None if run is None else _run_of(run),
        since=row.opened_at,
    )


def _run_of(row: RunRow) -> AttentionRun:
    return AttentionRun(id=shown_id(row), name=row.name, recipe=row.recipe, labels=row.labels, owner_id=row.owner_id)
