"""The inference engines by name. A new engine is a folder of its own and one line here."""

from collections.abc import Iterable

from finery.engines.base import Engine
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.vllm.engine import VllmEngine
from finery.kit.printable import printable
from finery.kit.suggest import nearest

ENGINES: dict[str, Engine] = {}
"""With default settings; the server's context has those that the administrator has configured."""
AUTO = "auto"
LONGEST_NAME = 32
"""Characters; the database's column holds no more."""


def register(engine: Engine) -> None:
    """Adds an engine. Raises ValueError for a name that is taken or too long to be stored."""
    if engine.name in (AUTO, *ENGINES):
        raise ValueError(f"the name {engine.name!r} already stands for an engine")
    if len(engine.name) > LONGEST_NAME:
        raise ValueError(f"the name {engine.name!r} has more than {LONGEST_NAME} characters")
    ENGINES[engine.name] = engine


def no_such_engine(name: str, known: Iterable[str]) -> str:
    """Returns the error message for an unknown name, with the nearest of the `known` ones."""
    choices = [AUTO, *known]
    near = nearest(name, choices)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(choices)}"
    return f"there is no engine {printable(name)!r}; {hint}"


register(TransformersEngine())
register(VllmEngine.found())
