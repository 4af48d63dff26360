"""How long the contents of result files are, remembered: it is told in every list, and costs writing the content."""

from threading import Lock

from finery.domain.files import Result


class ResultSizes:
    """Bounded: what was kept first is forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._sizes: dict[Result, int] = {}

    def find(self, result: Result) -> int | None:
        return self._sizes.get(result)

    def keep(self, result: Result, size: int) -> None:
        with self._lock:
            self._sizes[result] = size
            if len(self._sizes) > self._limit:
                del self._sizes[next(iter(self._sizes))]
