"""A key of the query that means nothing is refused, not passed over."""

import httpx
import pytest

PATHS = ["files", "files/x", "models", "models/finery/tiny-llama", "fine_tuning/jobs", "fine_tuning/jobs/x",
         "fine_tuning/jobs/x/events", "fine_tuning/jobs/x/checkpoints", "webhook_endpoints"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_key_is_refused(base_url: str, path: str) -> None:
    answer = httpx.get(f"{base_url}/v1/{path}", params={"colour": "red"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "colour", "unknown_parameter")


def test_a_purpose_belongs_in_the_form(base_url: str) -> None:
    answer = httpx.post(f"{base_url}/v1/files", params={"purpose": "batch"}, files={"file": ("a", b"x")})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "purpose")
