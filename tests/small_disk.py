"""A disk that a test may fill, or make read-only."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own at `place`, in memory; the test is skipped where none may be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A mount over `place` that takes nothing. Files that are open stay so, as on a disk whose errors made the kernel
    turn it. Who may not mount is told so by CalledProcessError."""
    with tempfile.TemporaryDirectory() as view:
        # Made read-only where nobody looks: at `place` somebody could open a file before it is.
        subprocess.run(["mount", "--bind", str(place), view], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", view], check=True)
            subprocess.run(["mount", "--bind", view, str(place)], check=True)
        finally:
            subprocess.run(["umount", "-l", view], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def may_mount() -> bool:
    with tempfile.TemporaryDirectory() as place:
        may = subprocess.run(["mount", "--bind", place, place], capture_output=True).returncode == 0
        if may:
            subprocess.run(["umount", place], check=True)
    return may


def fill(disk: Path) -> Path:
    """Take all of it; the file whose removal makes it empty again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096) == 4096:
                pass
        except OSError:
            pass
    return filler
