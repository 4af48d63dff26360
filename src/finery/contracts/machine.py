"""The resources of a machine: GPUs, CPU slots and memory."""

from finery.contracts.base_models import FrozenModel


class Gpu(FrozenModel):
    index: int
    uuid: str
    name: str
    memory_total_bytes: int
    memory_free_bytes: int


class Machine(FrozenModel):
    gpus: list[Gpu]
    cpu_slots: int
    cpu_count: int
    memory_total_bytes: int
    memory_available_bytes: int
