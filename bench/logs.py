"""The last lines of a 1 GB log, and what they cost the server."""

import sys
import time

from bench.server import running
from bench.tables import median, show

SIZE = 10**9
PROGRAM = """
import sys
block = "step 123456  loss 0.123456  learning_rate 2e-05  and some more words to fill the line\\n" * 10000
written = 0
while written < int(sys.argv[1]):
    written += sys.stdout.write(block)
"""
ASKED = 100


def main() -> None:
    with running(FINERY_WARM_START="off") as server, server.client() as client:
        body = {"recipe": "command", "config": {"argv": [sys.executable, "-c", PROGRAM, str(SIZE)]}}
        run_id = client.post("/api/v1/runs", json=body).raise_for_status().json()["id"]
        while client.get(f"/api/v1/runs/{run_id}").json()["status"] != "succeeded":
            time.sleep(0.2)
        before = server.memory_bytes()
        times = []
        for _ in range(ASKED):
            began = time.perf_counter()
            answer = client.get(f"/jobs/{run_id}/logs", params={"tail": 50}).raise_for_status().json()
            times.append((time.perf_counter() - began) * 1000)
            assert len(answer["logs"]) == 50
        grown = (server.memory_bytes() - before) / 2**20
    rows = [
        ["first (counts the lines), ms", times[0], ""],
        ["later, median, ms", median(times[1:]), "≤ 50"],
        ["later, worst, ms", max(times[1:]), "≤ 50"],
        ["memory grown by, MiB", grown, "flat"],
        ["total_lines", answer["total_lines"], ""],
    ]
    show("GET /jobs/{id}/logs?tail=50 of a 1 GB log", ["", "measured", "must reach"], rows)
