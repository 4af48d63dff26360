"""`finery deployments`: list, start, stop and share the engines that serve models."""

from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.completion import complete_models
from finery.cli.ids import id_of
from finery.cli.output import JsonOption, WideOption, age, print_json, print_table
from finery.cli.session import server

if TYPE_CHECKING:
    from finery.client import FineryClient

app = typer.Typer(help="The engines that serve models.", no_args_is_help=True)

DeploymentId = Annotated[
    str, typer.Argument(metavar="ID", help="The deployment's id, or its beginning.", show_default=False)
]


@app.command("list")
def list_deployments(wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List deployments, newest first."""
    with server() as client:
        deployments = client.list_deployments()
    columns = ("ID", "MODEL", "ENGINE", "STATUS", "DEVICE", "CREATED", "ERROR")
    rows = (
        (each.id, each.model_name, each.engine, each.status, each.device or "", age(each.created_at), each.error or "")
        for each in deployments
    )
    empty = "No deployments. `finery chat MODEL` makes one."
    print_json({"deployments": deployments}) if as_json else print_table(columns, rows, empty=empty, wide=wide)


@app.command()
def start(
    model: Annotated[
        str,
        typer.Argument(
            help="A name from `finery models list`, a run's id (or its beginning), a folder or a hub id.",
            autocompletion=complete_models,
        ),
    ],
    engine: Annotated[
        str,
        typer.Option("--engine", help="auto: vLLM where it is installed and there is a GPU, else our own."),
    ] = "auto",
    max_context: Annotated[
        int | None, typer.Option("--max-context", min=16, help="Tokens of prompt and answer together.")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="For everybody who has an account.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it answers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load a model, to stay loaded until it is stopped."""
    with server() as client:
        from finery.cli.chat_session import deploy, wait_until_running
        from finery.contracts.deployment import EngineOptions

        options = None if max_context is None else EngineOptions(max_context=max_context)
        deployment = deploy(client, model, engine=engine, options=options, shared=shared)
        if not no_wait:
            deployment = wait_until_running(client, deployment.id)
    print_json(deployment) if as_json else print(f"Deployment {deployment.id} is {deployment.status}")


@app.command()
def stop(deployment_id: DeploymentId, as_json: JsonOption = False) -> None:
    """Stop a deployment; its memory is free then."""
    with server() as client:
        deployment_id = _id_of(client, deployment_id)
        client.stop_deployment(deployment_id)
        deployment = client.get_deployment(deployment_id)
    print_json(deployment) if as_json else print(f"Deployment {deployment.id} is {deployment.status}")


@app.command()
def share(deployment_id: DeploymentId, as_json: JsonOption = False) -> None:
    """Let everybody who has an account talk to a deployment."""
    _set_shared(deployment_id, True, as_json)


@app.command()
def unshare(deployment_id: DeploymentId, as_json: JsonOption = False) -> None:
    """Keep a deployment to its owner again."""
    _set_shared(deployment_id, False, as_json)


def _id_of(client: "FineryClient", text: str) -> str:
    return id_of("deployment", text, (each.id for each in client.list_deployments()))


def _set_shared(deployment_id: str, shared: bool, as_json: bool) -> None:
    with server() as client:
        deployment = client.update_deployment(_id_of(client, deployment_id), shared=shared)
    word = "shared" if shared else "not shared any more"
    print_json(deployment) if as_json else print(f"Deployment {deployment.id} is {word}")
