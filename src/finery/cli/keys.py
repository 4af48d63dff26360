"""`finery keys`: list, create and revoke API keys: one's own, or for an administrator those of a user."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.ids import id_of
from finery.cli.output import JsonOption, WideOption, YesOption, age, confirm, local_day, print_json, print_table
from finery.cli.session import server
from finery.cli.users import user_id_of

if TYPE_CHECKING:
    from finery.contracts.accounts import ApiKey

app = typer.Typer(help="Your own API keys.", no_args_is_help=True)

UserOption = Annotated[
    str | None,
    typer.Option(
        "--user", metavar="USER", help="Whose (id, user name or email); an administrator may. Default: yours."
    ),
]


@app.command("list")
def list_keys(user: UserOption = None, wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List your keys, newest first; a key itself is never shown again."""
    with server() as client:
        keys = client.accounts.list_keys(user_id=None if user is None else user_id_of(client, user))
    columns = ("ID", "NAME", "BEGINS", "SCOPES", "STATE", "CREATED", "LAST USED", "EXPIRES")
    empty = "No keys. `finery keys create NAME` makes one."
    print_json({"keys": keys}) if as_json else print_table(columns, map(_row, keys), empty=empty, wide=wide)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.", show_default=False)],
    expires_days: Annotated[
        int | None, typer.Option("--expires-days", min=1, help="For how many days it is good. Default: for ever.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="A permission, as in runs:read; may be repeated. Default: all that you may."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and print it: this once, and alone on stdout."""
    with server() as client:
        created = client.accounts.create_key(name, expires_days=expires_days, scoped_permissions=scope)
    if as_json:
        print_json(created)
        return
    print(created.key)
    print(f"This key is shown once. Its id is {created.info.id}.", file=sys.stderr)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or its beginning.", show_default=False)],
    user: UserOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key, for ever."""
    with server() as client:
        owner = None if user is None else user_id_of(client, user)
        key_id = id_of("key", key_id, (each.id for each in client.accounts.list_keys(user_id=owner)))
        confirm(f"Revoke key {key_id}, for ever?", yes=yes, as_json=as_json)
        key = client.accounts.revoke_key(key_id, user_id=owner)
    print_json(key) if as_json else print(f"Key {key.id} is revoked")


def _row(key: "ApiKey") -> tuple[str, ...]:
    scopes = "all" if key.scoped_permissions is None else ", ".join(key.scoped_permissions)
    state = "active" if key.is_active else "revoked" if key.revoked_at else "expired"
    used = age(key.last_used_at) if key.last_used_at else "never"
    expires = local_day(key.expires_at) if key.expires_at else "never"
    return (key.id, key.name, key.prefix, scopes, state, age(key.created_at), used, expires)
