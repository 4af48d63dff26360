"""The database goes away while the server starts."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.engine import URL

from finery.app import database_retry
from finery.app.composition import Composition
from finery.app.serve import EXIT_NOT_STARTED, serve
from finery.app.settings import Settings
from tests import databases
from tests.dropping import DroppingProxy
from tests.ports import free_port

pytestmark = pytest.mark.every_database

FOR_EVER = 10**9


@pytest.fixture(params=[name for name in databases.wanted() if name != "sqlite"])
def url(request: pytest.FixtureRequest, urls: Callable[[str], str]) -> URL:
    url = make_url(urls(request.param))
    engine = create_engine(url)
    databases.empty(engine)
    engine.dispose()
    return url


def settings_for(home: Path, proxy: DroppingProxy) -> Settings:
    text = proxy.url.render_as_string(hide_password=False)
    return Settings(home=home, port=free_port(), warm_start="off", TRAINING_DB_URL=text)


class TestDropped:
    @pytest.mark.parametrize("after", [0, 9, 20])
    def test_for_good_is_one_line(
        self,
        home: Path,
        url: URL,
        after: int,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(database_retry, "DATABASE_RETRY_SECONDS", 0.3)
        monkeypatch.setattr(database_retry, "RETRY_SECONDS", 0.1)
        with DroppingProxy(url, after=after, drops=FOR_EVER) as proxy:
            assert serve(settings_for(home, proxy)) == EXIT_NOT_STARTED
        said = capfd.readouterr().err
        assert said.count("\n") == 1
        assert said.startswith(f"finery server: the database {proxy.url.drivername}://")

    @pytest.mark.parametrize("after", [9, 20])
    def test_for_a_moment_is_waited_for(
        self, home: Path, url: URL, after: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(database_retry, "RETRY_SECONDS", 0.05)
        with DroppingProxy(url, after=after, drops=3) as proxy:
            composition = Composition(settings_for(home, proxy))
            with caplog.at_level(logging.WARNING, database_retry.__name__):
                composition.start()
            composition.stop()
            assert proxy.dropped >= 3
        assert "dropped the connection" in caplog.text
