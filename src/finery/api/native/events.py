"""The HTTP route of the one stream that tells a browser everything: `/api/v1/events/stream`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.domain import runs
from finery.domain.runs.errors import RunAmbiguous, RunNotFound
from finery.http.admission import STREAM_OPENINGS, in_lane
from finery.http.combined_stream import MOST_FOLLOWED, Followed, Viewer, combined_stream
from finery.http.identity import look_up_user
from finery.http.openapi_responses import SCHEMAS, OpenApiResponses
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentServices

READ = Depends(Allow(Permission.RUNS_READ))

FollowedText = Annotated[str, Query(max_length=140, pattern=r"^.{1,128}:\d{1,9}$")]
FollowedRuns = Annotated[
    list[FollowedText],
    Query(
        alias="run",
        max_length=MOST_FOLLOWED,
        description="`ID:AFTER`: also the events of this run past the sequence number. May be given several times.",
    ),
]
Since = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9a-f]{8}\.\d{1,12}$",
        description="The first two parts of the last id of an earlier stream, which followed other runs.",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=600, pattern=r"^[0-9a-f]{8}\.\d{1,12}(\.\d{1,9})*$"),
]

NOTICE = {"description": "The data of each event", "anyOf": [{"$ref": f"{SCHEMAS}RunNotice"}, {"type": "object"}]}
STREAM: OpenApiResponses = {200: {"content": {"text/event-stream": {"schema": NOTICE}}}}

router = APIRouter(prefix=f"{PREFIX}/events", route_class=NativeRoute, tags=["runs"], responses=ERRORS)


@in_lane(STREAM_OPENINGS)
def followed_runs(services: CurrentServices, user: CurrentUser, run: FollowedRuns = []) -> list[Followed]:  # noqa: B006
    """Reads the runs in a short session, since the stream goes on long after one should have ended."""
    followed = []
    with services.database.read() as session:
        for text in run:
            run_id, _, after = text.rpartition(":")
            try:
                found = runs.get(session, run_id, user)
            except (RunNotFound, RunAmbiguous):
                found = None
            followed.append(Followed(run_id, found, int(after)))
    return followed


@router.get("/stream", dependencies=[READ], response_class=StreamingResponse, responses=STREAM)
async def stream_everything(
    request: Request,
    services: CurrentServices,
    user: CurrentUser,
    followed: Annotated[list[Followed], Depends(followed_runs)],
    since: Since = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Streams server-sent events until the client leaves, or the user's session or key ends.

    `run` tells what changed of a run that the user may see, `gone` that one is there no longer (its `uid` tells it
    from another of the same `id`), and `stale` that lists are to be read again. The others are events of the runs that
    are named, without a gap or a repeat. From the `id` of any of them all of it goes on."""
    viewer = Viewer(user, partial(look_up_user, request))
    return combined_stream(services.streams, viewer, followed, since=since, last_event_id=last_event_id)
