import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Run
from finery.db import Database
from finery.domain import runs
from finery.domain.runs.errors import InvalidRun, PythonGradersForbidden
from finery.domain.runs.validation import plan_run
from tests import builders

CHECK = {"type": "string_check", "input": "{{ sample.output_text }}", "reference": "{{ item.answer }}"}
PYTHON = {"type": "python", "source": "def grade(sample, item):\n    return 1"}
JUDGE = {"type": "score_model", "model": "./judge", "input": [{"role": "user", "content": "{{ sample.output_text }}"}]}


def grpo(home: Path, grader: dict[str, Any]) -> NewRun:
    (home / "tasks.jsonl").write_text((json.dumps({"prompt": "a", "answer": "b"}) + "\n") * 4)
    config = {"model_name": "finery/tiny-llama", "dataset_path": "tasks.jsonl", "grader": grader}
    return NewRun(source="native", recipe="grpo", config=config)


def create(database: Database, home: Path, grader: dict[str, Any], *, allowed: bool = False) -> Run:
    context = replace(builders.context(home), allow_python_graders=allowed)
    with database.write() as session:
        return runs.create(session, grpo(home, grader), context, LOCAL_ADMINISTRATOR)


class TestPythonGraders:
    @pytest.mark.parametrize(
        "grader", [PYTHON, {"type": "multi", "graders": {"code": PYTHON}, "calculate_output": "code"}]
    )
    def test_need_an_administrator(self, database: Database, home: Path, grader: dict[str, Any]) -> None:
        with pytest.raises(PythonGradersForbidden, match="FINERY_ALLOW_PYTHON_GRADERS") as caught:
            create(database, home, grader)
        assert [issue.field for issue in caught.value.issues] == ["grader"]
        assert create(database, home, grader, allowed=True).config["grader"]["type"] == grader["type"]

    def test_others_need_none(self, database: Database, home: Path) -> None:
        assert create(database, home, CHECK | {"operation": "eq"}).recipe == "grpo"


class TestIssues:
    @pytest.mark.parametrize(
        ("grader", "field", "says"),
        [
            (CHECK | {"operation": "neq"}, "grader.operation", "'ne'"),
            (CHECK | {"operation": "eq", "refrence": "x"}, "grader.refrence", "unknown key"),
            ({"type": "label_model"}, "grader", "string_check"),
        ],
    )
    def test_name_their_field(
        self, database: Database, home: Path, grader: dict[str, Any], field: str, says: str
    ) -> None:
        with pytest.raises(InvalidRun) as caught:
            create(database, home, grader)
        assert [issue.field for issue in caught.value.issues] == [field]
        assert says in caught.value.issues[0].message
        assert "model_name" not in caught.value.issues[0].message


class TestJudges:
    def test_are_resolved_as_models_are(self, database: Database, home: Path) -> None:
        folder = home / "judge"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        builders.write_weights(folder / "model.safetensors")
        multi = {
            "type": "multi",
            "graders": {"a": JUDGE, "b": JUDGE | {"model": "finery/tiny-qwen"}},
            "calculate_output": "a + b",
        }
        with database.write() as session:
            plan = plan_run(session, grpo(home, multi), builders.context(home), LOCAL_ADMINISTRATOR)
        assert plan.resolved.models == {
            "model_name": "finery/tiny-llama",
            "grader.graders.a.model": str(folder),
            "grader.graders.b.model": "finery/tiny-qwen",
        }

    @pytest.mark.parametrize("model", ["finery/tiny-qwem", "outputs/none", "../x"])
    def test_one_that_is_not_there_names_its_field(self, database: Database, home: Path, model: str) -> None:
        with pytest.raises(InvalidRun) as caught:
            create(database, home, JUDGE | {"model": model})
        assert [issue.field for issue in caught.value.issues] == ["grader.model"]

    def test_one_on_a_hub_gets_the_hubs_token(self, database: Database, home: Path) -> None:
        with database.write() as session:
            judge = JUDGE | {"model": "owner/judge"}
            judged = plan_run(session, grpo(home, judge), builders.context(home), LOCAL_ADMINISTRATOR)
            checked = grpo(home, CHECK | {"operation": "eq"})
            plain = plan_run(session, checked, builders.context(home), LOCAL_ADMINISTRATOR)
        assert judged.resolved.models["grader.model"] == "owner/judge"
        assert "HF_TOKEN" in judged.resolved.optional_secrets
        assert "HF_TOKEN" not in plain.resolved.optional_secrets
