import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.app.composition import Composition
from finery.contracts.accounts import AuditEntry, AuditFilter
from finery.domain import accounts, audit
from finery.http.addresses import TrustedProxies
from finery.http.logins import PASSWORDS_AT_ONCE
from tests.domain.accounts.people import PASSWORD
from tests.http.accounts import SETUP, at_address

RIGHT = {"login": "root", "password": PASSWORD}
WRONG = {"login": "root", "password": "wrong horse"}
NINETY_DAYS = str(90 * 24 * 3600)


@pytest.fixture
def behind_proxy(app: FastAPI, client: TestClient) -> Iterator[None]:
    """Loopback is a proxy that is trusted."""
    services = app.state.services
    app.state.services = dataclasses.replace(services, proxies=TrustedProxies.parse(["127.0.0.1"]))
    yield
    app.state.services = services


@pytest.fixture
def admin(client: TestClient) -> TestClient:
    """Logged in."""
    assert client.post("/api/v1/setup", json=SETUP).status_code == 201
    return client


def session_cookie(answer: Any) -> dict[str, Any]:
    [text] = answer.headers.get_list("set-cookie")
    morsel = SimpleCookie(text)["finery_session"]
    return {"value": morsel.value, **{name: value for name, value in morsel.items() if value}}


def entries(composition: Composition, action: str) -> list[AuditEntry]:
    with composition.services.database.read() as session:
        return audit.list_page(session, AuditFilter(action=action), limit=100).entries


class TestLogIn:
    def test_cookie_of_a_session_that_ends_with_the_browser(self, admin: TestClient) -> None:
        cookie = session_cookie(admin.post("/api/v1/login", json=RIGHT))
        assert cookie.pop("value")
        assert cookie == {"httponly": True, "samesite": "lax", "path": "/"}

    def test_cookie_that_is_remembered(self, admin: TestClient) -> None:
        answer = admin.post("/api/v1/login", json={**RIGHT, "remember": True})
        assert session_cookie(answer)["max-age"] == NINETY_DAYS

    @pytest.mark.usefixtures("behind_proxy")
    @pytest.mark.parametrize(("protocol", "secure"), [("https", True), ("http", None), (None, None)])
    def test_cookie_is_for_tls_alone_where_the_client_speaks_it(
        self, admin: TestClient, protocol: str | None, secure: bool | None
    ) -> None:
        headers = {} if protocol is None else {"X-Forwarded-Proto": protocol}
        assert session_cookie(admin.post("/api/v1/login", json=RIGHT, headers=headers)).get("secure") == secure

    def test_who_is_no_proxy_cannot_ask_for_it(self, admin: TestClient) -> None:
        answer = admin.post("/api/v1/login", json=RIGHT, headers={"X-Forwarded-Proto": "https"})
        assert "secure" not in session_cookie(answer)

    def test_an_old_cookie_is_not_looked_at(self, admin: TestClient, app: FastAPI) -> None:
        stranger = at_address(app, "127.0.0.1", Cookie="finery_session=old")
        assert stranger.post("/api/v1/login", json=RIGHT).status_code == 200
        assert stranger.post("/api/v1/login", json=WRONG).json()["error"]["code"] == "login_refused"

    @pytest.mark.parametrize("login", ["root", "ROOT", "root@example.org"])
    def test_by_name_or_address(self, admin: TestClient, login: str) -> None:
        assert admin.post("/api/v1/login", json={**RIGHT, "login": login}).json()["user"]["username"] == "root"

    @pytest.mark.parametrize("login", ["root", "nobody", "nobody@example.org", "' OR 1=1 --", "\u202eroot\n"])
    def test_refusals_cannot_be_told_apart(self, admin: TestClient, login: str) -> None:
        answer = admin.post("/api/v1/login", json={"login": login, "password": "wrong horse"})
        assert answer.status_code == 401
        assert answer.json()["error"]["message"] == "user name or password is wrong"
        assert "set-cookie" not in answer.headers

    def test_without_any_account(self, client: TestClient) -> None:
        answer = client.post("/api/v1/login", json=RIGHT)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "setup_needed")

    def test_what_is_recorded(self, admin: TestClient, composition: Composition) -> None:
        user_id = admin.post("/api/v1/login", json=RIGHT).json()["user"]["id"]
        admin.post("/api/v1/login", json={"login": "\u202enobody" + "x" * 200, "password": "wrong horse"})
        failed, right, _ = entries(composition, "login")
        assert (right.user_id, right.user_name, right.result, right.address) == (user_id, "root", "ok", "127.0.0.1")
        assert (failed.user_id, failed.result, failed.details["path"]) == (None, "failed", "/api/v1/login")
        assert failed.details["login"].startswith("\\u202enobody")
        # It can be no account's, so that it may have been a password.
        assert len(failed.details["login"]) == 16
        with composition.services.database.read() as session:
            assert "horse" not in "".join(audit.export(session, AuditFilter()))


class TestRate:
    def test_from_one_address(self, admin: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_at: list[str] = []
        check_login = accounts.check_login

        def check(session: Any, login: str, password: str) -> accounts.CheckedLogin:
            looked_at.append(login)
            return check_login(session, login, password)

        monkeypatch.setattr("finery.domain.accounts.check_login", check)
        thief = at_address(app, "127.0.0.2")
        answers = [thief.post("/api/v1/login", json=WRONG) for _ in range(30)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 10
        assert len(looked_at) == 20
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert answers[-1].json()["error"]["code"] == "too_many_attempts"
        assert thief.post("/api/v1/login", json=RIGHT).status_code == 429
        assert admin.post("/api/v1/login", json=RIGHT).status_code == 200

    def test_set_up(self, client: TestClient, composition: Composition) -> None:
        composition.setup_token = "the token"
        answers = [client.post("/api/v1/setup", json={**SETUP, "setup_token": "guess"}) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
        assert client.post("/api/v1/setup", json={**SETUP, "setup_token": "the token"}).status_code == 429

    def test_a_few_passwords_at_once(self, admin: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
        lock, at_once, most = threading.Lock(), 0, 0
        all_in = threading.Barrier(PASSWORDS_AT_ONCE, timeout=30)
        check_login = accounts.check_login

        def check(session: Any, login: str, password: str) -> accounts.CheckedLogin:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            all_in.wait()
            try:
                return check_login(session, login, password)
            finally:
                with lock:
                    at_once -= 1

        monkeypatch.setattr("finery.domain.accounts.check_login", check)
        with ThreadPoolExecutor(PASSWORDS_AT_ONCE * 3) as pool:
            answers = list(
                pool.map(lambda _: admin.post("/api/v1/login", json=RIGHT).status_code, range(PASSWORDS_AT_ONCE * 3))
            )
        assert set(answers) == {200}
        assert most == PASSWORDS_AT_ONCE


class TestSetUp:
    def test_logs_in(self, client: TestClient, composition: Composition) -> None:
        answer = client.post("/api/v1/setup", json=SETUP)
        assert "max-age" not in session_cookie(answer)
        assert client.get("/api/v1/me").json()["name"] == "root"
        [entry] = entries(composition, "setup")
        assert (entry.user_id, entry.target) == (answer.json()["id"], answer.json()["id"])

    def test_once(self, admin: TestClient) -> None:
        other = {**SETUP, "email": "b@example.org", "username": "other"}
        answer = admin.post("/api/v1/setup", json=other)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "setup_done")

    def test_many_at_once_make_one(self, client: TestClient) -> None:
        def set_up(number: int) -> int:
            body = {**SETUP, "username": f"root{number}", "email": f"root{number}@example.org"}
            return client.post("/api/v1/setup", json=body).status_code

        with ThreadPoolExecutor(8) as pool:
            answers = sorted(pool.map(set_up, range(8)))
        assert answers == [201] + [409] * 7

    @pytest.mark.parametrize(
        ("address", "headers"),
        [
            ("192.0.2.7", {}),
            ("192.0.2.7", {"X-Forwarded-For": "127.0.0.1"}),
            ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}),
            ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        ],
    )
    @pytest.mark.usefixtures("client")
    def test_from_elsewhere(self, app: FastAPI, address: str, headers: dict[str, str]) -> None:
        stranger = at_address(app, address, **headers)
        answer = stranger.post("/api/v1/setup", json=SETUP)
        assert answer.status_code == 403
        assert "FINERY_REMOTE_SETUP" in answer.json()["error"]["message"]
        assert stranger.get("/api/v1/setup").json()["needs_setup"] is True

    @pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7"])
    @pytest.mark.parametrize("token", [None, "", "The token", "the token ", "토큰"])
    def test_with_a_wrong_token(
        self, client: TestClient, app: FastAPI, composition: Composition, address: str, token: str | None
    ) -> None:
        composition.setup_token = "the token"
        body = SETUP if token is None else {**SETUP, "setup_token": token}
        answer = at_address(app, address).post("/api/v1/setup", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "setup_token_wrong")
        assert client.get("/api/v1/setup").json()["user_count"] == 0

    def test_with_the_token_from_elsewhere(self, client: TestClient, app: FastAPI, composition: Composition) -> None:
        composition.setup_token = "the token"
        stranger = at_address(app, "192.0.2.7")
        assert stranger.post("/api/v1/setup", json={**SETUP, "setup_token": "the token"}).status_code == 201
        assert stranger.get("/api/v1/me").json()["user"]["username"] == "root"

    @pytest.mark.parametrize("change", [{"password": "short"}, {"password": "rootroot", "username": "rootroot"}])
    def test_impossible(self, client: TestClient, change: dict[str, str]) -> None:
        answer = client.post("/api/v1/setup", json={**SETUP, **change})
        assert answer.status_code == 422
        assert answer.json()["error"]["errors"][0]["field"] == "password"
        assert client.get("/api/v1/setup").json()["needs_setup"] is True


class TestLogOut:
    def test_ends_the_session(self, admin: TestClient, app: FastAPI) -> None:
        token = admin.cookies["finery_session"]
        answer = admin.post("/api/v1/logout")
        assert answer.status_code == 204
        assert session_cookie(answer)["max-age"] == "0"
        assert "finery_session" not in admin.cookies
        again = at_address(app, "127.0.0.1", Cookie=f"finery_session={token}").get("/api/v1/me")
        assert again.json()["error"]["code"] == "session_ended"

    def test_leaves_other_sessions(self, admin: TestClient, app: FastAPI) -> None:
        other = at_address(app, "127.0.0.1")
        other.post("/api/v1/login", json=RIGHT)
        admin.post("/api/v1/logout")
        assert other.get("/api/v1/me").status_code == 200

    def test_with_a_key(self, admin: TestClient, app: FastAPI, composition: Composition) -> None:
        key = admin.post("/api/v1/keys", json={"name": "k"}).json()["key"]
        script = at_address(app, "127.0.0.1", Authorization=f"Bearer {key}")
        answer = script.post("/api/v1/logout")
        assert (answer.status_code, answer.headers.get("set-cookie")) == (204, None)
        assert script.get("/api/v1/me").status_code == 200
        assert [entry.user_name for entry in entries(composition, "logout")] == ["root"]
