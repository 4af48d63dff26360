"""Users, how they come in, and what they may do."""

from finery.domain.accounts.authentication import TABLES, Recognised, note_use, principal_of_key, principal_of_session
from finery.domain.accounts.keys import create_key, list_keys, list_keys_of, revoke_key, revoke_key_of
from finery.domain.accounts.logins import CheckedLogin, check_login, close_session, open_session, revoke_sessions
from finery.domain.accounts.setup import create_first_admin, has_accounts, setup_status
from finery.domain.accounts.users import (
    change_password,
    create_user,
    delete_user,
    get_user,
    list_users,
    update_user,
    with_administration,
)

__all__ = [
    "TABLES",
    "CheckedLogin",
    "Recognised",
    "change_password",
    "check_login",
    "close_session",
    "create_first_admin",
    "create_key",
    "create_user",
    "delete_user",
    "get_user",
    "has_accounts",
    "list_keys",
    "list_keys_of",
    "list_users",
    "note_use",
    "open_session",
    "principal_of_key",
    "principal_of_session",
    "revoke_key",
    "revoke_key_of",
    "revoke_sessions",
    "setup_status",
    "update_user",
    "with_administration",
]
