"""Processes of other kinds: forked from a warm parent, several at once."""

import signal
from pathlib import Path

import pytest

from tests.trainers.running import PREFERENCES, ended, make_run, read_events, start, wait_until

FORKED = """
import gc, os, sys
import finery.trainers.preload, torch
assert not torch.cuda.is_initialized()
gc.freeze()
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

HUNGRY = """
import os, pathlib
package = pathlib.Path({package!r})
package.mkdir()
(package / "sitecustomize.py").write_text('''
import os
if os.environ.get("RANK") == "1":
    import torch
    from finery.trainers import causal
    class Hungry(causal.CausalTrainer):
        def compute_loss(self, model, inputs, *rest, **named):
            if inputs["labels"].shape[0] > 2:
                torch.empty(1 << 60, dtype=torch.uint8)
            return super().compute_loss(model, inputs, *rest, **named)
    causal.CausalTrainer = Hungry
''')
os.environ["PYTHONPATH"] = str(package) + os.pathsep + os.environ["PYTHONPATH"]
"""
"""The second rank asks for an exabyte while its batch has more than two rows: a real refusal of the allocator."""


LAUNCHER = """
import finery.trainers.__main__ as program
opened = program.open_attempt
program.open_attempt = lambda run, spec: opened(run, spec.model_copy(update={"gpus": [0, 1]}))
"""
"""The first process believes in two GPUs and starts two ranks; they read that they have none, and use the CPU."""


class TestWarmStart:
    def test_a_forked_child_trains(self, tmp_path: Path, cache: Path) -> None:
        run = make_run(tmp_path, "dpo", cache=cache, max_steps=2, dataset=PREFERENCES)
        result = ended(run, start(run, before=FORKED).wait(timeout=120))
        assert (result.code, result.outcome.reason) == (0, "completed")


class TestSeveralProcesses:
    """As on two GPUs, with the CPU in their place: torchrun, two ranks, one model."""

    @pytest.mark.thorough
    def test_pause_and_resume(self, tmp_path: Path, cache: Path, tiny_llama: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, max_steps=12, batch_size=4)
        process = start(run, before=LAUNCHER)
        wait_until(lambda: any(event["type"] == "progress" for event in read_events(run)))
        process.send_signal(signal.SIGTERM)
        paused = ended(run, process.wait(timeout=60))
        assert (paused.code, paused.outcome.reason) == (0, "paused")
        step = paused.of("checkpoint")[-1]["step"]
        assert (run.checkpoints / f"checkpoint-{step}" / "rng_state_1.pth").exists()
        result = ended(run, start(run, before=LAUNCHER).wait(timeout=120))
        assert (result.code, result.outcome.reason) == (0, "completed")
        # The first rank alone reports, and no step comes twice.
        assert [data["step"] for data in result.of("progress")] == list(range(1, 13))

    @pytest.mark.thorough
    @pytest.mark.slow
    def test_out_of_memory_begins_again_with_less(self, tmp_path: Path, cache: Path, tiny_llama: Path) -> None:
        run = make_run(tmp_path, "sft", cache=cache, max_steps=1, batch_size=4)
        hungry = HUNGRY.format(package=str(tmp_path / "package"))
        result = ended(run, start(run, before=LAUNCHER + hungry).wait(timeout=120))
        assert (result.code, result.outcome.reason) == (0, "completed")
        assert result.of("notice")[0]["batch_size"] == 2
