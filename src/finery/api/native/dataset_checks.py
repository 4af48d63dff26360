"""HTTP route `/api/v1/datasets/check`: checks whether a run of a recipe may train on the data."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from finery.api.native.dialect import ERRORS, PREFIX, TOO_MANY, NativeRoute
from finery.contracts.datasets.measurement import DatasetCheck
from finery.contracts.numbers import StrictNumbers
from finery.domain.datasets.check_request import CheckRequest
from finery.http.admission import scans_files
from finery.http.datasets import check_data
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentServices

PathText = Annotated[str, Field(min_length=1, max_length=4096)]

router = APIRouter(prefix=f"{PREFIX}/datasets", route_class=NativeRoute, tags=["datasets"], responses=ERRORS)


class CheckDatasetRequest(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    path: PathText
    """A file, a folder, or `dataset:<id or name>[@<version>]`."""
    recipe: str = Field(default="sft", max_length=32)
    dataset_name: str | None = Field(default=None, max_length=200)
    """The entry of a folder's dataset_info.json."""
    validation_path: PathText | None = None
    model: str | None = Field(default=None, min_length=1, max_length=4096)
    """With it, rows are measured in its tokens."""
    max_length: Annotated[int, Field(ge=8, le=1_048_576)] = 1024


@router.post("/check", dependencies=[Depends(Allow(Permission.DATASETS_READ))], responses=TOO_MANY)
@scans_files
def check_dataset(body: CheckDatasetRequest, services: CurrentServices, user: CurrentUser) -> DatasetCheck:
    """Answers with what is wrong with the data; `ok` says whether a run may train on it."""
    fields = body.model_dump()
    return check_data(services, CheckRequest(entry_name=fields.pop("dataset_name"), **fields), user)
