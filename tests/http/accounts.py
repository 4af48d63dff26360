"""Accounts as requests need them: users in the app's database, their keys, and clients at other addresses."""

from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.contracts.permissions import Level, Principal, permissions_of
from finery.db import Database
from finery.domain import accounts
from tests.domain.accounts import people
from tests.domain.accounts.people import PASSWORD

BASE_URL = "http://127.0.0.1:8001"
SETUP = {"email": "root@example.org", "username": "root", "password": PASSWORD}


def at_address(app: FastAPI, address: str, **headers: str) -> TestClient:
    """A client whose socket is at `address`; the app must have been started by another."""
    return TestClient(app, base_url=BASE_URL, client=(address, 50000), headers=headers)


def key_of_new_user(database: Database, name: str, level: Level, *, scopes: list[str] | None = None) -> str:
    user = people.user(database, name, level, password=None)
    return key_of_user(database, user.id, level, scopes=scopes)


def key_of_user(
    database: Database, user_id: str, level: Level, *, scopes: list[str] | None = None, days: int | None = None
) -> str:
    principal = Principal(user_id, "user", permissions_of([level]))
    with database.write() as session:
        return accounts.create_key(session, principal, name="k", expires_days=days, scoped_permissions=scopes).key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
