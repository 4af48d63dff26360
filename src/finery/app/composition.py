"""Everything that a server consists of, put together."""

import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from finery.app.machine import MachineReader
from finery.app.settings import Settings
from finery.contracts.layout import HomeDirectory
from finery.db import Database
from finery.domain.ground import Ground
from finery.http.engines import Engines
from finery.http.latencies import Latencies
from finery.http.services import Services
from finery.http.streams import RunStreams
from finery.http.uploads import discard_partial_uploads
from finery.http.waking import AsyncPulse
from finery.kit.lines import LogReader
from finery.kit.locks import FileLock, LockTaken
from finery.kit.paths import PathResolver
from finery.kit.pulse import Pulse
from finery.migrations import upgrade
from finery.scheduler import Scheduler, SchedulerSettings

LOCK_SECONDS = 0.5


class StartRefused(Exception):
    """The server cannot start; the message is one line for the user."""


class Composition:
    """Nothing is touched before `start`."""

    def __init__(self, settings: Settings) -> None:
        home = HomeDirectory(settings.home)
        pulse = Pulse()
        waking = AsyncPulse(pulse)
        database = Database(settings.database_url, home=settings.home)
        private = [home.state, *([database.file] if database.file else [])]
        resolver = PathResolver(settings.home, [Path(root) for root in settings.allowed_roots], private)
        machine = MachineReader(cpu_slots=settings.cpu_slots)
        logs = LogReader(home.state / "line-counts")
        ground = Ground(home, resolver, machine, settings.max_upload_bytes)
        self.settings = settings
        self._home = home
        self._lock = FileLock(home.state / "server.lock", note=f"the server with process id {os.getpid()}")
        self._database = database
        self._ground = ground
        self._pulse = pulse
        self._scheduler: Scheduler | None = None
        self.services = Services(
            database=database,
            ground=ground,
            pulse=pulse,
            waking=waking,
            streams=RunStreams(database, waking),
            engines=Engines(),
            logs=logs,
            latencies=Latencies(),
            warm_start=self._warm_start,
        )

    def start(self) -> None:
        """Take the home, bring the schema up to date, settle what an earlier server left, start the loops.

        Started twice is started once. Raises StartRefused.
        """
        if self._scheduler is not None:
            return
        self._take_home()
        self._open_database()
        discard_partial_uploads(self._home)
        settings = SchedulerSettings(
            warm_start=self.settings.warm_start, grace_seconds=self.settings.stop_grace_seconds
        )
        scheduler = Scheduler(self._database, self._ground, self._pulse, settings, self.services.logs)
        scheduler.start()
        self._scheduler = scheduler

    def stop(self) -> None:
        """Runs and engines go on."""
        if self._scheduler is not None:
            self._scheduler.stop()
            self._scheduler = None
        self._database.dispose()
        self._lock.release()

    def _take_home(self) -> None:
        try:
            self._lock.acquire(patience=LOCK_SECONDS)
        except LockTaken as error:
            raise StartRefused(f"the home {self._home.path} is in use by {error.holder}") from error
        except OSError as error:
            raise StartRefused(f"the home {self._home.path} cannot be used: {error.strerror}") from error

    def _open_database(self) -> None:
        try:
            upgrade(self._database)
        except SQLAlchemyError as error:
            url = self._database.url.render_as_string(hide_password=True)
            reason = str(error).splitlines()[0]
            raise StartRefused(f"the database {url} cannot be used: {reason}") from error

    def _warm_start(self) -> str:
        return "off" if self._scheduler is None else self._scheduler.warm_start
