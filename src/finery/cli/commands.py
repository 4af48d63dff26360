"""Registers all commands of `finery`; each group is a file of its own."""

from typing import Annotated

import typer

from finery import __version__
from finery.cli import (
    attention,
    audit,
    chat,
    datasets,
    demo,
    deployments,
    doctor,
    keys,
    login,
    models,
    recipes,
    runs,
    samples,
    secrets,
    sweeps,
    train,
    users,
    webhooks,
)
from finery.cli.serve import become_server

EPILOG = (
    "FINERY_URL names the server (http://127.0.0.1:8001), FINERY_API_KEY the key (default: that of `finery login`). "
    "Exit codes: 0 succeeded, 1 failed, 2 wrong usage or refused, 3 no server answers, 4 cancelled, 5 paused, "
    "124 --timeout is over, 130 interrupted."
)

app = typer.Typer(
    name="finery",
    help="The self-hosted server for fine-tuning.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"finery {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The self-hosted server for fine-tuning."""


@app.command("server", add_help_option=False, context_settings={"ignore_unknown_options": True})
def server(words: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> None:
    """Start the server, and serve until Ctrl-C."""
    become_server(words or [])


app.command("train", cls=train.TrainCommand)(train.train)
app.add_typer(runs.app, name="runs")
app.command("attention")(attention.list_attention)
app.add_typer(sweeps.app, name="sweeps")
app.add_typer(datasets.app, name="datasets")
app.command("chat")(chat.chat)
app.add_typer(recipes.app, name="recipes")
app.add_typer(models.app, name="models")
app.add_typer(deployments.app, name="deployments")
app.command("setup")(login.setup)
app.command("login")(login.login)
app.command("logout")(login.logout)
app.command("whoami")(login.whoami)
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(secrets.app, name="secrets")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(audit.app, name="audit")
app.command("samples")(samples.copy_samples)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
