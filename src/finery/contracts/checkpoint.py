"""A checkpoint of a run: a complete model that was saved during training, and its metrics."""

from finery.contracts.base_models import FrozenModel


class Checkpoint(FrozenModel):
    step: int
    at: float
    """Seconds since 1970-01-01 UTC."""
    path: str
    """Absolute."""
    metrics: dict[str, float]
    """Metrics of the last training step that was reported before it: `loss`, `token_accuracy`, …"""
    evaluation: dict[str, float]
    """Metrics of the evaluation at that step; empty if there was none."""
