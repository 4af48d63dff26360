"""Accounts: users, their logins, sessions and API keys, and what each may do."""

from finery.domain.accounts.authentication import (
    TABLES,
    Authenticated,
    authenticate_key,
    authenticate_session,
    record_use,
)
from finery.domain.accounts.keys import create_key, list_keys, list_keys_of, revoke_key, revoke_key_of
from finery.domain.accounts.logins import (
    CheckedLogin,
    check_login,
    close_session,
    open_session,
    revoke_sessions,
    tried_name,
)
from finery.domain.accounts.setup import create_first_admin, has_accounts, setup_status
from finery.domain.accounts.users import (
    change_password,
    create_user,
    delete_user,
    get_user,
    list_users,
    update_user,
    with_admin_level,
)

__all__ = [
    "TABLES",
    "Authenticated",
    "CheckedLogin",
    "authenticate_key",
    "authenticate_session",
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
    "open_session",
    "record_use",
    "revoke_key",
    "revoke_key_of",
    "revoke_sessions",
    "setup_status",
    "tried_name",
    "update_user",
    "with_admin_level",
]
