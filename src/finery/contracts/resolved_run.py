"""A run with all that it names resolved. The domain makes it, its row keeps it, and each attempt reads it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class StoredVersion(BaseModel):
    """What is kept for good of the stored data that a run reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str | None
    """An id; None, like the version, for a file that belongs to no dataset."""
    version: int | None
    sha256: str


class ResolvedData(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    entry: str | None = None
    """Of the dataset_info.json there."""
    stored: StoredVersion | None = None


class ResolvedRun(BaseModel):
    """Paths are absolute and were checked. Models, data and folders go by the configuration's field that names them
    (contracts.inputs): `dataset_path`, `experts.0.dataset_path`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    models: dict[str, str] = {}
    """Each an absolute folder, `finery/<built-in>`, or a hub id."""
    datasets: dict[str, ResolvedData] = {}
    folders: dict[str, Path] = {}
    output_dir: Path | None = None
    """Where the finished model is swapped in, whole. None: there is none, or it was given up."""
    forgotten_output: Path | None = None
    """The folder that is to go, of a model that was given up."""
    secrets: list[str] = []
    """Those that it cannot do without: environment variables, whose values are kept out of what is told."""
    # Runs that are in the database since before have it under its old word.
    optional_secrets: list[str] = Field(default=[], validation_alias="customary_secrets")
    """Those that it takes where they are stored."""


class RunSpec(ResolvedRun):
    """What a trainer reads (spec.json): the run, at the place where an attempt of it is carried out."""

    run_id: str
    recipe: str
    trainer: str
    """The function that carries it out, as `module:function`."""
    config: dict[str, Any]
    """The recipe's validated configuration; what it names is as the user gave it."""
    home: Path
    output_dir: Path
    models_cache: Path
    """Where built-in models are made and kept."""
    gpus: list[int] = []
    """The leased GPUs' indexes; empty: CPU."""
    cpu_threads: int = 1
