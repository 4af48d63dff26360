"""Measuring in this process, for tests of what becomes of it: the program's imports take seconds."""

from concurrent.futures import Future

import pytest

from finery.contracts.datasets.measurement import MeasurementRequest, MeasurementResult
from finery.contracts.datasets.measurement_worker import MeasurementWorker


def measure_here(monkeypatch: pytest.MonkeyPatch) -> list[MeasurementRequest]:
    """What is asked from now on."""
    pytest.importorskip("transformers")
    from finery.trainers.measuring import answer

    asked: list[MeasurementRequest] = []

    def submit(measurer: MeasurementWorker, request: MeasurementRequest) -> "Future[MeasurementResult]":
        asked.append(request)
        future: Future[MeasurementResult] = Future()
        future.set_result(answer(request))
        return future

    monkeypatch.setattr(MeasurementWorker, "submit", submit)
    monkeypatch.setattr(MeasurementWorker, "is_ready", True)
    return asked
