"""A run's resolved inputs (absolute paths, pinned data), stored with the run, and the spec that a trainer reads."""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from finery.contracts.base_models import StrictModel


class StoredVersion(StrictModel):
    """Pins the stored data that a run reads."""

    dataset: str | None
    """The dataset's id; None, like the version, for a file that belongs to no dataset."""
    version: int | None
    sha256: str


class ResolvedData(StrictModel):
    path: Path
    entry: str | None = None
    """The entry of the dataset_info.json at `path`."""
    stored: StoredVersion | None = None


class ResolvedRun(StrictModel):
    """Paths are absolute and were checked. The keys of models, datasets and folders are the configuration's fields that
    name them (contracts.inputs): `dataset_path`, `experts.0.dataset_path`."""

    model_config = ConfigDict(validate_by_name=True)

    models: dict[str, str] = {}
    """Each model is an absolute folder, `finery/<built-in>`, or a hub id."""
    datasets: dict[str, ResolvedData] = {}
    folders: dict[str, Path] = {}
    output_dir: Path | None = None
    """Where the finished model is swapped in as a whole. None: there is no output, or it was given up."""
    forgotten_output: Path | None = None
    """The folder of a model that was given up, which is to be deleted."""
    secrets: list[str] = []
    """Names of required secrets. Each becomes an environment variable; its value is redacted in logs and events."""
    # Runs that an older version stored have it under its old name.
    optional_secrets: list[str] = Field(default=[], validation_alias="customary_secrets")
    """Names of secrets that the run gets if they are stored."""


class RunSpec(ResolvedRun):
    """What a trainer reads (spec.json): the run, with the paths of the machine on which the attempt runs."""

    run_id: str
    recipe: str
    trainer: str
    """The function that carries it out, as `module:function`."""
    config: dict[str, Any]
    """The recipe's validated configuration; its inputs are as the user wrote them."""
    home: Path
    output_dir: Path
    models_cache: Path
    """Where built-in models are made and kept."""
    gpus: list[int] = []
    """Indexes of the leased GPUs; empty: CPU."""
    cpu_threads: int = 1
