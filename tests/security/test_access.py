"""Who is let in to a real server, and who is not; also where Python leaves its assertions out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from finery.contracts.permissions import Level
from finery.db import Database
from finery.kit.clock import utc_now
from finery.models import ApiKeyRow
from tests.builders import RUN, write_rows
from tests.domain.accounts.people import PASSWORD
from tests.http.accounts import SETUP, bearer, key_of_new_user
from tests.security.routes import Route, routes_of
from tests.servers import RunningServer

PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "GET /api/v1/setup", "POST /api/v1/setup", "POST /api/v1/login",
    "GET /api/auth/setup/status", "POST /api/auth/setup/first-admin", "POST /api/auth/login",
    "GET /api/cloud/auth/setup/status", "POST /api/cloud/auth/setup/first-admin", "POST /api/cloud/auth/login",
}  # fmt: skip
JOB = {"model_name": "m", "dataset": "d"}

Headers = dict[str, str]


@dataclass
class World:
    server: RunningServer
    database: Database
    root: httpx.Client
    """The administrator, logged in with a cookie."""
    routes: list[Route]

    def ask(self, method: str, path: str, *, address: str = "127.0.0.1", **arguments: Any) -> httpx.Response:
        """By nobody, from `address`."""
        with httpx.Client(base_url=self.server.url, transport=httpx.HTTPTransport(local_address=address)) as client:
            answer = client.request(method, path, **arguments)
        assert answer.status_code < 500
        assert "Traceback" not in answer.text
        return answer

    def key(self, name: str, level: Level, *, scopes: list[str] | None = None) -> str:
        return key_of_new_user(self.database, name, level, scopes=scopes)

    def key_of_root(self, name: str) -> tuple[str, str]:
        """It, and its id."""
        made = self.root.post("/api/v1/keys", json={"name": name}).json()
        return made["key"], made["info"]["id"]


@pytest.fixture(scope="module", params=["", pytest.param("1", marks=pytest.mark.thorough)], ids=["plain", "optimized"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    with RunningServer(home, PYTHONOPTIMIZE=request.param) as server:
        with httpx.Client(base_url=server.url, trust_env=False) as root:
            assert root.post("/api/v1/setup", json=SETUP).status_code == 201
            write_rows(home)
            database = Database("sqlite:///training.db", home=home)
            yield World(server, database, root, routes_of(root.get("/openapi.json").json()))
            database.dispose()


def revoked(world: World) -> Headers:
    key, key_id = world.key_of_root("revoked")
    assert world.ask("GET", "/api/v1/me", headers=bearer(key)).status_code == 200
    assert world.root.delete(f"/api/v1/keys/{key_id}").status_code == 200
    return bearer(key)


def expired(world: World) -> Headers:
    key, key_id = world.key_of_root("expired")
    assert world.ask("GET", "/api/v1/me", headers=bearer(key)).status_code == 200
    with world.database.write() as session:
        moment = utc_now() - timedelta(seconds=1)
        session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(expires_at=moment))
    return bearer(key)


def logged_out(world: World) -> Headers:
    with httpx.Client(base_url=world.server.url, trust_env=False) as browser:
        browser.post("/api/v1/login", json={"login": "root", "password": PASSWORD})
        cookie = {"Cookie": f"finery_session={browser.cookies['finery_session']}"}
        assert browser.post("/api/v1/logout").status_code == 204
    return cookie


def always(headers: Headers) -> Callable[[World], Headers]:
    return lambda _: headers


class TestCredentials:
    @pytest.mark.parametrize("path", ["/api/v1/runs", "/jobs", "/api/users", "/openapi.json"])
    @pytest.mark.parametrize(
        "credential",
        [
            pytest.param(always({}), id="none"),
            pytest.param(always({"Authorization": ""}), id="blank"),
            pytest.param(always({"Authorization": "Bearer"}), id="blank bearer"),
            pytest.param(always({"X-API-Key": ""}), id="blank key"),
            pytest.param(always({"Cookie": "finery_session="}), id="blank cookie"),
            pytest.param(always({"Authorization": "Basic cm9vdDpyb290"}), id="basic"),
            pytest.param(always(bearer("st_unknown")), id="unknown"),
            pytest.param(always({"X-API-Key": "st_" + "A" * 43}), id="unknown header"),
            pytest.param(always({"Cookie": "finery_session=unknown"}), id="unknown cookie"),
            pytest.param(always({"Authorization": "Bearer a", "X-API-Key": "b"}), id="two"),
            revoked,
            expired,
            logged_out,
        ],
    )
    def test_refused(self, world: World, path: str, credential: Callable[[World], Headers]) -> None:
        answer = world.ask("GET", path, headers=credential(world))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json().keys() in ({"error"}, {"detail", "errors"})

    def test_every_way_in_is_worth_the_same(self, world: World) -> None:
        key, _ = world.key_of_root("ways")
        cookie = {"Cookie": f"finery_session={world.root.cookies['finery_session']}"}
        for headers in (bearer(key), {"X-API-Key": key}, cookie):
            for path in ("/api/v1/me", "/api/v1/users", "/api/users", "/jobs", "/metrics", "/docs", "/openapi.json"):
                assert world.ask("GET", path, headers=headers).status_code == 200
            run = world.ask("POST", "/api/v1/runs", headers=headers, json=RUN)
            assert run.status_code == 201
            assert world.ask("POST", f"/api/v1/runs/{run.json()['id']}/cancel", headers=headers).status_code == 200

    @pytest.mark.parametrize("name", ["api_key", "access_token", "key", "anything"])
    def test_a_key_in_an_address_is_refused(self, world: World, name: str) -> None:
        key, _ = world.key_of_root("query")
        for headers in ({}, bearer(key)):
            answer = world.ask("GET", "/api/v1/runs", params={name: key}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "key_in_query")
            assert key not in answer.text
        assert world.ask("GET", "/jobs", params={name: key}).status_code == 400


class TestRights:
    @pytest.mark.parametrize(
        "path",
        [
            "/api/v1/runs/x",
            "/jobs/x",
            "/api/v1/deployments/x",
            "/api/v1/datasets/x",
            "/api/v1/users/x",
            "/api/users/x",
            "/api/v1/secrets/x",
            "/api/v1/server-secrets/x",
        ],
    )
    def test_a_viewer_deletes_nothing(self, world: World, path: str) -> None:
        viewer = bearer(world.key(f"viewer{path.replace('/', '-')}", Level.VIEWER))
        assert world.ask("DELETE", path, headers=viewer).status_code == 403

    def test_a_level_that_was_lost_is_lost_at_once(self, world: World) -> None:
        lead = bearer(world.key("sunk", Level.LEAD))
        me = world.ask("GET", "/api/v1/me", headers=lead).json()
        assert "runs:all" in me["permissions"]
        assert world.root.patch(f"/api/v1/users/{me['user']['id']}", json={"levels": ["viewer"]}).status_code == 200
        assert "runs:all" not in world.ask("GET", "/api/v1/me", headers=lead).json()["permissions"]
        assert world.ask("POST", "/api/v1/runs", headers=lead, json=RUN).status_code == 403

    def test_another_users_run_is_not_there(self, world: World) -> None:
        owner, other = (bearer(world.key(name, Level.RESEARCHER)) for name in ("owner", "other"))
        run_id = world.ask("POST", "/api/v1/runs", headers=owner, json=RUN).json()["id"]
        assert world.ask("POST", "/jobs", headers=owner, json={**JOB, "job_id": "owners"}).status_code == 201
        for method, path in (
            ("GET", f"/api/v1/runs/{run_id}"),
            ("PATCH", f"/api/v1/runs/{run_id}"),
            ("DELETE", f"/api/v1/runs/{run_id}"),
            ("POST", f"/api/v1/runs/{run_id}/cancel"),
            ("GET", f"/api/v1/runs/{run_id}/logs"),
            ("GET", f"/api/v1/runs/{run_id}/events"),
            ("GET", f"/api/v1/runs/{run_id}/events/stream"),
            ("GET", "/jobs/owners"),
            ("POST", "/jobs/owners/cancel"),
            ("DELETE", "/jobs/owners"),
        ):
            body = {"json": {"name": "mine"}} if method == "PATCH" else {}
            answer = world.ask(method, path, headers=other, **body)
            unknown = world.ask(method, path.replace(run_id, "none").replace("owners", "none"), headers=other, **body)
            assert answer.status_code == unknown.status_code == 404
            assert answer.text.replace(run_id, "none").replace("owners", "none") == unknown.text
        assert world.ask("GET", "/api/v1/runs", headers=other).json()["runs"] == []
        assert world.ask("GET", "/jobs", headers=other).json() == []
        assert world.root.get(f"/api/v1/runs/{run_id}").status_code == 200

    def test_another_users_upload_is_not_there(self, world: World) -> None:
        """Nor does saying that a request is sent once more give what another was answered."""
        owner, other = (bearer(world.key(name, Level.RESEARCHER)) for name in ("uploader", "copier"))
        again = {**other, "X-Stainless-Retry-Count": "1"}
        part, file = {"data": ("part", b"equal")}, {"file": ("a.jsonl", b"equal")}
        body = {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 5, "mime_type": "text/jsonl"}
        upload, begun = (
            world.ask("POST", "/v1/uploads", headers=actor, json=body).json()["id"] for actor in (owner, other)
        )
        part_id = world.ask("POST", f"/v1/uploads/{upload}/parts", headers=owner, files=part).json()["id"]
        for action, asked in (
            ("parts", {"files": part}),
            ("complete", {"json": {"part_ids": [part_id]}}),
            ("cancel", {}),
        ):
            for headers in (other, again):
                answer = world.ask("POST", f"/v1/uploads/{upload}/{action}", headers=headers, **asked)
                unknown = world.ask("POST", f"/v1/uploads/none/{action}", headers=headers, **asked)
                assert answer.status_code == unknown.status_code == 404
                assert answer.text.replace(upload, "none") == unknown.text
        answer = world.ask("POST", f"/v1/uploads/{begun}/complete", headers=other, json={"part_ids": [part_id]})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "part_ids")
        assert world.ask("POST", f"/v1/uploads/{begun}/parts", headers=again, files=part).json()["id"] != part_id
        done = world.ask("POST", f"/v1/uploads/{upload}/complete", headers=owner, json={"part_ids": [part_id]})
        file_id = done.json()["file"]["id"]
        copy = world.ask("POST", "/v1/files", headers=again, files=file, data={"purpose": "fine-tune"})
        assert copy.json()["id"] != file_id
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            assert world.ask(method, f"/v1/files/{file_id}{path}", headers=other).status_code == 404

    def test_scopes_hold_on_every_route(self, world: World) -> None:
        key = bearer(world.key("scoped", Level.ADMIN, scopes=["public"]))
        asked = [route for route in world.routes if not route.is_public]
        answers = {str(route): world.ask(**request_of(route, key)).status_code for route in asked}
        assert {route: status for route, status in answers.items() if status != 403} == {}


class TestWalk:
    def test_public_routes_are_known(self, world: World) -> None:
        assert {str(route) for route in world.routes if route.is_public} == PUBLIC

    def test_every_other_needs_a_login(self, world: World) -> None:
        asked = [route for route in world.routes if str(route) not in PUBLIC]
        answers = {str(route): world.ask(**request_of(route, {})).status_code for route in asked}
        assert len(answers) > 50
        assert {route: status for route, status in answers.items() if status != 401} == {}

    def test_set_up_is_over(self, world: World) -> None:
        for path in ("/api/v1/setup", "/api/auth/setup/first-admin", "/api/cloud/auth/setup/first-admin"):
            body = {**SETUP, "username": "thief", "email": "thief@example.org"}
            assert world.ask("POST", path, json=body, address="127.0.0.9").status_code == 409


def request_of(route: Route, headers: Headers) -> dict[str, Any]:
    arguments = route.request()
    return {"path": arguments.pop("url"), **arguments, "headers": headers}


class TestGuessing:
    @pytest.mark.parametrize(
        ("address", "path", "name"),
        [
            ("127.0.0.2", "/api/v1/login", "login"),
            ("127.0.0.3", "/api/auth/login", "username"),
            ("127.0.0.4", "/api/cloud/auth/login", "username"),
        ],
    )
    def test_two_hundred_wrong_logins(self, world: World, address: str, path: str, name: str) -> None:
        with httpx.Client(base_url=world.server.url, transport=httpx.HTTPTransport(local_address=address)) as thief:
            answers = [
                thief.post(
                    path,
                    json={name: "root", "password": f"guess {number}"},
                    headers={"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}"},
                )
                for number in range(200)
            ]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 180
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers[20:])
        right = {name: "root", "password": PASSWORD}
        assert world.ask("POST", path, json=right, address=address).status_code == 429
        assert world.ask("POST", path, json=right).status_code == 200


class TestOtherSites:
    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1"])
    def test_foreign_host(self, world: World, host: str) -> None:
        key, _ = world.key_of_root("host")
        for path in ("/api/v1/runs", "/jobs", "/api/users", "/healthz"):
            assert world.ask("GET", path, headers={**bearer(key), "Host": host}).status_code == 421

    @pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1:1"])
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/api/v1/runs", RUN),
            ("POST", "/jobs", {**JOB, "job_id": "foreign"}),
            ("POST", "/api/users", {"email": "e@example.org", "username": "evil"}),
            ("POST", "/api/v1/login", {"login": "root", "password": PASSWORD}),
            ("POST", "/api/v1/logout", None),
            ("DELETE", "/api/v1/runs/x", None),
        ],
    )
    def test_foreign_origin_with_a_cookie(
        self, world: World, origin: str, method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        answer = world.root.request(method, path, json=body, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert world.root.get("/api/v1/me").status_code == 200

    def test_own_origin(self, world: World) -> None:
        answer = world.root.post("/api/v1/runs", json=RUN, headers={"Origin": world.server.url})
        assert answer.status_code == 201

    @pytest.mark.parametrize("kind", ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"])
    def test_disguised_json(self, world: World, kind: str) -> None:
        for path in ("/api/v1/runs", "/jobs", "/api/users", "/api/v1/login"):
            answer = world.root.post(path, content=b"{}", headers={"Content-Type": kind})
            assert answer.status_code == 415
