import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finery.app.bind import BindRefused, announce, check_bind, listen
from finery.app.composition import Composition
from finery.app.connections import MAX_REJECTED
from finery.app.server import OTHER_FILES, Server
from finery.app.settings import Settings
from finery.db import Database
from tests.domain.accounts import people
from tests.idle import IdleScheduler

EVERYWHERE = "0.0.0.0"


@pytest.fixture
def opened(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A maker of servers' compositions, which are closed at the end."""
    monkeypatch.setattr("finery.app.composition.Scheduler", IdleScheduler)
    made: list[Composition] = []

    def make(**changes: Any) -> Composition:
        composition = Composition(settings.model_copy(update=changes))
        made.append(composition)
        composition.open()
        return composition

    yield make
    for composition in made:
        composition.stop()


@pytest.fixture
def everywhere() -> Iterator[socket.socket]:
    """Bound, never listening: nobody can connect."""
    with listen(EVERYWHERE, 0) as bound:
        yield bound


@pytest.fixture
def loopback() -> Iterator[socket.socket]:
    with listen("localhost", 0) as bound:
        yield bound


class TestCheckDoor:
    def test_this_machine_alone(self, opened: Any, loopback: socket.socket) -> None:
        check_bind(opened(), loopback)

    def test_not_without_an_administrator(self, opened: Any, everywhere: socket.socket) -> None:
        with pytest.raises(BindRefused, match="`finery setup`, or give --remote-setup"):
            check_bind(opened(host=EVERYWHERE), everywhere)

    def test_a_name_is_what_it_stands_for(self, opened: Any, everywhere: socket.socket) -> None:
        with pytest.raises(BindRefused):
            check_bind(opened(host="localhost"), everywhere)

    def test_with_an_administrator(self, opened: Any, everywhere: socket.socket, home: Path) -> None:
        database = Database("sqlite:///training.db", home=home)
        people.first_admin(database)
        database.dispose()
        composition = opened(remote_setup=True)
        check_bind(composition, everywhere)
        assert composition.services.setup_token() is None

    def test_with_a_token_for_the_first(self, opened: Any, everywhere: socket.socket) -> None:
        composition = opened(remote_setup=True)
        check_bind(composition, everywhere)
        assert len(composition.services.setup_token()) == 43


class TestAnnounce:
    def said(self, composition: Composition, listener: socket.socket, capsys: pytest.CaptureFixture[str]) -> str:
        announce(composition, listener)
        out, err = capsys.readouterr()
        assert out == ""
        return err

    def test_on_this_machine(self, opened: Any, loopback: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
        address = f"http://127.0.0.1:{loopback.getsockname()[1]}"
        assert self.said(opened(), loopback, capsys) == f"Finery is at {address}/ui/ (API: {address}/docs)\n"

    def test_the_token(self, opened: Any, loopback: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
        composition = opened(remote_setup=True)
        assert self.said(composition, loopback, capsys).count(composition.setup_token) == 1

    def test_without_tls(self, opened: Any, everywhere: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
        said = self.said(opened(), everywhere, capsys)
        assert "FINERY_TLS_CERTIFICATE and FINERY_TLS_KEY" in said
        assert "set FINERY_ALLOWED_HOSTS" in said

    @pytest.mark.parametrize("how", [{"trusted_proxies": ["10.0.0.1"]}, {"tls_certificate": "a", "tls_key": "b"}])
    def test_with_tls(
        self, opened: Any, everywhere: socket.socket, capsys: pytest.CaptureFixture[str], how: dict[str, Any]
    ) -> None:
        said = self.said(opened(**how, allowed_hosts=["gpu.lan"]), everywhere, capsys)
        assert said.count("\n") == 1
        assert said.startswith("Finery is at https://" if "tls_key" in how else "Finery is at http://")


class TestOpenFiles:
    @pytest.fixture
    def limits(self) -> Iterator[tuple[int, int]]:
        """Of this process; lowered ones cannot be raised again, so only the soft one is touched."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield before
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    def allowed(self, opened: Any, wanted: int) -> int:
        composition = opened(max_connections=wanted)
        server = Server(composition, composition.settings, None, composition.services.streams)
        return server.limits.connections

    def test_are_raised_as_far_as_needed(self, opened: Any, limits: tuple[int, int]) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (500, limits[1]))
        assert self.allowed(opened, 100) == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 100 + MAX_REJECTED + OTHER_FILES

    def test_are_never_lowered(self, opened: Any, limits: tuple[int, int]) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, limits[1]))
        self.allowed(opened, 100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 2000

    def test_too_few(
        self, opened: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limits: tuple[int, int]
    ) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
        assert self.allowed(opened, 4096) == 1024 - MAX_REJECTED - OTHER_FILES
        assert "FINERY_MAX_CONNECTIONS=4096" in capsys.readouterr().err

    @pytest.mark.parametrize("files", [32, 64, 200, 700, 1024, 4000])
    def test_leave_room_for_the_servers_own(
        self, opened: Any, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], files: int
    ) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
        composition = opened(max_connections=4096)
        found = Server(composition, composition.settings, None, composition.services.streams).limits
        assert found.connections >= 1
        assert min(OTHER_FILES, files * 4 // 5) <= files - found.connections - found.surplus <= OTHER_FILES
