"""Reports the loss of a mixture's routers apart from what the model learns.

TRL adds it to the loss, as training needs it: small where experts have equal shares, and no measure of the answers.
"""

from typing import Any

import torch
from transformers import Trainer


class RouterLossApart(Trainer):
    """A trainer of TRL's that reports `loss` and `eval_loss` without the routers' part, which is `aux_loss`."""

    router_aux_loss_coef: float
    _metrics: dict[str, dict[str, list[float]]]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        parts = self._metrics["train"].get("aux_loss")
        if "loss" in logs and parts:
            logs["loss"] -= self.router_aux_loss_coef * sum(parts) / len(parts)
        super().log(logs, start_time)

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> Any:
        loss, *rest = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        parts = self._metrics["eval"].get("aux_loss")
        if loss is not None and parts:
            loss = loss - self.router_aux_loss_coef * parts[-1]
        return (loss, *rest)
