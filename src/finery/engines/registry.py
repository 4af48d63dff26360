"""The engines of this machine, by name. One more is one more folder and one more line here."""

from collections.abc import Callable, Mapping
from typing import Any

from finery.engines.base import Engine
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.transformers.requests import check_for_transformers
from finery.engines.vllm.engine import VllmEngine
from finery.engines.vllm.requests import check_for_vllm
from finery.engines.vllm.settings import VllmSettings

TRANSFORMERS = "transformers"
VLLM = "vllm"

CHECKS: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {
    TRANSFORMERS: check_for_transformers,
    VLLM: check_for_vllm,
}
"""Of requests, by the engine that is to answer them: the path and the body."""
REFUSE_THEMSELVES = frozenset({TRANSFORMERS})
"""Engines that pass over nothing that they do not know: what goes to a running one need not be read twice."""


def installed_engines(vllm: VllmSettings) -> Mapping[str, Engine]:
    """Those that can be started here."""
    engines: dict[str, Engine] = {TRANSFORMERS: TransformersEngine()}
    executable = vllm.executable()
    if executable is not None:
        engines[VLLM] = VllmEngine(vllm, executable)
    return engines


def check_request(engine: str, path: str, body: Mapping[str, Any], *, is_running: bool = False) -> None:
    """Raises RequestRefused, naming the parameter that the engine would refuse, pass over or must not be given.

    `is_running`: the engine is there to refuse by itself what it would refuse.
    """
    if not (is_running and engine in REFUSE_THEMSELVES):
        CHECKS[engine](path, body)
