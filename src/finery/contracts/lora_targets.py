"""Reads `lora_target_modules`, and finds what is wrong with the names in it by the shapes of the model's tensors."""

import re
from collections.abc import Iterable, Iterator, Mapping

from finery.kit.suggest import nearest
from finery.kit.translatable import Translatable

ALL_LINEAR = "all-linear"
"""Stands for every linear layer but the head and the routers, and for the experts' fused matrices."""
HEADS = frozenset({"lm_head", "embed_out"})
EMBEDDINGS = frozenset({"embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings"})
"""How models call the layer that makes scores of words, and the one that makes vectors of them."""
ROUTERS = frozenset({"router", "gate", "shared_expert_gate", "wg"})
"""How models call the module that sends a token to experts; outside of a mixture, `gate` is something else."""
WEIGHT, BIAS = ".weight", "bias"
FUSED = {
    **dict.fromkeys(("gate_proj", "up_proj", "w1", "w3"), "gate_up_proj"),
    **dict.fromkeys(("down_proj", "w2"), "down_proj"),
}
"""How files call the matrices of a single expert → the parameter that holds them of all experts in memory."""
STATE_SPACE_TYPES = frozenset({"mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h"})
READ_BY_KERNELS = frozenset({"out_proj", "conv1d"})
"""Modules whose weights the fused kernels of these model types read themselves, past an adapter; PEFT refuses them."""
RENAMED_TYPES = frozenset({"axk2", "hrm_text", "hy_v4", "inkling2", "inkling2_text", "kimi_linear", "lfm3"})
"""Model types whose layers have other names in files than in memory, in transformers 5 (`conversion_mapping`)."""
_EXPERT = re.compile(r"(.*\bexperts)\.\d+\.(\w+)\.weight")
_IN_MIXTURE = re.compile(r"expert|moe")
MOST_SHOWN = 20

Shapes = Mapping[str, tuple[int, ...]]
"""The name of a tensor, as `model.layers.0.self_attn.q_proj.weight` → its shape."""


def target_names(value: str | list[str]) -> list[str]:
    """Returns the names of `lora_target_modules`, which is a list or a text with commas."""
    names = value.split(",") if isinstance(value, str) else value
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def with_fused(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Returns the shapes, also under the names that experts' matrices have where they are fused, or are not."""
    both = dict(shapes)
    for tensor, shape in shapes.items():
        single = _EXPERT.fullmatch(tensor)
        if single is not None and single[2] in FUSED:
            both.setdefault(f"{single[1]}.{FUSED[single[2]]}", (1, *shape))
        prefix, _, last = tensor.rpartition(".")
        if prefix.endswith("experts") and last in FUSED.values():
            both |= {f"{prefix}.{name}": shape for name, fused in FUSED.items() if fused == last}
    return both


def module_of(tensor: str) -> str:
    """Returns the module of a weight; a parameter that is no module's `weight`, as of fused experts, names itself."""
    return tensor.removesuffix(WEIGHT)


def is_read_by_kernels(module: str, model_type: str | None) -> bool:
    """Returns whether an adapter on the module would be passed over."""
    return model_type in STATE_SPACE_TYPES and module.rpartition(".")[2] in READ_BY_KERNELS


def misfits(
    names: Iterable[str],
    shapes: Shapes,
    *,
    tied: bool = False,
    has_head: bool = True,
    model_type: str | None = None,
    from_files: bool = False,
) -> Iterator[str]:
    """Yields what is wrong with each name that LoRA cannot adapt. A name means all modules whose names end with it.

    `tied`: the head shares its weights with the embedding. `has_head`: the training leaves the head in its place.
    `model_type`: the model's architecture, where it is known.
    `from_files`: the names of the tensors are those of files, some of which have others in memory.
    """
    tensors = with_fused(shapes)
    modules = {module_of(name): len(shape) for name, shape in tensors.items() if not name.endswith(BIAS)}
    dimensions: dict[str, int] = {}
    for module, count in modules.items():
        for ending in endings(module):
            dimensions[ending] = max(count, dimensions.get(ending, 0))
    if tied:
        dimensions |= {head: 2 for head in HEADS if head not in dimensions}
    known = sorted({ending for ending, count in dimensions.items() if count > 1 and "." not in ending} - HEADS)
    for name in names:
        if name == ALL_LINEAR:
            continue
        found, last = dimensions.get(name, 0), name.rpartition(".")[2]
        if from_files and found == 0:
            # The files of older models leave out the first parts of the names.
            found = max((modules.get(ending, 0) for ending in endings(name)), default=0)
        if last in HEADS and not has_head:
            yield Translatable(
                "{name!r} is replaced by the score of a reward model, which is trained anyway; leave it out", name=name
            )
        elif tied and last in HEADS | EMBEDDINGS:
            yield Translatable(
                "{name!r} is head and embedding in one, which an adapter would part; leave it out", name=name
            )
        elif is_read_by_kernels(name, model_type):
            yield Translatable(
                "{name!r} is read by {model_type}'s kernels, past an adapter; leave it out",
                name=name,
                model_type=model_type,
            )
        elif last in HEADS:
            yield Translatable(
                "{name!r} is the head, whose adapter the loss passes over, so that it learns nothing; leave it out",
                name=name,
            )
        elif found == 0 and from_files and (model_type in RENAMED_TYPES or _may_be_renamed(name, last, tensors)):
            continue
        elif found == 0:
            yield Translatable("the model has no {name!r}; {hint}", name=name, hint=_hint(last, known))
        elif found == 1:
            yield Translatable(
                "{name!r} has a weight for each unit and no matrix, which LoRA needs; {hint}",
                name=name,
                hint=_hint("", known),
            )


def _may_be_renamed(name: str, last: str, tensors: Shapes) -> bool:
    """Returns whether the name may be one that a mixture of experts has in memory, and not in its files."""
    is_part = last in FUSED or last in FUSED.values() or last in ROUTERS or "." in name
    return is_part and any(_IN_MIXTURE.search(tensor) for tensor in tensors)


def endings(name: str) -> Iterator[str]:
    """Yields `a.b.c`, `b.c` and `c` of `a.b.c`."""
    parts = name.split(".")
    return (".".join(parts[start:]) for start in range(len(parts)))


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    more = ", …" if len(known) > MOST_SHOWN else ""
    return (
        Translatable("did you mean {near!r}?", near=near)
        if near
        else Translatable("it has {known}{more}", known=", ".join(known[:MOST_SHOWN]), more=more)
    )
