"""Maps rows of runs and artifacts to contracts."""

from finery.contracts.run import Artifact, Progress, Resources, Run, RunWarning
from finery.contracts.status import Intent, Reason, RunStatus
from finery.models import ArtifactRow, RunRow


def run_of(row: RunRow) -> Run:
    return Run(
        id=shown_id(row),
        uid=row.id,
        number=row.number,
        owner_id=row.owner_id,
        shared=row.shared,
        source=row.source,
        recipe=row.recipe,
        name=row.name,
        labels=row.labels,
        config=row.config,
        requested=row.requested,
        resources=Resources(gpus=row.gpus, cpu_slots=row.cpu_slots),
        priority=row.priority,
        time_limit_seconds=row.time_limit_seconds,
        status=RunStatus(row.status),
        intent=Intent(row.intent) if row.intent else None,
        reason=Reason(row.reason) if row.reason else None,
        error=row.error,
        error_field=row.error_field,
        warnings=[RunWarning.model_validate(warning) for warning in row.warnings or ()],
        attempt=row.attempt,
        resumed_from=row.resumed_from,
        sweep_id=row.sweep_id,
        progress=Progress(**row.progress),
        model_name=row.model_name,
        dataset=row.dataset,
        output_dir=row.output_dir,
        log_file=row.log_file,
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        last_sequence=row.last_sequence,
    )


def shown_id(row: RunRow) -> str:
    """Return the id that the client chose, else the run's own."""
    return row.client_id or row.id


def artifact_of(row: ArtifactRow, run_id: str) -> Artifact:
    return Artifact(
        id=row.id,
        run_id=run_id,
        name=row.name,
        type=row.type,
        path=row.path,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )
