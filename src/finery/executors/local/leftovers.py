"""Finding and ending what an attempt left behind, from inside its shim or, when that is gone, from the server."""

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable

from finery.contracts.layout import MARK_VARIABLE, process_mark, shim_mark
from finery.kit.processes import Identity, Process, descendants, is_marked, processes, shown

ROUND_SECONDS = 0.01


def sweep(find: Callable[[], Iterable[Process]], seconds: float) -> set[Identity]:
    """SIGKILL what `find` finds until it finds nothing, at most for `seconds`; return what was killed."""
    killed: set[Identity] = set()
    deadline = time.monotonic() + seconds
    while found := [process.identity for process in find()]:
        killed.update(identity for identity in found if identity.signal(signal.SIGKILL))
        if time.monotonic() >= deadline:
            break
        time.sleep(ROUND_SECONDS)
    return killed


def below_shim(session: int, mark: str) -> list[Process]:
    """All that lives under the calling shim: orphans come to it, so only what left it twice over needs the mark."""
    own = os.getpid()
    there = list(processes())
    below = {process.pid for process in descendants(own, there)}
    return [
        process
        for process in there
        if not process.is_dead
        and process.pid != own
        and (process.pid in below or process.session == session or is_marked(process.pid, process_mark(mark)))
    ]


def of_dead_shim(shim: Identity | None, process: Identity | None, mark: str) -> list[Process]:
    """What provably belongs to an attempt whose shim minds it no more (or is to be ended with it).

    A record alone proves nothing: it may be a copy, of another home's. So whoever it names needs the attempt's mark,
    too. Once the leader is gone its number may name another's session, so its members then need the mark.
    """
    own = os.getpid()
    there = list(processes())
    named = ((shim, shim_mark(mark)), (process, process_mark(mark)))
    roots = [
        identity.pid
        for identity, sign in named
        if identity is not None and identity.look() is not None and is_marked(identity.pid, sign)
    ]
    session = process.pid if process is not None and process.pid in roots else None
    below = {child.pid for root in roots for child in descendants(root, there)} | set(roots)
    left = [
        found
        for found in there
        if not found.is_dead
        and found.pid != own
        and (found.pid in below or found.session == session or is_marked(found.pid, process_mark(mark)))
    ]
    # The shim first: one that saw its process die would still write an account.
    return sorted(left, key=lambda found: shim is None or found.pid != shim.pid)


def of_no_record(prefix: str, live: Collection[str]) -> list[Process]:
    """Whose mark begins with `prefix`, a home's, and is none of `live`. Shims have another, and see to the rest."""
    return [
        process
        for process in processes()
        if (mark := shown(process.pid, MARK_VARIABLE)) is not None
        and mark.startswith(prefix)
        and mark not in live
        and not process.is_dead
    ]
