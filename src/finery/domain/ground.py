"""What the domain stands on: the home, the path resolver, and the machine. Made once, in `app`."""

from collections.abc import Callable
from dataclasses import dataclass

from finery.contracts.layout import HomeDirectory
from finery.contracts.machine import Machine
from finery.kit.paths import PathResolver


@dataclass(frozen=True)
class Ground:
    home: HomeDirectory
    resolver: PathResolver
    machine: Callable[[], Machine]
    """Asked at each use; the answer may be some seconds old."""
    max_upload_bytes: int = 8 * 2**30
