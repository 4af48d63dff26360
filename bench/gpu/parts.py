"""The parts of the check: each shows one promise, and says in words what it measured."""

import importlib.util
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from bench.gpu.bare import bare_sft
from bench.gpu.models import Scale, make_model, write_chats, write_preferences
from bench.gpu.runs import Ended, PartFailed, carry_out
from bench.server import running
from finery.contracts.parity import TOLERANCES
from finery.trainers.packing import packed_difference

LN_2 = math.log(2)
"""DPO's loss before the first step: the policy is its reference."""
SKIPPED_STEPS = 2
"""Steps that are not timed: kernels are chosen, memory grows."""
SLOWEST = 1.05
"""The longest step that is allowed, as a multiple of bare TRL's."""


class NotHere(Exception):
    """This machine lacks what a part needs; the message names it."""


@dataclass(frozen=True)
class Bench:
    """What every part is given."""

    folder: Path
    models: Path
    scale: Scale
    gpu: int | None
    """None: on the CPU, with tiny shapes."""

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.gpu is None else torch.bfloat16

    @property
    def tolerance(self) -> float:
        """By how much two losses may differ, as a share of one."""
        return 1e-4 if self.gpu is None else 2e-2

    def dense(self) -> Path:
        return make_model(self.models / "dense", self.scale.dense, dtype=self.dtype)

    def mixture(self) -> Path:
        return make_model(self.models / "mixture", self.scale.mixture, dtype=self.dtype)

    def train(self, recipe: str, *, model: Path, dataset: Path, **own: Any) -> Ended:
        settings = {
            "max_steps": self.scale.steps,
            "max_length": self.scale.max_length,
            "batch_size": self.scale.batch_size,
            "learning_rate": 1e-5,
            "probe": "off",
            **own,
        }
        return carry_out(self.folder, recipe, model=model, dataset=dataset, gpu=self.gpu, **settings)


def sft_full(bench: Bench) -> str:
    return _beside_bare(bench, use_lora=False)


def sft_lora(bench: Bench) -> str:
    return _beside_bare(bench, use_lora=True)


def _beside_bare(bench: Bench, *, use_lora: bool) -> str:
    """Trains by Finery, then by bare TRL on the same rows: equal losses, and a step that is no slower."""
    rows = write_chats(bench.folder / "rows.jsonl", bench.scale)
    precision = "fp32" if bench.gpu is None else "bf16"
    ended = bench.train("sft", model=bench.dense(), dataset=rows, use_lora=use_lora, precision=precision)
    bare = bare_sft(
        bench.folder / "bare",
        model=bench.dense(),
        dataset=rows,
        adapter=bench.folder / "output" if use_lora else None,
        scale=bench.scale,
        on_gpu=bench.gpu is not None,
        skipped=SKIPPED_STEPS,
    )
    difference = max(abs(one / other - 1) for one, other in zip(ended.losses(), bare.losses, strict=True))
    if difference > bench.tolerance:
        raise PartFailed(f"losses differ from bare TRL's by {difference:.2%}: {ended.losses()} and {bare.losses}")
    ours = ended.seconds_of_step(SKIPPED_STEPS)
    told = f"losses as bare TRL's to {difference:.1e}; a step {ours:.3f} s, bare {bare.seconds_of_step:.3f} s"
    # On a busy CPU with tiny models, a step is noise.
    if bench.gpu is not None and ours > SLOWEST * bare.seconds_of_step:
        raise PartFailed(f"slower than bare TRL: {told}")
    return told


def dpo_full(bench: Bench) -> str:
    return _dpo(bench, use_lora=False)


def dpo_lora(bench: Bench) -> str:
    return _dpo(bench, use_lora=True)


def _dpo(bench: Bench, *, use_lora: bool) -> str:
    rows = write_preferences(bench.folder / "rows.jsonl", bench.scale)
    rate = 1e-4 if use_lora else 1e-6
    losses = bench.train(
        "dpo", model=bench.dense(), dataset=rows, use_lora=use_lora, learning_rate=rate, batch_size=4
    ).losses()
    if abs(losses[0] - LN_2) > 0.02:
        raise PartFailed(f"the first loss is {losses[0]:.4f}, not ln 2")
    if not all(map(math.isfinite, losses)):
        raise PartFailed(f"a loss is not finite: {losses}")
    return f"loss {losses[0]:.4f} (ln 2 = {LN_2:.4f}) → {losses[-1]:.4f} in {len(losses)} steps"


def four_bit(bench: Bench) -> str:
    """QLoRA: the frozen base in four bits."""
    if bench.gpu is None:
        raise NotHere("a GPU")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise NotHere("the package bitsandbytes")
    rows = write_chats(bench.folder / "rows.jsonl", bench.scale)
    losses = bench.train(
        "sft", model=bench.dense(), dataset=rows, use_lora=True, load_in_4bit=True, learning_rate=1e-3
    ).losses()
    if not losses[-1] < losses[0]:
        raise PartFailed(f"the loss did not fall: {losses}")
    return f"loss {losses[0]:.3f} → {losses[-1]:.3f} in {len(losses)} steps"


def packing(bench: Bench) -> str:
    """Packed documents do not see each other, by every attention that is here; then a packed training."""
    told = []
    for attention in ("sdpa", "eager", "flash_attention_2"):
        if attention == "flash_attention_2" and (bench.gpu is None or importlib.util.find_spec("flash_attn") is None):
            told.append(f"{attention}: not here")
            continue
        model = AutoModelForCausalLM.from_pretrained(bench.dense(), attn_implementation=attention, dtype=bench.dtype)
        model.to("cpu" if bench.gpu is None else f"cuda:{bench.gpu}")
        difference = packed_difference(model, list(range(5, 29)), list(range(40, 64)))
        told.append(f"{attention}: {difference:.1e}")
        if difference > (1e-4 if bench.dtype is torch.float32 else 5e-2):
            raise PartFailed(f"{attention} lets a document see the one before it: {difference:.2g}")
        del model
    rows = write_chats(bench.folder / "rows.jsonl", bench.scale)
    ended = bench.train("sft", model=bench.dense(), dataset=rows, packing=True)
    notices = [notice for notice in ended.of("notice") if notice["code"] == "packing_off"]
    if notices:
        raise PartFailed(notices[0]["message"])
    return f"documents apart ({', '.join(told)}); trained {len(ended.losses())} packed steps"


def mixture(bench: Bench) -> str:
    """A mixture of experts, trained by LoRA and merged, then served as it was trained."""
    rows = write_chats(bench.folder / "rows.jsonl", bench.scale)
    ended = bench.train(
        "sft", model=bench.mixture(), dataset=rows, use_lora=True, merge_adapter=True, parity_check=True
    )
    return f"{_parity(bench, ended)}; loss {ended.losses()[0]:.3f} → {ended.losses()[-1]:.3f}"


def engine_parity(bench: Bench) -> str:
    """What the model says in memory after its training, it says where it is served."""
    rows = write_chats(bench.folder / "rows.jsonl", bench.scale)
    return _parity(bench, bench.train("sft", model=bench.dense(), dataset=rows, parity_check=True))


def _parity(bench: Bench, ended: Ended) -> str:
    metrics = ended.outcome.metrics
    if "parity_max_logprob_difference" not in metrics:
        raise PartFailed("the saved model could not be asked: " + str(ended.of("notice")[-1]))
    difference, equal = metrics["parity_max_logprob_difference"], metrics["parity_tokens_equal"]
    told = f"log-probabilities differ by {difference:.1e} at most, {equal:.0%} of the tokens are the same"
    # In 16 bits two tokens may be equally good; the comparison of their log-probabilities decides.
    if difference > TOLERANCES[str(bench.dtype).removeprefix("torch.")] or (bench.gpu is None and equal < 1):
        raise PartFailed(told)
    return told


def out_of_memory(bench: Bench) -> str:
    """With too little memory, the batch is halved, and a step has as many rows as before."""
    if bench.gpu is None:
        raise NotHere("a GPU")
    rows = write_chats(bench.folder / "rows.jsonl", bench.scale)
    size = bench.scale.batch_size * 8
    total = torch.cuda.get_device_properties(bench.gpu).total_memory
    parameters = sum(file.stat().st_size for file in bench.dense().glob("*.safetensors")) / 2
    # The model, its gradients and Adam's two moments in fp32, and little beside them.
    share = min(1.0, (16 * parameters + 6 * 2**30) / total)
    limit = f"import torch; torch.cuda.set_per_process_memory_fraction({share}, {bench.gpu})"
    ended = carry_out(
        bench.folder,
        "sft",
        model=bench.dense(),
        dataset=rows,
        gpu=bench.gpu,
        before=limit,
        max_steps=3,
        max_length=bench.scale.max_length,
        batch_size=size,
        probe="off",
    )
    smaller = [notice for notice in ended.of("notice") if notice["code"] == "out_of_memory"]
    if not smaller:
        raise PartFailed(f"memory did not run out with a batch of {size} in {share:.0%} of the GPU's memory")
    shapes = [(notice["batch_size"], notice["gradient_accumulation_steps"]) for notice in smaller]
    if any(one * other != size for one, other in shapes):
        raise PartFailed(f"the effective batch was {size}, and became {shapes}")
    return f"a batch of {size} became {shapes[-1][0]} × {shapes[-1][1]}, {len(ended.losses())} steps done"


def leases(bench: Bench) -> str:
    """Two runs on a machine with one place for them: one waits until the other has ended."""
    settings = {"FINERY_WARM_START": "off", "FINERY_CPU_SLOTS": "1"}
    if bench.gpu is not None:
        settings["CUDA_VISIBLE_DEVICES"] = str(bench.gpu)
    with running(**settings) as server, server.client() as client:
        write_chats(server.home / "rows.jsonl", bench.scale)
        shutil.copytree(bench.dense(), server.home / "base")
        body = {
            "recipe": "sft",
            "config": {
                "model_name": "./base",
                "dataset_path": "rows.jsonl",
                "max_steps": bench.scale.steps,
                "max_length": bench.scale.max_length,
                "use_lora": True,
            },
        }
        answers = [client.post("/api/v1/runs", json=body) for _ in range(2)]
        if refused := [answer.text for answer in answers if not answer.is_success]:
            raise PartFailed(f"refused: {refused[0]}")
        runs = [answer.json()["id"] for answer in answers]
        seen: set[tuple[str, ...]] = set()
        while True:
            states = [client.get(f"/api/v1/runs/{run}").raise_for_status().json() for run in runs]
            statuses = tuple(str(state["status"]) for state in states)
            seen.add(statuses)
            if all(state["finished_at"] is not None for state in states):
                break
            time.sleep(0.2)
    if statuses != ("succeeded", "succeeded"):
        raise PartFailed(f"the runs ended {statuses}: {[state['error'] for state in states]}")
    active = {"starting", "running"}
    if any(set(statuses) <= active for statuses in seen):
        raise PartFailed(f"both ran at once: {sorted(seen)}")
    where = "GPU" if bench.gpu is not None else "CPU slot"
    return f"two runs, one {where}: never at once, both succeeded"


@dataclass(frozen=True)
class Part:
    title: str
    check: Callable[[Bench], str]
    seconds: float
    """Its limit, on a GPU."""


PARTS: dict[str, Part] = {
    "sft-full": Part("SFT, full, beside bare TRL", sft_full, 90),
    "sft-lora": Part("SFT, LoRA, beside bare TRL", sft_lora, 80),
    "dpo-full": Part("DPO, full", dpo_full, 70),
    "dpo-lora": Part("DPO, LoRA", dpo_lora, 60),
    "4bit": Part("QLoRA in 4 bits", four_bit, 60),
    "packing": Part("packing", packing, 60),
    "moe": Part("mixture of experts: LoRA, merged, served", mixture, 100),
    "oom": Part("out of memory: smaller batches, same step", out_of_memory, 70),
    "leases": Part("leases", leases, 90),
    "parity": Part("served as trained", engine_parity, 70),
}
