"""The migration after which what was resolved of a run goes by the fields of its configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from finery.contracts.resolved_run import ResolvedData, ResolvedRun, StoredVersion
from finery.db import Database
from finery.migrations import HEAD
from finery.models import RunRow
from tests.migrations.test_accounts import RUN, down, empty_database, up, values

pytestmark = pytest.mark.every_database

__all__ = ["empty_database"]

JUDGE = {"type": "score_model", "model": "./judge"}
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("model", "dataset", "eval_dataset", "output_dir", "working_directory")),
    "stored": {},
    "judges": {},
    "secrets": [],
    "customary_secrets": [],
}
STORED = {"dataset": "d", "version": 2, "sha256": "00"}
BEFORE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sft": (
        {"dataset_name": "all"},
        {
            **NOTHING,
            "model": "/models/é",
            "dataset": "/data",
            "eval_dataset": "/eval.jsonl",
            "output_dir": "/out",
            "stored": {"eval_dataset_path": STORED},
            "secrets": ["A"],
            "customary_secrets": ["HF_TOKEN"],
        },
    ),
    "multi": (
        {"grader": {"type": "multi", "graders": {"a": JUDGE, "b": {"type": "python"}}}},
        {**NOTHING, "model": "m", "judges": {"./judge": "/judge"}, "forgotten_output": "/gone"},
    ),
    "command": ({}, {**NOTHING, "working_directory": "/home", "output_dir": "/out"}),
    "external": ({"grader": "anything"}, NOTHING),
}
AFTER = {
    "sft": ResolvedRun(
        models={"model_name": "/models/é"},
        datasets={
            "dataset_path": ResolvedData(path=Path("/data"), entry="all"),
            "eval_dataset_path": ResolvedData(path=Path("/eval.jsonl"), stored=StoredVersion(**STORED)),
        },
        output_dir=Path("/out"),
        secrets=["A"],
        optional_secrets=["HF_TOKEN"],
    ),
    "multi": ResolvedRun(
        models={"model_name": "m", "grader.graders.a.model": "/judge"}, forgotten_output=Path("/gone")
    ),
    "command": ResolvedRun(folders={"working_directory": Path("/home")}, output_dir=Path("/out")),
    "external": ResolvedRun(),
}


class TestUpgrade:
    def test_runs_of_before_are_read_and_go_back(self, empty_database: Database) -> None:
        up(empty_database, "0014")
        with empty_database.engine.execution_options(writing=True).begin() as connection:
            for name, (config, spec) in BEFORE.items():
                connection.execute(text(RUN.replace("'r1'", f"'{name}'")), {"now": "2026-01-02 03:04:05"})
                changed = {"config": json.dumps(config), "spec": json.dumps(spec), "id": name}
                connection.execute(text("UPDATE runs SET config = :config, spec = :spec WHERE id = :id"), changed)
        up(empty_database, HEAD)
        with Session(empty_database.engine) as session:
            assert {row.id: row.spec for row in session.execute(select(RunRow.id, RunRow.spec))} == AFTER
        down(empty_database, "0014")
        found = values(empty_database, "SELECT id, spec FROM runs")
        assert {name: spec if isinstance(spec, dict) else json.loads(str(spec)) for name, spec in found} == {
            name: spec for name, (_, spec) in BEFORE.items()
        }
