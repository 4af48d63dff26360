from pathlib import Path

import pytest

from finery.app.composition import Composition
from finery.app.errors import StartRefused
from finery.app.settings import Settings
from finery.executors.base import Executor
from finery.kit.archives import UNPACKING
from finery.scheduler.registry import EXECUTORS, ExecutorContext


class TestStart:
    def test_removes_what_a_kill_left_of_uploads(self, composition: Composition, home: Path) -> None:
        left, kept = leave(home)
        composition.start()
        composition.stop()
        assert (left.exists(), kept.exists()) == (False, True)

    def test_touches_nothing_of_a_home_that_is_in_use(
        self, composition: Composition, settings: Settings, home: Path
    ) -> None:
        composition.start()
        left, _ = leave(home)
        with pytest.raises(StartRefused):
            Composition(settings).start()
        composition.stop()
        assert left.exists()

    def test_an_executor_that_cannot_be_made_is_told_in_one_line(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def make(context: ExecutorContext) -> Executor:
            raise ConnectionError("no cluster\nanswers")

        composition = Composition(settings)
        monkeypatch.setitem(EXECUTORS, "far", make)
        with pytest.raises(StartRefused, match="the executor 'far' cannot be made: no cluster answers"):
            composition.start()
        composition.stop()

    def test_one_key_to_secrets_for_all(self, composition: Composition, home: Path) -> None:
        composition.services.context.secrets.encrypt("x")
        assert (home / ".finery" / "secret.key").is_file()


def leave(home: Path) -> tuple[Path, Path]:
    uploads = home / "data" / "uploads"
    left, kept = uploads / f"{UNPACKING}00ff" / "deep" / "rows.jsonl", uploads / "rows.jsonl"
    left.parent.mkdir(parents=True)
    for file in (left, kept):
        file.write_text("{}\n")
    return left.parent.parent, kept
