"""`python -m bench.gpu [--cpu] [--part NAME …]`: carries out the parts, prints one table, and says by its exit code
whether all held.

Each part is a process of its own with a limit of time, so that one that fails or hangs stops no other. What is lacking
here is said, and is no failure. With `--cpu`, the parts that need no GPU are carried out with tiny shapes.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.tables import show

HELD, FAILED, ABSENT = "held", "FAILED", "not here"
CPU_SECONDS = 600.0
"""A part's limit on a CPU that others use, too."""


@dataclass(frozen=True)
class Told:
    verdict: str
    words: str
    seconds: float


def main() -> int:
    arguments = _arguments()
    if arguments.only:
        return _carry_out(arguments.only, arguments.folder, is_cpu=arguments.cpu)
    from bench.gpu.parts import PARTS

    if unknown := set(arguments.part or ()) - set(PARTS):
        print(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="finery-gpu-"))
    found: dict[str, Told] = {}
    try:
        for name in arguments.part or PARTS:
            found[name] = _in_process(name, folder, seconds=CPU_SECONDS if arguments.cpu else PARTS[name].seconds)
            print(f"{name}: {found[name].verdict}, {found[name].words}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _show({PARTS[name].title: told for name, told in found.items()}, is_cpu=arguments.cpu)
    return 1 if any(told.verdict == FAILED for told in found.values()) else 0


def _in_process(name: str, folder: Path, *, seconds: float) -> Told:
    """Carries out a part in a process group of its own, which is killed when its time is up."""
    command = [sys.executable, "-m", "bench.gpu", *sys.argv[1:], "--only", name, "--folder", str(folder)]
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Told(FAILED, f"its {seconds:.0f} s were up", seconds)
    took = time.monotonic() - began
    lines = [line for line in out.splitlines() if line.startswith("TOLD ")]
    if not lines:
        last = next(iter(reversed(err.strip().splitlines())), f"exit code {process.returncode}")
        return Told(FAILED, last[:300], took)
    verdict, words = json.loads(lines[-1].removeprefix("TOLD "))
    return Told(verdict, words, took)


def _carry_out(name: str, folder: Path, *, is_cpu: bool) -> int:
    """In the part's own process."""
    from transformers.utils import logging

    from bench.gpu.models import REAL, TINY
    from bench.gpu.parts import PARTS, Bench, NotHere
    from bench.gpu.runs import PartFailed

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    own = folder / name
    own.mkdir()
    models = folder / "models"
    models.mkdir(exist_ok=True)
    bench = Bench(own, models, TINY if is_cpu else REAL, None if is_cpu else 0)
    try:
        told = (HELD, PARTS[name].check(bench))
    except PartFailed as error:
        told = (FAILED, str(error))
    except NotHere as error:
        told = (ABSENT, f"needs {error}")
    print("TOLD " + json.dumps(told), flush=True)
    return 0


def _show(found: dict[str, Told], *, is_cpu: bool) -> None:
    import torch

    where = "the CPU, tiny shapes" if is_cpu else torch.cuda.get_device_name(0)
    rows = [[title, told.verdict, told.words.replace("|", "/"), f"{told.seconds:.0f}"] for title, told in found.items()]
    show(f"GPU check on {where}, torch {torch.__version__}", ["part", "", "what was seen", "s"], rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/gpu_check.sh", description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="without a GPU: what needs none, with tiny shapes")
    parser.add_argument("--part", action="append", help="carry out this one (several times: these)")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
