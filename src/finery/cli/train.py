"""`finery train`: submits a run, and follows it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperArgument, TyperCommand

from finery.cli.completion import complete_recipes, complete_settings
from finery.cli.key_values import SettingRefused, parse_labels, parse_settings
from finery.cli.output import JsonOption, print_json, spinner
from finery.cli.session import fail, server

if TYPE_CHECKING:
    from pydantic import JsonValue


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
            metavar="[KEY=VALUE]...",
            help="Settings of the recipe; they win over --config.",
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
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Submit, print the run's id, and leave.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model, and follow the run. Ctrl-C asks whether to detach, cancel or go on."""
    values = _settings(config, settings or [])
    labels = label_options(label or [])
    with server() as client:
        from finery.contracts.run import Resources

        if data is not None:
            if not data.is_file():
                fail(f"--data: {data} is no file")
            values["dataset_path"] = client.upload_dataset(data).path
        with spinner("The server checks what is submitted", quiet=as_json):
            run = client.create_run(
                recipe,
                cast("Mapping[str, JsonValue]", values),
                name=name,
                labels=labels,
                priority=priority,
                resources=Resources(gpus=gpus),
                time_limit_seconds=time_limit,
                shared=shared,
            )
        if detach:
            print_json(run) if as_json else print(run.id)
            return
        from finery.cli.run_following import track

        if not as_json:
            print(f"Run {run.id}: {recipe}" + (f" of {run.model_name}" if run.model_name else ""), flush=True)
        raise typer.Exit(track(client, run.id, as_json=as_json))


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
