"""`python -m tests.zoo [--shard 1/4] [--minutes 30]`: the cells of the matrix that have no result yet.

Each cell that came to its end is a line of results.jsonl; started again, it goes on with what is missing there. With
`--again` cells that have a result are carried out, too. With `--table` it prints the table of docs/models.md, with
`--write` it puts it there.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.plan import Shard
from tests.soak.results import commit
from tests.zoo import results, table
from tests.zoo.architectures import ARCHITECTURES
from tests.zoo.cells import Cell, matrix, pairs
from tests.zoo.course import Verdict, carry_out
from tests.zoo.results import RESULTS, Result
from tests.zoo.serving import engine


def main() -> int:
    arguments = _arguments()
    if arguments.table or arguments.write:
        text = table.table(results.read(arguments.results))
        if arguments.write:
            table.write(text)
        else:
            print(text, end="")
        return 0
    done = {} if arguments.again else results.read(arguments.results)
    planned = [cell for one in ARCHITECTURES for cell in pairs(one)] if arguments.pairs else matrix()
    cells = [cell for number, cell in enumerate(planned) if arguments.shard.has(number)]
    missing = [cell for cell in cells if cell.name not in done and _is_wanted(cell, arguments.cell)]
    try:
        return _carry_out(missing, arguments.results, time.monotonic() + arguments.minutes * 60)
    except KeyboardInterrupt:
        print("interrupted; started again, it goes on with this cell")
        return 130


def _carry_out(cells: list[Cell], path: Path, deadline: float) -> int:
    """Returns 1 when a cell is wrong."""
    is_wrong, at = False, commit()
    _quiet()
    with engine() as asked:
        for cell in cells:
            if time.monotonic() >= deadline:
                break
            verdict = carry_out(cell, Path(tempfile.mkdtemp(prefix="zoo-")), asked)
            results.append(path, _result(verdict, at))
            is_wrong = is_wrong or verdict.is_wrong
            told = f": {' '.join(verdict.told)[:300]}" if verdict.told else ""
            line = f"{cell.name}: trained {verdict.trained}, served {verdict.served}, {verdict.seconds:.0f} s{told}"
            print(line, file=sys.stderr, flush=True)
            gc.collect()
    return 1 if is_wrong else 0


def _quiet() -> None:
    """Keeps the libraries' bars and warnings away, and what is imported out of each collection of garbage."""
    import datasets
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()
    gc.collect()
    gc.freeze()


def _result(verdict: Verdict, at: str) -> Result:
    cell = verdict.cell
    return Result(
        cell=cell.name,
        architecture=cell.architecture.name,
        family=cell.family.name,
        method=cell.method,
        trained=verdict.trained,
        served=verdict.served,
        told=[told[:500] for told in verdict.told[:5]],
        seconds=verdict.seconds,
        commit=at,
    )


def _is_wanted(cell: Cell, beginnings: list[str] | None) -> bool:
    return not beginnings or any(cell.name.startswith(beginning) for beginning in beginnings)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("--shard", type=Shard.parse, default=Shard(1, 1), help="the first of four: 1/4")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no cell is begun")
    parser.add_argument("--cell", action="append", help="how its name begins: gpt2/qwen/full, or gpt2/")
    parser.add_argument("--pairs", action="store_true", help="only what `make test-thorough` carries out")
    parser.add_argument("--again", action="store_true", help="also the cells that have a result")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the table, and do nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/models.md")
    return parser.parse_args()


if __name__ == "__main__":
    # What the machine else does comes first.
    os.nice(10)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sys.exit(main())
