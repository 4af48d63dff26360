"""Errors that end a training, and the run's Reason for each."""

import errno

from finery.contracts.recipes.base import MODEL
from finery.contracts.status import Reason

# A file system that became read-only counts as full: it takes no data either, and that is no fault of the training.
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
DISK_FULL_WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "Read-only file system",
    "os error 28)",
    "os error 27)",
    "os error 30)",
    "PytorchStreamWriter failed writing",
)
"""The native writers of tensors raise no OSError, so that only their messages say it."""

MEMORY_WORDS = (
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
    "Cannot allocate memory",
)


class TrainingRefused(Exception):
    """The run cannot be trained as it was configured; the message is for its user, and `field` is the one of the
    configuration that it is about."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ModelMisfit(TrainingRefused):
    """The parts of the model do not fit each other, so that no data can be trained on it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field=MODEL)


class Diverged(Exception):
    """The loss or a gradient is not finite any more."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(
            f"{what} at step {step}: the training diverged; "
            "try a smaller learning rate, a longer warm-up or precision fp32"
        )


class OutOfMemory(Exception):
    """The memory does not suffice even for the smallest batch."""


class PausedBeforeTraining(Exception):
    """A pause was requested while data and model were being loaded; there is nothing to save yet."""


def reason_of(error: BaseException) -> Reason:
    if isinstance(error, PausedBeforeTraining):
        return Reason.PAUSED
    if is_disk_full(error):
        return Reason.DISK_FULL
    if isinstance(error, OutOfMemory) or is_out_of_memory(error):
        return Reason.OOM
    return Reason.ERROR


def is_out_of_memory(error: BaseException) -> bool:
    """Recognizes Python's, the CPU allocator's and CUDA's errors; torch.OutOfMemoryError is a RuntimeError."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MEMORY_WORDS)


def is_disk_full(error: BaseException | None) -> bool:
    """Returns whether the error or one of its causes says that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
            return True
        if any(words in str(error) for words in DISK_FULL_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
