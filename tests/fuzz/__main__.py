"""`python -m tests.fuzz [--cases 3000] [--as admin|viewer] [--seed 1] [--database postgres]`: odd requests.

Prints a table of operations and answers, and every failure with a curl line; exits 1 when there was one.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from finery.contracts.permissions import Level
from tests import databases
from tests.fuzz.session import run
from tests.fuzz.world import SQLITE, opened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3_000)
    parser.add_argument("--as", dest="level", choices=[*Level], type=Level, default=Level.ADMIN)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", *databases.DEFAULT_URLS], default="sqlite")
    arguments = parser.parse_args()
    with _fresh(arguments.database) as url, opened(arguments.level, url) as world:
        report = run(world, arguments.cases, arguments.seed)
    print(report.table())
    if report.failures:
        print(f"\n{report.failure_log()}")
    print(
        f"\n{report.cases} cases as {arguments.level}, on {arguments.database}, seed {arguments.seed}: "
        f"{report.seconds:.0f} s, "
        f"the slowest {report.slowest:.1f} s, {len(report.failures)} failures"
    )
    return 1 if report.failures else 0


@contextmanager
def _fresh(name: str) -> Iterator[str]:
    if name == "sqlite":
        yield SQLITE
        return
    scratch = databases.scratch(name, f"fuzz_{os.getpid()}")
    scratch.create()
    try:
        yield scratch.url.render_as_string(hide_password=False)
    finally:
        scratch.drop()


if __name__ == "__main__":
    sys.exit(main())
