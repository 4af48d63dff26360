"""What a machine may lack for a while. It says nothing about the work that met it, which is tried again later."""

import errno

SHORTAGES = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EAGAIN, errno.ENOMEM}
)  # fmt: skip
"""Errors of descriptors, disk, processes and memory that others use up now and give back later. A disk is read-only
when the kernel has met errors on it, or while somebody makes a snapshot: an operator puts it right."""


def is_shortage(error: BaseException | None) -> bool:
    """Whether a shortage is behind an error, however often it was wrapped."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            return True
        error = error.__cause__ or error.__context__
    return False
