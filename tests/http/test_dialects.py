"""Which of several dialects answers where no route does."""

import re

import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from starlette.responses import Response
from starlette.testclient import TestClient

from finery.http.dialects import Dialect, Dialects
from finery.http.errors import ErrorShape, add_error_handlers, dialect_route
from finery.http.permission import AllowEveryone


class Told(BaseModel):
    by: str


def make(name: str, prefixes: tuple[str, ...], ids: str | None, routes: list[tuple[str, str]]) -> Dialect:
    """A dialect whose errors hold its name and nothing else."""
    shape = ErrorShape(lambda _: {"by": name})
    router = APIRouter(route_class=dialect_route(shape))
    for method, path in routes:

        @router.api_route(path, methods=[method], dependencies=[Depends(AllowEveryone())])
        async def answer() -> Response:
            return Response(name)

    return Dialect(name, (router,), prefixes, shape, Told, ids=ids and re.compile(ids))


@pytest.fixture(scope="module")
def client() -> TestClient:
    uuid = "[0-9a-f]{8}-[0-9a-f-]{27}"
    dialects = (
        make("files", ("/v1",), "upload_.+", [("GET", "/v1/uploads/{id}"), ("POST", "/v1/uploads/{id}")]),
        make("projects", ("/v1/datasets", "/v1/projects"), uuid, [("DELETE", "/v1/uploads/{id}")]),
        make("root", ("",), None, [("GET", "/jobs/{id}")]),
        make("moe", ("/api/moe",), None, []),
        make("studio", ("/api",), None, []),
    )
    app = FastAPI(openapi_url=None)
    for dialect in dialects:
        app.router.routes.extend(dialect.routers[0].routes)
    add_error_handlers(app, Dialects(dialects).errors_for)
    return TestClient(app)


class TestNoRoute:
    @pytest.mark.parametrize(
        ("path", "by"),
        [
            ("/v1/files/x", "files"),
            ("/v1/datasets/x", "projects"),
            ("/v1/datasets", "projects"),
            ("/v1/datasetsx", "files"),
            ("/v1", "files"),
            ("/v10", "root"),
            ("/api/moe/x", "moe"),
            ("/api/moes", "studio"),
            ("/api/x", "studio"),
            ("/x", "root"),
            ("/", "root"),
        ],
    )
    def test_the_longest_prefix_counts(self, client: TestClient, path: str, by: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"by": by})


class TestSharedAddress:
    UPLOAD = "/v1/uploads/upload_1"
    UUID = "/v1/uploads/6f0f7f1e-5d0a-4a0e-9d2f-2f1f3b1c9a77"

    @pytest.mark.parametrize("path", [UPLOAD, UUID, "/v1/uploads/other"])
    def test_the_method_has_a_route(self, client: TestClient, path: str) -> None:
        found = {method: client.request(method, path).text for method in ("GET", "POST", "DELETE")}
        assert found == {"GET": "files", "POST": "files", "DELETE": "projects"}

    @pytest.mark.parametrize(("path", "by"), [(UPLOAD, "files"), (UUID, "projects"), ("/v1/uploads/other", "files")])
    def test_no_dialect_has_the_method(self, client: TestClient, path: str, by: str) -> None:
        answer = client.put(path)
        assert (answer.status_code, answer.json()) == (405, {"by": by})
        assert answer.headers["Allow"] == "DELETE, GET, POST"


class TestRefused:
    @pytest.mark.parametrize(
        ("first", "second", "says"),
        [
            (("shop", "/shop"), ("shop", "/other"), "'shop' stands for two"),
            (("shop", "/v9"), ("store", "/v9"), "'/v9' stands for two"),
            (("shop", "/shop/"), ("store", "/v9"), "'/shop/' is no prefix"),
            (("shop", "shop"), ("store", "/v9"), "'shop' "),
            (("shop", "/"), ("store", "/v9"), "'/' is no prefix"),
        ],
    )
    def test_what_would_answer_in_anothers_place_or_never(
        self, first: tuple[str, str], second: tuple[str, str], says: str
    ) -> None:
        with pytest.raises(ValueError, match=says):
            Dialects(tuple(make(name, (prefix,), None, []) for name, prefix in (first, second)))

    def test_a_route_that_everybody_could_call(self) -> None:
        dialect = make("shop", ("/shop",), None, [])

        @dialect.routers[0].get("/shop/till")
        async def open_till() -> Response:
            return Response()

        with pytest.raises(ValueError, match=r"'shop' asks for no permission.*/shop/till"):
            Dialects((dialect,))
