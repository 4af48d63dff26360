"""Takes the lease that makes this the database's only server, renews it while it runs, and gives it back."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from finery.app.database_retry import DatabaseRetry
from finery.app.errors import StartRefused
from finery.db import Database
from finery.domain.server_lease import LEASE_SECONDS, Holder, LeaseHeld, LeaseLost, ServerLease
from finery.kit.locks import FileLock, LockTaken
from finery.kit.processes import boot_id

log = logging.getLogger(__name__)

RENEW_SECONDS = 4.0
RETRY_SECONDS = 1.0
LOCK_SECONDS = 0.5


class LeaseKeeper:
    """An SQLite file, which is on one machine, needs no renewals: a lock beside it ends with the process that holds it.

    For other databases a thread renews with a connection of its own, so that no burst of requests keeps it waiting.
    """

    def __init__(self, database: Database, lease: ServerLease, retry: DatabaseRetry) -> None:
        self._database = database
        self._lease = lease
        self._retry = retry
        self._file_lock: FileLock | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._is_taken = False
        self._renews = database.url.get_backend_name() != "sqlite"
        self.is_lost = False

    def take(self, home: Path, home_id: str, on_lost: Callable[[], None]) -> None:
        """Take the lease, and renew it from now on. `on_lost` is called, from another thread, once it is lost.

        Raises StartRefused when another server has it now.
        """
        self._lock_file()
        self._take(Holder(describe_server(home), home_id, boot_id()))
        self._is_taken = True
        if self._renews:
            self._thread = threading.Thread(target=self._keep, args=(on_lost,), name="finery-lease", daemon=True)
            self._thread.start()

    def give_back(self) -> None:
        """Give the lease back, if it was taken. Where the database does not answer it runs out by itself."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._is_taken:
            with suppress(SQLAlchemyError):
                self._lease.give_back(self._connected())
        if self._connection is not None:
            self._connection.close()
        if self._file_lock is not None:
            self._file_lock.release()
        self._stopping, self._thread, self._connection, self._is_taken = threading.Event(), None, None, False

    def _lock_file(self) -> None:
        file = self._database.file
        if file is None:
            return
        path = file.resolve()
        if self._file_lock is None:
            note = f"the server with process id {os.getpid()}"
            self._file_lock = FileLock(path.with_name(f"{path.name}.lock"), note=note)
        try:
            self._file_lock.acquire(timeout=LOCK_SECONDS)
        except LockTaken as error:
            raise self._refusal(f"it is served by {error.holder}") from error
        except OSError as error:
            raise StartRefused(f"the database {file} cannot be used: {path}: {error.strerror}") from error

    def _take(self, holder: Holder, *, may_wait: bool = True) -> None:
        def take() -> None:
            with self._database.write() as session:
                self._lease.take(session, holder, is_alone=not self._renews)

        try:
            self._retry.run(take)
        except LeaseHeld as error:
            if not (may_wait and error.is_same_home):
                raise self._refusal(str(error)) from error
            # Its last server was under another boot, so no lock tells whether it lives. It renews, if it does.
            log.warning("the last server of this home has not given the database back; it is waited for")
            time.sleep(error.seconds_left)
            self._take(holder, may_wait=False)

    def _refusal(self, why: str) -> StartRefused:
        url = self._database.url.render_as_string(hide_password=True)
        after = f" (after a crash its hold runs out within {LEASE_SECONDS:.0f} seconds)" if self._renews else ""
        return StartRefused(
            f"the database {url} cannot be used: {why}; stop that server first{after}, or give this one a database of "
            "its own"
        )

    def _keep(self, on_lost: Callable[[], None]) -> None:
        wait = RENEW_SECONDS
        while not self._stopping.wait(wait):
            try:
                self._lease.renew(self._connected())
                wait = RENEW_SECONDS
            except LeaseLost as error:
                self.is_lost = True
                log.error("%s, while this server could not renew its hold on it; it ends", error)
                on_lost()
                return
            except SQLAlchemyError as error:
                log.warning("the hold on the database could not be renewed: %s", str(error).partition("\n")[0])
                self._disconnect()
                wait = RETRY_SECONDS

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None


def describe_server(home: Path) -> str:
    return f"the server with process id {os.getpid()} on {socket.gethostname()}, home {home.resolve()}"
