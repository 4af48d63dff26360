"""Processes of other kinds: forked from a warm parent, started cold, several at once."""

from pathlib import Path

import pytest

from tests.trainers.running import ended, make_run, start

FORKED = """
import gc, os, signal, sys
import finery.trainers.preload, torch
threads = os.listdir("/proc/self/task")
assert not torch.cuda.is_initialized()
gc.freeze()
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class TestWarmStart:
    def test_a_forked_child_trains(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "dpo", cache=cache, max_steps=2, dataset=_preferences())
        result = ended(run, start(run, before=FORKED).wait(timeout=120))
        assert (result.code, result.outcome.reason) == (0, "completed")


class TestSeveralProcesses:
    @pytest.mark.slow
    def test_two_ranks_train_one_model(self, tmp_path: Path, cache: Path, tiny_llama: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, max_steps=4, save_steps=2, batch_size=4, learning_rate=3e-3)
        torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "finery.trainers")
        process = start(run, launcher=torchrun)
        result = ended(run, process.wait(timeout=200))
        assert (result.code, result.outcome.reason) == (0, "completed")
        assert list(result.losses()) == [1, 2, 3, 4]
        assert [data["step"] for data in result.of("checkpoint")] == [2, 4]
        assert (run.checkpoints / "checkpoint-4" / "rng_state_1.pth").exists()


def _preferences() -> Path:
    from tests.trainers.running import PREFERENCES

    return PREFERENCES
