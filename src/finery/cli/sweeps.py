"""`finery sweeps`: list, show, follow, rank, cancel, share and delete sweeps."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.completion import complete_sweeps
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
    print_table,
    printable,
)
from finery.cli.session import server

if TYPE_CHECKING:
    from finery.contracts.sweeps import Sweep, SweepDetails, SweepRun

app = typer.Typer(help="Look at sweeps: runs that differ in some settings.", no_args_is_help=True)

SweepId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The sweep's id, or its beginning.", show_default=False, autocompletion=complete_sweeps
    ),
]
MetricOption = Annotated[
    str | None, typer.Option("--metric", help="Rank by this metric, as eval_loss or token_accuracy.")
]
GoalOption = Annotated[str | None, typer.Option("--goal", help="min or max: which of its values is the best.")]


@app.command("list")
def list_sweeps(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="next_cursor of the page before.")] = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """List sweeps, newest first."""
    with server() as client:
        page = client.sweeps.list_page(limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    columns = ("ID", "NAME", "RECIPE", "DIFFERS", "RUNS", "CREATED")
    rows = [
        (each.id, each.name or "", each.recipe, ", ".join(each.grid), _counts(each), age(each.created_at))
        for each in page.sweeps
    ]
    empty = "No sweeps. Start one with `finery train sft … learning_rate=1e-4,2e-4`."
    print_table(columns, rows, empty=empty, wide=wide)
    if page.next_cursor:
        print(f"More: finery sweeps list --cursor {page.next_cursor}", file=sys.stderr)


@app.command()
def show(
    sweep_id: SweepId,
    metric: MetricOption = None,
    goal: GoalOption = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a sweep and its runs, and which is the best."""
    sweep = _ranked(sweep_id, metric, goal)
    if as_json:
        print_json(sweep)
        return
    facts = {"sweep": sweep.id, "name": sweep.name, "recipe": sweep.recipe, "runs": _counts(sweep)}
    print_facts(
        {**facts, "created": local_time(sweep.created_at), "ranked by": f"{sweep.ranked_by} ({sweep.ranked_for})"}
    )
    print()
    columns = ("ID", *(field.upper() for field in sweep.grid), "STATUS", "PROGRESS", sweep.ranked_by.upper(), "")
    print_table(columns, map(_row, sweep.runs), empty="No runs.", wide=wide)


@app.command()
def best(sweep_id: SweepId, metric: MetricOption = None, goal: GoalOption = None, as_json: JsonOption = False) -> None:
    """Print the best run; the exit code is 1 while no run has succeeded with a value of the metric."""
    sweep = _ranked(sweep_id, metric, goal)
    found = next((each for each in sweep.runs if each.is_best), None)
    if as_json:
        print_json({"best": found, "ranked_by": sweep.ranked_by, "ranked_for": sweep.ranked_for})
    else:
        from finery.cli.sweep_following import best_line

        print(printable(best_line(sweep)))
    raise typer.Exit(0 if found is not None else 1)


@app.command()
def monitor(sweep_id: SweepId, as_json: JsonOption = False) -> None:
    """Follow a sweep to its end, as `finery train` does."""
    with server() as client:
        from finery.cli.sweep_following import follow_sweep

        raise typer.Exit(follow_sweep(client, client.sweeps.find(sweep_id).id, as_json=as_json))


@app.command()
def cancel(sweep_id: SweepId, as_json: JsonOption = False) -> None:
    """Cancel all runs of a sweep that have not ended."""
    with server() as client:
        sweep = client.sweeps.cancel(client.sweeps.find(sweep_id).id)
    print_json(sweep) if as_json else print(f"Sweep {sweep.id}: {_counts(sweep)}")


@app.command()
def share(sweep_id: SweepId, as_json: JsonOption = False) -> None:
    """Let everybody who has an account see a sweep and its runs, and use their models."""
    _set_shared(sweep_id, True, as_json)


@app.command()
def unshare(sweep_id: SweepId, as_json: JsonOption = False) -> None:
    """Keep a sweep and its runs to their owner again."""
    _set_shared(sweep_id, False, as_json)


@app.command()
def delete(
    sweep_id: SweepId,
    runs: Annotated[bool, typer.Option("--runs", help="Its runs, too; all must have ended.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a sweep; its runs stay, unless --runs is given."""
    with server() as client:
        sweep = client.sweeps.find(sweep_id)
        count = sum(sweep.run_counts.values())
        fate = f"with its {count} runs; their outputs stay" if runs else f"its {count} runs stay"
        confirm(f"Delete sweep {sweep.id}? ({fate})", yes=yes, as_json=as_json)
        client.sweeps.delete(sweep.id, runs=runs)
    print_json({"id": sweep.id, "deleted": True}) if as_json else print(f"Sweep {sweep.id} is deleted; {fate}")


def _ranked(sweep_id: str, metric: str | None, goal: str | None) -> "SweepDetails":
    with server() as client:
        from finery.cli.train import goal_option

        wanted = goal_option(goal)
        return client.sweeps.get(client.sweeps.find(sweep_id).id, metric=metric, goal=wanted)


def _set_shared(sweep_id: str, shared: bool, as_json: bool) -> None:
    with server() as client:
        sweep = client.sweeps.update(client.sweeps.find(sweep_id).id, shared=shared)
    state = "shared with all who have an account" if sweep.shared else "its owner's alone"
    print_json(sweep) if as_json else print(f"Sweep {sweep.id} is {state}")


def _counts(sweep: "Sweep") -> str:
    return ", ".join(f"{count} {status}" for status, count in sweep.run_counts.items()) or "none"


def _row(each: "SweepRun") -> tuple[str, ...]:
    values = (value if isinstance(value, str) else json.dumps(value) for value in each.values.values())
    score = "" if each.score is None else number(each.score)
    share = f"{each.run.progress.fraction:.0%}"
    return (each.run.id, *values, each.run.status, share, score, "best" if each.is_best else "")
