"""Two servers and one database: in this process, with leases as short as the tests need them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, make_url
from starlette.testclient import TestClient

from finery.app import lease as keeping
from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.errors import StartRefused
from finery.app.settings import Settings
from finery.domain import server_lease
from finery.domain.server_lease import LeaseLost
from finery.kit.processes import uptime
from tests import databases
from tests.idle import IdleScheduler

pytestmark = pytest.mark.every_database

SHARED = [name for name in databases.wanted() if name != "sqlite"]
NEVER = 3600.0

Make = Callable[[str], Composition]


@pytest.fixture(params=databases.wanted())
def make(
    request: pytest.FixtureRequest, tmp_path: Path, urls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Servers by their homes' names, on one database; none carries anything out."""
    monkeypatch.setattr("finery.app.composition.Scheduler", IdleScheduler)
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    if request.param != "sqlite":
        url = urls(request.param)
        engine = create_engine(make_url(url))
        databases.empty(engine)
        engine.dispose()
    made: list[Composition] = []

    def make(name: str) -> Composition:
        home = tmp_path / name
        home.mkdir(exist_ok=True)
        made.append(Composition(Settings(home=home, warm_start="off", TRAINING_DB_URL=url)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def die(composition: Composition) -> None:
    """As a kill would: the locks go with the process, and the lease is not given back."""
    composition._keeper._is_taken = False
    composition.stop()


class TestSecondServer:
    def test_is_refused_in_one_line_that_names_the_first(self, make: Make, tmp_path: Path) -> None:
        make("a").start()
        with pytest.raises(StartRefused, match="served by the server with process id") as refusal:
            make("b").start()
        assert "\n" not in str(refusal.value)
        assert "stop that server first" in str(refusal.value)

    def test_starts_when_the_first_has_ended(self, make: Make) -> None:
        first = make("a")
        first.start()
        first.stop()
        make("b").start()

    def test_of_the_same_home_starts_at_once_after_a_kill(self, make: Make) -> None:
        first = make("a")
        first.start()
        die(first)
        make("a").start()


@pytest.mark.parametrize("make", SHARED, indirect=True)
class TestAcrossMachines:
    def test_is_refused_while_the_lease_of_a_killed_one_runs(self, make: Make, tmp_path: Path) -> None:
        first = make("a")
        first.start()
        die(first)
        with pytest.raises(StartRefused, match=str(tmp_path / "a")):
            make("b").start()

    def test_takes_over_what_has_run_out_and_the_first_writes_nothing_more(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(server_lease, "LEASE_SECONDS", 0.05)
        monkeypatch.setattr(keeping, "RENEW_SECONDS", 0.05)
        taken, renew = threading.Event(), server_lease.ServerLease.renew

        def after_a_sleep(lease: server_lease.ServerLease, connection: Connection) -> None:
            assert taken.wait(30)
            renew(lease, connection)

        monkeypatch.setattr(server_lease.ServerLease, "renew", after_a_sleep)
        first, lost = make("a"), threading.Event()
        first.when_lost(lost.set)
        first.start()
        until_taken(make, "b")
        with caplog.at_level(logging.ERROR, keeping.__name__):
            taken.set()
            assert lost.wait(30)
        assert len(caplog.messages) == 1
        services = first.services
        with services.database.write() as session, pytest.raises(LeaseLost):
            services.context.live.lease.check(session)

    def test_a_request_that_comes_after_a_sleep_changes_nothing(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server_lease, "LEASE_SECONDS", 0.05)
        monkeypatch.setattr(server_lease, "SURE_SECONDS", 0.0)
        monkeypatch.setattr(keeping, "RENEW_SECONDS", NEVER)
        job = {"model_name": "m", "dataset": "d"}
        with TestClient(build_app(make("a")), base_url="http://localhost", client=("127.0.0.1", 1)) as client:
            assert client.post("/jobs", json={"job_id": "before", **job}).status_code == 201
            until_taken(make, "b")
            answer = client.post("/jobs", json={"job_id": "after", **job})
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
            assert "another server has taken over the database" in answer.text
            assert client.get("/jobs/before").status_code == 200
            assert client.get("/jobs/after").status_code == 404

    def test_is_renewed_for_as_long_as_it_lives(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_lease, "LEASE_SECONDS", 3.0)
        monkeypatch.setattr(keeping, "RENEW_SECONDS", 0.05)
        renewals = threading.Semaphore(0)
        renew = server_lease.ServerLease.renew

        def counted(*arguments: object) -> None:
            renew(*arguments)  # type: ignore[arg-type]
            renewals.release()

        monkeypatch.setattr(server_lease.ServerLease, "renew", counted)
        make("a").start()
        monkeypatch.setattr(server_lease, "LEASE_SECONDS", NEVER)
        for _ in range(3):
            assert renewals.acquire(timeout=10)
        with pytest.raises(StartRefused):
            make("b").start()

    def test_of_the_same_home_after_a_boot_waits_until_it_has_run_out(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server_lease, "LEASE_SECONDS", 0.5)
        monkeypatch.setattr(keeping, "boot_id", lambda: "an earlier boot")
        first = make("a")
        first.start()
        die(first)
        monkeypatch.undo()
        monkeypatch.setattr("finery.app.composition.Scheduler", IdleScheduler)
        make("a").start()

    def test_is_sure_of_itself_for_a_while_only(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        first = make("a")
        first.start()
        lease = first.services.context.live.lease
        assert lease.is_sure
        now = uptime()
        monkeypatch.setattr(server_lease, "uptime", lambda: now + server_lease.SURE_SECONDS + 1)
        assert not lease.is_sure


def until_taken(make: Make, name: str) -> None:
    """By one server that asks again: another one of the same home would find that in use."""
    server = make(name)
    for _ in range(200):
        try:
            server.start()
        except StartRefused:
            time.sleep(0.01)
            continue
        return
    raise AssertionError("never taken")
