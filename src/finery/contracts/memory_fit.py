"""How much memory a training takes, estimated from the model's shape and the configuration: docs/fit.md.

The parts and their sum are those of EleutherAI's "Transformer Math 101" (Anthony, Biderman, Schoelkopf, 2023):
weights + gradients + optimizer + activations. Activations are counted tensor by tensor, as Korthikanti et al. do it
("Reducing Activation Recomputation in Large Transformer Models", 2022, section 4.1): what the backward pass will read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from finery.contracts.model_folder import dimensions, text_part

Quantisation = Literal["4bit", "8bit"]

STACK = 768 * 2**20
"""What the libraries take themselves: on a GPU its context and work space, on a CPU the training stack."""
BITS_OF_NF4 = 4.127
"""Per weight, its share of the doubly quantised constants included (Dettmers et al., "QLoRA", 2023, section 3)."""
STATE_BYTES = {
    # Two moments in fp32 (Transformer Math 101, "Optimizer States").
    "adamw_torch": 8.0,
    "adamw_torch_fused": 8.0,
    # Two moments in 8 bits (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022).
    "adamw_bnb_8bit": 2.0,
    # A number for each row and column of a matrix (Shazeer and Stern, 2018): 8/h of a byte each, with h from 160.
    "adafactor": 0.05,
    # Without momentum there is nothing to remember.
    "sgd": 0.0,
}
GATED = frozenset({"silu", "swish"})
"""Activations of feed-forward blocks that multiply two projections."""


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    parameters: int
    hidden: int
    layers: int
    vocabulary: int
    intermediate: int
    """The width of the feed-forward block."""
    key_values: int
    """The width of all keys, which is that of all values."""
    is_gated: bool = True


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a recipe makes of a batch's rows."""

    sequences: int = 1
    """Those that one row becomes: chosen and rejected, or an answer and another one's to compare with."""
    answers: int = 1
    """To each prompt, where the model answers it itself."""
    answer_length: int = 0
    """Tokens of such an answer, at most."""
    is_packed: bool = False
    """Whether several rows become one sequence of max_length."""
    has_reference: bool = False
    """Whether the base is in memory a second time, to compare with."""
    has_logits: bool = True
    """Whether each token is told among all of the vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Training:
    footprint: Footprint = Footprint()
    batch_size: int
    """Rows that are in memory at once."""
    length: int
    """Tokens of a row."""
    optimizer: str = "adamw_torch"
    lora_rank: int | None = None
    """None: all weights are trained."""
    computes_in_16_bits: bool = False
    quantisation: Quantisation | None = None
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Estimate:
    """Bytes."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    reference: int
    stack: int = STACK

    @property
    def total(self) -> int:
        trained = self.weights + self.gradients + self.optimizer
        return trained + self.activations + self.logits + self.reference + self.stack

    def __str__(self) -> str:
        parts = {"weights": self.weights, "reference": self.reference, "gradients": self.gradients}
        parts |= {"optimizer": self.optimizer, "activations": self.activations, "logits": self.logits}
        told = ", ".join(f"{name} {gib(size)}" for name, size in parts.items() if size >= 2**26)
        return f"{gib(self.total)} ({told})" if told else gib(self.total)


def shape_of(config: Mapping[str, Any], parameters: int) -> ModelShape | None:
    """By a model's config.json; None where it says too little."""
    text = text_part(config)
    found = dimensions(text)
    if found is None or found.vocabulary is None:
        return None
    return ModelShape(
        parameters=parameters,
        hidden=found.hidden,
        layers=found.layers,
        vocabulary=found.vocabulary,
        intermediate=found.intermediate,
        key_values=found.key_values,
        is_gated=str(text.get("hidden_act")) in GATED,
    )


def estimate(model: ModelShape, training: Training) -> Estimate:
    trained = trainable_parameters(model, training.lora_rank)
    return Estimate(
        weights=weight_bytes(model, training) + (0 if training.lora_rank is None else 4 * trained),
        # In fp32, one for each trained weight (Transformer Math 101, "Gradients").
        gradients=4 * trained,
        optimizer=optimizer_bytes(training.optimizer, trained),
        activations=activation_bytes(model, training),
        logits=logit_bytes(model, training),
        reference=4 * model.parameters if training.footprint.has_reference and training.lora_rank is None else 0,
    )


def largest_batch(model: ModelShape, training: Training, memory: int) -> int:
    """The most rows, up to those asked for, whose estimate is within `memory` bytes; 0: not even one."""
    least, most = 0, training.batch_size
    while least < most:
        middle = (least + most + 1) // 2
        if estimate(model, replace(training, batch_size=middle)).total <= memory:
            least = middle
        else:
            most = middle - 1
    return least


def trainable_parameters(model: ModelShape, lora_rank: int | None) -> int:
    """An adapter of rank r adds r × (in + out) to each linear layer that it is on (Hu et al., "LoRA", 2021, section
    4.1); here, to all of them.
    """
    if lora_rank is None:
        return model.parameters
    hidden, wide, narrow = model.hidden, model.intermediate, model.key_values
    attention = 2 * (hidden + hidden) + 2 * (hidden + narrow)
    block = (3 if model.is_gated else 2) * (hidden + wide)
    return lora_rank * model.layers * (attention + block)


def weight_bytes(model: ModelShape, training: Training) -> int:
    """Trained weights are kept in fp32, with copies in 16 bits where those compute; frozen ones are in 16 bits there.

    Quantised are linear layers; embeddings stay in 16 bits.
    """
    if training.quantisation is not None:
        bits = BITS_OF_NF4 if training.quantisation == "4bit" else 8.0
        embeddings = min(model.parameters, model.vocabulary * model.hidden)
        return int((model.parameters - embeddings) * bits / 8) + 2 * embeddings
    if training.lora_rank is not None:
        return (2 if training.computes_in_16_bits else 4) * model.parameters
    return (6 if training.computes_in_16_bits else 4) * model.parameters


def optimizer_bytes(optimizer: str, trained: int) -> int:
    """For so many trained weights."""
    return int(STATE_BYTES[optimizer] * trained)


def activation_bytes(model: ModelShape, training: Training) -> int:
    """What the backward pass reads, per token and layer, in numbers: 7 h of residuals, norms and their inputs, the
    attention's queries and output (h) with keys and values (2 k), and 4 to 6 of the block's width.

    In 16 bits the first stay in fp32. The attention's scores are never in memory (its kernels see to that). With
    checkpointing there is h for each layer, and all of one layer.
    """
    tokens = _tokens(training)
    block = (4 if model.is_gated else 6) * model.intermediate
    computed = model.hidden + 2 * model.key_values + block
    layer = tokens * (4 * 7 * model.hidden + (2 if training.computes_in_16_bits else 4) * computed)
    if training.gradient_checkpointing:
        return layer + tokens * 4 * model.hidden * model.layers
    return layer * model.layers


def logit_bytes(model: ModelShape, training: Training) -> int:
    """Three times in fp32: scores, their log-probabilities, the gradient. A reward model has one score only."""
    return 12 * _tokens(training) * model.vocabulary if training.footprint.has_logits else 0


def gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _tokens(training: Training) -> int:
    footprint = training.footprint
    return training.batch_size * footprint.answers * footprint.sequences * training.length
