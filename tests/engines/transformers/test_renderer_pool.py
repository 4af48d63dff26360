"""The real program: a template that takes too long, or too much, holds nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
import pytest

from finery.contracts.chat_prompts import NotRenderable
from finery.engines.transformers import renderer_pool as pool_module
from finery.engines.transformers.renderer import RenderRequest
from finery.engines.transformers.renderer_pool import RendererPool, render_request
from finery.engines.wire import RequestRefused
from tests.engines.tiny import CHAT_TEMPLATE, make_tokenizer

MESSAGES = [{"role": "user", "content": "Who keeps\nthe fire \ud83d? 火"}]
ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
HANG_SIGNAL = "{{ ([[]] * 30000000)|sum(start=[1] * 10000) }}"
"""One operation of C, which hears no signal."""


def chat(template: str, **fields: Any) -> RenderRequest:
    return {**render_request(make_tokenizer(template), MESSAGES, None, prompt=True), **fields}  # type: ignore[typeddict-item]


def run(work: Callable[[RendererPool], Awaitable[None]]) -> None:
    async def running() -> None:
        renderers = RendererPool()
        renderers.start()
        try:
            await work(renderers)
        finally:
            await renderers.stop()

    asyncio.run(running())
    assert psutil.wait_procs(processes(), timeout=10)[1] == []


def processes() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


class TestText:
    def test_is_what_the_library_renders_and_a_refusal_is_the_templates_own(self) -> None:
        tokenizer = make_tokenizer(CHAT_TEMPLATE)
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
        call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}

        async def work(renderers: RendererPool) -> None:
            expected = tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
            assert await renderers.text(chat(CHAT_TEMPLATE)) == expected
            assert await renderers.text(chat("{{ tools | tojson }}", tools=tools)) != ""
            assert await renderers.text(chat("{{ eos_token }}")) == tokenizer.eos_token
            for template, says in (
                ("{{ raise_exception('no') }}", "refuses the messages: no"),
                ("{{ 1 / 0 }}", "zero"),
            ):
                with pytest.raises(NotRenderable, match=says):
                    await renderers.text(chat(template))
            with pytest.raises(NotRenderable, match="leaves out tool calls"):
                await renderers.text(chat("x", messages=[call]))
            with pytest.raises(NotRenderable, match=r"takes more than 0\.5 GiB of memory"):
                await renderers.text(chat("{{ 'a' * 9999999999 }}"))
            assert await renderers.text(chat("still here")) == "still here"
            assert len(processes()) == 1

        run(work)

    def test_what_takes_too_long_is_ended_and_others_do_not_wait_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool_module, "SECONDS", 600.0)
        monkeypatch.setattr(pool_module, "PATIENCE_SECONDS", 0.1)

        async def work(renderers: RendererPool) -> None:
            await renderers.text(chat("warm"))
            endless = asyncio.create_task(renderers.text(chat(HANG_SIGNAL)))
            await asyncio.sleep(0)
            assert await renderers.text(chat("beside it")) == "beside it"
            with pytest.raises(NotRenderable, match="takes more than 5 seconds"):
                await endless

        run(work)

    def test_who_leaves_takes_the_rendering_along(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pool_module, "ABANDONED_SECONDS", 0.2)

        async def work(renderers: RendererPool) -> None:
            await renderers.text(chat("warm"))
            [process] = processes()
            leaving = asyncio.create_task(renderers.text(chat(ENDLESS)))
            await asyncio.sleep(0.05)
            leaving.cancel()
            assert await renderers.text(chat("next")) == "next"
            assert not process.is_running()

        run(work)

    def test_one_whose_answer_is_left_behind_answers_the_next_with_its_own(self) -> None:
        async def work(renderers: RendererPool) -> None:
            await renderers.text(chat("warm"))
            for number in range(20):
                leaving = asyncio.create_task(renderers.text(chat(f"{{{{ 'left' * 9999 }}}}{number}")))
                await asyncio.sleep(0.0005 * (number % 4))
                leaving.cancel()
                assert await renderers.text(chat(str(number))) == str(number)
            assert len(processes()) <= pool_module.MAX_IDLE

        run(work)

    def test_one_that_is_killed_is_replaced(self) -> None:
        async def work(renderers: RendererPool) -> None:
            await renderers.text(chat("warm"))
            [process] = processes()
            process.kill()
            process.wait()
            with pytest.raises(RequestRefused, match="ended; ask again"):
                await renderers.text(chat("lost"))
            assert await renderers.text(chat("found")) == "found"

        run(work)
