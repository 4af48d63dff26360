"""The program as its callers see it: a process, a port and OpenAI's bodies."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast

from finery.engines.transformers.engine import MODEL_UNLOADABLE
from tests.engines.architectures import make_folder
from tests.engines.conftest import Engine, run_to_end, running_engine
from tests.engines.tiny import CONTEXT, ENDLESS, make_model

PROMPTS = [
    "The smith",
    "锻铁炉",
    "A finery was the hearth where raw",
    "鍛冶屋が火",
    "seven wizards",
    "x",
    "iron iron",
    "over the",
]
USER = [{"role": "user", "content": "Who keeps the fire?"}]


class Reference:
    """The same model under plain transformers."""

    def __init__(self, folder: Path) -> None:
        self.model = LlamaForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    def tokens(self, prompt: str | list[int], length: int, **settings: Any) -> list[int]:
        ids = self.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
        answer = self.model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids)),
            max_new_tokens=length,
            do_sample=False,
            **settings,
        )
        return list(answer[0, len(ids) :].tolist())

    def text(self, prompt: str | list[int], length: int, **settings: Any) -> str:
        return str(self.tokenizer.decode(self.tokens(prompt, length, **settings), skip_special_tokens=True))


@pytest.fixture(scope="module")
def reference(model_folder: Path) -> Reference:
    return Reference(model_folder)


@pytest.fixture
def client(engine: Engine) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{engine.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


class TestGreedy:
    def test_equals_generate(self, engine: Engine, reference: Reference) -> None:
        for prompt in PROMPTS[:3]:
            body = engine.complete(prompt, max_tokens=40, temperature=0)
            assert body["choices"][0]["text"] == reference.text(prompt, 40)

    def test_equals_generate_for_concurrent_requests(self, engine: Engine, reference: Reference) -> None:
        def ask(prompt: str) -> str:
            return str(engine.complete(prompt, max_tokens=40, temperature=0)["choices"][0]["text"])

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, PROMPTS))
        assert answers == [reference.text(prompt, 40) for prompt in PROMPTS]

    def test_chat_uses_the_models_template(self, engine: Engine, reference: Reference) -> None:
        body = engine.post("chat/completions", messages=USER, max_tokens=20, temperature=0).json()
        prompt = "<|user|>Who keeps the fire?<|end|><|assistant|>"
        assert body["choices"][0]["message"]["content"] == reference.text(prompt, 20)
        assert body["usage"]["prompt_tokens"] == len(reference.tokenizer(prompt)["input_ids"])

    def test_repetition_penalty_equals_generate(self, engine: Engine, reference: Reference) -> None:
        body = engine.complete(max_tokens=30, temperature=0, repetition_penalty=1.3)
        assert body["choices"][0]["text"] == reference.text("The smith", 30, repetition_penalty=1.3)

    def test_takes_token_ids(self, engine: Engine, reference: Reference) -> None:
        ids = reference.tokenizer("The smith")["input_ids"]
        body = engine.complete([ids, ids[:1]], max_tokens=10, temperature=0)
        assert [choice["text"] for choice in body["choices"]] == [reference.text(ids, 10), reference.text(ids[:1], 10)]


class TestSampled:
    def test_a_seed_repeats_the_answer_and_its_choices_differ(self, engine: Engine) -> None:
        first, second = (engine.complete(max_tokens=16, n=3, seed=5, temperature=1.2) for _ in range(2))
        texts = [choice["text"] for choice in first["choices"]]
        assert texts == [choice["text"] for choice in second["choices"]]
        assert len(set(texts)) == 3
        assert [choice["index"] for choice in first["choices"]] == [0, 1, 2]

    def test_greedy_beside_sampled_stays_greedy(self, engine: Engine, reference: Reference) -> None:
        with ThreadPoolExecutor(2) as pool:
            noisy = pool.submit(engine.complete, max_tokens=40, n=4, temperature=1.5, logprobs=2)
            greedy = pool.submit(engine.complete, "x", max_tokens=40, temperature=0)
        assert greedy.result()["choices"][0]["text"] == reference.text("x", 40)
        assert len(noisy.result()["choices"]) == 4


class TestStop:
    def test_ends_before_the_string_wherever_tokens_end(self, engine: Engine, reference: Reference) -> None:
        text = reference.text("The smith", 40)
        stop = next(
            text[at : at + 3]
            for at in range(8, 30)
            if text.index(text[at : at + 3]) == at and "\ufffd" not in text[at : at + 3]
        )
        choice = engine.complete(max_tokens=40, temperature=0, stop=stop)["choices"][0]
        assert choice["text"] == text[: text.index(stop)]
        assert choice["finish_reason"] == "stop"
        streamed = stream_text(engine, max_tokens=40, temperature=0, stop=[stop, "never"])
        assert streamed == choice["text"]

    def test_length_is_the_reason_otherwise(self, engine: Engine) -> None:
        assert engine.complete(max_tokens=3, temperature=0)["choices"][0]["finish_reason"] == "length"


class TestUsage:
    def test_counts_each_prompt_once(self, engine: Engine, reference: Reference) -> None:
        usage = engine.complete(["The smith", "iron"], max_tokens=4, n=2, temperature=0)["usage"]
        prompt = sum(len(reference.tokenizer(text)["input_ids"]) for text in ("The smith", "iron"))
        completion = 2 * sum(len(reference.tokens(text, 4)) for text in ("The smith", "iron"))
        assert usage == {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }


class TestLogprobs:
    def test_equal_a_forward_pass(self, engine: Engine, reference: Reference) -> None:
        prompt = reference.tokenizer("The smith")["input_ids"]
        answer = reference.tokens("The smith", 8)
        with torch.no_grad():
            logits = reference.model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1)
        logprobs = engine.complete(max_tokens=8, temperature=0, logprobs=3)["choices"][0]["logprobs"]
        chosen = [float(row[token]) for row, token in zip(expected, answer, strict=True)]
        assert logprobs["token_logprobs"] == pytest.approx(chosen, abs=1e-4)
        best = [list(entry.values()) for entry in logprobs["top_logprobs"]]
        assert best[0] == pytest.approx(expected[0].topk(3).values.tolist(), abs=1e-4)

    def test_chat_reports_bytes_of_partial_characters(self, engine: Engine) -> None:
        body = engine.post(
            "chat/completions", messages=USER, max_tokens=30, temperature=0, logprobs=True, top_logprobs=2
        ).json()
        entries = body["choices"][0]["logprobs"]["content"]
        assert all(len(entry["top_logprobs"]) == 2 for entry in entries)
        text = bytes(byte for entry in entries for byte in entry["bytes"]).decode(errors="replace")
        assert text == body["choices"][0]["message"]["content"]


def stream_text(engine: Engine, *, prompt: str = "The smith", **body: Any) -> str:
    payload = {"prompt": prompt, "stream": True, **body}
    with httpx.stream("POST", f"{engine.url}/v1/completions", json=payload, timeout=60) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert events[-1] == "[DONE]"
    return "".join(json.loads(data)["choices"][0]["text"] for data in events[:-1])


class TestStreaming:
    @pytest.mark.parametrize("prompt", PROMPTS)
    def test_gives_the_same_text_whatever_the_script(self, engine: Engine, reference: Reference, prompt: str) -> None:
        assert stream_text(engine, prompt=prompt, max_tokens=60, temperature=0) == reference.text(prompt, 60)

    def test_satisfies_the_sdk(self, client: openai.OpenAI) -> None:
        settings: dict[str, Any] = {"model": "tiny", "messages": USER, "max_tokens": 12, "n": 2, "seed": 1}
        whole = client.chat.completions.create(**settings)
        texts, roles, reasons, usage = ["", ""], set(), [], None
        with client.chat.completions.create(**settings, stream=True, stream_options={"include_usage": True}) as stream:
            for chunk in stream:
                type(chunk).model_validate(chunk.model_dump(), strict=True)
                usage = chunk.usage or usage
                for choice in chunk.choices:
                    roles.add(choice.delta.role)
                    texts[choice.index] += choice.delta.content or ""
                    reasons.append(choice.finish_reason)
        assert texts == [choice.message.content for choice in whole.choices]
        assert roles == {"assistant", None}
        assert [reason for reason in reasons if reason] == ["length", "length"]
        assert usage == whole.usage

    def test_a_client_that_leaves_cancels_its_request(self, engine: Engine) -> None:
        payload = {"prompt": "x", "stream": True, "max_tokens": 500, "n": 16, "temperature": 1.5}
        with httpx.stream("POST", f"{engine.url}/v1/completions", json=payload, timeout=60) as response:
            lines = response.iter_lines()
            next(lines)
            assert active(engine) > 0
        assert_idle_soon(engine)

    @pytest.mark.thorough
    def test_a_template_without_end_holds_nobody_else(self, engine: Engine) -> None:
        """The one who sent it leaves before its time is over, the others hear of its bound."""
        endless = {"messages": [{"role": "user", "content": ENDLESS}], "max_tokens": 1}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{engine.url}/v1/chat/completions", json=endless, timeout=0.5)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(engine.post, "chat/completions", **endless)
            assert engine.complete(max_tokens=1)["usage"]["completion_tokens"] == 1
            assert httpx.get(f"{engine.url}/health", timeout=10).status_code == 200
            assert engine.post("chat/completions", messages=USER, max_tokens=1).status_code == 200
            assert not waiting.done()
        assert waiting.result().status_code == 400
        error = waiting.result().json()["error"]
        assert "the chat template takes more than 5 seconds; choose another chat_template for it" in error["message"]
        assert error["param"] == "model"

    def test_a_client_that_leaves_without_streaming_cancels_too(self, engine: Engine) -> None:
        payload = {"prompt": "x", "max_tokens": 500, "n": 16, "temperature": 1.5}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{engine.url}/v1/completions", json=payload, timeout=0.3)
        assert_idle_soon(engine)


def active(engine: Engine) -> int:
    return int(httpx.get(f"{engine.url}/health").json()["active"])


def assert_idle_soon(engine: Engine) -> None:
    deadline = time.monotonic() + 1.5
    while active(engine):
        assert time.monotonic() < deadline, "the request still runs"
        time.sleep(0.05)


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "body", "param", "status"),
        [
            ("completions", {"prompt": "x", "max_tokns": 3}, "max_tokns", 400),
            ("completions", {"prompt": "x", "best_of": 2}, "best_of", 400),
            ("completions", {"prompt": ""}, "prompt", 400),
            ("completions", {"prompt": [10**6]}, "prompt", 400),
            ("completions", {"prompt": [5] * CONTEXT}, "prompt", 400),
            ("completions", {"prompt": "x", "model": "other"}, "model", 404),
            ("chat/completions", {"messages": USER, "top_logprobs": 2}, "top_logprobs", 400),
            ("chat/completions", {"messages": USER, "max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", 400),
            ("chat/completions", {"messages": [{"role": "user", "content": "x " * CONTEXT}]}, "messages", 400),
        ],
    )
    def test_names_the_parameter(
        self, engine: Engine, path: str, body: dict[str, Any], param: str, status: int
    ) -> None:
        response = engine.post(path, **body)
        assert response.status_code == status
        assert response.json()["error"]["param"] == param

    @pytest.mark.parametrize(
        "settings", [{"temperature": 5e-324}, {"temperature": 2, "top_p": 1e-300, "repetition_penalty": 0.1}]
    )
    def test_extreme_settings_get_an_answer(self, engine: Engine, settings: dict[str, float]) -> None:
        assert engine.complete(max_tokens=5, **settings)["object"] == "text_completion"

    def test_an_unknown_path_has_the_same_shape(self, engine: Engine) -> None:
        response = engine.post("embeddings", input="x")
        assert (response.status_code, response.json()["error"]["message"]) == (404, "Not Found")

    def test_an_answer_ends_where_the_context_ends(self, engine: Engine) -> None:
        body = engine.complete([5] * (CONTEXT - 3), max_tokens=50, temperature=1.5, seed=3)
        assert body["usage"]["total_tokens"] <= CONTEXT
        assert body["choices"][0]["finish_reason"] in ("length", "stop")


class TestModels:
    def test_lists_the_one(self, client: openai.OpenAI) -> None:
        assert [model.id for model in client.models.list()] == ["tiny"]
        assert client.models.retrieve("tiny").owned_by == "finery"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("other")


class TestOnDemandOptions:
    @pytest.mark.thorough
    def test_token_names_template_and_cache(
        self, model_folder: Path, tmp_path: Path, free_port: Callable[[], int]
    ) -> None:
        (tmp_path / "template.jinja").write_text("{{ messages[0]['content'] }}!")
        options = {"any_name": True, "chat_template": tmp_path / "template.jinja", "cache_bytes": 200_000}
        with running_engine(model_folder, port=free_port(), token="secret", **options) as engine:
            engine.wait_ready()
            health = httpx.get(f"{engine.url}/health").json()
            with httpx.Client(base_url=f"{engine.url}/v1", timeout=60) as client:
                body = {"model": "ft:x:finery::1", "messages": USER, "max_tokens": 2}
                for headers in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "secret"}):
                    refused = client.post("/chat/completions", json=body, headers=headers)
                    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
                client.headers["Authorization"] = "Bearer secret"
                answer = client.post("/chat/completions", json=body).json()
                plain = client.post("/completions", json={"prompt": f"{USER[0]['content']}!"}).json()
                with client.stream("POST", "/chat/completions", json={**body, "stream": True}) as stream:
                    lines = [line.removeprefix("data: ") for line in stream.iter_lines() if line]
        # One page of the cache is all that fits.
        assert health["context"] == 256 < CONTEXT
        assert answer["model"] == "ft:x:finery::1"
        assert {json.loads(line)["model"] for line in lines[:-1]} == {"ft:x:finery::1"}
        assert plain["model"] == "tiny"
        assert answer["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"]


class TestLife:
    def test_answers_while_loading_and_ends_on_sigterm_at_work(
        self, model_folder: Path, free_port: Callable[[], int]
    ) -> None:
        with running_engine(model_folder, port=free_port()) as engine:
            health = first_answer(engine)
            assert (health.status_code, health.json()["status"]) == (503, "loading")
            assert engine.post("completions", prompt="x").json()["error"]["code"] == "model_loading"
            engine.wait_ready()
            assert httpx.get(f"{engine.url}/health").json()["status"] == "ok"
            with ThreadPoolExecutor(1) as pool:
                work = pool.submit(engine.post, "completions", prompt="x", max_tokens=500, n=32, temperature=1.5)
                while not active(engine):
                    time.sleep(0.02)
                engine.process.send_signal(signal.SIGTERM)
                assert engine.process.wait(timeout=6) == 0
                assert work.result().status_code == 500
                assert work.result().json()["error"]["message"] == "The engine is shutting down."

    def test_ends_on_sigterm_while_loading(self, model_folder: Path, free_port: Callable[[], int]) -> None:
        with running_engine(model_folder, port=free_port()) as engine:
            first_answer(engine)
            engine.process.send_signal(signal.SIGTERM)
            assert engine.process.wait(timeout=6) == 0

    @pytest.mark.thorough
    def test_a_merged_adapter_answers_like_the_adapted_model(
        self, model_folder: Path, adapter_folder: Path, reference: Reference, free_port: Callable[[], int]
    ) -> None:
        adapted = Reference(model_folder)
        adapted.model = PeftModel.from_pretrained(adapted.model, adapter_folder).eval()
        with running_engine(adapter_folder, port=free_port()) as engine:
            engine.wait_ready()
            text = engine.complete(max_tokens=20, temperature=0)["choices"][0]["text"]
        assert text == decode_adapted(adapted, "The smith", 20) != reference.text("The smith", 20)


def decode_adapted(adapted: Reference, prompt: str, length: int) -> str:
    ids = torch.tensor([adapted.tokenizer(prompt)["input_ids"]])
    answer = adapted.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=length, do_sample=False
    )
    return str(adapted.tokenizer.decode(answer[0, ids.shape[1] :], skip_special_tokens=True))


def first_answer(engine: Engine) -> httpx.Response:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return httpx.get(f"{engine.url}/health", timeout=30)
        except httpx.ConnectError:
            time.sleep(0.02)
    raise AssertionError("no answer")


@pytest.fixture(scope="module")
def bloom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder("bloom", tmp_path_factory.mktemp("models") / "bloom")


@pytest.fixture(scope="module")
def bloom(bloom_folder: Path, free_port: Callable[[], int]) -> Iterator[Engine]:
    with running_engine(bloom_folder, port=free_port()) as running:
        running.wait_ready()
        yield running


@pytest.mark.thorough
class TestPlainBatches:
    """Bloom, which continuous batching would answer wrongly."""

    def test_are_told_of(self, bloom: Engine) -> None:
        assert httpx.get(f"{bloom.url}/health").json()["generation"] == "plain batches"
        assert any("BloomForCausalLM is not served by continuous batching: " in line for line in bloom.lines)

    def test_answer_alone_and_twelve_at_once_as_generate_does(self, bloom: Engine, bloom_folder: Path) -> None:
        model = AutoModelForCausalLM.from_pretrained(bloom_folder).eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(bloom_folder)

        def ask(prompt: list[int]) -> str:
            return str(bloom.complete(prompt, max_tokens=12, temperature=0)["choices"][0]["text"])

        def expect(prompt: list[int]) -> str:
            made = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)
            return str(tokenizer.decode(made[0, len(prompt) :], skip_special_tokens=True))

        prompts = [[6 + (17 * number + 3 * place * place) % 380 for place in range(3 + number)] for number in range(12)]
        with ThreadPoolExecutor(12) as pool:
            together = list(pool.map(ask, prompts))
        assert [ask(prompts[0]), *together] == [expect(prompt) for prompt in (prompts[0], *prompts)]

    def test_take_every_setting_of_a_request(self, bloom: Engine) -> None:
        schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
        schema["additionalProperties"] = False
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        answer = bloom.complete("The smith", max_tokens=150, temperature=1.3, seed=4, logprobs=2, response_format=form)
        assert isinstance(json.loads(answer["choices"][0]["text"])["a"], bool)
        assert len(answer["choices"][0]["logprobs"]["tokens"]) > 1
        text = stream_text(bloom, max_tokens=30, temperature=0)
        assert stream_text(bloom, max_tokens=30, temperature=0, stop=[text[5:8]]) == text[: text.index(text[5:8])]


class TestNoModel:
    def test_one_line_and_an_exit_code_of_its_own(self, tmp_path: Path) -> None:
        done = run_to_end("--model", str(tmp_path / "none"), "--port", "0")
        assert done.returncode == MODEL_UNLOADABLE
        assert done.stderr.splitlines() == [
            f"finery transformers engine: cannot load {tmp_path}/none: {tmp_path}/none: no such folder."
        ]

    @pytest.mark.thorough
    def test_a_broken_model_is_one_line_too(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path / "broken")
        (folder / "model.safetensors").write_bytes(b"no tensors")
        done = run_to_end("--model", str(folder), "--port", "0")
        assert done.returncode == MODEL_UNLOADABLE
        assert len(done.stderr.splitlines()) == 1
        assert str(folder) in done.stderr

    def test_a_diverged_model_is_one_line_too(self, tmp_path: Path) -> None:
        folder = make_model(tmp_path / "diverged")
        weights = load_file(folder / "model.safetensors")
        weights["lm_head.weight"].fill_(torch.nan)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        done = run_to_end("--model", str(folder), "--port", "0")
        assert done.returncode == MODEL_UNLOADABLE
        assert done.stderr.splitlines() == [
            f"finery transformers engine: {folder}: the transformers engine cannot serve LlamaForCausalLM rightly: "
            "the model computes scores that are no finite numbers"
        ]

    def test_a_port_in_use(self, engine: Engine, model_folder: Path) -> None:
        port = engine.url.rsplit(":", 1)[1]
        done = run_to_end("--model", str(model_folder), "--port", port)
        assert done.returncode == 2
        assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
