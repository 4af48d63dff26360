"""HTTP routes of `/api/v1/samples`: the datasets that ship with Finery."""

from fastapi import APIRouter, Depends

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.mapping import to_stored
from finery.api.native.schemas import StoredDataset
from finery.contracts.stored_datasets import SampleList
from finery.domain import datasets
from finery.domain.datasets.samples import SAMPLES
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.samples import CopiedSample
from finery.http.services import CurrentContext
from finery.http.session import UploadSession

READ = Depends(Allow(Permission.DATASETS_READ))
WRITE = Depends(Allow(Permission.DATASETS_WRITE))

router = APIRouter(prefix=f"{PREFIX}/samples", route_class=NativeRoute, tags=["datasets"], responses=ERRORS)


@router.get("", dependencies=[READ])
async def list_samples() -> SampleList:
    """Lists the datasets that ship with Finery."""
    return SampleList(samples=list(SAMPLES))


@router.post("/{name}", dependencies=[WRITE], status_code=201)
def store_sample(
    sample: CopiedSample, session: UploadSession, context: CurrentContext, user: CurrentUser
) -> StoredDataset:
    """Stores a sample as a dataset of the caller's; once more, it answers with the one that is there."""
    return to_stored(datasets.create(session, sample, actor=user, home=context.home))
