"""Estimates the memory of a training from the model's dimensions and the configuration (docs/fit.md).

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
"""Bytes of the libraries themselves: on a GPU its context and work space, on a CPU the training stack."""
BITS_OF_NF4 = 4.127
"""Bits per weight, with its share of the doubly quantised constants (Dettmers et al., "QLoRA", 2023, section 3)."""
STATE_BYTES = {
    # Two moments in fp32 (Transformer Math 101, "Optimizer States").
    "adamw_torch": 8.0,
    "adamw_torch_fused": 8.0,
    # Two moments in 8 bits (Dettmers et al., "8-bit Optimizers via Block-wise Quantization", 2022).
    "adamw_bnb_8bit": 2.0,
    # A number for each row and column of a matrix (Shazeer and Stern, 2018): 8/h of a byte each, with h from 160.
    "adafactor": 0.05,
    # Without momentum it has no state.
    "sgd": 0.0,
}
GATED = frozenset({"silu", "swish"})
"""Activations whose feed-forward blocks multiply two projections."""


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    parameters: int
    hidden: int
    layers: int
    vocabulary: int
    intermediate: int
    """The width of the feed-forward block."""
    key_values: int
    """The width of all keys of a layer; values have the same."""
    is_gated: bool = True


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """How a recipe turns a batch's rows into sequences in memory."""

    sequences: int = 1
    """Sequences per row, for example 2 for chosen and rejected."""
    answers: int = 1
    """Answers per prompt that the model generates."""
    answer_length: int = 0
    """Maximum tokens of a generated answer."""
    is_packed: bool = False
    """Whether several rows become one sequence of max_length."""
    has_reference: bool = False
    """Whether the base model is in memory a second time as the reference."""
    has_logits: bool = True
    """Whether each token gets a score for every word of the vocabulary."""


@dataclass(frozen=True, kw_only=True)
class Training:
    footprint: Footprint = Footprint()
    batch_size: int
    """Rows in memory at once."""
    length: int
    """Tokens per row."""
    optimizer: str = "adamw_torch"
    lora_rank: int | None = None
    """None: all weights are trained."""
    computes_in_16_bits: bool = False
    quantisation: Quantisation | None = None
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class Estimate:
    """The parts of the estimate, in bytes."""

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
        text = ", ".join(f"{name} {gib(size)}" for name, size in parts.items() if size >= 2**26)
        return f"{gib(self.total)} ({text})" if text else gib(self.total)


def shape_of(config: Mapping[str, Any], parameters: int) -> ModelShape | None:
    """Reads the dimensions in a model's config.json. Returns None if required ones are missing."""
    text = text_part(config)
    model = dimensions(text)
    if model is None or model.vocabulary is None:
        return None
    return ModelShape(
        parameters=parameters,
        hidden=model.hidden,
        layers=model.layers,
        vocabulary=model.vocabulary,
        intermediate=model.intermediate,
        key_values=model.key_values,
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
    """Returns the largest batch up to `training.batch_size` whose estimate fits `memory` bytes; 0 if no row fits."""
    least, most = 0, training.batch_size
    while least < most:
        middle = (least + most + 1) // 2
        if estimate(model, replace(training, batch_size=middle)).total <= memory:
            least = middle
        else:
            most = middle - 1
    return least


def trainable_parameters(model: ModelShape, lora_rank: int | None) -> int:
    """Counts the trained weights. An adapter of rank r adds r × (in + out) to each linear layer (Hu et al., "LoRA",
    2021, section 4.1).
    """
    if lora_rank is None:
        return model.parameters
    hidden, wide, narrow = model.hidden, model.intermediate, model.key_values
    attention = 2 * (hidden + hidden) + 2 * (hidden + narrow)
    block = (3 if model.is_gated else 2) * (hidden + wide)
    return lora_rank * model.layers * (attention + block)


def weight_bytes(model: ModelShape, training: Training) -> int:
    """Trained weights are in fp32, plus a 16-bit copy if the training computes in 16 bits; frozen ones are in 16 bits
    then. Quantisation covers the linear layers; embeddings stay in 16 bits.
    """
    if training.quantisation is not None:
        bits = BITS_OF_NF4 if training.quantisation == "4bit" else 8.0
        embeddings = min(model.parameters, model.vocabulary * model.hidden)
        return int((model.parameters - embeddings) * bits / 8) + 2 * embeddings
    if training.lora_rank is not None:
        return (2 if training.computes_in_16_bits else 4) * model.parameters
    return (6 if training.computes_in_16_bits else 4) * model.parameters


def optimizer_bytes(optimizer: str, trained: int) -> int:
    """Returns the size of the optimizer's state for `trained` weights."""
    return int(STATE_BYTES[optimizer] * trained)


def activation_bytes(model: ModelShape, training: Training) -> int:
    """Counts what the backward pass reads, in numbers per token and layer: 7 h for residuals, norms and their inputs,
    h + 2 k for attention (queries and output, keys and values), and 4 to 6 times the block's width.

    In 16 bits the first stay in fp32. Attention scores are never in memory, since fused kernels compute them in tiles.
    With checkpointing, h per layer stays in memory, and all activations of one layer.
    """
    tokens = _tokens(training)
    block = (4 if model.is_gated else 6) * model.intermediate
    computed = model.hidden + 2 * model.key_values + block
    layer = tokens * (4 * 7 * model.hidden + (2 if training.computes_in_16_bits else 4) * computed)
    if training.gradient_checkpointing:
        return layer + tokens * 4 * model.hidden * model.layers
    return layer * model.layers


def logit_bytes(model: ModelShape, training: Training) -> int:
    """Three fp32 copies: scores, log-probabilities and gradient. A reward model has a single score instead."""
    return 12 * _tokens(training) * model.vocabulary if training.footprint.has_logits else 0


def gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _tokens(training: Training) -> int:
    footprint = training.footprint
    return training.batch_size * footprint.answers * footprint.sequences * training.length
