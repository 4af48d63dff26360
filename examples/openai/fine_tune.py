"""Fine-tune with the unmodified `openai` package: the flow of OpenAI's guide, with another base URL.

    finery server                                  # in one terminal
    pip install openai
    python examples/openai/fine_tune.py            # OPENAI_BASE_URL, OPENAI_API_KEY say where and who

Support tickets in four languages are sorted into four queues. The model has never seen those that it is asked about.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from openai import OpenAI

HERE = Path(__file__).parent
DEFAULT_URL = "http://127.0.0.1:8001/v1"


def main() -> int:
    options = parse_options()
    client = OpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", DEFAULT_URL), api_key=os.environ.get("OPENAI_API_KEY", "none yet")
    )
    held_out = [json.loads(line) for line in (HERE / "tickets_held_out.jsonl").read_text("utf-8").splitlines()]
    before = share_right(client, options.model, held_out)
    print(f"{options.model}: {before:.0%} of {len(held_out)} tickets in the right queue")

    training_file = upload(client, HERE / "tickets_train.jsonl")
    validation_file = upload(client, HERE / "tickets_held_out.jsonl")
    job = client.fine_tuning.jobs.create(
        model=options.model,
        training_file=training_file,
        validation_file=validation_file,
        suffix="tickets",
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": options.epochs}}},
    )
    model = wait(client, job.id)
    after = share_right(client, model, held_out)
    print(f"{model}: {after:.0%} of {len(held_out)} tickets in the right queue")
    return 0 if after > before else 1


def upload(client: OpenAI, path: Path) -> str:
    with path.open("rb") as file:
        return client.files.create(file=file, purpose="fine-tune").id


def wait(client: OpenAI, job_id: str) -> str:
    """The fine-tuned model's name, once the job has succeeded."""
    seen: set[str] = set()
    while True:
        job = client.fine_tuning.jobs.retrieve(job_id)
        for event in reversed(client.fine_tuning.jobs.list_events(job_id, limit=100).data):
            if event.id not in seen:
                seen.add(event.id)
                print(f"  {event.message}")
        if job.status == "succeeded" and job.fine_tuned_model:
            return job.fine_tuned_model
        if job.status in ("failed", "cancelled"):
            sys.exit(f"the job has {job.status}: {job.error.message if job.error else ''}")
        time.sleep(1)


def share_right(client: OpenAI, model: str, rows: list[dict[str, list[dict[str, str]]]]) -> float:
    right = 0
    for row in rows:
        *question, wanted = row["messages"]
        answer = client.chat.completions.create(model=model, messages=question, max_completion_tokens=8, temperature=0)
        right += (answer.choices[0].message.content or "").strip() == wanted["content"]
    return right / len(rows)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="finery/tiny-llama", help="the base model (%(default)s)")
    parser.add_argument("--epochs", type=int, default=3, help="how often the data are gone through (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
