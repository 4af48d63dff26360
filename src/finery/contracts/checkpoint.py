"""A checkpoint of a run: a whole model, saved while the training went on."""

from pydantic import BaseModel, ConfigDict


class Checkpoint(BaseModel):
    model_config = ConfigDict(frozen=True)

    step: int
    at: float
    """Seconds since 1970-01-01 UTC."""
    path: str
    """Absolute."""
    metrics: dict[str, float]
    """Of the last training step told by then: `loss`, `token_accuracy`, …"""
    evaluation: dict[str, float]
    """Of the evaluation at that step; empty where there was none."""
