import json

import pytest

from finery.contracts.events import EventType
from finery.scheduler.event_lines import parse_events, storable

LONGEST = 1000


def line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


class TestParseEvents:
    def test_whole_lines_only(self) -> None:
        data = line(type="stage", at=1.0, data={"stage": "training"})
        events, taken = parse_events(data + b'{"type": "st', longest=LONGEST)
        assert ([event.type for event in events], taken) == ([EventType.STAGE], len(data))

    def test_a_line_that_never_ends_is_cut(self) -> None:
        events, taken = parse_events(b"x" * LONGEST, longest=LONGEST)
        assert ([event.data["code"] for event in events], taken) == (["unreadable_event"], LONGEST)

    @pytest.mark.parametrize(
        "data",
        [
            b"no json\n",
            b"[]\n",
            line(type="unknown", at=1.0),
            line(type="progress", at="soon"),
            line(type="progress", at=1e300),
            line(type="progress", at=-1),
            line(type="progress", at=1.0, data={"fraction": "abc"}),
            line(type="progress", at=1.0, data={"step": "x"}),
            line(type="stage", at=1.0, data={"stage": [1]}),
            line(type="status", at=1.0, data={"to": "succeeded"}),
            line(type="intent", at=1.0, data={"intent": "cancel"}),
        ],
    )
    def test_what_is_no_event_becomes_a_notice(self, data: bytes) -> None:
        (event,), taken = parse_events(data, longest=LONGEST)
        assert (event.type, event.data["code"], taken) == (EventType.NOTICE, "unreadable_event", len(data))


class TestStorable:
    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            ({"loss": float("nan"), "b": [float("inf"), 1.5]}, {"loss": None, "b": [None, 1.5]}),
            ("a\0b", "ab"),
            ({"loss": 10**400, "step": -(10**309), "seed": 2**63}, {"loss": None, "step": None, "seed": 2**63}),
            ({"a\0": True}, {"a": True}),
        ],
    )
    def test_what_databases_refuse(self, value: object, stored: object) -> None:
        assert storable(value) == stored
