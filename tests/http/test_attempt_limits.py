"""Who needs no login is asked how often they came before what they send is read."""

import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.http.rate_limits import LOGINS, SETUPS
from tests.http.accounts import at_address

JSON = {"Content-Type": "application/json"}
MANY_KEYS = json.dumps({f"k{number}": number for number in range(4000)}).encode()
ROUTES = [
    ("/api/v1/login", LOGINS.per_minute),
    ("/api/auth/login", LOGINS.per_minute),
    ("/api/v1/setup", SETUPS.per_minute),
    ("/api/auth/setup/first-admin", SETUPS.per_minute),
]


@pytest.mark.usefixtures("client")
class TestAtMost:
    @pytest.mark.parametrize(("path", "amount"), ROUTES)
    def test_a_body_that_cannot_be_read_counts(self, app: FastAPI, path: str, amount: int) -> None:
        stranger = at_address(app, "203.0.113.7")
        answers = [stranger.post(path, content=MANY_KEYS, headers=JSON) for _ in range(amount + 1)]
        assert {answer.status_code for answer in answers[:-1]} == {422}
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["Retry-After"]) in range(1, 61)
        assert max(len(answer.content) for answer in answers) < 20_000

    def test_the_body_is_not_read_before(self, app: FastAPI) -> None:
        stranger = at_address(app, "203.0.113.7")
        for _ in range(LOGINS.per_minute):
            stranger.post("/api/v1/login", content=b"{", headers=JSON)
        read: list[int] = []

        def pieces() -> Iterator[bytes]:
            for number in range(3):
                read.append(number)
                yield b"x"

        # Read, it would be refused as no JSON, or as too large.
        headers = {**JSON, "Content-Length": str(60 << 20)}
        assert stranger.post("/api/v1/login", content=b"x", headers=headers).status_code == 413
        assert stranger.post("/api/v1/login", content=pieces(), headers=JSON).status_code == 429

    def test_other_addresses_are_not_turned_away(self, app: FastAPI) -> None:
        stranger = at_address(app, "203.0.113.7")
        for _ in range(LOGINS.per_minute + 5):
            stranger.post("/api/v1/login", content=MANY_KEYS, headers=JSON)
        other: TestClient = at_address(app, "203.0.113.8")
        assert other.post("/api/v1/login", json={"login": "root", "password": "x" * 12}).status_code != 429
