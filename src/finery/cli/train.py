"""`finery train`: submits a run, and follows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

import typer
from typer.core import TyperArgument, TyperCommand

from finery.cli.completion import complete_recipes, complete_settings
from finery.cli.key_values import SettingRefused, parse_labels, parse_settings
from finery.cli.output import JsonOption, print_json, spinner
from finery.cli.session import fail, server

if TYPE_CHECKING:
    from pydantic import JsonValue

    from finery.client import FineryClient
    from finery.contracts.run import Resources, Run
    from finery.contracts.sweeps import Goal, SweepDetails


class TrainCommand(TyperCommand):
    """Adds the recipes' titles to its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # The recipes take a quarter of a second to import, which other commands need not wait for.
        from finery.contracts.recipes import RECIPES

        for param in self.params:
            if param.name == "recipe" and isinstance(param, TyperArgument):
                param.help = "; ".join(f"{recipe.name}: {recipe.title}" for recipe in RECIPES.values())
        super().format_help(ctx, formatter)


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="The training method.", show_default=False, autocompletion=complete_recipes),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings of the recipe, which win over --config; `finery recipes show RECIPE` lists them. Several "
            "values with commas (learning_rate=1e-4,2e-4), or a list around a field's value, make a sweep: a run for "
            "each combination.",
            autocompletion=complete_settings,
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="A YAML or JSON file of settings.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Upload this local file, and train on it (dataset_path).")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="A name to tell runs apart.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="key=value; may be repeated.")] = None,
    priority: Annotated[int, typer.Option("--priority", help="Higher runs start earlier.")] = 0,
    gpus: Annotated[int | None, typer.Option("--gpus", min=0, help="GPUs to hold. Default: one if any.")] = None,
    time_limit: Annotated[float | None, typer.Option("--time-limit", help="In seconds.")] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Everybody who has an account may see it and use its model.")
    ] = False,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Of a sweep: by which the best run is found, as eval_loss.")
    ] = None,
    goal: Annotated[str | None, typer.Option("--goal", help="Of a sweep: min or max, which value is the best.")] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Submit, print the id, and leave.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model, and follow the run. Ctrl-C asks whether to detach, cancel or go on."""
    values = _settings(config, settings or [])
    labels, wanted_goal = label_options(label or []), goal_option(goal)
    with server() as client:
        from finery.contracts.run import Resources

        if data is not None:
            values["dataset_path"] = _uploaded(client, data)
        values, sweeps = _read_by_schema(client, recipe, values)
        request: _Request = {
            "name": name,
            "labels": labels,
            "priority": priority,
            "resources": Resources(gpus=gpus),
            "time_limit_seconds": time_limit,
            "shared": shared,
        }
        given = cast("Mapping[str, JsonValue]", values)
        if sweeps:
            with spinner("The server checks what is submitted", quiet=as_json):
                sweep = client.sweeps.create(recipe, given, **request, metric=metric, goal=wanted_goal)
            raise typer.Exit(_after_sweep(client, sweep, detach=detach, as_json=as_json))
        if metric is not None or wanted_goal is not None:
            fail("--metric and --goal are for sweeps: give a setting several values, as learning_rate=1e-4,2e-4")
        with spinner("The server checks what is submitted", quiet=as_json):
            run = client.create_run(recipe, given, **request)
        raise typer.Exit(_after_run(client, run, detach=detach, as_json=as_json))


class _Request(TypedDict):
    """What a run and a sweep are submitted with."""

    name: str | None
    labels: dict[str, str]
    priority: int
    resources: "Resources"
    time_limit_seconds: float | None
    shared: bool


def _after_run(client: "FineryClient", run: "Run", *, detach: bool, as_json: bool) -> int:
    """Follows a run that was accepted, and returns the exit code."""
    if detach:
        print_json(run) if as_json else print(run.id)
        return 0
    from finery.cli.run_following import track

    if not as_json:
        print(f"Run {run.id}: {run.recipe}" + (f" of {run.model_name}" if run.model_name else ""), flush=True)
    return track(client, run.id, as_json=as_json)


def _after_sweep(client: "FineryClient", sweep: "SweepDetails", *, detach: bool, as_json: bool) -> int:
    """Follows a sweep that was accepted, and returns the exit code."""
    if detach:
        print_json(sweep) if as_json else print(sweep.id)
        return 0
    from finery.cli.sweep_following import follow_sweep

    if not as_json:
        print(f"Sweep {sweep.id}: {len(sweep.runs)} runs of {sweep.recipe}", flush=True)
    return follow_sweep(client, sweep.id, as_json=as_json)


def _uploaded(client: "FineryClient", data: Path) -> str:
    if not data.is_file():
        fail(f"--data: {data} is no file")
    return client.upload_dataset(data).path


def _read_by_schema(client: "FineryClient", recipe: str, values: dict[str, object]) -> tuple[dict[str, object], bool]:
    """Returns the settings with values that commas part as lists, and whether they make a sweep."""
    from finery.cli.sweep_values import is_sweep, may_be_sweep, with_values

    if not may_be_sweep(values):
        return values, False
    # The server's schema, since it may have recipes that are not installed here.
    schema = client.get_recipe(recipe).config_schema
    read = with_values(values, schema)
    return read, is_sweep(read, schema)


def goal_option(word: str | None) -> "Goal | None":
    """Returns what `--goal` says; another word ends the command."""
    from finery.contracts.sweeps import Goal

    if word is not None and word not in list(Goal):
        fail(f"--goal: {word!r} is neither min nor max")
    return None if word is None else Goal(word)


def _settings(config: Path | None, words: list[str]) -> dict[str, object]:
    """Returns the settings of the file and the words; the words win."""
    from finery.kit.config_file import ConfigRefused, read_config

    try:
        return {**(read_config(config) if config else {}), **parse_settings(words)}
    except (ConfigRefused, SettingRefused) as error:
        fail(str(error))


def label_options(words: list[str]) -> dict[str, str]:
    """Returns the labels of `--label` options; a word that is none ends the command."""
    try:
        return parse_labels(words)
    except SettingRefused as error:
        fail(f"--label: {error}")
