"""Reports that were made, kept for as long as they are asked for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock

from finery.contracts.datasets.report import DatasetReport


class ReportCache:
    """Bounded; threads that ask for the same report at the same time wait for one of them to make it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._reports: OrderedDict[Hashable, Future[DatasetReport]] = OrderedDict()

    def get_or_make(self, key: Hashable, make: Callable[[], DatasetReport]) -> DatasetReport:
        """What `make` raises reaches all that wait, and is not kept."""
        with self._lock:
            future = self._reports.get(key)
            mine = future is None
            if future is None:
                future = self._reports[key] = Future()
            self._reports.move_to_end(key)
            while len(self._reports) > self._limit:
                self._reports.popitem(last=False)
        if mine:
            self._make(key, future, make)
        return future.result()

    def _make(self, key: Hashable, future: Future[DatasetReport], make: Callable[[], DatasetReport]) -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            with self._lock:
                self._reports.pop(key, None)
            future.set_exception(error)
            raise
