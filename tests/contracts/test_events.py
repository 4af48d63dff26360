import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from finery.contracts.events import (
    EVENT,
    Event,
    EventType,
    NoticeData,
    StatusData,
    StatusEvent,
    event_of,
)
from finery.contracts.status import RunStatus

FACTS: dict[str, Any] = {"run_id": "r", "sequence": 1, "at": 1.5, "attempt": 1}


class TestEventOf:
    @pytest.mark.parametrize(
        ("type", "data"),
        [
            ("status", {"from": "running", "to": "failed", "reason": "oom", "message": "no memory"}),
            ("status", {"to": "queued"}),
            ("intent", {"intent": "cancel"}),
            ("stage", {"stage": "training", "label": "training, 3 steps"}),
            ("progress", {"step": 1, "loss": None, "kl": 0.25, "grader_errors": {"a": 1}}),
            ("evaluation", {"step": 2, "loss": 1.75}),
            ("checkpoint", {"step": 2, "path": "/x"}),
            ("sample", {"step": 2, "prompt": "p", "text": "t", "scores": {"a": 0.5}}),
            ("notice", {"level": "warning", "code": "c", "message": "m", "peak_bytes": 5}),
            ("result", {"steps": 3, "train_loss": 1.5}),
            ("result", {}),
        ],
    )
    def test_what_is_stored_is_told_as_it_was_said(self, type: str, data: dict[str, Any]) -> None:
        event = event_of(EventType(type), data, **FACTS)
        assert event.data.as_json() == data
        assert json.loads(event.model_dump_json()) == {**FACTS, "type": type, "data": data}
        assert EVENT.validate_json(event.model_dump_json()) == event

    @pytest.mark.parametrize(
        ("type", "data", "left"),
        [
            ("checkpoint", {"step": "second", "path": "/x", "more": 1}, {"path": "/x", "more": 1}),
            ("sample", {"text": ["a"], "step": 1}, {"step": 1}),
            ("notice", {"level": "debug", "message": None}, {"level": "debug"}),
        ],
    )
    def test_what_a_program_told_that_fits_no_field_is_left_out(
        self, type: str, data: dict[str, Any], left: dict[str, Any]
    ) -> None:
        assert event_of(EventType(type), data, **FACTS).data.as_json() == left

    def test_types(self) -> None:
        event = event_of(EventType.STATUS, {"from": "queued", "to": "starting"}, **FACTS)
        assert isinstance(event, StatusEvent)
        assert (event.data.source, event.data.to) == (RunStatus.QUEUED, RunStatus.STARTING)
        assert {*EVENT.json_schema()["discriminator"]["mapping"]} == {*EventType}


class TestSchema:
    def test_tells_each_types_fields(self) -> None:
        schema = TypeAdapter(Event).json_schema(mode="serialization")
        assert schema["discriminator"]["propertyName"] == "type"
        assert {*schema["discriminator"]["mapping"]} == {*EventType}
        status = schema["$defs"]["StatusData"]
        assert {"from", "to", "reason", "message", "field"} == {*status["properties"]}


class TestTold:
    def test_only_what_was_said(self) -> None:
        assert NoticeData(code="c", message="m").as_json() == {"code": "c", "message": "m"}
        assert StatusData(to=RunStatus.QUEUED).as_json() == {"to": "queued"}
