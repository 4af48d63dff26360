import logging
import threading

import pytest

from finery.kit.notifier import Notifier
from finery.scheduler import loop
from finery.scheduler.loop import Loop


class TestLoop:
    def test_what_fails_in_every_pass_is_logged_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(loop, "RETRY_SECONDS", 0.001)
        monkeypatch.setattr(loop, "LONGEST_RETRY_SECONDS", 0.002)
        caplog.set_level(logging.INFO)
        passes, is_over = 0, threading.Event()

        def work() -> float:
            nonlocal passes
            passes += 1
            if passes <= 50:
                raise OSError(24, "Too many open files")
            is_over.set()
            return 60.0

        notifier = Notifier()
        running = Loop("test", work, notifier, rest=0.0)
        running.start()
        assert is_over.wait(20)
        running.stop()
        notifier.notify()
        running.join(20)
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
