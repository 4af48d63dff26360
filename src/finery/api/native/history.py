"""HTTP routes of a run's place in the queue, events, metrics, log and artifacts, below `/api/v1/runs/{run_id}`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query
from starlette.responses import HTMLResponse, Response, StreamingResponse

from finery.api.native.dialect import ERRORS, PREFIX, ApiError, NativeRoute, RangeHeader, RunId
from finery.api.native.mapping import to_artifact, to_checkpoint, to_log_search, to_tail
from finery.api.native.run_document import to_document
from finery.api.native.schemas import ArtifactList, CheckpointList, EventList, LogAnswer, LogSearchAnswer, MetricList
from finery.contracts.events import EventType
from finery.contracts.metrics import Place, SampledMetrics, SampleRequest
from finery.contracts.run import QueuePlace, Run
from finery.domain import runs
from finery.http.admission import READS, STREAM_OPENINGS, in_lane, scans_files
from finery.http.artifacts import artifact_content
from finery.http.files import file_range, named_attachment
from finery.http.openapi_responses import OpenApiResponses, in_ranges, in_type
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import CurveSession, ReadSession
from finery.http.streams import event_stream
from finery.kit.clock import utc_now
from finery.kit.log_lines import read_end, read_part
from finery.kit.log_search import find_lines

READ = Depends(Allow(Permission.RUNS_READ))

After = Annotated[int, Query(ge=0, le=2**31 - 1, description="The sequence number of the last event seen.")]
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Instead of `after`.")]
EventTypes = Annotated[list[EventType], Query(max_length=20, description="Only these; may be given several times.")]
EventLimit = Annotated[int, Query(ge=1, le=10_000)]
Points = Annotated[int, Query(ge=1, le=10_000)]
FirstStep = Annotated[int | None, Query(ge=-(2**53), le=2**53, description="Only this step and later ones.")]
LastStep = Annotated[int | None, Query(ge=-(2**53), le=2**53, description="Only this step and earlier ones.")]
MetricName = Annotated[str, Query(max_length=200)]
MetricNames = Annotated[list[MetricName], Query(max_length=100, description="Only these; may be given several times.")]
MetricPlaces = Annotated[list[Place], Query(max_length=3, description="Further columns to draw over, beside the step.")]
Tail = Annotated[int, Query(ge=0, le=2**31 - 1, description="How many of the last lines; 0: all.")]
ByteOffset = Annotated[int | None, Query(ge=0, le=2**62, description="Instead of `tail`: the text from this byte on.")]
ByteLimit = Annotated[int, Query(ge=1, le=16 * 2**20, description="With `offset`: at most so many bytes.")]
SearchText = Annotated[str, Query(min_length=1, max_length=200)]
SearchFrom = Annotated[int, Query(ge=0, le=2**62, description="`next_offset` of the answer before.")]
SearchLimit = Annotated[int, Query(ge=1, le=1000)]
ArtifactId = Annotated[int, Path(ge=1, le=2**62)]
InnerPath = Annotated[str | None, Query(max_length=4096, description="A file in an artifact that is a folder.")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,9}$")]

STREAM: OpenApiResponses = {**in_type("text/event-stream"), 204: {"description": "The run has ended, and all was seen"}}
DOCUMENT: OpenApiResponses = in_type("text/html")
DOCUMENT_LOG_BYTES = 512 * 2**10
"""Of the log's end, in a run's document."""
LOG = in_ranges("text/plain", error=ApiError)
ARTIFACT = in_ranges("application/octet-stream", "application/json", error=ApiError)

router = APIRouter(prefix=f"{PREFIX}/runs/{{run_id}}", route_class=NativeRoute, tags=["runs"], responses=ERRORS)


@in_lane(STREAM_OPENINGS)
def stored_run(run_id: RunId, services: CurrentServices, user: CurrentUser) -> Run:
    """Reads the run in a short session, for answers that go on long after one should have ended."""
    with services.database.read() as session:
        return runs.get(session, run_id, user)


StoredRun = Annotated[Run, Depends(stored_run)]


@router.get("/queue", dependencies=[READ])
def get_queue_place(run_id: RunId, session: ReadSession, context: CurrentContext, user: CurrentUser) -> QueuePlace:
    """Tells the place of a queued run, and what it waits for; 409 where it is not queued."""
    return runs.place_in_queue(session, run_id, context.machine(), user)


@router.get("/events", dependencies=[READ])
def list_events(
    run_id: RunId, session: ReadSession, user: CurrentUser, after: After = 0, before: Before = None,
    type: EventTypes = [], limit: EventLimit = 1000,  # noqa: B006 - FastAPI copies it
) -> EventList:  # fmt: skip
    """Lists events in order; with `before` the last ones before it, newest first."""
    types = type or list(EventType)
    if before is not None:
        events = runs.list_events_backwards(session, run_id, user, before=before, limit=limit, types=types)
    else:
        events = runs.list_events(session, run_id, user, after=after, limit=limit, types=types)
    return EventList(events=events)


@router.get("/events/stream", dependencies=[READ], response_class=StreamingResponse, responses=STREAM)
async def stream_events(
    run: StoredRun, services: CurrentServices, after: After = 0, last_event_id: LastEventId = None
) -> Response:
    """Streams server-sent events until the run ends: `id` is the sequence number, `data` the event."""
    return event_stream(services.streams, run, after=after, last_event_id=last_event_id)


@router.get("/metrics", dependencies=[READ])
def list_metrics(run_id: RunId, session: ReadSession, user: CurrentUser, points: Points = 500) -> MetricList:
    return MetricList(points=runs.metrics(session, run_id, user, points=points))


@router.get("/metrics/series", dependencies=[READ], response_model=SampledMetrics, response_model_exclude_none=True)
def sample_metrics(
    run_id: RunId, session: CurveSession, user: CurrentUser, points: Points = 1000, after: After = 0,
    from_step: FirstStep = None, to_step: LastStep = None, name: MetricNames = [], x: MetricPlaces = [],  # noqa: B006
) -> Response:  # fmt: skip
    """Each metric as columns by step, for curves: the least and greatest values of each bucket of steps, so that no
    spike is lost. Steps that a later attempt told again count as that told them."""
    request = SampleRequest(points, after, from_step, to_step, frozenset(name), frozenset(x))
    # Serialised here, since FastAPI would validate every number a second time.
    found = runs.sample_metrics(session, run_id, user, request)
    return Response(found.model_dump_json(exclude_none=True), media_type="application/json")


@router.get("/logs", dependencies=[READ], response_model=LogAnswer, response_model_exclude_none=True)
@in_lane(READS)
def read_log(
    run: StoredRun, services: CurrentServices, tail: Tail = 100, offset: ByteOffset = None, limit: ByteLimit = 2**20
) -> Response | LogAnswer:
    path = services.context.home.run_log(run.uid)
    if offset is None:
        return StreamingResponse(to_tail(services.logs.tail(path, tail)), media_type="application/json")
    part = read_part(path, offset, limit, whole=run.status.is_finished)
    return LogAnswer(text=part.text, next_offset=part.next_offset)


@router.get("/logs/search", dependencies=[READ])
@scans_files
def search_log(
    run: StoredRun, services: CurrentServices, user: CurrentUser, q: SearchText, offset: SearchFrom = 0,
    limit: SearchLimit = 100,
) -> LogSearchAnswer:  # fmt: skip
    """Finds the lines that contain a text, upper and lower case alike. One request reads 256 MiB at most."""
    return to_log_search(find_lines(services.context.home.run_log(run.uid), q, offset, limit))


@router.get("/checkpoints", dependencies=[READ])
def list_checkpoints(
    run_id: RunId, session: CurveSession, context: CurrentContext, user: CurrentUser
) -> CheckpointList:
    found = runs.list_checkpoints(session, run_id, user)
    return CheckpointList(checkpoints=[to_checkpoint(checkpoint, context) for checkpoint in found])


@router.get("/logs/content", dependencies=[READ], response_class=StreamingResponse, responses=LOG)
async def download_log(run: StoredRun, context: CurrentContext, byte_range: RangeHeader = None) -> Response:
    """Answers with the log as it was written, or a range of its bytes."""
    return file_range(context.home.run_log(run.uid), byte_range, media_type="text/plain; charset=utf-8")


@router.get("/export", dependencies=[READ], response_class=HTMLResponse, responses=DOCUMENT)
def export_run(run_id: RunId, session: CurveSession, context: CurrentContext, user: CurrentUser) -> Response:
    """Answers with the run as one HTML file that opens without a server: curves, metrics, configuration, samples,
    events and the end of the log. Values of environment variables are left out."""
    found = runs.export(session, run_id, user)
    log = read_end(context.home.run_log(found.run.uid), DOCUMENT_LOG_BYTES)
    headers = {"Content-Disposition": named_attachment(f"{found.run.id}.html")}
    return HTMLResponse(to_document(found, log, utc_now()), headers=headers)


@router.get("/artifacts", dependencies=[READ])
def list_artifacts(run_id: RunId, session: ReadSession, context: CurrentContext, user: CurrentUser) -> ArtifactList:
    artifacts = runs.list_artifacts(session, run_id, user)
    return ArtifactList(artifacts=[to_artifact(artifact, context) for artifact in artifacts])


@router.get(
    "/artifacts/{artifact_id}/content", dependencies=[READ], response_class=StreamingResponse, responses=ARTIFACT
)
def download_artifact(
    run_id: RunId, artifact_id: ArtifactId, session: ReadSession, context: CurrentContext, user: CurrentUser,
    path: InnerPath = None, byte_range: RangeHeader = None,
) -> Response:  # fmt: skip
    """Answers with a file, or a range of its bytes; of a folder, the list of its files, or with `path` one of them."""
    artifact = runs.get_artifact(session, run_id, artifact_id, user, context)
    return artifact_content(artifact, context, path, byte_range)
