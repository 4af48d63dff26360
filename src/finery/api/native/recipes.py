"""HTTP routes of `/api/v1/recipes`: the training methods, and the settings of each."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.recipe_mapping import to_recipe_list, to_recipe_reference
from finery.api.native.schemas import RecipeList
from finery.contracts.recipe_reference import RecipeReference
from finery.contracts.recipes.reference import summaries
from finery.domain import recipes
from finery.http.admission import READS, in_lane
from finery.http.languages import ENGLISH, Language, in_language
from finery.http.permission import Allow, Permission

READ = Depends(Allow(Permission.RUNS_READ))

AnswerLanguage = Annotated[Language, Depends(in_language(ENGLISH))]
RecipeName = Annotated[str, Path(max_length=32, description="The recipe's name, as `sft`.")]

router = APIRouter(prefix=f"{PREFIX}/recipes", route_class=NativeRoute, tags=["recipes"], responses=ERRORS)


@router.get("", dependencies=[READ])
async def list_recipes(language: AnswerLanguage) -> RecipeList:
    """Lists the training methods. Titles follow Accept-Language."""
    return to_recipe_list(summaries(), language)


@router.get("/{name}", dependencies=[READ])
@in_lane(READS)
def get_recipe(name: RecipeName, language: AnswerLanguage) -> RecipeReference:
    """Answers with a recipe's settings in words, which follow Accept-Language, and with the JSON schema of its
    configuration, which is for programs and stays English."""
    return to_recipe_reference(recipes.get_reference(name), language)
