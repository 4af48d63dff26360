"""The administrator's names for base models, read once at the start."""

from collections.abc import Collection

from finery.app.errors import StartRefused
from finery.app.settings import Settings
from finery.contracts.model_table import ModelTable, ModelTableError, parse_model_table
from finery.engines.registry import AUTO, no_such_engine

DEFAULT_NAME = "models.yaml"


def read_model_table(settings: Settings, engines: Collection[str]) -> ModelTable:
    """Empty where no file was named and none lies in home; its entries may name any of the `engines`, or `auto`.

    Raises StartRefused.
    """
    path = settings.models_file or settings.home / DEFAULT_NAME
    if settings.models_file is None and not path.exists():
        return {}
    # Most have no such file, and it takes a reader of YAML.
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
