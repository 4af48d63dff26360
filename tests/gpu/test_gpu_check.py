"""`tools/gpu_check.sh` works when a GPU is at hand: its parts that need none are carried out here, with tiny shapes."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.gpu.wheels import requirements

ROOT = Path(__file__).parents[2]
HELD = (
    "SFT, full, beside bare TRL",
    "SFT, LoRA, beside bare TRL",
    "DPO, full",
    "DPO, LoRA",
    "packing",
    "mixture of experts: LoRA, merged, served",
    "leases",
    "served as trained",
)


def check(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [ROOT / "tools" / "gpu_check.sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


class TestGpuCheck:
    @pytest.mark.thorough
    @pytest.mark.slow
    @pytest.mark.timeout(1800)
    def test_all_that_needs_no_gpu_holds(self, tmp_path: Path) -> None:
        done = check(str(tmp_path), "--cpu", OMP_NUM_THREADS="1")
        verdicts = {
            cells[0].strip("| "): cells[1].strip()
            for line in done.stdout.splitlines()
            if len(cells := line.split(" | ")) == 4
        }
        assert done.returncode == 0, done.stdout + done.stderr
        assert [title for title, verdict in verdicts.items() if verdict == "held"] == list(HELD)
        assert sorted(title for title, verdict in verdicts.items() if verdict == "not here") == [
            "QLoRA in 4 bits",
            "out of memory: smaller batches, same step",
        ]

    def test_says_how_it_is_used(self) -> None:
        done = check("--help")
        assert done.returncode == 0
        assert "--collect WHEELS 3.12" in done.stdout

    def test_refuses_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        done = check(str(tmp_path / "none"))
        assert (done.returncode, "there is no folder" in done.stderr) == (1, True)


class TestRequirements:
    def test_has_all_but_torch(self) -> None:
        names = {line.partition("==")[0] for line in requirements()}
        assert {"trl", "transformers", "peft", "datasets", "fastapi", "llguidance"} <= names
        assert not [name for name in names if name.startswith(("torch", "nvidia-cu", "triton"))]
