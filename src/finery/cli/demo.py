"""`finery demo`: train a tiny model on the CPU, then ask it what it learned."""

import os
from pathlib import Path
from typing import Annotated

import typer

from finery.cli.output import JsonOption
from finery.cli.session import fail

UNTRAINED = "finery/tiny-llama"
QUESTIONS = ("What is Finery?", "Where does the name Finery come from?")

# All that the demo asks of the trainers. A learning rate this high suits a model this small, and no other; and on a
# model this small, bf16 costs a CPU more than it saves.
SFT_SETTINGS: dict[str, object] = {
    "model_name": UNTRAINED,
    "num_epochs": 40,
    "batch_size": 47,
    "learning_rate": 5e-3,
    "lr_scheduler": "cosine",
    "max_length": 128,
    "precision": "fp32",
    "save_total_limit": 1,
}
DPO_SETTINGS: dict[str, object] = {
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
    home: Annotated[
        Path | None, typer.Option("--home", help="Where its own server works. Default: a temporary directory.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", help="Use the server at this address. Default: FINERY_URL, else one of its own."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a tiny model on the CPU (SFT, then DPO), and ask it two questions.

    Without --server or FINERY_URL, and with --home or --keep, a server is started for it.
    Takes a few minutes on two cores. The exit code is 1 when the answers are not what the data taught.
    """
    wants_own = home is not None or keep
    if server is not None and wants_own:
        fail("--server: --home and --keep are for a server that the demo starts; leave them out")
    from finery.cli.demonstration import demonstrate

    url = None if wants_own else server or os.environ.get("FINERY_URL")
    raise typer.Exit(demonstrate(home=home, url=url, keep=keep, as_json=as_json))
