"""The argument list that starts an engine. A foreign engine is one more function and one more line in ENGINES."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["8bit", "4bit"]


class UnknownEngine(Exception):
    """No engine has the name that was asked for."""

    kind = "invalid"
    code = "unknown_engine"

    def __init__(self, engine: str) -> None:
        super().__init__(f"There is no engine named {engine!r}; known engines: {', '.join(sorted(ENGINES))}.")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What an engine is asked to serve, and where. None leaves a choice to the engine."""

    model: str
    port: int
    host: str = "127.0.0.1"
    name: str | None = None
    dtype: Dtype = "auto"
    quantization: Quantization | None = None
    max_context: int | None = None
    kv_blocks: int | None = None


def engine_command(
    engine: str,
    *,
    model: str,
    port: int,
    host: str = "127.0.0.1",
    name: str | None = None,
    dtype: Dtype = "auto",
    quantization: Quantization | None = None,
    max_context: int | None = None,
    kv_blocks: int | None = None,
) -> list[str]:
    """The argument list, never shell text. Raises UnknownEngine."""
    if engine not in ENGINES:
        raise UnknownEngine(engine)
    options = EngineOptions(
        model=model,
        port=port,
        host=host,
        name=name,
        dtype=dtype,
        quantization=quantization,
        max_context=max_context,
        kv_blocks=kv_blocks,
    )
    return ENGINES[engine](options)


def transformers_command(options: EngineOptions) -> list[str]:
    command = [sys.executable, "-m", "finery.engines.transformers"]
    command += ["--model", options.model, "--host", options.host, "--port", str(options.port), "--dtype", options.dtype]
    if options.name is not None:
        command += ["--name", options.name]
    if options.quantization is not None:
        command += [f"--load-in-{options.quantization}"]
    if options.max_context is not None:
        command += ["--max-context", str(options.max_context)]
    if options.kv_blocks is not None:
        command += ["--kv-blocks", str(options.kv_blocks)]
    return command


ENGINES: dict[str, Callable[[EngineOptions], list[str]]] = {"transformers": transformers_command}
