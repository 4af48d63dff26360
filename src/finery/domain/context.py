"""What the domain stands on: the home, the path resolver, the machine, the key to secrets. Made once, in `app`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from finery.contracts.datasets.measurer import Measurer
from finery.contracts.layout import HomeDirectory
from finery.contracts.machine import Machine
from finery.contracts.model_table import ModelTable
from finery.contracts.run_events import EventMaker
from finery.domain.server_lease import ServerLease
from finery.engines.base import Engine
from finery.engines.registry import ENGINES
from finery.kit.destinations import Destinations
from finery.kit.failures import Failures
from finery.kit.home_identity import identify_home
from finery.kit.in_use import InUse
from finery.kit.paths import PathResolver
from finery.kit.secretbox import SecretBox


@dataclass(frozen=True)
class DomainContext:
    home: HomeDirectory
    resolver: PathResolver
    machine: Callable[[], Machine]
    """Asked at each use; the answer may be some seconds old."""
    secrets: SecretBox
    models: ModelTable = field(default_factory=dict)
    """The administrator's names for base models."""
    output_roots: tuple[Path, ...] = ()
    """Absolute; beside the home's `outputs`, where runs may put their models."""
    max_upload_bytes: int = 8 * 2**30
    allow_python_graders: bool = False
    """Whether a run may bring a program that gives its answers their scores."""
    parity_check: bool = False
    """Whether runs that do not say are compared with what is served of them; see docs/parity.md."""
    engines: Mapping[str, Engine] = field(default_factory=lambda: ENGINES)
    """Those that are known, by name, also where they are not installed."""
    measurer: Measurer = field(default_factory=Measurer)
    """Tells what datasets are to models, in a process of its own."""
    in_use: InUse = field(default_factory=InUse)
    """Deployments by id: whether a request is being answered."""
    failed_starts: Failures = field(default_factory=Failures)
    """Of engines, by what they were to serve and how."""
    destinations: Destinations = field(default_factory=Destinations)
    """Where webhooks may be sent."""
    lease: ServerLease = field(default_factory=ServerLease)
    """On the database."""
    event_makers: tuple[EventMaker, ...] = ()
    """The words of the APIs that tell webhooks of runs, beside the neutral ones."""

    @cached_property
    def home_id(self) -> str:
        """Made at its first use, which is after the home was taken. Raises OSError."""
        return identify_home(self.home.state)
