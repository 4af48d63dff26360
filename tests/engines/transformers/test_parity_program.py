"""The program that answers a trainer's parity prompts: a line of JSON for each folder, and no other, on stdout."""

from pathlib import Path

import pytest

from finery.contracts.parity import Completion, Entry, Prompt, Record, Served
from finery.engines.transformers.parity import main
from tests.engines.architectures import make_folder


def test_of_a_model_that_is_served_by_plain_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How it is served is told in a line of its own, beside the answers."""
    folder = str(make_folder("bloom", tmp_path / "bloom"))
    said = Completion(prompt=[1], tokens=[2], logprobs=[-1.0])
    record = tmp_path / "record.json"
    record.write_text(
        Record(precision="float32", entries=[Entry(asked=Prompt(text="Who?"), said=said)]).model_dump_json()
    )
    assert main([str(record), folder, folder]) == 0
    told = capsys.readouterr()
    answers = [Served.model_validate_json(line) for line in told.out.splitlines()]
    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert "is not served by continuous batching" in told.err
