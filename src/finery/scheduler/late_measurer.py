"""Measures in the background the datasets of queued runs whose creation did not wait for it: one step of a loop."""

from finery.contracts.datasets.measurement import MeasurementResult, NotMeasured
from finery.contracts.datasets.measurement_worker import START_SECONDS, WorkerBusy
from finery.db import Database
from finery.domain.context import DomainContext
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused
from finery.domain.datasets.quick_measurement import measure_later
from finery.domain.runs import measurements

IDLE_SECONDS = 5.0
RETRY_SECONDS = 1.0


class LateMeasurer:
    """Measures one run's data after the other: each has the processor to itself, beside the requests that wait."""

    def __init__(self, database: Database, context: DomainContext) -> None:
        self._database = database
        self._context = context

    def work(self) -> float:
        with self._database.read() as session:
            due = measurements.next_due(session)
        if due is None:
            return IDLE_SECONDS
        found: MeasurementResult | DatasetRefused
        if due.request is None:
            found = NotMeasured(reason="it was asked for by another version of the server")
        else:
            try:
                found = measure_later(due.request, self._context, seconds=START_SECONDS)
            except (WorkerBusy, TimeoutError):
                return RETRY_SECONDS
            except DatasetRefused as error:
                found = error
            except (DatasetNotFound, OSError) as error:
                found = NotMeasured(reason=str(error))
        with self._database.write() as session:
            measurements.record(session, due, found)
        return 0.0
