"""An upload to the store, beside the same to Starlette's UploadFile: speed, and what it costs the server in memory.

FINERY_BENCH_UPLOAD_MIB says how much is sent (256; 2048 for the figure that is promised).
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.server import Server, free_port, running
from bench.tables import median, show
from finery.contracts.layout import HomeDirectory

ROUNDS = 5
SEND_BYTES = 1 << 20
BOUNDARY = b"3f9c1a7be2d84056a1c0de57b98e642f"
"""As httpx and our client draw them: how fast a text is searched for a boundary depends on its letters."""
ROW = (
    b'{"messages": [{"role": "user", "content": "Hello there"}, {"role": "assistant", "content": "'
    + b"x" * 300
    + b'"}]}\n'
)
BLOCK = (ROW * (SEND_BYTES // len(ROW) + 1))[:SEND_BYTES]


def main() -> None:
    mebibytes = int(os.environ.get("FINERY_BENCH_UPLOAD_MIB", "256"))
    with running(FINERY_WARM_START="off") as server, starlette() as (port, process_id):
        assert server.process is not None
        ours, theirs, formed = [], [], []
        for turn in range(ROUNDS):
            # In turn, so that whatever else the machine does meets all of them.
            ours.append(measured(server.port, "/api/v1/datasets", mebibytes, server.process.pid, turn))
            # Starlette's file makes place for the next turn's, too: fresh memory costs the file cache more than used.
            forget(server)
            theirs.append(measured(port, "/stored", mebibytes, process_id, turn))
            formed.append(measured(port, "/received", mebibytes, process_id, turn))
    rows = [_row(name, found) for name, found in (
        ("Finery: stored, hashed, synced", ours),
        ("Starlette: UploadFile, copied, hashed", theirs),
        ("Starlette: UploadFile alone", formed),
    )]  # fmt: skip
    for other, found, wanted in (("copied, hashed", theirs, "≥ 2.5"), ("alone", formed, "")):
        speed, work = _ratios(ours, found)
        rows.append([f"Finery / Starlette {other}, median of the rounds", speed, work, "", wanted])
    title = f"Uploads of {mebibytes} MiB ({ROUNDS} rounds; load at the end {os.getloadavg()[0]:.1f})"
    show(title, ["", "MiB/s, median", "CPU s / GiB", "memory grew by MiB", "must reach"], rows)


def forget(server: Server) -> None:
    for path in HomeDirectory(server.home).blobs.glob("*/*"):
        path.unlink()


@dataclass(frozen=True)
class Measured:
    speed: float
    """MiB a second."""
    work: float
    """Seconds of processor time that a GiB costs the server: what is left of the speed on a busy machine."""
    grown: float
    """By how many MiB the server grew at most."""


def measured(port: int, path: str, mebibytes: int, process_id: int, turn: int) -> Measured:
    with watched(process_id) as grown:
        began, worked = time.perf_counter(), _worked(process_id)
        send(port, path, mebibytes, turn)
        seconds, worked = time.perf_counter() - began, _worked(process_id) - worked
    return Measured(mebibytes / seconds, worked / mebibytes * 1024, grown[0] / 2**20)


def _worked(process_id: int) -> float:
    times = psutil.Process(process_id).cpu_times()
    return times.user + times.system


def send(port: int, path: str, mebibytes: int, turn: int) -> None:
    """The content differs from turn to turn, as it is stored under its hash."""
    head = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n'
    first = b'{"text": "%d"}\n' % turn
    tail = b"\r\n--" + BOUNDARY + b"--\r\n"
    length = len(head) + len(first) + mebibytes * len(BLOCK) + len(tail)
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY.decode()}"
        f"\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request.encode() + head + first)
        for _ in range(mebibytes):
            connection.sendall(BLOCK)
        connection.sendall(tail)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    if answer.split(b" ", 2)[1] not in (b"200", b"201"):
        raise RuntimeError(answer.decode(errors="replace"))


@contextmanager
def watched(process_id: int) -> Iterator[list[float]]:
    """The most by which the process grew, in its first item, once the block has ended."""
    process = psutil.Process(process_id)
    before = process.memory_info().rss
    grown = [0.0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            grown[0] = max(grown[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield grown
    finally:
        over.set()
        watcher.join()


@contextmanager
def starlette() -> Iterator[tuple[int, int]]:
    """Its port and its process's id."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="finery-bench-") as folder:
        command = [sys.executable, "-m", "bench.starlette_uploads", str(port), folder]
        process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1])
        try:
            while not _answers(port):
                time.sleep(0.02)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _row(name: str, found: list[Measured]) -> list[object]:
    return [name, _speed(found), _work(found), max(each.grown for each in found), ""]


def _ratios(ours: list[Measured], theirs: list[Measured]) -> tuple[float, float]:
    """Of the speed and of the work, round by round: what the machine does beside this changes within minutes."""
    pairs = [*zip(ours, theirs, strict=True)]
    return median([a.speed / b.speed for a, b in pairs]), median([a.work / b.work for a, b in pairs])


def _speed(found: list[Measured]) -> float:
    return median([each.speed for each in found])


def _work(found: list[Measured]) -> float:
    return median([each.work for each in found])
