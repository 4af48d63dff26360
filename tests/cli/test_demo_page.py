"""How `finery demo` ends: on a terminal, with a desktop, and without."""

import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from finery.cli.demo_page import show_page
from finery.cli.demo_server import DemoServer, OwnServer

PAGE = "http://127.0.0.1:9/ui/"
Show = Callable[..., tuple[str, list[str], int]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Show:
    """Returns a function: what was printed, opened, and how often Enter was waited for."""

    def run(
        *, terminal: bool, desktop: bool = False, own: bool = True, kept: bool = False
    ) -> tuple[str, list[str], int]:
        opened: list[str] = []
        asked: list[str] = []
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: terminal)
        monkeypatch.setattr(webbrowser, "open", opened.append)
        monkeypatch.setattr("builtins.input", asked.append)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("DISPLAY", ":0" if desktop else "")
        with subprocess.Popen(["true"]) as process:
            server = OwnServer(tmp_path, tmp_path / "log", process, is_temporary=True, is_kept=kept) if own else None
            show_page(DemoServer("http://127.0.0.1:9", server))
        return capsys.readouterr().out, opened, len(asked)

    return run


class TestShowPage:
    def test_a_desktop_sees_it_until_enter(self, show: Show) -> None:
        printed, opened, asked = show(terminal=True, desktop=True)
        assert PAGE in printed
        assert (opened, asked) == ([PAGE], 1)

    def test_a_terminal_without_a_desktop(self, show: Show) -> None:
        printed, opened, asked = show(terminal=True)
        assert PAGE in printed
        assert (opened, asked) == ([], 1)

    @pytest.mark.parametrize("own", [True, False])
    def test_a_server_that_stays_is_not_waited_for(self, show: Show, own: bool) -> None:
        printed, opened, asked = show(terminal=True, desktop=True, own=own, kept=True)
        assert PAGE in printed
        assert (opened, asked) == ([PAGE], 0)

    def test_a_program_neither_waits_nor_sees_what_is_gone(self, show: Show) -> None:
        printed, opened, asked = show(terminal=False, desktop=True)
        assert PAGE not in printed
        assert "--keep" in printed
        assert (opened, asked) == ([], 0)
