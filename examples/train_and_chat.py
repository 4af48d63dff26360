"""Train a model with the Python client, and ask it something.

    finery server                          # in one terminal
    finery samples data                    # in the server's home
    python examples/train_and_chat.py

FINERY_URL and FINERY_API_KEY say where the server is and who asks.
"""

import argparse
import sys
import time

from finery.client import ChatMessage, FineryClient, FineryError, Sampling, ServerUnreachable
from finery.contracts.deployment import DeploymentStatus
from finery.contracts.events import EventType
from finery.contracts.status import RunStatus


def train(client: FineryClient, epochs: float) -> str:
    run = client.create_run(
        "sft",
        {
            "model_name": "finery/tiny-llama",
            "dataset_path": "data/instructions.jsonl",
            "num_epochs": epochs,
            "batch_size": 47,
            "learning_rate": 5e-3,
            "lr_scheduler": "cosine",
            "max_length": 128,
            "precision": "fp32",
        },
        name="train_and_chat",
        labels={"example": "yes"},
    )
    print(f"run {run.id}")
    for event in client.follow(run.id):
        if event.type is EventType.PROGRESS:
            print(f"  step {event.data.step} of {event.data.total_steps}, loss {event.data.loss:.3f}")
    ended = client.get_run(run.id)
    if ended.status is not RunStatus.SUCCEEDED:
        sys.exit(f"the run ended as {ended.status}: {ended.error}")
    return run.id


def ask(client: FineryClient, model: str, question: str) -> str:
    deployment = client.create_deployment(model)
    try:
        while (deployment := client.get_deployment(deployment.id)).status is DeploymentStatus.STARTING:
            time.sleep(0.2)
        if deployment.status is not DeploymentStatus.RUNNING:
            sys.exit(f"the model could not be loaded: {deployment.error}")
        messages = [ChatMessage(role="user", content=question)]
        return client.chat(deployment.id, messages, Sampling(max_tokens=48, temperature=0)).text
    finally:
        client.stop_deployment(deployment.id)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a model with the Python client, and ask it something.")
    parser.add_argument("--epochs", type=float, default=40.0)
    parser.add_argument("--question", default="What is Finery?")
    options = parser.parse_args()
    try:
        with FineryClient() as client:
            model = train(client, options.epochs)
            print(options.question)
            print(ask(client, model, options.question))
    except (FineryError, ServerUnreachable) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
