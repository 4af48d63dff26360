"""`finery login`, `logout`, `whoami` and `setup`: log in with a key that this machine stores."""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.output import JsonOption, local_day, print_facts, print_json
from finery.cli.secret_prompt import PasswordStdin, ask_login, ask_new_password, ask_password
from finery.cli.session import fail, server

if TYPE_CHECKING:
    from collections.abc import Callable

    from finery.client import FineryClient
    from finery.client.credentials import StoredKey
    from finery.contracts.accounts import User

KEY_DAYS = 90

UrlOption = Annotated[str | None, typer.Option("--url", help="The server. Default: FINERY_URL.", show_default=False)]
DaysOption = Annotated[int, typer.Option("--expires-days", min=1, help="For how many days the key is good.")]
# Sends no key at all: neither that of the environment nor a stored one.
NO_KEY = ""


def login(
    url: UrlOption = None,
    username: Annotated[
        str | None, typer.Option("--username", "-u", help="User name or email address. Default: asked for.")
    ] = None,
    password_stdin: PasswordStdin = False,
    expires_days: DaysOption = KEY_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Log in: make an API key for this machine, and use it for every command to that server.

    The key is kept in $XDG_CONFIG_HOME/finery/credentials.json (~/.config), and is sent to that server only.
    """
    with server(url, api_key=NO_KEY) as client:
        from finery.client.credentials import stored_key

        # Read before anything is asked or sent: a file that is refused would leave a key that nobody has.
        earlier = stored_key(client.url)
        name = ask_login(username)
        password = ask_password(from_stdin=password_stdin)
        user = client.accounts.log_in(name, password).user
        _finish_login(client, user, earlier, expires_days, as_json)


def logout(url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Revoke this machine's key at the server, and forget it."""
    with server(url, api_key=NO_KEY) as client:
        from finery.cli.keyring import revoke_stored_key

        stored = revoke_stored_key(client.url)
        if stored is None:
            fail(f"nobody is logged in at {client.url}")
        if as_json:
            print_json({"url": client.url, "username": stored.username, "key_id": stored.key_id})
        else:
            print(f"Logged out at {client.url}; the key of {stored.username} is revoked")


def whoami(as_json: JsonOption = False) -> None:
    """Tell as whom the server knows you, and what you may do there."""
    with server() as client:
        me = client.accounts.me()
        url = client.url
    if as_json:
        print_json(me)
        return
    user = me.user
    facts = {
        "server": url,
        "name": me.name,
        "display name": user.display_name if user else None,
        "email": user.email if user else None,
        "id": user.id if user else None,
        "levels": ", ".join(user.levels) if user else None,
        "may": ", ".join(sorted(me.permissions)),
    }
    print_facts(facts)
    if me.is_scoped:
        print("The key allows less than its user may do.")


def setup(
    username: Annotated[str, typer.Option("--username", "-u", help="The name to log in with.", show_default=False)],
    email: Annotated[str, typer.Option("--email", help="Their address.", show_default=False)],
    display_name: Annotated[str | None, typer.Option("--display-name", help="The name to show.")] = None,
    setup_token_stdin: Annotated[
        bool,
        typer.Option(
            "--setup-token-stdin",
            help="Read the token that the server showed at its start from stdin, a line before the password's, instead "
            "of asking for it where the server wants one.",
        ),
    ] = False,
    url: UrlOption = None,
    password_stdin: PasswordStdin = False,
    expires_days: DaysOption = KEY_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Create the first administrator, and log in. From then on the server asks everybody who they are."""
    with server(url, api_key=NO_KEY) as client:
        from finery.client.credentials import stored_key

        earlier = stored_key(client.url)
        if not client.accounts.setup_status().needs_setup:
            fail(f"{client.url} has its first administrator already: log in with `finery login`")
        token = ask_password("Setup token", from_stdin=True) if setup_token_stdin else None
        password = ask_new_password("Password", from_stdin=password_stdin)
        set_up = partial(
            client.accounts.set_up, email=email, username=username, password=password, display_name=display_name
        )
        user = set_up(setup_token=token) if token else _set_up_with_prompt(set_up)
        _finish_login(client, user, earlier, expires_days, as_json)


def _set_up_with_prompt(set_up: "Callable[..., User]") -> "User":
    """Asks for a token only when the server wants one: on its own machine it seldom does."""
    from finery.client import FineryError

    try:
        return set_up()
    except FineryError as error:
        if error.code != "setup_token_wrong":
            raise
    if not sys.stdin.isatty():
        fail("setup token: the server showed one when it started; give it on stdin, with --setup-token-stdin")
    return set_up(setup_token=ask_password("Setup token", from_stdin=False))


def _finish_login(
    client: "FineryClient", user: "User", earlier: "StoredKey | None", expires_days: int, as_json: bool
) -> None:
    from finery.cli.keyring import create_stored_key
    from finery.client.credentials import credentials_path

    key = create_stored_key(client, user, earlier=earlier, expires_days=expires_days).info
    if as_json:
        print_json({"url": client.url, "user": user, "key": key, "stored_in": str(credentials_path())})
    else:
        until = f", and good until {local_day(key.expires_at)}" if key.expires_at else ""
        print(f"Logged in at {client.url} as {user.username}; the key is in {credentials_path()}{until}")
    if os.environ.get("FINERY_API_KEY"):
        print("finery: warning: FINERY_API_KEY is set, and goes before this key: unset it", file=sys.stderr)
