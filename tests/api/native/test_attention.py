"""The routes of what needs attention."""

from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.contracts.run import Run
from finery.db import Database
from finery.domain.attention import Finding, attention_id, settle
from finery.kit.clock import utc_now
from tests import builders

FOUND = {"step": 12}


def test_lists_with_sentences_in_the_language_that_is_asked_for(app: FastAPI, client: TestClient) -> None:
    database: Database = app.state.services.database
    builders.write_rows(app.state.services.context.home.path)
    run = Run.model_validate(client.post("/api/v1/runs", json={**builders.RUN, "name": "first"}).json())
    finding = Finding("loss_not_finite", run.number, FOUND)
    with database.write() as session:
        settle(session, {attention_id(finding): finding}, [], utc_now())
    (english,) = client.get("/api/v1/attention").json()["attention"]
    assert english["message"] == "the loss is NaN or infinite at step 12"
    assert english["run"] == {"id": run.id, "name": "first", "recipe": "sft", "labels": {}, "owner_id": None}
    korean = client.get(f"/api/v1/runs/{run.id}/attention", headers={"Accept-Language": "ko"})
    assert korean.json()["attention"][0]["message"] == "스텝 12의 손실이 NaN 또는 무한대입니다"
    assert korean.headers["Content-Language"] == "ko"
    assert client.get("/api/v1/runs/none/attention").status_code == 404
