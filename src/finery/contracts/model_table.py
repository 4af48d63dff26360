"""Aliases for base models that the administrator configures: `gpt-4o-mini` may stand for a local model."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from finery.contracts.base_models import StrictModel
from finery.contracts.deployment import EngineChoice
from finery.contracts.visible_text import PLAIN
from finery.kit.field_errors import sentence_of

AliasName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/@-]*$")]
MOST = 1000


class ModelTableError(ValueError):
    """The table is invalid; the message names the entry and its key."""


class BaseModelEntry(StrictModel):
    """The model behind one alias, and its defaults, which a request may override."""

    model: Annotated[str, Field(min_length=1, max_length=4096), PLAIN]
    """A built-in model, a folder (`./folder`), a run's id, or a hub id; never another alias."""
    description: str = Field(default="", max_length=500)
    max_length: int | None = Field(default=None, ge=8, le=1_048_576)
    """Maximum tokens per row of training data."""
    max_context: int | None = Field(default=None, ge=16, le=1_048_576)
    """Maximum tokens of prompt and answer together when it is served."""
    chat_template: str | None = Field(default=None, max_length=100_000)
    """Jinja source for training and serving; replaces the tokenizer's own template."""
    method: Literal["auto", "lora", "full"] = "auto"
    learning_rate: Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)] | None = None
    """The rate that a learning rate multiplier scales; None: the rate that `auto` chooses."""
    engine: EngineChoice = "auto"

    @field_validator("learning_rate", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Converts text: YAML 1.1 reads `1e-4` as text."""
        return float(value) if isinstance(value, str) else value


ModelTable = Mapping[str, BaseModelEntry]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    models: Annotated[dict[AliasName, BaseModelEntry], Field(max_length=MOST)] = {}

    @field_validator("models", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """Expands the short form `alias: model` to an entry."""
        if not isinstance(value, dict):
            return value
        return {name: {"model": entry} if isinstance(entry, str) else entry for name, entry in value.items()}


def parse_model_table(document: object) -> ModelTable:
    """Parses the document `{models: {name: entry}}`. Raises ModelTableError."""
    try:
        table = _Document.model_validate({} if document is None else document).models
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A misspelt key explains why another is missing, so it is reported first.
        detail = next((detail for detail in details if detail["type"] == "extra_forbidden"), details[0])
        place = ".".join(str(part) for part in detail["loc"])
        raise ModelTableError(f"{place}: {sentence_of(detail)}") from error
    for name, entry in table.items():
        if entry.model in table:
            raise ModelTableError(f"models.{name}.model: {entry.model!r} is itself a name of this table")
        if name.startswith(("finery/", "ft:")):
            raise ModelTableError(f"models.{name}: names that begin so are Finery's own")
    return table
