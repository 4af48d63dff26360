"""Measuring in this process, for tests of what becomes of it: the program's imports take seconds."""

from concurrent.futures import Future

import pytest

from finery.contracts.datasets.measurement import Found, MeasurementRequest
from finery.contracts.datasets.measurer import Measurer


def measure_here(monkeypatch: pytest.MonkeyPatch) -> list[MeasurementRequest]:
    """What is asked from now on."""
    pytest.importorskip("transformers")
    from finery.trainers.measuring import answer

    asked: list[MeasurementRequest] = []

    def submit(measurer: Measurer, request: MeasurementRequest) -> "Future[Found]":
        asked.append(request)
        future: Future[Found] = Future()
        future.set_result(answer(request))
        return future

    monkeypatch.setattr(Measurer, "submit", submit)
    monkeypatch.setattr(Measurer, "is_ready", True)
    return asked
