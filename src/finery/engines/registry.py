"""The engines of this machine, by name. One more is one more folder and one more line here."""

from collections.abc import Mapping

from finery.engines.base import Engine
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.vllm.engine import VllmEngine
from finery.engines.vllm.settings import VllmSettings

TRANSFORMERS = "transformers"
VLLM = "vllm"


def installed_engines(vllm: VllmSettings) -> Mapping[str, Engine]:
    """Those that can be started here."""
    engines: dict[str, Engine] = {TRANSFORMERS: TransformersEngine()}
    executable = vllm.executable()
    if executable is not None:
        engines[VLLM] = VllmEngine(vllm, executable)
    return engines
