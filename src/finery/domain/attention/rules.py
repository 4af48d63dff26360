"""The rules of what needs attention: one entry each. A new rule is a function, an entry, and a line in the docs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

from finery.contracts.attention import Severity
from finery.contracts.loss_trend import mean_losses_unless_fallen
from finery.domain.attention.snapshot import LiveRun, Snapshot
from finery.kit.translatable import Translatable

Values = dict[str, Any]
"""What is told in a rule's sentences, as JSON."""

ZERO_LOSSES = 5
PLATEAU_LOSSES = 120
"""Logged losses of the run so far, of which the later half is looked at."""
SPIKE_FACTOR, SPIKE_STEPS, STEPS_BEFORE_SPIKE = 10, 20, 30
LEAST_SPIKE = 1.0
"""A smaller gradient harms nothing: it is below the norm that trainers clip to."""
RISING_EVALUATIONS = 3
LEAST_RISE = 1.02
LEAST_SILENCE_SECONDS = 600.0
SILENCE_FACTOR = 10
"""A run is silent after so many times the longest pause between its last steps."""
IDLE_SECONDS = 120.0
LEAST_DISK_BYTES = 5 * 2**30
LINGER_SECONDS = 60.0
WITHOUT_TELLING_LOSS = frozenset({"grpo"})
"""Recipes whose loss may be 0 or level while they learn: it is their reward that tells."""


@dataclass(frozen=True)
class Finding:
    code: str
    run_number: int | None
    """None: it is about the machine."""
    values: Values


@dataclass(frozen=True)
class Rule:
    code: str
    severity: Severity
    message: Callable[[Mapping[str, Any]], str]
    remedy: str
    find: Callable[[Snapshot], Iterator[tuple[int | None, Values]]]
    """Yields run number (None: the machine) and values, for each time that it holds."""
    linger_seconds: float = 0.0
    """How long it must no longer hold before it is resolved, so that what comes and goes is told once."""

    def findings(self, snapshot: Snapshot) -> Iterator[Finding]:
        for run_number, values in self.find(snapshot):
            yield Finding(self.code, run_number, values)


def _each_live(find: Callable[[LiveRun, Snapshot], Values | None]) -> Callable[[Snapshot], Any]:
    """Make a rule's function of one that looks at a live run, and returns None where it does not hold."""
    return partial(_find_in_live, find)


def _find_in_live(
    find: Callable[[LiveRun, Snapshot], Values | None], snapshot: Snapshot
) -> Iterator[tuple[int | None, Values]]:
    for run in snapshot.live:
        if (values := find(run, snapshot)) is not None:
            yield run.number, values


def _loss_not_finite(run: LiveRun, _: Snapshot) -> Values | None:
    losses = run.window.recent_losses
    return {"step": run.window.step} if losses and losses[-1] is None else None


def _loss_zero(run: LiveRun, _: Snapshot) -> Values | None:
    losses = list(run.window.recent_losses)[-ZERO_LOSSES:]
    is_zero = len(losses) == ZERO_LOSSES and all(loss == 0.0 for loss in losses)
    return {"step": run.window.step} if is_zero and run.recipe not in WITHOUT_TELLING_LOSS else None


def _loss_plateau(run: LiveRun, _: Snapshot) -> Values | None:
    history = run.window.losses
    if run.recipe in WITHOUT_TELLING_LOSS or len(history.means) * history.stretch < PLATEAU_LOSSES:
        return None
    means = mean_losses_unless_fallen(history.means[-len(history.means) // 2 :])
    return None if means is None else {"first": f"{means[0]:.4g}", "last": f"{means[1]:.4g}"}


def _gradient_spike(run: LiveRun, _: Snapshot) -> Values | None:
    gradients = list(run.window.gradients)
    before, last = gradients[:-SPIKE_STEPS], gradients[-SPIKE_STEPS:]
    if len(before) < STEPS_BEFORE_SPIKE:
        return None
    usual, highest = median(before), max(last)
    is_spike = highest > LEAST_SPIKE and highest > SPIKE_FACTOR * usual
    return {"norm": f"{highest:.4g}", "usual": f"{usual:.4g}"} if is_spike else None


def _evaluation_rises(run: LiveRun, _: Snapshot) -> Values | None:
    last = list(run.window.evaluations)[-RISING_EVALUATIONS:]
    if len(last) < RISING_EVALUATIONS:
        return None
    rises = all(earlier.loss < later.loss for earlier, later in pairwise(last))
    falls = last[-1].training_loss < last[0].training_loss
    if not (rises and falls and last[-1].loss > LEAST_RISE * last[0].loss):
        return None
    return {"first": f"{last[0].loss:.4g}", "last": f"{last[-1].loss:.4g}"}


def _run_silent(run: LiveRun, snapshot: Snapshot) -> Values | None:
    times = list(run.window.times) if run.window.attempt == run.attempt else []
    if len(times) < 2 or run.stage != "training":
        return None
    longest = max(later - earlier for earlier, later in pairwise(times))
    silence = snapshot.at - times[-1]
    is_silent = silence > max(LEAST_SILENCE_SECONDS, SILENCE_FACTOR * longest)
    return {"minutes": int(silence // 60), "step": run.window.step} if is_silent else None


def _device_idle(run: LiveRun, _: Snapshot) -> Values | None:
    is_idle = run.stage == "training" and run.idle_seconds >= IDLE_SECONDS
    return {"minutes": int(run.idle_seconds // 60)} if is_idle else None


def _worker_lost(run: LiveRun, _: Snapshot) -> Values | None:
    return {"count": run.lost_count} if run.lost_count else None


def _cannot_start(snapshot: Snapshot) -> Iterator[tuple[int | None, Values]]:
    machine = snapshot.machine
    for run in snapshot.too_large:
        has = len(machine.gpus) if run.is_gpu else machine.cpu_slots
        yield run.number, {"wanted": run.wanted, "has": has, "is_gpu": run.is_gpu}


def _tell_cannot_start(values: Mapping[str, Any]) -> str:
    if values["is_gpu"]:
        return Translatable("it waits for {wanted} GPUs, and this machine has {has}", **values)
    return Translatable("it waits for {wanted} CPU slots, and this machine has {has}", **values)


def _disk_low(snapshot: Snapshot) -> Iterator[tuple[int | None, Values]]:
    if snapshot.free_disk_bytes < LEAST_DISK_BYTES:
        yield None, {"least": LEAST_DISK_BYTES // 2**30}


_RULES = (
    Rule(
        "loss_not_finite",
        Severity.ERROR,
        lambda values: Translatable("the loss is NaN or infinite at step {step}", **values),
        Translatable("cancel it, and begin anew with a lower learning_rate or precision fp32"),
        _each_live(_loss_not_finite),
        LINGER_SECONDS,
    ),
    Rule(
        "loss_zero",
        Severity.ERROR,
        lambda values: Translatable("the loss is exactly 0 at step {step}, so that nothing is learned", **values),
        Translatable("look whether the rows have answers to learn, and whether precision fp32 helps"),
        _each_live(_loss_zero),
        LINGER_SECONDS,
    ),
    Rule(
        "loss_plateau",
        Severity.WARNING,
        lambda values: Translatable(
            "the loss has not fallen in the second half of the steps so far: {first} at its start, {last} now", **values
        ),
        Translatable("stop it and keep the model, or begin anew with another learning_rate"),
        _each_live(_loss_plateau),
        LINGER_SECONDS,
    ),
    Rule(
        "gradient_spike",
        Severity.WARNING,
        lambda values: Translatable(
            "the norm of the gradient jumped to {norm}; {usual} is usual in this run", **values
        ),
        Translatable(
            "look whether the loss comes down again; if not, begin anew from a checkpoint with a lower learning_rate"
        ),
        _each_live(_gradient_spike),
        LINGER_SECONDS,
    ),
    Rule(
        "evaluation_rises",
        Severity.WARNING,
        lambda values: Translatable(
            "the evaluation loss rose from {first} to {last} while the training loss fell: it learns its rows by heart",
            **values,
        ),
        Translatable("stop it and take the checkpoint before the rise, or add rows"),
        _each_live(_evaluation_rises),
        LINGER_SECONDS,
    ),
    Rule(
        "run_silent",
        Severity.WARNING,
        lambda values: Translatable("it has told nothing for {minutes} minutes, since step {step}", **values),
        Translatable("look at the end of its log; pause and resume it if it hangs"),
        _each_live(_run_silent),
    ),
    Rule(
        "device_idle",
        Severity.WARNING,
        lambda values: Translatable("its GPUs have computed nothing for {minutes} minutes", **values),
        Translatable("look at the end of its log; it may wait for data or for another process"),
        _each_live(_device_idle),
        LINGER_SECONDS,
    ),
    Rule(
        "worker_lost",
        Severity.WARNING,
        lambda values: Translatable("its process ended unexpectedly {count} times since its last checkpoint", **values),
        Translatable(
            "look at the end of its log and at the machine's memory; it goes on by itself, five times at most"
        ),
        _each_live(_worker_lost),
    ),
    Rule(
        "cannot_start",
        Severity.ERROR,
        _tell_cannot_start,
        Translatable("cancel it and start it with smaller resources, or add devices to this machine"),
        _cannot_start,
    ),
    Rule(
        "disk_low",
        Severity.ERROR,
        lambda values: Translatable("less than {least} GiB is free on the disk of the home", **values),
        Translatable("delete runs, models or datasets that nobody needs any more, or free the disk otherwise"),
        _disk_low,
        LINGER_SECONDS,
    ),
)
RULES: Mapping[str, Rule] = {rule.code: rule for rule in _RULES}


def findings_of(snapshot: Snapshot) -> list[Finding]:
    return [finding for rule in RULES.values() for finding in rule.findings(snapshot)]
