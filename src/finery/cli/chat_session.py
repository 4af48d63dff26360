"""The conversation of `finery chat`, and the deployment that is started for it and stopped after it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from finery.cli.exit_codes import ExitCode
from finery.cli.ids import run_id_of
from finery.cli.output import print_json, printable, spinner
from finery.cli.session import fail
from finery.client import ChatMessage, FineryClient, FineryError, Sampling
from finery.contracts.deployment import Deployment, DeploymentStatus, EngineChoice, EngineOptions

LOAD_SECONDS = 900.0
POLL_SECONDS = 0.2

HELP = "Ask away. /reset forgets the conversation, /exit (or Ctrl-D) ends it, Ctrl-C cuts an answer short."


@contextmanager
def serving(client: FineryClient, model: str, *, keep: bool, quiet: bool) -> Iterator[Deployment]:
    """Yields a running deployment of `model`: one that is there already, or else a new one, stopped at the end."""
    running = (each for each in client.list_deployments() if each.status is DeploymentStatus.RUNNING)
    if existing := next((each for each in running if each.model_name == model), None):
        yield existing
        return
    deployment = deploy(client, model)
    try:
        with spinner(f"Loading {deployment.model_name}", quiet=quiet):
            ready = wait_until_running(client, deployment.id)
        yield ready
    finally:
        if not keep:
            client.stop_deployment(deployment.id)


def deploy(
    client: FineryClient,
    model: str,
    *,
    engine: EngineChoice = "auto",
    options: EngineOptions | None = None,
    shared: bool = False,
) -> Deployment:
    """Starts an engine on the model of this name, or else on that of the only run whose id begins so."""
    start = partial(client.create_deployment, engine=engine, options=options, shared=shared)
    try:
        return start(model)
    except FineryError as error:
        if error.code != "model_not_found" or "/" in model:
            raise
        run_id = _run_id_of(client, model)
        if run_id is None:
            raise
        return start(run_id)


def _run_id_of(client: FineryClient, text: str) -> str | None:
    try:
        return run_id_of(client, text)
    except FineryError as error:
        if error.code != "run_not_found":
            raise
        return None


def wait_until_running(client: FineryClient, deployment_id: str, *, seconds: float = LOAD_SECONDS) -> Deployment:
    """Returns the deployment once it runs; an engine that fails or takes too long ends the command."""
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
        """Yields the answer piece by piece; the conversation goes on from it even when it is cut short."""
        self._messages.append(ChatMessage(role="user", content=question))
        pieces: list[str] = []
        try:
            for piece in self._client.chat_stream(self.deployment.id, self._messages, self._sampling):
                pieces.append(piece)
                yield piece
        finally:
            self._messages.append(ChatMessage(role="assistant", content="".join(pieces)))


def answer_once(conversation: Conversation, question: str, *, as_json: bool) -> None:
    if as_json:
        answer = "".join(conversation.ask(question))
        names = {"model": conversation.deployment.model_name, "deployment_id": conversation.deployment.id}
        print_json({**names, "prompt": question, "answer": answer})
    else:
        _print_answer(conversation, question)


def converse(conversation: Conversation) -> None:
    """Answers questions from the terminal until its end."""
    # The import alone gives input() line editing and a history.
    import readline  # noqa: F401

    print(f"{conversation.deployment.model_name} is ready. {HELP}")
    while (question := _read_question()) is not None:
        if question == "/reset":
            conversation.reset()
        elif question.startswith("/"):
            print(HELP)
        elif question:
            try:
                _print_answer(conversation, question)
            except KeyboardInterrupt:
                print()


def _read_question() -> str | None:
    """Returns None at the end of the conversation."""
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
