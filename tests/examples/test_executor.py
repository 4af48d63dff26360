"""An executor that is no part of Finery, in one file: it keeps every promise of executors, and carries out a run."""

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.layout import HomeDirectory, mark_of
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.process import Launch
from finery.contracts.status import FINISHED, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.executors.base import Executor
from finery.kit.notifier import Notifier
from finery.scheduler import Scheduler
from finery.scheduler.registry import EXECUTORS, ExecutorContext, register
from tests import builders
from tests.executors.builders import until
from tests.executors.conformance import ExecutorConformance
from tests.scheduler.program import SETTINGS
from tests.servers import ROOT

SAYS = """
import json, os, pathlib
model = pathlib.Path("outputs/m")
model.mkdir(parents=True)
(model / "weights").write_text("0")
said = {name: os.environ[name] for name in ("FINERY_RUN_DIR", "FINERY_ATTEMPT_DIR", "FINERY_INTERPRETER")}
pathlib.Path("said.json").write_text(json.dumps({**said, "nice": os.nice(0)}))
print("hammer and tongs")
print(json.dumps({"type": "checkpoint", "at": 1.0, "data": {"step": 1, "path": said["FINERY_RUN_DIR"]}}),
      file=open(os.environ["FINERY_EVENTS"], "a"))
"""


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(ROOT / "examples" / "executors")
    before = dict(EXECUTORS)
    import niced  # noqa: F401

    yield
    del sys.modules["niced"]
    EXECUTORS.clear()
    EXECUTORS.update(before)


class TestNiced(ExecutorConformance):
    @pytest.fixture
    def executor(self, home: Path) -> Executor:
        self.home_id = str(uuid.uuid4())
        self.made = EXECUTORS["niced"](ExecutorContext(HomeDirectory(home), self.home_id, None))
        return self.made

    @pytest.fixture
    def directory(self, home: Path) -> Path:
        return home / "runs" / "r"

    def launch(self, directory: Path, behaviour: str, **changes: Any) -> Launch:
        directory.mkdir(parents=True, exist_ok=True)
        there = self.made.path_there(directory)
        places = {
            "mark": mark_of(self.home_id, directory, 1),
            "working_directory": there,
            "log_file": there / "run.log",
        }
        return super().launch(directory, behaviour, **{**places, **changes})


class TestRegister:
    def test_a_name_is_of_one_executor(self) -> None:
        with pytest.raises(ValueError, match="'niced' already"):
            register("niced", EXECUTORS["local"])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
class TestRun:
    def test_it_is_carried_out_at_its_place(self, home: Path, database: Database) -> None:
        notifier, context = Notifier(), builders.context(home)
        database.on_commit(notifier.notify)
        scheduler = Scheduler(database, context, notifier, replace(SETTINGS, executor="niced"))
        scheduler.start()
        try:
            new = builders.command(sys.executable, "-c", SAYS, id="r", output_dir="outputs/m")
            with database.write() as session:
                runs.create(session, new, context, LOCAL_ADMINISTRATOR)
            until(lambda: self.get(database).status in FINISHED, 60)
        finally:
            scheduler.stop()
        log = context.home.run_log("r").read_text()
        assert self.get(database).status is RunStatus.SUCCEEDED, log
        assert "hammer and tongs\n" in log

        there = home / ".finery" / "niced" / "home"
        said = json.loads((home / "said.json").read_text())
        assert said == {
            "FINERY_RUN_DIR": str(there / "runs/r"),
            "FINERY_ATTEMPT_DIR": str(there / "runs/r/attempts/1"),
            "FINERY_INTERPRETER": "niced",
            "nice": 10,
        }
        spec = json.loads((home / "runs/r/spec.json").read_text())
        assert [spec["home"], spec["output_dir"]] == [str(there), str(there / "outputs/m")]
        with database.read() as session:
            (artifact,) = runs.list_artifacts(session, "r", LOCAL_ADMINISTRATOR)
            (saved,) = runs.list_checkpoints(session, "r", LOCAL_ADMINISTRATOR)
        assert (artifact.path, saved.path) == (str(home / "outputs/m"), str(home / "runs/r"))

    def get(self, database: Database) -> Any:
        with database.read() as session:
            return runs.get(session, "r", LOCAL_ADMINISTRATOR)
