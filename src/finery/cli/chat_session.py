"""A model that is loaded for as long as somebody talks to it, and the talk itself."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console

from finery.cli.exit_codes import ExitCode
from finery.cli.output import print_json, printable
from finery.cli.session import fail
from finery.client import ChatMessage, FineryClient, Sampling
from finery.contracts.deployment import Deployment, DeploymentStatus

LOAD_SECONDS = 900.0
POLL_SECONDS = 0.2

HELP = "Ask away. /reset forgets the conversation, /exit (or Ctrl-D) ends it, Ctrl-C cuts an answer short."


@contextmanager
def serving(client: FineryClient, model: str, *, keep: bool, quiet: bool) -> Iterator[Deployment]:
    """A running deployment of `model`: one that is there already, or else a new one, stopped at the end."""
    running = _running_one(client, model)
    if running is not None:
        yield running
        return
    deployment = client.create_deployment(model)
    try:
        with _spinner(f"Loading {model}", quiet=quiet):
            ready = wait_until_running(client, deployment.id)
        yield ready
    finally:
        if not keep:
            client.stop_deployment(deployment.id)


def wait_until_running(client: FineryClient, deployment_id: str, *, seconds: float = LOAD_SECONDS) -> Deployment:
    """Ends the command when the engine fails, or takes too long."""
    deadline = time.monotonic() + seconds
    while (deployment := client.get_deployment(deployment_id)).status is DeploymentStatus.STARTING:
        if time.monotonic() > deadline:
            fail(f"the model was not loaded within {seconds:.0f} s", ExitCode.FAILED)
        time.sleep(POLL_SECONDS)
    if deployment.status is not DeploymentStatus.RUNNING:
        fail(f"the model could not be loaded: {deployment.error or deployment.status}", ExitCode.FAILED)
    return deployment


class Conversation:
    def __init__(self, client: FineryClient, deployment: Deployment, *, system: str | None, sampling: Sampling) -> None:
        self._client = client
        self.deployment = deployment
        self._opening = [ChatMessage(role="system", content=system)] if system else []
        self._messages = list(self._opening)
        self._sampling = sampling

    def reset(self) -> None:
        self._messages = list(self._opening)

    def ask(self, question: str) -> Iterator[str]:
        """The answer, piece by piece; what was said of it is remembered even when it is cut short."""
        self._messages.append(ChatMessage(role="user", content=question))
        said: list[str] = []
        try:
            for piece in self._client.chat_stream(self.deployment.id, self._messages, self._sampling):
                said.append(piece)
                yield piece
        finally:
            self._messages.append(ChatMessage(role="assistant", content="".join(said)))


def answer_once(conversation: Conversation, question: str, *, as_json: bool) -> None:
    if as_json:
        answer = "".join(conversation.ask(question))
        names = {"model": conversation.deployment.model_name, "deployment_id": conversation.deployment.id}
        print_json({**names, "prompt": question, "answer": answer})
    else:
        _print_answer(conversation, question)


def converse(conversation: Conversation) -> None:
    """Questions from the terminal until its end."""
    # Imported for what it does to input(): editing and history.
    import readline  # noqa: F401

    print(f"{conversation.deployment.model_name} is ready. {HELP}")
    while (question := _question()) is not None:
        if question == "/reset":
            conversation.reset()
        elif question.startswith("/"):
            print(HELP)
        elif question:
            try:
                _print_answer(conversation, question)
            except KeyboardInterrupt:
                print()


def _question() -> str | None:
    """None at the end."""
    try:
        question = input("> ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return None
    return None if question in ("/exit", "/quit") else question


def _print_answer(conversation: Conversation, question: str) -> None:
    for piece in conversation.ask(question):
        print("\n".join(printable(line) for line in piece.split("\n")), end="", flush=True)
    print()


def _running_one(client: FineryClient, model: str) -> Deployment | None:
    found = (each for each in client.list_deployments() if each.status is DeploymentStatus.RUNNING)
    return next((each for each in found if each.model_name == model), None)


def _spinner(text: str, *, quiet: bool) -> AbstractContextManager[object]:
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    return Console(stderr=True).status(text)
