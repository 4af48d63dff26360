"""A run on several GPUs: torchrun with one process for each, minded so that it ends like any other run."""

import signal
import subprocess
import sys

from finery.contracts.layout import CONTROL_PAUSE
from finery.contracts.process import Outcome
from finery.contracts.status import Reason
from finery.kit.files import read_json
from finery.trainers.attempt import Attempt


def carry_out_on_several(attempt: Attempt) -> Outcome:
    """The outcome of the first rank; when that has none (another one died), what torchrun's end says.

    SIGTERM becomes a request to pause: torchrun itself would end with an error, however well its processes ended.
    """
    signal.signal(signal.SIGTERM, lambda *_: (attempt.run.control / CONTROL_PAUSE).touch())
    while True:
        shape_before = read_json(attempt.batch_file)
        attempt.directory.outcome.unlink(missing_ok=True)
        code = subprocess.call(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *(f"--nproc-per-node={len(attempt.spec.gpus)}", "-m", "finery.trainers", str(attempt.run.path)),
            ]
        )
        told = read_json(attempt.directory.outcome)
        outcome = Outcome.model_validate(told) if told is not None else None
        good = outcome is not None and outcome.reason in (Reason.COMPLETED, Reason.STOPPED, Reason.PAUSED)
        if not good and read_json(attempt.batch_file) != shape_before:
            # One ran out of memory and noted a smaller batch: all begin again with that.
            continue
        if outcome is not None:
            return outcome
        return Outcome(reason=Reason.ERROR, message=f"a process of the run died; torchrun ended with exit code {code}")
