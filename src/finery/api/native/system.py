"""HTTP routes that describe the server: `/healthz`, `/readyz`, `/metrics` and `/api/v1/system`."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.mapping import to_system
from finery.api.native.schemas import Healthy, Ready, System
from finery.contracts.server_settings import SettingList
from finery.domain import deployments, runs
from finery.http.admission import READS, in_lane
from finery.http.openapi_responses import in_type
from finery.http.permission import Allow, AllowEveryone, Permission
from finery.http.prometheus import CONTENT_TYPE, ServerMetrics, exposition
from finery.http.services import CurrentServices
from finery.http.session import ReadSession

READ = Depends(Allow(Permission.SYSTEM_READ))

router = APIRouter(route_class=NativeRoute, tags=["system"], responses=ERRORS)


@router.get("/healthz", summary="Liveness", dependencies=[Depends(AllowEveryone())])
async def healthz() -> Healthy:
    """Answers as long as the process lives, whatever its database does: restart it when this fails."""
    return Healthy()


@router.get("/readyz", summary="Readiness", dependencies=[Depends(AllowEveryone())])
async def readyz(services: CurrentServices) -> Ready:
    """Answers 200 while the server can do its work, and 503 while its database does not answer."""
    await services.readiness.check()
    return Ready()


@router.get(f"{PREFIX}/system", dependencies=[READ])
@in_lane(READS)
def describe_system(services: CurrentServices) -> System:
    return to_system(services)


@router.get(f"{PREFIX}/settings", dependencies=[Depends(Allow(Permission.SETTINGS_READ))])
@in_lane(READS)
def list_settings(services: CurrentServices) -> SettingList:
    """Lists the server's settings as they are in force. Passwords in them are left out."""
    return SettingList(settings=services.settings_in_force())


@router.get("/metrics", dependencies=[READ], response_class=Response, responses=in_type("text/plain"))
def metrics(session: ReadSession, services: CurrentServices) -> Response:
    """Answers in Prometheus's text format."""
    metrics = ServerMetrics(
        runs.count_by_status(session),
        deployments.count_by_status(session),
        services.latencies,
        services.engines.metrics,
    )
    return Response(exposition(metrics), media_type=CONTENT_TYPE)
