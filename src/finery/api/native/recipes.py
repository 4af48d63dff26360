"""HTTP routes of `/api/v1/recipes`: the training methods, and the settings of each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.schemas import RecipeList
from finery.contracts.recipe_reference import RecipeReference
from finery.contracts.recipes.reference import summaries
from finery.domain import recipes
from finery.http.admission import READS, in_lane
from finery.http.permission import Allow, Permission

READ = Depends(Allow(Permission.RUNS_READ))

RecipeName = Annotated[str, Path(max_length=32, description="The recipe's name, as `sft`.")]

router = APIRouter(prefix=f"{PREFIX}/recipes", route_class=NativeRoute, tags=["recipes"], responses=ERRORS)


@router.get("", dependencies=[READ])
async def list_recipes() -> RecipeList:
    """Lists the training methods."""
    return RecipeList(recipes=summaries())


@router.get("/{name}", dependencies=[READ])
@in_lane(READS)
def get_recipe(name: RecipeName) -> RecipeReference:
    """Answers with a recipe's settings in words, and with the JSON schema of its configuration."""
    return recipes.get_reference(name)
