"""`finery chat`: asks a model one question, or talks with it on the terminal."""

import sys
from typing import Annotated

import typer

from finery.cli.completion import complete_models
from finery.cli.output import JsonOption
from finery.cli.session import fail, server


def chat(
    model: Annotated[
        str,
        typer.Argument(
            help="A built-in model, a run's id (or its beginning), a folder or a hub id.",
            show_default=False,
            autocompletion=complete_models,
        ),
    ],
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="Ask this, print the answer, and leave.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="What the model is told first.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Length of an answer.")] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=2, help="0: always the same.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the model loaded afterwards.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Talk to a model. Without --prompt, and with text piped in, that text is the question."""
    question = prompt if prompt is not None else _piped_text()
    if as_json and question is None:
        fail("--json needs a question: give --prompt, or pipe one in")
    with server() as client:
        from finery.cli.chat_session import Conversation, answer_once, converse, serving
        from finery.client import Sampling

        with serving(client, model, keep=keep, quiet=as_json) as deployment:
            sampling = Sampling(max_tokens=max_tokens, temperature=temperature)
            conversation = Conversation(client, deployment, system=system, sampling=sampling)
            if question is None:
                converse(conversation)
            else:
                answer_once(conversation, question, as_json=as_json)


def _piped_text() -> str | None:
    if sys.stdin.isatty():
        return None
    text = sys.stdin.read().strip()
    if not text:
        fail("there is no question: give --prompt, pipe one in, or run it on a terminal")
    return text
