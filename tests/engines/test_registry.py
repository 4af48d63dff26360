"""What is promised of each engine, and of names."""

from pathlib import Path

import pytest

from finery.contracts.deployment import EngineOptions
from finery.engines.base import Engine, ServableModel, StartOptions
from finery.engines.registry import ENGINES, no_such_engine, register
from finery.engines.transformers.engine import TransformersEngine
from finery.engines.wire import RequestRefused

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
BODIES = {CHAT: {"messages": [{"role": "user", "content": "hi"}]}, COMPLETIONS: {"prompt": "hi"}}


@pytest.fixture(params=ENGINES.values(), ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


class TestEngine:
    def test_a_whole_model_is_loaded_as_it_is(self, engine: Engine) -> None:
        model, options = ServableModel("/models/m"), EngineOptions(max_context=64)
        assert engine.issue(model, options) is None
        plan = engine.plan(model, options)
        assert (plan.load, plan.adapter, plan.options) == ("/models/m", None, options)
        assert engine.served_name(plan, "") in (None, "/models/m")

    def test_what_lies_beside_a_base_can_be_loaded_there(self, engine: Engine, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text('{"r": 8, "base_model_name_or_path": "org/base"}')
        model = ServableModel(str(tmp_path), {"r": 8, "base_model_name_or_path": "org/base"})
        plan = engine.plan(model, EngineOptions())
        if plan.adapter is None:
            assert (plan.load, engine.adapter_loading) == (str(tmp_path), None)
            return
        assert engine.adapter_loading is not None
        assert plan.load == "org/base"
        assert plan.rank is not None
        assert plan.rank >= 8
        names = {engine.served_name(plan, stamp) for stamp in ("1", "2")}
        assert len(names) == 2, "what is there under the older adapter's name is not the newer one"
        assert str(tmp_path) in engine.adapter_loading.body("a", str(tmp_path)).values()

    def test_its_command_names_model_and_port_and_keeps_the_token(self, engine: Engine) -> None:
        command = engine.command(StartOptions(model="/models/a b", port=8123))
        assert {"/models/a b", "8123"} <= set(command)
        assert "the-token" not in " ".join(command)
        assert "the-token" in engine.environment("the-token").values()

    @pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
    def test_what_it_does_not_know_is_refused_by_name(self, engine: Engine, path: str) -> None:
        engine.check_request(path, BODIES[path])
        with pytest.raises(RequestRefused, match="'temprature'") as caught:
            engine.check_request(path, {**BODIES[path], "temprature": 1})
        assert caught.value.param == "temprature"

    def test_nobody_answers(self, engine: Engine) -> None:
        assert engine.health(9, "the-token", 0.5) is None


class TestRegister:
    @pytest.mark.parametrize("name", ["vllm", "auto"])
    def test_a_name_is_of_one_engine(self, name: str) -> None:
        engine = TransformersEngine()
        engine.name = name
        with pytest.raises(ValueError, match=f"{name!r} already"):
            register(engine)

    def test_a_name_can_be_stored(self) -> None:
        engine = TransformersEngine()
        engine.name = "x" * 33
        with pytest.raises(ValueError, match="1 to 32"):
            register(engine)

    def test_half_an_engine_is_none(self) -> None:
        class Half:
            name = "half"

        with pytest.raises(ValueError, match=r"Half is no engine: it lacks .*health"):
            register(Half())  # type: ignore[arg-type]
        assert "half" not in ENGINES


class TestNoSuchEngine:
    def test_with_the_nearest_choice(self) -> None:
        assert no_such_engine("transformer", ENGINES).endswith("did you mean 'transformers'?")
        assert no_such_engine("x\x1b", ENGINES) == "there is no engine 'x\\\\x1b'; known: auto, transformers, vllm"
