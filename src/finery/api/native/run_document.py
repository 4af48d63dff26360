"""Writes a run as one HTML document, which opens without a server: no script, nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from finery.contracts.events import Event, SampleEvent
from finery.contracts.run import Artifact, Run
from finery.contracts.run_export import RunExport
from finery.kit.clock import from_epoch
from finery.kit.log_lines import LogEnd
from finery.kit.markup import Markup, element, joined
from finery.kit.svg_curve import svg_curve

LONGEST_VALUE = 2_000
LONGEST_SAMPLE = 4_000
LONGEST_ERROR = 20_000
MOST_ROWS = 500
MOST_SAMPLES = 50
STYLE = """
:root { color-scheme: light dark; --line: #0b7285; --faint: #868e96; --rule: #dee2e6; }
@media (prefers-color-scheme: dark) { :root { --line: #3bc9db; --faint: #adb5bd; --rule: #495057; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, td, th, p, li { overflow-wrap: anywhere; }
h3 { font: 600 13px ui-monospace, monospace; margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; }
td:first-child, th:first-child { white-space: nowrap; }
pre { overflow: auto; max-height: 40rem; padding: .75rem; border: 1px solid var(--rule); white-space: pre-wrap; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.5rem; }
svg { width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: var(--faint); }
.axis { stroke: var(--rule); }
.curve { fill: none; stroke: var(--line); stroke-width: 1.5; }
.end { fill: var(--line); }
.error { border-left: 4px solid #c92a2a; padding-left: .75rem; white-space: pre-wrap; }
footer { color: var(--faint); margin: 2rem 0; }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"

Cell = str | Markup


def to_document(export: RunExport, log: LogEnd, now: datetime) -> str:
    run = export.run
    title = run.name or run.id
    head = joined(
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    body = joined(
        element("h1", title),
        _facts(_about(run)),
        element("p", _cut(run.error, LONGEST_ERROR), class_="error") if run.error else "",
        _section("Warnings", _list(f"{warning.message} ({warning.code})" for warning in run.warnings)),
        _section("Curves", _curves(export.metrics)),
        _section("Metrics", _metrics(export.metrics)),
        _section("Configuration", _configuration(run)),
        _section("Samples", _samples(export.events)),
        _section("Events", _events(export.events)),
        _section("Files", _artifacts(export.artifacts)),
        _section("Log", _log(log)),
        element("footer", f"Saved from Finery at {_time(now)}."),
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _about(run: Run) -> dict[str, str | None]:
    progress = run.progress
    steps = None if progress.step is None else f"{progress.step} of {progress.total_steps or '?'}"
    span = None if not (run.started_at and run.finished_at) else str(run.finished_at - run.started_at).partition(".")[0]
    return {
        "id": run.id,
        "state": f"{run.status} ({run.reason})" if run.reason else run.status,
        "recipe": run.recipe,
        "model": run.model_name,
        "dataset": run.dataset,
        "output": run.output_dir,
        "steps": steps,
        "last loss": None if progress.loss is None else f"{progress.loss:.4g}",
        "labels": ", ".join(f"{key}={value}" for key, value in run.labels.items()) or None,
        "attempts": str(run.attempt),
        "resumed from": run.resumed_from,
        "created": _time(run.created_at),
        "started": _time(run.started_at),
        "ended": _time(run.finished_at),
        "duration (h:m:s)": span,
    }


def _section(title: str, content: Markup) -> Markup:
    """Return nothing for nothing."""
    return element("section", element("h2", title), content) if content else Markup()


def _facts(facts: Mapping[str, str | None]) -> Markup:
    rows = [(element("b", name), value) for name, value in facts.items() if value is not None]
    return _table((), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Markup:
    if not rows:
        return Markup()
    head = element("thead", element("tr", *(element("th", head, scope="col") for head in heads))) if heads else ""
    shown = [element("tr", *(element("td", cell) for cell in row)) for row in rows[:MOST_ROWS]]
    left = len(rows) - len(shown)
    more = element("p", f"{left} more are left out.") if left else ""
    return joined(element("table", head, element("tbody", *shown)), more)


def _list(texts: Iterable[str]) -> Markup:
    items = [element("li", text) for text in texts]
    return element("ul", *items) if items else Markup()


def _curves(metrics: Mapping[str, list[tuple[float, float]]]) -> Markup:
    figures = [
        element("div", element("h3", name), svg_curve(points, f"{name} by step"))
        for name, points in metrics.items()
        if points
    ]
    return element("div", *figures, class_="curves") if figures else Markup()


def _metrics(metrics: Mapping[str, list[tuple[float, float]]]) -> Markup:
    rows = [
        (name, f"{points[0][1]:.4g}", f"{points[-1][1]:.4g}", _extreme(points, min), _extreme(points, max))
        for name, points in metrics.items()
        if points
    ]
    return _table(("Metric", "First", "Last", "Least (step)", "Greatest (step)"), rows)


def _extreme(points: list[tuple[float, float]], choose: Any) -> str:
    step, value = choose(points, key=lambda point: point[1])
    return f"{value:.4g} ({step:.0f})"


def _configuration(run: Run) -> Markup:
    rows = [
        (key, _cut(_value(value), LONGEST_VALUE), "chosen by auto" if run.requested.get(key) == "auto" else "")
        for key, value in run.config.items()
    ]
    return _table(("Setting", "Value", ""), rows)


def _samples(events: Sequence[Event]) -> Markup:
    rows = [
        (str(data.step or ""), _cut(data.prompt or "", LONGEST_SAMPLE), _cut(data.text or "", LONGEST_SAMPLE))
        for data in [event.data for event in events if isinstance(event, SampleEvent)][-MOST_SAMPLES:]
    ]
    return _table(("Step", "Prompt", "Answer"), rows)


def _events(events: Sequence[Event]) -> Markup:
    rows = [
        (_time(from_epoch(event.at)) or "", event.type, _cut(_value(event.data.as_json()), LONGEST_VALUE))
        for event in events
        if not isinstance(event, SampleEvent)
    ]
    return _table(("Time", "Event", "Details"), rows)


def _artifacts(artifacts: Sequence[Artifact]) -> Markup:
    rows = [(found.name, found.type, f"{found.size_bytes:,} bytes", found.sha256 or "") for found in artifacts]
    return _table(("Name", "Kind", "Size", "SHA-256"), rows)


def _log(log: LogEnd) -> Markup:
    if not log.lines:
        return Markup()
    note = element("p", "Its beginning is left out.") if log.is_cut else ""
    return joined(note, element("pre", "\n".join(log.lines)))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… [{len(text) - most} more characters]"


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
