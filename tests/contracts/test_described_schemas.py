from typing import Annotated, Literal

from pydantic import BaseModel, Field

from finery.contracts.described_schemas import models_in, schema_of


class Inner(BaseModel):
    amount: int = 1
    """How many."""


class Other(Inner):
    kind: Literal["other"] = "other"
    told: Annotated[int, Field(description="Its own words.")] = 0
    """Other words."""


class Outer(BaseModel):
    parts: dict[str, list[Annotated[Inner | Other, Field()]]] = {}
    """By name."""
    again: "Outer | None" = None
    word: str = Field(default="", alias="from")
    """Where it comes from."""


class TestModelsIn:
    def test_each_once_however_deep(self) -> None:
        assert models_in(list[Outer], Inner, int, None) == [Outer, Inner, Other]


class TestSchemaOf:
    def test_every_field_has_its_docstring(self) -> None:
        definitions = schema_of(Outer)["$defs"]
        told = {
            (name, field): part.get("description")
            for name, schema in definitions.items()
            for field, part in schema["properties"].items()
        }
        assert told == {
            ("Inner", "amount"): "How many.",
            ("Other", "amount"): "How many.",
            ("Other", "kind"): 'Always `"other"`.',
            ("Other", "told"): "Its own words.",
            ("Outer", "parts"): "By name.",
            ("Outer", "again"): None,
            ("Outer", "from"): "Where it comes from.",
        }

    def test_a_model_that_names_itself_nowhere(self) -> None:
        assert schema_of(Inner)["properties"]["amount"]["description"] == "How many."
