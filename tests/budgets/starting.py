"""What a start of the server costs, in figures that depend on no host: run in a process of its own, it prints them."""

import gc
import json
import sys
import tempfile
from pathlib import Path


def main() -> None:
    gc.set_threshold(100_000)
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    # All that is not the dialects' own.
    import finery.engines.registry
    import finery.http.dialects
    import finery.http.session
    import finery.scheduler

    sys.setprofile(count)
    import finery.api

    sys.setprofile(None)
    import finery.app.serve  # noqa: F401
    from finery.app.asgi import build_app
    from finery.app.composition import Composition
    from finery.app.settings import Settings

    imported = sorted(sys.modules)
    with tempfile.TemporaryDirectory() as home:
        composition = Composition(Settings(home=Path(home), warm_start="off"))
        app = build_app(composition)
    found = {"modules": imported, "calls": calls, "routes": len(app.router.routes), "resident_bytes": resident_bytes()}
    json.dump(found, sys.stdout)


def resident_bytes() -> int:
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in fields if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
