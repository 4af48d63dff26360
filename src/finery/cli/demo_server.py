"""Starts and ends the server of `finery demo`, or uses one that runs already."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from finery.cli.exit_codes import ExitCode
from finery.cli.serve import SERVER
from finery.cli.session import fail
from finery.client import ClientError, FineryClient
from finery.contracts.deployment import Deployment
from finery.contracts.run import Run

START_SECONDS = 60.0
END_SECONDS = 20.0


@dataclass
class OwnServer:
    home: Path
    log: Path
    process: "subprocess.Popen[bytes]"
    is_temporary: bool
    is_kept: bool = False


@dataclass(frozen=True)
class DemoServer:
    url: str
    own: OwnServer | None
    """None for a server that the demo did not start."""


@contextmanager
def demo_server(home: Path | None) -> Iterator[DemoServer]:
    """Starts a server, and ends it with its runs and engines at the end of the block, unless `is_kept` was set."""
    signal.signal(signal.SIGTERM, _interrupt)
    url, own = _start(home)
    try:
        _wait_until_healthy(url, own)
        yield DemoServer(url, own)
    finally:
        if not own.is_kept:
            _end(url, own)


@contextmanager
def existing_server(url: str) -> Iterator[DemoServer]:
    signal.signal(signal.SIGTERM, _interrupt)
    yield DemoServer(url, None)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # SIGTERM alone would end this process without its `finally` blocks, and leave runs and engines behind.
    raise KeyboardInterrupt


def _start(home: Path | None) -> tuple[str, OwnServer]:
    place = home.resolve() if home else Path(tempfile.mkdtemp(prefix="finery-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    log = place / "server.log"
    # Without the settings of a server that is there already, whose database is none of the demo's business.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FINERY_", "TRAINING_"))}
    with log.open("wb") as output:
        # In a session of its own, the server is not hit by the Ctrl-C that this process answers.
        process = subprocess.Popen(
            [*SERVER, "--host", "127.0.0.1", "--port", str(port), "--home", str(place)],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return f"http://127.0.0.1:{port}", OwnServer(place, log, process, is_temporary=home is None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_healthy(url: str, own: OwnServer) -> None:
    deadline = time.monotonic() + START_SECONDS
    with FineryClient(url=url) as client:
        while not client.is_healthy():
            if own.process.poll() is not None or time.monotonic() > deadline:
                last = own.log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                fail(f"the demo's server did not start: {last[0]}", ExitCode.FAILED)
            time.sleep(0.05)


def _end(url: str, own: OwnServer) -> None:
    # An impatient second Ctrl-C would leave the server behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if own.process.poll() is None:
        with suppress(ClientError), FineryClient(url=url) as client:
            _end_work(client)
        own.process.send_signal(signal.SIGTERM)
        try:
            own.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(own.process.pid, signal.SIGKILL)
            own.process.wait()
    if own.is_temporary:
        shutil.rmtree(own.home, ignore_errors=True)


def _end_work(client: FineryClient) -> None:
    """Ends runs and engines one by one, since they outlive a server by design."""
    for run in _active_runs(client):
        client.cancel_run(run.id)
    for deployment in _active_deployments(client):
        client.stop_deployment(deployment.id)
    deadline = time.monotonic() + END_SECONDS
    while (_active_runs(client) or _active_deployments(client)) and time.monotonic() < deadline:
        time.sleep(0.1)


def _active_runs(client: FineryClient) -> list[Run]:
    return [run for run in client.list_runs(limit=100).runs if not run.status.is_finished]


def _active_deployments(client: FineryClient) -> list[Deployment]:
    return [deployment for deployment in client.list_deployments() if not deployment.status.is_finished]
