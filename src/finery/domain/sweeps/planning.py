"""Plans all runs of a sweep before the first is accepted."""

import time
from collections.abc import Iterator, Sequence

from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.run import NewRun
from finery.db import read_beside_write
from finery.domain.context import DomainContext
from finery.domain.datasets.quick_measurement import WAIT_SECONDS
from finery.domain.errors import DomainError, Issue
from finery.domain.issues import MAX_ISSUES
from finery.domain.runs.errors import InvalidRun
from finery.domain.runs.validation import Plan, plan_run
from finery.domain.sweeps.errors import InvalidSweep
from finery.domain.sweeps.expansion import Member

Planned = tuple[NewRun, Plan]


def plan_runs(
    session: Session, members: Sequence[tuple[Member, NewRun]], context: DomainContext, actor: Principal
) -> list[Planned]:
    """Plan each run, and wait for the measurements of all together no longer than for that of one.

    It reads beside the caller's transaction, as `plan_run` does. Raises InvalidSweep with what is wrong with any of
    them, and what else `plan_run` raises, with the fields as the sweep's request has them.
    """
    planned: list[Planned] = []
    issues: dict[tuple[str, str], Issue] = {}
    deadline = time.monotonic() + WAIT_SECONDS
    with read_beside_write(session) as reading:
        for member, new in members:
            patience = max(0.0, deadline - time.monotonic())
            try:
                planned.append((new, plan_run(reading, new, context, actor, patience=patience)))
            except InvalidRun as error:
                issues.update({(issue.field, issue.message): issue for issue in _in_request(error, member)})
                if len(issues) >= MAX_ISSUES:
                    break
            except DomainError as error:
                error.issues = tuple(_in_request(error, member))
                raise
    if issues:
        raise InvalidSweep(list(issues.values()))
    return planned


def _in_request(error: DomainError, member: Member) -> Iterator[Issue]:
    for issue in error.issues:
        yield Issue(member.field_in_request(issue.field), issue.message, line=issue.line, code=issue.code)
