"""Finds out an attempt's state from its files and the kernel alone, without memory of its submission."""

import contextlib
import fcntl
import os
from dataclasses import dataclass

from pydantic import ValidationError

from finery.contracts.layout import AttemptDirectory
from finery.contracts.process import Alive, Exit, Exited, Lost, Observation, Outcome, Starting
from finery.kit.files import read_json, write_json
from finery.kit.processes import Identity, boot_id, uptime

START_ALLOWANCE_SECONDS = 5.0
"""How long a shim whose identity was never stored may take from its submission to its lock."""


@dataclass(frozen=True)
class ShimRecord:
    """shim.json: the identities of the attempt's shim and of its process."""

    shim: Identity
    process: Identity
    started_at: float

    @classmethod
    def read(cls, attempt: AttemptDirectory) -> "ShimRecord | None":
        value = read_json(attempt.shim)
        if not isinstance(value, dict):
            return None
        shim, process = Identity.parse(value.get("shim")), Identity.parse(value.get("process"))
        if shim is None or process is None:
            return None
        return cls(shim, process, float(value["started_at"]))


def observe(attempt: AttemptDirectory, spawned: Identity | None) -> Observation:
    """Returns the attempt's state. `spawned` is the shim that the submission started, where that is known."""
    # The record is read before the lock is looked at: whoever is on record had the lock then, so a free one tells of
    # its death. In the other order a shim that starts in between would look dead, and be swept away.
    record = ShimRecord.read(attempt)
    return _recorded(attempt, record, has_shim=has_shim(attempt)) or _expected(attempt, spawned) or _verdict(attempt)


def read_exit(attempt: AttemptDirectory) -> Exit | None:
    """Returns exit.json; None while there is none, or a torn one."""
    value = read_json(attempt.exit)
    if not isinstance(value, dict):
        return None
    # The outcome is the trainer's own writing: when it makes no sense, the rest still holds.
    for candidate in (value, {**value, "outcome": None}):
        with contextlib.suppress(ValidationError):
            return Exit.model_validate(candidate)
    return None


def has_shim(attempt: AttemptDirectory) -> bool:
    """Returns whether a shim lives that watches the attempt in this very directory.

    It holds the lock for as long as it lives, also where it cannot be seen: in another container that shares the home.
    Where the record of a copied directory names the shim of the original, nobody holds the copy's lock.
    """
    try:
        descriptor = os.open(attempt.lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _recorded(attempt: AttemptDirectory, record: ShimRecord | None, *, has_shim: bool) -> Observation | None:
    if record is not None and has_shim:
        process = record.process.look()
        alive = Alive(started_at=record.started_at, stopped=process is not None and process.is_stopped)
    else:
        alive = None
    # exit.json is read after the lock was looked at: the shim writes it first and lets go of the lock then.
    exit = read_exit(attempt)
    if exit is not None:
        return Exited(exit=exit)
    if record is not None and alive is None:
        detail = "the process that minded the attempt is gone, and left no account of its end"
        return Lost(detail=detail, exit=_exit_of_outcome(attempt, record))
    return alive


def _exit_of_outcome(attempt: AttemptDirectory, record: ShimRecord) -> Exit | None:
    """Returns the end as the trainer's own outcome tells it; None where there is no whole one."""
    try:
        outcome = Outcome.model_validate(read_json(attempt.outcome))
        written = attempt.outcome.stat().st_mtime
    except (ValidationError, FileNotFoundError):
        return None
    return Exit(exit_code=None, started_at=record.started_at, finished_at=written, outcome=outcome)


def _expected(attempt: AttemptDirectory, spawned: Identity | None) -> Observation | None:
    if spawned is not None and spawned.is_alive():
        return Starting()
    launch = read_json(attempt.launch)
    if launch is None:
        return Lost(detail="the attempt was never submitted, or its directory is gone")
    if spawned is not None:
        return None
    submitted = launch["submitted"]
    is_recent = uptime() - submitted["uptime"] < START_ALLOWANCE_SECONDS
    return Starting() if is_recent and submitted["boot_id"] == boot_id() else None


def _verdict(attempt: AttemptDirectory) -> Observation:
    """Decides what became of an attempt for which no shim seems to come.

    Under the shim's own lock that becomes certain: one that comes later finds `terminate` and starts nothing.
    """
    descriptor = os.open(attempt.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        recorded = _recorded(attempt, ShimRecord.read(attempt), has_shim=False)
        if recorded is None and not attempt.terminate.exists():
            write_json(attempt.terminate, {"grace_seconds": 0.0})
    except BlockingIOError:
        return Starting()
    finally:
        os.close(descriptor)
    # The record is written before the process may begin, so that without one none has.
    detail = "the process that should mind the attempt ended before it began"
    return recorded or Lost(detail=detail, began=attempt.shim.exists())
