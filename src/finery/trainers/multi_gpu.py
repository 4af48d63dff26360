"""Runs a training on several GPUs by torchrun, with one process per GPU."""

import signal
import subprocess
import sys

from finery.contracts.layout import CONTROL_PAUSE
from finery.contracts.process import Outcome
from finery.contracts.status import Reason
from finery.kit.files import read_json
from finery.trainers.attempt import Attempt


def run_with_torchrun(attempt: Attempt) -> Outcome:
    """Returns rank 0's outcome, or an error by torchrun's exit code when rank 0 wrote none because another one died.

    SIGTERM becomes a request to pause: torchrun itself would end with an error, however well its processes ended.
    """
    signal.signal(signal.SIGTERM, lambda *_: (attempt.run.control / CONTROL_PAUSE).touch())
    while True:
        batch_before = read_json(attempt.run.batch)
        attempt.directory.outcome.unlink(missing_ok=True)
        code = subprocess.call(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *(f"--nproc-per-node={len(attempt.spec.gpus)}", "-m", "finery.trainers", str(attempt.run.path)),
            ]
        )
        written = read_json(attempt.directory.outcome)
        outcome = Outcome.model_validate(written) if written is not None else None
        is_good = outcome is not None and outcome.reason in (Reason.COMPLETED, Reason.STOPPED, Reason.PAUSED)
        if not is_good and read_json(attempt.run.batch) != batch_before:
            # A rank ran out of memory and recorded a smaller batch, with which all begin again.
            continue
        if outcome is not None:
            return outcome
        return Outcome(reason=Reason.ERROR, message=f"a process of the run died; torchrun ended with exit code {code}")
