"""Puts the server together: lock, database, lease, migrations, domain, engines, scheduler; starts and stops them."""

import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from finery.api import DIALECTS
from finery.app.database_retry import DatabaseRetry
from finery.app.errors import StartRefused
from finery.app.lease import LeaseKeeper
from finery.app.machine import MachineReader
from finery.app.models_file import read_model_table
from finery.app.settings import Settings
from finery.app.settings_in_force import in_force
from finery.contracts.layout import HomeDirectory
from finery.db import Database
from finery.domain import accounts, datasets, files
from finery.domain.context import DomainContext
from finery.domain.moved_home import settle_home
from finery.domain.runs import file_removal, output_removal
from finery.engines.registry import ENGINES
from finery.engines.vllm.engine import VllmEngine
from finery.http.addresses import TrustedProxies
from finery.http.async_notifier import AsyncNotifier
from finery.http.dialects import Dialect
from finery.http.engines import Engines
from finery.http.latencies import Latencies
from finery.http.rate_limits import RateLimits
from finery.http.readiness import Readiness
from finery.http.request_cache import RequestCache
from finery.http.services import Services
from finery.http.streams import RunStreams
from finery.http.uploads import discard_partial_uploads
from finery.kit.archives import remove_leftovers
from finery.kit.destinations import Destinations
from finery.kit.locks import FileLock, LockTaken
from finery.kit.log_lines import LogReader
from finery.kit.notifier import Notifier
from finery.kit.paths import PathResolver
from finery.kit.secretbox import SecretBox
from finery.migrations import LEASED_SINCE, SchemaUnknown, check_schema, upgrade
from finery.scheduler import ExecutorNotMade, Scheduler, SchedulerSettings

log = logging.getLogger(__name__)

LOCK_SECONDS = 0.5


class Composition:
    """Making it touches neither the home nor the database; `open` and `start` do."""

    def __init__(self, settings: Settings, dialects: tuple[Dialect, ...] = DIALECTS) -> None:
        home = HomeDirectory(settings.home)
        notifier = Notifier()
        async_notifier = AsyncNotifier(notifier)
        database = Database(settings.database_url, home=settings.home)
        database.on_commit(notifier.notify)
        private = [home.state, home.blobs, *([database.file] if database.file else [])]
        output_roots = tuple(settings.home / root for root in settings.output_roots)
        resolver = PathResolver(
            settings.home, [*(Path(root) for root in settings.allowed_roots), *output_roots], private
        )
        machine = MachineReader(cpu_slots=settings.cpu_slots)
        logs = LogReader(home.state / "line-counts")
        vllm = VllmEngine.found(settings.vllm)
        engines = {**ENGINES, vllm.name: vllm}
        context = DomainContext(
            home=home,
            resolver=resolver,
            machine=machine,
            secrets=SecretBox(home.state),
            output_roots=output_roots,
            max_upload_bytes=settings.max_upload_bytes,
            allow_python_graders=settings.allow_python_graders,
            keep_outputs=settings.keep_outputs,
            parity_check=settings.parity_check,
            destinations=Destinations.parse(settings.webhook_allow_private),
            webhook_renderers=tuple(each.webhook_renderer for each in dialects if each.webhook_renderer is not None),
            models=read_model_table(settings, engines),
            engines=engines,
        )
        database.before_commit(context.live.lease.check_before_commit)
        self.settings = settings
        self.dialects = dialects
        self.setup_token: str | None = None
        self._home = home
        self._lock = FileLock(home.state / "server.lock", note=f"the server with process id {os.getpid()}")
        self._database = database
        self._retry = DatabaseRetry(database)
        self._keeper = LeaseKeeper(database, context.live.lease, self._retry)
        self._has_changed_home = False
        self._on_lost: Callable[[], None] = lambda: None
        self._context = context
        self._notifier = notifier
        self._scheduler: Scheduler | None = None
        self._is_open = False
        self.services = Services(
            database=database,
            context=context,
            notifier=notifier,
            async_notifier=async_notifier,
            streams=RunStreams(database, async_notifier),
            engines=Engines(context),
            cache=RequestCache.of(database),
            logs=logs,
            latencies=Latencies(),
            rate_limits=RateLimits(),
            readiness=Readiness(database),
            proxies=TrustedProxies.parse(settings.trusted_proxies),
            warm_start=self._warm_start,
            settings_in_force=lambda: in_force(settings),
            setup_token=lambda: self.setup_token,
        )

    def open(self) -> None:
        """Lock the home, take the database and bring its schema up to date; without an administrator draw a setup token
        if remote setup is on. Raises StartRefused."""
        if self._is_open:
            return
        self._take_home()
        self._open_database()
        self._retry.run(self._settle_home)
        self._is_open = True
        if self.settings.remote_setup and not self.has_accounts():
            self.setup_token = secrets.token_urlsafe(32)

    def when_lost(self, end: Callable[[], None]) -> None:
        """Call `end`, maybe from another thread, when another server has taken the database over."""
        self._on_lost = end
        if self._keeper.is_lost:
            end()

    def has_accounts(self) -> bool:
        """Raises StartRefused. Only for the start, since it waits for the database."""

        def look() -> bool:
            with self._database.read() as session:
                return accounts.has_accounts(session)

        return self._retry.run(look)

    def start(self) -> None:
        """Open it, remove what an earlier server left behind, and start the scheduler. Repeating it does nothing.

        Raises StartRefused.
        """
        if self._scheduler is not None:
            return
        self.open()
        try:
            discard_partial_uploads(self._home)
            remove_leftovers(self._home.uploads)
            self._retry.run(self._remove_strays)
            self._retry.run(self._remove_forgotten)
            self._start_scheduler()
        except OSError as error:
            raise self._home_unusable(error) from error

    def stop(self) -> None:
        """Stop the scheduler, and give database and home back. Runs and engines go on."""
        # The measurer goes first, since a loop may be waiting for it.
        self._context.live.measurer.stop()
        if self._scheduler is not None:
            self._scheduler.stop()
            self._scheduler = None
        self._keeper.give_back()
        self._database.dispose()
        self._lock.release()
        self._is_open = False

    def _take_home(self) -> None:
        try:
            self._lock.acquire(timeout=LOCK_SECONDS)
            # The first to read a new home's id draws it; the lock keeps two servers from drawing two.
            _ = self._context.home_id
        except LockTaken as error:
            raise StartRefused(f"the home {self._home.path} is in use by {error.holder}") from error
        except OSError as error:
            raise self._home_unusable(error) from error

    def _open_database(self) -> None:
        try:
            version = self._retry.run(lambda: check_schema(self._database))
            is_leased = version is not None and version >= LEASED_SINCE
            if is_leased:
                # Taken before the upgrade: another server may be at work with the schema as it is.
                self._take_database()
            self._retry.run(lambda: upgrade(self._database))
            if not is_leased:
                self._take_database()
        except SchemaUnknown as error:
            url = self._database.url.render_as_string(hide_password=True)
            raise StartRefused(f"the database {url} cannot be used: {error}") from error

    def _take_database(self) -> None:
        self._keeper.take(self._home.path, self._context.home_id, lambda: self._on_lost())

    def _settle_home(self) -> None:
        with self._database.write() as session:
            settled = settle_home(session, self._context.home_id, take_over=self.settings.take_over)
        self._has_changed_home |= settled.is_change
        if settled.runs_held or settled.deployments_ended:
            log.warning(
                "%d runs of another home are held, and %d deployments have ended; what runs there is left alone. "
                "Resume what is to be carried out here, or start once with --take-over once nothing runs there",
                settled.runs_held - settled.runs_resumed,
                settled.deployments_ended,
            )

    def _remove_strays(self) -> None:
        with self._database.read() as session:
            datasets.remove_strays(session, self._home)
            files.remove_stray_parts(session, self._home)

    def _remove_forgotten(self) -> None:
        with self._database.write() as session:
            output_removal.remove_forgotten(session, self._home)
            file_removal.finish_removals(session, self._home)

    def _start_scheduler(self) -> None:
        settings = SchedulerSettings(
            warm_start=self.settings.warm_start,
            grace_seconds=self.settings.stop_grace_seconds,
            engine_idle_seconds=self.settings.engine_idle_seconds,
            sweep_strays=self._has_changed_home,
            engine_silence_seconds=self.settings.engine_silence_seconds,
        )
        try:
            scheduler = Scheduler(self._database, self._context, self._notifier, settings, self.services.logs)
        except ExecutorNotMade as error:
            raise StartRefused(str(error)) from error
        self._retry.run(scheduler.start)
        self._scheduler = scheduler

    def _home_unusable(self, error: OSError) -> StartRefused:
        where = f" ({error.filename})" if error.filename is not None else ""
        return StartRefused(f"the home {self._home.path} cannot be used: {error.strerror or error}{where}")

    def _warm_start(self) -> str:
        return "off" if self._scheduler is None else self._scheduler.warm_start
