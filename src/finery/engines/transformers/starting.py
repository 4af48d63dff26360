"""Starts the generation of a loaded model: the quickest way in which it answers as it was trained."""

import asyncio
from collections.abc import Callable
from functools import partial

from finery.engines.transformers.cache_size import CacheSize
from finery.engines.transformers.generation import TokenGenerator
from finery.engines.transformers.generator import BatchGenerator
from finery.engines.transformers.loading import LoadedModel, ModelNotLoadable, lacks_memory
from finery.engines.transformers.plain_generator import PlainGenerator
from finery.engines.transformers.scoring import Scorer, find_scorer
from finery.engines.transformers.self_check import NotFinite, Probe, find_fault, make_probes, tolerance_of

GENERATORS: dict[str, Callable[..., TokenGenerator]] = {
    "continuous batching": BatchGenerator,
    "plain batches": PlainGenerator,
    "one request at a time": partial(PlainGenerator, most_rows=1),
}
"""The ways to generate, quickest first."""
STOP_SECONDS = 10.0


class ModelNotServable(ModelNotLoadable):
    """The engine has no right answers for the model."""

    def __init__(self, loaded: LoadedModel, reason: str) -> None:
        super().__init__(f"the transformers engine cannot serve {type(loaded.model).__name__} rightly: {reason}")


class ArchitectureNotServable(ModelNotServable):
    """None of our ways to generate computes models of this architecture rightly."""


def start_generator(
    loaded: LoadedModel, size: CacheSize, *, loop: asyncio.AbstractEventLoop
) -> tuple[str, TokenGenerator, Scorer | None]:
    """Returns the first of GENERATORS, started, whose answers pass the self-check, after its name and before a scorer.

    Waits for `loop`, so it must not run on its thread. Raises ModelNotServable, and what reports a lack of memory.
    """
    try:
        probes = make_probes(loaded.model, loaded.tokenizer, context=size.context)
    except NotFinite as error:
        raise ModelNotServable(loaded, str(error)) from error
    for way, make in GENERATORS.items():
        generator, fault = _try(partial(make, loaded, size, loop=loop), probes, loaded, loop)
        if generator is not None:
            return way, generator, find_scorer(loaded, probes)
        fault = next(iter(fault.splitlines()), "")
        print(f"{type(loaded.model).__name__} is not served by {way}: {fault}", flush=True)
    raise ArchitectureNotServable(loaded, fault)


def _try(
    make: Callable[[], TokenGenerator], probes: list[Probe], loaded: LoadedModel, loop: asyncio.AbstractEventLoop
) -> tuple[TokenGenerator | None, str]:
    """Returns the started generator, or None and its fault. Raises what reports a lack of memory."""
    try:
        generator = make()
    except Exception as error:
        if isinstance(error, MemoryError) or lacks_memory(str(error)):
            raise
        return None, str(error) or type(error).__name__
    fault = find_fault(generator, probes, tolerance=tolerance_of(loaded.model), loop=loop)
    if fault is None:
        return generator, ""
    generator.stop(timeout=STOP_SECONDS)
    if lacks_memory(fault):
        raise MemoryError(fault)
    return None, fault
