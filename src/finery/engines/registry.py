"""The engines, by name. One more is one more folder and one more line here."""

from collections.abc import Iterable

from finery.engines.base import Engine
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.vllm.engine import VllmEngine
from finery.kit.printable import printable
from finery.kit.suggest import nearest

ENGINES: dict[str, Engine] = {}
"""As they are without anything that an administrator has set."""
AUTO = "auto"
LONGEST_NAME = 32
"""Characters: as many as are stored."""


def register(engine: Engine) -> None:
    """Raises ValueError for a name that is taken or cannot be stored."""
    if engine.name in (AUTO, *ENGINES):
        raise ValueError(f"the name {engine.name!r} already stands for an engine")
    if len(engine.name) > LONGEST_NAME:
        raise ValueError(f"the name {engine.name!r} has more than {LONGEST_NAME} characters")
    ENGINES[engine.name] = engine


def no_such_engine(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is none of the `known` ones, with the nearest choice."""
    choices = [AUTO, *known]
    near = nearest(name, choices)
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(choices)}"
    return f"there is no engine {printable(name)!r}; {hint}"


register(TransformersEngine())
register(VllmEngine.found())
