"""HTTP routes of `/api/v1/audit`: list and export the audit log."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from starlette.responses import Response, StreamingResponse

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.contracts.accounts import AuditFilter, AuditPage, AuditResult
from finery.domain import audit
from finery.http.openapi_responses import in_type
from finery.http.permission import Allow, Permission
from finery.http.services import CurrentServices, Services
from finery.http.session import ReadSession

READ = Depends(Allow(Permission.AUDIT_READ))
CHUNK_LINES = 500
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]*")


def _refuse_number(value: object) -> object:
    # Pydantic would take it as seconds since 1970, which are easily mistaken for milliseconds.
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        raise ValueError("is no moment; give one with its zone, like 2026-01-31T12:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is no moment of the calendar in UTC") from error


Text = Annotated[str | None, Query(max_length=200)]
UtcMoment = Annotated[AwareDatetime, BeforeValidator(_refuse_number), AfterValidator(_in_utc)]
Moment = Annotated[UtcMoment | None, Query(description="With its zone: 2026-01-31T12:00:00Z.")]
ExportFormat = Literal["jsonl", "csv"]
MEDIA_TYPES: Mapping[ExportFormat, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
Format = Annotated[ExportFormat, Query()]
Limit = Annotated[int, Query(ge=1, le=1000)]

router = APIRouter(prefix=f"{PREFIX}/audit", route_class=NativeRoute, tags=["audit"], responses=ERRORS)


async def audit_filter(
    user_id: Text = None,
    action: Text = None,
    target: Text = None,
    result: Annotated[AuditResult | None, Query()] = None,
    since: Moment = None,
    until: Moment = None,
) -> AuditFilter:
    return AuditFilter(user_id=user_id, action=action, target=target, result=result, since=since, until=until)


Criteria = Annotated[AuditFilter, Depends(audit_filter)]


@router.get("", dependencies=[READ])
def list_audit_entries(criteria: Criteria, session: ReadSession, limit: Limit = 100, cursor: Text = None) -> AuditPage:
    """Lists entries, newest first. `cursor` is the `next_cursor` of the page before."""
    return audit.list_page(session, criteria, limit=limit, cursor=cursor)


@router.get("/export", dependencies=[READ], response_class=StreamingResponse, responses=in_type(*MEDIA_TYPES.values()))
async def export_audit_entries(criteria: Criteria, services: CurrentServices, format: Format = "jsonl") -> Response:
    """Streams all that the filters let through, oldest first: one JSON object a line, or CSV with a line of names."""
    headers = {"Content-Disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(_chunks(services, criteria, format), media_type=MEDIA_TYPES[format], headers=headers)


def _chunks(services: Services, criteria: AuditFilter, format: ExportFormat) -> Iterator[str]:
    # In a session of its own: the request's would be closed by the time the stream begins.
    with services.database.read() as session:
        lines = audit.export_csv(session, criteria) if format == "csv" else audit.export(session, criteria)
        while chunk := "".join(islice(lines, CHUNK_LINES)):
            yield chunk
