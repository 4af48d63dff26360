import argparse
import asyncio
import socket

import pytest

from finery.engines.transformers import __main__ as program
from finery.engines.transformers.app import EngineState


class DeadService:
    generation = "continuous batching"

    def is_running(self) -> bool:
        return False


class Server:
    should_exit = False


class TestRunModel:
    def test_a_dead_generation_thread_ends_the_program(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(program, "load", lambda *_: DeadService())
        server = Server()
        state = EngineState(name="tiny")
        options = argparse.Namespace(model="tiny")
        assert asyncio.run(program.run_model(options, state, server, port=1)) == 1  # type: ignore[arg-type]
        assert server.should_exit
        assert "the generation thread has stopped" in capsys.readouterr().err


class TestParseArguments:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["--port", "1"],
            ["--model", "m"],
            ["--model", "m", "--port", "1", "--kv-blocks", "0"],
            ["--model", "m", "--port", "1", "--load-in-4bit", "--load-in-8bit"],
            ["--model", "m", "--port", "1", "--dtype", "float16"],
        ],
    )
    def test_wrong_arguments_exit_with_2(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            program.parse_arguments(arguments)
        assert caught.value.code == 2


class TestListen:
    def test_small_answers_are_sent_at_once(self) -> None:
        """Else what follows an answer's head waits until the client has acknowledged that."""
        with program.listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
