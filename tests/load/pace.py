"""How slow the machine is just now: bounds on time are multiplied by it, so that they hold beside other work."""

import os
import time

IS_TIMED = os.environ.get("FINERY_TEST_TIMES") == "1"
"""Whether how long an answer takes is looked at: by `make test-load`, which has the machine for itself."""
REFERENCE_SECONDS = 0.042
"""What the loop takes on a quiet machine of the kind that docs/benchmarks.md names."""
STEPS = 1_000_000


def slowness() -> float:
    """1 on a quiet machine, 3 where this process gets a third of a core."""
    began, total = time.perf_counter(), 0
    for step in range(STEPS):
        total += step
    return max(1.0, (time.perf_counter() - began) / REFERENCE_SECONDS)


def worst_slowness(samples: int = 5) -> float:
    """Other work comes and goes within a second, and a bound holds for the worst of it."""
    return max(slowness() for _ in range(samples))
