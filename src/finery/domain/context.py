"""DomainContext: the settings and collaborators that the services of the domain share, and the server's live state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from finery.contracts.datasets.measurement_worker import MeasurementWorker
from finery.contracts.layout import HomeDirectory
from finery.contracts.machine import Machine
from finery.contracts.model_table import ModelTable
from finery.contracts.webhook_events import WebhookEventRenderer
from finery.domain.server_lease import ServerLease
from finery.engines.base import Engine
from finery.engines.registry import ENGINES
from finery.kit.destinations import Destinations
from finery.kit.failure_cache import FailureCache
from finery.kit.home_identity import identify_home
from finery.kit.paths import PathResolver
from finery.kit.secretbox import SecretBox
from finery.kit.usage_tracker import UsageTracker


@dataclass(frozen=True)
class LiveState:
    """What one server remembers while it runs, in memory alone."""

    in_use: UsageTracker = field(default_factory=UsageTracker)
    """Says for each deployment whether a request to it is being answered, and when one last was."""
    failed_starts: FailureCache = field(default_factory=FailureCache)
    """Engines that did not start, by a hash of what they were to serve and how."""
    unservable: dict[str, str] = field(default_factory=dict)
    """The architectures that an engine cannot serve rightly → what it said; see deployments.servability."""
    measurer: MeasurementWorker = field(default_factory=MeasurementWorker)
    """Measures datasets with models' tokenizers, in a process of its own."""
    lease: ServerLease = field(default_factory=ServerLease)
    """This server's lease on the database."""


@dataclass(frozen=True)
class DomainContext:
    """Made once, in `app`, and passed to every service that needs more than its session."""

    home: HomeDirectory
    resolver: PathResolver
    machine: Callable[[], Machine]
    """Called at each use; what it returns may be some seconds old."""
    secrets: SecretBox
    models: ModelTable = field(default_factory=dict)
    """The administrator's names for base models."""
    output_roots: tuple[Path, ...] = ()
    """Absolute folders beside the home's `outputs` where runs may put their models."""
    max_upload_bytes: int = 8 * 2**30
    allow_python_graders: bool = False
    """Whether a run may bring a Python program that scores the model's answers."""
    keep_outputs: bool = False
    """Whether a run is refused whose output directory holds a finished model, instead of replacing that."""
    parity_check: bool = False
    """Whether a trained model is compared with what is served of it, where its run does not say; see docs/parity.md."""
    engines: Mapping[str, Engine] = field(default_factory=lambda: ENGINES)
    """Every known engine by name, also those that are not installed."""
    destinations: Destinations = field(default_factory=Destinations)
    """Where webhooks may be sent."""
    webhook_renderers: tuple[WebhookEventRenderer, ...] = ()
    """They make the bodies of webhooks' events in the words of each API, beside the neutral ones."""
    live: LiveState = field(default_factory=LiveState)

    @cached_property
    def home_id(self) -> str:
        """The home's id. It is read, or made, at the first use, which is after the home was locked. Raises OSError."""
        return identify_home(self.home.state)
