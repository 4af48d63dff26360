"""`finery models list`: shows the built-in models and the outputs of runs; hub ids and folders work unlisted."""

import typer

from finery.cli.output import JsonOption, WideOption, print_json, print_table
from finery.cli.session import server

app = typer.Typer(help="The models that this server knows by name.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The models that this server knows by name."""


@app.command("list")
def list_models(wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List the built-in models and the outputs of runs. Hub ids and folders work too."""
    with server() as client:
        models = client.list_models()
    columns = ("NAME", "KIND", "RUN", "DESCRIPTION")
    rows = ((model.name, model.kind, model.run_id or "", model.description) for model in models)
    print_json({"models": models}) if as_json else print_table(
        columns, rows, empty="No models.", keys=("NAME", "RUN"), wide=wide
    )
