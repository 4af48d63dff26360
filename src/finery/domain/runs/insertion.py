"""Inserts an accepted run, with its first event, log line and outbox row."""

from sqlalchemy.orm import Session

from finery.contracts.events import StatusData
from finery.contracts.permissions import Principal
from finery.contracts.run import NewRun
from finery.contracts.status import Reason, RunStatus
from finery.db import keep_room
from finery.db.topics import Topic, announce
from finery.domain.context import DomainContext
from finery.domain.datasets import pin
from finery.domain.ownership import client_key
from finery.domain.path_access import hash_output
from finery.domain.runs.idempotency import request_hash, stored_key
from finery.domain.runs.transitions import EXTERNAL, append_event, change_status
from finery.domain.runs.validation import Plan
from finery.kit.clock import utc_now
from finery.models import LogRow, MeasurementDueRow, OutboxRow, RunRow


def insert_run(session: Session, new: NewRun, plan: Plan, context: DomainContext, actor: Principal) -> RunRow:
    """Insert the rows of a run.

    Raises IntegrityError from the unique indexes, ReferenceGone, and OSError (ENOSPC) while the rest of the disk is
    reserved.
    """
    keep_room(session)
    now = utc_now()
    row = RunRow(
        id=plan.run_id,
        client_id=new.id,
        client_key=None if new.id is None else client_key(actor.user_id, new.id),
        owner_id=actor.user_id,
        shared=new.shared,
        source=new.source,
        recipe=new.recipe,
        name=new.name,
        labels=new.labels,
        config=plan.config,
        requested=new.config,
        spec=plan.resolved,
        idempotency_key=stored_key(new, actor),
        request_hash=request_hash(new),
        gpus=plan.gpus,
        cpu_slots=plan.cpu_slots,
        gpus_requested=new.resources.gpus,
        priority=new.priority,
        time_limit_seconds=new.time_limit_seconds,
        status=RunStatus.QUEUED,
        controls=[],
        attempt=0,
        resumed_from=new.resumed_from,
        sweep_id=new.sweep_id,
        last_sequence=0,
        progress={"fraction": 0.0},
        output_key=plan.output_key,
        output_hash=hash_output(plan.output_name) if plan.output_name else None,
        model_name=plan.model_name,
        dataset=plan.dataset,
        output_dir=plan.output_name,
        log_file=None if new.recipe == EXTERNAL else context.resolver.relative(context.home.run_log(plan.run_id)),
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    for data in plan.data:
        if data.stored is not None:
            pin(session, row.number, data.stored, reference=data.reference, field=data.input.field)
    append_event(session, row, StatusData(to=RunStatus.QUEUED))
    if new.recipe != EXTERNAL:
        announce(session, Topic.QUEUE)
    session.add(LogRow(run_number=row.number, timestamp=now, level="INFO", message="accepted and queued"))
    session.add(OutboxRow(run_number=row.number, type="run.queued", data={"id": row.id}, created_at=now))
    for notice in plan.notices:
        append_event(session, row, notice)
    if plan.measurement_due is not None:
        session.add(MeasurementDueRow(run_number=row.number, request=plan.measurement_due.model_dump(mode="json")))
    if plan.refusal is not None:
        message, field = plan.refusal.message, plan.refusal.field
        change_status(session, row, RunStatus.FAILED, reason=Reason.INVALID_DATA, message=message, field=field)
    session.flush()
    return row
