"""`finery users`: list, create, change and delete users, and set passwords."""

from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.ids import id_of
from finery.cli.output import (
    JsonOption,
    WideOption,
    YesOption,
    age,
    confirm,
    local_time,
    print_facts,
    print_json,
    print_table,
)
from finery.cli.secret_prompt import PasswordStdin, ask_new_password, ask_password
from finery.cli.session import fail, server
from finery.contracts.permissions import Level

if TYPE_CHECKING:
    from finery.client import FineryClient
    from finery.contracts.accounts import User

app = typer.Typer(help="Who has an account, and what they may do.", no_args_is_help=True)

UserArgument = Annotated[
    str, typer.Argument(metavar="USER", help="Id (or its beginning), user name or email.", show_default=False)
]


@app.command("list")
def list_users(wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List the users."""
    with server() as client:
        users = client.accounts.list_users()
    columns = ("ID", "USER NAME", "NAME", "EMAIL", "LEVELS", "ACTIVE", "LAST LOGIN")
    empty = "No users. `finery setup` creates the first."
    print_json({"users": users}) if as_json else print_table(columns, map(_row, users), empty=empty, wide=wide)


@app.command()
def create(
    username: Annotated[str, typer.Argument(help="The name to log in with.", show_default=False)],
    email: Annotated[str, typer.Option("--email", help="Their address.", show_default=False)],
    display_name: Annotated[str | None, typer.Option("--display-name", help="The name to show.")] = None,
    level: Annotated[list[Level] | None, typer.Option("--level", help="May be repeated. Default: researcher.")] = None,
    password_stdin: PasswordStdin = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="Nobody can log in as this user yet.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a user; the password is asked for."""
    if no_password and password_stdin:
        fail("--no-password: --password-stdin is given too; keep one")
    with server() as client:
        from finery.contracts.accounts import NewUser

        password = None if no_password else ask_new_password("Their password", from_stdin=password_stdin)
        new = NewUser(
            email=email,
            username=username,
            password=password,
            display_name=display_name,
            levels=level or [Level.RESEARCHER],
        )
        user = client.accounts.create_user(new)
    print_json(user) if as_json else print(f"User {user.username} is created: {', '.join(user.levels)} ({user.id})")


@app.command()
def show(name: UserArgument, as_json: JsonOption = False) -> None:
    """Show one user."""
    with server() as client:
        user = client.accounts.get_user(user_id_of(client, name))
    print_json(user) if as_json else print_facts(_facts(user))


@app.command()
def update(
    name: UserArgument,
    email: Annotated[str | None, typer.Option("--email", help="Another address.")] = None,
    username: Annotated[str | None, typer.Option("--username", help="Another name to log in with.")] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", help="Another name to show; '': none.")] = None,
    level: Annotated[list[Level] | None, typer.Option("--level", help="In place of all they have; repeatable.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Who is inactive cannot log in, and has no key any more.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a user."""
    given: dict[str, object] = {
        "email": email,
        "username": username,
        "display_name": display_name,
        "levels": level,
        "is_active": active,
    }
    changed = {field: value for field, value in given.items() if value is not None}
    if not changed:
        fail("nothing is to be changed: give --email, --username, --display-name, --level, --active or --inactive")
    if display_name == "":
        changed["display_name"] = None
    with server() as client:
        from finery.contracts.accounts import UserChanges

        changes = UserChanges.model_validate(changed)
        user = client.accounts.update_user(user_id_of(client, name), changes)
    print_json(user) if as_json else print_facts(_facts(user))


@app.command()
def delete(
    name: UserArgument,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a user, with their sessions, keys and secrets."""
    with server() as client:
        user_id = user_id_of(client, name)
        confirm(f"Delete user {_named(name, user_id)}, with their keys and secrets?", yes=yes, as_json=as_json)
        client.accounts.delete_user(user_id)
    print_json({"id": user_id, "deleted": True}) if as_json else print(f"User {name} is deleted")


@app.command()
def password(
    name: Annotated[
        str | None, typer.Argument(metavar="[USER]", help="Whose; an administrator may. Default: one's own.")
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read stdin, line by line: one's own present password first."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Change a password: one's own, which needs the present one, or another user's."""
    with server() as client:
        username = _set_password(client, name, password_stdin) if name else _change_own(client, password_stdin)
    print_json({"username": username, "changed": True}) if as_json else print(f"{username} has a new password")


def _named(name: str, user_id: str) -> str:
    return name if name == user_id else f"{name} ({user_id})"


def user_id_of(client: "FineryClient", name: str) -> str:
    """Returns the id of the user with this id, else user name, else email, else the only one whose id begins so.

    Without one it is `name` itself. Raises FineryError where several ids begin so.
    """
    users = client.accounts.list_users()
    wanted = name.casefold()
    by_id = (user.id for user in users if user.id == name)
    by_name = (user.id for user in users if user.username.casefold() == wanted)
    by_email = (user.id for user in users if user.email.casefold() == wanted)
    return next(chain(by_id, by_name, by_email), None) or id_of("user", name, (user.id for user in users))


def _change_own(client: "FineryClient", from_stdin: bool) -> str:
    me = client.accounts.me()
    if me.user is None:
        fail("nobody is logged in: there is no password of your own to change")
    current = ask_password("Present password", from_stdin=from_stdin)
    client.accounts.change_password(current, ask_new_password(from_stdin=from_stdin))
    return me.user.username


def _set_password(client: "FineryClient", name: str, from_stdin: bool) -> str:
    from finery.contracts.accounts import UserChanges

    user = client.accounts.get_user(user_id_of(client, name))
    new = ask_new_password(from_stdin=from_stdin)
    return client.accounts.update_user(user.id, UserChanges(password=new)).username


def _row(user: "User") -> tuple[str, ...]:
    last = age(user.last_login_at) if user.last_login_at else "never"
    active = "yes" if user.is_active else "no"
    return (user.id, user.username, user.display_name or "", user.email, ", ".join(user.levels), active, last)


def _facts(user: "User") -> dict[str, str | None]:
    return {
        "id": user.id,
        "user name": user.username,
        "name": user.display_name,
        "email": user.email,
        "levels": ", ".join(user.levels),
        "active": "yes" if user.is_active else "no",
        "password": None if user.has_password else "none: only keys let them in",
        "created": local_time(user.created_at),
        "last login": local_time(user.last_login_at) or "never",
    }
