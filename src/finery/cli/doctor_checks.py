"""The checks of `finery doctor`: packages, GPU, memory, disk, server, database and hub."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from finery.cli.output import size
from finery.cli.session import LOG_IN
from finery.client import ClientError, FineryClient, FineryError

PACKAGE = re.compile(r"[\w.-]+")
TRAINING = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors", "jinja2")
OPTIONAL = {
    "bitsandbytes": "QLoRA and 8-bit loading",
    "psycopg": "PostgreSQL",
    "pymysql": "MySQL and MariaDB",
}
HUB_VARIABLES = ("HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT")
DATABASE_DRIVERS = {
    "postgresql": ("psycopg", "postgres"),
    "mysql": ("pymysql", "mysql"),
    "mariadb": ("pymysql", "mysql"),
}

ENOUGH_MEMORY = 4 * 10**9
ENOUGH_DISK = 10 * 10**9

DEEP_PROGRAM = """
import json, torch, transformers, trl, peft, datasets
gpu = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__, "cuda": torch.version.cuda, "gpus": torch.cuda.device_count() if gpu else 0,
    "bf16": torch.cuda.is_bf16_supported() if gpu else torch.cpu._is_amx_tile_supported(),
}))
"""


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Finery works; something is slower, or cannot be used."""
    LACKING = "lacking"
    """Finery cannot work without it."""


@dataclass(frozen=True)
class Finding:
    subject: str
    state: State
    found: str
    remedy: str | None = None


def examine(*, home: Path, port: int, deep: bool) -> list[Finding]:
    """Makes all checks; none but the deep one loads the training stack, and that in a process of its own."""
    return [
        _python(),
        _core_packages(),
        _training_packages(),
        *_optional_packages(),
        *(_deep_import() if deep else ()),
        _gpus(),
        _processor(Path("/proc/cpuinfo")),
        _memory(),
        _disk(home),
        _home(home),
        *_server(port),
        _hub(),
    ]


def _python() -> Finding:
    return Finding("Python", State.OK, f"{platform.python_version()} at {sys.executable}")


def _core_packages() -> Finding:
    wanted = [line for line in importlib.metadata.requires("finery") or () if "extra ==" not in line]
    core = [PACKAGE.findall(line)[0] for line in wanted]
    missing = [name for name in core if version_of(name) is None]
    if missing:
        return Finding("core packages", State.LACKING, f"missing: {', '.join(missing)}", "pip install finery")
    return Finding("core packages", State.OK, f"all {len(core)} are installed")


def _training_packages() -> Finding:
    versions = {name: version_of(name) for name in TRAINING}
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        remedy = "install torch first, then: pip install 'finery[train,serve]' (in a checkout: make setup)"
        return Finding("training stack", State.LACKING, f"missing: {', '.join(missing)}", remedy)
    return Finding("training stack", State.OK, found)


def _optional_packages() -> Iterator[Finding]:
    for name, use in OPTIONAL.items():
        version = version_of(name)
        yield Finding(name, State.OK if version else State.NOTE, version or f"not installed; it is for {use}")


def version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _deep_import() -> Sequence[Finding]:
    # In a process of its own, since the import costs half a gigabyte and may crash.
    try:
        ended = subprocess.run(
            [sys.executable, "-c", DEEP_PROGRAM], capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        return [Finding("import of the stack", State.LACKING, "takes more than five minutes", "look at the disk")]
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or [f"ended with exit code {ended.returncode}"])[-1]
        remedy = "install the versions of constraints.txt anew; torchvision of another build is a known cause"
        return [Finding("import of the stack", State.LACKING, last, remedy)]
    facts = json.loads(ended.stdout.strip().splitlines()[-1])
    text = f"torch {facts['torch']}, CUDA {facts['cuda'] or 'not built in'}, {facts['gpus']} GPUs, bf16 {facts['bf16']}"
    return [Finding("import of the stack", State.OK, text)]


def _gpus() -> Finding:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        remedy = "on a machine with an NVIDIA GPU, install its driver; nvidia-smi must list it"
        return Finding("GPU", State.NOTE, "none that NVML knows: everything runs on the CPU", remedy)
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        sizes = [pynvml.nvmlDeviceGetMemoryInfo(handle).total for handle in handles]
        names = [pynvml.nvmlDeviceGetName(handle) for handle in handles]
        driver = pynvml.nvmlSystemGetDriverVersion()
    finally:
        pynvml.nvmlShutdown()
    gpus = ", ".join(f"{name} ({size(total)})" for name, total in zip(names, sizes, strict=True))
    return Finding("GPU", State.OK, f"{len(names)}: {gpus}; driver {driver}")


def _processor(source: Path) -> Finding:
    cores = psutil.cpu_count() or 1
    flags = _cpu_flags(source)
    fast = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    if fast:
        return Finding("processor", State.OK, f"{cores} cores, computes in bf16 ({', '.join(fast)})")
    return Finding("processor", State.NOTE, f"{cores} cores, no bf16 (neither AMX nor AVX-512 BF16): trains in fp32")


def _cpu_flags(source: Path) -> set[str]:
    if not source.is_file():
        return set()
    lines = source.read_text(errors="replace").splitlines()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{size(memory.total)}, {size(memory.available)} of it free"
    if memory.available < ENOUGH_MEMORY:
        return Finding("memory", State.NOTE, found, "a training needs about 1 GB and its model several times over")
    return Finding("memory", State.OK, found)


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(_existing(home)).free
    if free < ENOUGH_DISK:
        return Finding("disk", State.NOTE, f"{size(free)} free", "checkpoints need room: choose another --home")
    return Finding("disk", State.OK, f"{size(free)} free")


def _home(home: Path) -> Finding:
    place = _existing(home)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        found = f"{home.resolve()} cannot be written: {error.strerror}"
        return Finding("home", State.LACKING, found, "choose another directory with --home, or change its owner")
    return Finding("home", State.OK, f"{home.resolve()} can be written")


def _existing(folder: Path) -> Path:
    """Returns `folder`, or the nearest folder above it that is there."""
    resolved = folder.resolve()
    return next(place for place in (resolved, *resolved.parents) if place.is_dir())


def _server(port: int) -> Iterator[Finding]:
    with FineryClient() as client:
        if client.is_healthy():
            yield Finding("server", State.OK, f"answers at {client.url}")
            yield _served_database(client)
            return
        yield Finding("server", State.NOTE, f"none answers at {client.url}", "start one with: finery server")
    yield _port(port)
    yield _configured_database(os.environ.get("TRAINING_DB_URL"))


def _served_database(client: FineryClient) -> Finding:
    try:
        client.list_runs(limit=1)
    except FineryError as error:
        if error.status in (401, 403):
            return Finding("login", State.NOTE, str(error), LOG_IN)
        return Finding("database", State.LACKING, f"the server cannot use it: {error}", "look at the server's log")
    except ClientError as error:
        return Finding("database", State.LACKING, f"the server cannot use it: {error}", "look at the server's log")
    return Finding("database", State.OK, "the server reads it")


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            found = f"{port} cannot be used: {error.strerror}"
            return Finding("port", State.NOTE, found, "choose another: finery server --port 8002")
    return Finding("port", State.OK, f"{port} is free")


def _configured_database(url: str | None) -> Finding:
    # Without a server to ask, only the driver can be looked for.
    if not url or url.startswith("sqlite"):
        return Finding("database", State.OK, "SQLite, in the home")
    kind = url.partition(":")[0].partition("+")[0]
    driver, extra = DATABASE_DRIVERS.get(kind, (None, None))
    if driver is None:
        remedy = "use sqlite, postgresql+psycopg or mysql+pymysql"
        return Finding("database", State.LACKING, f"TRAINING_DB_URL names {kind}, which is not supported", remedy)
    if importlib.util.find_spec(driver) is None:
        return Finding("database", State.LACKING, f"the driver {driver} is missing", f"pip install 'finery[{extra}]'")
    return Finding("database", State.NOTE, f"{kind}, not asked: no server runs", "start one, and ask again")


def _hub() -> Finding:
    values = [f"{name}={os.environ[name]}" for name in HUB_VARIABLES if os.environ.get(name)]
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Finding("model hub", State.OK, f"offline ({', '.join(values)}): built-in models and local folders only")
    found = ", ".join(values) or "online; nothing is set"
    return Finding("model hub", State.OK, found, "without a network, set HF_HUB_OFFLINE=1 to be refused at once")
