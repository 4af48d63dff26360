"""`python -m finery.engines.transformers --model DIR_OR_HUB_ID --port P`: serves one model until SIGTERM or SIGINT.

Exit codes: 0 after a signal, 1 when the generation thread failed, 2 when it cannot start here (the port is taken, an
argument is wrong, memory ran out), 3 when the model itself cannot be loaded, 4 when no model of its architecture can
be served rightly.
"""

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import uvicorn

from finery.engines.transformers.app import EngineState, create_app
from finery.engines.transformers.engine import ARCHITECTURE_UNSERVABLE, AUTH_VARIABLE, MODEL_UNLOADABLE
from finery.engines.transformers.renderer_pool import RendererPool

if TYPE_CHECKING:
    # Importing it for real loads torch, and the port has to answer before that.
    from finery.engines.transformers.serving import Service

GENERATION_FAILED, NOT_STARTED = 1, 2
PASSING_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ENOSPC, errno.EINTR})
WATCH_SECONDS = 0.5
STOP_SECONDS = 2.0


def main() -> NoReturn:
    options = parse_arguments(sys.argv[1:])
    # uvicorn raises the signal again once it has shut down; by then it must not kill the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    code = asyncio.run(serve(options))
    sys.stdout.flush()
    sys.stderr.flush()
    # An ordinary exit would wait for a thread that is still loading or computing.
    os._exit(code)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m finery.engines.transformers", description="Serves one model.")
    parser.add_argument("--model", required=True, help="a model's or adapter's folder, or a hub id")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", help="the model's name in requests (default: as given by --model)")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], default="auto")
    quantization = parser.add_mutually_exclusive_group()
    for bits in ("8bit", "4bit"):
        quantization.add_argument(f"--load-in-{bits}", dest="quantization", action="store_const", const=bits)
    parser.add_argument("--max-context", type=positive, help="tokens of prompt and answer (default: the model's)")
    parser.add_argument("--any-name", action="store_true", help="answer under whatever name a request gives")
    parser.add_argument("--chat-template", help="a file of Jinja that replaces the model's own template")
    parser.add_argument("--cache-bytes", type=positive, help="at most so much memory for the cache of all requests")
    parser.add_argument("--kv-blocks", type=positive, help="blocks of 256 tokens in the cache of all requests")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket. Raises OSError."""
    listener = socket.create_server((host, port))
    # Accepted connections inherit this. asyncio sets it only on sockets that name their protocol, which this one does
    # not; without it, the first token waits some 40 ms for the client to acknowledge the response's head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(options: argparse.Namespace) -> int:
    """Serves until a signal or a failure, and returns the exit code."""
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        return report_failure(f"cannot listen on {options.host}:{options.port}: {error.strerror}")
    token = os.environ.pop(AUTH_VARIABLE, None)
    state = EngineState(name=options.name or options.model, any_name=options.any_name, token=token)
    config = uvicorn.Config(
        create_app(state), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = EngineServer(config, state)
    model_task = asyncio.create_task(run_model(options, state, server, port=listener.getsockname()[1]))
    await server.serve(sockets=[listener])
    return model_task.result() if model_task.done() else 0


class EngineServer(uvicorn.Server):
    """Stops the generation before the connections, so that open requests get an error as their answer."""

    def __init__(self, config: uvicorn.Config, state: EngineState) -> None:
        super().__init__(config)
        self._state = state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._state.service is not None and self._state.service.is_running():
            await asyncio.to_thread(self._state.service.stop, timeout=STOP_SECONDS)
        await super().shutdown(sockets)


async def run_model(options: argparse.Namespace, state: EngineState, server: uvicorn.Server, *, port: int) -> int:
    """Loads the model and watches its generation. Stops the server and returns the exit code when either fails."""
    loop = asyncio.get_running_loop()
    renderers = RendererPool()
    renderers.start()
    # asyncio waits for its own executor at the end, however long the loading still takes; not for this one.
    loader = ThreadPoolExecutor(max_workers=1)
    try:
        state.service = await loop.run_in_executor(loader, load, options, state.name, renderers, loop)
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever is wrong with a model ends it.
        return report_failure(describe(error, options.model), code=code_of(error, options.model))
    else:
        print(f"ready on port {port}, by {state.service.generation}", flush=True)
        while state.service.is_running():
            await asyncio.sleep(WATCH_SECONDS)
        return 0 if server.should_exit else report_failure("the generation thread has stopped", code=GENERATION_FAILED)
    finally:
        server.should_exit = True
        await renderers.stop()


def load(options: argparse.Namespace, name: str, renderers: RendererPool, loop: asyncio.AbstractEventLoop) -> "Service":
    from transformers.utils import logging

    from finery.engines.transformers.serving import Service

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return Service(
        source=options.model,
        name=name,
        dtype=options.dtype,
        quantization=options.quantization,
        chat_template=Path(options.chat_template).read_text(encoding="utf-8") if options.chat_template else None,
        max_context=options.max_context,
        cache_bytes=options.cache_bytes,
        kv_blocks=options.kv_blocks,
        renderers=renderers,
        loop=loop,
    )


def describe(error: Exception, model: str) -> str:
    """Returns why the model is not served, in one line."""
    from finery.engines.transformers.starting import ModelNotServable

    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return f"{model}: {reason}" if isinstance(error, ModelNotServable) else f"cannot load {model}: {reason}"


def code_of(error: Exception, model: str) -> int:
    from finery.engines.transformers.starting import ArchitectureNotServable

    if isinstance(error, ArchitectureNotServable):
        return ARCHITECTURE_UNSERVABLE
    return MODEL_UNLOADABLE if is_model_fault(error, model) else NOT_STARTED


def is_model_fault(error: Exception, model: str) -> bool:
    """Returns whether the next try would fail the same way. Lack of memory, of a library or of the hub may pass."""
    from finery.engines.transformers.loading import ModelNotLoadable, lacks_memory

    if isinstance(error, ModelNotLoadable):
        return True
    if isinstance(error, MemoryError | ImportError) or lacks_memory(str(error)):
        return False
    passes = isinstance(error, OSError) and error.errno in PASSING_ERRNOS
    return Path(model).is_dir() and not passes


def report_failure(message: str, *, code: int = NOT_STARTED) -> int:
    print(f"finery transformers engine: {message}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    main()
