"""What accepted runs' data are to their models, where their requests did not wait for it."""

from finery.contracts.datasets.measurement import MeasurementResult, NotMeasured
from finery.contracts.datasets.measurement_worker import START_SECONDS, NotNow
from finery.db import Database
from finery.domain.context import DomainContext
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused
from finery.domain.datasets.quick_measurement import measure_later
from finery.domain.runs import measurements
from finery.domain.runs.measurements import MeasurementDue

IDLE_SECONDS = 5.0
AGAIN_SECONDS = 1.0


class LateMeasurer:
    """One after another: each has the processor to itself, beside the requests that are measured while they wait."""

    def __init__(self, database: Database, context: DomainContext) -> None:
        self._database = database
        self._context = context

    def work(self) -> float:
        with self._database.read() as session:
            due = measurements.next_due(session)
        if due is None:
            return IDLE_SECONDS
        try:
            found = self._found(due)
        except (NotNow, TimeoutError):
            return AGAIN_SECONDS
        with self._database.write() as session:
            measurements.record(session, due, found)
        return 0.0

    def _found(self, due: MeasurementDue) -> MeasurementResult | DatasetRefused:
        """Raises NotNow, TimeoutError."""
        if due.request is None:
            return NotMeasured(reason="it was asked for by another version of the server")
        try:
            return measure_later(due.request, self._context, seconds=START_SECONDS)
        except DatasetRefused as error:
            return error
        except (DatasetNotFound, OSError) as error:
            return NotMeasured(reason=str(error))
