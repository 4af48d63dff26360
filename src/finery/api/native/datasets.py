from fastapi import APIRouter, Depends, Request

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.mapping import to_uploaded
from finery.api.native.schemas import UploadedDataset
from finery.http.permission import Allow, Permission
from finery.http.services import CurrentGround
from finery.http.uploads import FILE_FORM, receive_upload

router = APIRouter(prefix=f"{PREFIX}/datasets", route_class=NativeRoute, tags=["datasets"], responses=ERRORS)


@router.post("", dependencies=[Depends(Allow(Permission.DATASETS_WRITE))], status_code=201, openapi_extra=FILE_FORM)
async def upload_dataset(request: Request, ground: CurrentGround) -> UploadedDataset:
    """The same file twice is stored once."""
    return to_uploaded(await receive_upload(request, ground.home), ground)
