"""Reads this machine's GPUs (through NVML, without the training stack), cores and memory."""

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

CPU_DESCRIPTION = Path("/proc/cpuinfo")
CPU_BFLOAT16 = frozenset({"amx_tile", "avx512_bf16"})
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
CGROUP_USE = Path("/sys/fs/cgroup/memory.current")


@dataclass(frozen=True)
class GpuReading:
    index: int
    uuid: str
    name: str
    memory_total_bytes: int
    memory_free_bytes: int


@dataclass(frozen=True)
class HardwareReading:
    gpus: tuple[GpuReading, ...]
    cpu_count: int
    """Number of cores that this process may use."""
    memory_total_bytes: int
    memory_available_bytes: int
    """Total and available memory are within the control group's limit."""


def read_hardware() -> HardwareReading:
    total, available = _memory()
    return HardwareReading(
        gpus=tuple(read_gpus()),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_total_bytes=total,
        memory_available_bytes=available,
    )


def read_gpus() -> list[GpuReading]:
    """Returns the GPUs in NVML's order; none if there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_read_gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def gpu_utilization() -> dict[int, int]:
    """Returns for each GPU that tells it for how many percent of the last moments it computed."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        return dict(_utilization(index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        # A GPU that is cut into parts (MIG) tells it of none of them.
        return {}
    finally:
        pynvml.nvmlShutdown()


@functools.cache
def computes_bfloat16() -> bool:
    """Returns whether the processor computes bfloat16; else it is emulated, several times slower than float32."""
    try:
        text = CPU_DESCRIPTION.read_text()
    except OSError:
        return False
    return not CPU_BFLOAT16.isdisjoint(text.split())


def platform_name() -> str:
    return f"{platform.system()} {platform.release()} ({platform.machine()})"


def _read_gpu(index: int) -> GpuReading:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return GpuReading(
        index=index,
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        name=_text(pynvml.nvmlDeviceGetName(handle)),
        memory_total_bytes=int(memory.total),
        memory_free_bytes=int(memory.free),
    )


def _utilization(index: int) -> tuple[int, int]:
    import pynvml

    return index, int(pynvml.nvmlDeviceGetUtilizationRates(pynvml.nvmlDeviceGetHandleByIndex(index)).gpu)


def _text(value: str | bytes) -> str:
    """Decodes text, which older bindings of NVML return as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _memory() -> tuple[int, int]:
    import psutil

    memory = psutil.virtual_memory()
    limit = _read_number(CGROUP_LIMIT)
    if limit is None or limit >= memory.total:
        return memory.total, memory.available
    return limit, min(memory.available, max(0, limit - (_read_number(CGROUP_USE) or 0)))


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
