"""The queue in its order, and who holds which device."""

from pydantic import BaseModel

from finery.contracts.base_models import FrozenModel
from finery.contracts.run import Run, WaitReason
from finery.contracts.sentences import Sentence


class QueueEntry(FrozenModel):
    position: int
    """Among the runs of all users, counted from 1, by priority, then by age."""
    reason: WaitReason
    """Why it has not started, as a word for programs."""
    message: Sentence
    """The reason as a sentence for people."""
    run: Run


class DeviceHolder(FrozenModel):
    """Who holds a device, or a part of its memory."""

    kind: str
    """`run` or `deployment`."""
    id: str | None
    """None: it is somebody else's, and not shared."""
    name: str | None


class DeviceUse(FrozenModel):
    device: str
    """`gpu:<index>` or `cpu:<slot>`; `ram`: the memory for engines on a machine without GPUs."""
    holders: list[DeviceHolder]
    """Empty: it is free. A run shares its devices with none; engines share a GPU's memory."""


class Queue(BaseModel):
    entries: list[QueueEntry]
    """The queued runs that the caller may see, in order."""
    length: int
    """How many runs of all users are queued."""
    next_after: int | None
    """The position after which the next page begins, as `after`."""
    devices: list[DeviceUse]
