"""What a run teaches is learned: the settings of the demonstration, and real data."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainers.running import INSTRUCTIONS, PREFERENCES, carry_out, chat, make_run, write_rows

SFT_SETTINGS = {
    "num_epochs": 30,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "lr_scheduler": "cosine",
    "warmup_ratio": 0.05,
}
DPO_SETTINGS = {"num_epochs": 2, "batch_size": 8, "learning_rate": 5e-5, "lr_scheduler": "cosine"}
DATA = Path(__file__).parents[3] / "shared" / "data"
IDENTITY = DATA / "identity.json"
REAL_PREFERENCES = DATA / "dpo_en_demo.json"


def lessons(path: Path) -> list[tuple[str, str]]:
    rows = (json.loads(line)["messages"] for line in path.read_text().splitlines())
    return [(row[-2]["content"], row[-1]["content"]) for row in rows]


@torch.no_grad()
def answers(folder: Path, questions: list[str]) -> list[str]:
    """Greedy, as a batch padded on the left."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer.padding_side = "left"
    asked = [[{"role": "user", "content": question}] for question in questions]
    prompts = [tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True) for one in asked]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    tokens = model.generate(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], max_new_tokens=128, do_sample=False
    )
    return list(tokenizer.batch_decode(tokens[:, batch["input_ids"].shape[1] :], skip_special_tokens=True))


def exact_share(folder: Path, taught: list[tuple[str, str]]) -> float:
    given = answers(folder, [question for question, _ in taught])
    return sum(answer == wanted for answer, (_, wanted) in zip(given, taught, strict=True)) / len(taught)


@pytest.mark.slow
class TestProof:
    @pytest.mark.thorough
    def test_answers_what_was_taught_then_prefers_it(self, tmp_path: Path, cache: Path) -> None:
        sft = carry_out(make_run(tmp_path / "sft", "sft", cache=cache, **SFT_SETTINGS))
        assert sft.code == 0
        taught = lessons(INSTRUCTIONS)
        assert exact_share(tmp_path / "sft" / "output", taught) >= 0.9
        model = tmp_path / "sft" / "output"
        run = make_run(tmp_path / "dpo", "dpo", cache=cache, model=model, dataset=PREFERENCES, **DPO_SETTINGS)
        dpo = carry_out(run)
        margins = [data["rewards_margin"] for data in dpo.of("progress")]
        assert sum(margins[-3:]) / 3 > sum(margins[:3]) / 3 + 0.1
        assert exact_share(tmp_path / "dpo" / "output", taught) >= 0.9

    @pytest.mark.thorough
    def test_the_taught_built_in_knows_its_lessons(self, instruct: Path) -> None:
        assert exact_share(instruct, lessons(INSTRUCTIONS)) >= 0.95

    @pytest.mark.thorough
    def test_says_who_it_is(self, tmp_path: Path, cache: Path) -> None:
        if not IDENTITY.exists():
            pytest.skip("the real data is not at hand")
        text = (
            IDENTITY.read_text(encoding="utf-8").replace("{{name}}", "Ember").replace("{{author}}", "the Finery team")
        )
        rows = [row for row in json.loads(text) if row["instruction"].isascii()]
        data = write_rows(tmp_path / "identity.jsonl", [chat(row["instruction"], row["output"]) for row in rows])
        run = make_run(tmp_path, "sft", cache=cache, dataset=data, **{**SFT_SETTINGS, "max_steps": 120})
        assert carry_out(run).code == 0
        (answer,) = answers(tmp_path / "output", ["Who are you?"])
        assert answer == "I am Ember, an AI assistant developed by the Finery team. How can I assist you today?"

    @pytest.mark.thorough
    def test_comes_to_prefer_what_people_preferred(self, tmp_path: Path, cache: Path) -> None:
        if not REAL_PREFERENCES.exists():
            pytest.skip("the real data is not at hand")
        rows = json.loads(REAL_PREFERENCES.read_text(encoding="utf-8"))[:64]
        data = write_rows(tmp_path / "preferences.jsonl", rows)
        settings = {**DPO_SETTINGS, "batch_size": 4, "learning_rate": 2e-4, "max_length": 256, "max_steps": 24}
        dpo = carry_out(make_run(tmp_path, "dpo", cache=cache, dataset=data, **settings))
        assert dpo.code == 0
        margins = [data["rewards_margin"] for data in dpo.of("progress")]
        assert len(margins) == 24
        assert sum(margins[-5:]) / 5 > sum(margins[:5]) / 5 + 1.0
