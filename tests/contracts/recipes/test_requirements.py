from importlib.util import find_spec
from typing import Any

import pytest
from pydantic import ValidationError

from finery.contracts.recipes import SftConfig, missing_requirements

needs_no_bitsandbytes = pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="the package is there")


def sft(**config: Any) -> SftConfig:
    return SftConfig.model_validate({"model_name": "m", "dataset_path": "d", **config})


class TestUnmet:
    def test_nothing(self) -> None:
        assert list(missing_requirements(sft(), has_gpu=False)) == []
        assert list(missing_requirements(sft(report_to=["none"], precision="bf16"), has_gpu=False)) == []

    @pytest.mark.parametrize("field", ["load_in_4bit", "load_in_8bit"])
    def test_a_gpu(self, field: str) -> None:
        ((named, message),) = missing_requirements(sft(use_lora=True, **{field: True}), has_gpu=False)
        assert (named, message) == (field, f"{field} needs a GPU, and this run has none")

    def test_fp16(self) -> None:
        ((field, message),) = missing_requirements(sft(precision="fp16"), has_gpu=False)
        assert (field, message) == ("precision", "fp16 needs a GPU; on a CPU choose bf16 or fp32")
        assert list(missing_requirements(sft(precision="fp16"), has_gpu=True)) == []

    @needs_no_bitsandbytes
    @pytest.mark.parametrize("wanted", [{"load_in_4bit": True, "use_lora": True}, {"optimizer": "adamw_bnb_8bit"}])
    def test_a_package(self, wanted: dict[str, Any]) -> None:
        ((field, message),) = missing_requirements(sft(**wanted), has_gpu=True)
        assert field in wanted
        assert "pip install 'finery[quantization]'" in message

    @pytest.mark.parametrize("tracker", ["tensorboard", "wandb", "mlflow", "trackio"])
    def test_a_tracker(self, tracker: str) -> None:
        missing = list(missing_requirements(sft(report_to=[tracker]), has_gpu=False))
        if find_spec(tracker) is not None:
            assert missing == []
        else:
            ((field, message),) = missing
            assert (field, f"pip install {tracker}" in message) == ("report_to", True)


class TestQuantization:
    @pytest.mark.parametrize("field", ["load_in_4bit", "load_in_8bit"])
    def test_needs_an_adapter(self, field: str) -> None:
        with pytest.raises(ValidationError, match="needs use_lora") as refused:
            sft(**{field: True})
        assert refused.value.errors()[0]["loc"] == (field,)

    def test_one_of_the_two(self) -> None:
        with pytest.raises(ValidationError, match="load_in_4bit was chosen already"):
            sft(use_lora=True, load_in_4bit=True, load_in_8bit=True)
