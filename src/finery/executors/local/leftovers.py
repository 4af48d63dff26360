"""Finds and kills the processes that an attempt left behind, in its shim or, when that is gone, in the server."""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable

from finery.contracts.layout import MARK_VARIABLE, process_mark, shim_mark
from finery.kit.processes import Identity, Process, descendants, is_marked, processes, variable_of

ROUND_SECONDS = 0.01


def sweep(find: Callable[[], Iterable[Process]], seconds: float) -> set[Identity]:
    """SIGKILL what `find` finds until it finds nothing, at most for `seconds`; return what was killed."""
    killed: set[Identity] = set()
    deadline = time.monotonic() + seconds
    while left := [process.identity for process in find()]:
        killed.update(identity for identity in left if identity.signal(signal.SIGKILL))
        if time.monotonic() >= deadline:
            break
        time.sleep(ROUND_SECONDS)
    return killed


def below_shim(session: int, mark: str) -> list[Process]:
    """Returns all that lives under the calling shim."""
    return _belonging(list(processes()), [os.getpid()], session, mark)


def of_dead_shim(shim: Identity | None, process: Identity | None, mark: str) -> list[Process]:
    """Returns what provably belongs to an attempt whose shim is dead, or is to be ended with it."""
    # The list comes first: whoever is seen alive after it was in it, with the children that are its own.
    there = list(processes())
    # A record alone proves nothing: it may be a copy, of another home's. So whoever it names needs the mark, too.
    roots = [
        identity.pid
        for identity, sign in ((shim, shim_mark(mark)), (process, process_mark(mark)))
        if identity is not None and identity.look() is not None and is_marked(identity.pid, sign)
    ]
    # Once the leader is gone its number may name another's session, so its members then need the mark.
    session = process.pid if process is not None and process.pid in roots else None
    # The shim first: one that saw its process die would still write an account.
    return sorted(_belonging(there, roots, session, mark), key=lambda found: shim is None or found.pid != shim.pid)


def _belonging(there: list[Process], roots: list[int], session: int | None, mark: str) -> list[Process]:
    """Returns the living processes that are one of `roots` or descend from one, are in the session, or bear the mark.

    Orphans come to the shim, so only what left it twice over, or outlived it, needs the mark.
    """
    below = {child.pid for root in roots for child in descendants(root, there)} | set(roots)
    return [
        process
        for process in there
        if not process.is_dead
        and process.pid != os.getpid()
        and (process.pid in below or process.session == session or is_marked(process.pid, process_mark(mark)))
    ]


def of_no_record(prefix: str, live: Collection[str]) -> list[Process]:
    """Returns the processes whose mark begins with `prefix`, a home's, and is none of `live`.

    Shims have another mark: they live on, and account for the end of their process.
    """
    return [
        process
        for process in processes()
        if (mark := variable_of(process.pid, MARK_VARIABLE)) is not None
        and mark.startswith(prefix)
        and mark not in live
        and not process.is_dead
    ]
