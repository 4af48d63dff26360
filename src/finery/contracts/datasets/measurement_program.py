"""Measures a dataset in tokens with the model's tokenizer, in a new process that loads the training stack."""

import importlib.util
import sys

from finery.contracts.chat_prompts import ENDLESS_TEMPLATE
from finery.contracts.datasets.measurement import (
    MEASURED,
    MeasurementRefused,
    MeasurementRequest,
    MeasurementResult,
    NotMeasured,
)
from finery.kit.limits import HANG_SIGNAL
from finery.kit.one_shot_program import ProgramFailed, ProgramTooSlow, run_program

STACK = ("torch", "transformers", "peft", "datasets")
SECONDS = 300.0
QUIET = {
    "CUDA_VISIBLE_DEVICES": "",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment of the process. It gets no GPU, since a training may need all of its memory."""
OFFLINE = {"HF_HUB_OFFLINE": "1"}


def measure_in_subprocess(
    request: MeasurementRequest, *, seconds: float = SECONDS, offline: bool = False
) -> MeasurementResult:
    """Measures a dataset: some seconds for imports, and one per MB of rows. `offline`: makes no request to a hub."""
    if (missing := missing_library()) is not None:
        return NotMeasured(reason=f"the training stack is not installed here ({missing} is missing)")
    # -P keeps the working directory, where users' files may lie, out of the module search path.
    argv = [sys.executable, "-P", "-m", "finery.trainers.measuring"]
    environment = QUIET | OFFLINE if offline else QUIET
    try:
        answer = run_program(argv, request.model_dump_json().encode(), seconds=seconds, environment=environment)
    except ProgramTooSlow as error:
        return NotMeasured(reason=f"measuring took too long: {error}")
    except (ProgramFailed, OSError) as error:
        # Only the template's rendering has a time limit that ends the process in this way.
        if isinstance(error, ProgramFailed) and error.code == -HANG_SIGNAL:
            return MeasurementRefused(refused=ENDLESS_TEMPLATE, would_fail=True)
        return NotMeasured(reason=f"measuring failed: {error}")
    return MEASURED.validate_json(answer.splitlines()[-1])


def missing_library() -> str | None:
    """Returns the first library of the training stack that is not installed; None if all are."""
    return next((name for name in STACK if importlib.util.find_spec(name) is None), None)
