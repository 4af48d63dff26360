"""Base classes of the contracts: models that cannot be changed, and those that also refuse unknown fields."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class StrictModel(FrozenModel):
    model_config = ConfigDict(extra="forbid")
