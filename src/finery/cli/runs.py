"""`finery runs`: list, show, follow, pause, cancel, share and delete runs."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.completion import complete_recipes, complete_runs, complete_sweeps
from finery.cli.exit_codes import EXIT_OF_STATUS, ExitCode
from finery.cli.ids import run_id_of
from finery.cli.output import (
    JsonOption,
    WideOption,
    YesOption,
    age,
    confirm,
    local_time,
    number,
    print_facts,
    print_json,
    print_json_line,
    print_table,
    printable,
    rounded,
)
from finery.cli.session import fail, server
from finery.cli.train import label_options
from finery.contracts.run_sort import RunSort, SortDirection
from finery.contracts.status import RunStatus

if TYPE_CHECKING:
    from finery.client import FineryClient
    from finery.contracts.events import Event
    from finery.contracts.run import QueuePlace, Run

app = typer.Typer(help="Look at runs, and tell them what to do.", no_args_is_help=True)

RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The run's id, or its beginning.", show_default=False, autocompletion=complete_runs
    ),
]

# In seconds, between two requests for more of a log that is followed.
LOG_INTERVAL = 0.5


@app.command("list")
def list_runs(
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs in this state.")] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Only runs of this recipe.", autocompletion=complete_recipes)
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Only runs with this key=value.")] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", help="Only runs of this sweep.", autocompletion=complete_sweeps)
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only runs of this user.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Only runs with this in their name.")] = None,
    sort: Annotated[RunSort | None, typer.Option("--sort", help="Default: created.")] = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="The least, or oldest, first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="next_cursor of the page before.")] = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    pair = None if label is None else next(iter(label_options([label]).items()))
    direction = SortDirection.ASCENDING if ascending else None
    with server() as client:
        sweep = sweep and client.sweeps.find(sweep).id
        page = client.list_runs(
            status=status, recipe=recipe, label=pair, sweep=sweep, owner=owner, name=name, sort=sort,
            direction=direction, limit=limit, cursor=cursor,
        )  # fmt: skip
    if as_json:
        print_json(page)
        return
    columns: tuple[str, ...] = ("ID", "NAME", "RECIPE", "MODEL", "STATUS", "PROGRESS", "LOSS", "CREATED")
    rows = [_row(run) for run in page.runs]
    if wide:
        columns = (*columns, "DATASET", "LABELS", "OWNER")
        rows = [(*_row(run), run.dataset or "", _labels(run), run.owner_id or "") for run in page.runs]
    print_table(columns, rows, empty="No runs. Start one with `finery train`.", wide=wide)
    if page.next_cursor:
        print(f"More: finery runs list --cursor {page.next_cursor}", file=sys.stderr)


@app.command()
def show(run_id: RunId, as_json: JsonOption = False) -> None:
    """Show one run."""
    with server() as client:
        run = client.find_run(run_id)
        artifacts = client.artifacts(run.uid)
        place = _place_of(client, run)
    if as_json:
        print_json(run)
        return
    print_facts(_facts(run, place))
    for artifact in artifacts:
        print(f"artifact {artifact.id}: {artifact.type} {printable(artifact.path)}")


@app.command()
def monitor(run_id: RunId, as_json: JsonOption = False) -> None:
    """Follow a run to its end, as `finery train` does."""
    with server() as client:
        from finery.cli.run_following import track

        raise typer.Exit(track(client, run_id_of(client, run_id), as_json=as_json))


@app.command()
def logs(
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has finished.")] = False,
    tail: Annotated[int, typer.Option("--tail", min=0, help="Start with so many last lines; 0: all.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Print a run's log."""
    with server() as client:
        run_id = run_id_of(client, run_id)
        if follow:
            _follow_log(client, run_id, tail, as_json)
            return
        log = client.log_tail(run_id, lines=tail)
    if as_json:
        print_json(log)
        return
    for line in log.lines:
        print(printable(line))


@app.command()
def events(
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has finished.")] = False,
    after: Annotated[int, typer.Option("--after", min=0, help="Only events after this number.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print a run's events; with --follow --json, one JSON object a line."""
    with server() as client:
        run_id = run_id_of(client, run_id)
        if not follow:
            stored = client.events(run_id, after=after)
            print_json({"events": stored}) if as_json else _print_events(stored)
            return
        for event in client.follow(run_id, after=after):
            print_json_line(event) if as_json else _print_events([event])


@app.command()
def cancel(run_id: RunId, as_json: JsonOption = False) -> None:
    """Cancel a run."""
    with server() as client:
        _print_run(client.cancel_run(run_id_of(client, run_id)), as_json)


@app.command()
def pause(run_id: RunId, as_json: JsonOption = False) -> None:
    """End a run at a checkpoint, to be resumed later; its GPUs are free then."""
    with server() as client:
        _print_run(client.pause_run(run_id_of(client, run_id)), as_json)


@app.command()
def resume(run_id: RunId, as_json: JsonOption = False) -> None:
    """Queue a paused run again. One that has ended goes on from its last checkpoint as a new run."""
    with server() as client:
        run_id = run_id_of(client, run_id)
        run = client.resume_run(run_id)
        if run.id != run_id and not as_json:
            print(f"Run {run_id} has ended; run {run.id} goes on from its last checkpoint")
        _print_run(run, as_json)


@app.command()
def stop(run_id: RunId, as_json: JsonOption = False) -> None:
    """Let a run end early and save its model."""
    with server() as client:
        _print_run(client.stop_run(run_id_of(client, run_id)), as_json)


@app.command()
def checkpoint(run_id: RunId, as_json: JsonOption = False) -> None:
    """Have a running run save a checkpoint now."""
    with server() as client:
        _print_run(client.checkpoint_run(run_id_of(client, run_id)), as_json)


@app.command()
def share(run_id: RunId, as_json: JsonOption = False) -> None:
    """Let everybody who has an account see a run, and use its model."""
    _set_shared(run_id, True, as_json)


@app.command()
def unshare(run_id: RunId, as_json: JsonOption = False) -> None:
    """Keep a run to its owner again."""
    _set_shared(run_id, False, as_json)


@app.command()
def export(
    run_id: RunId,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file. Default: here, as the run's id.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Save a run as one HTML file that opens without a server."""
    with server() as client:
        run_id = run_id_of(client, run_id)
        path = target or Path(f"{run_id}.html")
        if path.exists() and not force:
            fail(f"{path} is there already; --force replaces it")
        try:
            client.export_run(run_id, path)
        except OSError as error:
            fail(f"{path}: cannot be written: {error.strerror}")
    print_json({"file": str(path)}) if as_json else print(printable(str(path)))


@app.command()
def delete(
    run_id: RunId,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a finished run with its events, checkpoints and log; its output stays."""
    with server() as client:
        run_id = run_id_of(client, run_id)
        output = client.get_run(run_id).output_dir
        stays = f"its output stays in {output}" if output else "it has no output"
        confirm(f"Delete run {run_id} with its events, checkpoints and log? ({stays})", yes=yes, as_json=as_json)
        client.delete_run(run_id)
    if as_json:
        print_json({"id": run_id, "deleted": True, "output_dir": output})
    else:
        print(printable(f"Run {run_id} is deleted, with its events, checkpoints and log; {stays}"))


@app.command()
def wait(
    run_id: RunId,
    timeout: Annotated[float | None, typer.Option("--timeout", min=0, help="Give up after so many seconds.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Wait for a run's end in silence; the exit code says how it was."""
    with server() as client:
        from finery.cli.run_following import summary

        try:
            run = client.wait(run_id_of(client, run_id), timeout=timeout)
        except TimeoutError as error:
            fail(str(error), ExitCode.TIMED_OUT)
    print_json(run) if as_json else print(printable(summary(run)))
    raise typer.Exit(EXIT_OF_STATUS[run.status])


def _row(run: "Run") -> tuple[str, ...]:
    loss = "" if run.progress.loss is None else number(run.progress.loss)
    status = f"{run.status} ({run.intent} asked)" if run.intent and not run.status.is_finished else run.status
    share = f"{run.progress.fraction:.0%}"
    return (run.id, run.name or "", run.recipe, run.model_name or "", status, share, loss, age(run.created_at))


def _place_of(client: "FineryClient", run: "Run") -> "QueuePlace | None":
    """Returns None for a run that is not queued, or not here."""
    from finery.client import FineryError

    if run.status is not RunStatus.QUEUED:
        return None
    try:
        return client.queue_place(run.uid)
    except FineryError as error:
        if error.code != "run_not_queued":
            raise
        return None


def _facts(run: "Run", place: "QueuePlace | None") -> dict[str, str | None]:
    import json

    progress = run.progress
    return {
        "id": run.id,
        "own id": None if run.uid == run.id else run.uid,
        "name": run.name,
        "recipe": run.recipe,
        "status": str(run.status) + (f" ({run.reason})" if run.reason else ""),
        "queue": f"{place.position} of {place.length}: {place.message}" if place else None,
        "error": run.error,
        "warnings": "; ".join(f"{warning.message} ({warning.code})" for warning in run.warnings) or None,
        "asked for": run.intent,
        "model": run.model_name,
        "dataset": run.dataset,
        "output": run.output_dir,
        "log": run.log_file,
        "stage": progress.stage,
        "progress": f"{progress.fraction:.0%}, step {progress.step}/{progress.total_steps}" if progress.step else None,
        "loss": None if progress.loss is None else number(progress.loss),
        "labels": _labels(run),
        "owner": run.owner_id,
        "shared": "with everybody" if run.shared else None,
        "priority": str(run.priority) if run.priority else None,
        "attempt": str(run.attempt),
        "created": local_time(run.created_at),
        "started": local_time(run.started_at),
        "finished": local_time(run.finished_at),
        "settings": json.dumps(run.requested, ensure_ascii=False),
    }


def _labels(run: "Run") -> str:
    return ", ".join(f"{key}={value}" for key, value in run.labels.items())


def _set_shared(run_id: str, shared: bool, as_json: bool) -> None:
    with server() as client:
        run = client.update_run(run_id_of(client, run_id), shared=shared)
    print_json(run) if as_json else print(f"Run {run.id} is {'shared' if shared else 'not shared any more'}")


def _print_run(run: "Run", as_json: bool) -> None:
    if as_json:
        print_json(run)
    elif run.intent and not run.status.is_finished:
        print(f"Run {run.id} is {run.status}; {run.intent} is asked for")
    else:
        print(f"Run {run.id} is {run.status}")


def _print_events(events: "list[Event]") -> None:
    import json

    from finery.kit.clock import from_epoch

    for event in events:
        data = json.dumps(rounded(event.data.as_json()), ensure_ascii=False)
        print(f"{event.sequence:>6}  {local_time(from_epoch(event.at))}  {event.type:<10}  {data}", flush=True)


def _follow_log(client: "FineryClient", run_id: str, tail: int, as_json: bool) -> None:
    """Prints the last `tail` lines, then what is added, until the run has finished."""
    part = client.log_end(run_id, lines=tail)
    _print_log_lines(part.text.splitlines(), as_json)
    while True:
        # The status is read before the log: a run that has finished by then adds nothing after what is read.
        finished, offset = client.get_run(run_id).status.is_finished, part.next_offset
        part = client.log_slice(run_id, offset=offset)
        _print_log_lines(part.text.splitlines(), as_json)
        if part.next_offset == offset:
            if finished:
                return
            time.sleep(LOG_INTERVAL)


def _print_log_lines(lines: list[str], as_json: bool) -> None:
    for line in lines:
        print_json_line({"line": line}) if as_json else print(printable(line), flush=True)
