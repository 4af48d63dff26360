"""Chat templates applied in processes of their own: one without end holds nobody but those who sent it."""

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
from finery.engines.transformers.renderer import CPU_SECONDS, HEAD_BYTES, Chat, decoded, encoded
from finery.engines.wire import RequestRefused, server_failure
from finery.kit.limits import HANG_SIGNAL

log = logging.getLogger(__name__)

SECONDS = 20.0
"""Of one rendering, whose process may wait for the processor; of that it has CPU_SECONDS."""
LEFT_SECONDS = 1.0
"""For one whose client has gone; it is mostly over sooner than its process could be started anew."""
START_SECONDS = 120.0
PATIENCE_SECONDS = 0.5
"""Waited for a process that renders for others before one more is started."""
MOST, KEPT = 4, 2
"""Processes of 60 MB each."""
ENDED = (EOFError, ConnectionError)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of libraries that come along and compute nothing."""


def chat_of(
    tokenizer: Tokenizer,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Any] | None,
    *,
    prompt: bool,
) -> Chat:
    return Chat(
        template=tokenizer.get_chat_template(tools=tools or None),
        special_tokens=dict(tokenizer.special_tokens_map),
        messages=[dict(message) for message in messages],
        tools=list(tools) if tools else None,
        prompt=prompt,
    )


class Renderers:
    """Used on one event loop alone."""

    def __init__(self) -> None:
        self._idle: asyncio.Queue[_Renderer] = asyncio.Queue()
        self._count = self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Have one more ready soon; returns at once."""
        self._count += 1
        self._starting += 1
        self._in_background(self._start_one())

    async def stop(self) -> None:
        """End the processes that nobody uses, and what was begun in the background."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._idle.empty():
            self._idle.get_nowait().kill()

    async def text(self, chat: Chat) -> str:
        """Raises NotRenderable, and RequestRefused with status 503 where no process can be had."""
        renderer = await self._take()
        try:
            async with asyncio.timeout(SECONDS):
                told = await renderer.ask(chat)
        except asyncio.CancelledError:
            self._in_background(self._abandon(renderer))
            raise
        except TimeoutError:
            self._discard(renderer)
            raise TemplateOutOfBounds(f"the chat template takes more than {SECONDS:g} seconds") from None
        except ENDED as error:
            self._discard(renderer)
            if await renderer.was_deaf():
                raise TemplateOutOfBounds(f"the chat template takes more than {CPU_SECONDS:g} seconds") from None
            raise _failure("ended") from error
        self._give_back(renderer)
        if "out_of_bounds" in told:
            raise TemplateOutOfBounds(told["out_of_bounds"])
        if "refused" in told:
            raise NotRenderable(told["refused"])
        return str(told["text"])

    async def _take(self) -> "_Renderer":
        """Raises RequestRefused."""
        with suppress(asyncio.QueueEmpty):
            return self._idle.get_nowait()
        for _ in range(int(START_SECONDS / PATIENCE_SECONDS)):
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await self._idle.get()
            if self._count < MOST and not self._starting:
                self.start()
        raise _failure("does not start")

    async def _start_one(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                self._idle.put_nowait(await _Renderer.start())
        except (OSError, TimeoutError, *ENDED) as error:
            self._count -= 1
            log.error("a process for chat templates cannot be started: %s", error)
        finally:
            self._starting -= 1

    def _give_back(self, renderer: "_Renderer") -> None:
        if self._idle.qsize() >= KEPT:
            self._count -= 1
            renderer.kill()
        else:
            self._idle.put_nowait(renderer)

    def _discard(self, renderer: "_Renderer") -> None:
        """And have another in its place, since the next request will want one."""
        renderer.kill()
        self._count -= 1
        self.start()

    async def _abandon(self, renderer: "_Renderer") -> None:
        """Nobody waits for what it renders any more."""
        try:
            async with asyncio.timeout(LEFT_SECONDS):
                await renderer.finish()
        except (TimeoutError, *ENDED):
            self._discard(renderer)
        else:
            self._give_back(renderer)

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Renderer:
    """One process, which renders one chat at a time."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        self._process, self._source, self._sink = process, source, sink
        self._is_owed = False
        """Whether an answer is still to come."""
        self._length: int | None = None
        """Of the answer whose head was read already."""

    @classmethod
    async def start(cls) -> "_Renderer":
        """Raises OSError, EOFError."""
        # asyncio's own way of starting a process, cancelled midway, waits for it for ever.
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

    async def ask(self, chat: Chat) -> dict[str, Any]:
        """Raises EOFError or ConnectionError where the process has ended."""
        self._is_owed = True
        self._sink.write(encoded(chat))
        await self._sink.drain()
        told = await self._read()
        self._is_owed = False
        return told

    async def finish(self) -> None:
        """Wait for the answer that an interrupted `ask` left to come. Raises what `ask` raises."""
        if self._is_owed:
            await self._sink.drain()
            await self._read()
            self._is_owed = False

    async def was_deaf(self) -> bool:
        """Whether it was ended, as it has been by now, in an operation without end."""
        return await asyncio.to_thread(self._process.wait) == -HANG_SIGNAL

    def kill(self) -> None:
        self._sink.transport.abort()
        _end(self._process)

    async def _read(self) -> dict[str, Any]:
        """May be interrupted, and called again."""
        if self._length is None:
            self._length = int.from_bytes(await self._source.readexactly(HEAD_BYTES), "big")
        told: dict[str, Any] = decoded(await self._source.readexactly(self._length))
        self._length = None
        return told


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    # It is gone in a moment, which the loop need not wait for.
    threading.Thread(target=process.wait, daemon=True).start()


class PromptsApart(ChatPrompts):
    """Of one tokenizer, for threads beside the loop of the renderers."""

    def __init__(self, tokenizer: Tokenizer, renderers: Renderers, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(tokenizer, _nowhere)
        self._of = tokenizer
        self._renderers = renderers
        self._loop = loop

    def text(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None, *, prompt: bool = False
    ) -> str:
        """Raises NotRenderable, and RequestRefused as the renderers do."""
        work = self._renderers.text(chat_of(self._of, messages, tools, prompt=prompt))
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _nowhere(conversations: Any, tools: Any, *, chat_template: str, **options: Any) -> tuple[list[str], list[Any]]:
    raise NotImplementedError("in an engine, templates are rendered apart")


def _failure(what: str) -> RequestRefused:
    return server_failure(f"The process for chat templates {what}; ask again.", status=503, code="template_process")
