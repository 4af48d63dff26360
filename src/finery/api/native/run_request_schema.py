"""Tells OpenAPI of a request for a run per recipe, with that recipe's configuration; `recipe` says which it is."""

from typing import Any

from finery.contracts.recipes import RECIPES, Recipe
from finery.contracts.recipes.reference import config_schema_of
from finery.http.openapi_responses import SCHEMAS

REQUEST = "CreateRunRequest"


def tell_recipes(document: dict[str, Any]) -> None:
    """Replaces the schema of the request by the choice between those of the recipes."""
    schemas = document["components"]["schemas"]
    variants = {recipe.name: _add_variant(schemas, recipe) for recipe in RECIPES.values()}
    schemas[REQUEST] = {
        "title": REQUEST,
        "oneOf": [{"$ref": reference} for reference in variants.values()],
        "discriminator": {"propertyName": "recipe", "mapping": variants},
    }


def _add_variant(schemas: dict[str, Any], recipe: Recipe) -> str:
    """Adds the schemas of a recipe's request and configuration, and returns the reference to the request's."""
    request, config = schemas[REQUEST], config_schema_of(recipe, ref_template=f"{SCHEMAS}{{model}}")
    schemas.update(config.pop("$defs", {}))
    schemas[recipe.config.__name__] = config
    name = f"Create{recipe.config.__name__.removesuffix('Config')}Run"
    fields = {
        "recipe": {**request["properties"]["recipe"], "const": recipe.name},
        "config": {"$ref": f"{SCHEMAS}{recipe.config.__name__}"},
    }
    schemas[name] = {
        **request,
        "title": name,
        "description": f"A request for a run of the recipe {recipe.name}: {recipe.title}.",
        "properties": {**request["properties"], **fields},
    }
    return f"{SCHEMAS}{name}"
