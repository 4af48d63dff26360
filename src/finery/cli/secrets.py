"""`finery secrets`: list, store and delete values for the environment of runs, which are never shown."""

from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.output import JsonOption, WideOption, YesOption, age, confirm, print_json, print_table
from finery.cli.secret_prompt import ask_secret
from finery.cli.session import server

if TYPE_CHECKING:
    from finery.client.secrets import SecretScope

app = typer.Typer(help="Values for the environment of runs, never shown.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The secret's name.", show_default=False)]
ServerOption = Annotated[bool, typer.Option("--server", help="The server's own, which every run may use.")]


@app.command("list")
def list_secrets(wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List the secrets that your runs may use, by name."""
    with server() as client:
        secrets = client.secrets.list()
    columns, empty = ("NAME", "WHOSE", "UPDATED"), "No secrets. `finery secrets set NAME` stores one."
    rows = ((each.name, "mine" if each.owner_id else "server", age(each.updated_at)) for each in secrets)
    print_json({"secrets": secrets}) if as_json else print_table(columns, rows, empty=empty, keys=("NAME",), wide=wide)


@app.command("set")
def set_secret(name: Name, server_wide: ServerOption = False, as_json: JsonOption = False) -> None:
    """Store a secret: its value is read from stdin, or asked for without an echo."""
    with server() as client:
        info = client.secrets.set(name, ask_secret(name), scope=_scope(server_wide))
    print_json(info) if as_json else print(f"Secret {info.name} is stored")


@app.command()
def delete(name: Name, server_wide: ServerOption = False, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Delete a secret; runs that have started keep it."""
    confirm(f"Delete secret {name}?", yes=yes, as_json=as_json)
    with server() as client:
        client.secrets.delete(name, scope=_scope(server_wide))
    print_json({"name": name, "deleted": True}) if as_json else print(f"Secret {name} is deleted")


def _scope(server_wide: bool) -> "SecretScope":
    return "server" if server_wide else "mine"
