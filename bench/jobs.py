"""The job list among 10,000 finished runs, submissions per second, and the time to a stream's client."""

import json
import threading
import time

import httpx

from bench.server import Server, running
from bench.tables import median, percentile, show
from finery.contracts.layout import HomeDirectory
from finery.contracts.machine import Machine
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.context import DomainContext
from finery.kit.paths import PathResolver
from finery.kit.secretbox import SecretBox

FINISHED_RUNS = 10_000
ASKED = 300
SUBMISSIONS = 300
CHANGES = 40


def main() -> None:
    with running(FINERY_WARM_START="off", FINERY_CPU_SLOTS="1") as server:
        fill(server, FINISHED_RUNS)
        rows = [listing(server), submissions(server)]
        rows.append(stream_latency(server))
    show("Jobs", ["", "median", "p99 or rate", "must reach"], rows)


def fill(server: Server, count: int) -> None:
    """Finished runs, written through the domain."""
    database = Database("sqlite:///./training.db", home=server.home)
    machine = Machine(gpus=[], cpu_slots=1, cpu_count=2, memory_total_bytes=0, memory_available_bytes=0)
    home = HomeDirectory(server.home)
    context = DomainContext(home, PathResolver(server.home), lambda: machine, SecretBox(home.state))
    config = {"model_name": "gpt-mini", "dataset": "dataset-v1", "hyperparameters": {"learning_rate": 0.001}}
    for start in range(0, count, 500):
        with database.write() as session:
            for number in range(start, min(start + 500, count)):
                new = NewRun(source="registry", recipe="external", id=f"old-{number}", config=config)
                runs.create(session, new, context, LOCAL_ADMINISTRATOR)
                runs.report(session, f"old-{number}", RunStatus.SUCCEEDED, None, LOCAL_ADMINISTRATOR)
    database.dispose()


def listing(server: Server) -> list[object]:
    times = []
    with server.client() as client:
        for _ in range(ASKED):
            began = time.perf_counter()
            assert len(client.get("/jobs", params={"limit": 100}).raise_for_status().json()) == 100
            times.append((time.perf_counter() - began) * 1000)
    return [f"GET /jobs?limit=100, {FINISHED_RUNS} finished (ms)", median(times), percentile(times, 0.99), "p99 ≤ 50"]


def submissions(server: Server) -> list[object]:
    (server.home / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 100)
    body = {"recipe": "command", "config": {"argv": ["sleep", "600"]}}
    training = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}
    ids = []
    with server.client() as client:
        client.post("/api/v1/runs", json=body).raise_for_status()
        began = time.perf_counter()
        for number in range(SUBMISSIONS):
            answer = client.post("/train/sft", json={**training, "output_dir": f"outputs/{number}"})
            ids.append(answer.raise_for_status().json()["job_id"])
        seconds = time.perf_counter() - began
        for run_id in ids:
            client.post(f"/jobs/{run_id}/cancel").raise_for_status()
    return ["POST /train/sft, SQLite, one client (per second)", SUBMISSIONS / seconds, SUBMISSIONS / seconds, "≥ 50"]


def stream_latency(server: Server) -> list[object]:
    """From the answer to a status change to its event at a stream's client (ms)."""
    seen: dict[str, float] = {}
    times = []
    with server.client() as client:
        for number in range(CHANGES):
            body = {"recipe": "command", "config": {"argv": ["true"], "output_dir": f"outputs/s{number}"}}
            run_id = client.post("/api/v1/runs", json=body).raise_for_status().json()["id"]
            ready, done = threading.Event(), threading.Event()
            reader = threading.Thread(target=_read, args=(server, run_id, seen, ready, done))
            reader.start()
            ready.wait(10)
            client.post(f"/api/v1/runs/{run_id}/cancel").raise_for_status()
            committed = time.perf_counter()
            done.wait(10)
            times.append((seen[run_id] - committed) * 1000)
            reader.join()
    return ["status change → stream's client (ms)", median(times), max(times), "≤ 200"]


def _read(server: Server, run_id: str, seen: dict[str, float], ready: threading.Event, done: threading.Event) -> None:
    with httpx.stream("GET", f"{server.url}/api/v1/runs/{run_id}/events/stream", timeout=30) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                ready.set()
                if json.loads(line[5:])["data"].get("to") == "cancelled":
                    seen[run_id] = time.perf_counter()
                    done.set()
                    return
