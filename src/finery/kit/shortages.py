"""Recognizes temporary shortages of the machine (disk, memory, descriptors), after which work is retried."""

import errno

SHORTAGES = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EAGAIN, errno.ENOMEM}
)  # fmt: skip
"""Error numbers of missing descriptors, disk space, processes and memory. EROFS is one: a disk is read-only after
errors or during a snapshot, until an operator acts."""


def is_shortage(error: BaseException | None) -> bool:
    """Returns whether a shortage caused the error, however often it was wrapped."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            return True
        error = error.__cause__ or error.__context__
    return False
