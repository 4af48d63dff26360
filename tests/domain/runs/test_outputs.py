import json
from pathlib import Path

import pytest

from finery.contracts.permissions import Principal
from finery.contracts.status import Reason
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import attempts, claims
from finery.domain.runs.outputs import forget_output
from tests import builders
from tests.domain.principals import ANN, LEAD


def finished(database: Database, home: Path, run_id: str, who: Principal) -> None:
    """A run that has put its model to `outputs/x`."""
    with database.write() as session:
        new = builders.sft(home, id=run_id, config={"output_dir": "outputs/x"})
        runs.create(session, new, builders.ground(home), who)
        claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=1)
        assert claim is not None
        attempts.finish(session, claim.ref, reason=Reason.COMPLETED, message=None, ending=None, max_lost=0)
    folder = home / "outputs" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "finery.json").write_text(json.dumps({"run_id": run_id}))


def forget(database: Database, run_id: str, who: Principal) -> Path | None:
    with database.write() as session:
        return forget_output(session, run_id, who)


class TestForgetOutput:
    def test_its_folder_is_to_go(self, database: Database, home: Path) -> None:
        finished(database, home, "r", ANN)
        assert forget(database, "r", ANN) == home / "outputs" / "x"
        assert forget(database, "r", ANN) is None

    @pytest.mark.parametrize("other", [ANN, LEAD], ids=lambda who: who.name)
    def test_what_another_run_has_put_there_stays(self, database: Database, home: Path, other: Principal) -> None:
        finished(database, home, "first", ANN)
        finished(database, home, "second", other)
        assert forget(database, "first", ANN) is None
        with database.read() as session:
            assert runs.get(session, "first", ANN).output_dir is None
            assert runs.get(session, "second", other).output_dir == "outputs/x"
