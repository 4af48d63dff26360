"""How soon a dead trainer is seen, and 100 live runs are adopted after a kill of the server."""

import os
import signal
import time

import httpx

from bench.server import Server, running
from bench.tables import show
from finery.kit.files import read_json

LIVE_RUNS = 100
DEATHS = 5


def main() -> None:
    with running(FINERY_WARM_START="off", FINERY_CPU_SLOTS=str(LIVE_RUNS + 10)) as server:
        with server.client() as client:
            seen = [death(server, client) for _ in range(DEATHS)]
            adopted = adoption(server, client)
    rows = [
        ["trainer killed → run failed, worst of 5 (s)", max(seen), "≤ 5"],
        [f"server killed and started → {LIVE_RUNS} live runs adopted (s)", adopted, "≤ 5"],
    ]
    show("Recovery", ["", "measured", "must reach"], rows)


def death(server: Server, client: httpx.Client) -> float:
    run_id = submit(client)
    wait_for(client, run_id, "running")
    record = read_json(server.home / "runs" / run_id / "attempts" / "1" / "shim.json")
    began = time.perf_counter()
    os.kill(record["process"]["pid"], signal.SIGKILL)
    wait_for(client, run_id, "failed")
    return time.perf_counter() - began


def adoption(server: Server, client: httpx.Client) -> float:
    """Until each run that ended while the server was gone, and each that still lives, is known for what it is."""
    ids = [submit(client) for _ in range(LIVE_RUNS)]
    for run_id in ids:
        wait_for(client, run_id, "running")
    server.kill()
    ended = ids[::10]
    for run_id in ended:
        record = read_json(server.home / "runs" / run_id / "attempts" / "1" / "shim.json")
        os.kill(record["process"]["pid"], signal.SIGKILL)
    time.sleep(1)
    began = time.perf_counter()
    server.start()
    for run_id in ended:
        wait_for(client, run_id, "failed")
    seconds = time.perf_counter() - began
    for run_id in set(ids) - set(ended):
        assert client.get(f"/api/v1/runs/{run_id}").json()["attempt"] == 1
        client.post(f"/api/v1/runs/{run_id}/cancel").raise_for_status()
    for run_id in set(ids) - set(ended):
        wait_for(client, run_id, "cancelled")
    return seconds


def submit(client: httpx.Client) -> str:
    body = {"recipe": "command", "config": {"argv": ["sleep", "600"]}}
    return str(client.post("/api/v1/runs", json=body).raise_for_status().json()["id"])


def wait_for(client: httpx.Client, run_id: str, status: str) -> None:
    deadline = time.monotonic() + 120
    while client.get(f"/api/v1/runs/{run_id}").json()["status"] != status:
        if time.monotonic() > deadline:
            raise RuntimeError(f"run {run_id} did not become {status}")
        time.sleep(0.02)
