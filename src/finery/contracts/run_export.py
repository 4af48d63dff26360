"""What a run's document is made of."""

from finery.contracts.base_models import FrozenModel
from finery.contracts.events import Event
from finery.contracts.run import Artifact, Run


class RunExport(FrozenModel):
    run: Run
    """Without what a reader elsewhere should not see."""
    metrics: dict[str, list[tuple[float, float]]]
    """Metric → step and value of its points, by rising step, sampled; evaluations' names begin with `eval_`."""
    events: list[Event]
    """The last ones in order, but those of metrics."""
    artifacts: list[Artifact]
