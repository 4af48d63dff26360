"""`python -m finery.engines.transformers --model DIR_OR_HUB_ID --port P`: serves one model until it is told to stop.

Exit codes: 0 after SIGTERM or SIGINT, 1 when generation broke down, 2 when it cannot start here (the port cannot be
had, an argument is wrong, memory ran out), 3 when the model itself cannot be loaded.
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
from finery.engines.transformers.engine import MODEL_UNLOADABLE, VARIABLE
from finery.engines.transformers.renderers import Renderers

if TYPE_CHECKING:
    # Importing it for real loads torch, and the port has to answer before that.
    from finery.engines.transformers.serving import Service

BROKEN, NOT_STARTED = 1, 2
PASSING_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ENOSPC, errno.EINTR})
MEMORY_WORDS = ("out of memory", "can't allocate memory", "Cannot allocate memory", "bad_alloc")
"""Of libraries, which say it in errors of several kinds."""
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
    # A thread that is still loading or computing would hold up an ordinary exit.
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
    """Raises OSError."""
    listener = socket.create_server((host, port))
    # Its connections inherit it. asyncio sets it only where a socket names its protocol, which this one does not; and
    # without it, a first token waits some 40 ms for the client to acknowledge the answer's head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(options: argparse.Namespace) -> int:
    """The exit code."""
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        return complain(f"cannot listen on {options.host}:{options.port}: {error.strerror}")
    token = os.environ.pop(VARIABLE, None)
    state = EngineState(name=options.name or options.model, any_name=options.any_name, token=token)
    config = uvicorn.Config(
        create_app(state), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = EngineServer(config, state)
    lifetime = asyncio.create_task(live(options, state, server, port=listener.getsockname()[1]))
    await server.serve(sockets=[listener])
    return lifetime.result() if lifetime.done() else 0


class EngineServer(uvicorn.Server):
    """Ends the generation before the connections, so that open requests end with an answer that says so."""

    def __init__(self, config: uvicorn.Config, state: EngineState) -> None:
        super().__init__(config)
        self._state = state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._state.service is not None and self._state.service.is_running():
            await asyncio.to_thread(self._state.service.stop, timeout=STOP_SECONDS)
        await super().shutdown(sockets)


async def live(options: argparse.Namespace, state: EngineState, server: uvicorn.Server, *, port: int) -> int:
    """Loads the model and watches over its generation; ends, and ends the server, only when one of them fails."""
    renderers = Renderers()
    renderers.start()
    try:
        return await live_with(renderers, options, state, server, port=port)
    finally:
        await renderers.stop()


async def live_with(
    renderers: Renderers, options: argparse.Namespace, state: EngineState, server: uvicorn.Server, *, port: int
) -> int:
    loop = asyncio.get_running_loop()
    # The loop's own executor would be waited for at the end, however long the loading still takes.
    loader = ThreadPoolExecutor(max_workers=1)
    try:
        state.service = await loop.run_in_executor(loader, load, options, state.name, renderers, loop)
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever is wrong with a model ends it.
        server.should_exit = True
        code = MODEL_UNLOADABLE if is_of_the_model(error, options.model) else NOT_STARTED
        return complain(f"cannot load {options.model}: {first_line(error)}", code=code)
    print(f"ready on port {port}", flush=True)
    while state.service.is_running():
        await asyncio.sleep(WATCH_SECONDS)
    if server.should_exit:
        return 0
    server.should_exit = True
    return complain("the generation thread has stopped", code=BROKEN)


def load(options: argparse.Namespace, name: str, renderers: Renderers, loop: asyncio.AbstractEventLoop) -> "Service":
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


def is_of_the_model(error: Exception, model: str) -> bool:
    """Whether the next try would end the same way: not where memory, a library or the hub was wanting."""
    from finery.engines.transformers.loading import ModelNotLoadable

    if isinstance(error, ModelNotLoadable):
        return True
    if isinstance(error, MemoryError | ImportError) or any(words in str(error) for words in MEMORY_WORDS):
        return False
    passes = isinstance(error, OSError) and error.errno in PASSING_ERRNOS
    return Path(model).is_dir() and not passes


def first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def complain(message: str, *, code: int = NOT_STARTED) -> int:
    print(f"finery transformers engine: {message}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    main()
