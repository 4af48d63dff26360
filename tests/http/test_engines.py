import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
from starlette.requests import ClientDisconnect

from finery.contracts.deployment import Deployment, DeploymentStatus, EngineOptions, ServedModel
from finery.domain.context import DomainContext
from finery.domain.deployments import engine_token
from finery.domain.errors import DomainError
from finery.http import engines as engines_module
from finery.http.engines import (
    CHAT,
    COMPLETIONS,
    LARGE,
    EngineGone,
    EngineRefused,
    Engines,
    EngineUnreachable,
    _with_name,
)
from finery.kit.clock import utc_now
from tests import builders
from tests.http.fake_engine import FakeEngine
from tests.ports import free_port


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def context(home: Path) -> DomainContext:
    return builders.context(home)


def deployment(port: int) -> Deployment:
    return Deployment(
        id="dep-1",
        owner_id=None,
        shared=False,
        slot=None,
        model_name="m",
        model="/m",
        engine="transformers",
        options=EngineOptions(),
        status=DeploymentStatus.RUNNING,
        error=None,
        port=port,
        device="cpu",
        log_file="",
        created_at=utc_now(),
        started_at=None,
        finished_at=None,
    )


def served(port: int, asked: str = "chat", name: str = "/m") -> ServedModel:
    return ServedModel(deployment=deployment(port), requested_name=asked, name=name)


def ask(
    context: DomainContext, target: ServedModel | Deployment, body: dict[str, Any], path: str = CHAT
) -> dict[str, Any]:
    async def asked() -> dict[str, Any]:
        engines = Engines(context)
        try:
            return await engines.ask(target, path, body)
        finally:
            await engines.close()

    return asyncio.run(asked())


class TestMetrics:
    @pytest.mark.parametrize("status", [200, 400, 500])
    def test_nothing_is_left_waiting(self, engine: FakeEngine, context: DomainContext, status: int) -> None:
        engine.status = status

        async def work() -> tuple[int, int]:
            engines = Engines(context)
            try:
                with suppress(DomainError):
                    await engines.ask(served(engine.port), CHAT, {"model": "chat"})
                with suppress(DomainError):
                    answer = await engines.pass_on(served(engine.port), CHAT, {"model": "chat", "stream": True})
                    assert (engines.metrics.waiting, status) == (1, 200)
                    # The client is gone before anything of it is read.
                    answer._release()  # type: ignore[attr-defined]
                return engines.metrics.waiting, engines.metrics.answering
            finally:
                await engines.close()

        assert asyncio.run(work()) == (0, 0)


class TestAsk:
    def test_with_the_engines_name_and_token(self, engine: FakeEngine, context: DomainContext) -> None:
        answer = ask(context, served(engine.port), {"model": "chat"})
        assert answer["model"] == "chat"
        assert engine.asked == [(CHAT, {"model": "/m"})]
        assert engine.authorizations == [f"Bearer {engine_token('dep-1', context)}"]

    def test_a_deployment_asked_directly_is_asked_as_it_was(self, engine: FakeEngine, context: DomainContext) -> None:
        ask(context, deployment(engine.port), {"prompt": "x"}, COMPLETIONS)
        assert engine.asked == [(COMPLETIONS, {"prompt": "x"})]

    def test_a_refusal_in_the_engines_words(self, engine: FakeEngine, context: DomainContext) -> None:
        engine.status, engine.refusal = 400, "The prompt is too long."
        engine.details = {"param": "messages", "code": "context_length_exceeded"}
        error = refused(context, engine)
        assert isinstance(error, EngineRefused)
        assert (str(error), error.code) == ("The prompt is too long.", "context_length_exceeded")
        assert [issue.field for issue in error.issues] == ["messages"]
        # vLLM's code is the status.
        engine.details = {"param": None, "code": 400}
        error = refused(context, engine)
        assert (error.code, error.issues) == ("engine_refused", ())

    @pytest.mark.parametrize("status", [401, 500, 503])
    def test_what_is_the_servers_fault_is_no_refusal(
        self, engine: FakeEngine, context: DomainContext, status: int
    ) -> None:
        engine.status = status
        assert isinstance(refused(context, engine), EngineGone)

    def test_of_a_kind_that_is_not_known_any_more(self, engine: FakeEngine, context: DomainContext) -> None:
        strange = deployment(engine.port).model_copy(update={"engine": "gone"})
        with pytest.raises(EngineGone, match="no engine 'gone' is known here any more"):
            ask(context, strange, {"prompt": "x"}, COMPLETIONS)
        assert engine.asked == []

    def test_nobody_there(self, context: DomainContext) -> None:
        port = free_port()
        with pytest.raises(EngineUnreachable, match="does not answer: Connection refused") as gone:
            ask(context, served(port), {})
        assert str(port) not in str(gone.value)
        assert context.live.in_use.retire("dep-1", 0.0)

    def test_whatever_can_be_said(self, engine: FakeEngine, context: DomainContext) -> None:
        """Large ones too, which are handed over in pieces."""
        bodies: list[dict[str, Any]] = [{"prompt": 'ä 火 \U0001f525 "\\\n'}, {"prompt": "x" * (LARGE + 1)}]
        for body in bodies:
            ask(context, served(engine.port), body)
        assert [body["prompt"] for _, body in engine.asked] == [body["prompt"] for body in bodies]

    def test_one_that_is_unloaded_takes_no_more(self, engine: FakeEngine, context: DomainContext) -> None:
        assert context.live.in_use.retire("dep-1", 0.0)
        with pytest.raises(EngineUnreachable):
            ask(context, served(engine.port), {})
        assert engine.asked == []


def refused(context: DomainContext, engine: FakeEngine) -> DomainError:
    with pytest.raises((EngineRefused, EngineGone)) as caught:
        ask(context, served(engine.port), {})
    assert context.live.in_use.idle_seconds("dep-1") > 0.0
    return caught.value


async def receive() -> Any:
    """Of a client that stays, and says no more."""
    await asyncio.Event().wait()


class TestPassOn:
    @pytest.mark.parametrize("leaves_early", [False, True])
    def test_is_a_use_until_it_ends(self, engine: FakeEngine, context: DomainContext, leaves_early: bool) -> None:
        sent: list[bytes] = []

        async def send(message: Any) -> None:
            if leaves_early:
                raise OSError("the client has gone")
            assert not context.live.in_use.retire("dep-1", 0.0)
            sent.append(message.get("body", b""))

        async def pass_on() -> None:
            engines = Engines(context)
            answer = await engines.pass_on(served(engine.port), CHAT, {"model": "chat", "stream": True})
            assert not context.live.in_use.retire("dep-1", 0.0)
            with suppress(ClientDisconnect):
                await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
            await engines.close()

        asyncio.run(pass_on())
        assert context.live.in_use.retire("dep-1", 0.0)
        assert leaves_early or b"".join(sent).endswith(b"data: [DONE]\n\n")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"data: 1\n\n"
CHUNK = b"%x\r\n%s\r\n" % (len(PIECE), PIECE)


class OddEngine:
    """Says `answer`, piece by piece, whatever it is asked, and hangs up, unless it stays until its end."""

    def __init__(self, *answer: bytes, reads: bool = True, stays: bool = False) -> None:
        self._answer, self._reads, self._stays = answer, reads, stays
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._listener.close()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            if self._reads:
                connection.recv(1000)
            for piece in self._answer:
                connection.sendall(piece)
                time.sleep(0.1)
            if self._stays:
                self._over.wait(60)


class TestOddEngines:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines_module, "ANSWER_SECONDS", 0.5)

    @pytest.mark.parametrize(
        ("answer", "kept"),
        [
            (b"", {}),
            (b"", {"stays": True}),
            (b"", {"stays": True, "reads": False}),
            (b"nonsense\r\n\r\n", {}),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000 + b"\r\n\r\n", {}),
            (b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", {}),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", {}),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", {}),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", {}),
            (HEAD + CHUNK, {}),
            (HEAD + CHUNK + b"zz\r\n", {"stays": True}),
        ],
        ids=[
            "hangs up",
            "silent",
            "deaf",
            "no HTTP",
            "long head",
            "redirects",
            "short",
            "no JSON",
            "no object",
            "cut",
            "malformed",
        ],
    )
    def test_are_gone_by_and_by(self, context: DomainContext, answer: bytes, kept: dict[str, bool]) -> None:
        async def asked() -> None:
            engines = Engines(context)
            try:
                # More than sockets hold, for the one that does not read.
                await engines.ask(served(engine.port), CHAT, {"prompt": "x" * 2**24 if "reads" in kept else ""})
            finally:
                # Who does not read holds what was to be sent.
                await asyncio.to_thread(engine.end)
                await asyncio.sleep(0.05)
                await engines.close()

        with OddEngine(answer, **kept) as engine, pytest.raises(EngineGone) as gone:
            asyncio.run(asyncio.wait_for(asked(), 10))
        assert str(engine.port) not in str(gone.value)
        assert "/v1" not in str(gone.value)
        assert not isinstance(gone.value, EngineUnreachable)
        assert context.live.in_use.idle_seconds("dep-1") > 0.0

    def test_what_no_client_understands_is_not_passed_on(self, context: DomainContext) -> None:
        async def pass_on() -> None:
            engines = Engines(context)
            try:
                await engines.pass_on(served(engine.port), CHAT, {"model": "chat"})
            finally:
                await engines.close()

        page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"
        with OddEngine(page) as engine, pytest.raises(EngineGone, match="answered with 'text/html' instead of JSON"):
            asyncio.run(asyncio.wait_for(pass_on(), 10))
        assert context.live.in_use.idle_seconds("dep-1") > 0.0

    @pytest.mark.parametrize("stays", [False, True], ids=["cut", "silent"])
    @pytest.mark.parametrize("version", ["2.3", "2.4"])
    def test_an_answer_that_ends_early_is_cut_short(
        self, context: DomainContext, caplog: pytest.LogCaptureFixture, stays: bool, version: str
    ) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def pass_on() -> None:
            engines = Engines(context)
            answer = await engines.pass_on(served(engine.port), CHAT, {"model": "chat", "stream": True})
            await answer({"type": "http", "asgi": {"spec_version": version}}, receive, send)
            await engines.close()

        with OddEngine(HEAD + CHUNK, stays=stays) as engine:
            asyncio.run(asyncio.wait_for(pass_on(), 10))
        assert b"".join(message.get("body", b"") for message in sent) == PIECE
        # The last message of a whole answer says that there is no more.
        assert all(message.get("more_body", True) for message in sent)
        assert "an answer ends early" in caplog.text
        assert context.live.in_use.idle_seconds("dep-1") > 0.0


class TestNames:
    @pytest.mark.parametrize("size", [1, 7, 1000])
    @pytest.mark.parametrize("name", ["/m", '/Modell ä"\\'])
    def test_are_replaced_wherever_the_pieces_end(self, name: str, size: int) -> None:
        text = f'"model":"{name}" and "model":{json.dumps(name)}'
        events = [{"model": name, "choices": [{"text": text}]}, {"choices": [], "model": name}]
        for ascii_only in (False, True):
            lines = [json.dumps(event, separators=(",", ":"), ensure_ascii=ascii_only) for event in events]
            whole = "".join(f"data: {line}\n\n" for line in lines).encode() + b"data: [DONE]\n\n"
            found = asyncio.run(collect(whole, size, served(1, asked="chat ü", name=name)))
            *changed, end = [line.removeprefix("data: ") for line in found.decode().split("\n\n") if line]
            assert end == "[DONE]"
            assert [json.loads(line) for line in changed] == [{**event, "model": "chat ü"} for event in events]

    def test_of_an_answer_without_lines(self) -> None:
        found = asyncio.run(collect(b'{"id": 1, "model": "/m", "choices": []}', 5, served(1)))
        assert json.loads(found)["model"] == "chat"


async def collect(whole: bytes, size: int, model: ServedModel) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), size):
            yield whole[start : start + size]

    return b"".join([piece async for piece in _with_name(pieces(), model)])


class TestAdapters:
    def test_are_loaded_once_and_a_second_loading_is_as_good(self, engine: FakeEngine, context: DomainContext) -> None:
        beside = deployment(engine.port).model_copy(update={"engine": "vllm"})
        model = ServedModel(deployment=beside, requested_name="chat", name="/a@1", adapter="/a")

        async def load(times: int) -> None:
            engines = Engines(context)
            try:
                for _ in range(times):
                    await engines.load_adapter(model)
            finally:
                await engines.close()

        asyncio.run(load(3))
        assert engine.asked == [("/v1/load_lora_adapter", {"lora_name": "/a@1", "lora_path": "/a"})]
        engine.status, engine.refusal = 400, "The lora adapter '/a@1' has already been loaded."
        asyncio.run(load(1))
        engine.status = 404
        with pytest.raises(EngineRefused, match="already been loaded"):
            asyncio.run(load(1))
        engine.status, engine.refusal = 400, "LoRA rank 128 is greater than max_lora_rank 64."
        with pytest.raises(EngineRefused, match="rank 128"):
            asyncio.run(load(1))

    def test_of_a_whole_model_nothing_is_loaded(self, engine: FakeEngine, context: DomainContext) -> None:
        asyncio.run(Engines(context).load_adapter(served(engine.port)))
        assert engine.asked == []
