"""Reads this machine's GPUs, CPUs and memory for the domain, and caches them for some seconds."""

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
                hardware = asdict(read_hardware())
                gpus = [Gpu(**gpu) for gpu in hardware.pop("gpus")]
                self._machine, self._read_at = Machine(gpus=gpus, cpu_slots=self._cpu_slots, **hardware), now
            return self._machine
