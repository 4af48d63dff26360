"""`finery demo`: train a tiny model on the CPU, then ask it what it learned."""

from pathlib import Path
from typing import Annotated

import typer

from finery.cli.output import JsonOption

UNTRAINED = "finery/tiny-llama"
QUESTIONS = ("What is Finery?", "Where does the name Finery come from?")

# All that the demo asks of the trainers. A learning rate this high suits a model this small, and no other; and on a
# model this small, bf16 costs a CPU more than it saves.
SFT_SETTINGS: dict[str, object] = {
    "model_name": UNTRAINED,
    "dataset_path": "data/instructions.jsonl",
    "output_dir": "outputs/demo-sft",
    "num_epochs": 40,
    "batch_size": 47,
    "learning_rate": 5e-3,
    "lr_scheduler": "cosine",
    "max_length": 128,
    "precision": "fp32",
    "save_total_limit": 1,
}
DPO_SETTINGS: dict[str, object] = {
    "model_name": "outputs/demo-sft",
    "dataset_path": "data/preferences.jsonl",
    "output_dir": "outputs/demo-dpo",
    "num_epochs": 2,
    "batch_size": 14,
    "learning_rate": 2e-5,
    "max_length": 128,
    "precision": "fp32",
    "save_total_limit": 1,
}
ANSWER_TOKENS = 48


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running afterwards, to explore.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="Where to work. Default: a temporary directory.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a server, train a tiny model on the CPU (SFT, then DPO), and ask it two questions.

    Takes a few minutes on two cores. The exit code is 1 when the answers are not what the data taught.
    """
    from finery.cli.demonstration import demonstrate

    raise typer.Exit(demonstrate(home=home, keep=keep, as_json=as_json))
