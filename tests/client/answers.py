"""Answers of the native API, as a server gives them."""

import json
from typing import Any

from tests.client.scripted import Scripted, as_json


def run(**fields: Any) -> dict[str, Any]:
    return {
        "id": "ab12cd34",
        "uid": "ab12cd34",
        "number": 1,
        "source": "native",
        "owner_id": None,
        "shared": False,
        "recipe": "command",
        "name": None,
        "labels": {},
        "config": {},
        "requested": {},
        "resources": {"gpus": 0, "cpu_slots": 1},
        "priority": 0,
        "time_limit_seconds": None,
        "status": "running",
        "intent": None,
        "reason": None,
        "error": None,
        "attempt": 1,
        "progress": {"fraction": 0.0},
        "model_name": None,
        "dataset": None,
        "output_dir": None,
        "log_file": None,
        "created_at": "2026-11-21T04:00:00Z",
        "updated_at": "2026-11-21T04:00:00Z",
        "started_at": None,
        "finished_at": None,
        "last_sequence": 0,
        **fields,
    }


def event(sequence: int, type: str = "notice", **data: Any) -> dict[str, Any]:
    return {"run_id": "ab12cd34", "sequence": sequence, "type": type, "at": 1.0, "attempt": 1, "data": data}


def ended(sequence: int, status: str = "succeeded") -> dict[str, Any]:
    return event(sequence, "status", **{"from": "running", "to": status, "reason": "completed"})


def stream(*events: dict[str, Any], cut: bool = False) -> Scripted:
    frames = [f"id: {each['sequence']}\nevent: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events]
    return Scripted(
        "".join([": heartbeat\n\n", *frames]).encode(), headers={"Content-Type": "text/event-stream"}, cut=cut
    )


def listed(*events: dict[str, Any]) -> Scripted:
    return as_json({"events": list(events)})
