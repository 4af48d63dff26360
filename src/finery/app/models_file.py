"""Reads models.yaml, the administrator's names for base models, once at the start."""

from collections.abc import Collection

from finery.app.errors import StartRefused
from finery.app.settings import Settings
from finery.contracts.model_table import ModelTable, ModelTableError, parse_model_table
from finery.engines.registry import AUTO, no_such_engine

DEFAULT_NAME = "models.yaml"


def read_model_table(settings: Settings, engines: Collection[str]) -> ModelTable:
    """Returns an empty table where no file was named and none lies in home.

    Raises StartRefused, also for an entry whose engine is neither one of `engines` nor `auto`.
    """
    path = settings.models_file or settings.home / DEFAULT_NAME
    if settings.models_file is None and not path.exists():
        return {}
    # Most servers have no such file, and importing a YAML reader takes time.
    from finery.kit.config_file import ConfigRefused, read_config

    try:
        table = parse_model_table(read_config(path))
    except ConfigRefused as error:
        raise StartRefused(str(error)) from error
    except ModelTableError as error:
        raise StartRefused(f"{path}: {error}") from error
    for name, entry in table.items():
        if entry.engine not in (AUTO, *engines):
            raise StartRefused(f"{path}: models.{name}.engine: {no_such_engine(entry.engine, engines)}")
    return table
