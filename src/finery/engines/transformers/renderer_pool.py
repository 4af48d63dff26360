"""A pool of processes that render chat templates, so that an endless template delays no other request."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from finery.contracts.chat_prompts import ChatPrompts, NotRenderable, TemplateOutOfBounds, Tokenizer
from finery.engines.transformers.renderer import CPU_SECONDS, HEAD_BYTES, RenderRequest, decode_frame, encode_frame
from finery.engines.wire import RequestRefused, server_failure
from finery.kit.limits import HANG_SIGNAL

log = logging.getLogger(__name__)

SECONDS = 20.0
"""The limit of one rendering, waiting for the processor included; of computing it has CPU_SECONDS."""
ABANDONED_SECONDS = 1.0
"""The time that a rendering has left once its client is gone: it mostly ends sooner than a new process starts."""
START_SECONDS = 120.0
PATIENCE_SECONDS = 0.5
"""How long a request waits for a busy process before one more is started."""
MAX_PROCESSES, MAX_IDLE = 4, 2
"""Processes, of 60 MB each."""
PROCESS_ENDED = (EOFError, ConnectionError)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Keeps imported libraries, which compute nothing here, from starting threads."""


def render_request(
    tokenizer: Tokenizer,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Any] | None,
    *,
    prompt: bool,
) -> RenderRequest:
    return RenderRequest(
        template=tokenizer.get_chat_template(tools=tools or None),
        special_tokens=dict(tokenizer.special_tokens_map),
        messages=[dict(message) for message in messages],
        tools=list(tools) if tools else None,
        prompt=prompt,
    )


class RendererPool:
    """Renders templates in its processes. Belongs to one event loop."""

    def __init__(self) -> None:
        self._idle: asyncio.Queue[_RendererProcess] = asyncio.Queue()
        self._count = self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Starts one more process in the background."""
        self._count += 1
        self._starting += 1
        self._in_background(self._start_one())

    async def stop(self) -> None:
        """Ends the idle processes and the background tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._idle.empty():
            self._idle.get_nowait().kill()

    async def text(self, request: RenderRequest) -> str:
        """Returns the rendered text. Raises NotRenderable, and RequestRefused with status 503 without a process."""
        renderer = await self._take()
        try:
            async with asyncio.timeout(SECONDS):
                reply = await renderer.ask(request)
        except asyncio.CancelledError:
            self._in_background(self._abandon(renderer))
            raise
        except TimeoutError:
            self._discard(renderer)
            raise TemplateOutOfBounds(f"the chat template takes more than {SECONDS:g} seconds") from None
        except PROCESS_ENDED as error:
            self._discard(renderer)
            if await renderer.was_killed_as_hanging():
                raise TemplateOutOfBounds(f"the chat template takes more than {CPU_SECONDS:g} seconds") from None
            raise _failure("ended") from error
        self._give_back(renderer)
        if "out_of_bounds" in reply:
            raise TemplateOutOfBounds(reply["out_of_bounds"])
        if "refused" in reply:
            raise NotRenderable(reply["refused"])
        return str(reply["text"])

    async def _take(self) -> "_RendererProcess":
        """Returns an idle process, or waits for one. Raises RequestRefused."""
        with suppress(asyncio.QueueEmpty):
            return self._idle.get_nowait()
        for _ in range(int(START_SECONDS / PATIENCE_SECONDS)):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await self._idle.get()
            if self._count < MAX_PROCESSES and not self._starting:
                self.start()
        raise _failure("does not start")

    async def _start_one(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                self._idle.put_nowait(await _RendererProcess.start())
        except (OSError, TimeoutError, *PROCESS_ENDED) as error:
            self._count -= 1
            log.error("a process for chat templates cannot be started: %s", error)
        finally:
            self._starting -= 1

    def _give_back(self, renderer: "_RendererProcess") -> None:
        if self._idle.qsize() >= MAX_IDLE:
            self._count -= 1
            renderer.kill()
        else:
            self._idle.put_nowait(renderer)

    def _discard(self, renderer: "_RendererProcess") -> None:
        """Ends a process and starts another, since the next request will want one."""
        renderer.kill()
        self._count -= 1
        self.start()

    async def _abandon(self, renderer: "_RendererProcess") -> None:
        """Gives a process back whose client is gone, once it has rendered."""
        try:
            async with asyncio.timeout(ABANDONED_SECONDS):
                await renderer.finish()
        except (TimeoutError, *PROCESS_ENDED):
            self._discard(renderer)
        else:
            self._give_back(renderer)

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _RendererProcess:
    """One process, which renders one request at a time."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        self._process, self._source, self._sink = process, source, sink
        self._has_pending_reply = False
        """Whether a reply is still to come."""
        self._length: int | None = None
        """The length of the reply whose head was read before `_read` was interrupted."""

    @classmethod
    async def start(cls) -> "_RendererProcess":
        """Starts a process and waits until it is ready. Raises OSError, EOFError."""
        # asyncio.create_subprocess_exec, cancelled midway, waits for the process for ever.
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "finery.engines.transformers.renderer"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                env=os.environ | ONE_THREAD,
            )
        try:
            renderer = cls(process, *await asyncio.open_connection(sock=ours))
        except BaseException:
            ours.close()
            _end(process)
            raise
        try:
            await renderer._read()
        except BaseException:
            renderer.kill()
            raise
        return renderer

    async def ask(self, request: RenderRequest) -> dict[str, Any]:
        """Returns the reply. Raises EOFError or ConnectionError where the process has ended."""
        self._has_pending_reply = True
        self._sink.write(encode_frame(request))
        await self._sink.drain()
        reply = await self._read()
        self._has_pending_reply = False
        return reply

    async def finish(self) -> None:
        """Waits for the reply that an interrupted `ask` left to come. Raises as `ask` does."""
        if self._has_pending_reply:
            await self._sink.drain()
            await self._read()
            self._has_pending_reply = False

    async def was_killed_as_hanging(self) -> bool:
        """Returns whether the process, which has ended, was killed while it hung in one operation."""
        return await asyncio.to_thread(self._process.wait) == -HANG_SIGNAL

    def kill(self) -> None:
        self._sink.transport.abort()
        _end(self._process)

    async def _read(self) -> dict[str, Any]:
        """Returns one reply. May be cancelled and called again: nothing that was read is lost."""
        if self._length is None:
            self._length = int.from_bytes(await self._source.readexactly(HEAD_BYTES), "big")
        reply: dict[str, Any] = decode_frame(await self._source.readexactly(self._length))
        self._length = None
        return reply


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    # Reaping takes a moment, for which the loop need not wait.
    threading.Thread(target=process.wait, daemon=True).start()


class PooledChatPrompts(ChatPrompts):
    """Prompts of one tokenizer that are rendered by the pool; for threads other than the pool's loop."""

    def __init__(self, tokenizer: Tokenizer, renderers: RendererPool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(tokenizer, _render_nothing)
        self._renderers = renderers
        self._loop = loop

    def text(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None, *, prompt: bool = False
    ) -> str:
        """Renders as RendererPool.text does, with the same errors."""
        work = self._renderers.text(render_request(self._tokenizer, messages, tools, prompt=prompt))
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _render_nothing(
    conversations: Any, tools: Any, *, chat_template: str, **options: Any
) -> tuple[list[str], list[Any]]:
    raise NotImplementedError("in an engine, templates are rendered apart")


def _failure(what: str) -> RequestRefused:
    return server_failure(f"The process for chat templates {what}; ask again.", status=503, code="template_process")
