"""What a base cannot do is refused when it is asked for, by name and remedy, whichever dialect asks."""

import json
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.recipes import RECIPES
from finery.scheduler.late_measurer import LateMeasurer
from tests import builders
from tests.api.openai.conftest import ROWS, jsonl
from tests.measuring import measure_here

TENSORS: dict[str, list[int]] = {
    "model.embed_tokens.weight": [320, 8],
    "model.layers.0.self_attn.q_proj.weight": [8, 8],
    "model.layers.0.mlp.gate_proj.weight": [16, 8],
    "model.layers.0.input_layernorm.weight": [8],
}
CONFIG = {"model_type": "llama", "max_position_embeddings": 256, "vocab_size": 320, "tie_word_embeddings": True}


@pytest.fixture
def model(home: Path) -> str:
    """A folder with the headers of weights and nothing else: more is not read."""
    return make_model(home / "outputs" / "base")


def make_model(folder: Path, **config: Any) -> str:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    header, end = {}, 0
    for name, shape in TENSORS.items():
        size = 4 * (shape[0] * shape[1] if len(shape) == 2 else shape[0])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return f"outputs/{folder.name}"


def save_tokenizer(folder: Path, *, size: int) -> None:
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<end>": 0, "<none>": 1, **{f"t{number}": number for number in range(2, size)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<none>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>").save_pretrained(folder)


def native(client: TestClient, recipe: str = "sft", **config: Any) -> Any:
    return client.post("/api/v1/runs", json={"recipe": recipe, "config": {"dataset_path": "rows.jsonl", **config}})


def jobs(client: TestClient, recipe: str = "sft", **config: Any) -> Any:
    body = {"dataset_path": "rows.jsonl", "output_dir": "outputs/new", "use_lora": False, **config}
    return client.post(f"/train/{recipe}", json=body)


def openai(client: TestClient, model_name: str, **body: Any) -> Any:
    file = client.post("/v1/files", data={"purpose": "fine-tune"}, files={"file": ("a.jsonl", jsonl(list(ROWS)))})
    return client.post("/v1/fine_tuning/jobs", json={"model": model_name, "training_file": file.json()["id"], **body})


def refusal(answer: Any) -> tuple[int, str, str]:
    """The status, the field that is to blame and what is said."""
    body = answer.json()
    if "param" in body.get("error", {}):
        return answer.status_code, body["error"]["param"], body["error"]["message"]
    (issue,) = body.get("error", body)["errors"]
    return answer.status_code, issue["field"], issue["message"]


@pytest.fixture(autouse=True)
def rows(home: Path) -> None:
    builders.write_rows(home)


class TestMaxLength:
    @pytest.mark.parametrize("ask", [native, jobs])
    def test_beyond_the_models_positions(self, client: TestClient, model: str, ask: Any) -> None:
        assert refusal(ask(client, model_name=model, max_length=257)) == (
            422,
            "max_length",
            "257 is more than the 256 tokens that the model takes; choose 256 or less",
        )
        assert ask(client, model_name=model, max_length=256).is_success

    @pytest.mark.parametrize("recipe", [name for name in RECIPES if name not in ("command", "grpo")])
    def test_of_every_recipe(self, client: TestClient, recipe: str) -> None:
        row = {"text": "a", "prompt": "a", "completion": "b", "label": True, "chosen": "b", "rejected": "c"}
        columns = {"sft": ("prompt", "completion"), "cpt": ("text",), "kto": ("prompt", "completion", "label")}
        kept = columns.get(recipe, ("prompt", "chosen", "rejected"))
        line = json.dumps({name: row[name] for name in kept})
        Path(client.app.state.services.context.home.path, "rows.jsonl").write_text(f"{line}\n" * 8)  # type: ignore[attr-defined]
        status, field, _ = refusal(native(client, recipe, model_name="finery/tiny-llama", max_length=1025))
        assert (status, field) == (422, "max_length")

    @pytest.mark.parametrize("ask", [native, jobs])
    def test_a_default_is_no_wish(self, client: TestClient, model: str, ask: Any) -> None:
        answer = ask(client, model_name=model)
        assert answer.is_success
        run = answer.json().get("id") or answer.json()["job_id"]
        assert client.get(f"/api/v1/runs/{run}").json()["config"]["max_length"] == 256
        events = client.get(f"/api/v1/runs/{run}/events").json()["events"]
        (notice,) = [event["data"] for event in events if event["data"].get("code") == "automatic"]
        assert notice["values"] == {"max_length": 256}

    def test_of_an_adapter_is_its_bases(self, client: TestClient, model: str, home: Path) -> None:
        adapter = home / "outputs" / "adapter"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(home / model)}))
        shutil.copy(home / model / "model.safetensors", adapter / "adapter_model.safetensors")
        assert refusal(native(client, model_name="outputs/adapter", max_length=1024))[:2] == (422, "max_length")

    def test_positions_without_a_bound(self, client: TestClient, home: Path) -> None:
        model = make_model(home / "outputs" / "alibi", model_type="bloom", max_position_embeddings=None, seq_length=64)
        assert native(client, model_name=model, max_length=100_000, batch_size=1).is_success


class TestTargets:
    @pytest.mark.parametrize("ask", [native, jobs])
    @pytest.mark.parametrize(
        ("targets", "says"),
        [
            ("q_proj,v_porj", "the model has no 'v_porj'; did you mean 'q_proj'?"),
            (["input_layernorm"], "no matrix, which LoRA needs"),
            ("lm_head", "head and embedding in one"),
            ([], "it names nothing; choose 'all-linear'"),
        ],
    )
    def test_that_are_not_there_or_do_not_fit(
        self, client: TestClient, model: str, ask: Any, targets: Any, says: str
    ) -> None:
        answer = ask(client, model_name=model, use_lora=True, lora_target_modules=targets)
        status, field, message = refusal(answer)
        assert (status, field) == (422, "lora_target_modules")
        assert says in message
        assert ask(client, model_name=model, use_lora=False, lora_target_modules=targets).is_success

    @pytest.mark.parametrize("targets", ["q_proj", ["layers.0.mlp.gate_proj"], "all-linear"])
    def test_that_are_there(self, client: TestClient, model: str, targets: Any) -> None:
        assert native(client, model_name=model, use_lora=True, lora_target_modules=targets).is_success

    def test_of_a_built_in_model(self, client: TestClient) -> None:
        asked = {"model_name": "finery/tiny-qwen", "use_lora": True}
        assert native(client, **asked, lora_target_modules="o_proj,down_proj").is_success
        status, _, message = refusal(native(client, **asked, lora_target_modules="c_attn"))
        assert (status, "the model has no 'c_attn'" in message) == (422, True)


class TestTokenizer:
    @pytest.mark.parametrize(("ask", "field"), [(native, "model_name"), (jobs, "model_name"), (openai, "model")])
    def test_larger_than_the_embedding(
        self,
        client: TestClient,
        home: Path,
        ask: Any,
        field: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        measure_here(monkeypatch)
        model = make_model(home / "outputs" / "grown", vocab_size=319)
        save_tokenizer(home / model, size=320)
        status, blamed, message = refusal(ask(client, model_name=model))
        assert (status, blamed) == (400 if ask is openai else 422, field)
        assert "has tokens up to number 319, and the model's embedding only 319 rows" in message
        assert "resize_token_embeddings" in message
        (home / model / "config.json").write_text(json.dumps(CONFIG))
        assert ask(client, model_name=model).is_success

    def test_found_after_a_job_was_accepted_is_no_fault_of_its_file(
        self, client: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = make_model(home / "outputs" / "grown", vocab_size=319)
        save_tokenizer(home / model, size=320)
        job = openai(client, model).json()
        assert job["status"] == "queued"
        measure_here(monkeypatch)
        services = client.app.state.services  # type: ignore[attr-defined]
        LateMeasurer(services.database, services.context).work()
        error = client.get(f"/v1/fine_tuning/jobs/{job['id']}").json()["error"]
        assert (error["code"], error["param"]) == ("invalid_value", "model")
        assert error["message"].startswith("the tokenizer has tokens up to number 319")


class TestNames:
    @pytest.mark.parametrize(("ask", "field"), [(native, "model_name"), (jobs, "model_name"), (openai, "model")])
    def test_of_a_hub_that_is_not_asked(
        self, client: TestClient, ask: Any, field: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        for name in ("owner/none", "gpt2"):
            status, blamed, message = refusal(ask(client, model_name=name))
            assert (status, blamed) == (404, field)
            assert "not in this machine's cache of the hub" in message
            assert "fetch it there, or name a folder" in message

    @pytest.mark.parametrize("ask", [native, jobs])
    def test_of_one_word(self, client: TestClient, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        status, blamed, message = refusal(ask(client, model_name="nosuch"))
        assert (status, blamed) == (404, "model_name")
        assert "no model is called 'nosuch'" in message
        assert ask(client, model_name="gpt2").is_success

    def test_of_one_word_that_the_table_has_not(self, client: TestClient) -> None:
        status, blamed, message = refusal(openai(client, "nosuch"))
        assert (status, blamed) == (404, "model")
        assert "add it to the server's model table" in message


class TestTrackers:
    @pytest.mark.skipif(find_spec("wandb") is not None, reason="it is installed")
    def test_without_their_package(self, client: TestClient, model: str) -> None:
        says = "wandb needs the package wandb, which is not installed: pip install wandb, or leave it out"
        for ask in (native, jobs):
            assert refusal(ask(client, model_name=model, report_to=["wandb"])) == (422, "report_to", says)
        wandb = {"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}
        status, field, message = refusal(openai(client, model, **wandb))
        assert (status, field) == (400, "integrations.0.type")
        assert says in message
