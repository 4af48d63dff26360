"""`finery server` → first 200 of /healthz, and what it weighs when idle."""

import tempfile
import time
from pathlib import Path

from bench.server import Server
from bench.tables import median, show

ROUNDS = 7


def main() -> None:
    times, sizes = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder), FINERY_WARM_START="off")
            try:
                times.append(server.start())
                time.sleep(2)
                sizes.append(server.memory_bytes() / 2**20)
            finally:
                server.stop()
    show(
        f"Server start ({ROUNDS} starts, new home each, warm file cache)",
        ["", "median", "worst", "must reach"],
        [
            ["first 200 of /healthz (s)", median(times), max(times), "≤ 1.2"],
            ["idle memory (MiB RSS)", median(sizes), max(sizes), "≤ 110"],
        ],
    )
