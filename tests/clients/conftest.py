"""One server, and one model that it has fine-tuned, for all clients of this folder."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from tests.servers import RunningServer

HERE = Path(__file__).parent
BASE = "house-model"
ENDED = ("succeeded", "failed", "cancelled")
WAIT_SECONDS = 600.0
TICKETS = {
    "I was charged twice.": "billing",
    "The invoice is wrong.": "billing",
    "The app freezes.": "crash",
    "The screen turns black.": "crash",
    "My parcel is late.": "delivery",
    "The box arrived empty.": "delivery",
    "I cannot log in.": "login",
    "My password has expired.": "login",
}
"""What the model learns by heart; the clients ask for it."""
PROPERTIES = {"queue": {"enum": ["billing", "crash"]}, "urgent": {"type": "boolean"}}
TOOL = {
    "type": "function",
    "function": {
        "name": "route",
        "parameters": {"type": "object", "properties": PROPERTIES, "required": [*PROPERTIES]},
    },
}
COPIES = 15


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    shutil.copy(HERE / "models.yaml", home)
    # The receiver of webhooks is on this machine.
    with RunningServer(home, FINERY_WEBHOOK_ALLOW_PRIVATE="127.0.0.1") as server:
        yield server


@pytest.fixture(scope="session")
def surroundings(server: RunningServer) -> dict[str, str]:
    """The variables that a client's script reads: the server, the fine-tuned model, its base, and its rows."""
    with OpenAI(base_url=f"{server.url}/v1", api_key="any") as sdk:
        plain = "".join(row(ask, {"content": answer}) for ask, answer in TICKETS.items())
        rows = plain + "".join(formed_rows())
        file = sdk.files.create(file=("tickets.jsonl", (rows * COPIES).encode()), purpose="fine-tune")
        job = sdk.fine_tuning.jobs.create(
            model=BASE,
            training_file=file.id,
            suffix="tickets",
            seed=1,
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 8}}},
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while job.status not in ENDED and time.monotonic() < deadline:
            time.sleep(0.5)
            job = sdk.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "succeeded", job
    assert job.fine_tuned_model is not None
    return {
        "FINERY_URL": server.url,
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "OPENAI_API_KEY": "any",
        "BASE": BASE,
        "MODEL": job.fine_tuned_model,
        "MODEL_FOLDER": str(server.home / "outputs" / job.id),
        "JOB": job.id,
        "TRAINING_FILE": file.id,
        "ROWS": plain,
    }


def formed_rows() -> Iterator[str]:
    """JSON as an answer and as a tool's arguments: a model that never saw any fills it up with white space."""
    for ask, answer in list(TICKETS.items())[:4]:
        formed = json.dumps({"queue": answer, "urgent": answer == "crash"})
        yield row(f"{ask} Write JSON.", {"content": formed})
        call = {"id": "call_1", "type": "function", "function": {"name": "route", "arguments": formed}}
        yield row(f"{ask} Call the tool.", {"tool_calls": [call]}, tools=[TOOL])


def row(ask: str, answer: dict[str, object], **more: object) -> str:
    messages = [{"role": "user", "content": ask}, {"role": "assistant", **answer}]
    return json.dumps({"messages": messages, **more}) + "\n"
