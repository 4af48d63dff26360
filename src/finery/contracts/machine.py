"""What a machine has to lease."""

from pydantic import BaseModel, ConfigDict


class Gpu(BaseModel):
    model_config = ConfigDict(frozen=True)

    index: int
    uuid: str
    name: str
    memory_total_bytes: int
    memory_free_bytes: int


class Machine(BaseModel):
    model_config = ConfigDict(frozen=True)

    gpus: list[Gpu]
    cpu_slots: int
    cpu_count: int
    memory_total_bytes: int
    memory_available_bytes: int
