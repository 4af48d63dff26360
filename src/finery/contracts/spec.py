"""What a trainer reads (spec.json). Paths are absolute and already checked; names are already resolved."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class RunSpec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    recipe: str
    trainer: str
    """The function that carries it out, as `module:function`."""
    config: dict[str, Any]
    """The recipe's validated configuration, with `model_name` and the dataset paths as the user gave them."""
    home: Path
    model: str
    """An absolute local folder, `finery/<built-in>`, or a hub id. Empty for `command`."""
    dataset: Path | None
    eval_dataset: Path | None
    output_dir: Path
    """Where the finished model is swapped in, whole."""
    models_cache: Path
    """Where built-in models are made and kept."""
    judges: dict[str, str] = {}
    """A grader's models: as the user named them → an absolute local folder, `finery/<built-in>`, or a hub id."""
    gpus: list[int] = []
    """The leased GPUs' indexes; empty: CPU."""
    cpu_threads: int = 1
    secrets: list[str] = []
    """Environment variables whose values are kept out of what is told."""
