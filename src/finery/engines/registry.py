"""The inference engines by name. A new engine is a folder of its own and one line here."""

from collections.abc import Iterable

from finery.engines.base import Engine
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.vllm.engine import VllmEngine
from finery.kit.ids import check_new_name
from finery.kit.printable import printable
from finery.kit.suggest import nearest

ENGINES: dict[str, Engine] = {}
"""With default settings; the server's context has those that the administrator has configured."""
AUTO = "auto"


def register(engine: Engine) -> None:
    """Adds an engine. Raises ValueError for one without all parts of an Engine, and for a name that is taken, empty or
    too long to be stored.
    """
    if not isinstance(engine, Engine):
        lacking = [part for part in vars(Engine) if not part.startswith("_") and part not in dir(engine)]
        raise ValueError(f"{type(engine).__name__} is no engine: it lacks {', '.join(lacking)}")
    check_new_name(engine.name, (AUTO, *ENGINES), "an engine")
    ENGINES[engine.name] = engine


def no_such_engine(name: str, known: Iterable[str]) -> str:
    """Returns the error message for an unknown name, with the nearest of the `known` ones."""
    choices = [AUTO, *known]
    near = nearest(name, choices)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(choices)}"
    return f"there is no engine {printable(name)!r}; {hint}"


register(TransformersEngine())
register(VllmEngine.found())
