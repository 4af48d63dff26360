"""The machine as the domain sees it."""

import threading
import time
from dataclasses import asdict

from finery.contracts.machine import Gpu, Machine
from finery.kit.machine import read_hardware

FRESH_SECONDS = 3.0


class MachineReader:
    """Reads the hardware at most every FRESH_SECONDS."""

    def __init__(self, *, cpu_slots: int) -> None:
        self._cpu_slots = cpu_slots
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._machine: Machine | None = None

    def __call__(self) -> Machine:
        with self._lock:
            now = time.monotonic()
            if self._machine is None or now - self._read_at > FRESH_SECONDS:
                self._machine, self._read_at = self._read(), now
            return self._machine

    def _read(self) -> Machine:
        found = read_hardware()
        return Machine(
            gpus=[Gpu(**asdict(gpu)) for gpu in found.gpus],
            cpu_slots=self._cpu_slots,
            cpu_count=found.cpu_count,
            memory_total_bytes=found.memory_total_bytes,
            memory_available_bytes=found.memory_available_bytes,
        )
