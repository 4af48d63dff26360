"""Reports that were made, kept for as long as they are asked for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock

from finery.contracts.datasets.report import DatasetReport


@dataclass
class _Slot:
    lock: Lock = field(default_factory=Lock)
    report: DatasetReport | None = None


class ReportCache:
    """Bounded; threads that ask for the same report at the same time wait for one of them to make it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def get_or_make(self, key: Hashable, make: Callable[[], DatasetReport]) -> DatasetReport:
        """What `make` raises is not kept: the next to ask tries again."""
        slot = self._slot(key)
        with slot.lock:
            if slot.report is None:
                slot.report = make()
            return slot.report

    def _slot(self, key: Hashable) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if len(self._slots) > self._limit:
                self._slots.popitem(last=False)
            return slot
