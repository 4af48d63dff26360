"""`python -m bench [NAME …]`."""

import sys
from collections.abc import Callable

from bench import bursts, check, jobs, logs, page, recovery, serving, startup, training, uploads

BENCHMARKS: dict[str, Callable[[], None]] = {
    "startup": startup.main,
    "jobs": jobs.main,
    "bursts": bursts.main,
    "logs": logs.main,
    "check": check.main,
    "recovery": recovery.main,
    "uploads": uploads.main,
    "serving": serving.main,
    "page": page.main,
    "speed": training.speed,
    "first_step": training.first_step,
    "packing": training.packing,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
