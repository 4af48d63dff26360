import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets.measurement import (
    Measurement,
    MeasurementRefused,
    MeasurementRequest,
    MeasurementResult,
    NotMeasured,
)
from finery.domain.context import DomainContext
from finery.domain.datasets import DatasetRefused, measurement
from finery.domain.datasets.measurement import measure_tokens, refuse_misfit
from tests import builders

pytest.importorskip("transformers")

ROW = {"prompt": "p", "completion": "an answer of some length, longer than eight tokens in any case"}


@pytest.fixture
def context(tmp_path: Path) -> DomainContext:
    return builders.context(tmp_path)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer is all that measuring needs of a model."""
    from finery.trainers.builtin.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("model")
    train_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[MeasurementRequest]:
    """What the program was asked, which answers in this process: its imports take seconds."""
    from finery.trainers.measuring import answer

    asked: list[MeasurementRequest] = []

    def counted(request: MeasurementRequest) -> Measurement | NotMeasured | MeasurementRefused:
        asked.append(request)
        return answer(request)

    monkeypatch.setattr(measurement, "measure_in_subprocess", counted)
    return asked


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def measured(path: Path, model: Path | str, context: DomainContext, **changes: Any) -> MeasurementResult:
    settings = {"recipe": "sft", "model": str(model), "max_length": 64, "context": context}
    result = measure_tokens(path, **(settings | changes))
    if isinstance(result, Measurement):
        refuse_misfit(path, result)
    return result


class TestMeasure:
    def test_in_a_process_of_its_own(self, tmp_path: Path, model: Path, context: DomainContext) -> None:
        found = measured(write(tmp_path, ROW), model, context)
        assert isinstance(found, Measurement)
        assert (found.kept, found.failed, found.is_exact) == (1, 0, True)

    def test_once_for_a_file_that_does_not_change(
        self, tmp_path: Path, model: Path, context: DomainContext, asked: list[MeasurementRequest]
    ) -> None:
        path = write(tmp_path, ROW)
        found = measured(path, model, context)
        assert isinstance(found, Measurement)
        assert (found.kept, found.failed, found.is_exact) == (1, 0, True)
        assert measured(path, model, context) == found
        assert len(asked) == 1
        write(tmp_path, ROW, ROW)
        again = measured(path, model, context)
        assert isinstance(again, Measurement)
        assert (again.kept, len(asked)) == (2, 2)

    def test_another_length_or_tokenizer_is_another_measurement(
        self, tmp_path: Path, model: Path, context: DomainContext, asked: list[MeasurementRequest]
    ) -> None:
        path = write(tmp_path, ROW)
        measured(path, model, context)
        measured(path, model, context, max_length=65)
        os.utime(model / "tokenizer.json", ns=(1, len(asked)))
        measured(path, model, context)
        assert len(asked) == 3

    def test_a_length_that_cuts_off_all(
        self, tmp_path: Path, model: Path, context: DomainContext, asked: list[MeasurementRequest]
    ) -> None:
        row = {"prompt": "many words " * 50, "completion": "a"}
        with pytest.raises(DatasetRefused, match=r"d\.jsonl: max_length 8 cuts off all .* the longest row has \d+ tok"):
            measured(write(tmp_path, row), model, context, max_length=8)

    def test_a_template_that_refuses_all(
        self, tmp_path: Path, model: Path, context: DomainContext, asked: list[MeasurementRequest]
    ) -> None:
        config = {"chat_template": "{{ raise_exception('only cats may speak') }}"}
        with pytest.raises(DatasetRefused, match=r"line 1 \(row 1\): .*only cats may speak; 2 rows fail so") as caught:
            measured(write(tmp_path, ROW, ROW), model, context, config=config)
        assert [issue.line for issue in caught.value.issues] == [1, 2]

    def test_a_model_without_a_tokenizer(
        self, tmp_path: Path, context: DomainContext, asked: list[MeasurementRequest]
    ) -> None:
        (tmp_path / "empty").mkdir()
        found = measured(write(tmp_path, ROW), tmp_path / "empty", context)
        assert isinstance(found, MeasurementRefused)
        assert re.match(r"the model .* cannot be loaded", found.refused)

    def test_a_recipe_that_is_not_measured(self, tmp_path: Path, model: Path, context: DomainContext) -> None:
        found = measured(write(tmp_path, ROW), model, context, recipe="grpo")
        assert found == NotMeasured(reason="grpo is not measured; sft, cpt, dpo, reward, kto are")

    def test_where_the_training_stack_is_missing(
        self, tmp_path: Path, model: Path, context: DomainContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("finery.contracts.datasets.measurement_program.STACK", ("no_such_package",))
        found = measured(write(tmp_path, ROW), model, context)
        assert found == NotMeasured(reason="the training stack is not installed here (no_such_package is missing)")
        assert not list((tmp_path / ".finery").rglob("*.json"))

    def test_only_so_many_are_kept(
        self,
        tmp_path: Path,
        model: Path,
        context: DomainContext,
        asked: list[MeasurementRequest],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(measurement, "MAX_CACHED", 2)
        for length in (64, 65, 66):
            measured(write(tmp_path, ROW), model, context, max_length=length)
        assert len(list((tmp_path / ".finery" / "measurements").iterdir())) == 2
