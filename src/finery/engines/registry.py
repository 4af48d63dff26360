"""The engines of this machine, by name. One more is one more folder and one more line here."""

from collections.abc import Callable, Mapping
from typing import Any

from finery.engines.base import Engine
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.vllm.engine import VllmEngine
from finery.engines.vllm.requests import check_for_vllm
from finery.engines.vllm.settings import VllmSettings

TRANSFORMERS = "transformers"
VLLM = "vllm"

CHECKS: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {VLLM: check_for_vllm}
"""Of requests to engines that pass over what they do not know; the others refuse it themselves."""


def installed_engines(vllm: VllmSettings) -> Mapping[str, Engine]:
    """Those that can be started here."""
    engines: dict[str, Engine] = {TRANSFORMERS: TransformersEngine()}
    executable = vllm.executable()
    if executable is not None:
        engines[VLLM] = VllmEngine(vllm, executable)
    return engines


def check_request(engine: str, path: str, body: Mapping[str, Any]) -> None:
    """Raises RequestRefused, naming the parameter that the engine would pass over or must not be given."""
    check = CHECKS.get(engine)
    if check is not None:
        check(path, body)
