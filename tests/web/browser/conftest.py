"""A real server with real runs, and a real browser that tells of whatever it should not have met."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers import RunningServer
from tests.web.browser.house import House
from tests.web.browser.watched import Watched

HERE = Path(__file__).parent
BROWSER = os.environ.get("FINERY_TEST_BROWSER", "")
WAIT_MS = 60_000
"""How long the page may take for what it is asked to show; a busy machine takes long."""

OpenPage = Callable[..., Page]


# Before the plugin that hands out the tests looks at their groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            # They share one server and its runs.
            item.add_marker(pytest.mark.xdist_group("browser"))
            if not BROWSER:
                item.add_marker(pytest.mark.skip(reason="no browser: tools/services.sh browser says where it looks"))


# Its event loop runs in this thread until it is closed: tests elsewhere that start a loop of their own could not.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses root.
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"] * (os.geteuid() == 0))
        yield browser
        browser.close()


# Nor may its server stand beside the tests that follow: some count the processes.
@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(scope="package")
def house(server: RunningServer) -> Iterator[House]:
    with httpx.Client(base_url=server.url, timeout=60.0, trust_env=False) as client:
        yield House(client)


@pytest.fixture
def open_page(chromium: Browser, server: RunningServer) -> Iterator[OpenPage]:
    """Opens `/ui/…` in a browser of its own; afterwards, nothing was asked for outside and nothing went wrong."""
    opened: list[Watched] = []

    def open_one(
        path: str = "",
        *,
        language: str = "en",
        width: int = 1440,
        scheme: str = "light",
        at: str | None = None,
        allows: tuple[str, ...] = (),
    ) -> Page:
        """`at`: another server's address. `allows`: parts of the messages that the browser may write."""
        context = chromium.new_context(
            locale=language,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            ignore_https_errors=True,
        )
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        address = at or server.url
        opened.append(Watched(page, address, allows))
        page.goto(f"{address}/ui/{path}")
        return page

    yield open_one
    for watched in opened:
        watched.page.context.close()
    for watched in opened:
        assert watched.outside == []
        assert watched.faults == []
