"""Webhooks over HTTP; nothing sends their messages here."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.permissions import Level
from finery.http.services import Services
from tests.domain.accounts import people
from tests.http.accounts import bearer, key_of_new_user

URL = "https://hooks.example.org/finery"


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def path(webhook: dict[str, Any], *parts: str) -> str:
    return "/".join(("/api/v1/webhooks", webhook["id"], *parts))


class TestWebhooks:
    def test_from_creation_to_deletion(self, client: TestClient) -> None:
        made = create(client, name="팀", event_types=["run.failed", "fine_tuning.job.failed"])
        secret = made.pop("secret")
        assert secret.startswith("whsec_")
        assert client.get("/api/v1/webhooks").json() == {"webhooks": [made]}
        assert client.get(path(made)).json() == made
        changed = client.patch(path(made), json={"enabled": False}).json()
        assert (changed["enabled"], changed["disabled_reason"]) == (False, "it was switched off")
        rotated = client.post(path(made, "rotate-secret"), json={}).json()
        assert rotated["secret"] != secret
        assert rotated["previous_secret_until"] is not None
        assert client.delete(path(made)).status_code == 204
        assert client.get(path(made)).status_code == 404

    def test_the_secret_is_told_once(self, client: TestClient) -> None:
        made = create(client)
        test = client.post(path(made, "test"))
        told = "".join(
            answer.text
            for answer in (
                client.get("/api/v1/webhooks"),
                client.get(path(made)),
                client.patch(path(made), json={"name": "other"}),
                client.get(path(made, "deliveries")),
                client.get("/api/v1/audit"),
                test,
            )
        )
        assert made["secret"][6:] not in told

    def test_deliveries(self, client: TestClient) -> None:
        made = create(client)
        sent = client.post(path(made, "test"))
        assert (sent.status_code, sent.json()["state"], sent.json()["attempts"]) == (202, "pending", [])
        assert client.get(path(made, "deliveries"), params={"state": "pending"}).json() == {
            "deliveries": [sent.json()],
            "next_cursor": None,
        }
        message_id = sent.json()["id"]
        assert client.get(path(made, "deliveries", message_id)).json() == sent.json()
        again = client.post(path(made, "deliveries", message_id, "replay"))
        assert (again.status_code, again.json()["id"]) == (202, message_id)
        client.patch(path(made), json={"enabled": False})
        assert client.get(path(made, "deliveries", message_id)).json()["state"] == "cancelled"
        refused = client.post(path(made, "deliveries", message_id, "replay"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_disabled")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "url"),
            ({"url": "http://127.0.0.1:8001/"}, "url"),
            ({"url": "x" * 2001}, "url"),
            ({"url": URL, "event_types": []}, "event_types"),
            ({"url": URL, "event_types": ["run.success"]}, "event_types.0"),
            ({"url": URL, "event_types": ["x" * 65]}, "event_types.0"),
            ({"url": URL, "name": ""}, "name"),
            ({"url": URL, "secret": "whsec_mine"}, "secret"),
            ({"url": URL, "scope": "everyones"}, "scope"),
        ],
    )
    def test_issues_are_named(self, client: TestClient, body: dict[str, Any], field: str) -> None:
        answer = client.post("/api/v1/webhooks", json=body)
        assert answer.status_code == 422
        assert [issue["field"] for issue in answer.json()["error"]["errors"]] == [field]

    def test_who_did_it_is_on_record(self, client: TestClient) -> None:
        made = create(client)
        client.post(path(made, "rotate-secret"), json={"keep_old": False})
        client.delete(path(made))
        entries = client.get("/api/v1/audit").json()["entries"]
        assert [(entry["action"], entry["target"]) for entry in reversed(entries)] == [
            ("create_webhook", made["id"]),
            ("rotate_webhook_secret", made["id"]),
            ("delete_webhook", made["id"]),
        ]

    def test_everyones_runs(self, client: TestClient) -> None:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        people.first_admin(services.database)
        rosa, lead = (
            bearer(key_of_new_user(services.database, level, level)) for level in (Level.RESEARCHER, Level.LEAD)
        )
        body = {"url": URL, "scope": "all"}
        refused = client.post("/api/v1/webhooks", json=body, headers=rosa)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "all_runs_needed")
        assert client.post("/api/v1/webhooks", json=body, headers=lead).status_code == 201
