from typing import Any

import pytest
from pydantic import ValidationError

from finery.contracts.recipes import SftConfig

EVERYTHING = {"tracker_project": "p", "tracker_name": "n", "tracker_entity": "e", "tracker_tags": ["t"]}
NOTHING = {"tracker_project": None, "tracker_name": None, "tracker_entity": None, "tracker_tags": []}


def sft(*report_to: str, **config: Any) -> SftConfig:
    return SftConfig.model_validate({"model_name": "m", "dataset_path": "d", "report_to": list(report_to), **config})


def refused(*report_to: str, **config: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as raised:
        sft(*report_to, **config)
    return {str(error["loc"][0]): error["msg"] for error in raised.value.errors()}


class TestCheckField:
    @pytest.mark.parametrize(
        ("tracker", "deaf"),
        [
            ("wandb", set()),
            ("mlflow", {"tracker_entity"}),
            ("trackio", {"tracker_entity", "tracker_tags"}),
            ("tensorboard", {"tracker_project", "tracker_entity", "tracker_tags"}),
        ],
    )
    def test_what_a_tracker_has_no_place_for(self, tracker: str, deaf: set[str]) -> None:
        for name, value in EVERYTHING.items():
            if name in deaf:
                assert f"{tracker} has no such thing" in refused(tracker, **{name: value})[name]
            else:
                assert sft(tracker, **{name: value}).model_dump()[name] == value

    def test_every_one_of_several_has_to_honour_it(self) -> None:
        assert "mlflow has no such thing" in refused("wandb", "mlflow", tracker_entity="e")["tracker_entity"]
        assert sft("wandb", "mlflow", tracker_project="p").tracker_project == "p"

    @pytest.mark.parametrize("report_to", [[], ["none"]])
    def test_without_a_tracker(self, report_to: list[str]) -> None:
        assert set(refused(*report_to, **EVERYTHING)) == set(EVERYTHING)
        assert sft(*report_to, **NOTHING).tracker_tags == []

    def test_an_unknown_tracker_is_told_alone(self) -> None:
        assert set(refused("everybody", **EVERYTHING)) == {"report_to"}


class TestCheckFolder:
    @pytest.mark.parametrize("name", ["a/b", "../a", ".hidden"])
    def test_names_that_are_no_folder(self, name: str) -> None:
        assert "folder" in refused("tensorboard", tracker_name=name)["tracker_name"]
        assert sft("wandb", tracker_name=name).tracker_name == name


class TestCheckTags:
    @pytest.mark.parametrize(
        ("tracker", "tag"), [("wandb", "a,b"), ("wandb", "x" * 65), ("mlflow", "a,b"), ("mlflow", "mlflow.runName")]
    )
    def test_tags_that_a_tracker_refuses(self, tracker: str, tag: str) -> None:
        assert f"a tag of {tracker}" in refused(tracker, tracker_tags=["good", tag])["tracker_tags"]

    def test_tags_in_any_language(self) -> None:
        assert sft("wandb", "mlflow", tracker_tags=["測試", "team: a/b"]).tracker_tags == ["測試", "team: a/b"]
