from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from finery.contracts.permissions import Level
from finery.db import Database
from finery.kit.clock import utc_now
from finery.models import ApiKeyRow, SessionRow, UserRow
from tests.domain.accounts import people
from tests.http.accounts import at_address, bearer, key_of_new_user
from tests.statements import statements

ME = "/api/v1/me"


@pytest.fixture
def database(app: FastAPI, client: TestClient) -> Database:
    found: Database = app.state.services.database
    return found


@pytest.fixture
def key(database: Database) -> str:
    """Of a viewer; there is an administrator too."""
    people.first_admin(database)
    return key_of_new_user(database, "ada", Level.VIEWER)


@pytest.fixture
def token(database: Database, key: str) -> str:
    return people.log_in(database, "root").token


def refusal(client: TestClient, headers: dict[str, str]) -> tuple[int, str]:
    answer = client.get(ME, headers=headers)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return answer.status_code, answer.json()["error"]["code"]


class TestCurrentUser:
    @pytest.mark.parametrize(
        ("address", "headers", "status"),
        [
            ("127.0.0.1", {}, 200),
            ("::1", {}, 200),
            ("192.0.2.7", {}, 403),
            ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, 403),
            ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 403),
            ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 403),
            ("127.0.0.1", {"Authorization": "Bearer any"}, 200),
        ],
    )
    def test_without_accounts_the_socket_decides(
        self, app: FastAPI, client: TestClient, address: str, headers: dict[str, str], status: int
    ) -> None:
        assert at_address(app, address).get(ME, headers=headers).status_code == status

    def test_every_way_in(self, client: TestClient, key: str, token: str) -> None:
        ways = {
            "ada": [
                bearer(key),
                {"Authorization": f"bearer  {key} "},
                {"X-API-Key": key},
                {**bearer(key), "X-API-Key": key},
            ],
            "root": [{"Cookie": f"finery_session={token}"}],
        }
        found = {name: {client.get(ME, headers=way).json()["name"] for way in each} for name, each in ways.items()}
        assert found == {"ada": {"ada"}, "root": {"root"}}

    def test_a_key_goes_before_the_cookie(self, client: TestClient, key: str, token: str) -> None:
        cookie = {"Cookie": f"finery_session={token}"}
        assert client.get(ME, headers={**bearer(key), **cookie}).json()["name"] == "ada"
        assert refusal(client, {**bearer("st_unknown"), **cookie}) == (401, "key_refused")

    @pytest.mark.usefixtures("key")
    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "login_needed"),
            ({"Authorization": ""}, "login_needed"),
            ({"Authorization": "Basic cm9vdDp4"}, "login_needed"),
            ({"Authorization": "st_key_alone"}, "login_needed"),
            ({"Authorization": "Bearer"}, "key_refused"),
            ({"Authorization": "Bearer \t "}, "key_refused"),
            ({"X-API-Key": ""}, "key_refused"),
            ({"X-API-Key": "st_" + "x" * 43}, "key_refused"),
            ({"Authorization": "Bearer ' OR 1=1 --"}, "key_refused"),
            ({"Authorization": "Bearer a", "X-API-Key": "b"}, "credentials_differ"),
            ({"Cookie": "finery_session="}, "session_ended"),
            ({"Cookie": "finery_session=unknown"}, "session_ended"),
            ({"Cookie": "other=unknown"}, "login_needed"),
        ],
    )
    def test_refused(self, client: TestClient, headers: dict[str, str], code: str) -> None:
        assert refusal(client, headers) == (401, code)

    def test_a_key_is_no_session_and_a_session_no_key(self, client: TestClient, key: str, token: str) -> None:
        assert refusal(client, bearer(token)) == (401, "key_refused")
        assert refusal(client, {"Cookie": f"finery_session={key}"}) == (401, "session_ended")

    def test_revoked(self, client: TestClient, database: Database, key: str) -> None:
        with database.write() as session:
            session.execute(update(ApiKeyRow).values(revoked_at=utc_now()))
        assert refusal(client, bearer(key)) == (401, "key_refused")

    def test_expired(self, client: TestClient, database: Database, key: str) -> None:
        with database.write() as session:
            session.execute(update(ApiKeyRow).values(expires_at=utc_now() - timedelta(seconds=1)))
        assert refusal(client, bearer(key)) == (401, "key_refused")

    def test_user_is_not_active(self, client: TestClient, database: Database, key: str, token: str) -> None:
        with database.write() as session:
            session.execute(update(UserRow).values(is_active=False))
        assert refusal(client, bearer(key)) == (401, "key_refused")
        assert refusal(client, {"Cookie": f"finery_session={token}"}) == (401, "session_ended")

    @pytest.mark.usefixtures("key")
    def test_this_machine_is_nobody_special_any_more(self, client: TestClient) -> None:
        for path in ("/jobs", "/metrics", "/docs", "/openapi.json", "/health", "/api/v1/runs", "/api/auth/me"):
            assert client.get(path).status_code == 401


class TestMemory:
    @pytest.mark.parametrize("way", ["key", "session"])
    def test_who_has_just_been_here_is_not_looked_up(
        self, client: TestClient, database: Database, key: str, token: str, way: str
    ) -> None:
        headers = bearer(key) if way == "key" else {"Cookie": f"finery_session={token}"}
        name = client.get(ME, headers=headers).json()["name"]
        # The first use was noted, which is a commit.
        assert client.get(ME, headers=headers).json()["name"] == name
        with statements(database) as asked:
            assert client.get(ME, headers=headers).json()["name"] == name
        # The route itself reads the account.
        assert [one for one in asked if "JOIN users" in one or "setup" in one] == []

    def test_no_longer_than_nothing_is_committed(
        self, client: TestClient, database: Database, key: str, token: str
    ) -> None:
        cookie = {"Cookie": f"finery_session={token}"}
        assert [client.get(ME, headers=way).status_code for way in (bearer(key), cookie) * 3] == [200] * 6
        assert client.post("/api/v1/logout", headers=cookie).is_success
        assert refusal(client, cookie) == (401, "session_ended")
        with database.write() as session:
            session.execute(update(ApiKeyRow).values(revoked_at=utc_now()))
        assert refusal(client, bearer(key)) == (401, "key_refused")

    @pytest.mark.parametrize(("way", "code"), [("key", "key_refused"), ("session", "session_ended")])
    def test_no_longer_than_it_is_good(
        self,
        client: TestClient,
        database: Database,
        key: str,
        token: str,
        way: str,
        code: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        headers = bearer(key) if way == "key" else {"Cookie": f"finery_session={token}"}
        ends = utc_now() + timedelta(hours=1)
        with database.write() as session:
            session.execute(update(ApiKeyRow).values(expires_at=ends))
            session.execute(update(SessionRow).values(expires_at=ends, last_seen_at=utc_now()))
        assert [client.get(ME, headers=headers).status_code for _ in range(3)] == [200] * 3
        monkeypatch.setattr("finery.domain.accounts.authentication.utc_now", lambda: ends)
        with statements(database) as asked:
            assert refusal(client, headers) == (401, code)
        assert any("JOIN users" in one for one in asked)

    def test_the_first_administrator_closes_the_door_at_once(self, client: TestClient, database: Database) -> None:
        assert [client.get(ME).status_code for _ in range(2)] == [200, 200]
        people.first_admin(database)
        assert refusal(client, {}) == (401, "login_needed")


class TestRecordUse:
    def test_at_most_once_a_minute(self, client: TestClient, database: Database, key: str) -> None:
        noted = [self.last_use(database) for _ in range(3) if client.get(ME, headers=bearer(key)).is_success]
        assert noted[0] is not None
        assert noted == noted[:1] * 3

    def test_no_request_fails_for_it(
        self, client: TestClient, database: Database, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> Iterator[None]:
            raise OperationalError("BEGIN", {}, Exception("database is locked"))

        monkeypatch.setattr("finery.domain.accounts.record_use", fail)
        assert client.get(ME, headers=bearer(key)).status_code == 200
        assert self.last_use(database) is None

    def last_use(self, database: Database) -> object:
        with database.read() as session:
            return session.query(ApiKeyRow.last_used_at).scalar()
