"""What requests of the fuzzer can name: runs in every state, deployments, datasets, files, uploads, jobs, users, keys.

Of each there are several, because some requests delete them. All belong to the one who asks, but for one run.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from finery.contracts.events import EvaluationData, ProgressData
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import append_event, change_status
from finery.kit.clock import utc_now
from finery.models import ArtifactRow, RunRow
from tests.builders import ROW, RUN

COPIES = 6
MODEL = "finery/tiny-llama"
NOTHING = "nothing-has-this-id"
JOB = {"model_name": "m", "dataset": "d"}
HOOK = "https://example.org/hook"
ENDPOINT = {"url": HOOK, "name": "hook", "event_types": ["fine_tuning.job.succeeded"]}
CHAT = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"Q{n}"}, {"role": "assistant", "content": f"A{n}"}]}) + "\n"
    for n in range(12)
)
RANGES = [
    "bytes=0-3",
    "bytes=-1",
    "bytes=3-",
    "bytes=0-0,2-3",
    "bytes=5-1",
    "bytes=999999-",
    "bytes=-0",
    f"bytes={2**70}-",
]

NEW = "(new)"
"""In a text: is replaced by something that was not there before."""
PASSWORD = "correct horse"

Pools = dict[str, list[Any]]
Send = Callable[..., requests.Response]


def furnish(send: Send, database: Database, home: Path) -> Pools:
    """What parameters may name, by their names. `send` is requests' `request` for the one who asks."""
    runs = [run_id for number in range(COPIES) for run_id in _runs(send, database, home, number)]
    pools: Pools = {
        "run_id": [*runs, NOTHING],
        "job_id": [*runs, *(_registered(send, number) for number in range(COPIES)), NOTHING],
        "artifact_id": ["1", "2", "3", str(2**63), "0"],
        "deployment_id": [
            _made(send, "/api/v1/deployments", json={"model": MODEL, "shared": True}) for _ in range(COPIES)
        ],
        "dataset_id": [_dataset(send, number) for number in range(COPIES)],
        "file_id": [_file(send) for _ in range(COPIES)],
        "upload_id": [_upload(send, number) for number in range(COPIES)],
        "key_id": [send("POST", "/api/v1/keys", json={"name": "spare"}).json()["info"]["id"] for _ in range(COPIES)],
        "name": ["TOKEN", "OTHER", "NONE"],
        "Range": RANGES,
        "Last-Event-ID": ["0", "1", "-1", "9" * 30],
        "Idempotency-Key": ["one", "two"],
    }
    for name in ("TOKEN", "OTHER"):
        send("PUT", f"/api/v1/secrets/{name}", json={"value": "0123456789"}).raise_for_status()
    pools["fine_tuning_job_id"] = [_fine_tuning_job(send, pools["file_id"][0]) for _ in range(COPIES)]
    pools["webhook_id"] = [_made(send, "/api/v1/webhooks", json={"url": HOOK}) for _ in range(COPIES)]
    pools["webhook_endpoint_id"] = [_made(send, "/v1/webhook_endpoints", json=ENDPOINT) for _ in range(COPIES)]
    pools["message_id"] = [_made(send, f"/api/v1/webhooks/{id}/test") for id in pools["webhook_id"]]
    pools["run_id"] += pools["fine_tuning_job_id"][:2]
    return pools


def words(pools: Mapping[str, list[Any]]) -> Pools:
    """What fields of bodies and of queries may hold beside what the schema says."""
    datasets = [
        "rows.jsonl",
        "dataset:rows-0",
        "dataset:rows-0@1",
        "dataset:rows-0@99",
        *pools["file_id"][:2],
        "/etc/passwd",
    ]
    models = [MODEL, "outputs/none", "../..", "ft:none", pools["run_id"][3], f"ft:{MODEL}:finery::{pools['run_id'][3]}"]
    return {
        "model": models,
        "model_name": models,
        "model_path": models,
        "dataset_path": datasets,
        "eval_dataset_path": datasets,
        "training_file": pools["file_id"],
        "validation_file": pools["file_id"],
        "path": ["inner.txt", "..", "/etc/passwd", "", *datasets[:2]],
        "output_dir": ["outputs/a", "outputs/b", "..", "/etc", "outputs"],
        "url": [HOOK, "http://127.0.0.1:1/", "ftp://example.org", "https://[::1]/", "x"],
        "event_types": [["run.failed"], ["fine_tuning.job.succeeded"], ["none"], []],
        "version": [1, 2, 99],
        "old": [1, 2],
        "new": [1, 2],
        "purpose": ["fine-tune"],
        "cursor": ["1", "0", "x", str(2**64)],
        "after": [0, 3, *pools["fine_tuning_job_id"][:1], *pools["file_id"][:1]],
        "label": ["team=search", "a=b=c", "=", "team"],
        "job_id": ["new-one", "registered-0"],
        "status": ["succeeded", "running", "failed", "queued", "completed"],
        "scoped_permissions": [["account:self"], ["runs:read", "keys:self"]],
        "levels": [["viewer"], ["researcher", "lead"], []],
    }  # fmt: skip


def accepted(pools: Mapping[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """For operations whose bodies are seldom accepted when they are drawn from the schema: one that is."""
    sft = {"model_name": MODEL, "dataset_path": "dataset:rows-0", "output_dir": f"outputs/{NEW}"}
    user = {"email": f"{NEW}@example.org", "username": f"u{NEW}", "password": PASSWORD}
    first = {"email": "first@example.org", "username": "first", "password": PASSWORD}
    return {
        "POST /api/v1/runs": {**RUN, "id": f"run-{NEW}", "labels": {"team": "search"}},
        "POST /train/sft": sft,
        "POST /api/v1/users": user,
        "POST /api/users": user,
        "POST /api/v1/setup": first,
        "POST /api/v1/login": {"login": "guest", "password": PASSWORD},
        "POST /api/v1/me/password": {"current_password": PASSWORD, "new_password": PASSWORD},
        "POST /api/v1/datasets/check": {"path": "rows.jsonl", "recipe": "sft"},
        "POST /api/v1/datasets/{dataset_id}/restore": {"version": 1},
        "POST /v1/fine_tuning/jobs": {"model": MODEL, "training_file": pools["file_id"][0]},
        "POST /v1/chat/completions": {"model": MODEL, "messages": [{"role": "user", "content": "Q"}]},
        "POST /v1/completions": {"model": MODEL, "prompt": "Q"},
        "PATCH /jobs/{job_id}/status": {"status": "running"},
    }


def _runs(send: Send, database: Database, home: Path, number: int) -> list[str]:
    """One in each state."""
    found = []
    for state in ("queued", "paused", "running", "succeeded", "failed", "cancelled"):
        found.append(_made(send, "/api/v1/runs", json={**_run(number), "id": f"{state}-{number}"}))
    queued, paused, running, succeeded, failed, cancelled = found
    send("POST", f"/api/v1/runs/{paused}/pause").raise_for_status()
    send("POST", f"/api/v1/runs/{cancelled}/cancel").raise_for_status()
    _begin(database, running)
    _begin(database, succeeded, RunStatus.SUCCEEDED, Reason.COMPLETED)
    _begin(database, failed, RunStatus.FAILED, Reason.ERROR)
    _leave_files(database, home, succeeded)
    return [queued, paused, running, succeeded, failed, cancelled]


def _run(number: int) -> dict[str, Any]:
    return {**RUN, "name": f"모델 {number}", "labels": {"team": "search"}, "shared": True}


def _begin(database: Database, run_id: str, end: RunStatus | None = None, reason: Reason | None = None) -> None:
    with database.write() as session:
        row = lock_row(session, run_id, LOCAL_ADMINISTRATOR)
        change_status(session, row, RunStatus.STARTING)
        change_status(session, row, RunStatus.RUNNING)
        for step in (1, 2):
            data = {"step": step, "total_steps": 2, "loss": 2.5 / step, "eta_seconds": 0.0}
            append_event(session, row, ProgressData.model_validate(data))
        append_event(session, row, EvaluationData(step=2, loss=1.75))
        row.progress = {"fraction": 1.0, "tokens": 1234}
        if end is not None:
            change_status(session, row, end, reason=reason, message=None)


def _leave_files(database: Database, home: Path, run_id: str) -> None:
    made = home / "runs" / run_id / "made"
    made.mkdir(parents=True)
    (made / "inner.txt").write_text("inner")
    log = home / "outputs" / "training_logs" / f"job_{run_id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("one\ntwo\r\nthree \N{GRINNING FACE}\n")
    with database.write() as session:
        row = lock_row(session, run_id, LOCAL_ADMINISTRATOR)
        session.add_all([_artifact(row, made / "inner.txt", "file", 5), _artifact(row, made, "folder", 5)])


def _artifact(row: RunRow, path: Path, kind: str, size: int) -> ArtifactRow:
    return ArtifactRow(
        run_number=row.number, name=path.name, type=kind, path=str(path), size_bytes=size, tags=[], created_at=utc_now()
    )


def _registered(send: Send, number: int) -> str:
    return _made(send, "/jobs", "job_id", json={**JOB, "job_id": f"registered-{number}"})


def _dataset(send: Send, number: int) -> str:
    form = {"name": f"rows-{number}", "shared": "true"}
    dataset_id = _made(send, "/api/v1/datasets", files={"file": ("rows.jsonl", ROW)}, data=form)
    send("POST", f"/api/v1/datasets/{dataset_id}/versions", files={"file": ("rows.jsonl", ROW * 3)}).raise_for_status()
    return dataset_id


def _file(send: Send) -> str:
    return _made(send, "/v1/files", files={"file": ("chat.jsonl", CHAT)}, data={"purpose": "fine-tune"})


def _upload(send: Send, number: int) -> str:
    """Every other one has a part already."""
    body = {"filename": "rows.jsonl", "purpose": "fine-tune", "bytes": len(CHAT), "mime_type": "text/jsonl"}
    upload_id = _made(send, "/v1/uploads", json=body)
    if number % 2:
        send("POST", f"/v1/uploads/{upload_id}/parts", files={"data": ("part", CHAT)}).raise_for_status()
    return upload_id


def _fine_tuning_job(send: Send, file_id: str) -> str:
    return _made(send, "/v1/fine_tuning/jobs", json={"model": MODEL, "training_file": file_id})


def _made(send: Send, path: str, name: str = "id", **body: Any) -> str:
    answer = send("POST", path, **body)
    assert answer.ok, answer.text
    found: str = answer.json()[name]
    return found
