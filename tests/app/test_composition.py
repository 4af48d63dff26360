from pathlib import Path

import pytest

from finery.app.composition import Composition
from finery.app.errors import StartRefused
from finery.app.settings import Settings
from finery.kit.archives import UNPACKING


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
