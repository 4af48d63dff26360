"""Builders with explicit defaults."""

import json
import struct
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from finery.contracts.layout import HomeDirectory
from finery.contracts.machine import Gpu, Machine
from finery.contracts.permissions import Principal
from finery.contracts.run import NewRun
from finery.domain.context import DomainContext
from finery.domain.ownership import client_key
from finery.kit.paths import PathResolver
from finery.kit.secretbox import SecretBox
from finery.models import RunRow

SAMPLES = Path(__file__).resolve().parents[1] / "src" / "finery" / "samples"


def machine(*, gpus: int = 0, cpu_slots: int = 2) -> Machine:
    return Machine(
        gpus=[
            Gpu(index=index, uuid=f"GPU-{index}", name="Test", memory_total_bytes=2**34, memory_free_bytes=2**34)
            for index in range(gpus)
        ],
        cpu_slots=cpu_slots,
        cpu_count=2,
        memory_total_bytes=2**34,
        memory_available_bytes=2**33,
    )


def context(home: Path, *, gpus: int = 0, cpu_slots: int = 2) -> DomainContext:
    described = machine(gpus=gpus, cpu_slots=cpu_slots)
    where = HomeDirectory(home)
    return DomainContext(
        home=where, resolver=PathResolver(home), machine=lambda: described, secrets=SecretBox(where.state)
    )


def command(*argv: str, **fields: Any) -> NewRun:
    """A run of the `command` recipe; what its configuration knows (see below) goes there."""
    config: dict[str, Any] = {"argv": list(argv or ("true",))}
    for key in ("output_dir", "environment", "secrets", "restartable"):
        if key in fields:
            config[key] = fields.pop(key)
    return NewRun(**{"source": "native", "recipe": "command", "config": config, **fields})


ROW = '{"prompt": "a", "completion": "b"}\n'
RUN: dict[str, Any] = {"recipe": "sft", "config": {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}}
"""A request that a researcher may make, where `write_rows` was called."""


def write_rows(home: Path) -> None:
    (home / "rows.jsonl").write_text(ROW)


def sft(home: Path, *, config: dict[str, Any] | None = None, **fields: Any) -> NewRun:
    """A run of the `sft` recipe on one row, which is written into `home`."""
    write_rows(home)
    base = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}
    return NewRun(**{"source": "native", "recipe": "sft", "config": {**base, **(config or {})}, **fields})


def write_weights(path: Path, size: int = 0, *, parameters: int | None = None) -> None:
    """A whole file with so many bytes of weights in 16 bits, or so many in 32, which take no room on disk."""
    kind, count, width = ("F16", size // 2, 2) if parameters is None else ("F32", parameters, 4)
    header = json.dumps({"w": {"dtype": kind, "shape": [count], "data_offsets": [0, count * width]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + count * width)


def hand_over(session: Session, run_id: str, actor: Principal) -> None:
    """Nobody's run becomes theirs, and keeps the id that was chosen as its own: as runs have from earlier versions."""
    key = client_key(actor.user_id, run_id)
    session.execute(update(RunRow).where(RunRow.id == run_id).values(owner_id=actor.user_id, client_key=key))


def external(run_id: str, **fields: Any) -> NewRun:
    config = {"model_name": "gpt-mini", "dataset": "dataset-v1", "hyperparameters": {}}
    return NewRun(**{"source": "registry", "recipe": "external", "id": run_id, "config": config, **fields})
