"""Packs documents only where the model is shown to read each by itself, as if it had the row alone.

transformers tells packed documents apart by position ids that begin anew. Some architectures (Bloom, Falcon, GPT-OSS,
Mamba, MPT, OPT in 5.23) ignore that: a document would be learned as the continuation of an unrelated one.
"""

from itertools import chain, islice

import torch
from datasets import Dataset
from transformers import PreTrainedModel
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from finery.contracts.recipes import TrainingConfig
from finery.trainers.attempt import Attempt

LONGEST_DOCUMENT = 24
"""Tokens of each of the two documents. A leak is largest at the border, and so few tokens take little time."""
TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
QUANTIZED_TOLERANCE = 0.15
"""The largest difference that rounding explains, by the weights' dtype, and with weights in 8 or 4 bits.

Small models that keep documents apart differed by 2e-7 at most, others by 0.03 (Bloom with random weights) to 1 (MPT).
In 16 bits, kernels that sum in another order may differ by some hundredths after many layers.
"""


def can_pack(attempt: Attempt, config: TrainingConfig, model: PreTrainedModel, rows: Dataset) -> bool:
    """Returns whether packed documents stay apart; gives notice where they do not.

    The model goes to the GPU that trains it, whose kernels decide. Raises whatever a lack of memory raises.
    """
    tokens = list(islice(chain.from_iterable(row["input_ids"] for row in rows), 2 * LONGEST_DOCUMENT))
    half = len(tokens) // 2
    if half == 0:
        return True
    if attempt.spec.gpus and model.device.type == "cpu":
        model.to(torch.device("cuda", attempt.rank))
    try:
        difference = packed_difference(model, tokens[:half], tokens[half:])
    except TypeError as error:
        # Its forward takes none of the arguments that tell where a document begins.
        reason = str(error)
    else:
        is_quantized = config.load_in_4bit or config.load_in_8bit
        if difference <= (QUANTIZED_TOLERANCE if is_quantized else TOLERANCES[model.dtype]):
            return True
        reason = f"behind another document, what it predicts differs by {difference:.2g} of its spread"
    attempt.reporter.notice(
        "packing_off",
        f"packing is off: {model.config.model_type} does not keep packed documents apart ({reason}), so each has a row "
        "of its own, which takes longer; set packing: false, or choose another model",
    )
    return False


@torch.no_grad()
def packed_difference(model: PreTrainedModel, first: list[int], second: list[int]) -> float:
    """Returns how much the second document's logits change when it stands behind the first in a packed row.

    It is the largest distance between a position's logits, as a share of their spread over the vocabulary: 0 where the
    documents are apart. Raises TypeError where the model takes no packed rows.
    """
    training = model.training
    model.eval()
    try:
        behind = _logits(model, [first, second])[len(first) :]
        alone = _logits(model, [second])
    finally:
        model.train(training)
    spread = (alone - alone.mean(dim=-1, keepdim=True)).norm(dim=-1)
    return float(((behind - alone).norm(dim=-1) / spread).max())


def _logits(model: PreTrainedModel, documents: list[list[int]]) -> torch.Tensor:
    """Returns the logits, shape [tokens, vocabulary], of a row that is packed as TRL packs it."""
    # There is one row, so that nothing is padded.
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    lengths = [len(document) for document in documents]
    batch = collate([{"input_ids": list(chain.from_iterable(documents)), "seq_lengths": lengths}])
    inputs = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
        if name != "labels"
    }
    return model(**inputs, use_cache=False).logits[0].float()
