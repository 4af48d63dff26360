"""The trainer class of `sft` and `cpt`: TRL's SFTTrainer with a cheaper loss for small models on a CPU.

TRL computes the loss of every position in tiles, in Python, with its entropy. That suits a GPU and a vocabulary of
150,000, but takes half of the time of a small model on a CPU. There the head is applied to learned positions only.
"""

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel
from trl import SFTTrainer

from finery.trainers.model_settings import SettingsKeepingTrainer
from finery.trainers.router_loss import RouterLossApart

LARGEST_LOGITS = 64_000_000
"""Elements (256 MB in fp32). TRL's tiles need less memory for more than this."""


class CausalTrainer(RouterLossApart, SettingsKeepingTrainer, SFTTrainer):
    """SFTTrainer whose loss is the same mean cross-entropy of the learned tokens, computed in one piece if small.

    The evaluation's loss is that of all learned tokens, too, where Trainer averages over rows the mean of each batch.
    """

    _evaluated: torch.Tensor
    """Of the evaluation under way: the sum of the tokens' losses, and how many tokens there are."""

    def __init__(self, model: PreTrainedModel, **arguments: Any) -> None:
        super().__init__(model=model, **arguments)
        name_experts(model)

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> Any:
        self._evaluated = torch.zeros(2, dtype=torch.float32, device=self.accelerator.device)
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        total, count = self.accelerator.reduce(self._evaluated).tolist()
        if count:
            output.metrics[f"{metric_key_prefix}_loss"] = total / count
        return output

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> Any:
        loss, *rest = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        count = (inputs["labels"][:, 1:] != -100).sum().to(self._evaluated.device)
        self._evaluated += torch.stack([loss.to(count.device) * count, count])
        return (loss, *rest)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        labels = inputs["labels"]
        if return_outputs or not self._is_small(labels):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        mode = "train" if self.model.training else "eval"
        learned = labels[:, 1:] != -100
        targets = labels[:, 1:][learned]
        # The positions at which any row of the batch learns.
        columns = learned.any(dim=0).nonzero().flatten()
        inputs = {name: value for name, value in inputs.items() if name != "labels"}
        logits = model(**inputs, use_cache=False, logits_to_keep=columns).logits[learned[:, columns]]
        total = cross_entropy(logits.float(), targets, reduction="sum")
        count = targets.numel() if num_items_in_batch is None else num_items_in_batch
        correct = (logits.detach().argmax(dim=-1) == targets).sum().item()
        self._metrics[mode]["mean_token_accuracy"].append(correct / max(targets.numel(), 1))
        if mode == "train":
            mask = inputs.get("attention_mask")
            self._total_train_tokens += labels.numel() if mask is None else int(mask.sum())
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
        return total / max(count, 1)

    def _is_small(self, labels: torch.Tensor) -> bool:
        plain = labels.device.type == "cpu" and self.accelerator.num_processes == 1 and not self.aux_loss_enabled
        return plain and labels.numel() * self.model.config.get_text_config().vocab_size <= LARGEST_LOGITS


def name_experts(model: PreTrainedModel) -> None:
    """Has a configuration tell the number of its experts where TRL looks for it, too: Granite's calls it otherwise."""
    settings = model.config.get_text_config()
    count = settings.to_dict().get("num_local_experts")
    if count is not None and "num_experts" not in {*settings.to_dict(), *settings.attribute_map}:
        settings.num_experts = count
